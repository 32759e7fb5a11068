"""Public data sets in their own layouts, and what is said of one that is broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from pydicom import dcmread

from models.volume import AIR_HU
from training.datasets import Layout, Scan, fingerprint, read_case, scans_of
from training.datasets_lidc import Reading, consensus
from training.datasets_split import JUDGES, Split, split_of
from training.errors import TrainingError
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_small import small_phantom

HEADER = "seriesuid,coordX,coordY,coordZ,diameter_mm\n"
ORIGIN, SPACING = (-30.0, -20.0, -100.0), (0.8, 0.7, 2.5)  # x, y, z


def write_mhd(path: Path, flipped: bool = False) -> None:
    """An image of 6 slices, 8 rows, 10 columns with one bright voxel at (4, 2, 7) and padding in a corner."""
    hu = np.full((6, 8, 10), -850, np.int16)
    hu[4, 2, 7], hu[0, 0, 0] = 40, -3024
    image = SimpleITK.GetImageFromArray(hu)
    image.SetOrigin(ORIGIN)
    image.SetSpacing(SPACING)
    if flipped:
        image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(image, str(path))


def bright_lps(flipped: bool = False) -> tuple[float, float, float]:
    sign = -1 if flipped else 1
    return ORIGIN[0] + sign * 7 * SPACING[0], ORIGIN[1] + sign * 2 * SPACING[1], ORIGIN[2] + 4 * SPACING[2]


def row(name: str, place: tuple[float, float, float], diameter: float = 6.5) -> str:
    return f"{name},{place[0]},{place[1]},{place[2]},{diameter}\n"


@pytest.fixture
def luna16(tmp_path: Path) -> Path:
    write_mhd(tmp_path / "subset0" / "1.2.3.mhd")
    write_mhd(tmp_path / "subset1" / "1.2.4.mhd", flipped=True)
    write_mhd(tmp_path / "seg-lungs-LUNA16" / "1.2.3.mhd")
    rows = row("1.2.3", bright_lps()) + row("1.2.4", bright_lps(flipped=True)) + row("9.9.9", (0, 0, 0))
    (tmp_path / "annotations.csv").write_text(HEADER + rows)
    (tmp_path / "annotations_excluded.csv").write_text(HEADER + row("1.2.3", (1, 2, 3), -1))
    return tmp_path


def test_luna16_gives_each_scan_its_own_nodules(luna16: Path) -> None:
    first, second = scans_of(luna16, Layout.LUNA16)
    assert (first.name, second.name) == ("1.2.3", "1.2.4")
    assert [len(scan.included) for scan in (first, second)] == [1, 1]
    assert first.excluded[0].diameter_mm == -1
    assert not second.excluded


def test_the_table_that_luna16_brings_twice_counts_once(luna16: Path) -> None:
    second = luna16 / "evaluationScript" / "annotations"
    second.mkdir(parents=True)
    (second / "annotations.csv").write_text((luna16 / "annotations.csv").read_text())
    assert [len(scan.included) for scan in scans_of(luna16, Layout.LUNA16)] == [1, 1]


@pytest.mark.parametrize("position", [0, 1])
def test_an_annotation_falls_on_its_voxel_also_where_the_axes_run_backwards(luna16: Path, position: int) -> None:
    volume, (nodule,) = read_case(scans_of(luna16, Layout.LUNA16)[position])
    assert np.allclose(volume.to_index(nodule.center_mm), (4, 2, 7), atol=1e-6)
    assert volume.hu[4, 2, 7] == 40
    assert volume.spacing_kji_mm == pytest.approx(SPACING[::-1])


def test_padding_below_air_is_air(luna16: Path) -> None:
    volume, _ = read_case(scans_of(luna16, Layout.LUNA16)[0])
    assert volume.hu[0, 0, 0] == volume.hu.min() == AIR_HU


def test_tianchi_finds_its_tables_below_csv(tmp_path: Path) -> None:
    write_mhd(tmp_path / "train_subset00" / "LKDS-00001.mhd")
    write_mhd(tmp_path / "train_subset01" / "LKDS-00002.mhd")
    (tmp_path / "csv" / "train").mkdir(parents=True)
    (tmp_path / "csv" / "train" / "annotations.csv").write_text(HEADER + row("LKDS-00001", bright_lps()))
    first, second = scans_of(tmp_path, Layout.TIANCHI)
    assert first.included[0].center_mm == pytest.approx(bright_lps())
    assert (second.name, second.included) == ("LKDS-00002", ())


def test_missing_annotations_are_named(luna16: Path) -> None:
    (luna16 / "annotations.csv").unlink()
    with pytest.raises(TrainingError, match=r"annotations\.csv is missing"):
        scans_of(luna16, Layout.LUNA16)


def test_annotations_of_other_scans_only_are_refused(luna16: Path) -> None:
    (luna16 / "annotations.csv").write_text(HEADER + row("9.9.9", (0, 0, 0)))
    with pytest.raises(TrainingError, match="names one of the 2 scans"):
        scans_of(luna16, Layout.LUNA16)


def test_a_row_without_a_label_is_named_with_its_line(luna16: Path) -> None:
    (luna16 / "annotations.csv").write_text(HEADER + "1.2.3,1,2,3,\n")
    with pytest.raises(TrainingError, match=r"annotations\.csv, line 2: diameter_mm"):
        scans_of(luna16, Layout.LUNA16)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    for layout in Layout:
        with pytest.raises(TrainingError, match=str(tmp_path)):
            scans_of(tmp_path, layout)


def test_a_broken_image_is_named(luna16: Path) -> None:
    (luna16 / "subset0" / "1.2.3.raw").write_bytes(b"short")
    with pytest.raises(TrainingError, match=r"1\.2\.3\.mhd: cannot be read"):
        read_case(scans_of(luna16, Layout.LUNA16)[0])


# --- LIDC-IDRI


def lidc_xml(uid: str, readers: int, z_mm: float) -> str:
    """Outline pixels 10..14 of rows and columns on two slices, as so many readers would."""
    ring = [(x, y) for x in range(9, 16) for y in range(9, 16) if x in (9, 15) or y in (9, 15)]
    ring.sort(key=lambda xy: np.arctan2(xy[1] - 12, xy[0] - 12))
    edge = "".join(f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>" for x, y in ring)
    slices = "".join(
        f"<roi><imageZposition>{z}</imageZposition><inclusion>TRUE</inclusion>{edge}</roi>" for z in (z_mm, z_mm + 2.5)
    )
    nodule = f"<unblindedReadNodule><noduleID>1</noduleID>{slices}</unblindedReadNodule>"
    point = "<locus><xCoord>3</xCoord><yCoord>4</yCoord></locus>"
    other = f"<nonNodule><nonNoduleID>2</nonNoduleID><imageZposition>{z_mm}</imageZposition>{point}</nonNodule>"
    sessions = [f"<readingSession>{nodule}{other if n == 0 else ''}</readingSession>" for n in range(readers)]
    header = f"<ResponseHeader><SeriesInstanceUid>{uid}</SeriesInstanceUid></ResponseHeader>"
    return f'<LidcReadMessage xmlns="http://www.nih.gov">{header}{"".join(sessions)}</LidcReadMessage>'


@pytest.fixture
def lidc(tmp_path: Path) -> tuple[Path, str, float]:
    """A folder with a small series; its UID and lowest z."""
    volume = small_phantom((), shape=(6, 32, 32), spacing_kji_mm=(2.5, 11.0, 11.0)).volume
    paths = write_series(ct_datasets(volume, PatientID="P-1"), tmp_path / "P-1" / "series")
    return tmp_path, str(dcmread(paths[0]).SeriesInstanceUID), float(volume.affine[2, 3])


@pytest.mark.parametrize(("readers", "included"), [(1, 0), (2, 0), (3, 1), (4, 1)])
def test_three_readers_make_a_nodule(lidc: tuple[Path, str, float], readers: int, included: int) -> None:
    folder, uid, z = lidc
    (folder / "P-1" / "series" / "001.xml").write_text(lidc_xml(uid, readers, z))
    (scan,) = scans_of(folder, Layout.LIDC)
    assert (scan.patient, len(scan.included), len(scan.excluded)) == ("P-1", included, 2 - included)


def test_the_outline_itself_lies_outside_the_nodule(lidc: tuple[Path, str, float]) -> None:
    folder, uid, z = lidc
    (folder / "all.xml").write_text(lidc_xml(uid, 4, z))
    volume, (nodule,) = read_case(scans_of(folder, Layout.LIDC)[0])
    assert np.allclose(volume.to_index(nodule.center_mm), (0.5, 12, 12), atol=1e-3)
    assert nodule.diameter_mm == pytest.approx((6 / np.pi * 2 * 25 * 2.5 * 11 * 11) ** (1 / 3), abs=1e-3)


def test_a_series_without_its_xml_is_named(lidc: tuple[Path, str, float]) -> None:
    folder, _, z = lidc
    (folder / "other.xml").write_text(lidc_xml("1.2.3", 4, z))
    with pytest.raises(TrainingError, match=r"series: no XML of the readers"):
        scans_of(folder, Layout.LIDC)


def test_two_readings_of_one_series_that_differ_are_refused(lidc: tuple[Path, str, float]) -> None:
    folder, uid, z = lidc
    (folder / "a.xml").write_text(lidc_xml(uid, 4, z))
    (folder / "b.xml").write_text(lidc_xml(uid, 3, z))
    with pytest.raises(TrainingError, match=r"b\.xml: differs from a\.xml"):
        scans_of(folder, Layout.LIDC)


@pytest.mark.parametrize("content", ["<LidcReadMessage", '<!DOCTYPE a [<!ENTITY b "c">]><LidcReadMessage/>'])
def test_broken_or_hostile_xml_is_named(lidc: tuple[Path, str, float], content: str) -> None:
    (lidc[0] / "bad.xml").write_text(content)
    with pytest.raises(TrainingError, match=r"bad\.xml"):
        scans_of(lidc[0], Layout.LIDC)


def test_a_missing_slice_is_said(lidc: tuple[Path, str, float]) -> None:
    folder, uid, z = lidc
    (folder / "all.xml").write_text(lidc_xml(uid, 4, z))
    (folder / "P-1" / "series" / "IM-0003.dcm").unlink()
    with pytest.raises(TrainingError, match="slices are missing"):
        scans_of(folder, Layout.LIDC)


def test_two_nodules_of_one_reader_stay_two_even_if_they_touch() -> None:
    near = [Reading((float(x), 0.0, 0.0), 10.0, 0) for x in (0, 6)]
    included, excluded = consensus(near, "1.2.3")
    assert (len(included), len(excluded)) == (0, 2)


@pytest.mark.parametrize("key", ["lidc-0001", "lidc-0003"])
def test_real_readings_agree_with_the_truth(key: str, shared_data: Path, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(key.replace("-", "_"))
    expected: list[dict[str, Any]] = json.loads((shared_data / "truth.json").read_text())[key]["nodules"]
    (scan,) = scans_of(folder, Layout.LIDC)
    volume, nodules = read_case(scan)
    assert len(nodules) == len(expected)
    for nodule, true in zip(nodules, expected, strict=True):
        assert nodule.center_mm == pytest.approx(true["center_lps_mm"], abs=0.5)
        assert nodule.diameter_mm == pytest.approx(true["diameter_mm"], abs=1.0)
    k, j, i = np.rint(volume.to_index(nodules[0].center_mm)).astype(int)
    assert volume.hu[k, j, i] > -200
    assert split_of(scan.patient) is Split.HELD_OUT


# --- what a run was trained on


def test_the_fingerprint_tells_names_sizes_and_contents_and_not_the_place(tmp_path: Path) -> None:
    for place in ("one", "two"):
        (tmp_path / place / "set").mkdir(parents=True)
        (tmp_path / place / "set" / "a.bin").write_bytes(b"abc")
        (tmp_path / place / "set" / "b.bin").write_bytes(b"def")
    first, second = (fingerprint([tmp_path / place / "set"]) for place in ("one", "two"))
    assert first == second
    (tmp_path / "two" / "set" / "b.bin").write_bytes(b"deg")
    changed = fingerprint([tmp_path / "two" / "set"])
    (tmp_path / "two" / "set" / "b.bin").rename(tmp_path / "two" / "set" / "c.bin")
    assert len({first, changed, fingerprint([tmp_path / "two" / "set"])}) == 3


@pytest.mark.parametrize("made", [True, False])
def test_nothing_has_no_fingerprint(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "set"
    if made:
        folder.mkdir()
    with pytest.raises(TrainingError, match="name the data"):
        fingerprint([folder])


def test_those_who_judge_are_never_trained_on() -> None:
    assert {split_of(name) for name in JUDGES} == {Split.HELD_OUT}


def test_a_scan_keeps_its_voxels_on_disk_until_asked(luna16: Path) -> None:
    scan: Scan = scans_of(luna16, Layout.LUNA16)[0]
    assert scan.image == luna16 / "subset0" / "1.2.3.mhd"
