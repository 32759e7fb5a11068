"""Lungs by rules, on a small digital chest and on a real scan with reference masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from models.findings import AnalysisRefused, LungLabel, Lungs
from models.lung_network import lung_network
from models.lungs import lung_air_area_mm2, segment_lungs
from models.volume import AIR_HU, Volume
from models.weights import load_tensors, shipped_card
from node.assembly.files import assemble_files

SPACING = (4.0, 2.0, 2.0)
SHAPE = (70, 150, 190)
BODY_MM, LUNG_MM = (115.0, 165.0), (78.0, 52.0)  # half axes (j, i) of body and lung in a slice
LUNG_LENGTH_MM = 110.0  # half axis along the body
RIGHT_X, LEFT_X = -72.0, 72.0


def points() -> tuple[npt.NDArray[np.float64], ...]:
    """(z, y, x) in mm, the body's middle at 0; x grows to the patient's left, z to the head."""
    axes = ((np.arange(n) - (n - 1) / 2) * s for n, s in zip(SHAPE, SPACING, strict=True))
    return tuple(np.meshgrid(*axes, indexing="ij", sparse=True))


def chest(lungs: tuple[float, ...] = (RIGHT_X, LEFT_X), length_mm: float = LUNG_LENGTH_MM) -> npt.NDArray[np.int16]:
    """A body of 40 HU with ellipsoid lungs, a heart's room between, a trachea and noise."""
    z, y, x = points()
    hu = np.full(SHAPE, -1000.0)
    hu[np.broadcast_to((y / BODY_MM[0]) ** 2 + (x / BODY_MM[1]) ** 2 < 1, SHAPE)] = 40
    for center in lungs:
        hu[(z / length_mm) ** 2 + (y / LUNG_MM[0]) ** 2 + ((x - center) / LUNG_MM[1]) ** 2 < 1] = -850
    hu[(z > 20) & (y**2 + x**2 < 9**2)] = -1000
    hu += np.random.default_rng(0).normal(0, 20, SHAPE)
    return np.clip(np.rint(hu), AIR_HU, None).astype(np.int16)


def placed(hu: npt.NDArray[np.int16]) -> Volume:
    return Volume(hu, np.array([[0, 0, 2.0, -189], [0, 2.0, 0, -149], [4.0, 0, 0, -138], [0, 0, 0, 1]]))


def ellipsoid_ml(length_mm: float = LUNG_LENGTH_MM) -> float:
    return 4 / 3 * np.pi * length_mm * LUNG_MM[0] * LUNG_MM[1] / 1000


def test_both_lungs_have_their_volume_and_side() -> None:
    volume = placed(chest())
    lungs = segment_lungs(volume)
    assert lungs.right_ml == pytest.approx(ellipsoid_ml(), rel=0.06)
    assert lungs.left_ml == pytest.approx(ellipsoid_ml(), rel=0.06)
    assert lungs.warnings == ()
    right, left = (
        volume.to_patient(np.argwhere(lungs.labels == n).mean(axis=0)) for n in (LungLabel.RIGHT, LungLabel.LEFT)
    )
    assert right[0] < 0 < left[0]


@pytest.mark.parametrize("flip", [(0,), (2,), (1, 2), (0, 1, 2)], ids=["feet_first", "mirrored", "prone", "all"])
def test_sides_follow_the_patient_and_not_the_array(flip: tuple[int, ...]) -> None:
    volume = placed(chest(length_mm=100))
    affine = volume.affine.copy()
    for axis in flip:
        affine[:3, 3] += affine[:3, axis] * (volume.shape[axis] - 1)
        affine[:3, axis] *= -1
    straight = segment_lungs(volume).labels
    turned = segment_lungs(Volume(np.ascontiguousarray(np.flip(volume.hu, flip)), affine)).labels
    assert (np.flip(turned, flip) == straight).mean() > 0.998


def test_lungs_that_touch_in_front_are_parted() -> None:
    hu = chest()
    z, y, x = points()
    hu[(np.abs(z) < 40) & (np.abs(y + 30) < 6) & (np.abs(x) < 40)] = -850
    lungs = segment_lungs(placed(hu))
    assert lungs.left_ml == pytest.approx(lungs.right_ml, rel=0.04)
    assert lungs.left_ml == pytest.approx(ellipsoid_ml(), rel=0.08)


def test_a_mass_on_the_chest_wall_belongs_to_the_lung() -> None:
    hu = chest()
    z, y, x = points()
    wall_x = RIGHT_X - LUNG_MM[1]
    mass = (z**2 + y**2 + (x - wall_x - 8) ** 2) < 11**2
    hu[mass] = 40
    inside = mass & ((z / LUNG_LENGTH_MM) ** 2 + (y / LUNG_MM[0]) ** 2 + ((x - RIGHT_X) / LUNG_MM[1]) ** 2 < 1)
    assert (segment_lungs(placed(hu)).labels[inside] == LungLabel.RIGHT).mean() > 0.9


def test_the_heart_stays_out_of_the_lungs() -> None:
    hu = chest()
    z, y, x = points()
    heart = (z + 40) ** 2 + (y + 10) ** 2 + (x - 25) ** 2 < 45**2
    hu[heart] = 40
    assert (segment_lungs(placed(hu)).labels[heart] > 0).mean() < 0.08


def test_the_trachea_is_no_lung() -> None:
    hu = chest()
    z, y, x = points()
    lumen = (z > 20) & (z < 100) & (y**2 + x**2 < 9**2)
    hu[(z > 16) & (z < 24) & (np.abs(y) < 8) & (np.abs(x) < 40)] = -1000  # main bronchi join both lungs
    assert (segment_lungs(placed(hu)).labels[lumen] > 0).mean() < 0.05


def test_one_lung_is_reported_with_a_warning() -> None:
    lungs = segment_lungs(placed(chest(lungs=(LEFT_X,))))
    assert lungs.right_ml == 0
    assert lungs.left_ml == pytest.approx(ellipsoid_ml(), rel=0.08)
    assert lungs.warnings == ("only one lung was found: no aerated right lung",)


def test_a_scan_that_ends_inside_the_lungs_says_so() -> None:
    hu = chest()
    lungs = segment_lungs(placed(np.ascontiguousarray(hu[: SHAPE[0] // 2 + 10])))
    assert lungs.warnings == ("the lungs are cut off at the last slice",)


@pytest.mark.parametrize("value", [AIR_HU, -1000, -850, 0, 3000])
def test_a_constant_image_has_no_lungs(value: int) -> None:
    with pytest.raises(AnalysisRefused, match="ml") as refusal:
        segment_lungs(placed(np.full(SHAPE, value, dtype=np.int16)))
    assert refusal.value.code == "NO_LUNGS"


def test_bowel_gas_in_an_abdomen_is_no_lung() -> None:
    hu = chest()
    hu[(hu > -950) & (hu < -700)] = -1000
    with pytest.raises(AnalysisRefused, match="plain gas"):
        segment_lungs(placed(hu))


def test_a_body_without_air_has_no_lungs() -> None:
    with pytest.raises(AnalysisRefused, match="0 ml"):
        segment_lungs(placed(chest(lungs=())))


def test_the_tip_of_a_lung_base_is_no_chest() -> None:
    with pytest.raises(AnalysisRefused, match="680 to 8200 ml are needed"):
        segment_lungs(placed(np.ascontiguousarray(chest()[:13])))


def test_a_single_slice_is_answered() -> None:
    with pytest.raises(AnalysisRefused):
        segment_lungs(placed(np.ascontiguousarray(chest()[35:36])))


def test_air_area_of_a_slice_is_that_of_the_lungs_alone() -> None:
    hu = chest()
    area = lung_air_area_mm2(hu[34], (2.0, 2.0))
    assert area == pytest.approx(2 * np.pi * LUNG_MM[0] * LUNG_MM[1], rel=0.03)
    assert lung_air_area_mm2(hu[0], (2.0, 2.0)) == 0
    assert lung_air_area_mm2(hu[69], (2.0, 2.0)) == 0  # holds the trachea


def test_air_area_uses_the_row_and_column_spacing() -> None:
    hu = chest()[34]
    assert lung_air_area_mm2(np.repeat(hu, 2, axis=0), (1.0, 2.0)) == pytest.approx(
        lung_air_area_mm2(hu, (2.0, 2.0)), rel=0.03
    )


def test_a_slice_of_one_value_has_no_lung_air() -> None:
    assert lung_air_area_mm2(np.full((64, 64), -1024, dtype=np.int16), (0.7, 0.7)) == 0


@pytest.fixture(scope="module")
def judged(lung1_001: Path, shared_data: Path) -> tuple[Volume, npt.NDArray[np.uint8]]:
    """A real scan and its reference: bit 1 tumour, 2 left lung, 4 right lung."""
    files = sorted(path for path in lung1_001.rglob("*") if path.is_file())
    return assemble_files(files).volume, np.load(shared_data / "lung1-001-reference.npz")["labels"]


def dice_outside_tumour(lungs: Lungs, reference: npt.NDArray[np.uint8]) -> list[float]:
    """Right, left."""
    lung_tissue = (reference & 1) == 0
    pairs = [
        ((lungs.labels == label) & lung_tissue, ((reference & bit) > 0) & lung_tissue)
        for label, bit in ((LungLabel.RIGHT, 4), (LungLabel.LEFT, 2))
    ]
    return [2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()) for ours, theirs in pairs]


def test_real_lungs_by_rules_agree_with_the_reference(judged: tuple[Volume, npt.NDArray[np.uint8]]) -> None:
    lungs = segment_lungs(judged[0])
    assert lungs.left_ml == pytest.approx(2222, rel=0.12)
    assert lungs.right_ml == pytest.approx(2957, rel=0.12)
    assert min(dice_outside_tumour(lungs, judged[1])) > 0.95


def test_real_lungs_with_the_shipped_network_hold_the_tumour_too(
    judged: tuple[Volume, npt.NDArray[np.uint8]],
) -> None:
    network = lung_network(*load_tensors(shipped_card("lungs")), torch.device("cpu"))
    lungs = segment_lungs(judged[0], network)
    assert min(dice_outside_tumour(lungs, judged[1])) > 0.95
    assert (lungs.labels[(judged[1] & 1) > 0] > 0).mean() > 0.5
    assert any("two methods disagree on the left lung" in warning for warning in lungs.warnings)
