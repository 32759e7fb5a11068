"""Image folders in the layout of OCT2017: ``train/CLASS/*``, ``val/CLASS/*``, ``test/CLASS/*``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from torchvision import transforms
from torchvision.datasets import ImageFolder

from training.errors import TrainingError
from training.page import Picture, Section, Table, figure_png, new_figure

SPLITS = ("train", "val", "test")
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
_SIDE, _RESIZED = 224, 256  # pixels
_SIZES_LOOKED_AT = 4000  # headers opened for the figure of sizes


@dataclass(frozen=True)
class Folders:
    """What lies where, without opening an image.

    Parameters
    ----------
    classes
        In the order of their names; the place is the label.
    files
        Of each split, (path, label), ordered by class and name.
    """

    classes: tuple[str, ...]
    files: Mapping[str, tuple[tuple[Path, int], ...]]

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Label of each class."""
        return {name: number for number, name in enumerate(self.classes)}


def folders_of(root: Path) -> Folders:
    """List a data set.

    Raises
    ------
    TrainingError
        A split is missing, has other classes than train, or a class holds no image.
    """
    for split in SPLITS:
        if not (root / split).is_dir():
            raise TrainingError(f"{root}: has no folder {split}; the layout is train, val, test / CLASS / images")
    classes = _classes(root / SPLITS[0])
    if len(classes) < 2:
        raise TrainingError(f"{root / SPLITS[0]}: holds {len(classes)} class folder(s); two or more are needed")
    for split in SPLITS[1:]:
        differing = sorted(set(_classes(root / split)) ^ set(classes))
        if differing:
            raise TrainingError(f"{root / split}: its classes are not those of train ({', '.join(differing)})")
    return Folders(classes, {split: _files(root / split, classes) for split in SPLITS})


def limited(folders: Folders, per_class: int) -> Folders:
    """Keep the first so many images of a class in each split."""
    kept = {}
    for split, files in folders.files.items():
        labels = range(len(folders.classes))
        kept[split] = tuple(item for label in labels for item in [f for f in files if f[1] == label][:per_class])
    return Folders(folders.classes, kept)


def train_transforms() -> Any:
    """Augmentation exactly as system 002 has it; ColorJitter without arguments changes nothing, as there."""
    return transforms.Compose(
        [
            transforms.RandomResizedCrop(_RESIZED, scale=(0.8, 1.0)),
            transforms.RandomRotation(15),
            transforms.ColorJitter(),
            transforms.RandomHorizontalFlip(),
            transforms.CenterCrop(_SIDE),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, DEVIATION),
        ]
    )


def plain_transforms() -> Any:
    """For validation and test: no augmentation."""
    return transforms.Compose(
        [
            transforms.Resize(_RESIZED),
            transforms.CenterCrop(_SIDE),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, DEVIATION),
        ]
    )


def dataset_of(root: Path, folders: Folders, split: str, transform: Any) -> Any:
    """Give torchvision's ImageFolder of a split, holding the files listed in ``folders``."""
    found = ImageFolder(str(root / split), transform=transform, loader=opened)
    found.samples = found.imgs = [(str(path), label) for path, label in folders.files[split]]
    found.targets = [label for _, label in folders.files[split]]
    return found


def opened(path: str | Path) -> Image.Image:
    """Decode an image as RGB.

    Raises
    ------
    TrainingError
        It is broken.
    """
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise TrainingError(
            f"{path}: cannot be read as an image ({type(error).__name__}); replace or remove it"
        ) from None


def patient_of(path: Path) -> str:
    """Give the patient that a file is named after, CLASS-PATIENT-NUMBER as in OCT2017; else the file stands alone."""
    first, _, rest = path.stem.partition("-")
    patient, _, number = rest.rpartition("-")
    return patient if first and patient and number else path.stem


def described(folders: Folders) -> tuple[Section, ...]:
    """Show how many images each class has in each split, patients that stand in two splits, and sizes of images."""
    counts = {split: Counter(label for _, label in files) for split, files in folders.files.items()}
    rows = [(name, *(str(counts[s][label]) for s in SPLITS)) for label, name in enumerate(folders.classes)]
    rows.append(("all", *(str(len(folders.files[split])) for split in SPLITS)))
    shared = len(_patients(folders, "train") & (_patients(folders, "val") | _patients(folders, "test")))
    text = f"{shared} patients (by the names of the files) stand in train and in val or test."
    sizes = Picture(_sizes_png(folders), "Width and height of the images of train.")
    return (
        Section("Images of each class", (text,), Table(("class", *SPLITS), tuple(rows))),
        Section("Sizes of images", pictures=(sizes,)),
    )


def _patients(folders: Folders, split: str) -> set[str]:
    return {patient_of(path) for path, _ in folders.files[split]}


def _sizes_png(folders: Folders) -> bytes:
    files = [path for path, _ in folders.files["train"]]
    chosen = files[:: -(-len(files) // _SIZES_LOOKED_AT)]
    sizes = np.array([_size(path) for path in chosen])
    figure = new_figure(8, 2.8)
    for panel, values, name in zip(figure.subplots(1, 2), sizes.T, ("width", "height"), strict=True):
        panel.hist(values, bins=_bins(values), color="#0b5fa5")
        panel.set(xlabel=f"{name} in pixels", ylabel="images")
    return figure_png(figure)


def _bins(values: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.linspace(values.min() - 0.5, values.max() + 0.5, 31 if np.ptp(values) else 2)


def _size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            return image.size
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise TrainingError(
            f"{path}: cannot be read as an image ({type(error).__name__}); replace or remove it"
        ) from None


def _classes(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")))


def _files(folder: Path, classes: tuple[str, ...]) -> tuple[tuple[Path, int], ...]:
    found = []
    for label, name in enumerate(classes):
        files = sorted(path for path in (folder / name).iterdir() if path.suffix.lower() in SUFFIXES)
        if not files:
            raise TrainingError(f"{folder / name}: holds no image ({', '.join(SUFFIXES)})")
        found += [(path, label) for path in files]
    return tuple(found)
