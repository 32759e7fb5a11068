"""What tells a nodule from a vessel, a scar or noise: a few numbers of a candidate, each with a meaning."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

from models.nodule_mask import Growth, Patch, grow

SHELL_RADII = 1.5  # the shell on which exits are counted, in radii of the inscribed ball
SHELL_MM = (1.5, 3.0)  # distances of its two faces beyond that


@dataclass(frozen=True)
class Features:
    """Numbers of one candidate.

    Parameters
    ----------
    blobness
        Of the best scale, in units of 1000 HU.
    roundness
        l1 / l3 of the Hessian: 1 for a ball, 0 for a tube or a sheet.
    log_radius
        Natural logarithm of the inscribed radius in mm.
    contrast
        Core minus lung, in 1000 HU.
    exits
        Share of the shell around it that hangs together with it: a tube leaves twice, a fork three times.
    wall
        Share of the shell outside the lung.
    elongation
        Largest over smallest standard deviation of the grown shape, minus 1.
    fullness
        Volume of the grown shape over that of the ball of its largest standard deviation.
    """

    blobness: float
    roundness: float
    log_radius: float
    contrast: float
    exits: float
    wall: float
    elongation: float
    fullness: float

    def row(self) -> npt.NDArray[np.float64]:
        """Give the numbers in the order of the fields, (8,)."""
        return np.asarray(astuple(self), dtype=np.float64)


def features_of(patch: Patch, blobness: float, roundness: float) -> tuple[Features, Growth]:
    """Describe a candidate by its blobness and by what grows from its centre."""
    growth = grow(patch)
    exits, wall = _shell(patch, growth)
    elongation, fullness = _shape(patch, growth)
    features = Features(
        blobness=blobness,
        roundness=roundness,
        log_radius=float(np.log(max(growth.inscribed_mm, 0.5))),
        contrast=(growth.core_hu - growth.lung_hu) / 1000,
        exits=exits,
        wall=wall,
        elongation=elongation,
        fullness=fullness,
    )
    return features, growth


def _shell(patch: Patch, growth: Growth) -> tuple[float, float]:
    """Give the shares of the shell that are attached to the candidate, and that lie outside the lung."""
    away = patch.from_mm(growth.center)
    inner = SHELL_RADII * max(growth.inscribed_mm, 1.0)
    shell = (away >= inner + SHELL_MM[0]) & (away <= inner + SHELL_MM[1])
    total = max(1, int(shell.sum()))
    return float((shell & growth.attached).sum() / total), float((shell & ~patch.lung).sum() / total)


def _shape(patch: Patch, growth: Growth) -> tuple[float, float]:
    """Give elongation and fullness of the grown shape."""
    points = np.argwhere(growth.mask) * np.asarray(patch.spacing)
    if len(points) < 4:
        return 0.0, 1.0
    own = np.diag(np.square(patch.spacing)) / 12  # a voxel's own extent
    deviations = np.sqrt(np.linalg.eigvalsh(np.cov(points.T) + own))
    ball_mm3 = 4 / 3 * np.pi * (np.sqrt(5.0) * deviations[-1]) ** 3  # a ball's radius is sqrt(5) deviations
    return float(deviations[-1] / deviations[0] - 1), float(len(points) * np.prod(patch.spacing) / ball_mm3)
