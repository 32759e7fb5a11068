"""What an import refuses: harmful, damaged and foreign files, in one line, with nothing left behind."""

from __future__ import annotations

import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from models.published.importing import import_file
from models.published.layouts import LAYOUTS
from models.weights import WeightsError, read_card
from tests.weight_files import Harmful, left_in, tensors_of


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of the smallest published layout."""
    path = tmp_path_factory.mktemp("download") / "weights.pth"
    torch.save(tensors_of(LAYOUTS["resnet18"]()), path)
    return path


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before 1.6"])
@pytest.mark.parametrize("nested", [True, False], ids=["beside tensors", "alone"])
def test_a_file_that_would_run_a_command_is_refused_and_runs_nothing(
    zipped: bool, nested: bool, resnet18: Path, tmp_path: Path
) -> None:
    harmful = Harmful(tmp_path / "harmed")
    saved = {"state_dict": torch.load(resnet18, weights_only=True), "args": harmful} if nested else harmful
    torch.save(saved, tmp_path / "resnet18.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"refused: it names posix\.system, which no weights need"):
        import_file(tmp_path / "resnet18.pth", tmp_path / "weights")
    assert left_in(tmp_path) == ["resnet18.pth"]


class _Other:
    """A class of somebody's program."""


def test_a_file_that_names_somebodys_class_is_refused_by_name(tmp_path: Path) -> None:
    torch.save({"model": _Other()}, tmp_path / "model.pt")
    with pytest.raises(WeightsError, match=r"refused: it names \S+_Other, which no weights need"):
        import_file(tmp_path / "model.pt", tmp_path / "weights")


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_a_torchscript_archive_is_refused_because_it_carries_code(tmp_path: Path) -> None:
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "model.ts")
    with pytest.raises(WeightsError, match=r"model\.ts: a TorchScript archive carries code"):
        import_file(tmp_path / "model.ts", tmp_path / "weights")


def unusable(case: str, resnet18: Path, folder: Path) -> Path:
    """Write what a user may hand us by mistake."""
    path = folder / ("file.safetensors" if case == "cut off safetensors" else "file.pth")
    tensors = torch.load(resnet18, weights_only=True)
    if case in NOT_THE_TENSORS:
        torch.save(NOT_THE_TENSORS[case](tensors), path)
    elif case == "zip of something else":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "hello")
    elif case == "zip without its middle":
        content = resnet18.read_bytes()
        path.write_bytes(content[:2000] + content[-100_000:])
    elif case == "tar":
        with tarfile.open(path, "w") as archive:
            archive.add(resnet18, "tensors")
    elif case == "cut off safetensors":
        save_file(tensors, path)
        path.write_bytes(path.read_bytes()[:5000])
    else:
        content = {"cut off": resnet18.read_bytes()[:1_000_000], "empty": b"", "text": b"<html>sign in</html>"}
        path.write_bytes(content[case])
    return path


def with_nan(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    tensors["layer2.0.bn1.weight"][3] = float("nan")
    return tensors


NOT_THE_TENSORS: dict[str, Callable[[dict[str, torch.Tensor]], object]] = {
    "one tensor missing": lambda tensors: {k: v for k, v in tensors.items() if k != "layer1.0.conv1.weight"},
    "one tensor more": lambda tensors: {**tensors, "head.weight": torch.zeros(2)},
    "other shape": lambda tensors: {**tensors, "fc.weight": torch.zeros(4, 512)},
    "NaN": with_nan,
    "another model": lambda _tensors: {"embedding.weight": torch.zeros(4, 4)},
    "no tensors": lambda _tensors: {"epoch": 3, "name": "x"},
    "a list": lambda _tensors: [torch.zeros(2)],
}


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("cut off", "not a complete file of weights"),
        ("empty", "not a complete file of weights"),
        ("text", "not a complete file of weights"),
        ("zip of something else", "no weights of a supported model"),
        ("zip without its middle", "damaged archive|not a complete file"),
        ("tar", "not a complete file of weights"),
        ("cut off safetensors", "not a complete safetensors file"),
        ("one tensor missing", "like resnet18, but layer1.0.conv1.weight is missing"),
        ("one tensor more", "like resnet18, but head.weight is not expected"),
        ("other shape", r"like resnet18, but fc.weight has shape \(4, 512\), not \(1000, 512\)"),
        ("NaN", "layer2.0.bn1.weight holds NaN or infinity"),
        ("another model", "not weights of a supported model"),
        ("no tensors", "epoch is no tensor"),
        ("a list", "holds no table of tensors"),
    ],
)
def test_an_unusable_file_is_refused_in_one_line_and_leaves_nothing(
    case: str, words: str, resnet18: Path, tmp_path: Path
) -> None:
    path = unusable(case, resnet18, tmp_path)
    with pytest.raises(WeightsError, match=words) as refused:
        import_file(path, tmp_path / "weights")
    assert "\n" not in str(refused.value)
    assert left_in(tmp_path / "weights") == []


def test_a_full_disk_leaves_nothing_and_keeps_what_was_installed(
    resnet18: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = import_file(resnet18, tmp_path / "weights").card

    def full(_tensors: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("models.weights.save_file", full)
    with pytest.raises(WeightsError, match="No space left on device"):
        import_file(resnet18, tmp_path / "weights")
    assert left_in(tmp_path / "weights") == ["resnet18.json", "resnet18.safetensors"]
    assert read_card(tmp_path / "weights" / "resnet18.json") == before


@pytest.mark.parametrize("name", ["../escape", "a/b", "", ".hidden", "x" * 65])
def test_a_name_that_is_no_plain_name_is_refused(name: str, resnet18: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="a name has 1 to 64"):
        import_file(resnet18, tmp_path / "weights", name)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nowhere\.pth: there is no such file"):
        import_file(tmp_path / "nowhere.pth", tmp_path / "weights")
    (tmp_path / "empty.json").write_text(json.dumps({"file": "x"}))
    with pytest.raises(WeightsError, match="not a weights card"):
        import_file(tmp_path / "empty.json", tmp_path / "weights")
