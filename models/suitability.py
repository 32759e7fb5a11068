"""The honesty gate: what a scan must be before anything is inferred from it, and what a reader must know of it.

Refusals are for what cannot be a chest; everything else is flagged with its number and analysed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.components import Mask
from models.findings import AnalysisRefused, Lungs
from models.volume import Volume

LEAST_FIELD_MM = 120.0  # one adult lung is 100 to 150 mm wide: less is no chest, nor half of one
WHOLE_CHEST_FIELD_MM = 250.0  # both lungs of an adult are 230 to 320 mm wide
LEAST_SPAN_MM = 40.0  # along the patient: less is a sample of slices
WHOLE_CHEST_SPAN_MM = 200.0  # adult lungs are 200 to 320 mm high
THICK_SLICE_MM = 1.5  # above this, volumetry is unreliable (QIBA asks for <= 1.25 mm, Lung-RADS v2022 for <= 2.5 mm)
SOFT_TISSUE_HU = (0.0, 500.0)
ENHANCED_HU = 110.0  # unenhanced blood is 30 to 60 HU, muscle 50 to 70; a tenth of the mediastinum above: contrast
ENHANCED_SHARE = 0.10
HEART_SHARE = (0.2, 0.55)  # of the way from the front to the back of the lungs: behind the sternum, before the spine
METAL_HU, METAL_ML = 2500.0, 0.05  # cortical bone stays below 2000 HU; undiluted contrast in a vein reaches 3000
NOISY_HU = 60.0  # standard deviation in soft tissue; a low-dose screen with a soft kernel has 20 to 40
SMALL_LUNGS_ML = 1500.0  # both lungs at full inspiration: 3 to 7 litres in adults
DENSE_LUNG_HU = -700.0  # median of inspired lung: about -850 HU
_STRIDE_MM = 2.0  # grid on which the scan is looked at
_SMOOTH_MM = 2.0
_FACTOR_OF_MAD = 1.4826  # median absolute deviation to standard deviation of a normal distribution


def refuse_unsuitable(volume: Volume) -> None:
    """Refuse what cannot be a chest CT, before anything heavy runs.

    Raises
    ------
    AnalysisRefused
        ``CONSTANT_IMAGE``, ``FIELD_OF_VIEW`` or ``SPAN``, with the number found and the number needed.
    """
    field, span = _field_mm(volume), volume.shape[0] * volume.spacing_kji_mm[0]
    if field < LEAST_FIELD_MM:
        raise AnalysisRefused(
            "FIELD_OF_VIEW", f"the field of view is {field:.0f} mm; {LEAST_FIELD_MM:.0f} mm is needed"
        )
    if span < LEAST_SPAN_MM:
        raise AnalysisRefused("SPAN", f"the slices span {span:.0f} mm; {LEAST_SPAN_MM:.0f} mm is needed")
    looked = _looked_at(volume)
    if looked.min() == looked.max():
        raise AnalysisRefused("CONSTANT_IMAGE", f"every voxel is {looked.flat[0]:.0f} HU")


def flags(volume: Volume, lungs: Lungs) -> tuple[str, ...]:
    """Say what a reader must know of the scan: coverage, slices, contrast, metal, noise, state of the lungs.

    Parameters
    ----------
    volume, lungs
        On one grid.

    Returns
    -------
    Plain sentences with their numbers, most important first; empty for a whole, thin, quiet chest.
    """
    strides = _strides(volume)
    looked = _looked_at(volume)
    inside = lungs.labels[:: strides[0], :: strides[1], :: strides[2]] > 0
    spacing = tuple(step * stride for step, stride in zip(volume.spacing_kji_mm, strides, strict=True))
    found = (
        *_coverage(volume),
        *_lung_state(looked, inside, lungs),
        *_contrast(looked, _heart_side(inside, volume), spacing),
        *_metal(volume),
        *_noise(volume),
    )
    return tuple(found)


def _field_mm(volume: Volume) -> float:
    """Give the smaller side of the image."""
    return min(volume.shape[1] * volume.spacing_kji_mm[1], volume.shape[2] * volume.spacing_kji_mm[2])


def _strides(volume: Volume) -> tuple[int, int, int]:
    k, j, i = (max(1, round(_STRIDE_MM / step)) for step in volume.spacing_kji_mm)
    return k, j, i


def _looked_at(volume: Volume) -> npt.NDArray[np.float32]:
    k, j, i = _strides(volume)
    return volume.hu[::k, ::j, ::i].astype(np.float32)


def _coverage(volume: Volume) -> list[str]:
    found = []
    field, span, step = _field_mm(volume), volume.shape[0] * volume.spacing_kji_mm[0], volume.spacing_kji_mm[0]
    if step > THICK_SLICE_MM:
        found.append(f"slices {step:.1f} mm apart: sizes are uncertain, small nodules may be missed")
    if field < WHOLE_CHEST_FIELD_MM:
        found.append(f"field of view of {field:.0f} mm: parts of the lungs may lie outside it")
    if span < WHOLE_CHEST_SPAN_MM:
        found.append(f"the slices span {span:.0f} mm: not the whole of the lungs")
    return found


def _lung_state(looked: npt.NDArray[np.float32], inside: Mask, lungs: Lungs) -> list[str]:
    found = []
    if lungs.volume_ml < SMALL_LUNGS_ML:
        found.append(f"lungs of {lungs.volume_ml:.0f} ml: small, breathed out or not all in view")
    if inside.any() and (middle := float(np.median(looked[inside]))) > DENSE_LUNG_HU:
        found.append(f"lungs of {middle:.0f} HU in the median: dense, nodules may hide in opacities")
    return found


def _contrast(looked: npt.NDArray[np.float32], between: Mask, spacing: tuple[float, ...]) -> list[str]:
    """Look for enhanced blood between the lungs: soft tissue, smoothed over noise."""
    smooth = ndimage.gaussian_filter(looked, [_SMOOTH_MM / step for step in spacing], truncate=2.0)
    tissue = smooth[between & (smooth > SOFT_TISSUE_HU[0]) & (smooth < SOFT_TISSUE_HU[1])]
    if len(tissue) == 0 or (tissue > ENHANCED_HU).mean() < ENHANCED_SHARE:
        return []
    return ["intravenous contrast: enhanced vessels; HU, calcification and solid parts are less certain"]


def _heart_side(inside: Mask, volume: Volume) -> Mask:
    """Give what lies between lung and lung from side to side, in their middle from front to back: heart, no spine."""
    across, back = (int(np.abs(volume.directions[axis]).argmax()) for axis in (0, 1))  # nearest to LPS +x and +y
    before = np.maximum.accumulate(inside, axis=across)
    after = np.flip(np.maximum.accumulate(np.flip(inside, across), axis=across), across)
    places = np.flatnonzero(inside.any(axis=tuple(axis for axis in range(3) if axis != back)))
    if len(places) == 0:
        return np.zeros_like(inside)
    share = (np.arange(inside.shape[back]) - places[0]) / max(1, int(places[-1] - places[0]))
    if volume.directions[1, back] < 0:
        share = 1 - share
    chosen = (share > HEART_SHARE[0]) & (share < HEART_SHARE[1])
    return np.asarray(before & after & ~inside & np.expand_dims(chosen, tuple(a for a in range(3) if a != back)))


def _metal(volume: Volume) -> list[str]:
    volume_ml = np.count_nonzero(volume.hu > METAL_HU) * volume.voxel_volume_mm3 / 1000
    return (
        [f"metal or undiluted contrast ({volume_ml:.1f} ml): streaks may hide or feign nodules"]
        if volume_ml > METAL_ML
        else []
    )


def _noise(volume: Volume) -> list[str]:
    """Estimate the noise from differences of neighbouring pixels in soft tissue of the middle slices."""
    middle = volume.hu[volume.shape[0] // 2 :][:3].astype(np.float32)
    smooth = ndimage.uniform_filter(middle, (1, 7, 7))  # by the mean around it: its own noise chooses no pixel
    tissue = (smooth > 0) & (smooth < 100)
    pairs = tissue[:, :, 2:] & tissue[:, :, :-2]  # two pixels apart: nearer ones share the kernel's noise
    if np.count_nonzero(pairs) < 1000:
        return []
    differences = (middle[:, :, 2:] - middle[:, :, :-2])[pairs]
    sd_hu = float(_FACTOR_OF_MAD * np.median(np.abs(differences)) / np.sqrt(2))
    return [f"noise of {sd_hu:.0f} HU: small or faint nodules may be missed"] if sd_hu > NOISY_HU else []
