"""``python -m training explore``: a folder of DICOM to one HTML page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from scipy import ndimage

from training.explore import pictures
from training.explore.reading import Explored, explored
from training.explore.surfaces import BONE_COLOUR, LUNG_COLOUR, turntable
from training.explore.upright import Mask, Upright, body_of, lungs_of, upright
from training.page import Picture, Section, Table, image_png, write_page

_STEP_MM = 2.0  # of the grid that surfaces and planes are made on
_BONE_HU = 220.0
_VIEWS = (0.0, 60.0, 180.0, 300.0)
_VIEWS_IN_WORDS = "From the front, from the left in front, from the back, from the right in front."


def explore(
    folder: Annotated[Path, typer.Argument(help="Folder with the DICOM files of a CT series.")],
    output: Annotated[Path, typer.Option(help="The HTML page.")] = Path("explore.html"),
) -> None:
    """Show a CT series: HU histogram, slices, planes, surfaces of bone and lung. No patient data on the page."""
    console = Console(stderr=True)
    with console.status("reading slices"):
        series = explored(folder)
    with console.status("drawing"):
        write_page(output, f"CT series of {series.volume.shape[0]} slices", (), tuple(sections(series)))
    console.print(f"{series.volume.shape[0]} slices; {output}", highlight=False, soft_wrap=True)


def sections(series: Explored) -> Iterator[Section]:
    """Give the parts of the page."""
    volume = series.volume
    scene = upright(volume, _STEP_MM)
    body = body_of(scene)
    lungs = lungs_of(scene, body)
    yield Section("Geometry and values", _notes(series), _facts(series))
    yield Section("Histogram of HU", (_HISTOGRAM,), pictures=(Picture(pictures.histogram_png(volume.hu)),))
    for name, window in (("lung", pictures.LUNG_WINDOW), ("soft tissue", pictures.SOFT_WINDOW)):
        caption = f"From {window[0]:.0f} HU, black, to {window[1]:.0f} HU, white; from the first position to the last."
        sheet = Picture(image_png(pictures.mosaic(volume, window)), caption)
        yield Section(f"Slices, {name} window", pictures=(sheet,))
    cut = Picture(
        image_png(pictures.planes(scene, pictures.LUNG_WINDOW)), "Axial, coronal, sagittal through the middle."
    )
    yield Section("Three planes", pictures=(cut,))
    yield _bone(scene, body)
    yield _lung(scene, lungs)


_HISTOGRAM = "Every voxel of the series. The bands are where a tissue is usually found: water is 0 HU, air -1000 HU."


def _facts(series: Explored) -> Table:
    slices, rows, columns = series.volume.shape
    k, j, i = series.volume.spacing_kji_mm
    low, high = int(series.volume.hu.min()), int(series.volume.hu.max())
    thickness = "not in the header" if series.thickness_mm is None else f"{series.thickness_mm:g} mm"
    return Table(
        ("", ""),
        (
            ("slices, rows, columns", f"{slices}, {rows}, {columns}"),
            ("distance of slices, rows, columns", f"{k:.3f}, {j:.3f}, {i:.3f} mm"),
            ("slice thickness", thickness),
            ("size", f"{slices * k:.0f} x {rows * j:.0f} x {columns * i:.0f} mm"),
            ("kernel", series.kernel or "not in the header"),
            ("HU", f"{low} to {high}"),
            (
                "voxels set to air: padding, or below -1024 HU",
                f"{series.padded} ({series.padded / series.volume.hu.size:.1%})",
            ),
        ),
    )


def _notes(series: Explored) -> tuple[str, ...]:
    notes = ["Slices are ordered by their position. Padding was set to 0 before slope and intercept, so it is air."]
    if series.thickness_mm is not None and abs(series.thickness_mm - series.volume.spacing_kji_mm[0]) > 0.01:
        notes.append("The slices are not as thick as they are apart: the distance is what counts in three dimensions.")
    if series.others:
        notes.append(f"The longest series is shown; there are others, of {', '.join(map(str, series.others))} slices.")
    return tuple(notes)


def _bone(scene: Upright, body: Mask) -> Section:
    field = ndimage.gaussian_filter(np.where(body, scene.hu, -1000.0).astype(np.float32), 0.6)
    picture = Picture(image_png(turntable(field, _BONE_HU, BONE_COLOUR, _VIEWS)), _VIEWS_IN_WORDS)
    text = f"Surface of {_BONE_HU:.0f} HU on voxels of {scene.step_mm:g} mm; vessels full of contrast agent show too."
    return Section("Surface of bone", (text,), pictures=(picture,))


def _lung(scene: Upright, lungs: Mask) -> Section:
    if not lungs.any():
        return Section("Surface of lung", ("No air within the body is large enough to be a lung.",))
    field = ndimage.gaussian_filter(lungs.astype(np.float32), 0.8)
    picture = Picture(image_png(turntable(field, 0.5, LUNG_COLOUR, _VIEWS)), _VIEWS_IN_WORDS)
    litres = float(lungs.sum()) * scene.step_mm**3 / 1e6
    return Section(
        "Surface of lung", (f"Air within the body: {litres:.2f} l, windpipe included.",), pictures=(picture,)
    )
