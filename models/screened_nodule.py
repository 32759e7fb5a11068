"""What Lung-RADS v2022 asks of a nodule: its size against the table's thresholds, and its course between screens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import MappingProxyType

from models.findings import Attenuation, LungRadsCategory
from models.growth import to_tenth_mm, to_whole_mm3

GROWTH_MM = 1.5  # an increase of the mean diameter by more than this within 12 months is growth
GROWTH_MONTHS = 12
# Volume in mm3 of each diameter threshold in mm, as the table prints it.
THRESHOLDS_MM: Mapping[int, int] = MappingProxyType({4: 34, 6: 113, 8: 268, 10: 524, 15: 1767, 30: 14137})


class Course(StrEnum):
    """The nodule compared with earlier screens."""

    BASELINE = "baseline"
    NEW = "new"
    GROWING = "growing"
    SLOWLY_GROWING = "slowly growing"
    STABLE = "stable"  # or smaller


class Airway(Enum):
    """Where a nodule in an airway sits."""

    SUBSEGMENTAL = "subsegmental"
    SEGMENTAL = "segmental or more proximal"


@dataclass(frozen=True)
class Size:
    """A mean diameter in mm, a volume in mm3, or both; the diameter decides where it is known."""

    mean_diameter_mm: float | None = None
    volume_mm3: float | None = None

    def __post_init__(self) -> None:
        if self.mean_diameter_mm is None and self.volume_mm3 is None:
            raise ValueError("a size needs a mean diameter or a volume")

    def is_below(self, threshold_mm: int) -> bool:
        """Tell whether the size, rounded to 0.1 mm or 1 mm3, is below a threshold of the table."""
        if self.mean_diameter_mm is not None:
            return to_tenth_mm(self.mean_diameter_mm) < threshold_mm
        return to_whole_mm3(self.volume_mm3 or 0.0) < THRESHOLDS_MM[threshold_mm]

    def __str__(self) -> str:
        if self.mean_diameter_mm is not None:
            return f"{to_tenth_mm(self.mean_diameter_mm):.1f} mm"
        return f"{to_whole_mm3(self.volume_mm3 or 0.0)} mm3"


@dataclass(frozen=True)
class ScreenedNodule:
    """What Lung-RADS asks of one nodule. Whatever is left at its default is not known, or not so.

    Parameters
    ----------
    size
        Of the whole nodule.
    solid_size
        Of the solid component of a part-solid nodule.
    solid_component_grew
        For a growing part-solid nodule: whether its solid component did.
    previous_size, previous_solid_size, previous_category, months_since_previous
        At the last screen, for a stable or growing nodule.
    spiculated
        Or another feature that makes 3 or 4 a 4X, as a reader says.
    benign_calcification
        Complete, central, popcorn or concentric, as a reader says; CT numbers alone do not tell.
    juxtapleural_smooth
        Solid, on the pleura, smooth, and oval, lentiform or triangular, as a reader says.
    """

    attenuation: Attenuation
    size: Size
    course: Course = Course.BASELINE
    solid_size: Size | None = None
    solid_component_grew: bool | None = None
    previous_size: Size | None = None
    previous_solid_size: Size | None = None
    previous_category: LungRadsCategory | None = None
    months_since_previous: float | None = None
    spiculated: bool = False
    benign_calcification: bool | None = None
    juxtapleural_smooth: bool = False
    airway: Airway | None = None


def course_of(previous: Size, current: Size, months: float) -> Course:
    """Tell the course of a nodule between two mean diameters.

    Raises
    ------
    ValueError
        If a diameter is not known.
    """
    if previous.mean_diameter_mm is None or current.mean_diameter_mm is None:
        raise ValueError("growth is told from two mean diameters")
    increase_mm = to_tenth_mm(current.mean_diameter_mm) - to_tenth_mm(previous.mean_diameter_mm)
    if round(increase_mm, 1) <= GROWTH_MM:
        return Course.STABLE
    return Course.GROWING if months <= GROWTH_MONTHS else Course.SLOWLY_GROWING
