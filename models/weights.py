"""Weights: a safetensors file and its card, verified before anything runs on them.

The only room of ``models`` that reads and writes files. Nothing here unpickles.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save_file

from models.findings import ModelIdentity

SHIPPED = Path(__file__).parent / "shipped"  # weights that come with the product
INTENDED_USE = "Demonstration and research, not for diagnosis"
CardPath = Path  # names a card in the signatures of rooms that know no files
_CARD_SUFFIX = ".json"
_NAMED = 3  # at most this many wrong tensors are named in an error
_CHUNK = 1 << 20  # bytes read at a time


class WeightsError(Exception):
    """A weight file or its card is missing, damaged or of another layout; the message names the file and the cure."""


@dataclass(frozen=True)
class Figure:
    """One measured figure: what, how much, with its 95 % interval where there is one, and on which data."""

    name: str
    value: float
    data: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Card:
    """What a weight file is: identity, contract, origin and what was measured.

    Parameters
    ----------
    name, version
        Go into the structured report and report.json with ``sha256``.
    file
        Name of the weight file beside the card.
    sha256
        Of the weight file, lower-case hexadecimal.
    architecture
        Which network or scorer reads the file, with ``settings`` as its arguments.
    input_contract
        Spacing, HU window, axes and shape that the network is given.
    source
        Where it comes from: the training command, or the publication.
    figures
        Measured figures with the data they come from.
    """

    name: str
    version: str
    file: str
    sha256: str
    architecture: str
    input_contract: str
    training_data: str
    licence: str
    source: str
    intended_use: str = INTENDED_USE
    settings: dict[str, Any] = field(default_factory=dict)
    figures: tuple[Figure, ...] = ()


def shipped_card(name: str) -> Path:
    """Give the path of the card of weights that come with the product, for example ``lungs``."""
    return SHIPPED / (name + _CARD_SUFFIX)


def identity_of(card: Card) -> ModelIdentity:
    """Give what goes of a card into the structured report and report.json."""
    return ModelIdentity(card.name, card.version, card.sha256, card.training_data, card.intended_use)


def read_card(path: Path) -> Card:
    """Read a card.

    Raises
    ------
    WeightsError
        It is missing, no JSON, or lacks or adds a field.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        figures = tuple(Figure(**figure) for figure in values.pop("figures", ()))
        card = Card(**values, figures=figures)
        _refuse_other_types(card)
        return card
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such card; see `pulmonode weights list`") from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path}: not a weights card ({error}); import the weights again") from None


def verified(card_path: Path) -> tuple[Card, Path]:
    """Read a card and check the checksum of its weight file.

    Returns
    -------
    The card and the path of the weight file.

    Raises
    ------
    WeightsError
        The file is missing, or its sha256 is not the card's.
    """
    card = read_card(card_path)
    if Path(card.file).name != card.file or not card.file:
        raise WeightsError(f"{card_path}: file must be a plain name, found {card.file!r}")
    path = card_path.with_name(card.file)
    found = sha256_of(path)
    if found != card.sha256:
        raise WeightsError(
            f"{path}: damaged: sha256 {found[:12]} is not the card's {card.sha256[:12]}; import it again"
        )
    return card, path


def load_tensors(card_path: Path, architecture: str | None = None) -> tuple[Card, dict[str, torch.Tensor]]:
    """Load a verified safetensors file onto the CPU.

    Parameters
    ----------
    architecture
        What the card must say; None takes any.

    Raises
    ------
    WeightsError
        It is missing, damaged, of another architecture or no safetensors file.
    """
    card, path = verified(card_path)
    if architecture not in (None, card.architecture):
        raise WeightsError(f"{card_path}: holds {card.architecture}, not {architecture}; name the right card")
    try:
        return card, load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a safetensors file ({error}); import it again") from None


def fill(module: torch.nn.Module, tensors: Mapping[str, torch.Tensor], name: str) -> None:
    """Put tensors into a module in place; every name and shape must fit.

    Raises
    ------
    WeightsError
        With up to three missing, unexpected or misshapen tensors named.
    """
    wanted = module.state_dict()
    wrong = [f"{key} is missing" for key in wanted if key not in tensors]
    wrong += [f"{key} is not expected" for key in tensors if key not in wanted]
    wrong += [
        f"{key} has shape {tuple(tensor.shape)}, not {tuple(wanted[key].shape)}"
        for key, tensor in tensors.items()
        if key in wanted and tensor.shape != wanted[key].shape
    ]
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise WeightsError(f"{name}: wrong layout: {'; '.join(wrong[:_NAMED])}{more}")
    module.load_state_dict(dict(tensors))


def save_weights(tensors: Mapping[str, torch.Tensor], card: Card, folder: Path) -> Card:
    """Write ``card.file`` and its card into a folder; the checksum is filled in. Nothing half-written is ever seen."""
    aside = aside_of(folder / card.file)
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, aside)
        return place_weights(aside, card, folder)
    except safetensors.SafetensorError as error:
        raise WeightsError(f"{folder / card.file}: cannot be written ({error})") from None
    finally:
        aside.unlink(missing_ok=True)  # there only when something failed


def place_weights(aside: Path, card: Card, folder: Path) -> Card:
    """Move a finished weight file to its place and write its card last.

    Between the two moves a new file stands beside an old card: that pair does not verify, so nobody runs on it.
    """
    complete = replace(card, sha256=sha256_of(aside))
    aside.chmod(0o644)  # safetensors makes files that nobody else may read; weights are no secret
    _sync(aside)
    aside.replace(folder / card.file)
    write_text(folder / (Path(card.file).stem + _CARD_SUFFIX), json.dumps(asdict(complete), indent=2) + "\n")
    return complete


def write_text(path: Path, text: str) -> None:
    """Write a text file aside, sync it and move it to its place."""
    aside = aside_of(path)
    try:
        aside.write_text(text, encoding="utf-8")
        _sync(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)  # there only when something failed


def sha256_of(path: Path) -> str:
    """Give the sha256 of a file in lower-case hexadecimal.

    Raises
    ------
    WeightsError
        The file cannot be read.
    """
    total = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                total.update(chunk)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); import the weights again") from None
    return total.hexdigest()


def aside_of(path: Path) -> Path:
    """Give the place where a file is written before it is moved to ``path``; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _refuse_other_types(card: Card) -> None:
    """Raise TypeError where a field does not hold what it should: text, or settings by name."""
    for field_, value in vars(card).items():
        wanted = {"settings": dict, "figures": tuple}.get(field_, str)
        if not isinstance(value, wanted):
            raise TypeError(f"{field_} holds {type(value).__name__}, not {wanted.__name__}")
    if not all(isinstance(figure.value, int | float) for figure in card.figures):
        raise TypeError("a figure is no number")


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
