"""Delivery against destinations that behave badly, each in its own way."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import (
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    CTImageStorage,
    EnhancedSRStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from node.delivery.scu import Destination, SendResult, echo, parse_peer, send
from node.delivery.statuses import Outcome, classify
from node.errors import ConfigError, DeliveryError
from tests.delivery_rig import TIMEOUT_S, archive, closed_port, deliver, write_instance


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0x0000, Outcome.STORED),
        (0xB000, Outcome.STORED_WITH_WARNING),
        (0xB007, Outcome.STORED_WITH_WARNING),
        (0xA700, Outcome.RETRY),
        (0xA7FF, Outcome.RETRY),
        (0x0110, Outcome.RETRY),
        (0xA900, Outcome.REFUSED),
        (0xC123, Outcome.REFUSED),
        (0x0122, Outcome.REFUSED),
        (0x0124, Outcome.REFUSED),
        (0x0117, Outcome.REFUSED),
    ],
)
def test_each_class_of_status_has_its_outcome(tmp_path: Path, status: int, outcome: Outcome) -> None:
    with archive(lambda _: status) as destination:
        (result,) = deliver([write_instance(tmp_path)], destination)

    assert (result.outcome, result.status) == (outcome, status)


def test_no_failure_status_counts_as_stored() -> None:
    """PS3.7 Annex C: success is 0000, warnings are 0001, 0107, 0116 and Bxxx; everything else is not stored."""
    stored = {status for status in range(0x10000) if classify(status) in {Outcome.STORED, Outcome.STORED_WITH_WARNING}}

    assert stored == {0x0000, 0x0001, 0x0107, 0x0116, *range(0xB000, 0xC000)}


def test_a_batch_goes_over_one_association_and_arrives_byte_for_byte(tmp_path: Path) -> None:
    files = [write_instance(tmp_path) for _ in range(5)]
    calls: list[Any] = []
    with archive(calls=calls) as destination:
        results = deliver(files, destination)

    assert [result.outcome for result in results] == [Outcome.STORED] * 5
    assert len({association for association, _, _ in calls}) == 1
    assert all(path.read_bytes().endswith(content) for path, (_, _, content) in zip(files, calls, strict=True))


def test_one_refused_instance_does_not_stop_the_others(tmp_path: Path) -> None:
    files = [write_instance(tmp_path) for _ in range(3)]
    bad = files[1].stem
    with archive(lambda event: 0xC000 if event.request.AffectedSOPInstanceUID == bad else 0) as destination:
        results = deliver(files, destination)

    assert [result.outcome for result in results] == [Outcome.STORED, Outcome.REFUSED, Outcome.STORED]


def test_an_object_that_the_archive_chokes_on_does_not_hold_the_others_back(tmp_path: Path) -> None:
    files = [write_instance(tmp_path) for _ in range(4)]

    def abort_at_second(event: Any) -> int:
        if event.request.AffectedSOPInstanceUID == files[1].stem:
            event.assoc.abort()
        return 0x0000

    with archive(abort_at_second) as destination:
        results = deliver(files, destination)

    assert [result.outcome for result in results] == [Outcome.STORED, Outcome.RETRY, *[Outcome.STORED] * 2]
    assert [result.sop_instance_uid for result in results] == [path.stem for path in files]


def test_an_archive_that_ends_every_association_is_left_alone_after_the_third(tmp_path: Path) -> None:
    files = [write_instance(tmp_path) for _ in range(6)]
    tried = []

    def abort(event: Any) -> int:
        tried.append(event.request.AffectedSOPInstanceUID)
        event.assoc.abort()
        return 0x0000

    with archive(abort) as destination:
        results = deliver(files, destination)

    assert [result.outcome for result in results] == [Outcome.RETRY] * 6
    assert tried == [path.stem for path in files[:3]]


def test_a_destination_that_is_down_is_tried_again(tmp_path: Path) -> None:
    (result,) = deliver([write_instance(tmp_path)], Destination("x", "X", "127.0.0.1", closed_port()))

    assert (result.outcome, result.status) == (Outcome.RETRY, None)
    assert "no connection" in result.message


def test_a_wrong_ae_title_is_said_in_the_message(tmp_path: Path) -> None:
    with archive(require_called_aet=True) as destination:
        wrong = Destination("x", "WRONG", destination.host, destination.port)
        (result,) = deliver([write_instance(tmp_path)], wrong)

    assert result.outcome is Outcome.RETRY
    assert "WRONG" in result.message
    assert "rejected" in result.message


def test_a_destination_that_never_answers_the_request_is_tried_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        results: list[SendResult] = []
        destination = Destination("x", "X", "127.0.0.1", silent.getsockname()[1])
        send([write_instance(tmp_path)], destination, calling_ae_title="P", timeout_s=0.2, on_result=results.append)

    assert [result.outcome for result in results] == [Outcome.RETRY]


def test_an_archive_without_segmentations_refuses_only_these(tmp_path: Path) -> None:
    files = [write_instance(tmp_path, SegmentationStorage), write_instance(tmp_path, SecondaryCaptureImageStorage)]
    with archive() as destination:
        results = deliver(files, destination)

    assert [result.outcome for result in results] == [Outcome.REFUSED, Outcome.STORED]
    assert "accepts no Segmentation Storage" in results[0].message


def test_an_archive_that_takes_nothing_of_ours_is_not_asked_again(tmp_path: Path) -> None:
    with archive() as destination:
        (result,) = deliver([write_instance(tmp_path, SegmentationStorage)], destination)

    assert result.outcome is Outcome.REFUSED
    assert "accepts no Segmentation Storage" in result.message


FORMS = (Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage, BasicTextSRStorage)


def offer(forms: list[Path], destination: Destination, *others: Path) -> list[SendResult]:
    """Send the first of several forms of one report, the others behind it, and further files."""
    results: list[SendResult] = []
    send(
        [forms[0], *others],
        destination,
        calling_ae_title="PULMONODE",
        timeout_s=TIMEOUT_S,
        on_result=results.append,
        other_forms={forms[0]: forms[1:]},
    )
    return results


@pytest.mark.parametrize("place", range(4))
def test_the_first_form_that_is_taken_is_sent_over_the_same_association(tmp_path: Path, place: int) -> None:
    forms = [write_instance(tmp_path, sop_class) for sop_class in FORMS]
    calls: list[Any] = []
    with archive(classes=(*FORMS[place:], CTImageStorage), calls=calls) as destination:
        results = offer(forms, destination, write_instance(tmp_path))

    assert [result.path for result in results[:-1]] == forms[: place + 1]
    assert [result.outcome for result in results] == [*[Outcome.REFUSED] * place, Outcome.STORED, Outcome.STORED]
    assert all(result.is_about_class for result in results[:place])
    assert len({association for association, _, _ in calls}) == 1
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("status", "is_next_tried"),
    [(0x0122, True), (0xA900, True), (0xC000, True), (0x0111, False), (0x0124, False), (0xA700, False)],
)
def test_another_form_follows_only_a_refusal_of_this_one(tmp_path: Path, status: int, is_next_tried: bool) -> None:
    """A duplicate is there already, out of resources passes: another form would be a second report."""
    forms = [write_instance(tmp_path, sop_class) for sop_class in FORMS[:2]]
    first = forms[0].stem
    with archive(lambda e: status if e.request.AffectedSOPInstanceUID == first else 0, classes=FORMS) as destination:
        results = offer(forms, destination)

    assert len(results) == (2 if is_next_tried else 1)
    assert (results[-1].outcome is Outcome.STORED) == is_next_tried


@pytest.mark.parametrize("classes", [(CTImageStorage,), ()])
def test_a_destination_that_takes_no_form_refuses_each(tmp_path: Path, classes: tuple[str, ...]) -> None:
    forms = [write_instance(tmp_path, sop_class) for sop_class in FORMS]
    with archive(classes=classes) as destination:
        results = offer(forms, destination)

    assert [(result.path, result.outcome) for result in results] == [(form, Outcome.REFUSED) for form in forms]
    assert "accepts no Basic Text SR" in results[-1].message


def test_a_destination_that_is_down_has_refused_no_form(tmp_path: Path) -> None:
    forms = [write_instance(tmp_path, sop_class) for sop_class in FORMS]
    (result,) = offer(forms, Destination("x", "X", "127.0.0.1", closed_port()))

    assert (result.path, result.outcome, result.is_about_class) == (forms[0], Outcome.RETRY, False)


def test_echo_is_answered() -> None:
    with archive() as destination:
        echo(destination, "PULMONODE", TIMEOUT_S)


@pytest.mark.parametrize(("fault", "words"), [("down", "no connection"), ("title", "rejected"), ("silent", "in time")])
def test_echo_says_in_one_line_what_is_wrong(fault: str, words: str) -> None:
    with archive(require_called_aet=True) as good, socket.create_server(("127.0.0.1", 0)) as silent:
        port = {"down": closed_port(), "title": good.port, "silent": silent.getsockname()[1]}[fault]
        with pytest.raises(DeliveryError) as caught:
            echo(Destination("x", "WRONG", "127.0.0.1", port), "PULMONODE", 0.5)

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.may_retry


def test_a_peer_is_read_from_the_command_line() -> None:
    assert parse_peer("ORTHANC@pacs.example:4242") == Destination(
        "ORTHANC@pacs.example:4242", "ORTHANC", "pacs.example", 4242
    )
    assert parse_peer("A B@[::1]:104").host == "::1"


@pytest.mark.parametrize(
    "text", ["", "ORTHANC", "ORTHANC@host", "@host:104", "A@host:0", "A@host:70000", "A" * 17 + "@h:1"]
)
def test_a_malformed_peer_is_explained(text: str) -> None:
    with pytest.raises(ConfigError, match="AET@host:port"):
        parse_peer(text)
