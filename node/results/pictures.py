"""Slices as a radiologist reads them: lung window, contours, calipers, labels, in the source's own pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage
from skimage.measure import find_contours

from models.findings import Findings, Nodule
from models.volume import AIR_HU, Volume
from node.assembly.assembled import AssembledSeries
from node.results.context import DISCLAIMER, MANUFACTURER
from node.results.drawing import (
    AMBER,
    GREY,
    LUNG_WINDOW_HU,
    WHITE,
    Box,
    Picture,
    colour_of,
    drawable_language,
    legible_px,
    letters_of,
    picture_of,
    shade,
    stroke,
    text_width,
    windowed,
    wrapped,
    write,
)
from node.results.labels import Mark, place_labels
from node.results.language import say, translated
from node.results.legal_values import legal_value
from node.results.source_geometry import source_matrix

SCALE_BAR_MM = 50
_CONTOUR_PX, _CALIPER_PX, _LEADER_PX = 1.3, 1.0, 1.0  # thin: the edge of the nodule must stay visible
_CLEARANCE_PX = 3.0  # between a nodule and what points at it

Lines = list[npt.NDArray[np.float64]]


@dataclass(frozen=True)
class SliceFrame:
    """One slice on its way to the screen.

    Parameters
    ----------
    scale
        Picture pixels per source pixel.
    left_top
        Source column and row (outer corner of the first pixel is 0, 0) at the picture's corner.
    """

    series: AssembledSeries
    k: int
    scale: float
    left_top: tuple[float, float] = (0.0, 0.0)

    @property
    def source_shape(self) -> tuple[int, int]:
        """Rows and columns of the source image."""
        return source_matrix(self.series)

    def xy(self, points_ji: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Map (N, 2) volume row, column on this slice to (N, 2) picture x, y from the outer corner."""
        series = self.series
        source = np.asarray(points_ji, dtype=np.float64) * series.pixel_step + series.shifts_ji_px[self.k]
        return np.asarray((source[:, ::-1] + 0.5 - self.left_top) * self.scale)


def key_slices(findings: Findings, neighbours: int = 1) -> tuple[int, ...]:
    """List the slices worth a picture, sorted, each once.

    They are every nodule's measuring slice, which is the one of its largest area, and
    ``neighbours`` slices on each side of it.
    """
    last = findings.lungs.labels.shape[0] - 1
    wanted = {measuring_slice(n) + step for n in findings.nodules for step in range(-neighbours, neighbours + 1)}
    return tuple(sorted(k for k in wanted if 0 <= k <= last))


def measuring_slice(nodule: Nodule) -> int:
    """Give the slice on which the nodule's axes were measured."""
    return round(nodule.measurement.long_axis.start_kji[0])


def slice_picture(series: AssembledSeries, findings: Findings, k: int, scale: int = 1, language: str = "en") -> Picture:
    """Draw slice ``k`` with everything that was found on it.

    The pixel grid is that of the source image (its Rows and Columns times ``scale``, unturned), so
    the picture lies over the source slice; a gantry tilt correction is undone. Nothing that tells
    who the patient is is drawn.

    Returns
    -------
    (rows * scale, columns * scale, 3) uint8 RGB.
    """
    grey = Image.fromarray(slice_grey(series, k))
    canvas = grey.resize((grey.width * scale, grey.height * scale), Image.Resampling.BICUBIC).convert("RGBA")
    canvas.alpha_composite(Image.fromarray(slice_overlay(series, findings, k, scale, language)))
    return picture_of(canvas)


def slice_grey(series: AssembledSeries, k: int) -> npt.NDArray[np.uint8]:
    """Give slice ``k`` in the lung window, (rows, columns) uint8, in the pixels of the source image."""
    return windowed(slice_hu(series, k))


def slice_hu(series: AssembledSeries, k: int) -> npt.NDArray[np.int16]:
    """Give slice ``k`` in HU, (rows, columns), in the pixels of the source image."""
    shape, step, shift = source_matrix(series), series.pixel_step, series.shifts_ji_px[k]
    hu = series.volume.hu[k]
    if shape != hu.shape or shift.any():
        outside = "constant" if shift.any() else "nearest"  # between the last pixel that was read and the edge
        hu = ndimage.affine_transform(
            hu, np.full(2, 1 / step), offset=-shift / step, output_shape=shape, order=1, mode=outside, cval=AIR_HU
        )
    return np.asarray(hu, dtype=np.int16)


def slice_overlay(
    series: AssembledSeries, findings: Findings, k: int, scale: int = 1, language: str = "en"
) -> npt.NDArray[np.uint8]:
    """Draw only what lies over slice ``k``: (rows * scale, columns * scale, 4) uint8 RGBA, clear elsewhere."""
    language = drawable_language(language)
    frame = SliceFrame(series, k, scale)
    rows, columns = frame.source_shape
    canvas = Image.new("RGBA", (columns * scale, rows * scale))
    seen = [(nodule, outlines) for nodule in findings.nodules if (outlines := outlines_on(nodule, frame))]
    thicker = max(scale, max(canvas.size) / 512) ** 0.5
    for nodule, outlines in seen:
        stroke(canvas, outlines, colour_of(nodule.id), _CONTOUR_PX * thicker)
        stroke(canvas, calipers_on(nodule, frame), WHITE, _CALIPER_PX * thicker)
    text_px = max(9, round(5 + canvas.width / 68), legible_px(canvas.size))
    bottom, banner = _banner(canvas, findings, text_px, language)
    captions = _captions(canvas, frame, bottom, text_px, language)
    taken = [banner, *captions, _scale_bar(canvas, frame, bottom, text_px)]
    _label(canvas, seen, taken, text_px)
    return np.asarray(canvas, dtype=np.uint8)


def nodule_picture(series: AssembledSeries, nodule: Nodule, size: int, field_mm: float = 50.0) -> Picture:
    """Draw the nodule large on its measuring slice, (size, size, 3) RGB, with contour and calipers, without text."""
    k = measuring_slice(nodule)
    _, spacing = series.source_spacing_ji_mm
    field_px = max(field_mm, 2.0 * nodule.measurement.long_axis.length_mm) / spacing
    centre = SliceFrame(series, k, 1).xy([nodule.measurement.center_kji[1:]])[0]
    left, top = (float(edge) for edge in centre - field_px / 2)
    box = (left, top, left + field_px, top + field_px)
    grey = Image.fromarray(slice_grey(series, k))
    crop = grey.transform((size, size), Image.Transform.EXTENT, box, Image.Resampling.BICUBIC)
    canvas = crop.convert("RGBA")
    frame = SliceFrame(series, k, size / field_px, (left, top))
    stroke(canvas, outlines_on(nodule, frame), colour_of(nodule.id), 1.6)
    stroke(canvas, calipers_on(nodule, frame), WHITE, 1.2)
    return picture_of(canvas)


def edge_letters(volume: Volume) -> tuple[str, str, str, str]:
    """Say what lies behind the left, right, upper and lower edge of a slice as it is stored."""
    right, down = volume.directions[:, 2], volume.directions[:, 1]
    return letters_of(-right), letters_of(right), letters_of(-down), letters_of(down)


def image_number(series: AssembledSeries, k: int, language: str = "en") -> str:
    """Give the number by which a viewer lists slice ``k``."""
    frame = series.frames[k].frame_number
    number = legal_value(series.header_of(k), "InstanceNumber")
    if frame is not None and (number is None or len(series.headers) == 1):
        return say(language, "frame {number}", number=frame)
    if frame is not None:
        return say(language, "image {number}, frame {frame}", number=number, frame=frame)
    if number is None:
        return say(language, "slice {number} of {count}", number=k + 1, count=len(series.frames))
    return say(language, "image {number}", number=number)


def outlined_on(nodule: Nodule, k: int) -> bool:
    """Tell whether any voxel of the nodule lies on slice ``k``."""
    local = k - nodule.measurement.mask_offset_kji[0]
    return 0 <= local < nodule.measurement.mask.shape[0] and bool(nodule.measurement.mask[local].any())


def outlines_on(nodule: Nodule, frame: SliceFrame) -> Lines:
    """Give the nodule's closed outlines on the slice, each (N, 2) picture x, y; none where it is not."""
    measured = nodule.measurement
    if not outlined_on(nodule, frame.k):
        return []
    section = np.pad(measured.mask[frame.k - measured.mask_offset_kji[0]], 1).astype(np.float32)
    return [frame.xy(line + np.subtract(measured.mask_offset_kji[1:], 1)) for line in find_contours(section, 0.5)]


def calipers_on(nodule: Nodule, frame: SliceFrame) -> Lines:
    """Give long and short axis with small end bars, each (2, 2) picture x, y; none but on the measuring slice."""
    lines: Lines = []
    for ends in axes_on(nodule, frame):
        along = ends[1] - ends[0]
        bar = along[::-1] * (-1, 1) / (np.hypot(*along) or 1.0) * 3.0
        lines += [ends, *(np.stack([end - bar, end + bar]) for end in ends)]
    return lines


def axes_on(nodule: Nodule, frame: SliceFrame) -> Lines:
    """Give long and short axis, each (2, 2) picture x, y; none but on the measuring slice."""
    if frame.k != measuring_slice(nodule):
        return []
    axes = (nodule.measurement.long_axis, nodule.measurement.short_axis)
    return [frame.xy([axis.start_kji[1:], axis.end_kji[1:]]) for axis in axes]


def label_of(nodule: Nodule) -> str:
    """Number and mean diameter, as they stand beside a nodule."""
    return f"{nodule.id}   {nodule.measurement.mean_diameter_mm:.1f} mm"


def models_line(findings: Findings) -> str:
    """Name the models and their versions in one line."""
    return f"{MANUFACTURER}: " + "; ".join(f"{model.name} {model.version}" for model in findings.models)


def _banner(canvas: Image.Image, findings: Findings, text_px: int, language: str) -> tuple[float, Box]:
    """Say at the lower edge what this picture is and who made it; give its upper edge and its box."""
    small, margin = max(8, text_px - 2, legible_px(canvas.size)), text_px // 2
    room = canvas.width - 2 * margin
    said = translated(language, DISCLAIMER)
    lines = [(line, text_px, AMBER, True) for line in wrapped(said, text_px, room, bold=True)]
    lines += [(line, small, GREY, False) for line in wrapped(models_line(findings), small, room)]
    height = sum(round(size * 1.35) for _, size, _, _ in lines) + margin
    y = top = canvas.height - height
    shade(canvas, (0, top, canvas.width, canvas.height), (0, 0, 0, 185))
    y += margin // 2
    for line, size, colour, bold in lines:
        write(canvas, (margin, y), line, size, colour, bold=bold, halo=False)
        y += round(size * 1.35)
    return top, (0, top, canvas.width, canvas.height)


def _captions(canvas: Image.Image, frame: SliceFrame, bottom: float, text_px: int, language: str) -> list[Box]:
    """Write the slice's place, the window, and where the edges of the picture lie in the patient."""
    volume, margin = frame.series.volume, text_px // 2
    centre_hu, width_hu = LUNG_WINDOW_HU
    lines = [
        f"z = {volume.to_patient((frame.k, 0, 0))[2]:.1f} mm",
        image_number(frame.series, frame.k, language),
        say(language, "lung window  C {centre}  W {width}", centre=f"{centre_hu:.0f}", width=f"{width_hu:.0f}"),
    ]
    for number, line in enumerate(lines):
        write(canvas, (margin, margin + number * text_px * 1.4), line, text_px, WHITE if number == 0 else GREY)
    x, y = canvas.width / 2, bottom / 2
    big = text_px + 3
    places = ((margin, y), (canvas.width - margin, y), (x, margin), (x, bottom - margin))
    for at, anchor, letters in zip(places, ("lm", "rm", "ma", "md"), edge_letters(volume), strict=True):
        write(canvas, at, letters, big, AMBER, anchor=anchor, bold=True)
    widest = max(text_width(line, text_px) for line in lines)
    return [(0, 0, widest + 2 * margin, margin + len(lines) * text_px * 1.4), (x - big, 0, x + big, big + margin)]


def _scale_bar(canvas: Image.Image, frame: SliceFrame, bottom: float, text_px: int) -> Box:
    """Draw 5 cm with a tick each centimetre in the lower right corner."""
    length = SCALE_BAR_MM / frame.series.source_spacing_ji_mm[1] * frame.scale
    x, y, tick = canvas.width - text_px - length, bottom - text_px, text_px / 2.5
    ticks = [np.array([(x + length * n / 5, y - tick), (x + length * n / 5, y)]) for n in range(6)]
    stroke(canvas, [np.array([(x, y), (x + length, y)]), *ticks], WHITE, 1.2)
    write(canvas, (x + length / 2, y - tick - 2), f"{SCALE_BAR_MM // 10} cm", text_px, WHITE, anchor="md")
    return x - 2, y - tick - 1.5 * text_px, x + length + 2, y + 2


def _label(canvas: Image.Image, seen: list[tuple[Nodule, Lines]], taken: list[Box], text_px: int) -> None:
    """Put number and mean diameter beside each nodule, with a line that ends before the nodule."""
    texts = [label_of(nodule) for nodule, _ in seen]
    marks = [_mark(lines, text, text_px) for text, (_, lines) in zip(texts, seen, strict=True)]
    for placed, text, (nodule, _) in zip(place_labels(marks, canvas.size, taken), texts, seen, strict=True):
        stroke(canvas, [np.array(placed.leader)], colour_of(nodule.id), _LEADER_PX)
        left, top, right, bottom = placed.box
        at = ((left + right) / 2, (top + bottom) / 2)
        write(canvas, at, text, text_px + 1, colour_of(nodule.id), anchor="mm", bold=True)


def _mark(lines: Lines, text: str, text_px: int) -> Mark:
    """Give the circle around the outlines and the size of the label."""
    points = np.concatenate(lines)
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    radius = float(np.hypot(*(points - centre).T).max()) + _CLEARANCE_PX
    size = text_width(text, text_px + 1, bold=True) + 6, text_px * 1.5
    return Mark((float(centre[0]), float(centre[1])), radius, *size)
