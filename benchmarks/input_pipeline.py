"""Images/s of the input pipeline with and without overlap, and on one process and two.

    python -m benchmarks.input_pipeline [--images 512] [--output input_pipeline.json]

Images of OCT2017's size (512 x 496, JPEG) are made on the spot, decoded, augmented to 224 x 224 and fed to a small
convolutional network that is trained. Every setting runs in processes of its own, started by torchrun, one thread each.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision.datasets import ImageFolder

from training.pipeline.loading import LoadSettings, ahead, loader
from training.pipeline.processes import joined, mean_shown, spread
from training.transfer.folders import train_transforms

BATCH = 32
PASSES = 2  # the first warms up workers and caches
SETTINGS = (  # name, workers of each process, processes
    ("read, then train: no overlap", 0, 1),
    ("1 worker reads ahead", 1, 1),
    ("2 workers read ahead", 2, 1),
    ("2 processes, no overlap", 0, 2),
    ("2 processes, 1 worker each", 1, 2),
)


def main() -> None:
    """Run every setting; print a Markdown table and write JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--one", nargs=2, metavar=("FOLDER", "WORKERS"), help="what torchrun starts")
    arguments = parser.parse_args()
    if arguments.one:
        one_setting(Path(arguments.one[0]), int(arguments.one[1]), arguments.device)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder), arguments.images)
        found = [started(Path(folder), setting, arguments.device) for setting in SETTINGS]
    result = {"images": arguments.images, "batch": BATCH, "cpu": cpu(), "cores": os.cpu_count(), "rows": found}
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n")
    print(markdown(result))


def write_images(folder: Path, count: int) -> None:
    """Write noise over a gradient, of two classes."""
    rng = np.random.default_rng(0)
    for n in range(count):
        target = folder / "ab"[n % 2]
        target.mkdir(exist_ok=True)
        shade = np.linspace(0, 200, 512) if n % 2 else np.linspace(200, 0, 512)
        pixels = np.clip(shade + rng.normal(0, 12, (496, 512)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(target / f"{n}.jpeg", quality=90)


def started(folder: Path, setting: tuple[str, int, int], device: str) -> dict[str, object]:
    """Run one setting under torchrun and give its row."""
    name, workers, processes = setting
    command = [sys.executable, "-m", "torch.distributed.run", "--master-addr", "127.0.0.1", "--master-port", "29517"]
    command += ["--nproc-per-node", str(processes), "-m", "benchmarks.input_pipeline"]
    command += ["--device", device, "--one", str(folder), str(workers)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    row = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    return {"setting": name, "processes": processes, "workers": workers, **row}


def one_setting(folder: Path, workers: int, device: str) -> None:
    """Train over all images ``PASSES`` times; the first process prints the rate of the last pass over all processes."""
    torch.manual_seed(0)
    with joined(device) as (share, own):
        dataset = ImageFolder(str(folder), transform=train_transforms())
        supply = loader(dataset, LoadSettings(BATCH, workers), share, own)
        network = spread(small_network(), own)
        optimizer = torch.optim.Adam(network.parameters())
        for _ in range(PASSES):
            rate = one_pass(supply, network, optimizer, share.world)
        if share.rank == 0:
            print(json.dumps({"images_per_s": round(rate, 1)}), flush=True)


def one_pass(supply: object, network: nn.Module, optimizer: torch.optim.Optimizer, world: int) -> float:
    """Give images/s of all processes together."""
    own, images = next(network.parameters()).device, 0
    began = time.perf_counter()
    for pixels, labels in ahead(supply, own):  # type: ignore[arg-type]
        loss = mean_shown(nn.functional.cross_entropy(network(pixels), labels), world)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        images += len(labels) * world
    if own.type == "cuda":
        torch.cuda.synchronize()
    return images / (time.perf_counter() - began)


def small_network() -> nn.Module:
    """About as much work for an image as reading it, on a CPU."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 7, stride=2),
        nn.ReLU(),
        nn.Conv2d(32, 48, 3, stride=2),
        nn.ReLU(),
        nn.Conv2d(48, 64, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 2),
    )


def cpu() -> str:
    """Name the processor as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def markdown(result: dict[str, object]) -> str:
    """Lay the rows out."""
    rows = result["rows"]
    assert isinstance(rows, list)
    lines = [
        f"{result['images']} JPEG of 512 x 496, batch {result['batch']}, {result['cores']} cores, {result['cpu']}",
        "",
    ]
    lines += ["| setting | processes | workers of each | images/s |", "|---|---|---|---|"]
    lines += [f"| {r['setting']} | {r['processes']} | {r['workers']} | {r['images_per_s']} |" for r in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
