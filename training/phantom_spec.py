"""What a phantom is made of and how it is scanned: settings, each with its range."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from training.phantom_nodules import NODULES, NoduleSpec
from training.phantom_raster import Grid

LOWEST_MM, HIGHEST_MM = -205.0, 132.0  # z covered: upper abdomen to the shoulders, the carina at 0
STORED_PADDING = -2000  # what scanners with a round reconstruction field store around it
_MIDDLE_Y_MM = 14.0  # of the field of view: patient and table


class Arms(StrEnum):
    """Where the arms lie."""

    UP = "up"
    DOWN = "down"


def _check(settings: object, allowed: dict[str, tuple[float, float]]) -> None:
    """Raise ValueError for the first setting out of its range, by name."""
    for name, (low, high) in allowed.items():
        value = getattr(settings, name)
        if not low <= value <= high:
            raise ValueError(f"{name} must lie between {low} and {high}, found {value}")


@dataclass(frozen=True)
class Patient:
    """Whose chest it is, and what is wrong with it.

    Parameters
    ----------
    scale_xyz
        Size over that of the standard chest: width, depth, height; each 0.8 to 1.2. Nodules keep
        their volume and take the proportions.
    fat_mm, breasts
        What lies under the skin beyond the standard, -4 to 30 mm; height of the breasts over the standard, 0 to 1.5.
    arms
        Raised beside the head, or lying beside the trunk.
    contrast_hu
        What contrast medium adds to the blood.
    clothed
        Folds of cloth on the skin.
    emphysema
        Share of the lung that is destroyed, 0 to 0.5.
    dependent_hu
        Rise of the density in the lowest part of a lung that does not fill with air.
    scars, consolidations, plaques, nodes
        How many strands in the lung, dense regions, thickenings of the pleura, and lymph nodes.
    """

    scale_xyz: tuple[float, float, float] = (1.0, 1.0, 1.0)
    fat_mm: float = 0.0
    breasts: float = 1.0
    arms: Arms = Arms.UP
    contrast_hu: float = 0.0
    clothed: bool = False
    emphysema: float = 0.0
    dependent_hu: float = 0.0
    scars: int = 0
    consolidations: int = 0
    plaques: int = 0
    nodes: int = 0

    def __post_init__(self) -> None:
        allowed = {
            "fat_mm": (-4.0, 30.0),
            "breasts": (0.0, 1.5),
            "contrast_hu": (0.0, 500.0),
            "emphysema": (0.0, 0.5),
            "dependent_hu": (0.0, 800.0),
            "scars": (0, 50),
            "consolidations": (0, 10),
            "plaques": (0, 50),
            "nodes": (0, 50),
        }
        _check(self, allowed)
        if not all(0.8 <= scale <= 1.2 for scale in self.scale_xyz):
            raise ValueError(f"scale_xyz must lie between 0.8 and 1.2, found {self.scale_xyz}")


@dataclass(frozen=True)
class Scanner:
    """How images are reconstructed and stored.

    Parameters
    ----------
    sharpness
        -1 is a smooth kernel, 0 a standard one, 1 one that enhances edges.
    round_field
        Whether there is padding around the round field of view.
    stored_padding
        Stored value of padding, HU + 1024: -2000, 0 (-1024 HU), or -3024; None is stored as air.
    couch_mm
        How much lower the table lies.
    """

    sharpness: float = 0.0
    round_field: bool = True
    stored_padding: int | None = STORED_PADDING
    couch_mm: float = 0.0

    def __post_init__(self) -> None:
        _check(self, {"sharpness": (-1.0, 1.0), "couch_mm": (0.0, 100.0)})


@dataclass(frozen=True)
class PhantomSpec:
    """How the phantom is scanned and what is planted.

    Parameters
    ----------
    slice_spacing_mm
        0.6 to 5.
    matrix
        Rows and columns, 64 to 1024.
    fov_mm
        Side of the square image; outside the circle within it there is padding.
    noise_sd_hu
        In the body; the noise is correlated in the plane as a standard kernel does it.
    vessel_leaves
        Ends of each of the two vessel trees of a lung.
    nodules
        Heights are those of the standard chest.
    patient, scanner
        The standard chest on a standard scanner, unless told.
    nodule_gap_mm
        Lung between the surfaces of two nodules; None keeps their centres 42 mm apart.

    Raises
    ------
    ValueError
        If a setting is out of its range.
    """

    slice_spacing_mm: float = 2.5
    matrix: int = 512
    fov_mm: float = 360.0
    noise_sd_hu: float = 22.0
    vessel_leaves: int = 650
    nodules: tuple[NoduleSpec, ...] = NODULES
    patient: Patient = Patient()
    scanner: Scanner = Scanner()
    nodule_gap_mm: float | None = None

    def __post_init__(self) -> None:
        allowed = {
            "slice_spacing_mm": (0.6, 5.0),
            "matrix": (64, 1024),
            "fov_mm": (300.0, 500.0),
            "noise_sd_hu": (0.0, 200.0),
            "vessel_leaves": (2, 5000),
        }
        _check(self, allowed)

    @property
    def grid(self) -> Grid:
        """The grid of the scan."""
        pixel = self.fov_mm / self.matrix
        height = self.patient.scale_xyz[2]
        slices = round((HIGHEST_MM - LOWEST_MM) * height / self.slice_spacing_mm) + 1
        corner = -pixel * (self.matrix - 1) / 2
        spacing = (self.slice_spacing_mm, pixel, pixel)
        return Grid((slices, self.matrix, self.matrix), spacing, (corner, corner + _MIDDLE_Y_MM, LOWEST_MM * height))

    @property
    def standard_grid(self) -> Grid:
        """The same voxels in the frame of the standard chest: a larger patient on it is a finer grid."""
        grid, (x, y, z) = self.grid, self.patient.scale_xyz
        (k, j, i), (left, back, head) = grid.spacing_kji_mm, grid.origin_lps_mm
        return Grid(grid.shape, (k / z, j / y, i / x), (left / x, back / y, head / z))
