"""HU of every real series equal SimpleITK's reading, voxel for voxel, but that nothing is less dense than air."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from models.volume import AIR_HU
from node.assembly.files import assemble_files
from node.assembly.reading import read_instance

ARCHIVES = ("lidc-0001", "lidc-0003", "lung1-001", "lungdx-a0002", "c3n-00247", "ricord-1a")
LEAST_SLICES = 25  # of a series that is compared: reformats and objects without slices are other tests'


def series_of(folder: Path) -> dict[str, dict[str, Path]]:
    """Give the CT files below a folder by series and SOP Instance UID."""
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    for path in sorted(folder.rglob("*.dcm")):
        header = read_instance(path, pixels=False)
        if header.get("Modality") == "CT":
            found[str(header.SeriesInstanceUID)][str(header.SOPInstanceUID)] = path
    return {uid: files for uid, files in found.items() if len(files) >= LEAST_SLICES}


@pytest.mark.parametrize("archive", ARCHIVES)
def test_hu_are_those_of_simpleitk(unpack: Callable[[str], Path], archive: str) -> None:
    series = series_of(unpack(archive))
    assert series
    for files in series.values():
        assembled = assemble_files(list(files.values()))
        for k, frame in enumerate(assembled.frames):
            image = SimpleITK.ReadImage(str(files[frame.sop_instance_uid]))
            theirs = np.maximum(np.rint(SimpleITK.GetArrayFromImage(image)[0]), AIR_HU)
            assert np.array_equal(assembled.volume.hu[k], theirs), f"slice {k}"
        assert assembled.warnings == ()
