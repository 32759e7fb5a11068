"""Surfaces of equal value, seen from around the patient: rays are followed to where they meet the surface."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float32]
Rgb = tuple[int, int, int]

BONE_COLOUR: Rgb = (233, 222, 196)
LUNG_COLOUR: Rgb = (214, 146, 132)
BACKGROUND: Rgb = (255, 255, 255)
_LIGHT_ZDU = np.array([-0.45, -0.8, -0.4])  # from above, the viewer's side and a little from the left
_AMBIENT, _DIFFUSE, _DEPTH = 0.25, 0.75, 0.30  # depth: how much darker the far end is
_ZOOM = 2


def turntable(field: Floats, level: float, colour: Rgb, degrees: Sequence[float]) -> npt.NDArray[np.uint8]:
    """Draw the surface ``field == level`` from several sides, side by side.

    Parameters
    ----------
    field
        (Z, Y, X) on cubic voxels, head first, front first, patient's right first; larger within.
    degrees
        0 is the view from the front, 90 from the patient's left, 180 from the back.

    Returns
    -------
    (Z * 2, width, 3) RGB.
    """
    cropped = _cropped(field, level)
    return np.concatenate([_drawn(_turned(cropped, angle), level, colour) for angle in degrees], axis=1)


def _cropped(field: Floats, level: float) -> Floats:
    """Cut off, in the plane, what holds none of the surface."""
    spans = []
    for axis in (1, 2):
        held = np.flatnonzero(np.logical_or.reduce(field > level, axis=(0, 3 - axis)))
        spans.append(slice(max(int(held[0]) - 2, 0), int(held[-1]) + 3) if len(held) else slice(None))
    return field[:, spans[0], spans[1]]


def _turned(field: Floats, degrees: float) -> Floats:
    """Turn about the long axis of the body; gives (Z, D, U): depth away from the viewer, and the picture's columns."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    size = int(np.ceil(np.hypot(*field.shape[1:])))
    matrix = np.eye(3)
    matrix[1:, 1:] = turn
    offset = np.zeros(3)
    offset[1:] = (np.array(field.shape[1:]) - 1) / 2 - turn @ np.full(2, (size - 1) / 2)
    shape = (field.shape[0], size, size)
    outside = float(field.min())
    return np.asarray(ndimage.affine_transform(field, matrix, offset, shape, order=1, cval=outside), dtype=np.float32)


def _drawn(rays: Floats, level: float, colour: Rgb) -> npt.NDArray[np.uint8]:
    """Shade the first surface on each ray by its slope; (Z * 2, U * 2, 3)."""
    inside = rays > level
    hit = np.logical_or.reduce(inside, axis=1)
    first = np.argmax(inside, axis=1)
    light = _DIFFUSE * _slope(rays, first) + _AMBIENT
    far = (first - first[hit].min()) / max(1, np.ptp(first[hit])) if hit.any() else np.zeros(first.shape)
    brightness = np.where(hit, light * (1 - _DEPTH * far), 0)[..., None]
    pixels = np.where(hit[..., None], brightness * np.array(colour), np.array(BACKGROUND))
    large = ndimage.zoom(pixels, (_ZOOM, _ZOOM, 1), order=1)
    return np.asarray(np.clip(large, 0, 255).astype(np.uint8))


def _slope(rays: Floats, first: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Cosine between the light and the surface's outward normal where each ray meets it, 0 where it faces away."""
    z, u = np.indices(first.shape)
    padded = np.pad(rays, 1, mode="edge").astype(np.float64)
    place = np.stack([z, first, u]) + 1
    outward = []
    for step in np.eye(3, dtype=np.intp)[:, :, None, None]:
        ahead, behind = place + step, place - step
        outward.append(padded[behind[0], behind[1], behind[2]] - padded[ahead[0], ahead[1], ahead[2]])
    normal = np.stack(outward, axis=-1)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
    return np.asarray(np.clip(normal @ (_LIGHT_ZDU / np.linalg.norm(_LIGHT_ZDU)), 0, 1))
