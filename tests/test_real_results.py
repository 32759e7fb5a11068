"""Every kind of result of four real series and their sources, through dciodvfy, dcentvfy, dsrdump and dcmpschk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.assembly.files import assemble_files
from node.results.checks import check
from tests.accepted_messages import not_accepted
from tests.all_kinds import every_kind, write_objects
from tests.conftest import tool
from tests.result_examples import example_findings, phantom_series, sphere_nodule
from tests.validators import run
from training.phantom_small import sphere

SERIES = ("lidc-0001", "lidc-0003", "lung1-001", "lungdx-a0002")


@pytest.mark.parametrize("name", SERIES)
def test_nothing_but_accepted_messages(unpack: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    paths = one_series(unpack(name))
    series = assemble_files(paths)
    made = every_kind(series, findings_on(series))
    check([d for kind, datasets in made.items() if not kind.startswith("NOTICE") for d in datasets], series.headers)
    written = write_objects(made, tmp_path)
    for path in written:
        assert messages("dciodvfy", path) == []
        if path.name.startswith(("SR", "NOTICE-")) and "NOTICE-SC" not in path.name:
            assert messages("dsrdump", path) == []
    assert messages("dcmpschk", tmp_path / "PR-1.dcm") == []
    # One source image: those of lung1-001 do not agree with each other on Study Time.
    first = next(path for path in paths if dcmread(path).SOPInstanceUID == series.headers[0].SOPInstanceUID)
    known = [path for path in written if "LABELMAP" not in path.name]  # a SOP class that dcentvfy does not know
    assert messages("dcentvfy", first, *known) == []


def one_series(folder: Path) -> list[Path]:
    """The files of the first CT series of a folder, which may hold other objects."""
    headers = {path: dcmread(path, stop_before_pixels=True) for path in sorted(folder.rglob("*.dcm"))}
    images = {path: header.SeriesInstanceUID for path, header in headers.items() if header.Modality == "CT"}
    return [path for path, uid in images.items() if uid == next(iter(images.values()))]


def findings_on(series: AssembledSeries) -> Findings:
    """Two boxes for lungs and one sphere for a nodule; what is tested is how they are written."""
    slices, rows, columns = series.volume.shape
    labels = np.zeros(series.volume.shape, np.uint8)
    labels[2:-2, rows // 4 : rows // 2, columns // 5 : columns // 3] = 1
    labels[2:-2, rows // 4 : rows // 2, columns // 2 : columns // 3 * 2] = 2
    x, y, z = series.volume.to_patient([slices // 2, rows * 0.4, columns * 0.25])
    nodule = sphere_nodule(series.volume, sphere((float(x), float(y), float(z)), 12.0, 30.0), 1)
    lungs = example_findings(phantom_series().volume, 0).lungs
    lungs = type(lungs)(labels, lungs.right_ml, lungs.left_ml)
    return example_findings(series.volume, 0, lungs=lungs, nodules=(nodule,))


def messages(program: str, *paths: Path) -> list[str]:
    """What the program says beyond the accepted, about the last of the files."""
    done = run(tool(program), *paths)
    kind = "" if program == "dcentvfy" else paths[-1].stem
    return not_accepted(program, kind, done.stderr.splitlines())
