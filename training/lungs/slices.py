"""The slices that the lung network learns from: generated chests, and real series with labels by the rules.

Made once into one ``slices.npz``. Real series have no drawn lungs: their labels are those of the rules in
``models.lungs``, so the network cannot learn from them what the rules get wrong; the card says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import SimpleITK

from models.findings import AnalysisRefused
from models.lung_slices import NETWORK_SIZE, nearest_places, network_slices
from models.lungs import segment_lungs
from models.volume import AIR_HU, Volume
from training.datasets_split import JUDGES
from training.errors import TrainingError
from training.phantom import PhantomSpec, make_phantom

_MATRICES = (256, 320, 384)
_SPACING_MM, _FIELD_MM, _NOISE_HU, _LEAVES = (3.0, 5.0), (340.0, 480.0), (5.0, 70.0), (150, 700)
_WITHOUT_LUNG = 0.3  # share of the slices without lung that is kept


@dataclass(frozen=True, eq=False)
class Slices:
    """Slices as the network sees them.

    Parameters
    ----------
    hu, labels
        (N, 256, 256) int16 HU within -1024..600, uint8 ``LungLabel``.
    scan
        (N,) which scan a slice comes from.
    real
        (N,) True where the labels are the rules' and not the generator's.
    """

    hu: npt.NDArray[np.int16]
    labels: npt.NDArray[np.uint8]
    scan: npt.NDArray[np.int64]
    real: npt.NDArray[np.bool_]

    def where(self, chosen: npt.NDArray[np.bool_]) -> Slices:
        """Give some of the slices."""
        return Slices(self.hu[chosen], self.labels[chosen], self.scan[chosen], self.real[chosen])


def generated(count: int, seed: int, matrices: tuple[int, ...] = _MATRICES, device: str = "cpu") -> Iterator[Slices]:
    """Make chests, one at a time, painted on a device; scan numbers from 0."""
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        spec = PhantomSpec(
            slice_spacing_mm=float(rng.uniform(*_SPACING_MM)),
            matrix=int(rng.choice(matrices)),
            fov_mm=float(rng.uniform(*_FIELD_MM)),
            noise_sd_hu=float(rng.uniform(*_NOISE_HU)),
            vessel_leaves=int(rng.integers(*_LEAVES)),
        )
        made = make_phantom(spec, int(rng.integers(2**31)), device)
        yield _seen(made.volume.hu, made.lung_labels, number, real=False, rng=rng)


def labelled_by_rules(folders: Iterable[Path], first_scan: int) -> Iterator[Slices]:
    """Read real series and label them by the rules; one without lungs is left out.

    Raises
    ------
    TrainingError
        A folder holds no DICOM series that can be read.
    """
    rng = np.random.default_rng(first_scan)
    for number, volume in enumerate(volume for folder in folders for volume in _series_of(folder)):
        try:
            lungs = segment_lungs(volume)
        except AnalysisRefused:
            continue
        yield _seen(volume.hu, lungs.labels, first_scan + number, real=True, rng=rng)


def save_slices(parts: Iterable[Slices], path: Path) -> None:
    """Write all slices into one file; nothing half-written is ever seen."""
    parts = list(parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    with aside.open("wb") as file:
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _FIELDS}
        np.savez(file, allow_pickle=False, **arrays)
    aside.replace(path)


def load_slices(path: Path) -> Slices:
    """Read what ``save_slices`` wrote.

    Raises
    ------
    TrainingError
        It is missing, damaged or empty.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            slices = Slices(*(stored[name] for name in _FIELDS))
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise TrainingError(f"{path}: not a file of lung slices ({error}); remove it to have it made again") from None
    if not len(slices.hu):
        raise TrainingError(f"{path}: holds no slices; remove it to have it made again")
    return slices


_FIELDS = ("hu", "labels", "scan", "real")


def _seen(
    hu: npt.NDArray[np.int16], labels: npt.NDArray[np.uint8], scan: int, *, real: bool, rng: np.random.Generator
) -> Slices:
    """Bring one scan to the network's slices; most slices without lung are left out."""
    keep = labels.any(axis=(1, 2)) | (rng.random(len(hu)) < _WITHOUT_LUNG)
    seen = network_slices(np.ascontiguousarray(hu[keep]))
    below = np.zeros(seen.hu.shape, np.uint8)
    for target, source, (top, left, bottom, right) in zip(below, labels[keep], seen.boxes, strict=True):
        rows, columns = (nearest_places(size, NETWORK_SIZE) for size in (bottom - top, right - left))
        target[:] = source[top:bottom, left:right][rows[:, None], columns]
    count = int(keep.sum())
    return Slices(seen.hu, below, np.full(count, scan), np.full(count, real))


def _series_of(folder: Path) -> Iterator[Volume]:
    """Read every DICOM series under a folder, slices to the head, columns to the patient's left."""
    found = False
    for place in sorted({path.parent for path in folder.rglob("*") if path.is_file()}):
        for uid in SimpleITK.ImageSeriesReader.GetGDCMSeriesIDs(str(place)):
            if uid in JUDGES:
                raise TrainingError(f"{place}: series {uid} judges the node; take it out")
            names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(place), uid)
            try:
                image = SimpleITK.DICOMOrient(SimpleITK.ReadImage(names), "LPS")
            except RuntimeError as error:
                reason = str(error).splitlines()[-1]
                raise TrainingError(f"{place}: a series cannot be read ({reason}); remove it") from None
            found = True
            yield _volume(image)
    if not found:
        raise TrainingError(f"{folder}: no DICOM series in it; give the folder of a chest CT")


def _volume(image: SimpleITK.Image) -> Volume:
    """Make our volume of an image of SimpleITK, whose axes count the other way round."""
    hu = np.clip(SimpleITK.GetArrayFromImage(image), AIR_HU, 3071).astype(np.int16)
    affine = np.eye(4)
    affine[:3, :3] = (np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing())[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return Volume(hu, affine)
