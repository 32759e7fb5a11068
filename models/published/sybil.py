"""Sybil: the risk of lung cancer within one to six years from a whole CT, by an ensemble of five networks.

References
----------
Mikhael 2023, doi:10.1200/JCO.22.01345. Input contract: the published program, with torchio 0.18 for the resampling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.findings import AnalysisRefused, PatientRisk
from models.published.sybil_calibration import Curve, calibrated, unpacked
from models.published.sybil_network import MEMBERS, YEARS, SybilNetwork, calibrator_name, member_prefix
from models.resampling import along_axis
from models.volume import Volume
from models.weights import WeightsError, fill, load_tensors

ARCHITECTURE = "sybil"
MEANING = "lung cancer within 1 to 6 years (Sybil, trained on low-dose screening CT)"
THICKEST_MM = 5.0  # slices above this are refused by the published program

_WINDOW_CENTER_HU, _WINDOW_WIDTH_HU = -600.0, 1500.0
_IMAGE_SIDE = 256  # pixels
_SLICES = 200
_SPACING_MM = (2.5, 0.703125, 0.703125)  # slice, row, column
_MEAN, _STANDARD_DEVIATION = 128.1722, 87.1849  # of 8-bit pixels
_CHUNK = 32  # slices resized at once


@dataclass(frozen=True, eq=False)
class SybilReading:
    """What the ensemble says of one volume.

    Parameters
    ----------
    by_year
        Calibrated probability of cancer within 1 to 6 years.
    attention
        (5, 25, 16, 16) per member over the prepared input: slice from feet to head, row, column; each slice sums to 1.
    """

    by_year: tuple[float, ...]
    attention: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SybilScorer:
    """Scores volumes; keeps the five networks on a device.

    Parameters
    ----------
    members
        In evaluation mode, on ``device``.
    curves
        Calibrators of the years 1 to 6.
    name
        Of the model, as in its card.
    """

    members: tuple[SybilNetwork, ...]
    curves: tuple[tuple[Curve, ...], ...]
    name: str
    device: torch.device

    @classmethod
    def from_card(cls, card_path: Path, device: torch.device) -> SybilScorer:
        """Load an imported ensemble.

        Raises
        ------
        WeightsError
            The file is missing, damaged or of another layout.
        """
        card, tensors = load_tensors(card_path, ARCHITECTURE)
        members = tuple(_member(tensors, index, card.name, device) for index in range(MEMBERS))
        absent = [name for name in map(calibrator_name, range(1, YEARS + 1)) if name not in tensors]
        if absent:
            raise WeightsError(f"{card.name}: wrong layout: {absent[0]} is missing; import the weights again")
        return cls(members, unpacked(tensors), card.name, device)

    def risk(self, volume: Volume, slice_thickness_mm: float | None = None) -> PatientRisk:
        """Give the calibrated risk for 1 to 6 years.

        Parameters
        ----------
        volume
            A chest CT.
        slice_thickness_mm
            SliceThickness of the header, which the published program takes as the distance of the slices; None takes
            their real distance.

        Raises
        ------
        AnalysisRefused
            The slices are thicker than 5 mm.
        """
        return PatientRisk(self.read(volume, slice_thickness_mm).by_year, self.name, MEANING)

    def read(self, volume: Volume, slice_thickness_mm: float | None = None) -> SybilReading:
        """Give risk and attention; parameters and errors as ``risk``."""
        x = prepared(volume, slice_thickness_mm).to(device=self.device, memory_format=torch.channels_last_3d)
        probabilities, attention = [], []
        with torch.inference_mode():
            for member in self.members:
                logits, attended = member(x)
                probabilities.append(torch.sigmoid(logits)[0].double().cpu())
                attention.append(attended[0].cpu())
        mean = torch.stack(probabilities).mean(dim=0).tolist()
        return SybilReading(calibrated(mean, self.curves), np.asarray(torch.stack(attention).numpy()))


def prepared(volume: Volume, slice_thickness_mm: float | None = None) -> Tensor:
    """Bring a volume to the input contract.

    Returns
    -------
    (1, 3, 200, 256, 256) float32; slices from feet to head, rows, columns. Outside the scan it is 0.

    Raises
    ------
    AnalysisRefused
        The slices are thicker than 5 mm.
    """
    thickness = volume.spacing_kji_mm[0] if slice_thickness_mm is None else slice_thickness_mm
    if not 0 < thickness <= THICKEST_MM:
        raise AnalysisRefused(
            "SLICES_TOO_THICK", f"Sybil reads slices of at most {THICKEST_MM:g} mm, these have {thickness:g} mm"
        )
    upwards = volume.hu if volume.directions[2, 0] > 0 else volume.hu[::-1]
    pixels = _resized(upwards)
    # The published program resamples with the spacing of the original pixels although the image was resized to 256
    # before; its networks were trained so.
    spacing = (thickness, *volume.spacing_kji_mm[1:])
    targets = (_SLICES, _IMAGE_SIDE, _IMAGE_SIDE)
    for axis in (2, 1, 0):
        ratio = _SPACING_MM[axis] / float(np.float32(spacing[axis]))  # the affine of the published program is float32
        pixels = along_axis(pixels, axis, _resampling_matrix(pixels.shape[axis], ratio, targets[axis]))
    return pixels.expand(1, 3, *targets)


def windowed(hu: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    """Turn HU into whole grey levels 0 to 255 (DICOM's linear window, PS3.3 C.11.2.1.2.1, at 16 bit, then / 256)."""
    scaled = (hu - (_WINDOW_CENTER_HU - 0.5)) / (_WINDOW_WIDTH_HU - 1) + 0.5
    return np.asarray(np.clip(scaled * 65535, 0, 65535) // 256, dtype=np.float32)


def _resized(hu: npt.NDArray[np.int16]) -> Tensor:
    """Window, resize by linear interpolation without smoothing, normalise: (K, J, I) to (K, 256, 256)."""
    parts = []
    for start in range(0, hu.shape[0], _CHUNK):
        levels = torch.from_numpy(windowed(hu[start : start + _CHUNK]))[:, None]
        size = (_IMAGE_SIDE, _IMAGE_SIDE)
        resized = functional.interpolate(levels, size, mode="bilinear", align_corners=False, antialias=False)
        parts.append((resized[:, 0] - _MEAN) / _STANDARD_DEVIATION)
    return torch.cat(parts)


def _resampling_matrix(size: int, ratio: float, target: int) -> Tensor:
    """Give the (target, size) matrix that resamples one axis linearly and crops or pads it about its middle.

    The first new voxel begins where the first old one begins; new voxels whose centre lies beyond the old ones are 0.

    Parameters
    ----------
    ratio
        New spacing over old spacing.
    """
    count = math.ceil(size / ratio)
    position = 0.5 * (ratio - 1) + ratio * torch.arange(count, dtype=torch.float64)
    inside = (position >= -0.5) & (position < size - 0.5)
    distance = (position.clamp(0, size - 1)[:, None] - torch.arange(size, dtype=torch.float64)).abs()
    matrix = (1 - distance).clamp(min=0) * inside[:, None]
    return _centred(matrix.float(), target)


def _centred(matrix: Tensor, target: int) -> Tensor:
    """Crop or pad the rows of a matrix to ``target``; of an odd number, the larger half is taken at the beginning."""
    excess = matrix.shape[0] - target
    before = math.ceil(abs(excess) / 2)
    if excess >= 0:
        return matrix[before : before + target]
    return functional.pad(matrix, (0, 0, before, -excess - before))


def _member(tensors: dict[str, Tensor], index: int, name: str, device: torch.device) -> SybilNetwork:
    """Build one member, ready to score; its tensors leave ``tensors``, so that memory holds them once."""
    prefix = member_prefix(index)
    own = [key for key in tensors if key.startswith(prefix)]
    with torch.device("meta"):
        network = SybilNetwork()
    network.to_empty(device="cpu")
    fill(network, {key.removeprefix(prefix): tensors.pop(key) for key in own}, f"{name}, member {index + 1}")
    network.requires_grad_(False).eval()
    return network.to(device).to(memory_format=torch.channels_last_3d)
