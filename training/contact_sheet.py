"""A contact sheet: slices of generated chests, generated nodules and planted ones, to look at before training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import typer
from PIL import Image, ImageDraw

from models.volume import Volume
from training.errors import TrainingError
from training.phantom import PhantomSpec, make_phantom
from training.phantom_nodules import NoduleSpec
from training.phantom_random import random_spec
from training.phantom_truth import Phantom, PlantedNodule
from training.planting import PlantingOptions, Split, load_stacks, patients_of_split, planted

_WINDOW_HU = (-1350.0, 150.0)  # lung window: level -600, width 1500
_SLICE_PX, _TILE_PX, _COLUMNS = 300, 100, 12
_TILE_MM = 44.0
_PLANTED_PER_CHEST = 12
_INK, _PAPER = 255, 20

Picture = npt.NDArray[np.uint8]


class Chest(NamedTuple):
    """A volume, the generated nodules in it and the real ones planted."""

    volume: Volume
    generated: tuple[PlantedNodule, ...]
    real: tuple[PlantedNodule, ...]
    settings: tuple[NoduleSpec, ...]


def contact_sheet(
    out: Annotated[Path, typer.Argument(help="PNG file to write.")],
    stacks: Annotated[Path | None, typer.Option(help="lidc-nodule-stacks.npz: real nodules are planted too.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same sheet.")] = 0,
    chests: Annotated[int, typer.Option(min=1, max=16, help="How many chests.")] = 4,
    nodules: Annotated[int, typer.Option(min=0, max=40, help="Generated nodules in each.")] = 9,
    matrix: Annotated[int, typer.Option(min=64, max=1024, help="Rows and columns of the slices.")] = 320,
) -> None:
    """Draw generated chests and nodules, and planted real ones, as one picture."""
    torch.set_num_threads(1)  # the phantom paints slabs side by side already
    made = [_chest(random_spec(seed + n, nodules, matrix), seed + n, stacks) for n in range(chests)]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sheet(made)).save(out, optimize=True)
    except OSError as error:
        raise TrainingError(f"{out}: cannot be written ({error.strerror}); name another file") from None
    typer.echo(f"{len(made)} chests in {out}", err=True)


def sheet(chests: Sequence[Chest]) -> Picture:
    """Lay out slices above, then generated nodules, then planted ones; (rows, columns) uint8."""
    slices = [_slice(chest.volume, share) for chest in chests for share in (0.42, 0.62)]
    generated = [
        _tile(chest.volume, nodule, _name(spec))
        for chest in chests
        for nodule, spec in zip(chest.generated, chest.settings, strict=True)
    ]
    real = [_tile(chest.volume, nodule, f"real {nodule.attenuation}") for chest in chests for nodule in chest.real]
    return _stacked([_rows(slices, 4), _rows(generated, _COLUMNS), _rows(real, _COLUMNS)])


def _chest(spec: PhantomSpec, seed: int, stacks: Path | None) -> Chest:
    try:
        phantom = make_phantom(spec, seed)
    except ValueError as error:
        raise TrainingError(f"contact sheet: {error}; take another seed or fewer nodules") from None
    if stacks is None:
        return Chest(phantom.volume, phantom.nodules, (), spec.nodules)
    volume, real = _planted(phantom, stacks, seed)
    return Chest(volume, phantom.nodules, real, spec.nodules)


def _planted(phantom: Phantom, stacks: Path, seed: int) -> tuple[Volume, tuple[PlantedNodule, ...]]:
    """Plant real nodules of the training patients only: this sheet is looked at while things are tuned."""
    every = load_stacks(stacks)
    chosen = every.of(patients_of_split(every.patients, Split.TRAIN))
    options = PlantingOptions(avoid=phantom.nodules)
    rng = np.random.default_rng((seed, 5))
    return planted(phantom.volume, phantom.lung_labels, chosen, rng, _PLANTED_PER_CHEST, options)


def _name(spec: NoduleSpec) -> str:
    return f"{spec.attenuation}{' spiculated' if spec.spicules else ''} {spec.setting}"


def _slice(volume: Volume, share: float) -> Picture:
    """One slice at a share of the height."""
    return _resized(_grey(volume.hu[int(share * volume.shape[0])]), (_SLICE_PX, _SLICE_PX))


def _tile(volume: Volume, nodule: PlantedNodule, name: str) -> Picture:
    """The slice through a nodule's centre, ``_TILE_MM`` wide, with its diameter and name."""
    k, j, i = volume.to_index(nodule.center_lps_mm)
    rows, columns = (_TILE_MM / spacing / 2 for spacing in volume.spacing_kji_mm[1:])
    plane = Image.fromarray(_grey(volume.hu[round(k)]))
    box = (i + 0.5 - columns, j + 0.5 - rows, i + 0.5 + columns, j + 0.5 + rows)
    tile = plane.transform((_TILE_PX, _TILE_PX), Image.Transform.EXTENT, box, Image.Resampling.BICUBIC)
    words = name.replace("_", " ").split(" ")
    draw = ImageDraw.Draw(tile)
    draw.text((2, 0), f"{nodule.diameter_mm:.0f} mm {words[0]}", _INK)
    draw.text((2, _TILE_PX - 12), " ".join(words[1:])[:17], _INK)
    return np.asarray(tile)


def _grey(hu: npt.NDArray[np.int16]) -> Picture:
    low, high = _WINDOW_HU
    return np.asarray(np.clip((hu - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def _resized(picture: Picture, size: tuple[int, int]) -> Picture:
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def _rows(pictures: Sequence[Picture], columns: int) -> list[Picture]:
    """Lay pictures of one size side by side, so many a row."""
    if not pictures:
        return []
    blank = np.full_like(pictures[0], _PAPER)
    full = [*pictures, *[blank] * (-len(pictures) % columns)]
    return [np.concatenate(full[n : n + columns], axis=1) for n in range(0, len(full), columns)]


def _stacked(groups: Sequence[Sequence[Picture]]) -> Picture:
    """Lay rows of any width one below the other."""
    rows = [row for group in groups for row in group]
    width = max(row.shape[1] for row in rows)
    return np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1])), constant_values=_PAPER) for row in rows])
