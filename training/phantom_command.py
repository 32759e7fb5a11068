"""The tasks that make data: ``phantom``, a generated chest CT, and ``plant``, real nodules in a CT of one's own."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console

from models.findings import AnalysisRefused
from models.lungs import segment_lungs
from training.datasets_images import Series, find_series, read_series
from training.devices import device_of
from training.errors import TrainingError
from training.phantom import make_phantom, write_phantom
from training.phantom_random import random_spec
from training.phantom_spec import PhantomSpec
from training.phantom_truth import Phantom
from training.planting import PlantingOptions, Split, load_stacks, patients_of_split, planted

_NOTE = "Planted nodules: demonstration and research, not for diagnosis"


def phantom(
    out: Annotated[Path, typer.Argument(help="Folder for the DICOM series and truth.json; made if absent.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same phantom.")] = 0,
    slice_spacing: Annotated[
        float | None, typer.Option(help="Distance of the slices, 0.6 to 5 mm; 2.5, or drawn with --random.")
    ] = None,
    matrix: Annotated[int, typer.Option(help="Rows and columns of a slice.")] = 512,
    fov: Annotated[float, typer.Option(help="Side of the square image in mm; not with --random.")] = 360.0,
    noise: Annotated[float, typer.Option(help="Standard deviation of the noise in HU; not with --random.")] = 22.0,
    random: Annotated[bool, typer.Option("--random", help="Draw patient, disease, scanner and nodules.")] = False,
    nodules: Annotated[int, typer.Option(min=0, max=60, help="How many nodules, with --random.")] = 8,
    device: Annotated[str, typer.Option(help="Where tissue is painted: auto, cpu, cuda or cuda:n.")] = "auto",
) -> None:
    """Write a procedural chest CT: the standard one with six nodules, or one drawn at random."""
    torch.set_num_threads(1)  # slabs already run side by side; two kinds of threads would stand in each other's way
    try:
        if random:
            spec = random_spec(seed, nodules, matrix, slice_spacing)
        else:
            spacing = 2.5 if slice_spacing is None else slice_spacing
            spec = PhantomSpec(slice_spacing_mm=spacing, matrix=matrix, fov_mm=fov, noise_sd_hu=noise)
        _refuse_other_content(out)
        with Console(stderr=True).status(f"making a chest of {spec.grid.shape[0]} slices"):
            made = make_phantom(spec, seed, str(device_of(device)))
            write_phantom(made, out, seed, spec.scanner.stored_padding)
    except (ValueError, OSError) as error:
        raise TrainingError(str(error).splitlines()[0]) from None
    _tell(made, out)


def plant(
    source: Annotated[Path, typer.Argument(help="Folder with one CT series of the chest.")],
    out: Annotated[Path, typer.Argument(help="Folder for the new series and truth.json; made if absent.")],
    stacks: Annotated[Path, typer.Option(help="lidc-nodule-stacks.npz, the real nodules.")],
    count: Annotated[int, typer.Option(min=1, max=60, help="How many nodules.")] = 5,
    smallest: Annotated[float, typer.Option(min=3, max=30, help="Smallest diameter in mm.")] = 3.0,
    largest: Annotated[float, typer.Option(min=3, max=30, help="Largest diameter in mm.")] = 30.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same nodules.")] = 0,
    split: Annotated[Split, typer.Option(help="Whose nodules.")] = Split.TRAIN,
) -> None:
    """Plant real nodules of other patients into a chest CT; the new series carries no patient's name."""
    try:
        _refuse_other_content(out)
        options = PlantingOptions((smallest, largest))
        series = _one_series(source)
        made = _with_nodules(series, stacks, count, np.random.default_rng(seed), options, split)
        write_phantom(made, out, _number(series, seed), None, StudyDescription=_NOTE, SeriesDescription=_NOTE)
    except AnalysisRefused as refused:
        raise TrainingError(f"{source}: {refused}") from None
    except (ValueError, OSError) as error:
        raise TrainingError(str(error)) from None
    _tell(made, out)


def _tell(made: Phantom, out: Path) -> None:
    told = f"{made.volume.shape[0]} slices and truth.json ({len(made.nodules)} nodules) in {out}"
    Console(stderr=True).print(told, highlight=False)


def _one_series(folder: Path) -> Series:
    found = find_series(folder)
    if len(found) != 1:
        raise TrainingError(f"{folder}: holds {len(found)} CT series; give a folder with one")
    return found[0]


def _with_nodules(
    series: Series,
    stacks: Path,
    count: int,
    rng: np.random.Generator,
    options: PlantingOptions,
    split: Split,
) -> Phantom:
    every = load_stacks(stacks)
    chosen = every.of(patients_of_split(every.patients, split))
    volume = read_series(series)
    labels = segment_lungs(volume).labels
    after, nodules = planted(volume, labels, chosen, rng, count, options)
    return Phantom(after, labels, nodules)


def _number(series: Series, seed: int) -> int:
    """Give the number from which the new series' UIDs follow: of its source and the seed."""
    return int.from_bytes(hashlib.sha256(f"{series.series_instance_uid}/{seed}".encode()).digest()[:4], "big")


def _refuse_other_content(out: Path) -> None:
    """Refuse a folder that holds anything: two series in one folder are no phantom any more."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out} is not an empty folder; name another one")
