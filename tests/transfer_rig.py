"""Image folders made on the spot, and the command line of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from training.__main__ import app


def write_images(root: Path, classes: tuple[str, ...], counts: dict[str, int]) -> Path:
    """Write images whose brightness tells their class, so that there is something to learn."""
    rng = np.random.default_rng(0)
    for split, count in counts.items():
        for number, name in enumerate(classes):
            folder = root / split / name
            folder.mkdir(parents=True)
            for n in range(count):
                level = 30 + 200 * number / max(1, len(classes) - 1)
                pixels = np.clip(rng.normal(level, 10, (40, 48)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{name}-{split}{n}-1.jpeg")
    return root


def run_task(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output
