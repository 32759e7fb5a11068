"""Which weights each step runs on, as plain values that cross to the analysis process."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SHIPPED, RULES = "shipped", "rules"


@dataclass(frozen=True)
class ModelChoice:
    """Names of weights: ``shipped``, ``rules`` where there are rules, or those of a card in ``folder``.

    Parameters
    ----------
    folder
        Of imported weights.
    lungs, detector
        Every analysis has these.
    lobes, malignancy, patient
        None leaves the step out.
    """

    folder: Path
    lungs: str = SHIPPED
    detector: str = SHIPPED
    lobes: str | None = None
    malignancy: str | None = SHIPPED
    patient: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Say it in plain JSON values."""
        return {**asdict(self), "folder": str(self.folder)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ModelChoice:
        """Take it back from plain JSON values."""
        return cls(**{**values, "folder": Path(values["folder"])})
