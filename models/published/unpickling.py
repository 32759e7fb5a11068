"""Reading the pickled files that weights are published in, without running anything that they name.

PyTorch's ``weights_only`` reader rebuilds tensors and plain containers and refuses every other class or function. Some
published files carry settings of their training beside the tensors (an ``argparse.Namespace``, NumPy arrays, classes
of PyTorch Lightning). These names, and no others, are replaced by ``_Inert``, which swallows what it is given: nothing
of those libraries is imported or called. A file that names anything else, ``os.system`` for example, is refused.
"""

from __future__ import annotations

import struct
import warnings
import zipfile
from _pickle import UnpicklingError  # the error alone: nothing here unpickles by itself
from typing import IO, Any

import torch
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from models.weights import WeightsError

# What published checkpoints name beside tensors: training arguments, and arrays and numbers of NumPy 1 and 2.
_INERT_NAMES = (
    "argparse.Namespace",
    "numpy.dtype",
    "numpy.ndarray",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
)
_INERT_PACKAGES = frozenset({"pytorch_lightning", "lightning"})  # callbacks and hyper-parameters in their checkpoints

# What torch raises on bytes that are no checkpoint.
_UNREADABLE = (
    UnpicklingError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    AssertionError,
    OverflowError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
    OSError,
)


class _Inert:
    """Stands for an object that is not needed and must not be made."""

    def __new__(cls, *_arguments: object) -> _Inert:
        return super().__new__(cls)

    def __init__(self, *_arguments: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass


def read_checkpoint(file: IO[bytes], name: str) -> Any:
    """Read a file written by ``torch.save``, of any age, tensors onto the CPU.

    Parameters
    ----------
    file
        Open, seekable, at its beginning.
    name
        How to name it in an error.

    Returns
    -------
    What was saved; ``_Inert`` where settings of the training stood.

    Raises
    ------
    WeightsError
        It is no such file, is cut off, or names a class or function that weights do not need.
    """
    try:
        zipped = zipfile.is_zipfile(file)
        if zipped and _is_torchscript(file):
            raise WeightsError(
                f"{name}: a TorchScript archive carries code: take the bare weights (.pt, .pth or .ckpt)"
            )
        file.seek(0)
        # Files of Python 2 hold raw bytes in strings (grt123's classifier.ckpt); latin1 maps each byte to itself.
        options: dict[str, Any] = {} if zipped else {"encoding": "latin1"}
        with safe_globals([(_Inert, known) for known in _inert_names(file, zipped)]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about options that the restricted reader does take
            return torch.load(file, map_location="cpu", weights_only=True, **options)
    except _UNREADABLE as error:
        raise WeightsError(f"{name}: {_reason(error)}") from None


def _is_torchscript(file: IO[bytes]) -> bool:
    with zipfile.ZipFile(file) as archive:
        return any(item.endswith("/constants.pkl") for item in archive.namelist())


def _inert_names(file: IO[bytes], zipped: bool) -> list[str]:
    """Give the names that are replaced: the known ones, and those of Lightning that the file holds."""
    if not zipped:
        return list(_INERT_NAMES)
    named = get_unsafe_globals_in_checkpoint(file)
    file.seek(0)
    return [*_INERT_NAMES, *(item for item in named if item.partition(".")[0] in _INERT_PACKAGES)]


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    for marker in ("Unsupported global: GLOBAL ", "unsupported GLOBAL "):
        if marker in text:
            named = text.partition(marker)[2].split(" ")[0]
            return f"refused: it names {named}, which no weights need; take the file from its publisher again"
    return "not a complete file of weights (torch.save or safetensors); download it again"
