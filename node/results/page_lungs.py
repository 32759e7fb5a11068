"""The lungs as a net of triangles that report.html turns, with the nodules as balls."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.measure import marching_cubes

from node.results.drawing import colour_of
from node.results.rendering import LungScene, drawn_radius_mm

_SURFACE = 0.5  # of the scene's field, which runs from 0 outside to 1 inside
_STEP = 2  # cells of the scene's grid to a cell of the net: 6 mm, smooth enough for lit surfaces, 20000 triangles
_PER_MM = 10  # corners are told in tenths of a millimetre


def lung_net(scene: LungScene) -> dict[str, Any]:
    """Give the surface of both lungs as plain JSON values.

    Returns
    -------
    ``corners``: base64 of (N, 3) int16, little endian, tenths of a millimetre LPS from the middle;
    ``triangles``: base64 of (M, 3) uint16, corners of each triangle; ``nodules``: centre and radius in mm.
    """
    corners, triangles = _surface(scene)
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2 if len(corners) else np.zeros(3)
    return {
        "corners": _packed(np.rint((corners - middle) * _PER_MM).astype("<i2")),
        "triangles": _packed(triangles.astype("<u2")),
        "per_mm": _PER_MM,
        "half_width_mm": round(scene.half_width_mm, 1),
        "nodules": [
            {
                "id": nodule.id,
                "colour": list(colour_of(nodule.id)),
                "center_mm": [round(float(c), 1) for c in np.asarray(nodule.center_lps_mm) - middle],
                "radius_mm": round(drawn_radius_mm(nodule), 2),
            }
            for nodule in scene.nodules
        ],
    }


def _surface(scene: LungScene) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """Corners in LPS mm and triangles; none where there are no lungs. Coarser until 16 bits count the corners."""
    for step in (_STEP, 2 * _STEP, 4 * _STEP):
        if not scene.field.max(initial=0.0) > _SURFACE > scene.field.min(initial=1.0):
            break
        corners, triangles, _, _ = marching_cubes(scene.field, _SURFACE, step_size=step)
        if len(corners) <= np.iinfo(np.uint16).max:
            return scene.to_patient(corners), triangles
    return np.zeros((0, 3)), np.zeros((0, 3), np.int32)


def _packed(values: npt.NDArray[np.generic]) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")
