"""Checkpoints: all that a run needs to go on, in one safetensors file; no pickle, never half-written."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save_file

from training.errors import TrainingError

_MODEL, _BEST, _OPTIMIZER = "model.", "best.", "optimizer."
_NUMBERED = "__numbered__"  # marks a dict with whole numbers as keys, which JSON does not have


@dataclass
class Checkpoint:
    """The state of a run at the end of an epoch.

    Parameters
    ----------
    epoch
        Epochs done.
    model, best
        State dicts: the last and the best so far.
    optimizer, scheduler
        Their ``state_dict()``.
    history
        One row of figures an epoch.
    identity
        Seed, settings and data fingerprint: a run goes on only from a checkpoint of the same identity.
    """

    epoch: int
    model: dict[str, torch.Tensor]
    best: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    history: list[dict[str, float]]
    identity: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write aside, sync, rename."""
    tensors, plain = _optimizer_apart(checkpoint.optimizer)
    tensors |= {_MODEL + name: tensor for name, tensor in checkpoint.model.items()}
    tensors |= {_BEST + name: tensor for name, tensor in checkpoint.best.items()}
    described = {
        "epoch": checkpoint.epoch,
        "optimizer": plain,
        "scheduler": {name: _without_number_keys(value) for name, value in checkpoint.scheduler.items()},
        "history": checkpoint.history,
        "identity": checkpoint.identity,
    }
    aside = path.with_name(f".{path.name}.part")
    # clone: safetensors refuses tensors that share memory
    save_file(
        {k: t.detach().cpu().contiguous().clone() for k, t in tensors.items()}, aside, {"run": json.dumps(described)}
    )
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    aside.replace(path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint onto the CPU.

    Raises
    ------
    TrainingError
        The file is damaged or no checkpoint.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            described = json.loads((file.metadata() or {})["run"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (safetensors.SafetensorError, OSError, KeyError, ValueError) as error:
        raise TrainingError(f"{path}: not a checkpoint ({error}); delete it to start again") from None
    return Checkpoint(
        epoch=int(described["epoch"]),
        model=_part(tensors, _MODEL),
        best=_part(tensors, _BEST),
        optimizer=_optimizer_joined(_part(tensors, _OPTIMIZER), described["optimizer"]),
        scheduler={name: _with_number_keys(value) for name, value in described["scheduler"].items()},
        history=described["history"],
        identity=described["identity"],
    )


def _without_number_keys(value: Any) -> Any:
    """Turn the milestones of a MultiStepLR, {epoch: count}, into what JSON gives back unchanged."""
    if isinstance(value, dict) and any(isinstance(key, int) for key in value):
        return {_NUMBERED: [[key, inner] for key, inner in value.items()]}
    return value


def _with_number_keys(value: Any) -> Any:
    if isinstance(value, dict) and _NUMBERED in value:
        return Counter(dict(value[_NUMBERED]))
    return value


def _part(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _optimizer_apart(state: Mapping[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Part an optimizer's state into tensors, named ``optimizer.PARAMETER.KIND``, and what JSON can hold."""
    tensors: dict[str, torch.Tensor] = {}
    plain: dict[str, Any] = {}
    for parameter, kinds in state.get("state", {}).items():
        for kind, value in kinds.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{_OPTIMIZER}{parameter}.{kind}"] = value
            else:
                plain[f"{parameter}.{kind}"] = value
    return tensors, {"plain": plain, "param_groups": state.get("param_groups", [])}


def _optimizer_joined(tensors: Mapping[str, torch.Tensor], described: Mapping[str, Any]) -> dict[str, Any]:
    state: dict[int, dict[str, Any]] = {}
    for name, value in {**tensors, **described["plain"]}.items():
        parameter, _, kind = name.partition(".")
        state.setdefault(int(parameter), {})[kind] = value
    return {"state": state, "param_groups": described["param_groups"]}
