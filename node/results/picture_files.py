"""Pictures as files and as data URIs: the only place here that touches the disk."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.durable import write_durably
from node.results.pictures import key_slices, slice_picture
from node.results.rendering import lung_scene, render_scene
from node.results.summary_page import summary_page
from node.results.views import Plane, planes_of, projection_view, upright

_JPEG_QUALITY = 88
_SIZE = 640
_VIEWPOINTS_DEG = {"front": 0.0, "left": 90.0, "behind": 180.0, "right": 270.0}


def write_pictures(series: AssembledSeries, findings: Findings, folder: Path, language: str = "en") -> list[Path]:
    """Write every picture as a PNG file into ``folder``, which is made where absent; give their paths.

    A file is there whole or not at all.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    paths = []
    for name, picture in _pictures(series, findings, language):
        path = folder / f"{name}.png"
        write_durably(path, [png(picture)])
        paths.append(path)
    return paths


def png(picture: npt.NDArray[np.uint8]) -> bytes:
    """Encode (H, W), (H, W, 3) or (H, W, 4) without loss."""
    buffer = io.BytesIO()
    _image(picture).save(buffer, format="PNG", compress_level=4)  # 4: a tenth larger than 6 in half the time
    return buffer.getvalue()


def png_uri(picture: npt.NDArray[np.uint8]) -> str:
    """Give a picture as a data URI (RFC 2397), without loss."""
    return "data:image/png;base64," + base64.b64encode(png(picture)).decode("ascii")


def jpeg(picture: npt.NDArray[np.uint8], quality: int = _JPEG_QUALITY) -> bytes:
    """Encode (H, W) or (H, W, 3) with loss, at full colour resolution (4:4:4)."""
    buffer = io.BytesIO()
    _image(picture).save(buffer, format="JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def jpeg_uri(picture: npt.NDArray[np.uint8]) -> str:
    """Give a picture as a data URI, as JPEG."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(picture)).decode("ascii")


def _image(picture: npt.NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(picture))


def _pictures(
    series: AssembledSeries, findings: Findings, language: str
) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    """Each picture with the name of its file, one in memory at a time."""
    yield "summary", summary_page(series, findings, language)
    for k in key_slices(findings):
        yield f"slice-{k + 1:04d}", slice_picture(series, findings, k, 2, language)
    view = upright(series.volume, findings.lungs)
    yield from planes_of(view, findings, _SIZE).items()
    for plane in (Plane.CORONAL, Plane.AXIAL):
        yield f"lungs-{plane.name.lower()}-projection", projection_view(view, plane, findings.nodules, _SIZE)
    scene = lung_scene(findings.lungs, series.volume, findings.nodules)
    for name, azimuth_deg in _VIEWPOINTS_DEG.items():
        yield f"lungs-3d-{name}", render_scene(scene, azimuth_deg, _SIZE)
