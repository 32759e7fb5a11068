"""UIDs that break PS3.5 section 9.1 mildly: results bear them byte for byte, and stay in the study they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from models.findings import Findings, Lungs
from node.analysis.analyser import Analyser
from node.assembly.assemble import assemble
from node.assembly.assembled import AssembledSeries
from node.errors import ResultError
from node.job import Job
from node.pipeline import process
from node.results.bundle import Bundle, notice_bundle
from node.results.checks import check
from node.results.forms import Kind
from node.results.legal_values import legal_value
from node.series.instances import is_valid_uid
from tests.all_kinds import every_kind
from tests.result_examples import CONTEXT, SHAPE, SPACING_MM, encoded, example_findings
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
    report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID = "1.02.3"

    with pytest.raises(ResultError, match="is no UID"):
        check([report], source.headers)
