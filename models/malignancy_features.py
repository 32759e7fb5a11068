"""Forty-odd plain measurements of a triplet: size, shape, density, margin, texture and surroundings of a nodule.

Lengths and areas are in pixels of about 0.7 mm, densities relative to the lung (``malignancy_input.relative``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.measure import perimeter_crofton, regionprops

from models.malignancy_input import SIDE_PX, Floats, Mask, Triplet, relative

# In relative density: 0 is the lung around, 1 is 900 HU denser, about soft tissue.
_CALCIFIED, _SOLID, _FAINT, _WALL, _HOLE = 1.2, 0.75, 0.4, 0.6, -0.08
_NEAR_PX, _FAR_PX = 2, 6  # rings around the nodule end here
_EDGE_SIGMA_PX, _BLOB_SIGMA_PX = 0.7, 1.0
_CONTEXT_PX = 8  # left away on each side of the crop for the share of wall in view

SIZE_FEATURES = ("area_px",)
# The baseline that the model is compared with: fifteen that a radiologist would name.
PLAIN_FEATURES = (
    "area_px",
    "long_px",
    "short_px",
    "solidity",
    "circularity",
    "radius_spread",
    "mean",
    "spread",
    "highest",
    "lowest",
    "edge_mean",
    "near_mean",
    "near_spread",
    "far_median",
    "contrast",
)


@dataclass(frozen=True, eq=False)
class _View:
    """The middle slice, and what is looked at again and again."""

    image: Floats
    mask: Mask
    core: Mask
    near: Mask
    far: Mask
    edge: Mask


def features_of(triplet: Triplet) -> dict[str, float]:
    """Measure a triplet.

    Returns
    -------
    Name and finite value, always the same names in the same order.
    """
    density = relative(triplet)
    view = _view(density[1], triplet.mask[1])
    found = {
        **_size(triplet.mask),
        **_shape(view),
        **_density(view, density[triplet.mask]),
        **_margin(view),
        **_surroundings(view),
    }
    return {name: float(value) for name, value in found.items()}


def feature_names() -> tuple[str, ...]:
    """Give the names that ``features_of`` gives, in their order."""
    mask = np.zeros((3, SIDE_PX, SIDE_PX), dtype=np.bool_)
    mask[1, SIDE_PX // 2, SIDE_PX // 2] = True
    return tuple(features_of(Triplet(np.zeros(mask.shape, dtype=np.float32), mask)))


def _view(image: Floats, mask: Mask) -> _View:
    core = ndimage.binary_erosion(mask)
    near, far = (ndimage.binary_dilation(mask, iterations=n) for n in (_NEAR_PX, _FAR_PX))
    edge = (mask & ~core) | (ndimage.binary_dilation(mask) & ~mask)
    beyond = far & ~near
    everywhere = np.ones_like(mask)
    return _View(
        image,
        mask,
        core if core.any() else mask,
        _first_filled(near & ~mask, everywhere),
        _first_filled(beyond, everywhere),
        edge,
    )


def _first_filled(region: Mask, otherwise: Mask) -> Mask:
    """A nodule that fills the crop has no ring in view; then the crop stands for it."""
    return region if region.any() else otherwise


def _size(mask: Mask) -> dict[str, float]:
    areas = mask.sum(axis=(1, 2))
    return {
        "area_px": areas[1],
        "three_slices_px": areas.sum(),
        "neighbours_share": (areas[0] + areas[2]) / 2 / areas[1],
        "lesser_neighbour_share": min(areas[0], areas[2]) / areas[1],
    }


def _shape(view: _View) -> dict[str, float]:
    region = regionprops(view.mask.astype(np.uint8))[0]
    perimeter = max(perimeter_crofton(view.mask, 4), 1.0)
    from_middle = np.argwhere(view.edge) - np.argwhere(view.mask).mean(axis=0)
    radii = np.hypot(*from_middle.T)
    return {
        "long_px": region.axis_major_length,
        "short_px": region.axis_minor_length,
        "eccentricity": region.eccentricity,
        "solidity": region.solidity,
        "extent": region.extent,
        "circularity": 4 * np.pi * view.mask.sum() / perimeter**2,
        "radius_spread": radii.std() / max(radii.mean(), 0.5),
    }


def _density(view: _View, three_slices: Floats) -> dict[str, float]:
    inside, core = view.image[view.mask], view.image[view.core]
    low, middle, high = np.percentile(inside, (10, 50, 90))
    mean, spread = inside.mean(), inside.std()
    return {
        "mean": mean,
        "spread": spread,
        "highest": inside.max(),
        "lowest": inside.min(),
        "percentile_10": low,
        "median": middle,
        "percentile_90": high,
        "skew": ((inside - mean) ** 3).mean() / max(float(spread), 0.02) ** 3,
        "core_mean": core.mean(),
        "core_spread": core.std(),
        "calcified_share": (inside > _CALCIFIED).mean(),
        "solid_share": (inside > _SOLID).mean(),
        "faint_share": (inside < _FAINT).mean(),
        "three_slices_mean": three_slices.mean(),
        "three_slices_spread": three_slices.std(),
    }


def _margin(view: _View) -> dict[str, float]:
    """How sharply the nodule ends, and how rough it is inside."""
    rows, columns = np.gradient(ndimage.gaussian_filter(view.image, _EDGE_SIGMA_PX))
    steepness = np.hypot(rows, columns)[view.edge]
    contrast = view.image[view.mask].mean() - np.median(view.image[view.far])
    rough = ndimage.generic_gradient_magnitude(view.image, ndimage.sobel)[view.mask]
    blobs = ndimage.gaussian_laplace(view.image, _BLOB_SIGMA_PX)[view.mask]
    return {
        "edge_mean": steepness.mean(),
        "edge_spread": steepness.std(),
        "edge_share": steepness.mean() / max(float(contrast), 0.1),
        "contrast": contrast,
        "roughness": rough.std(),
        "blob_spread": blobs.std(),
        "blob_lowest": blobs.min(),
    }


def _surroundings(view: _View) -> dict[str, float]:
    near, far = view.image[view.near], view.image[view.far]
    low, middle, high = np.percentile(far, (10, 50, 90))
    context: npt.NDArray[np.float32] = view.image[_CONTEXT_PX:-_CONTEXT_PX, _CONTEXT_PX:-_CONTEXT_PX]
    return {
        "near_mean": near.mean(),
        "near_spread": near.std(),
        "near_wall_share": (near > _WALL).mean(),
        "far_low": low,
        "far_median": middle,
        "far_high": high,
        "far_spread": far.std(),
        "far_wall_share": (far > _WALL).mean(),
        "far_hole_share": (far < _HOLE).mean(),
        "context_wall_share": (context > _WALL).mean(),
    }
