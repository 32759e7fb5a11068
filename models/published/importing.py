"""From a downloaded file to installed weights: read, recognised, checked, converted, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import load_file

from models.published.catalogue import CATALOGUE, Checksum, Entry, of_architecture
from models.published.convert import Tensors, architecture_of, card_of, completed, ensemble_tensors, flat_tensors
from models.published.unpickling import read_checkpoint
from models.weights import Card, WeightsError, aside_of, place_weights, read_card, save_weights, sha256_of, verified

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LARGEST_MEMBER = 1 << 30  # bytes of one checkpoint in Sybil's archive; the real ones have about 150 MB
_LARGEST_TEXT = 1 << 24  # bytes of its calibrator
_CHUNK = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class Imported:
    """What an import made.

    Parameters
    ----------
    card_path
        The card in the folder of installed weights.
    matches
        Whether the file is the published one by its checksum; None where none is published, or the card came with it.
    """

    card: Card
    card_path: Path
    matches: bool | None


def import_file(path: Path, folder: Path, name: str | None = None) -> Imported:
    """Install a file of weights.

    Parameters
    ----------
    path
        A published file as it was downloaded, a safetensors file of the same layout, or the card (.json) of weights
        that were trained here, with its weight file beside it.
    folder
        Of installed weights; made if absent.
    name
        Under which they are installed; None takes the catalogue's, or the card's.

    Raises
    ------
    WeightsError
        The file is not readable, names code, is incomplete, damaged or of no supported layout. Nothing is left behind.
    """
    if name is not None and not _NAME.fullmatch(name):
        raise WeightsError(f"{name}: a name has 1 to 64 letters, digits, dots, dashes or underscores")
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file")
    try:
        imported = _import_card(path, folder, name) if path.suffix == ".json" else _import_weights(path, folder, name)
    except OSError as error:
        raise WeightsError(f"{error.filename or path}: {error.strerror or error}") from None
    except zipfile.BadZipFile as error:
        raise WeightsError(f"{path.name}: damaged archive ({error}); download it again") from None
    verified(imported.card_path)  # what was written is read again before anybody relies on it
    return imported


def _import_weights(path: Path, folder: Path, name: str | None) -> Imported:
    tensors = _read(path)
    architecture = architecture_of(tensors, path.name)
    entry, matches = _entry_of(path, architecture)
    installed = name or entry.key
    card = card_of(entry, installed, path.name, sha256_of(path), matches)
    card = save_weights(completed(tensors, architecture, path.name), card, folder)
    return Imported(card, folder / f"{installed}.json", matches)


def _import_card(path: Path, folder: Path, name: str | None) -> Imported:
    """Copy weights that carry a card already."""
    card, weights = verified(path)
    stem = name or Path(card.file).stem
    installed = Card(**{**vars(card), "file": stem + weights.suffix})
    aside = aside_of(folder / installed.file)
    try:
        shutil.copyfile(weights, aside)
        place_weights(aside, installed, folder)
    finally:
        aside.unlink(missing_ok=True)
    return Imported(read_card(folder / f"{stem}.json"), folder / f"{stem}.json", None)


def _read(path: Path) -> Tensors:
    """Give the tensors of a file of any kind, all onto the CPU."""
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except safetensors.SafetensorError as error:
            raise WeightsError(f"{path.name}: not a complete safetensors file ({error}); download it again") from None
    if zipfile.is_zipfile(path) and _is_archive(path):
        return _read_ensemble(path)
    with path.open("rb") as file:
        return flat_tensors(read_checkpoint(file, path.name), path.name)


def _is_archive(path: Path) -> bool:
    """Tell an archive of several checkpoints from a checkpoint, which is a zip file itself."""
    with zipfile.ZipFile(path) as archive:
        return not any(item.endswith("/data.pkl") for item in archive.namelist())


def _read_ensemble(path: Path) -> Tensors:
    try:
        with zipfile.ZipFile(path) as archive:
            files = [item for item in archive.infolist() if not item.filename.startswith("__MACOSX/")]
            checkpoints = sorted((f for f in files if f.filename.endswith(".ckpt")), key=lambda f: f.filename)
            calibrators = [f for f in files if f.filename.endswith("ensemble_simple_calibrator.json")]
            if not checkpoints or len(calibrators) != 1:
                raise WeightsError(
                    f"{path.name}: no weights of a supported model: an archive needs Sybil's .ckpt files and its "
                    "sybil_ensemble_simple_calibrator.json"
                )
            members = [_read_member(archive, file) for file in checkpoints]
            calibrator = json.loads(_content(archive, calibrators[0], _LARGEST_TEXT))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, RuntimeError) as error:
        raise WeightsError(f"{path.name}: damaged archive ({error}); download it again") from None
    return ensemble_tensors(members, calibrator, path.name)


def _read_member(archive: zipfile.ZipFile, file: zipfile.ZipInfo) -> Tensors:
    saved: Any = read_checkpoint(BytesIO(_content(archive, file, _LARGEST_MEMBER)), Path(file.filename).name)
    return flat_tensors(saved, Path(file.filename).name)


def _content(archive: zipfile.ZipFile, file: zipfile.ZipInfo, largest: int) -> bytes:
    if file.file_size > largest:
        raise WeightsError(f"{Path(file.filename).name}: {file.file_size} bytes, at most {largest} are expected")
    return archive.read(file)


def _entry_of(path: Path, architecture: str) -> tuple[Entry, bool | None]:
    """Find which published file this is: by its checksum, else by its name, else the first of its architecture.

    Returns
    -------
    The entry, and whether the checksum is the published one; None where none is published.

    Raises
    ------
    WeightsError
        The file's name carries a published checksum, and its content has another.
    """
    entries = of_architecture(architecture)
    for entry in entries:
        if entry.checksum and _has(path, entry.checksum):
            return entry, True
    named = [entry for entry in entries if entry.file_word in path.name.lower()]
    entry = max(named, key=lambda item: len(item.file_word), default=entries[0])
    if entry.checksum is None:
        return entry, None
    if any(other.checksum and other.checksum.prefix in path.name for other in CATALOGUE):
        raise WeightsError(
            f"{path.name}: damaged: its {entry.checksum.algorithm} is not the published one in its name; download it "
            "again"
        )
    return entry, False


def _has(path: Path, checksum: Checksum) -> bool:
    total = hashlib.new(checksum.algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest().startswith(checksum.prefix)
