"""The lungs in three dimensions: clear bodies of glass with the nodules in them, by rays through a small grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage, sparse

from models.findings import Lungs, Nodule
from models.volume import Volume
from node.results.drawing import AMBER, BACKGROUND, Picture, canvas_of, colour_of, letters_of, picture_of, write
from node.results.views import lung_span, upright

RING_VIEWS = 24
_STEP_MM = 3.0  # of the grid that the rays run through; the eye sees the smoothed surface, not the voxels
_SMOOTHING_STEPS = 1.0
_EDGE_STEPS = 6  # of empty space around the lungs
_FRAME = 1.08  # the picture is this much wider than the lungs at their widest
_LEAST_NODULE_MM = 2.5  # radius; a smaller nodule is drawn this large, else nobody sees it
_GLASS = np.array([172, 205, 235], np.float32) / 255
_BACK = np.array([70, 92, 122], np.float32) / 255
_GAIN = np.float32(1.15)  # a little more light than the colour itself reflects
_LIGHT = np.array([-0.45, 0.6, -0.66], np.float32)  # right, up, away: over the viewer's left shoulder

Map = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LungScene:
    """Lungs and nodules ready to be looked at from any side.

    Parameters
    ----------
    field
        (Y, X, Z) float32, 0 outside to 1 inside, surface at 0.5, on a grid of ``_STEP_MM``.
    slopes
        (3, Y, X, Z) float32, derivative of the field along y, x and z.
    origin_lps_mm
        (3,) of voxel (0, 0, 0).
    half_width_mm
        Half the side of the square that shows the lungs from every side.
    """

    field: Map
    slopes: Map
    origin_lps_mm: npt.NDArray[np.float64]
    nodules: tuple[Nodule, ...]
    half_width_mm: float

    def to_patient(self, index_yxz: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Map (N, 3) fractional indices of the field to (N, 3) LPS millimetres."""
        return np.asarray(self.origin_lps_mm + index_yxz[:, [1, 0, 2]] * _STEP_MM)


@dataclass(frozen=True, eq=False)
class _Seen:
    """One view's maps, each (H, W) float32: cover 0..1, front and back depth in mm, and their surface normals."""

    cover: Map
    front_mm: Map
    front_normal: Map
    back_normal: Map


def render_lungs(
    lungs: Lungs, volume: Volume, nodules: Sequence[Nodule], azimuth_deg: float = 0.0, size: int = 480, text_px: int = 0
) -> Picture:
    """Draw both lungs with the nodules, upright, seen from the side that ``azimuth_deg`` names.

    0 is from the front (patient's right on the left), 90 from the patient's left, 180 from behind. ``text_px`` 0
    lets the text grow with the picture.

    Returns
    -------
    (size, size, 3) uint8 RGB.
    """
    return render_scene(lung_scene(lungs, volume, nodules), azimuth_deg, size, text_px)


def render_ring(scene: LungScene, views: int = RING_VIEWS, size: int = 420) -> list[Picture]:
    """Walk once around the patient: ``views`` pictures, the first from the front, the next further to the left."""
    return [render_scene(scene, 360.0 * number / views, size) for number in range(views)]


def lung_scene(lungs: Lungs, volume: Volume, nodules: Sequence[Nodule]) -> LungScene:
    """Put the lungs on the small grid, once for all views."""
    view = upright(volume, lungs)
    span = lung_span(view.lungs, view.volume.spacing_kji_mm)
    inside = view.lungs[span] > 0
    spacing = np.asarray(view.volume.spacing_kji_mm)
    block = np.maximum(1, np.rint(_STEP_MM / spacing)).astype(int)
    coarse = _block_mean(inside, block)
    step = spacing * block
    shape = np.ceil(np.asarray(coarse.shape) * step / _STEP_MM).astype(int) + 2 * _EDGE_STEPS
    first = -_EDGE_STEPS * _STEP_MM / step
    even = ndimage.affine_transform(coarse, _STEP_MM / step, offset=first, output_shape=tuple(shape), order=1)
    field = np.ascontiguousarray(np.moveaxis(ndimage.gaussian_filter(even, _SMOOTHING_STEPS), 0, 2))
    start = np.array([part.start for part in span]) + (block - 1) / 2 + first * block
    slopes = np.stack(np.gradient(field)).astype(np.float32)
    return LungScene(field, slopes, view.volume.to_patient(start), tuple(nodules), _half_width(field))


def render_scene(scene: LungScene, azimuth_deg: float, size: int, text_px: int = 0) -> Picture:
    """Draw one view of a scene, (size, size, 3) RGB; see ``render_lungs``."""
    turn = np.radians(azimuth_deg)
    seen = _look(scene, turn, size)
    picture = np.full((size, size, 3), np.asarray(BACKGROUND) / 255, np.float32)
    _blend(picture, _lit(seen.back_normal, _BACK, 0.25), 0.85 * seen.cover)
    hidden, marks = _draw_nodules(picture, scene, turn, seen.front_mm)
    rim = (1 - np.clip(-seen.front_normal[2], 0, 1)) ** 2  # glass is brightest where it is seen edge-on
    _blend(picture, _lit(seen.front_normal, _GLASS, 0.15), seen.cover * (0.30 + 0.45 * rim) * hidden)
    return _annotated(picture, turn, marks, text_px or max(11, size // 30))


def drawn_radius_mm(nodule: Nodule) -> float:
    """Radius of the ball of the nodule's volume; tiny nodules are drawn larger."""
    return float(max(_LEAST_NODULE_MM, (3 * nodule.measurement.volume_mm3 / (4 * np.pi)) ** (1 / 3)))


def _half_width(field: Map) -> float:
    """The farthest point of the lungs from the upright axis, or half their height, in mm, with a little sky."""
    y, x, z = field.shape
    rows, columns = np.nonzero((field >= 0.5).any(axis=2))
    radius = np.hypot(rows - (y - 1) / 2, columns - (x - 1) / 2).max(initial=1.0)
    return float(max(radius, z / 2 - _EDGE_STEPS) * _STEP_MM * _FRAME)


def _block_mean(inside: npt.NDArray[np.bool_], block: npt.NDArray[np.int_]) -> Map:
    """Share of each block that is inside, (z, y, x) float32; the last block is filled up with outside."""
    missing = -np.asarray(inside.shape) % block
    padded = np.pad(inside, [(0, int(m)) for m in missing]) if missing.any() else inside
    for axis in range(3):
        split = (*padded.shape[:axis], -1, int(block[axis]), *padded.shape[axis + 1 :])
        padded = padded.reshape(split).sum(axis=axis + 1, dtype=np.uint16)
    return np.asarray(padded, dtype=np.float32) / np.float32(block.prod())


def _axes(turn: float) -> npt.NDArray[np.float64]:
    """Rows: what is right, up and away on the screen, in LPS, for a viewer who went ``turn`` to the patient's left."""
    return np.array([(np.cos(turn), np.sin(turn), 0), (0, 0, 1), (-np.sin(turn), np.cos(turn), 0)])


def _look(scene: LungScene, turn: float, size: int) -> _Seen:
    """Send parallel rays through the field and find where they enter and leave the lungs."""
    y, x, z = scene.field.shape
    reach = int(np.ceil(np.hypot(y, x)))
    rays = _turning(y, x, reach, turn) @ scene.field.reshape(y * x, z)
    field = np.asarray(rays, dtype=np.float32).reshape(reach, reach, z)  # away, right, up
    inside = field >= 0.5
    hit = np.asarray(inside.any(axis=0))
    front = _crossing(field, inside.argmax(axis=0), -1)
    back = _crossing(field, reach - 1 - inside[::-1].argmax(axis=0), 1)
    front, back = ndimage.median_filter(front, 3), ndimage.median_filter(back, 3)  # calms the edge of a lung in front
    rows, columns = _filled(hit)
    surfaces = [normal[rows, columns] for depth in (front, back) for normal in _normals(scene, depth, turn)]
    large = [_on_screen(m, scene, size) for m in (field.max(axis=0), front[rows, columns], *surfaces)]
    cover = np.clip((large[0] - 0.5) / 0.25 + 0.5, 0, 1)
    return _Seen(cover, (large[1] - (reach - 1) / 2) * _STEP_MM, _unit(large[2:5]), _unit(large[5:8]))


def _turning(y: int, x: int, reach: int, turn: float) -> sparse.csr_matrix:
    """(reach * reach, y * x) weights that turn every axial plane about its centre, bilinear; rows are away, right."""
    right, _, away = _axes(turn)
    along = np.arange(reach) - (reach - 1) / 2
    depth, across = np.meshgrid(along, along, indexing="ij")
    at_y = (away[1] * depth + right[1] * across + (y - 1) / 2).ravel()
    at_x = (away[0] * depth + right[0] * across + (x - 1) / 2).ravel()
    low_y, low_x = np.floor(at_y).astype(int), np.floor(at_x).astype(int)
    rows, columns, weights = [], [], []
    for step_y, step_x in ((0, 0), (0, 1), (1, 0), (1, 1)):
        j, i = low_y + step_y, low_x + step_x
        valid = np.flatnonzero((j >= 0) & (j < y) & (i >= 0) & (i < x))
        weight = (1 - np.abs(at_y - j)) * (1 - np.abs(at_x - i))
        rows.append(valid)
        columns.append((j * x + i)[valid])
        weights.append(weight[valid].astype(np.float32))
    entries = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.csr_matrix(entries, shape=(reach * reach, y * x))


def _crossing(field: Map, index: npt.NDArray[np.intp], outward: int) -> Map:
    """Depth (right, up) in steps where the field passes 0.5 between ``index`` and its neighbour outside."""
    outside = np.clip(index + outward, 0, field.shape[0] - 1)
    inner = np.take_along_axis(field, index[None], 0)[0]
    outer = np.take_along_axis(field, outside[None], 0)[0]
    share = np.clip((inner - 0.5) / np.maximum(inner - outer, 1e-6), 0, 1)
    return np.asarray(index + outward * share, dtype=np.float32)


def _filled(hit: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """For each ray the nearest one that hits, so that edges do not bleed into the empty sky."""
    if not hit.any():
        grid = np.asarray(np.indices(hit.shape))
        return grid[0], grid[1]
    nearest = np.asarray(ndimage.distance_transform_edt(~hit, return_distances=False, return_indices=True))
    return nearest[0], nearest[1]


def _normals(scene: LungScene, depth: Map, turn: float) -> Map:
    """(3, right, up): outward surface normals as right, up, away, at the given depth of every ray.

    Their length is the steepness of the field, so that rays that graze an edge count little when neighbours are mixed.
    """
    reach, high = depth.shape
    y, x, _ = scene.field.shape
    right, up, away = _axes(turn)
    across = (np.arange(reach) - (reach - 1) / 2)[:, None]
    deep = depth - (reach - 1) / 2
    at = [
        away[1] * deep + right[1] * across + (y - 1) / 2,
        away[0] * deep + right[0] * across + (x - 1) / 2,
        np.broadcast_to(np.arange(high), depth.shape),
    ]
    down_y, down_x, down_z = (-ndimage.map_coordinates(slope, at, order=1, mode="nearest") for slope in scene.slopes)
    lps = np.stack([down_x, down_y, down_z])
    turned = np.einsum("ac,chw->ahw", np.stack([right, up, away]), lps)
    return np.asarray(ndimage.gaussian_filter(turned, (0, 0.7, 0.7)), dtype=np.float32)


def _on_screen(values: Map, scene: LungScene, size: int) -> Map:
    """Stretch a (right, up) map to the (H, W) screen, up at the top."""
    across, high = values.shape
    pixels_per_step = size / (2 * scene.half_width_mm) * _STEP_MM
    left, top = across / 2 - size / pixels_per_step / 2, high / 2 - size / pixels_per_step / 2
    pad = int(np.ceil(max(0.0, -left, -top))) + 1
    image = Image.fromarray(np.ascontiguousarray(np.pad(values.T[::-1], pad, mode="edge")))
    box = (left + pad, top + pad, left + pad + size / pixels_per_step, top + pad + size / pixels_per_step)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box), dtype=np.float32)


def _unit(parts: list[Map]) -> Map:
    stacked = np.stack(parts)
    return np.asarray(stacked / np.maximum(np.linalg.norm(stacked, axis=0), 1e-6), dtype=np.float32)


def _lit(normal: Map, colour: npt.NDArray[np.floating], ambient: float) -> Map:
    """(H, W, 3): Lambert's law on both faces of the surface, plus even light."""
    light = np.abs(np.tensordot(_LIGHT / np.linalg.norm(_LIGHT), normal, axes=1))
    return np.asarray((ambient + (1 - ambient) * light)[..., None] * (colour * _GAIN), dtype=np.float32)


def _blend(picture: Map, layer: Map, alpha: Map) -> None:
    picture += alpha[..., None] * (layer - picture)


def _draw_nodules(
    picture: Map, scene: LungScene, turn: float, front_mm: Map
) -> tuple[Map, list[tuple[Nodule, tuple[float, float], float]]]:
    """Draw each nodule as a shaded sphere of its volume, far ones first.

    Returns
    -------
    (H, W) share of the glass in front that stays (0 where a nodule sticks out of it), and per nodule its x, y, radius.
    """
    size = picture.shape[0]
    scale = size / (2 * scene.half_width_mm)
    glass, marks = np.ones((size, size), np.float32), []
    for nodule, centre in sorted(_placed(scene, turn), key=lambda item: -item[1][2]):
        radius_mm = drawn_radius_mm(nodule)
        x, y, radius = float(size / 2 + centre[0] * scale), float(size / 2 - centre[1] * scale), radius_mm * scale
        patch = tuple(slice(max(0, int(c - radius) - 1), max(0, int(c + radius) + 2)) for c in (y, x))
        rows, columns = np.mgrid[0:size, 0:size][(slice(None), *patch)].astype(np.float32) + 0.5
        right, up = (columns - x) / radius, (y - rows) / radius
        squared = right**2 + up**2
        toward = np.sqrt(np.clip(1 - squared, 0, 1))
        edge = np.clip((1 - np.sqrt(squared)) * radius + 0.5, 0, 1)
        colour = np.asarray(colour_of(nodule.id), np.float32) / 255
        _blend(picture[patch], _lit(np.stack([right, up, -toward]), colour, 0.45), edge)
        glass[patch] *= np.where(centre[2] - toward * radius_mm < front_mm[patch], 1 - edge, 1)  # sticks out
        marks.append((nodule, (x, y), radius))
    return glass, marks


def _placed(scene: LungScene, turn: float) -> list[tuple[Nodule, npt.NDArray[np.float64]]]:
    """Each nodule with its place on the screen: right, up, away in mm from the middle of the scene."""
    y, x, z = scene.field.shape
    middle = scene.origin_lps_mm + (np.array([x, y, z]) - 1) / 2 * _STEP_MM
    return [(nodule, _axes(turn) @ (np.asarray(nodule.center_lps_mm) - middle)) for nodule in scene.nodules]


def _annotated(
    picture: Map, turn: float, marks: list[tuple[Nodule, tuple[float, float], float]], text_px: int
) -> Picture:
    """Number the nodules and say which way the picture looks."""
    size = picture.shape[0]
    canvas = canvas_of(np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8))
    for nodule, (x, y), radius in marks:
        at = (x + radius + 3, y - radius - 3)
        write(canvas, at, str(nodule.id), text_px, colour_of(nodule.id), anchor="ls", bold=True)
    right, up, _ = _axes(turn)
    middle, edge = size / 2, 6.0
    places = ((edge, middle), (size - edge, middle), (middle, edge), (middle, size - edge))
    for direction, at, anchor in zip((-right, right, up, -up), places, ("lm", "rm", "ma", "md"), strict=True):
        write(canvas, at, letters_of(direction), text_px, AMBER, anchor=anchor, bold=True)
    return picture_of(canvas)
