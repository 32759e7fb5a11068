"""Which weights are here, and whether they are still what their cards say."""

from __future__ import annotations

from pathlib import Path

import safetensors
from safetensors import safe_open

from models.published.convert import is_finite
from models.published.layouts import LAYOUTS, misfits
from models.weights import SHIPPED, WeightsError, verified

_WEIGHT_SUFFIXES = frozenset({".safetensors", ".txt"})  # tensors, and trees of LightGBM
_NAMED = 3  # at most this many wrong tensors are named in an error


def cards_in(folder: Path) -> tuple[Path, ...]:
    """Give the cards of a folder by name; none where there is no such folder. Files being written begin with a dot."""
    return tuple(sorted(path for path in folder.glob("*.json") if not path.name.startswith(".")))


def all_cards(folder: Path) -> tuple[Path, ...]:
    """Give the cards of the shipped weights, then of those installed in ``folder``."""
    return (*cards_in(SHIPPED), *cards_in(folder))


def without_card(folder: Path) -> tuple[Path, ...]:
    """Give the weight files that no card stands beside."""
    files = (path for path in folder.glob("*") if path.suffix in _WEIGHT_SUFFIXES and not path.name.startswith("."))
    return tuple(sorted(path for path in files if not path.with_suffix(".json").is_file()))


def check(card_path: Path) -> None:
    """Check the checksum and, of tensors, every name, shape and number.

    Raises
    ------
    WeightsError
        The card or its file is missing, damaged or of another layout.
    """
    card, path = verified(card_path)
    if path.suffix != ".safetensors":
        return
    layout = LAYOUTS.get(card.architecture)
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            wrong = misfits(shapes, layout()) if layout else []
            wrong += [f"{name} holds NaN or infinity" for name in shapes if not is_finite(file.get_tensor(name))]
    except (safetensors.SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a safetensors file ({error}); import it again") from None
    if wrong:
        raise WeightsError(f"{path}: wrong layout for {card.architecture}: {'; '.join(wrong[:_NAMED])}")
