"""The honesty gate: scans that are no chest are refused, others are flagged with what a reader must know."""

from __future__ import annotations

import numpy as np
import pytest

from models.findings import AnalysisRefused, LungLabel, Lungs
from models.suitability import flags, refuse_unsuitable
from models.volume import AIR_HU, Volume
from training.phantom_small import small_phantom
from training.phantom_truth import Phantom


def volume_of(hu: np.ndarray, spacing: tuple[float, float, float]) -> Volume:
    affine = np.eye(4)
    affine[:3, :3] = np.fliplr(np.diag(spacing[::-1]))
    return Volume(hu.astype(np.int16), affine)


def chest() -> Phantom:
    return small_phantom(shape=(120, 160, 160), spacing_kji_mm=(2.0, 2.2, 2.2))


def lungs_of(phantom: Phantom) -> Lungs:
    ml = phantom.volume.voxel_volume_mm3 / 1000
    counts = [float((phantom.lung_labels == label).sum() * ml) for label in (LungLabel.RIGHT, LungLabel.LEFT)]
    return Lungs(phantom.lung_labels, counts[0], counts[1])


def flagged(phantom: Phantom, **changes: object) -> str:
    return " / ".join(flags(phantom.volume, lungs_of(phantom)))


def changed(phantom: Phantom, hu: np.ndarray) -> Phantom:
    return Phantom(Volume(hu.astype(np.int16), phantom.volume.affine), phantom.lung_labels, phantom.nodules)


@pytest.mark.parametrize(
    ("shape", "spacing", "code"),
    [
        ((100, 64, 64), (2.0, 1 / 64, 1 / 64), "FIELD_OF_VIEW"),
        ((100, 64, 20), (2.0, 3.0, 3.0), "FIELD_OF_VIEW"),
        ((8, 64, 64), (1.0, 4.0, 4.0), "SPAN"),
    ],
    ids=["field of 1 mm", "narrow strip", "8 mm of slices"],
)
def test_what_cannot_hold_a_chest_is_refused_with_its_number(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], code: str
) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(AnalysisRefused, match="needed") as refused:
        refuse_unsuitable(volume_of(rng.normal(-400, 300, shape).clip(AIR_HU, 3000), spacing))
    assert refused.value.code == code


def test_a_constant_image_is_refused() -> None:
    with pytest.raises(AnalysisRefused, match="every voxel is -500 HU") as refused:
        refuse_unsuitable(volume_of(np.full((50, 100, 100), -500), (4.0, 4.0, 4.0)))
    assert refused.value.code == "CONSTANT_IMAGE"


def test_a_whole_chest_passes() -> None:
    refuse_unsuitable(chest().volume)


def test_thick_slices_are_flagged_and_nothing_else_in_a_quiet_chest() -> None:
    assert flagged(chest()) == "slices 2.0 mm apart: sizes are uncertain, small nodules may be missed"


def test_enhanced_blood_between_the_lungs_is_flagged() -> None:
    phantom = chest()
    hu = phantom.volume.hu.copy()
    hu[40:80, 60:90, 70:90] = 250
    assert "intravenous contrast" in flagged(changed(phantom, hu))


def test_metal_is_flagged_with_its_volume() -> None:
    phantom = chest()
    hu = phantom.volume.hu.copy()
    hu[60:64, 20:24, 80:84] = 3000  # 64 voxels of 9.68 mm3
    assert "metal or undiluted contrast (0.6 ml)" in flagged(changed(phantom, hu))


def test_noise_is_flagged_with_its_size() -> None:
    phantom = chest()
    hu = phantom.volume.hu + np.random.default_rng(0).normal(0, 80, phantom.volume.shape)
    assert "noise of" in flagged(changed(phantom, hu))


def test_dense_and_small_lungs_are_flagged() -> None:
    phantom = chest()
    hu = np.where(phantom.lung_labels > 0, -500, phantom.volume.hu)
    assert "lungs of -500 HU in the median" in flagged(changed(phantom, hu))
    small = Lungs(phantom.lung_labels, 500.0, 400.0)
    assert "lungs of 900 ml" in " ".join(flags(phantom.volume, small))


def test_a_targeted_reconstruction_is_flagged() -> None:
    phantom = small_phantom(shape=(60, 100, 100), spacing_kji_mm=(2.0, 2.2, 2.2))
    text = flagged(phantom)
    assert "field of view of 220 mm" in text
    assert "the slices span 120 mm" in text
