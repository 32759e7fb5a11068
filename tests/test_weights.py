"""Weights and their cards: checksum, layout, what a damaged or missing file says; ``pulmonode weights``."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from models.findings import ModelIdentity
from models.published.catalogue import CATALOGUE, Role
from models.published.installed import all_cards, cards_in, check, without_card
from models.published.layouts import LAYOUTS
from models.weights import (
    SHIPPED,
    Card,
    Figure,
    WeightsError,
    fill,
    identity_of,
    load_tensors,
    read_card,
    save_weights,
    shipped_card,
    verified,
)
from node.commands.weights import _TO_RUN
from node.config import ModelsSection
from tests.test_commands import pulmonode
from tests.weight_files import left_in, tensors_of

CARD = Card(
    name="toy",
    version="1.2",
    file="toy.safetensors",
    sha256="",
    architecture="toy",
    input_contract="none",
    training_data="generated",
    licence="Apache-2.0",
    source="a test",
    settings={"width": 3},
    figures=(Figure("AUC", 0.9, "held-out", 0.85, 0.94),),
)


def saved(folder: Path, **changes: Any) -> Path:
    """Save two small tensors with their card."""
    save_weights({"weight": torch.arange(6.0).reshape(3, 2), "bias": torch.ones(3)}, replace(CARD, **changes), folder)
    return folder / "toy.json"


def test_a_card_comes_back_as_it_was_with_the_checksum_of_its_file(tmp_path: Path) -> None:
    card, path = verified(saved(tmp_path))
    assert card == replace(CARD, sha256=card.sha256)
    assert path == tmp_path / "toy.safetensors"
    assert len(card.sha256) == 64


def test_the_same_weights_have_the_same_checksum(tmp_path: Path) -> None:
    assert read_card(saved(tmp_path / "a")).sha256 == read_card(saved(tmp_path / "b")).sha256


def test_the_identity_of_a_card_goes_into_the_report(tmp_path: Path) -> None:
    card = read_card(saved(tmp_path))
    assert identity_of(card) == ModelIdentity("toy", "1.2", card.sha256, "generated", card.intended_use)
    assert "not for diagnosis" in card.intended_use


def test_nothing_is_left_aside_after_saving(tmp_path: Path) -> None:
    saved(tmp_path)
    saved(tmp_path)
    assert left_in(tmp_path) == ["toy.json", "toy.safetensors"]


def test_a_changed_byte_is_damage(tmp_path: Path) -> None:
    card_path = saved(tmp_path)
    weights = tmp_path / "toy.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(WeightsError, match=r"toy\.safetensors: damaged: sha256 \w{12} is not the card's \w{12}"):
        load_tensors(card_path)


def test_a_missing_file_or_card_is_named(tmp_path: Path) -> None:
    card_path = saved(tmp_path)
    (tmp_path / "toy.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"toy\.safetensors: cannot be read \(No such file"):
        load_tensors(card_path)
    with pytest.raises(WeightsError, match=r"other\.json: no such card"):
        load_tensors(tmp_path / "other.json")


def test_a_file_that_its_card_vouches_for_but_that_is_no_safetensors_file(tmp_path: Path) -> None:
    card_path = saved(tmp_path)
    (tmp_path / "toy.safetensors").write_bytes(b"no tensors at all")
    digest = hashlib.sha256(b"no tensors at all").hexdigest()
    changed = json.loads(card_path.read_text()) | {"sha256": digest}
    card_path.write_text(json.dumps(changed))
    for act in (load_tensors, check):
        with pytest.raises(WeightsError, match="not a safetensors file"):
            act(card_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sha256": 5}, "sha256 holds int, not str"),
        ({"settings": []}, "settings holds list, not dict"),
        ({"figures": [{"name": "AUC"}]}, "missing 2 required"),
        ({"figures": [{"name": "AUC", "value": "high", "data": "x"}]}, "a figure is no number"),
        ({"flavour": "sweet"}, "unexpected keyword argument 'flavour'"),
        ({"licence": None}, "licence holds NoneType"),
    ],
)
def test_a_card_with_a_wrong_field_is_refused(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    card_path = saved(tmp_path)
    card_path.write_text(json.dumps(json.loads(card_path.read_text()) | change))
    with pytest.raises(WeightsError, match=words):
        read_card(card_path)


@pytest.mark.parametrize("text", ["", "[]", "{", '"card"', "\x00"])
def test_what_is_no_card_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "toy.json").write_text(text)
    with pytest.raises(WeightsError, match=r"toy\.json: not a weights card"):
        read_card(tmp_path / "toy.json")


@pytest.mark.parametrize("file", ["../toy.safetensors", "/etc/passwd", "", "..", "a/b"])
def test_a_card_cannot_point_out_of_its_folder(file: str, tmp_path: Path) -> None:
    card_path = saved(tmp_path)
    card_path.write_text(json.dumps(json.loads(card_path.read_text()) | {"file": file}))
    with pytest.raises(WeightsError):
        verified(card_path)


def test_weights_of_the_right_layout_fill_a_network() -> None:
    linear = torch.nn.Linear(2, 3)
    fill(linear, {"weight": torch.full((3, 2), 2.0), "bias": torch.zeros(3)}, "toy")
    assert torch.equal(linear(torch.ones(1, 2)), torch.full((1, 3), 4.0))


def test_wrong_tensors_are_named_and_leave_the_network_as_it_was() -> None:
    linear = torch.nn.Linear(2, 3)
    before = linear.weight.clone()
    with pytest.raises(WeightsError) as refused:
        fill(linear, {"weight": torch.zeros(2, 3), "scale": torch.zeros(1)}, "toy")
    assert str(refused.value) == (
        "toy: wrong layout: bias is missing; scale is not expected; weight has shape (2, 3), not (3, 2)"
    )
    assert torch.equal(linear.weight, before)


def test_many_wrong_tensors_are_counted() -> None:
    with pytest.raises(WeightsError, match=r"; \S+ is not expected and 4 more$"):
        fill(torch.nn.Identity(), {f"w{i}": torch.zeros(1) for i in range(7)}, "toy")


def test_the_weights_that_ship_are_sound_and_small() -> None:
    """Each file under 8 MB, all together under 30 MB."""
    sizes = [verified(path)[1].stat().st_size for path in cards_in(SHIPPED)]
    for path in cards_in(SHIPPED):
        check(path)
        assert shipped_card(path.stem) == path
        assert "not for diagnosis" in read_card(path).intended_use
    assert all(size < 8_000_000 for size in sizes)
    assert sum(sizes) < 30_000_000
    assert without_card(SHIPPED) == ()


def test_cards_are_found_and_files_without_one_too(tmp_path: Path) -> None:
    card_path = saved(tmp_path)
    save_file({"w": torch.zeros(1)}, tmp_path / "lost.safetensors")
    (tmp_path / ".toy.safetensors.12.part").write_bytes(b"half")
    assert all_cards(tmp_path)[len(cards_in(SHIPPED)) :] == (card_path,)
    assert without_card(tmp_path) == (tmp_path / "lost.safetensors",)
    assert cards_in(tmp_path / "absent") == without_card(tmp_path / "absent") == ()


def test_installed_weights_of_another_layout_or_with_nan_do_not_pass(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"wrong layout for resnet18: conv1\.weight is missing"):
        check(saved(tmp_path / "layout", architecture="resnet18"))
    save_weights({"weight": torch.tensor([1.0, float("nan")])}, CARD, tmp_path / "nan")
    with pytest.raises(WeightsError, match="weight holds NaN or infinity"):
        check(tmp_path / "nan" / "toy.json")
    check(saved(tmp_path / "sound"))


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PULMONODE_DATA_DIR", str(tmp_path / "var"))
    return tmp_path / "var"


def test_a_download_is_imported_listed_and_verified(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir.mkdir()
    torch.save(tensors_of(LAYOUTS["resnet18"]()), data_dir / "weights.pth")
    assert pulmonode(monkeypatch, "weights", "import", data_dir / "weights.pth") == 0
    printed = capsys.readouterr().out
    assert "note: this is not the published file of resnet18" in printed
    assert "to run it: " in printed
    assert pulmonode(monkeypatch, "weights", "list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in listed["installed"]] == ["resnet18"]
    assert [row["name"] for row in listed["catalogue"] if row["installed"]] == ["resnet18"]
    assert pulmonode(monkeypatch, "weights", "verify", "resnet18") == 0
    assert capsys.readouterr().out == "resnet18: sound\n"


def test_the_setting_that_runs_imported_weights_is_one_of_the_node() -> None:
    named = {text.split(":")[0].removeprefix("models.") for role, text in _TO_RUN.items() if role is not Role.FEATURES}
    assert set(_TO_RUN) == set(Role)
    assert named <= ModelsSection.model_fields.keys()


def test_the_list_says_of_each_model_what_issue_and_user_ask(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert pulmonode(monkeypatch, "weights", "list") == 0
    printed = " ".join(capsys.readouterr().out.split())
    for entry in CATALOGUE:
        for value in (entry.key, entry.address, entry.size, entry.good_for, entry.licence):
            assert value in printed, entry.key
        for figure in entry.figures:
            assert f"{figure.value:.5g} ({figure.data})" in printed
        assert entry.checksum is None or entry.checksum.prefix in printed
    assert "not for diagnosis" in printed


def test_details_of_one_show_its_input_contract(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(data_dir / "weights")
    assert pulmonode(monkeypatch, "weights", "list", "toy") == 0
    printed = capsys.readouterr().out
    assert "AUC: 0.9 [0.85 to 0.94] (held-out)" in printed
    assert "sha256" in printed
    assert pulmonode(monkeypatch, "weights", "list", "sybil") == 0
    assert "0.703125 x 0.703125 x 2.5 mm" in capsys.readouterr().out


def test_a_damaged_file_is_one_line_and_exit_1(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(data_dir / "weights")
    (data_dir / "weights" / "toy.safetensors").write_bytes(b"x")
    (data_dir / "weights" / "broken.json").write_text("{")
    save_file({"w": torch.zeros(1)}, data_dir / "weights" / "lost.safetensors")
    assert pulmonode(monkeypatch, "weights", "verify") == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    for word in ("toy.safetensors: damaged", "broken.json: not a weights card", "lost.safetensors: no card"):
        assert any(word in line for line in lines)
    assert pulmonode(monkeypatch, "weights", "list") == 0
    assert "damaged card" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [("import", "nowhere.pth"), ("verify", "nothing"), ("list", "nothing"), ("import",), ()]
)
def test_wrong_usage_is_exit_2(arguments: tuple[str, ...], data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pulmonode(monkeypatch, "weights", *arguments) == 2
    assert left_in(data_dir) == []


def test_the_page_names_every_entry_of_the_catalogue() -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "weights.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(" `"): line for line in page.splitlines() if line.startswith("| `")}
    assert list(rows) == [entry.key for entry in CATALOGUE]
    for entry in CATALOGUE:
        assert entry.role.value in rows[entry.key]
        assert all(f"{figure.value:g}" in rows[entry.key] for figure in entry.figures[:1])
