"""The volume turned upright: axial, coronal and sagittal planes, and what is seen through the lungs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.findings import Findings, Lungs, Nodule
from models.volume import AIR_HU, Volume
from node.results.drawing import AMBER, Box, Picture, canvas_of, colour_of, picture_of, stroke, windowed, write
from node.results.labels import Mark, place_labels

_MARGIN_MM = 25.0  # of chest wall around the lungs
_PLEURA_MM = 2.5  # of the lungs' edge left out of projections
_PROJECTION_WINDOW_HU = (-350.0, 1300.0)  # centre, width: air is black, vessels are white
_CROSSHAIR_GAP_MM = 12.0  # least free half-width around the nodule

T = TypeVar("T", bound=np.generic)
Kji = tuple[float, float, float]
Span = tuple[slice, slice, slice]


class Plane(Enum):
    """A plane of the patient: axis looked along, axes that run down and right (0 z, 1 y, 2 x), z downwards, letters.

    Radiological display: the patient's right on the picture's left; anterior on the left when seen
    from the side. Letters stand left, right, top, bottom.
    """

    AXIAL = (0, 1, 2, "RLAP")
    CORONAL = (1, 0, 2, "RLHF")
    SAGITTAL = (2, 0, 1, "APHF")

    @property
    def along(self) -> int:
        """Axis that is looked along."""
        return self.value[0]

    @property
    def down(self) -> int:
        """Axis that runs down the picture."""
        return self.value[1]

    @property
    def right(self) -> int:
        """Axis that runs to the right of the picture."""
        return self.value[2]

    @property
    def letters(self) -> str:
        """Letters for the left, right, top and bottom edge."""
        return self.value[3]


@dataclass(frozen=True, eq=False)
class Upright:
    """A volume and its lungs as views whose axes run to the head, to the back and to the left.

    Parameters
    ----------
    volume
        Axes z, y, x growing; oblique source axes take the nearest of the three.
    lungs
        (Z, Y, X) uint8 labels.
    span
        The part that the lungs fill, with some chest wall around; everything where there are none.
    """

    volume: Volume
    lungs: npt.NDArray[np.uint8]
    span: Span

    @cached_property
    def projections(self) -> Mapping[Plane, npt.NDArray[np.int16]]:
        """Highest HU inside the lungs along each axis, of ``span``; made once, slice by slice, to spare memory."""
        skin = max(1, round(_PLEURA_MM / self.volume.spacing_kji_mm[2]))
        planes: dict[Plane, list[npt.NDArray[np.int16]]] = {Plane.CORONAL: [], Plane.SAGITTAL: []}
        axial = np.full([part.stop - part.start for part in self.span[1:]], AIR_HU, np.int16)
        for labels, hu in zip(self.lungs[self.span], self.volume.hu[self.span], strict=True):
            seen = np.where(_shrunk(labels > 0, skin), hu, np.int16(AIR_HU))
            np.maximum(axial, seen, out=axial)
            planes[Plane.CORONAL].append(seen.max(axis=0))
            planes[Plane.SAGITTAL].append(seen.max(axis=1))
        return {Plane.AXIAL: axial, **{plane: np.stack(rows) for plane, rows in planes.items()}}


@dataclass(frozen=True, eq=False)
class Flat:
    """A grey picture (R, C) of ``span`` in one plane with its scale, before anything is drawn on it."""

    grey: npt.NDArray[np.uint8]
    plane: Plane
    span: Span
    spacing_mm: tuple[float, float]
    pixels_per_mm: float

    def xy(self, index: npt.ArrayLike) -> tuple[float, float]:
        """Map an upright index (z, y, x) to picture x, y from the outer corner."""
        point = np.asarray(index, dtype=np.float64)
        first = [part.start for part in self.span]
        column = point[self.plane.right] - first[self.plane.right] + 0.5
        row = point[self.plane.down] - first[self.plane.down] + 0.5
        if self.plane.down == 0:  # the head is up
            row = self.grey.shape[0] - row
        return column * self.spacing_mm[1] * self.pixels_per_mm, row * self.spacing_mm[0] * self.pixels_per_mm


def upright(volume: Volume, lungs: Lungs) -> Upright:
    """Turn a volume so that its axes run to the head, to the back and to the patient's left; nothing is copied."""
    order, flips = _turn(volume)
    affine = volume.affine.copy()
    affine[:3, :3] = volume.affine[:3, :3][:, order] * flips
    last = (np.asarray(volume.shape) - 1)[order]
    affine[:3, 3] = volume.affine[:3, 3] + volume.affine[:3, :3][:, order] @ np.where(flips < 0, last, 0)
    turned = Volume(_turned(volume.hu, order, flips), affine)
    labels = _turned(lungs.labels, order, flips)
    return Upright(turned, labels, lung_span(labels, turned.spacing_kji_mm, _MARGIN_MM))


def lung_span(labels: npt.NDArray[np.uint8], spacing_mm: tuple[float, float, float], margin_mm: float = 0.0) -> Span:
    """Give the bounding box of the lungs with a margin, cut at the edges of the grid; the whole grid without lungs."""
    from_above = labels.max(axis=0)
    parts = []
    for axis, seen in enumerate((labels.max(axis=(1, 2)), from_above.max(axis=1), from_above.max(axis=0))):
        filled = np.flatnonzero(seen)
        margin = round(margin_mm / spacing_mm[axis])
        low, high = (filled[0] - margin, filled[-1] + margin + 1) if filled.size else (0, labels.shape[axis])
        parts.append(slice(max(0, int(low)), min(labels.shape[axis], int(high))))
    return parts[0], parts[1], parts[2]


def section(view: Upright, plane: Plane, index: Kji, width: int) -> Flat:
    """Cut one plane through an upright index (z, y, x), in the lung window, as ``width`` pixels wide."""
    at = int(np.clip(round(index[plane.along]), 0, view.volume.shape[plane.along] - 1))
    part = list(view.span)
    part[plane.along] = slice(at, at + 1)
    return flat_of(view, plane, windowed(view.volume.hu[tuple(part)].max(axis=plane.along)), width)


def lung_projection(view: Upright, plane: Plane, width: int) -> Flat:
    """Look through the lungs: the highest HU inside them along each line of sight, without ribs and heart."""
    return flat_of(view, plane, windowed(view.projections[plane], *_PROJECTION_WINDOW_HU), width)


def crosshair_view(view: Upright, plane: Plane, nodule: Nodule, width: int, text_px: int = 0) -> Picture:
    """Cut through a nodule, (H, ``width``, 3) RGB, isotropic, with a crosshair that leaves the nodule free."""
    index = view.volume.to_index(nodule.center_lps_mm)
    flat = section(view, plane, (float(index[0]), float(index[1]), float(index[2])), width)
    canvas = flat_canvas(flat)
    x, y = flat.xy(index)
    gap = max(_CROSSHAIR_GAP_MM, nodule.measurement.long_axis.length_mm) * flat.pixels_per_mm
    lines = [[(0, y), (x - gap, y)], [(x + gap, y), (canvas.width, y)]]
    lines += [[(x, 0), (x, y - gap)], [(x, y + gap), (x, canvas.height)]]
    stroke(canvas, [np.array(line) for line in lines], colour_of(nodule.id), 1.0)
    letter_edges(canvas, plane, text_px or max(11, width // 28))
    return picture_of(canvas)


def plain_view(view: Upright, plane: Plane, width: int, text_px: int = 0) -> Picture:
    """Cut through the middle of the lungs, (H, ``width``, 3) RGB, isotropic."""
    middle = [(part.start + part.stop - 1) / 2 for part in view.span]
    canvas = flat_canvas(section(view, plane, (middle[0], middle[1], middle[2]), width))
    letter_edges(canvas, plane, text_px or max(11, width // 28))
    return picture_of(canvas)


def projection_view(view: Upright, plane: Plane, nodules: Sequence[Nodule], width: int, text_px: int = 0) -> Picture:
    """Look through the lungs with a numbered ring around each nodule, (H, ``width``, 3) RGB, isotropic.

    ``text_px`` 0 lets the text grow with the picture.
    """
    flat = lung_projection(view, plane, width)
    canvas = flat_canvas(flat)
    text_px = text_px or max(11, width // 32)
    marks = []
    for nodule in nodules:
        radius = max(7.0, (nodule.measurement.long_axis.length_mm / 2 + 3) * flat.pixels_per_mm)
        centre = flat.xy(view.volume.to_index(nodule.center_lps_mm))
        stroke(canvas, [ring(centre, radius)], colour_of(nodule.id), 1.6)
        marks.append(numbered_mark(nodule, centre, radius, text_px))
    number_nodules(canvas, nodules, marks, text_px, letter_edges(canvas, plane, text_px))
    return picture_of(canvas)


def planes_of(view: Upright, findings: Findings, width: int) -> dict[str, Picture]:
    """Give axial, coronal and sagittal through the most probable nodule, or through the middle of the lungs."""
    return {plane.name.lower(): plane_of(view, findings, plane, width) for plane in Plane}


def plane_of(view: Upright, findings: Findings, plane: Plane, width: int, text_px: int = 0) -> Picture:
    """Give one plane through the most probable nodule, or through the middle of the lungs where there is none."""
    if not findings.nodules:
        return plain_view(view, plane, width, text_px)
    return crosshair_view(view, plane, max(findings.nodules, key=lambda nodule: nodule.probability), width, text_px)


def aspect(view: Upright, plane: Plane) -> float:
    """Width over height of a plane as it is shown."""
    extent = [(part.stop - part.start) * step for part, step in zip(view.span, view.volume.spacing_kji_mm, strict=True)]
    return float(extent[plane.right] / extent[plane.down])


def numbered_mark(nodule: Nodule, centre: tuple[float, float], radius: float, text_px: int) -> Mark:
    """Give a round mark that wants the nodule's number beside it."""
    return Mark(centre, radius, text_px * (0.7 * len(str(nodule.id)) + 0.3), text_px * 1.1)


def number_nodules(
    canvas: Image.Image, nodules: Sequence[Nodule], marks: Sequence[Mark], text_px: int, taken: Sequence[Box] = ()
) -> None:
    """Write each nodule's number near its mark, tied to it by a line; the boxes in ``taken`` stay free."""
    for nodule, placed in zip(nodules, place_labels(marks, canvas.size, taken), strict=True):
        stroke(canvas, [np.array(placed.leader)], colour_of(nodule.id), 1.0)
        left, top, right, bottom = placed.box
        at = (left + right) / 2, (top + bottom) / 2
        write(canvas, at, str(nodule.id), text_px, colour_of(nodule.id), anchor="mm", bold=True)


def _turn(volume: Volume) -> tuple[list[int], npt.NDArray[np.float64]]:
    """Which source axis runs most along z, y, x, and +1 or -1 for its sense."""
    free, order = {0, 1, 2}, []
    for patient_axis in (2, 1, 0):
        axis = max(sorted(free), key=lambda a: abs(volume.directions[patient_axis, a]))
        free.remove(axis)
        order.append(axis)
    senses = [volume.directions[patient, axis] for patient, axis in zip((2, 1, 0), order, strict=True)]
    return order, np.where(np.asarray(senses) < 0, -1.0, 1.0)


def _turned(array: npt.NDArray[T], order: list[int], flips: npt.NDArray[np.float64]) -> npt.NDArray[T]:
    steps = tuple(slice(None, None, int(flip)) for flip in flips)
    return np.transpose(array, order)[steps]


def _shrunk(inside: npt.NDArray[np.bool_], pixels: int) -> npt.NDArray[np.bool_]:
    """Take the outermost pixels of the lungs on an axial slice away: half pleura, they would shine through all."""
    shrunk = inside.copy()
    shrunk[pixels:] &= inside[:-pixels]
    shrunk[:-pixels] &= inside[pixels:]
    shrunk[:, pixels:] &= inside[:, :-pixels]
    shrunk[:, :-pixels] &= inside[:, pixels:]
    return shrunk


def flat_of(view: Upright, plane: Plane, grey: npt.NDArray[np.uint8], width: int) -> Flat:
    """Put the head up in a plane whose axes are in rising order."""
    spacing = view.volume.spacing_kji_mm
    upward = grey[::-1] if plane.down == 0 else grey
    scale = width / (grey.shape[1] * spacing[plane.right])
    return Flat(upward, plane, view.span, (spacing[plane.down], spacing[plane.right]), scale)


def flat_canvas(flat: Flat) -> Image.Image:
    """Stretch to square pixels."""
    rows, columns = flat.grey.shape
    width = round(columns * flat.spacing_mm[1] * flat.pixels_per_mm)
    height = max(1, round(rows * flat.spacing_mm[0] * flat.pixels_per_mm))
    grey = Image.fromarray(np.ascontiguousarray(flat.grey))
    return canvas_of(np.asarray(grey.resize((width, height), Image.Resampling.BICUBIC)))


def letter_edges(canvas: Image.Image, plane: Plane, size: int) -> list[Box]:
    """Write what lies behind each edge; give the boxes of the letters."""
    across, down = canvas.width / 2, canvas.height / 2
    places = ((4.0, down), (canvas.width - 4.0, down), (across, 3.0), (across, canvas.height - 3.0))
    for letter, at, anchor in zip(plane.letters, places, ("lm", "rm", "ma", "md"), strict=True):
        write(canvas, at, letter, size, AMBER, anchor=anchor, bold=True)
    half = size / 2
    middles = ((half, down), (canvas.width - half, down), (across, half), (across, canvas.height - half))
    return [(x - half, y - half, x + half, y + half) for x, y in middles]


def ring(centre: tuple[float, float], radius: float) -> npt.NDArray[np.float64]:
    """Give a closed line around a point, (49, 2) x, y."""
    angle = np.linspace(0, 2 * np.pi, 49)
    return np.stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)], axis=1)
