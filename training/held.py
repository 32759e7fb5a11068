"""What a folder of intermediate results was made from: written beside them, and asked before they are used again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.weights import write_text
from training.errors import TrainingError


def hold(path: Path, made_from: Mapping[str, Any]) -> None:
    """Write what results are made from, or refuse a folder whose results were made from something else.

    Parameters
    ----------
    path
        JSON file beside the results.

    Raises
    ------
    TrainingError
        The file tells of other sources.
    """
    told = json.dumps(made_from, indent=1, sort_keys=True) + "\n"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, told)
    elif path.read_text(encoding="utf-8") != told:
        raise TrainingError(f"{path}: what lies here was made from other sources; choose an empty folder")
