"""The closed sets of words that findings are told in."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class LungLabel(IntEnum):
    """Voxel labels of a lung mask; the numbers are those of lungmask R231."""

    BACKGROUND = 0
    RIGHT = 1
    LEFT = 2


class Side(StrEnum):
    """The patient's side."""

    RIGHT = "right"
    LEFT = "left"


class Third(StrEnum):
    """Craniocaudal third of the lung that holds the nodule. A third is not a lobe."""

    UPPER = "upper"
    MIDDLE = "middle"
    LOWER = "lower"


class Lobe(StrEnum):
    """Lobe of the lung; known only where lobe weights are installed."""

    LEFT_UPPER = "left upper"
    LEFT_LOWER = "left lower"
    RIGHT_UPPER = "right upper"
    RIGHT_MIDDLE = "right middle"
    RIGHT_LOWER = "right lower"


LOBE_LABELS = {
    1: Lobe.LEFT_UPPER,
    2: Lobe.LEFT_LOWER,
    3: Lobe.RIGHT_UPPER,
    4: Lobe.RIGHT_MIDDLE,
    5: Lobe.RIGHT_LOWER,
}  # the numbers are those of lungmask LTRCLobes


class Attenuation(StrEnum):
    """Attenuation type of a nodule (Fleischner glossary; Lung-RADS v2022)."""

    SOLID = "solid"
    PART_SOLID = "part_solid"
    GROUND_GLASS = "ground_glass"
    CALCIFIED = "calcified"


class LungRadsCategory(StrEnum):
    """Lung-RADS v2022 categories (ACR, November 2022)."""

    INCOMPLETE = "0"
    NEGATIVE = "1"
    BENIGN = "2"
    PROBABLY_BENIGN = "3"
    SUSPICIOUS_4A = "4A"
    SUSPICIOUS_4B = "4B"
    SUSPICIOUS_4X = "4X"
