"""Malignancy as radiologists rate it: what the model looks at, what it measures, and how it is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from models.findings import Attenuation, Caliper, NoduleMeasurement
from models.malignancy import MEANING, MalignancyModel
from models.malignancy_features import PLAIN_FEATURES, feature_names, features_of
from models.malignancy_input import SIDE_PX, Triplet, lung_level, relative, triplet_of
from models.malignancy_network import FRAME_PX, framed, scores_of, stacks_of, widths_px
from models.malignancy_network import MalignancyNetwork as Network
from models.volume import Volume
from models.weights import WeightsError, shipped_card

CPU = torch.device("cpu")
LUNG_HU, WALL_HU, NODULE_HU = -864, 48, 40


def ball(
    diameter_mm: float = 12.0,
    spacing_kji_mm: tuple[float, float, float] = (2.0, 0.7, 0.7),
    shape: tuple[int, int, int] = (21, 96, 96),
    hu: int = NODULE_HU,
) -> tuple[Volume, NoduleMeasurement]:
    """A ball in lung beside a wall; air and bone make each slice span -1000 to 1040 HU, 8 HU per grey level."""
    spacing = np.asarray(spacing_kji_mm)
    center = np.array([s // 2 for s in shape])
    away = (np.indices(shape).reshape(3, -1).T - center) * spacing
    inside = (np.linalg.norm(away, axis=1) <= diameter_mm / 2).reshape(shape)
    values = np.full(shape, LUNG_HU, dtype=np.int16)
    values[:, :, : shape[2] // 6] = WALL_HU
    values[:, 0, 0], values[:, 0, 1] = -1000, 1040
    values[inside] = hu
    return Volume(values, np.diag([*spacing_kji_mm[::-1], 1.0])[[2, 1, 0, 3]].T), measured(inside)


def measured(inside: np.ndarray) -> NoduleMeasurement:
    places = np.argwhere(inside)
    low, high = places.min(axis=0), places.max(axis=0) + 1
    k, j, i = (int(n) for n in low)
    center = tuple(float(x) for x in places.mean(axis=0))
    line = Caliper((float(k), float(j), float(i)), (float(k), float(j), float(i + 1)), 1.0)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    return NoduleMeasurement(inside[box], (k, j, i), center, line, line, 1.0, 1.0, 0.0, 0.0, Attenuation.SOLID)


def test_a_ball_lies_in_the_middle_with_its_own_area() -> None:
    volume, measurement = ball()
    triplet = triplet_of(volume, measurement)
    assert np.argwhere(triplet.mask[1]).mean(axis=0) == pytest.approx([SIDE_PX // 2] * 2)
    assert triplet.mask[1].sum() == measurement.mask.sum(axis=(1, 2)).max()
    assert triplet.grey[1][triplet.mask[1]] == pytest.approx((NODULE_HU + 1000) / 8)
    assert triplet.mask[0].sum() == triplet.mask[2].sum() < triplet.mask[1].sum()


@pytest.mark.parametrize("pixel_mm", [0.4, 0.9])
def test_other_pixels_are_brought_to_the_usual_size(pixel_mm: float) -> None:
    usual = triplet_of(*ball(20.0)).mask[1].sum()
    other = triplet_of(*ball(20.0, (2.0, pixel_mm, pixel_mm), (21, 160, 160))).mask[1].sum()
    assert other == pytest.approx(usual, rel=0.05)


def test_a_pixel_within_two_percent_is_taken_as_it_is() -> None:
    volume, measurement = ball(12.0, (2.0, 0.703125, 0.703125))
    assert triplet_of(volume, measurement).mask[1].sum() == measurement.mask.sum(axis=(1, 2)).max()


def test_thin_slices_are_skipped_until_the_neighbour_is_a_millimetre_away() -> None:
    volume, measurement = ball(8.0, (0.5, 0.7, 0.7), (31, 96, 96))
    triplet = triplet_of(volume, measurement)
    largest = int(measurement.mask.sum(axis=(1, 2)).argmax())
    assert triplet.mask[2].sum() == measurement.mask[largest + 2].sum()


def test_at_the_border_slices_are_repeated_and_air_lies_beyond() -> None:
    values = np.full((1, 20, 20), LUNG_HU, dtype=np.int16)
    inside = np.zeros(values.shape, dtype=bool)
    values[0, 2:6, 2:6], inside[0, 2:6, 2:6] = NODULE_HU, True
    triplet = triplet_of(Volume(values, np.diag([2.0, 0.7, 0.7, 1.0])), measured(inside))
    assert np.array_equal(triplet.grey[0], triplet.grey[1])
    assert triplet.grey[1, 0, 0] == 0
    assert triplet.mask[1].sum() == 16


def test_a_nodule_of_one_fine_pixel_still_has_a_mask() -> None:
    values = np.full((3, 40, 40), LUNG_HU, dtype=np.int16)
    inside = np.zeros(values.shape, dtype=bool)
    inside[1, 20, 21] = True
    assert triplet_of(Volume(values, np.diag([2.0, 0.3, 0.3, 1.0])), measured(inside)).mask[1].any()


def test_a_deeper_breath_changes_nothing_that_the_model_sees() -> None:
    volume, measurement = ball()
    darker = Volume((volume.hu - 80).astype(np.int16), volume.affine)
    first, second = (relative(triplet_of(v, measurement))[:, 2:, 20:] for v in (volume, darker))
    assert np.abs(first - second).max() < 1e-6


def test_the_level_of_the_lung_is_asked_for_outside_the_nodule() -> None:
    triplet = triplet_of(*ball(16.0))
    assert lung_level(triplet.grey[1], triplet.mask[1]) == (LUNG_HU + 1000) / 8


def odd_triplets() -> dict[str, Triplet]:
    noise = np.random.default_rng(0).uniform(0, 255, (3, SIDE_PX, SIDE_PX)).astype(np.float32)
    one, full = np.zeros(noise.shape, dtype=bool), np.ones(noise.shape, dtype=bool)
    one[1, 3, 60] = True
    return {
        "one pixel": Triplet(noise, one),
        "fills the view": Triplet(noise, full),
        "constant": Triplet(np.full_like(noise, 20.0), full),
        "black": Triplet(np.zeros_like(noise), one),
    }


@pytest.mark.parametrize("name", sorted(odd_triplets()))
def test_measurements_are_finite_and_named_alike_whatever_the_nodule(name: str) -> None:
    found = features_of(odd_triplets()[name])
    assert tuple(found) == feature_names()
    assert np.isfinite(list(found.values())).all()


def test_fifteen_plain_measurements_are_among_them() -> None:
    assert len(PLAIN_FEATURES) == 15
    assert set(PLAIN_FEATURES) <= set(feature_names())


def test_a_triplet_without_its_nodule_is_refused() -> None:
    grey = np.zeros((3, SIDE_PX, SIDE_PX), dtype=np.float32)
    with pytest.raises(ValueError, match="middle slice"):
        Triplet(grey, np.zeros(grey.shape, dtype=bool))


def test_a_frame_shows_small_and_large_nodules_alike() -> None:
    stacks = stacks_of([triplet_of(*ball(d)) for d in (8.0, 14.0)])
    width = widths_px(stacks)
    upright = torch.eye(2, 3)[None] * (width / SIDE_PX)[:, None, None]
    shares = (framed(stacks, upright)[:, 4] > 0.5).sum(dim=(1, 2)) / FRAME_PX**2
    assert width[1] > width[0]
    assert shares[0].item() == pytest.approx(shares[1].item(), rel=0.15)


def test_scores_do_not_depend_on_how_the_patient_lay() -> None:
    torch.manual_seed(0)
    network = Network(2, 4).eval()
    triplet = triplet_of(*ball(14.0))
    grey, mask = (np.ascontiguousarray(np.rot90(part, axes=(1, 2))) for part in (triplet.grey, triplet.mask))
    turned = Triplet(grey, mask)
    assert torch.allclose(scores_of(network, [triplet]), scores_of(network, [turned]), atol=1e-4)


def test_no_nodules_have_no_scores() -> None:
    assert scores_of(Network(1, 4).eval(), []).shape == (0, 3)


@pytest.fixture(scope="module")
def shipped() -> MalignancyModel:
    return MalignancyModel.from_card(shipped_card("malignancy"), CPU)


def test_the_shipped_model_finds_a_large_nodule_more_suspicious_than_a_small_one(shipped: MalignancyModel) -> None:
    small, large = (shipped.score(*ball(d)).probability for d in (4.0, 22.0))
    assert 0 < small < 0.5 < large < 1


def test_the_shipped_model_finds_a_calcified_nodule_harmless(shipped: MalignancyModel) -> None:
    soft, calcified = (shipped.score(*ball(12.0, hu=hu)).probability for hu in (NODULE_HU, 600))
    assert calcified < soft


def test_the_same_nodule_gets_the_same_score_and_says_what_it_means(shipped: MalignancyModel) -> None:
    first, second = (shipped.score(*ball()) for _ in range(2))
    assert first == second
    assert first.meaning == MEANING
    assert "not pathology" in MEANING
    assert first.model == shipped.identity.name == "malignancy"


def copied(folder: Path) -> Path:
    for name in ("malignancy.txt", "malignancy.json", "malignancy-networks.json", "malignancy-networks.safetensors"):
        (folder / name).write_bytes(shipped_card("malignancy").with_name(name).read_bytes())
    return folder / "malignancy.json"


def changed(card: Path, **settings: object) -> Path:
    values = json.loads(card.read_text())
    card.write_text(json.dumps({**values, "settings": {**values["settings"], **settings}}))
    return card


def test_networks_of_another_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="another training run"):
        MalignancyModel.from_card(changed(copied(tmp_path), networks_sha256="0" * 64), CPU)


def test_a_card_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="not the card of a malignancy model"):
        MalignancyModel.from_card(changed(copied(tmp_path), surplus=1), CPU)


def test_damaged_trees_are_refused(tmp_path: Path) -> None:
    card = copied(tmp_path)
    (tmp_path / "malignancy.txt").write_text("tree\n")
    with pytest.raises(WeightsError, match="damaged"):
        MalignancyModel.from_card(card, CPU)


def test_networks_of_another_width_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="wrong layout"):
        MalignancyModel.from_card(changed(copied(tmp_path), width=8), CPU)


def test_shipped_files_stay_small_and_carry_their_figures() -> None:
    folder = shipped_card("malignancy").parent
    assert all(path.stat().st_size < 8e6 for path in folder.glob("malignancy*"))
    figures = json.loads(shipped_card("malignancy").read_text())["figures"]
    assert any("AUC, networks and measurements" in figure["name"] for figure in figures)
    assert all(
        figure["low"] <= figure["value"] <= figure["high"] for figure in figures if figure["name"].startswith("AUC")
    )
