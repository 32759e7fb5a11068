"""Candidates from the candidate network: what it is given, how its output is read, one mark per place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models.candidate_network import ANCHORS_MM, DEEPEST_STRIDE, STEP_MM, STRIDE, CandidateNetwork
from models.components import box_of
from models.findings import Candidate, LungLabel, Lungs
from models.layers import half_precision
from models.resampling import Grid, isotropic_grid, sampled
from models.sliding_window import WindowPlan, sliding_windows
from models.volume import Volume

HU_RANGE = (-1200.0, 600.0)  # the window of the DSB 2017 and Tianchi systems
WALL_HU = 40.0  # soft tissue: painted over all that lies away from the lungs
WALL_MM = 3  # of true tissue kept around the lungs' mask, so that its border need not be exact
BOX_MARGIN_MM = 8.0
MOST_CANDIDATES = 100  # per scan; LUNA16 counts no more
LEAST_PROBABILITY = 0.01
_CONSIDERED = 2000  # strongest answers looked at before those of one place are joined
_LARGEST_WINDOW = {"cpu": 208, "cuda": 160}  # core of a window: at most 0.6 GB of features on the CPU
_BATCH = {"cpu": 1, "cuda": 8}
_MARGIN = 12  # voxels; a nodule of 24 mm on the border of a core is seen whole


class Scene(NamedTuple):
    """The lungs of a volume as the network sees them.

    Attributes
    ----------
    image
        (2, K, J, I) float32, see ``network_input``.
    inside
        (K, J, I) bool, the lungs.
    grid
        Cubic voxels of ``STEP_MM`` over the volume.
    """

    image: torch.Tensor
    inside: torch.Tensor
    grid: Grid


def propose(volume: Volume, lungs: Lungs, network: CandidateNetwork, device: torch.device) -> tuple[Candidate, ...]:
    """Find the places in the lungs that may be nodules.

    Parameters
    ----------
    volume, lungs
        The scan and its lungs on the same grid.
    network
        In evaluation mode, on ``device``.

    Returns
    -------
    At most ``MOST_CANDIDATES``, by falling probability, one per place; the probability is the network's own, of
    training data rich in nodules. Empty where there is no lung.
    """
    if not (lungs.labels != LungLabel.BACKGROUND).any():
        return ()
    scene = scene_of(volume, lungs, device)
    return tuple(
        Candidate((k, j, i), probability, diameter)
        for (k, j, i), probability, diameter in _on_volume(marks_of(scene, network), scene.grid)
    )


def scene_of(volume: Volume, lungs: Lungs, device: torch.device) -> Scene:
    """Resample the box of both lungs to ``STEP_MM`` and paint what lies away from them."""
    mask = lungs.labels != LungLabel.BACKGROUND
    margin = [int(np.ceil(BOX_MARGIN_MM / spacing)) for spacing in volume.spacing_kji_mm]
    grid = isotropic_grid(volume, box_of(mask, (margin[0], margin[1], margin[2])), STEP_MM)
    inside = sampled(mask, grid, device) > 0.5
    return Scene(network_input(sampled(volume.hu, grid, device), inside), inside, grid)


def network_input(hu: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Make the network's two channels.

    Parameters
    ----------
    hu
        (K, J, I) float32 Hounsfield units at ``STEP_MM``.
    inside
        (K, J, I) bool, the lungs.

    Returns
    -------
    (2, K, J, I) float32: HU from -1200..600 to -1..1, painted as soft tissue beyond ``WALL_MM`` from the lungs;
    and the lungs, 1 inside, 0 outside.
    """
    near = inside.float()[None]
    for axis in range(3):
        kernel = [2 * WALL_MM + 1 if a == axis else 1 for a in range(3)]
        near = functional.max_pool3d(near, kernel, stride=1, padding=[side // 2 for side in kernel])
    painted = torch.where(near[0] > 0, hu, torch.full_like(hu, WALL_HU))
    return torch.stack((scaled(painted), inside.float()))


def scaled(hu: torch.Tensor) -> torch.Tensor:
    """Map HU from ``HU_RANGE``, clipped, to -1..1."""
    low, high = HU_RANGE
    return (hu.clamp(low, high) - low) * (2 / (high - low)) - 1


def marks_of(scene: Scene, network: nn.Module) -> torch.Tensor:
    """Give the network's marks on a scene, one per place.

    Returns
    -------
    (N, 5) float32 on the CPU, by falling probability: probability, centre k, j, i on the scene's grid, diameter in mm.
    """
    device = scene.image.device
    kind = "cuda" if device.type == "cuda" else "cpu"
    plan = WindowPlan(_LARGEST_WINDOW[kind], _MARGIN, STRIDE, DEEPEST_STRIDE, _BATCH[kind])
    wall = float(scaled(torch.tensor(WALL_HU)))
    half = half_precision(device)
    with torch.inference_mode(), torch.autocast(device.type, half, enabled=half is not None):
        windows = sliding_windows(scene.image, scene.inside, _in_rows(network), plan, (wall, 0.0))
        found = [_strongest(decoded(output, start), _CONSIDERED) for start, output in windows]
    marks = _strongest(torch.cat(found), _CONSIDERED).cpu()
    return one_per_place(marks[_within(marks, scene.inside.cpu())])


def _in_rows(network: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """Hand images over with the channels last, which convolutions of few channels are fastest with."""

    def run(images: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(network(images.contiguous(memory_format=torch.channels_last_3d)))

    return run


def decoded(output: torch.Tensor, start: Sequence[int] = (0, 0, 0)) -> torch.Tensor:
    """Read the network's output as marks.

    Parameters
    ----------
    output
        (4, 5, k, j, i) as ``CandidateNetwork`` gives it for one image.
    start
        Index of the output's first input voxel.

    Returns
    -------
    (4 * k * j * i, 5): probability, centre k, j, i in input voxels, diameter in mm.
    """
    anchors = torch.tensor(ANCHORS_MM, device=output.device).reshape(-1, 1, 1, 1)
    values = output.float()
    places = place_centers(output.shape[2:], output.device) + torch.tensor(start, device=output.device).reshape(
        3, 1, 1, 1
    )
    centers = [places[a] + values[:, 1 + a] * anchors / STEP_MM for a in range(3)]
    diameter = anchors * values[:, 4].clamp(-1.5, 1.5).exp()
    return torch.stack([values[:, 0].sigmoid(), *centers, diameter], dim=-1).reshape(-1, 5)


def place_centers(shape: Sequence[int], device: torch.device) -> torch.Tensor:
    """Give the centre of every place of the head in input voxels, (3, k, j, i)."""
    axes = [torch.arange(size, device=device) * STRIDE + (STRIDE - 1) / 2 for size in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))


def one_per_place(marks: torch.Tensor) -> torch.Tensor:
    """Keep the strongest of the marks that lie within each other's ball, (N, 5) by falling probability."""
    kept: list[int] = []
    centers, radii = marks[:, 1:4] * STEP_MM, marks[:, 4] / 2
    for n in range(len(marks)):
        apart = (centers[kept] - centers[n]).norm(dim=1)
        if not (apart < torch.maximum(radii[kept], radii[n])).any():
            kept.append(n)
        if len(kept) == MOST_CANDIDATES:
            break
    return marks[kept]


def _strongest(marks: torch.Tensor, most: int) -> torch.Tensor:
    """Keep the marks that are probable enough, the most probable first."""
    likely = marks[marks[:, 0] >= LEAST_PROBABILITY]
    return likely[torch.argsort(likely[:, 0], descending=True, stable=True)[:most]]


def _within(marks: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Tell which marks have their centre in the lungs or within ``WALL_MM`` of them."""
    near = functional.max_pool3d(inside.float()[None], 2 * WALL_MM + 1, stride=STRIDE, padding=WALL_MM)[0]
    at = (marks[:, 1:4] / STRIDE).round().long()
    at = torch.minimum(at.clamp(min=0), torch.tensor(near.shape) - 1)
    return near[at.unbind(1)] > 0


def _on_volume(marks: torch.Tensor, grid: Grid) -> list[tuple[tuple[float, float, float], float, float]]:
    centers = grid.to_base(marks[:, 1:4].double().numpy()).tolist()
    return [
        ((center[0], center[1], center[2]), float(mark[0]), float(mark[4]))
        for center, mark in zip(centers, marks, strict=True)
    ]
