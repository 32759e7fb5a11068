"""UIDs that break PS3.5 section 9.1 mildly: results bear them byte for byte, and stay in the study they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import UID

from node.analysis.analyser import Analyser
from node.analysis.choice import ModelChoice
from node.assembly.assemble import assemble
from node.errors import ResultError
from node.job import Job
from node.pipeline import process
from node.results.checks import check
from node.results.forms import Kind
from node.results.legal_values import legal_value
from node.series.instances import is_valid_uid
from tests.all_kinds import every_kind
from tests.result_examples import SHAPE, SPACING_MM, encoded, example_findings
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_small import small_phantom

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR UI")

LONGEST = "1.2.826.0.1.3680043.10." + "0" * 40 + "7"  # 64 characters


@dataclass(frozen=True)
class Uids:
    """How one sender writes its UIDs; None leaves what the phantom has."""

    study: str | None = None
    series: str | None = None
    instance: Callable[[int], str] | None = None
    frame_of_reference: str | None = None

    def write_into(self, datasets: list[Dataset]) -> None:
        for number, dataset in enumerate(datasets):
            for keyword, uid in (
                ("StudyInstanceUID", self.study),
                ("SeriesInstanceUID", self.series),
                ("FrameOfReferenceUID", self.frame_of_reference),
                ("SOPInstanceUID", self.instance and self.instance(number)),
            ):
                if uid is not None:
                    setattr(dataset, keyword, uid)
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID


VARIANTS = {
    "study": Uids(study="1.2.826.0.1.3680043.10.777.007"),
    "series": Uids(series="1.2.840.113619.2.00.1"),
    "instances": Uids(instance=lambda n: f"1.2.826.0.1.3680043.10.777.0{n:03d}"),
    "frame of reference": Uids(frame_of_reference="1.03.5"),
    "all of them": Uids("01.2.3", "1.02.3", lambda n: f"1.2.003.{n:05d}", "1.2.3.00"),
    "longest": Uids(study=LONGEST, series=LONGEST[:-1] + "8"),
    "one component": Uids(study="20260105", series="4711", instance=lambda n: f"{n + 1:06d}", frame_of_reference="12"),
    "no root": Uids(study="9.8.7", series="0.0", instance=lambda n: f"00.{n}"),
}


def archived(uids: Uids) -> list[Dataset]:
    datasets = ct_datasets(small_phantom(shape=SHAPE, spacing_kji_mm=SPACING_MM).volume)
    uids.write_into(datasets)
    return datasets


def identities(dataset: Dataset, keyword: str) -> Iterator[str]:
    """Every value of an attribute, at any depth."""
    for element in dataset.iterall():
        if element.keyword == keyword:
            yield str(element.value)


def read_back(made: dict[str, list[Dataset]]) -> dict[str, list[Dataset]]:
    return {kind: [dcmread(BytesIO(encoded(dataset))) for dataset in datasets] for kind, datasets in made.items()}


@pytest.mark.parametrize("name", VARIANTS)
def test_results_bear_the_uids_of_the_source_byte_for_byte(name: str) -> None:
    datasets = archived(VARIANTS[name])
    source = assemble(datasets)
    made = every_kind(source, example_findings(source.volume, 1))

    for is_notice in (False, True):
        chosen = [datasets for kind, datasets in made.items() if kind.startswith("NOTICE") is is_notice]
        check([dataset for datasets in chosen for dataset in datasets], source.headers)
    study, frame = str(datasets[0].StudyInstanceUID), str(datasets[0].FrameOfReferenceUID)
    ours = {str(dataset.SOPInstanceUID) for found in made.values() for dataset in found}
    theirs = {str(dataset.SOPInstanceUID) for dataset in datasets}
    for kind, found in read_back(made).items():
        for dataset in found:
            assert str(dataset.StudyInstanceUID) == study, kind
            assert set(identities(dataset, "StudyInstanceUID")) == {study}, kind
            assert set(identities(dataset, "FrameOfReferenceUID")) <= {frame}, kind
            assert set(identities(dataset, "ReferencedFrameOfReferenceUID")) <= {frame}, kind
            assert set(identities(dataset, "ReferencedSOPInstanceUID")) <= theirs | ours, kind
    assert set(made) >= {Kind.SR, Kind.SEG, Kind.SEG_LABELMAP, Kind.SC, Kind.SC_MULTI, Kind.PR, Kind.KO, Kind.PDF}


@pytest.mark.parametrize("kind", [Kind.SR, Kind.SEG, Kind.SEG_LABELMAP, Kind.SC, Kind.KO, Kind.PR, Kind.NOTICE])
def test_references_name_the_series_and_instances_as_the_archive_has_them(kind: Kind) -> None:
    datasets = archived(VARIANTS["all of them"])
    source = assemble(datasets)
    made = every_kind(source, example_findings(source.volume, 1))
    theirs = {str(dataset.SOPInstanceUID) for dataset in datasets}

    (first, *_) = read_back(made)[kind]

    assert set(identities(first, "ReferencedSOPInstanceUID")) & theirs
    if kind is not Kind.SC:
        assert "1.02.3" in set(identities(first, "SeriesInstanceUID"))


def test_what_reception_takes_is_legal_in_results() -> None:
    for uid in ("1.2.3", "1.02.3", "1", "01", LONGEST):
        header = Dataset()
        header.FrameOfReferenceUID = uid
        assert is_valid_uid(uid)
        assert legal_value(header, "FrameOfReferenceUID") == uid


def test_our_own_uids_are_exact_whatever_the_source_has() -> None:
    source = assemble(archived(VARIANTS["study"]))
    (report,) = every_kind(source, example_findings(source.volume, 1))[Kind.SR]
    report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID = UID("1.02.3")

    with pytest.raises(ResultError, match="is no UID"):
        check([report], source.headers)


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser.create("cpu", None, ModelChoice(Path("none"), lungs="rules", detector="rules", malignancy=None))


def job_on(files: tuple[Path, ...], output: Path) -> Job:
    return Job(files, output, "0" * 64, datetime(2026, 1, 5, tzinfo=UTC), "1", "TEST")


@pytest.mark.parametrize("refusal", [None, ("NO_SUITABLE_SERIES", "a reason")])
def test_report_and_notice_stand_in_the_study_of_the_archive(
    analyser: Analyser, tmp_path: Path, refusal: tuple[str, str] | None
) -> None:
    uids = VARIANTS["all of them"]
    files = tuple(write_series(archived(uids), tmp_path / "in"))

    bundle = process(replace(job_on(files, tmp_path / "out"), refusal=refusal), analyser)

    assert bundle.code == (refusal[0] if refusal else None)
    assert bundle.report["study_instance_uid"] == uids.study
    assert bundle.report["series_instance_uid"] == uids.series
    assert {str(dataset.StudyInstanceUID) for _, dataset in bundle.objects} == {uids.study}


@pytest.mark.parametrize("content", [None, b"", b"no DICOM at all", bytes(132) + b"DICM"])
@pytest.mark.parametrize("refusal", [None, ("SLICE_GAP", "a gap")])
def test_nothing_is_made_for_a_study_that_no_file_names(
    analyser: Analyser, tmp_path: Path, content: bytes | None, refusal: tuple[str, str] | None
) -> None:
    path = tmp_path / "damaged.dcm"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ResultError, match="nothing is sent"):
        process(replace(job_on((path,), tmp_path / "out"), refusal=refusal), analyser)
    assert not (tmp_path / "out").exists()


def test_a_study_uid_that_no_archive_can_have_gives_nothing_even_where_a_notice_may_stand_alone(
    analyser: Analyser, tmp_path: Path
) -> None:
    files = tuple(write_series(archived(Uids(study="1.2.A.3")), tmp_path / "in"))
    job = replace(job_on(files, tmp_path / "out"), refusal=("SLICE_GAP", "a gap"), may_stand_alone=True)

    with pytest.raises(ResultError, match="nothing is sent"):
        process(job, analyser)
