"""Finding nodules in a block of lung with vessels, and on two real scans."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage

from models.blobs import blob_peaks, eigenvalues, gaussian
from models.detector_rules import RuleDetector
from models.findings import Candidate, LungLabel, Lungs
from models.lungs import segment_lungs
from models.nodules import LEAST_DIAMETER_MM, above, find_nodules
from models.resampling import block_mean, isotropic_grid, sampled, unblocked
from models.volume import Volume
from node.assembly.files import assemble_files

CPU = torch.device("cpu")
RULES = RuleDetector(CPU)
SPACING = (1.25, 0.8, 0.8)
SHAPE = (88, 130, 150)
AFFINE = np.array([[0, 0, 0.8, -60], [0, 0.8, 0, -50], [1.25, 0, 0, -100], [0, 0, 0, 1.0]])
# Centre (z, y, x) in mm, diameter in mm, HU.
NODULES = {
    "4mm": ((25.0, 25.0, 25.0), 4.5, 20.0),
    "6mm": ((25.0, 75.0, 30.0), 6.0, 20.0),
    "8mm": ((85.0, 30.0, 85.0), 8.0, 20.0),
    "20mm": ((75.0, 75.0, 75.0), 20.0, 20.0),
    "ground_glass_14mm": ((30.0, 40.0, 95.0), 14.0, -580.0),
    "calcified_7mm": ((88.0, 25.0, 25.0), 7.0, 400.0),
}
# Vessels: from, to (z, y, x) in mm, radius in mm; the second and third are forks of the first.
VESSELS = (
    ((0, 50, 60), (60, 50, 55), 2.5),
    ((60, 50, 55), (109, 20, 50), 1.8),
    ((60, 50, 55), (109, 95, 40), 1.5),
    ((50, 0, 10), (50, 103, 15), 1.2),
    ((10, 0, 110), (100, 100, 110), 1.0),
    ((5, 90, 0), (20, 90, 119), 0.8),
)


def distances_mm(shape: tuple[int, int, int] = SHAPE) -> tuple[npt.NDArray[np.float64], ...]:
    axes = (np.arange(n) * s for n, s in zip(shape, SPACING, strict=True))
    return tuple(np.meshgrid(*axes, indexing="ij", sparse=True))


def to_segment(start: tuple[float, ...], end: tuple[float, ...]) -> npt.NDArray[np.float64]:
    a, b = np.asarray(start, float), np.asarray(end, float)
    points = np.stack(np.broadcast_arrays(*distances_mm()), axis=-1)
    share = np.clip((points - a) @ (b - a) / np.sum((b - a) ** 2), 0, 1)
    return np.linalg.norm(points - a - share[..., None] * (b - a), axis=-1)


def lung_block(nodules: list[str]) -> Volume:
    hu = np.full(SHAPE, -860.0)
    for start, end, radius in VESSELS:
        hu = np.maximum(hu, -860 + 900 * np.clip(radius + 0.5 - to_segment(start, end), 0, 1))
    z, y, x = distances_mm()
    for name in nodules:
        (cz, cy, cx), diameter, level = NODULES[name]
        away = np.sqrt((z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2)
        hu += (level + 860) * np.clip(diameter / 2 + 0.5 - away, 0, 1)
    noise = ndimage.gaussian_filter(np.random.default_rng(3).normal(0, 1, SHAPE), (0, 0.6, 0.6))
    hu += noise * 25 / noise.std()
    return Volume(np.rint(hu).astype(np.int16), AFFINE)


def whole_lung(volume: Volume) -> Lungs:
    labels = np.zeros(volume.shape, dtype=np.uint8)
    labels[2:-2, 4:-4, 4:-4] = LungLabel.RIGHT
    return Lungs(labels, 1.0, 0.0)


def hit(volume: Volume, marks: list[tuple[float, float, float]], name: str) -> bool:
    center, diameter, _ = NODULES[name]
    return any(np.linalg.norm(np.asarray(mark) * SPACING - center) < diameter / 2 for mark in marks)


def marked(volume: Volume, lungs: Lungs, threshold: float = RULES.threshold) -> tuple[Candidate, ...]:
    return above(RULES.detect(volume, lungs), threshold)


@pytest.fixture(scope="module")
def planted() -> Volume:
    return lung_block(list(NODULES))


@pytest.mark.parametrize("name", list(NODULES))
def test_each_kind_of_planted_nodule_is_found(planted: Volume, name: str) -> None:
    marks = [candidate.center_kji for candidate in marked(planted, whole_lung(planted))]
    assert hit(planted, marks, name)


def test_vessels_and_forks_are_no_nodules() -> None:
    volume = lung_block([])
    assert marked(volume, whole_lung(volume)) == ()


def test_marks_come_by_falling_probability_and_one_a_place(planted: Volume) -> None:
    candidates = marked(planted, whole_lung(planted))
    probabilities = [candidate.probability for candidate in candidates]
    assert probabilities == sorted(probabilities, reverse=True)
    assert len(candidates) == len(NODULES)


def test_a_lower_threshold_gives_no_fewer_marks(planted: Volume) -> None:
    lungs = whole_lung(planted)
    high = marked(planted, lungs, 0.9)
    low = marked(planted, lungs, 0.05)
    assert len(high) < len(low)
    assert all(candidate.probability >= 0.9 for candidate in high)


def test_the_same_scan_gives_the_same_marks(planted: Volume) -> None:
    lungs = whole_lung(planted)
    assert marked(planted, lungs) == marked(planted, lungs)


def test_nodules_are_measured_where_they_are_found(planted: Volume) -> None:
    found = find_nodules(planted, whole_lung(planted), RULES)
    sizes = sorted(measured.mean_diameter_mm for _, measured in found)
    assert len(sizes) == len(NODULES)
    assert sizes == pytest.approx(sorted(diameter for _, diameter, _ in NODULES.values()), abs=1.0)
    assert min(sizes) >= LEAST_DIAMETER_MM


def test_nothing_outside_the_lung_is_marked(planted: Volume) -> None:
    labels = whole_lung(planted).labels.copy()
    labels[:, :, 75:] = 0
    marks = [c.center_kji for c in marked(planted, Lungs(labels, 1.0, 0.0), 0.0)]
    assert all(labels[tuple(np.rint(mark).astype(int))] for mark in marks)


def test_no_lung_gives_no_marks(planted: Volume) -> None:
    assert find_nodules(planted, Lungs(np.zeros(planted.shape, np.uint8), 0.0, 0.0), RULES) == ()


def test_a_uniform_lung_gives_no_marks() -> None:
    volume = Volume(np.full(SHAPE, -850, dtype=np.int16), AFFINE)
    assert find_nodules(volume, whole_lung(volume), RULES) == ()


@pytest.mark.gpu
def test_the_gpu_finds_what_the_cpu_finds(planted: Volume) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    lungs = whole_lung(planted)
    on_gpu = RuleDetector(torch.device("cuda")).detect(planted, lungs)
    on_cpu = RULES.detect(planted, lungs)
    assert [c.center_kji for c in on_gpu] == pytest.approx([c.center_kji for c in on_cpu], abs=0.5)


def test_closed_form_eigenvalues_are_those_of_a_solver() -> None:
    entries = torch.randn(500, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    entries[0] = 0.0  # a multiple of the identity has no direction
    matrices = torch.zeros(500, 3, 3, dtype=torch.float64)
    for n, (a, b) in enumerate(((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))):
        matrices[:, a, b] = matrices[:, b, a] = entries[:, n]
    expected = torch.linalg.eigvalsh(matrices).flip(1)
    assert torch.allclose(eigenvalues(entries), expected, atol=1e-9)


def test_a_gaussian_keeps_the_sum_and_has_its_width() -> None:
    point = torch.zeros(31, 31, 31)
    point[15, 15, 15] = 1.0
    smooth = gaussian(point, 2.0)
    x = torch.arange(31) - 15.0
    assert smooth.sum() == pytest.approx(1.0, abs=1e-5)
    assert (smooth.sum(dim=(1, 2)) * x**2).sum().sqrt() == pytest.approx(2.0, rel=0.03)


def test_a_ball_answers_and_a_tube_does_not() -> None:
    axis = torch.arange(64) - 32.0
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    ball, tube = (z**2 + y**2 + x**2 < 25).float(), (y**2 + x**2 < 25).float()
    inside = torch.ones(64, 64, 64, dtype=torch.bool)
    inside[:8], inside[-8:] = False, False
    peaks = blob_peaks(ball, inside, 0.02)
    assert peaks.positions[0].tolist() == pytest.approx([32, 32, 32], abs=1)
    assert peaks.ratios[0, 0] > 0.9
    assert len(blob_peaks(tube, inside, 0.02).blobness) == 0


def test_resampling_keeps_a_linear_ramp() -> None:
    ramp = np.broadcast_to(np.arange(40) * 10, (20, 30, 40)).astype(np.int16)
    volume = Volume(ramp, np.array([[0, 0, 0.7, 0], [0, 0.8, 0, 0], [2.5, 0, 0, 0], [0, 0, 0, 1]]))
    grid = isotropic_grid(volume, (slice(2, 18), slice(3, 27), slice(5, 35)), 1.0)
    line = sampled(ramp, grid, CPU)[3, 4]
    expected = 10 * (5 + np.arange(grid.shape[2]) / 0.7)
    # A tent wider than a voxel bends a ramp by a few hundredths of a voxel.
    assert line.numpy() == pytest.approx(expected, abs=0.5)
    assert grid.from_base(grid.to_base([1.0, 2.0, 3.0])) == pytest.approx([1, 2, 3])


def test_joined_blocks_average_what_they_have_and_come_back() -> None:
    hu = np.arange(5 * 7 * 9).reshape(5, 7, 9).astype(np.int16)
    coarse = block_mean(hu, (2, 2, 2))
    assert coarse.shape == (3, 4, 5)
    assert coarse[0, 0, 0] == hu[:2, :2, :2].mean()
    assert coarse[2, 3, 4] == hu[4, 6, 8]
    mask = np.zeros((3, 4, 5), dtype=bool)
    mask[:2, :2, :2] = True
    back = unblocked(mask, (2, 2, 2), (5, 7, 9)).numpy()
    assert back[:3, :3, :3].all()
    assert not back[:, 5:].any()
    assert not back[:, :, 5:].any()


@pytest.mark.parametrize("name", ["lidc-0001", "lidc-0003"])
def test_real_nodules_are_found_with_few_other_marks(
    name: str, shared_data: Path, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(name.replace("-", "_"))
    volume = assemble_files(sorted(path for path in folder.rglob("*") if path.is_file())).volume
    marks = [found.center_kji for found, _ in find_nodules(volume, segment_lungs(volume), RULES)]
    places = volume.to_patient(np.asarray(marks))
    truth = json.loads((shared_data / "truth.json").read_text())[name]["nodules"]
    hits = [np.linalg.norm(places - t["center_lps_mm"], axis=1) < t["diameter_mm"] / 2 for t in truth]
    assert all(on.any() for on in hits)
    assert (~np.any(hits, axis=0)).sum() <= 5
