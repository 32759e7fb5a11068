"""Files of weights as they are found in the world: of Python 2, damaged, or harmful."""

from __future__ import annotations

import os
import pickle
import struct
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.published.layouts import ANY, Layout

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of torch.save before PyTorch 1.6


@dataclass(frozen=True)
class Global:
    """A name that the file gives, without the thing itself being here."""

    module: str
    name: str

    def __call__(self) -> None:
        """Pickle asks for something that could be called."""


class Python2Pickler(pickle._Pickler):  # type: ignore[name-defined,misc]
    """Writes protocol 2 as Python 2 did: every string is bytes (SHORT_BINSTRING), as PyTorch 0.1.12 had it."""

    def __init__(self, file: BytesIO) -> None:
        super().__init__(file, protocol=2)
        self.storages: dict[str, torch.Tensor] = {}

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, Global):
            self.write(f"c{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, str):
            data = obj.encode("latin1")
            self.write(b"U" + bytes([len(data)]) + data)
        else:
            super().save(obj, save_persistent_id)

    def persistent_id(self, obj: Any) -> Any:
        if not isinstance(obj, torch.storage.TypedStorage):
            return None
        key = str(obj._untyped_storage.data_ptr())
        self.storages[key] = torch.tensor([], dtype=obj.dtype).set_(obj)
        return "storage", Global("torch", "FloatStorage"), key, "cpu", obj._size(), None

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, torch.Tensor):
            storage = obj.contiguous()._typed_storage()
            return Global("torch._utils", "_rebuild_tensor"), (storage, 0, tuple(obj.shape), obj.stride())
        if isinstance(obj, np.ndarray):
            made = Global("numpy.core.multiarray", "_reconstruct"), (Global("numpy", "ndarray"), (0,), "b")
            return (*made, (1, obj.shape, obj.dtype, False, obj.tobytes().decode("latin1")))
        if isinstance(obj, np.dtype):
            return Global("numpy", "dtype"), ("i8", 0, 1), (3, "<", None, None, None, -1, -1, 0)
        return NotImplemented


def save_as_python2(saved: Any, path: Path) -> None:
    """Write a file as torch.save of Python 2 wrote it."""
    body = BytesIO()
    pickler = Python2Pickler(body)
    pickler.dump(saved)
    with path.open("wb") as file:
        for item in (_MAGIC, _PROTOCOL, {}):
            pickle.dump(item, file, protocol=2)
        file.write(body.getvalue())
        keys = BytesIO()
        Python2Pickler(keys).dump(sorted(pickler.storages))
        file.write(keys.getvalue())
        for key in sorted(pickler.storages):
            numbers = pickler.storages[key].numpy()
            file.write(struct.pack("<q", numbers.size) + numbers.tobytes())


class Harmful:
    """Makes a folder when it is unpickled by a reader that calls what a file names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"mkdir {self.folder}",)


def tensors_of(layout: Layout, dtype: torch.dtype = torch.float16) -> dict[str, torch.Tensor]:
    """Random tensors of a layout; half precision, because only names, shapes and numbers matter."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn([2 if n == ANY else n for n in shape], generator=generator).to(dtype)
        for name, shape in layout.items()
    }


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*")) if folder.exists() else []
