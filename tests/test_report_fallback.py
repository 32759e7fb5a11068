"""From findings to destinations that take only some forms of the report: each gets its own, all are delivered."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import (
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EncapsulatedPDFStorage,
    EnhancedSRStorage,
    JPEGBaseline8Bit,
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from node.config import Settings
from node.delivery.scu import Destination, echo
from node.errors import DeliveryError
from node.ledger.ledger import Ledger
from node.ledger.records import DeliveryState
from node.results.bundle import Bundle, analysed_bundle, notice_bundle, write_bundle
from node.series.retry import RetryPolicy
from node.series.states import SeriesState
from node.service import kinds_for, recipients_of
from node.tasks.delivering import DeliveryTask
from node.worker import described
from tests.conftest import skip_or_fail
from tests.delivery_rig import archive, closed_port
from tests.result_examples import CONTEXT, example_findings, phantom_series
from tests.tasks_rig import START, Node, at, slices

POLICY = RetryPolicy(attempts=3, first_wait_s=30, longest_wait_s=600)
PICTURES = (SecondaryCaptureImageStorage, SegmentationStorage)
SERIES = phantom_series()
FINDINGS = example_findings(SERIES.volume)


@dataclass
class AnalysingNode(Node):
    """The rig with a worker that makes real results of hand-made findings."""

    refused: tuple[str, str] | None = None

    def ask(self, job: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Stand for the worker."""
        if self.refused:
            bundle = notice_bundle(SERIES.headers, *self.refused, CONTEXT, job["kinds"])
        else:
            bundle = analysed(tuple(job["kinds"]))
        write_bundle(bundle, Path(job["output"]))
        return described(bundle, 1.0)


@cache
def analysed(kinds: tuple[str, ...]) -> Bundle:
    return analysed_bundle(SERIES, FINDINGS, CONTEXT, kinds=kinds, neighbours=0, clock=time.perf_counter)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[AnalysingNode]:
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield AnalysingNode(ledger, tmp_path)
    ledger.close()


def settings_for(destinations: dict[str, dict[str, Any]], **results: Any) -> Settings:
    entries = [
        {"name": name, "ae_title": "ARCHIVE", "host": "127.0.0.1", "port": 104, "results": forms}
        for name, forms in destinations.items()
    ]
    return Settings.model_validate({"destinations": entries, "results": results})


def analyse(node: AnalysingNode, settings: Settings) -> None:
    recipients = recipients_of(settings)
    node.receive(slices("1.1"), START)
    node.complete(at(1))
    node.analyse(at(2), recipients=recipients, kinds=kinds_for(settings, recipients))


def deliver(node: AnalysingNode, name: str, destination: Destination, seconds: float = 10) -> None:
    named = Destination(name, destination.ae_title, destination.host, destination.port)
    task = DeliveryTask(node.ledger.deliveries, named, "PULMONODE", node.folder, POLICY, 10, jitter=lambda: 0.5)
    task.loop(at(seconds))


def deliver_to(node: AnalysingNode, name: str, *classes: str, **options: Any) -> list[Dataset]:
    """Deliver to a destination that takes these classes; give what it got."""
    calls: list[Any] = []
    with archive(classes=classes, calls=calls, **options) as destination:
        deliver(node, name, destination)
    return [dcmread(BytesIO(content), force=True) for _, _, content in calls]


def classes_of(datasets: Sequence[Dataset]) -> set[str]:
    return {str(dataset.SOPClassUID) for dataset in datasets}


@pytest.mark.parametrize(
    "taken", [Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage, BasicTextSRStorage]
)
def test_a_destination_gets_the_one_form_that_it_takes(node: AnalysingNode, taken: str) -> None:
    analyse(node, settings_for({"pacs": {}}))
    got = deliver_to(node, "pacs", taken, *PICTURES)
    assert classes_of(got) == {taken, *PICTURES}
    (report,) = [dataset for dataset in got if dataset.SOPClassUID == taken]
    assert "Demonstration and research, not for diagnosis" in str(report)
    assert node.series("1.1").state is SeriesState.DELIVERED


def test_of_several_forms_that_it_takes_a_destination_gets_the_preferred_one(node: AnalysingNode) -> None:
    analyse(node, settings_for({"pacs": {"report": ["enhanced", "comprehensive", "basic_text"]}}))
    got = deliver_to(node, "pacs", ComprehensiveSRStorage, BasicTextSRStorage, *PICTURES)
    assert classes_of(got) == {ComprehensiveSRStorage, *PICTURES}


def test_each_destination_gets_exactly_its_forms(node: AnalysingNode) -> None:
    clinic = {"report": ["basic_text"], "segmentation": "none", "compression": "jpeg", "pdf": True, "key_objects": True}
    analyse(node, settings_for({"pacs": {}, "clinic": clinic}))
    everything = (
        Comprehensive3DSRStorage,
        BasicTextSRStorage,
        EncapsulatedPDFStorage,
        KeyObjectSelectionDocumentStorage,
        *PICTURES,
    )
    pacs = deliver_to(node, "pacs", *everything)
    assert classes_of(pacs) == {Comprehensive3DSRStorage, *PICTURES}
    assert node.series("1.1").state is SeriesState.ANALYSED, "the other destination has nothing yet"
    got = deliver_to(node, "clinic", *everything, syntaxes=("1.2.840.10008.1.2.1", JPEGBaseline8Bit))
    assert classes_of(got) == {*everything} - {Comprehensive3DSRStorage, SegmentationStorage}
    pictures = [dataset for dataset in got if dataset.SOPClassUID == SecondaryCaptureImageStorage]
    assert {picture.PhotometricInterpretation for picture in pictures} == {"YBR_FULL_422"}
    assert not {str(one.SOPInstanceUID) for one in pacs} & {str(one.SOPInstanceUID) for one in got}
    assert node.series("1.1").state is SeriesState.DELIVERED


def test_a_destination_that_takes_no_report_is_shown_and_the_series_not_delivered(node: AnalysingNode) -> None:
    analyse(node, settings_for({"pacs": {}}))
    assert classes_of(deliver_to(node, "pacs", *PICTURES)) == {*PICTURES}
    (trouble,) = node.ledger.deliveries.troubled()
    assert "accepts no Basic Text SR" in str(trouble.message)
    assert node.series("1.1").state is SeriesState.ANALYSED
    node.ledger.put_back("pacs", at(20))
    with archive(classes=(ComprehensiveSRStorage,)) as destination:
        deliver(node, "pacs", destination, 30)
    assert node.series("1.1").state is SeriesState.DELIVERED


def test_a_notice_falls_back_as_the_report_does(node: AnalysingNode) -> None:
    node.refused = ("SLICE_GAP", "a gap of 10 mm")
    analyse(node, settings_for({"pacs": {}}))
    got = deliver_to(node, "pacs", BasicTextSRStorage, SecondaryCaptureImageStorage)
    assert classes_of(got) == {BasicTextSRStorage, SecondaryCaptureImageStorage}
    assert "not a negative result" in str(got)
    assert node.ledger.deliveries.open_count("1.1") == 0
    assert node.series("1.1").state is SeriesState.REFUSED


def test_a_destination_that_was_down_still_gets_its_form_later(node: AnalysingNode) -> None:
    analyse(node, settings_for({"pacs": {}}))
    deliver(node, "pacs", Destination("pacs", "ARCHIVE", "127.0.0.1", closed_port()))
    with archive(classes=(EnhancedSRStorage, *PICTURES)) as destination:
        deliver(node, "pacs", destination, 60)
    assert node.series("1.1").state is SeriesState.DELIVERED


def test_a_node_that_stopped_between_two_forms_goes_on_with_the_second(node: AnalysingNode) -> None:
    analyse(node, settings_for({"pacs": {"segmentation": "none", "captures": "none"}}))
    (first,) = node.ledger.deliveries.due("pacs", at(10))
    node.ledger.deliveries.record_answer(
        first, DeliveryState.NOT_TAKEN, at(10), status=None, message="no context", next_attempt_at=None
    )
    got = deliver_to(node, "pacs", Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage)
    assert classes_of(got) == {ComprehensiveSRStorage}
    assert node.series("1.1").state is SeriesState.DELIVERED


def test_a_report_missing_for_somebody_becomes_a_notice(node: AnalysingNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the worker made has no form for the clinic: it must hear that, not nothing."""
    settings = settings_for({"pacs": {"report": ["comprehensive_3d"]}, "clinic": {"report": ["basic_text"]}})
    kinds = tuple(kind for kind in kinds_for(settings, recipients_of(settings)) if kind != "SR-TEXT")
    node.receive(slices("1.1"), START)
    node.complete(at(1))
    node.analyse(at(2), recipients=recipients_of(settings), kinds=kinds)
    node.refused = (str(node.series("1.1").refusal_code), str(node.series("1.1").reason))
    assert "clinic" in node.refused[1]
    node.analyse(at(3), recipients=recipients_of(settings), kinds=kinds)
    assert node.series("1.1").state is SeriesState.FAILED
    assert classes_of(deliver_to(node, "clinic", BasicTextSRStorage)) == {BasicTextSRStorage}


PROFILE = """[[TransferSyntaxes]]
[Plain]
TransferSyntax1 = LittleEndianExplicit
TransferSyntax2 = LittleEndianImplicit
[[PresentationContexts]]
[Taken]
PresentationContext1 = VerificationSOPClass\\Plain
PresentationContext2 = {report}\\Plain
PresentationContext3 = SegmentationStorage\\Plain
PresentationContext4 = SecondaryCaptureImageStorage\\Plain
[[Profiles]]
[Default]
PresentationContexts = Taken
"""


@contextmanager
def storescp(folder: Path, report: str) -> Iterator[Destination]:
    """DCMTK's receiver, taking one class of report, segmentations and pictures."""
    program = shutil.which("storescp")
    if program is None:
        skip_or_fail("storescp is not installed")
    folder.mkdir()
    (folder / "profile.cfg").write_text(PROFILE.format(report=report))
    destination = Destination("pacs", "ARCHIVE", "127.0.0.1", closed_port())
    command = [str(program), "-od", str(folder), "-xf", str(folder / "profile.cfg"), "Default", str(destination.port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_up(destination))
        yield destination
    finally:
        process.terminate()
        process.wait(10)


def is_up(destination: Destination) -> bool:
    try:
        echo(destination, "PULMONODE", 5)
    except DeliveryError:
        return False
    return True


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        signal.sigtimedwait([], 0.05)  # let the other one work


@pytest.mark.parametrize(
    ("name", "sop_class"),
    [
        ("ComprehensiveSRStorage", ComprehensiveSRStorage),
        ("EnhancedSRStorage", EnhancedSRStorage),
        ("BasicTextSRStorage", BasicTextSRStorage),
    ],
)
def test_storescp_gets_the_one_form_that_it_takes(
    node: AnalysingNode, tmp_path: Path, name: str, sop_class: str
) -> None:
    analyse(node, settings_for({"pacs": {}}))
    with storescp(tmp_path / "got", name) as destination:
        deliver(node, "pacs", destination)
    got = [dcmread(path) for path in (tmp_path / "got").iterdir() if path.name != "profile.cfg"]
    assert classes_of(got) == {sop_class, *PICTURES}
    assert node.series("1.1").state is SeriesState.DELIVERED
