"""``lidc-nodule-triplets.npz`` as image folders: benign against suspicious nodules, split by patient."""

from __future__ import annotations

import hashlib
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.errors import TrainingError

BENIGN, SUSPICIOUS = "benign", "suspicious"
_BENIGN_UP_TO, _SUSPICIOUS_FROM = 2.0, 4.0  # median of the radiologists' 1 to 5; an opinion, not pathology
_PARTS = (("train", 0.7), ("val", 0.85), ("test", 1.0))  # upper ends of the shares of patients
_NEEDED = ("images", "patient", "nodule", "malignancy_median")


def write_folders(triplets: Path, out: Path) -> Counter[str]:
    """Write each nodule as one RGB image, its slice of largest area in green, the neighbours in red and blue.

    Files are named CLASS-PATIENT-NUMBER; nodules rated 3, or not rated, are left out.

    Returns
    -------
    Images of each ``split/class``.

    Raises
    ------
    TrainingError
        The file is not that data set, or the folder is not empty.
    """
    images, patients, numbers, ratings = _columns(triplets)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out}: is not an empty folder; name another one")
    counts: Counter[str] = Counter()
    for image, patient, number, rating in zip(images, patients, numbers, ratings, strict=True):
        name = class_of(float(rating))
        if name is not None:
            folder = out / split_of(str(patient)) / name
            folder.mkdir(parents=True, exist_ok=True)
            file = f"{name}-{patient}-{str(number).removeprefix('nodule-')}.png"
            Image.fromarray(image.transpose(1, 2, 0)).save(folder / file)
            counts[f"{folder.parent.name}/{name}"] += 1
    return counts


def class_of(rating: float) -> str | None:
    """Name the class of a median rating; None in between, and for 0, which is not known."""
    if rating >= _SUSPICIOUS_FROM:
        return SUSPICIOUS
    return BENIGN if 0 < rating <= _BENIGN_UP_TO else None


def split_of(patient: str) -> str:
    """Put a patient, by nothing but the name, into train (70 %), val (15 %) or test (15 %)."""
    share = int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8], "big") / 2**64
    return next(name for name, upper in _PARTS if share < upper)


def _columns(path: Path) -> list[npt.NDArray[np.generic]]:
    try:
        with np.load(path, allow_pickle=False) as data:
            return [data[name] for name in _NEEDED]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{path}: is not lidc-nodule-triplets.npz ({error})") from None
