"""What a published file becomes: plain tensors under the names of its layout, and the card that says what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from models.published.catalogue import Entry
from models.published.layouts import LAYOUTS, misfits, nearest, recognised, settled
from models.published.sybil_calibration import packed
from models.published.sybil_network import MEMBERS, member_layout, member_prefix
from models.weights import INTENDED_USE, Card, WeightsError

Tensors = dict[str, torch.Tensor]

_NESTED = ("state_dict", "model_state_dict", "model")  # where checkpoints keep the tensors
_WRAPPERS = ("module.", "model.")  # what DataParallel and Lightning put before every name
_NAMED = 3  # at most this many wrong tensors are named in an error


def flat_tensors(saved: Any, name: str) -> Tensors:
    """Take the tensors out of what a checkpoint holds, without the prefixes of training programs.

    Raises
    ------
    WeightsError
        There are none, or something else stands among them.
    """
    for key in _NESTED:
        if isinstance(saved, Mapping) and isinstance(saved.get(key), Mapping):
            saved = saved[key]
    if not isinstance(saved, Mapping) or not saved:
        raise WeightsError(f"{name}: holds no table of tensors, but {type(saved).__name__}; no supported weights")
    other = next((key for key, value in saved.items() if not isinstance(value, torch.Tensor)), None)
    if other is not None:
        raise WeightsError(f"{name}: {other!s:.40} is no tensor; no supported weights (see `pulmonode weights list`)")
    tensors = {str(key): value.detach() for key, value in saved.items()}
    for prefix in _WRAPPERS:
        if all(key.startswith(prefix) for key in tensors):
            tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
    return tensors


def architecture_of(tensors: Mapping[str, torch.Tensor], name: str) -> str:
    """Recognise the architecture by the names and shapes of all tensors.

    Raises
    ------
    WeightsError
        No layout fits; the nearest one and what is wrong are named.
    """
    shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    found = recognised(shapes)
    if found:
        return found
    if not misfits(shapes, member_layout()):
        raise WeightsError(f"{name}: one network of Sybil's five; import the whole sybil_checkpoints.zip")
    near = nearest(shapes)
    if near is None:
        raise WeightsError(f"{name}: not weights of a supported model; see `pulmonode weights list`")
    more = f" and {len(near[1]) - _NAMED} more" if len(near[1]) > _NAMED else ""
    raise WeightsError(f"{name}: like {near[0]}, but {'; '.join(near[1][:_NAMED])}{more}")


def ensemble_tensors(members: Sequence[Tensors], calibrator: Any, name: str) -> Tensors:
    """Join Sybil's five networks and their calibrator in one table.

    Raises
    ------
    WeightsError
        There are not five, one is no network of Sybil, or the calibrator is none.
    """
    if len(members) != MEMBERS:
        raise WeightsError(f"{name}: holds {len(members)} checkpoints, Sybil's archive has {MEMBERS}")
    layout = member_layout()
    joined: Tensors = {}
    for index, tensors in enumerate(members):
        wrong = misfits({key: tuple(tensor.shape) for key, tensor in tensors.items()}, layout)
        if wrong:
            raise WeightsError(f"{name}: checkpoint {index + 1} is no network of Sybil: {'; '.join(wrong[:_NAMED])}")
        complete = settled(tensors, layout)
        joined.update({f"{member_prefix(index)}{key}": tensor for key, tensor in complete.items()})
    return {**joined, **packed(calibrator, name)}


def completed(tensors: Tensors, architecture: str, name: str) -> Tensors:
    """Add what older files lack and inference never reads, and refuse numbers that are none.

    Raises
    ------
    WeightsError
        A tensor holds NaN or infinity.
    """
    wrong = [key for key, tensor in tensors.items() if not is_finite(tensor)]
    if wrong:
        raise WeightsError(f"{name}: {wrong[0]} holds NaN or infinity; download it again")
    return _apart(settled(tensors, LAYOUTS[architecture]()))


def _apart(tensors: Tensors) -> Tensors:
    """Copy a tensor that shares its memory with an earlier one: a safetensors file stores each for itself."""
    seen: set[int] = set()
    result = {}
    for key, tensor in tensors.items():
        place = tensor.untyped_storage().data_ptr()
        result[key] = tensor.clone() if place in seen else tensor
        seen.add(place)
    return result


def is_finite(tensor: torch.Tensor) -> bool:
    """Tell whether every number is one."""
    return bool(torch.isfinite(tensor).all())


def card_of(entry: Entry, name: str, source: str, sha256: str, matches: bool | None) -> Card:
    """Make the card of imported weights; its checksum is filled in when they are saved.

    Parameters
    ----------
    entry
        Whose layout fits.
    name
        Under which they are installed.
    source, sha256
        Name and checksum of the file that was imported.
    matches
        Whether it is the published file by its checksum; None where none is published.
    """
    published = matches is not False
    note = {
        True: "checksum as published",
        None: "no checksum is published: taken for the published file by its layout",
        False: f"NOT the published file of {entry.key}, only its layout",
    }[matches]
    unknown = f"not known: not the published file of {entry.key}"
    return Card(
        name=name,
        version=f"{'published' if matches else 'file'} {sha256[:8]}",
        file=f"{name}.safetensors",
        sha256="",
        architecture=entry.architecture,
        input_contract=entry.input_contract,
        training_data=entry.training_data if published else unknown,
        licence=entry.licence if published else unknown,
        source=f"{source} ({note}); {entry.reference}" if published else f"{source} ({note})",
        intended_use=f"{INTENDED_USE}: {entry.good_for}" if published else INTENDED_USE,
        settings={"catalogue": entry.key, "imported_from": source, "imported_sha256": sha256},
        figures=entry.figures if published else (),
    )
