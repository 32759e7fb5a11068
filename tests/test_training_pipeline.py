"""System 003: the input pipeline, the small network, and several processes that train as one would."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import os
import socket
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed
from typer.testing import CliRunner

from training.__main__ import app
from training.checkpoint import load_checkpoint
from training.errors import TrainingError
from training.loop import CHECKPOINT_FILE
from training.pipeline.fashion import Images, as_is, fashion_mnist, generated, small_network
from training.pipeline.loading import LoadSettings, ShardSampler, Share, ahead, loader
from training.pipeline.processes import summed_on

SHORT = ("--epochs", "2", "--batch", "64", "--made", "400", "--workers", "0")


@pytest.fixture(autouse=True)
def _no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing after each epoch takes longer than the training here."""
    monkeypatch.setattr("training.loop.write_curves", lambda *_: None)


def run_task(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["pipeline", *map(str, arguments)])
    return result.exit_code, result.output


def shards(settings: LoadSettings, world: int, count: int = 20) -> list[list[int]]:
    """Orders of all processes, drawn from the same seed."""
    found = []
    for rank in range(world):
        torch.manual_seed(3)
        found.append(list(ShardSampler(count, settings, Share(rank, world))))
    return found


def test_network_is_that_of_the_system() -> None:
    network = small_network()
    assert sum(parameter.numel() for parameter in network.parameters()) == 93_322
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize("world", [2, 3])
def test_shards_of_a_step_are_together_the_batch_of_one_process(world: int) -> None:
    settings = LoadSettings(batch=6)
    alone, parts = shards(settings, 1)[0], shards(settings, world)
    each = 6 // world
    for step in range(3):
        together = {index for part in parts for index in part[step * each : (step + 1) * each]}
        assert together == set(alone[step * 6 : (step + 1) * 6])


def test_each_image_comes_once_and_what_fills_no_batch_is_left_out() -> None:
    order = shards(LoadSettings(batch=6), 1)[0]
    assert len(order) == len(set(order)) == 18


def test_without_shuffle_the_order_is_that_of_the_files() -> None:
    assert shards(LoadSettings(batch=5, shuffle=False, repeat=2), 1)[0] == [*range(20), *range(20)]


def test_repeat_passes_over_the_data_again_within_an_epoch() -> None:
    order = shards(LoadSettings(batch=5, repeat=3), 1)[0]
    assert sorted(order) == sorted([*range(20)] * 3)
    assert order[:20] != order[20:40]


@pytest.mark.parametrize(
    ("settings", "world", "words"),
    [(LoadSettings(batch=5), 2, "shared by 2 processes evenly"), (LoadSettings(batch=32), 1, "fewer than one batch")],
)
def test_batches_that_cannot_be_dealt_are_refused(settings: LoadSettings, world: int, words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        ShardSampler(20, settings, Share(0, world))


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_deliver_the_same_batches_as_none(workers: int) -> None:
    images = generated(60, 1)
    torch.manual_seed(5)
    order = list(ShardSampler(60, LoadSettings(batch=20), Share()))
    supply = loader(images, LoadSettings(20, workers, shuffle=False), Share(), torch.device("cpu"), as_is)
    labels = torch.cat([labels for _, labels in supply])
    assert np.array_equal(labels.numpy(), images.labels)
    assert sorted(order) == list(range(60))


def test_batches_sent_ahead_come_in_order_and_none_is_lost() -> None:
    batches = [(torch.full((2,), n), torch.tensor([n])) for n in range(5)]
    taken: list[int] = []

    def counted() -> object:
        for batch in batches:
            taken.append(int(batch[1]))
            yield batch

    seen = []
    for _, labels in ahead(counted(), torch.device("cpu")):  # type: ignore[arg-type]
        seen.append((int(labels), max(taken)))
    assert seen == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 4)]  # one batch ahead until the end


def in_process(rank: int, world: int, port: int, out: Path) -> None:
    """What torchrun starts; gives its exit code."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os._exit(run_task("--output", out, *SHORT)[0])


class Reached(Exception):
    """Names the device of what the processes would add up."""


def test_sums_over_processes_are_made_on_the_device_that_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes on GPUs talk by nccl, which takes no tensor of the CPU; "meta" stands for such a device."""

    def reached(tensor: torch.Tensor) -> None:
        raise Reached(tensor.device.type)

    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "all_reduce", reached)
    with pytest.raises(Reached, match="meta"):
        summed_on(torch.device("meta"), torch.zeros(3, dtype=torch.float64))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_two_processes_train_as_one_does(tmp_path: Path) -> None:
    """Two processes on loopback with gloo: the same losses and weights within float error, written once."""
    assert run_task("--output", tmp_path / "one", *SHORT)[0] == 0
    context, port = multiprocessing.get_context("fork"), free_port()
    started = [context.Process(target=in_process, args=(rank, 2, port, tmp_path / "two")) for rank in (0, 1)]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
    assert [process.exitcode for process in started] == [0, 0]
    one, two = (load_checkpoint(tmp_path / name / CHECKPOINT_FILE) for name in ("one", "two"))
    for name in ("loss", "val_loss", "val_accuracy"):
        assert [row[name] for row in two.history] == pytest.approx([row[name] for row in one.history], rel=1e-4)
    assert all(torch.allclose(two.model[name], tensor, atol=1e-4) for name, tensor in one.model.items())
    assert "2 process(es) on cpu" in (tmp_path / "two" / "report.html").read_text()


def test_run_ends_with_weights_card_and_report_that_say_what_the_images_were(tmp_path: Path) -> None:
    code, printed = run_task("--output", tmp_path, *SHORT)
    assert code == 0, printed
    card = json.loads((tmp_path / "pipeline.json").read_text())
    assert "made here in place of Fashion-MNIST" in card["training_data"]
    assert {figure["name"] for figure in card["figures"]} == {"loss", "accuracy"}
    assert "images/s" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("workers", [0, 2])
def test_interrupted_run_goes_on_where_it_was(workers: int, tmp_path: Path) -> None:
    settings = (*SHORT, "--workers", workers)
    assert run_task("--output", tmp_path / "cut", *settings, "--epochs", 1)[0] == 0
    assert run_task("--output", tmp_path / "cut", *settings)[0] == 0
    assert run_task("--output", tmp_path / "whole", *settings)[0] == 0
    cut, whole = (load_checkpoint(tmp_path / name / CHECKPOINT_FILE) for name in ("cut", "whole"))
    assert all(torch.equal(cut.model[name], tensor) for name, tensor in whole.model.items())


def idx(path: Path, values: np.ndarray, packed: bool = False) -> None:
    header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    content = header + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if packed else content)


def write_fashion(folder: Path, labels: int = 10) -> Images:
    images = generated(120, 0)
    idx(folder / "train-images-idx3-ubyte.gz", images.pixels, packed=True)
    idx(folder / "train-labels-idx1-ubyte", images.labels[: 12 * labels])
    idx(folder / "t10k-images-idx3-ubyte", images.pixels[:20])
    idx(folder / "t10k-labels-idx1-ubyte", images.labels[:20])
    return images


def test_idx_files_are_read_packed_or_not(tmp_path: Path) -> None:
    written = write_fashion(tmp_path)
    found = fashion_mnist(tmp_path, "train")
    assert np.array_equal(found.pixels, written.pixels)
    assert np.array_equal(found.labels, written.labels)
    pixels, labels = found.__getitems__([5, 7])
    assert torch.equal(pixels[1, 0], torch.from_numpy(written.pixels[7]) / 255)
    assert labels.tolist() == written.labels[[5, 7]].tolist()


def test_missing_labels_a_missing_and_a_cut_file_are_named(tmp_path: Path) -> None:
    write_fashion(tmp_path, labels=9)
    code, printed = run_task(tmp_path, "--output", tmp_path / "r")
    assert (code, "fetch it again" in printed) == (2, True)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03\0\0\0\x14\0\0\0\x1c\0\0\0\x1c123")
    with pytest.raises(TrainingError, match="holds 3 values"):
        fashion_mnist(tmp_path, "test")
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    (tmp_path / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(TrainingError, match="has no t10k-images"):
        fashion_mnist(tmp_path, "test")


def test_device_that_is_not_there_is_one_line_and_exit_2(tmp_path: Path) -> None:
    code, printed = run_task("--output", tmp_path, *SHORT, "--device", "tpu")
    assert (code, "use cpu" in printed) == (2, True)


def test_generated_images_come_from_their_seed() -> None:
    assert np.array_equal(generated(30, 4).pixels, generated(30, 4).pixels)
    assert not np.array_equal(generated(30, 4).pixels, generated(30, 5).pixels)
