"""What a scanner makes of a chest: its kernel, its noise and its round field of view."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.fft

from training.phantom_raster import Grid
from training.phantom_tissue import AIR_OUTSIDE_HU

Array = npt.NDArray[np.float32]

_NOISE_PEAK_PER_MM, _NOISE_FLOOR = 0.28, 0.12  # spatial frequency of most noise, and share of white noise
_NOISE_SHARPENING = 0.6  # a sharp kernel moves the noise to frequencies higher by this share, a smooth one to lower
_SMOOTH_MM = 0.9  # SD of the blur of the smoothest kernel
_ENHANCED_PER_MM, _ENHANCEMENT = 0.4, 0.9  # frequency that the sharpest kernel enhances most, and by how much
_WORKERS = 2


def reconstruct(hu: npt.NDArray[np.int16], pixel_mm: float, sharpness: float) -> None:
    """Pass each slice (K, J, I), in place, through a kernel: -1 smooth to 1 edge enhancing; 0 leaves it as it is."""
    if sharpness == 0.0:
        return
    _, rows, columns = hu.shape
    transfer = _transfer(rows, columns, pixel_mm, sharpness)
    for plane in hu:
        spectrum = scipy.fft.rfft2(plane.astype(np.float32), workers=_WORKERS) * transfer
        plane[...] = np.clip(np.rint(scipy.fft.irfft2(spectrum, s=plane.shape, workers=_WORKERS)), -1500, 4000)


def add_noise(
    hu: npt.NDArray[np.int16], sd_hu: float, pixel_mm: float, sharpness: float, seed: tuple[int, int]
) -> None:
    """Add noise correlated in the plane to one slice (J, I), in place; ``seed`` is the phantom's and the slice."""
    if sd_hu == 0:
        return
    rows, columns = hu.shape
    white = np.random.default_rng((seed[0], 3, seed[1])).standard_normal((rows, columns), dtype=np.float32)
    spectrum = scipy.fft.rfft2(white, workers=_WORKERS)
    spectrum *= _noise_filter(rows, columns, pixel_mm, _NOISE_PEAK_PER_MM * (1 + _NOISE_SHARPENING * sharpness))
    noise = scipy.fft.irfft2(spectrum, s=(rows, columns), workers=_WORKERS)
    hu += np.rint(noise * sd_hu * np.where(hu < AIR_OUTSIDE_HU + 100, 0.6, 1.0)).astype(np.int16)


def outside_field(grid: Grid) -> npt.NDArray[np.bool_]:
    """(J, I): pixels outside the round field of view."""
    offsets = np.arange(grid.shape[1]) - (grid.shape[1] - 1) / 2
    return np.asarray(np.hypot(offsets[:, None], offsets) > grid.shape[1] / 2)


def _frequency(rows: int, columns: int, pixel_mm: float) -> npt.NDArray[np.float64]:
    """(rows, columns // 2 + 1) spatial frequencies per mm of a real two-dimensional transform."""
    fy, fx = np.fft.fftfreq(rows, pixel_mm)[:, None], np.fft.rfftfreq(columns, pixel_mm)
    return np.asarray(np.hypot(fy, fx))


def _transfer(rows: int, columns: int, pixel_mm: float, sharpness: float) -> Array:
    """Amplitude over frequency of a kernel relative to the standard one; 1 at frequency 0."""
    frequency = _frequency(rows, columns, pixel_mm)
    if sharpness < 0:
        return np.exp(-2 * (np.pi * _SMOOTH_MM * sharpness * frequency) ** 2).astype(np.float32)
    squared = (frequency / _ENHANCED_PER_MM) ** 2
    return (1 + _ENHANCEMENT * sharpness * squared * np.exp(1 - squared)).astype(np.float32)


def _noise_filter(rows: int, columns: int, pixel_mm: float, peak_per_mm: float) -> Array:
    """Amplitude over frequency of filtered back projection: a ramp, rolled off; unit variance."""
    frequency = _frequency(rows, columns, pixel_mm) / peak_per_mm
    amplitude = np.sqrt(frequency) * np.exp(-(frequency**2) / 4) + _NOISE_FLOOR * np.exp(-(frequency**2) / 8)
    weight = np.full(frequency.shape[1], 2.0)
    weight[0] = 1.0
    if columns % 2 == 0:
        weight[-1] = 1.0
    power = (amplitude**2 * weight).sum() / (rows * columns)
    return np.asarray(amplitude / np.sqrt(power), dtype=np.float32)
