"""The rules' lungs and a network's made into one, on a chest of boxes; the shipped weights on a small chest."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from models.body import Scene
from models.components import Mask
from models.findings import AnalysisRefused, LungLabel
from models.lung_network import LungNetwork, lung_network
from models.lung_opinions import DISAGREEMENT_ML, thick, united
from models.lung_rules import RuledLungs
from models.lungs import segment_lungs
from models.unet import UNet, UNetSettings
from models.volume import AIR_HU, Volume
from models.weights import Card, load_tensors, shipped_card
from training.phantom_small import small_phantom

SHAPE, STEP_MM = (24, 50, 70), 4.0
RIGHT = (slice(2, 22), slice(10, 40), slice(8, 29))
LEFT = (slice(2, 22), slice(10, 40), slice(41, 62))
BASE = (slice(2, 22), slice(33, 40), slice(8, 29))  # the back of the right lung
HEART = (slice(4, 20), slice(14, 30), slice(29, 41))  # between the lungs
VOXEL_ML = STEP_MM**3 / 1000
CPU = torch.device("cpu")


def box(*boxes: tuple[slice, slice, slice]) -> Mask:
    mask = np.zeros(SHAPE, bool)
    for part in boxes:
        mask[part] = True
    return mask


def scene(hu: npt.NDArray[np.float32]) -> Scene:
    leftward = ((np.arange(SHAPE[2]) - 34.5) * STEP_MM)[None, None]
    middle = np.tile([24.5 * STEP_MM, 34.5 * STEP_MM], (SHAPE[0], 1))
    return Scene(hu, np.ones(SHAPE, bool), (STEP_MM,) * 3, leftward, middle)


def chest(*dense: tuple[slice, slice, slice], gas: tuple[slice, slice, slice] | None = None) -> Scene:
    hu = np.full(SHAPE, 40, np.float32)
    hu[box(RIGHT, LEFT)] = -850
    hu[box(*dense)] = 20
    if gas is not None:
        hu[gas] = -1000
    return scene(hu)


def rules(right: Mask, left: Mask) -> RuledLungs:
    return RuledLungs(right, left, np.zeros(SHAPE, bool), ())


def seen(right: Mask, left: Mask) -> npt.NDArray[np.uint8]:
    return np.where(right, LungLabel.RIGHT, np.where(left, LungLabel.LEFT, 0)).astype(np.uint8)


def same(first: Mask, second: Mask) -> bool:
    """Equal but for sharp corners, which no lung has and an opening takes."""
    return int((first != second).sum()) <= 16


def test_where_both_agree_the_rules_stand_and_nothing_is_said() -> None:
    right, left, notes = united(rules(box(RIGHT), box(LEFT)), seen(box(RIGHT), box(LEFT)), chest())
    assert np.array_equal(right, box(RIGHT))
    assert np.array_equal(left, box(LEFT))
    assert notes == ()


def test_a_sheet_along_the_border_is_no_disagreement() -> None:
    wider = box((slice(2, 22), slice(8, 40), slice(8, 29)))
    right, _, notes = united(rules(box(RIGHT), box(LEFT)), seen(wider, box(LEFT)), chest())
    assert np.array_equal(right, box(RIGHT))
    assert notes == ()
    assert not thick(wider & ~box(RIGHT)).any()


def test_a_consolidated_back_of_a_lung_is_kept_and_said() -> None:
    aerated = box(RIGHT) & ~box(BASE)
    right, left, notes = united(rules(aerated, box(LEFT)), seen(box(RIGHT), box(LEFT)), chest(BASE))
    assert same(right, box(RIGHT))
    assert same(left, box(LEFT))
    ml = round(np.count_nonzero(box(BASE)) * VOXEL_ML)
    assert ml > DISAGREEMENT_ML
    assert len(notes) == 1
    assert "disagree on the right lung" in notes[0]
    assert "all that either can account for was used" in notes[0]


def test_a_dense_mass_that_lung_encloses_is_kept() -> None:
    mass = (slice(8, 16), slice(20, 30), slice(12, 20))
    right, _, _ = united(rules(box(RIGHT) & ~box(mass), box(LEFT)), seen(box(RIGHT), box(LEFT)), chest(mass))
    assert same(right, box(RIGHT))


def test_the_heart_is_no_lung_also_if_the_network_says_so() -> None:
    right, left, notes = united(
        rules(box(RIGHT), box(LEFT)), seen(box(RIGHT), box(LEFT, (slice(4, 20), slice(2, 12), slice(33, 41)))), chest()
    )
    assert not (right | left)[4:20, 2:10, 33:41].any()
    assert notes


def test_gas_in_the_belly_that_the_rules_took_is_given_up() -> None:
    bubble = (slice(2, 8), slice(30, 48), slice(41, 62))
    view = chest(gas=bubble)
    ruled = rules(box(RIGHT), box(LEFT, bubble))
    _, left, _ = united(ruled, seen(box(RIGHT), box(LEFT) & ~box(bubble)), view)
    assert not left[bubble][1:-1, 3:-1, 1:-1].any()
    assert left[10:20, 15:38, 45:60].all()


def test_a_bulla_inside_the_lung_stays() -> None:
    bulla = (slice(8, 16), slice(15, 25), slice(12, 22))
    right, _, _ = united(rules(box(RIGHT), box(LEFT)), seen(box(RIGHT) & ~box(bulla), box(LEFT)), chest(gas=bulla))
    assert right[bulla].all()


def test_an_aerated_lung_that_the_rules_missed_is_taken_from_the_network() -> None:
    right, left, notes = united(rules(box(RIGHT), np.zeros(SHAPE, bool)), seen(box(RIGHT), box(LEFT)), chest())
    assert same(left, box(LEFT))
    assert same(right, box(RIGHT))
    assert "disagree on the left lung" in notes[0]


def test_plain_gas_is_no_lung_also_if_the_network_says_so() -> None:
    right, left, _ = united(rules(box(RIGHT), np.zeros(SHAPE, bool)), seen(box(RIGHT), box(LEFT)), chest(gas=LEFT))
    assert not left.any()
    assert np.array_equal(right, box(RIGHT))


def test_the_sides_are_those_of_the_rules() -> None:
    right, left, notes = united(rules(box(RIGHT), box(LEFT)), seen(box(LEFT), box(RIGHT)), chest())
    assert np.array_equal(right, box(RIGHT))
    assert np.array_equal(left, box(LEFT))
    assert len(notes) == 2


@pytest.fixture(scope="module")
def shipped() -> LungNetwork:
    return lung_network(*load_tensors(shipped_card("lungs")), CPU)


def test_the_shipped_weights_are_small_and_say_where_they_come_from() -> None:
    card, tensors = load_tensors(shipped_card("lungs"))
    assert sum(t.numel() * t.element_size() for t in tensors.values()) < 8_000_000
    assert {"Dice right", "Dice left"} <= {figure.name for figure in card.figures}
    assert "pseudo-labels" in card.training_data


def test_the_shipped_weights_find_the_lungs_of_a_small_chest(shipped: LungNetwork) -> None:
    made = small_phantom()
    lungs = segment_lungs(made.volume, shipped)
    for label in (LungLabel.RIGHT, LungLabel.LEFT):
        ours, true = lungs.labels == label, made.lung_labels == label
        assert 2 * (ours & true).sum() / (ours.sum() + true.sum()) > 0.95


def test_lobes_cover_the_lungs_and_nothing_else() -> None:
    torch.manual_seed(0)
    tensors = UNet(UNetSettings(6, 4, 2)).state_dict()
    given = {"depth": 4, "width_exponent": 2}
    card = Card("lobes", "1", "lobes.safetensors", "", "UNet", "", "", "", "", settings=given)
    volume = small_phantom().volume
    lungs = segment_lungs(volume, lobe_network=lung_network(card, tensors, CPU))
    assert lungs.lobes is not None
    assert lungs.lobes.shape == volume.shape
    assert lungs.lobes.max() <= 5
    assert not lungs.lobes[lungs.labels == 0].any()


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 64, 64), (3, 2, 2), (40, 64, 64)])
@pytest.mark.parametrize("value", [AIR_HU, -850, 0, 3000])
def test_constant_and_tiny_volumes_are_refused_with_a_network_too(
    shape: tuple[int, int, int], value: int, shipped: LungNetwork
) -> None:
    volume = Volume(np.full(shape, value, np.int16), np.diag([2.0, 2.0, 2.0, 1.0])[[2, 1, 0, 3]])
    with pytest.raises(AnalysisRefused) as refusal:
        segment_lungs(volume, shipped)
    assert refusal.value.code == "NO_LUNGS"
