"""Which weights the node runs on: what is named is what runs, and what cannot run stops the start with one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.detector_rules import RuleDetector
from models.weights import Card, save_weights
from node.analysis.choice import ModelChoice
from node.analysis.models import load_models
from node.errors import ConfigError

CPU = torch.device("cpu")
ALONE = ModelChoice(Path("none"), lungs="rules", detector="rules", malignancy=None)


def installed(folder: Path, architecture: str) -> ModelChoice:
    """A choice whose folder holds weights ``odd`` of one number."""
    card = Card("Odd", "1", "odd.safetensors", "", architecture, "-", "none", "-", "a test")
    save_weights({"a": torch.zeros(1)}, card, folder)
    return replace(ALONE, folder=folder)


def test_rules_alone_need_no_weights() -> None:
    models = load_models(ALONE, CPU)
    assert isinstance(models.detector, RuleDetector)
    assert (models.lungs, models.lobes, models.malignancy, models.patient) == (None, None, None, None)
    assert [who.name for who in models.identities] == ["Rules"]


def test_shipped_weights_are_named_with_their_checksums() -> None:
    models = load_models(ModelChoice(Path("none")), CPU)
    assert models.lungs is not None
    assert models.malignancy is not None
    assert len(models.identities) >= 4
    assert all(len(who.sha256) == 64 for who in models.identities)
    assert all("not for diagnosis" in who.intended_use for who in models.identities)


@pytest.mark.parametrize("setting", ["lungs", "lobes", "detector", "malignancy", "patient"])
def test_weights_that_are_not_installed_stop_the_start_with_one_line(tmp_path: Path, setting: str) -> None:
    with pytest.raises(ConfigError, match=f"models.{setting} = 'nowhere'") as stopped:
        load_models(replace(ALONE, folder=tmp_path, **{setting: "nowhere"}), CPU)
    assert "no such card; see `pulmonode weights list`" in str(stopped.value)
    assert "\n" not in str(stopped.value)


@pytest.mark.parametrize("setting", ["lungs", "lobes"])
def test_weights_of_another_layout_stop_the_start(tmp_path: Path, setting: str) -> None:
    choice = installed(tmp_path, "lungmask-lungs")
    with pytest.raises(ConfigError, match="wrong layout"):
        load_models(replace(choice, **{setting: "odd"}), CPU)


@pytest.mark.parametrize("setting", ["detector", "malignancy", "patient"])
def test_weights_that_cannot_do_the_step_say_what_can(tmp_path: Path, setting: str) -> None:
    choice = installed(tmp_path, "lungmask-lungs")
    with pytest.raises(ConfigError, match="holds lungmask-lungs, which cannot do this; what can: "):
        load_models(replace(choice, **{setting: "odd"}), CPU)


def test_damaged_weights_stop_the_start(tmp_path: Path) -> None:
    choice = installed(tmp_path, "lungmask-lungs")
    (tmp_path / "odd.safetensors").write_bytes(b"not what it was")
    with pytest.raises(ConfigError, match="damaged"):
        load_models(replace(choice, lungs="odd"), CPU)


def test_a_choice_crosses_to_another_process_as_json(tmp_path: Path) -> None:
    choice = ModelChoice(tmp_path, lungs="rules", lobes="lungmask-ltrclobes", malignancy=None)
    assert ModelChoice.from_json(json.loads(json.dumps(choice.to_json()))) == choice
