"""Fashion-MNIST from its idx files, or images made on the spot to stand in for it; and the small network for it."""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from training.errors import TrainingError

CLASSES = 10
_SIDE = 28  # pixels
_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_UBYTE = 0x08  # type code of an idx file
_WAVES, _NOISE = 3.0, 45.0  # of the generated images: periods across the image, SD in grey levels


@dataclass(frozen=True, eq=False)
class Images:
    """A split in memory: grey (N, 28, 28) uint8 and labels (N,) int64; read a whole batch at a time."""

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        """Give (B, 1, 28, 28) float32 in 0 to 1 and (B,) labels."""
        pixels = torch.from_numpy(self.pixels[indices]).float() / 255
        return pixels[:, None], torch.from_numpy(self.labels[indices])


def as_is(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Collate what ``__getitems__`` has already put together."""
    return batch


def fashion_mnist(folder: Path, split: str) -> Images:
    """Read ``train`` or ``test``, each file as it is or with ``.gz``.

    Raises
    ------
    TrainingError
        A file is missing, cut, or of another shape than its header says; or labels and images do not fit.
    """
    pixels, labels = (_idx(folder, name) for name in _FILES[split])
    if pixels.ndim != 3 or pixels.shape[1:] != (_SIDE, _SIDE) or labels.shape != pixels.shape[:1]:
        raise TrainingError(f"{folder}: {split} holds images {pixels.shape} and labels {labels.shape}; fetch it again")
    if labels.max(initial=0) >= CLASSES:
        raise TrainingError(f"{folder}: {split} has a label of {labels.max()}; there are {CLASSES} classes")
    return Images(pixels, labels.astype(np.int64))


def generated(count: int, seed: int) -> Images:
    """Make stripes whose direction is the class, in any phase, with noise. The same seed gives the same images."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    angle = (labels * np.pi / CLASSES)[:, None, None]
    row, column = np.mgrid[0:_SIDE, 0:_SIDE] / _SIDE
    phase = rng.uniform(0, 2 * np.pi, (count, 1, 1))
    waves = np.sin(2 * np.pi * _WAVES * (column * np.cos(angle) + row * np.sin(angle)) + phase)
    pixels = 127 + 80 * waves + rng.normal(0, _NOISE, waves.shape)
    return Images(np.clip(pixels, 0, 255).astype(np.uint8), labels.astype(np.int64))


def small_network() -> nn.Sequential:
    """Build system 003's network, (N, 1, 28, 28) to logits (N, 10); the softmax is in the loss. 93,322 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2, 2),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2, 2),
        nn.Conv2d(64, 64, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * 3 * 3, 64),
        nn.ReLU(),
        nn.Linear(64, CLASSES),
    )


def _idx(folder: Path, name: str) -> npt.NDArray[np.uint8]:
    """Read an idx file: two zero bytes, type, number of axes, big-endian sizes, values."""
    path = next((found for found in (folder / name, folder / f"{name}.gz") if found.is_file()), None)
    if path is None:
        raise TrainingError(f"{folder}: has no {name} or {name}.gz; give the folder of Fashion-MNIST, or none")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        zero, kind, axes = struct.unpack(">HBB", content[:4])
        sizes = struct.unpack(f">{axes}I", content[4 : 4 + 4 * axes])
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise TrainingError(f"{path}: is no idx file ({error}); fetch it again") from None
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * axes)
    if zero or kind != _UBYTE or len(values) != int(np.prod(sizes)):
        raise TrainingError(f"{path}: holds {len(values)} values, not {sizes}; fetch it again")
    return values.reshape(sizes)
