"""Foreign programs on de-identified objects: dciodvfy says nothing that it did not say of the original."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from node.assembly.assembled import AssembledSeries
from node.deidentification.engine import deidentify
from node.deidentification.plan import Rules
from node.deidentification.profile import Dates, Options
from node.deidentification.pseudonyms import Pseudonyms
from node.errors import DeidentificationError
from node.malformed import MALFORMED
from node.results.segmentation import build_segmentation
from node.results.structured_report import build_report
from tests.conftest import SHARED_DATA, skip_or_fail, tool
from tests.deidentification_examples import encoded
from tests.result_examples import CONTEXT, example_findings
from training.phantom_dicom import ct_datasets
from training.phantom_small import small_phantom

GOLD = SHARED_DATA.parent / "gold"
RESEARCH = Options(
    patient_characteristics=True,
    dates=Dates.MODIFIED,
    clean_descriptors=True,
    clean_structured_content=True,
    clean_graphics=True,
)
CHOICES = {
    "profile": Options(),
    "research": RESEARCH,
    "full": Options(dates=Dates.FULL, device_identity=True, institution_identity=True, safe_private=True),
}
PSEUDONYMS = Pseudonyms(bytes(range(32)))
# Table E.1-1 says X, plainly, for two attributes that a presentation state must have.
ASKED_BY_THE_TABLE = tuple(
    f"Error - Missing attribute Type 1 Required Element=<PresentationCreation{what}>" for what in ("Date", "Time")
)


def complaints(dataset: Dataset, path: Path) -> set[str]:
    """The errors of dciodvfy, without the values that it quotes: these are others afterwards."""
    path.write_bytes(encoded(dataset))
    done = subprocess.run([tool("dciodvfy"), str(path)], capture_output=True, text=True, timeout=100, check=False)
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    return {line.split("=")[0] if "Value" in line else line for line in lines}


def check(dataset: Dataset, options: Options, folder: Path) -> None:
    before = complaints(dataset, folder / "before.dcm")
    after = complaints(deidentify(dataset, Rules(options), PSEUDONYMS), folder / "after.dcm")
    assert {line for line in after - before if not line.startswith(ASKED_BY_THE_TABLE)} == set()


@pytest.fixture(scope="module")
def objects(series: AssembledSeries) -> dict[str, Dataset]:
    findings = example_findings(series.volume)
    segmentation = build_segmentation(series, findings, CONTEXT)
    volume = small_phantom((), (4, 110, 130), (7.0, 2.8, 2.6)).volume
    return {
        "CT": ct_datasets(volume)[0],
        "SEG": segmentation,
        "SR": build_report(series, findings, segmentation, CONTEXT),
    }


@pytest.mark.parametrize("options", CHOICES.values(), ids=CHOICES)
@pytest.mark.parametrize("kind", ["CT", "SEG", "SR"])
def test_dciodvfy_finds_no_new_error(kind: str, options: Options, objects: dict[str, Dataset], tmp_path: Path) -> None:
    check(objects[kind], options, tmp_path)


@pytest.mark.parametrize("options", CHOICES.values(), ids=CHOICES)
@pytest.mark.parametrize("name", ["sr", "sr_none", "seg", "gsps", "ko", "pdf", "sc020"])
def test_dciodvfy_finds_no_new_error_in_objects_of_others(name: str, options: Options, tmp_path: Path) -> None:
    path = GOLD / f"{name}.dcm"
    if not path.is_file():
        skip_or_fail("the objects of another program (shared/gold beside the repository) are not here")
    check(dcmread(path), options, tmp_path)


def test_dciodvfy_would_find_what_is_not_valid(objects: dict[str, Dataset], tmp_path: Path) -> None:
    """The control: without it, silence of the validator would prove nothing."""
    out = deidentify(objects["CT"], Rules(), PSEUDONYMS)
    del out.StudyInstanceUID
    assert complaints(out, tmp_path / "ct.dcm") - complaints(objects["CT"], tmp_path / "before.dcm")


def test_dciodvfy_finds_no_new_error_in_real_slices(lidc_0001: Path, tmp_path: Path) -> None:
    for path in sorted(lidc_0001.rglob("*.dcm"))[::60]:
        for options in CHOICES.values():
            check(dcmread(path), options, tmp_path)


@pytest.mark.filterwarnings("ignore")  # pydicom warns of every oddity
def test_every_odd_file_is_de_identified_and_reread_or_refused(odd_dicom: Path, tmp_path: Path) -> None:
    rules, out, refused, read = Rules(RESEARCH), 0, 0, 0
    for path in sorted(path for path in odd_dicom.rglob("*") if path.is_file()):
        dataset = readable(path)
        if dataset is None:
            continue
        read += 1
        try:
            left = deidentify(dataset, rules, PSEUDONYMS)
        except DeidentificationError as refusal:
            refused += refusal.code in {"NOT_AN_INSTANCE", "UNREADABLE"}
            continue
        out += is_as_good_after_a_file(left, tmp_path / "out.dcm")
    assert out > 150
    assert 0 < refused + out <= read


def readable(path: Path) -> Dataset | None:
    try:
        return dcmread(path)
    except MALFORMED:
        return None


def is_as_good_after_a_file(left: Dataset, path: Path) -> bool:
    """Write and read; what cannot be written (a transfer syntax is missing) is the shell's to refuse."""
    try:
        left.save_as(path, enforce_file_format=True)
    except MALFORMED:
        return False
    again = dcmread(path)
    assert again.PatientIdentityRemoved == "YES"
    return bool(again.SOPInstanceUID == left.SOPInstanceUID)
