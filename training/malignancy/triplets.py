"""The LIDC triplets: read, checked, brought to one grey scale and split by patient."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.malignancy_input import HU_PER_GREY, LOWEST_HU, SIDE_PX, Triplet, lung_level
from training.datasets_split import JUDGES
from training.errors import TrainingError

RATINGS = (1, 2, 3, 4, 5)
_NAMES = ("images", "masks", "patient", "n_readers", "malignancy_median")
# The 8-bit slices were stretched from their own lowest value. Where a scanner pads with -2000 or -3024 HU, the lung
# (about -860 HU) comes out at 70 to 140 instead of about 17; its level then tells the HU per grey level.
_PADDED_ABOVE, _FAR_PADDED_ABOVE = 50.0, 100.0
_LUNG_HU, _PADDING_HU, _FAR_PADDING_HU = -860.0, -2000.0, -3024.0


@dataclass(frozen=True, eq=False)
class Triplets:
    """Nodules with the radiologists' opinion.

    Parameters
    ----------
    cases
        N triplets, on the grey scale of models.malignancy_input.
    patients
        (N,) strings.
    ratings
        (N,) int, median malignancy 1 to 5; 0 where it is not known.
    readers
        (N,) int, how many of the four readers marked the nodule.
    """

    cases: tuple[Triplet, ...]
    patients: npt.NDArray[np.str_]
    ratings: npt.NDArray[np.int64]
    readers: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.cases)

    @property
    def decided(self) -> npt.NDArray[np.bool_]:
        """Where the median is clearly benign (1, 2) or suspicious (4, 5)."""
        return np.asarray((self.ratings != 0) & (self.ratings != 3))

    @property
    def suspicious(self) -> npt.NDArray[np.bool_]:
        """Where the median is 4 or 5."""
        return np.asarray(self.ratings > 3)


def read_triplets(path: Path) -> Triplets:
    """Read ``lidc-nodule-triplets.npz``.

    Raises
    ------
    TrainingError
        The file is missing, damaged or of another layout, or a class is empty.
    """
    values = _arrays(path)
    count = len(values["images"])
    shapes = {"images": (count, 3, SIDE_PX, SIDE_PX), "masks": (count, 3, SIDE_PX, SIDE_PX // 8)}
    wrong = [name for name in _NAMES if values[name].shape != shapes.get(name, (count,))]
    if wrong or values["images"].dtype != np.uint8:
        raise TrainingError(f"{path}: {', '.join(wrong) or 'images'} not of the layout of LIDC triplets")
    masks = np.unpackbits(values["masks"].astype(np.uint8), axis=-1).astype(np.bool_)
    if not masks[:, 1].any(axis=(1, 2)).all():
        raise TrainingError(f"{path}: nodule {int(masks[:, 1].any(axis=(1, 2)).argmin())} has no mask in its slice")
    cases = tuple(Triplet(_on_one_scale(g, m), m) for g, m in zip(values["images"], masks, strict=True))
    ratings = values["malignancy_median"]
    if not np.isin(ratings, (0, *RATINGS)).all():
        raise TrainingError(f"{path}: malignancy_median holds {np.setdiff1d(ratings, (0, *RATINGS))[0]}, not 0 to 5")
    triplets = Triplets(cases, values["patient"].astype(str), ratings.astype(int), values["n_readers"].astype(int))
    judges = JUDGES & set(triplets.patients.tolist())
    if judges:
        raise TrainingError(f"{path}: holds {min(judges)}, which judges the node; take it out")
    _refuse_empty_class(triplets, path)
    return triplets


def folds_of(patients: npt.NDArray[np.str_], folds: int, seed: int) -> npt.NDArray[np.int64]:
    """Give every case the fold of its patient; patients are dealt out in a seeded order.

    Raises
    ------
    TrainingError
        There are fewer patients than folds.
    """
    names, of_case = np.unique(patients, return_inverse=True)
    if len(names) < folds:
        raise TrainingError(f"{len(names)} patients cannot be split into {folds} folds")
    order = np.random.default_rng(seed).permutation(len(names))
    fold = np.empty(len(names), dtype=np.int64)
    fold[order] = np.arange(len(names)) % folds
    return np.asarray(fold[of_case])


def _arrays(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: np.asarray(file[name]) for name in _NAMES}
    except FileNotFoundError:
        raise TrainingError(f"{path}: no such file; name the .npz of LIDC triplets") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise TrainingError(f"{path}: not an .npz of {', '.join(_NAMES)} ({error}); copy it again") from None


def _on_one_scale(grey: npt.NDArray[np.generic], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Undo the stretch of slices with padding; the others already have about 8 HU per grey level from -1000 HU."""
    image = grey.astype(np.float32)
    level = lung_level(image[1], mask[1])
    if level < _PADDED_ABOVE:
        return image
    lowest = _FAR_PADDING_HU if level >= _FAR_PADDED_ABOVE else _PADDING_HU
    hu = _LUNG_HU + (image - level) * (_LUNG_HU - lowest) / level
    return np.asarray(np.clip((hu - LOWEST_HU) / HU_PER_GREY, 0, 255), dtype=np.float32)


def _refuse_empty_class(triplets: Triplets, path: Path) -> None:
    suspicious = int((triplets.decided & triplets.suspicious).sum())
    benign = int((triplets.decided & ~triplets.suspicious).sum())
    if not (suspicious and benign):
        raise TrainingError(f"{path}: {benign} nodules rated 1-2 and {suspicious} rated 4-5; both are needed")
