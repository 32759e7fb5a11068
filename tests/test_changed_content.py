"""The same SOP Instance UID again, changed: what takes its place, what is refused, and what a crash leaves."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
)

from node import durable
from node.errors import ContentConflict, LedgerError, OutOfResources
from node.ledger.instances import InstanceLedger
from node.ledger.schema import replaced
from node.reception import instance_store
from node.series.corrections import WhenChanged
from tests.changed_rig import SERIES, Site, changed, site_at, slice_of
from tests.reception_rig import encoded
from tests.tasks_rig import at

site = pytest.fixture(site_at)

RIGHT: dict[str, Any] = {"PatientName": "Right^Name", "PatientID": "RIGHT-1", "AccessionNumber": "ACC9"}
# How it is written, and traces of handling: they may differ beside a correction and are none.
NOT_NAMED = {"SpecificCharacterSet", "OriginalAttributesSequence", "NumberOfStudyRelatedInstances"}


def request(uid: str) -> Dataset:
    item = Dataset()
    item.RequestedProcedureID = uid
    return item


@pytest.mark.parametrize(
    "correction",
    [
        {"PatientName": "Right^Name"},
        {"PatientID": "RIGHT-1", "AccessionNumber": "ACC9"},
        {"PatientBirthDate": "19610101", "PatientSex": "F", "PatientAge": "064Y", "IssuerOfPatientID": "HOSPITAL"},
        {"PatientName": "Müller^Jürgen", "SpecificCharacterSet": "ISO_IR 192"},
        {"PatientName": None, "OtherPatientIDsSequence": [request("1")]},
        {"StudyDescription": "CT chest", "StudyDate": "20260301", "StudyID": "7", "ReferringPhysicianName": "Roe^A"},
        {"RequestAttributesSequence": [request("R1")], "InstitutionName": "St. Elsewhere"},
        {"AdmissionID": "3", "RequestedProcedureDescription": "Thorax", "ClinicalTrialSubjectID": "S1"},
        {"StudyInstanceUID": "1.2.77"},
        {"PatientID": "RIGHT-1", "OriginalAttributesSequence": [request("1")], "NumberOfStudyRelatedInstances": 12},
    ],
    ids=lambda correction: "+".join(correction),
)
def test_a_corrected_instance_takes_the_place_of_the_one_before(site: Site, correction: dict[str, Any]) -> None:
    before = slice_of()
    after = changed(before, **correction)
    site.receive(before)

    site.receive(after, at(30), calling="RIS")

    assert site.stored(before) == after
    assert len(site.files()) == 2, "the old bytes stay until retention"
    (found,) = site.ledger.instances.corrections()
    assert set(found.attributes) == correction.keys() - NOT_NAMED
    assert (found.instances, found.calling_ae_titles, found.last_at) == (1, ("RIS",), at(30))


def test_what_it_replaced_is_still_on_disk_and_known(site: Site) -> None:
    before = slice_of()
    site.receive(before, calling="CT1")
    old = site.row(before)

    site.receive(changed(before, **RIGHT), at(30))

    with site.ledger.engine.connect() as connection:
        kept = connection.execute(replaced.select()).mappings().one()
    same = ("sha256", "size", "path", "transfer_syntax_uid", "calling_ae_title", "received_at", "series_instance_uid")
    assert [kept[name] for name in same] == [old[name] for name in same]
    assert (kept["replaced_at"], kept["replaced_by"]) == (at(30), "PACS")
    assert (site.folder / kept["path"]).is_file()


def other_private(dataset: Dataset) -> Dataset:
    dataset.private_block(0x0009, "SOMEBODY", create=True).add_new(1, "LO", "stamp")
    return dataset


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"PixelData": b"\1" * 512}, "pixels (PixelData)"),
        ({"PixelData": b"\0" * 510 + b"\1\0"}, "pixels (PixelData)"),
        ({"PixelData": b"\0" * 514}, "pixels (PixelData)"),
        ({"Rows": 8, "Columns": 32}, "pixels (Rows, Columns)"),
        ({"PixelRepresentation": 1}, "pixels (PixelRepresentation)"),
        ({"ImagePositionPatient": [0, 0, 2.6]}, "place or scale of the image (ImagePositionPatient)"),
        ({"ImageOrientationPatient": [-1, 0, 0, 0, 1, 0]}, "place or scale of the image (ImageOrientationPatient)"),
        ({"PixelSpacing": [0.7, 0.71]}, "place or scale of the image (PixelSpacing)"),
        ({"FrameOfReferenceUID": "1.2.10"}, "place or scale of the image (FrameOfReferenceUID)"),
        ({"RescaleIntercept": "-1000"}, "place or scale of the image (RescaleIntercept)"),
        ({"RescaleSlope": None}, "place or scale of the image (RescaleSlope)"),
        ({"PixelPaddingValue": 0}, "place or scale of the image (PixelPaddingValue)"),
        ({"AnatomicalOrientationType": "QUADRUPED"}, "place or scale of the image (AnatomicalOrientationType)"),
        ({"SeriesInstanceUID": "1.2.3.5"}, "class, series or kind of image (SeriesInstanceUID)"),
        ({"ImageType": ["DERIVED", "SECONDARY"]}, "class, series or kind of image (ImageType)"),
        ({"SeriesDescription": "Secret"}, "other attributes (SeriesDescription)"),
        ({"KVP": "120", "ConvolutionKernel": "B30f"}, "other attributes (KVP, ConvolutionKernel)"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("beside", [{}, RIGHT], ids=["alone", "beside a correction"])
def test_anything_else_that_differs_is_refused_by_name_and_the_first_stays(
    site: Site, change: dict[str, Any], words: str, beside: dict[str, Any]
) -> None:
    before = slice_of()
    site.receive(before)
    with pytest.raises(ContentConflict) as refused:
        site.receive(changed(before, **change, **beside), at(30))

    assert words in str(refused.value)
    assert not any(secret in str(refused.value) for secret in ("Secret", "RIGHT", "Right", "ACC9"))
    assert site.stored(before) == before
    assert len(site.files()) == 1
    assert site.ledger.instances.corrections() == ()


def test_traces_of_handling_may_change_beside_a_correction_and_not_alone(site: Site) -> None:
    before = slice_of()
    site.receive(before)
    with pytest.raises(ContentConflict, match=r"other attributes \(OriginalAttributesSequence\)"):
        site.receive(changed(before, OriginalAttributesSequence=[request("1")]))
    with pytest.raises(ContentConflict, match=r"other attributes \(\(0009,0010\), \(0009,1001\)\)"):
        site.receive(other_private(changed(before)))

    after = other_private(changed(before, **RIGHT))
    site.receive(after, at(30))

    assert site.stored(before) == after


@pytest.mark.parametrize("when", list(WhenChanged))
@pytest.mark.parametrize(
    ("syntax", "again"),
    [
        (ExplicitVRLittleEndian, ImplicitVRLittleEndian),
        (ImplicitVRLittleEndian, ExplicitVRLittleEndian),
        (ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian),
        (DeflatedExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian),
    ],
)
def test_the_same_values_encoded_otherwise_are_the_same_instance(
    site: Site, syntax: str, again: str, when: WhenChanged
) -> None:
    site.when_changed = when
    site.restart()
    item = request("1 ")
    before = slice_of(PatientName="Muller^Jurgen", RequestAttributesSequence=[item], StudyID="1")
    site.receive(before, syntax=syntax)
    row = site.row(before)

    same = changed(before, SpecificCharacterSet="ISO_IR 192", SliceThickness="2.50", StudyID="1 ", PatientComments="")
    same["RequestAttributesSequence"].is_undefined_length = True
    site.receive(same, at(30), syntax=again)

    assert site.row(before) == row
    assert len(site.files()) == 1


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian]
)
def test_a_correction_is_taken_in_every_encoding(site: Site, syntax: str) -> None:
    before = slice_of()
    site.receive(before, syntax=syntax)
    site.receive(changed(before, **RIGHT), at(30), syntax=syntax)
    assert site.stored(before).PatientID == "RIGHT-1"


def test_the_same_bytes_in_another_character_set_are_another_name(site: Site) -> None:
    before = slice_of(SpecificCharacterSet="ISO_IR 100", PatientName="Østergård")
    site.receive(before)
    site.receive(before, at(30), data=encoded(before).replace(b"ISO_IR 100", b"ISO_IR 101"))
    (found,) = site.ledger.instances.corrections()
    assert found.attributes == ("PatientName",)


def compressed(dataset: Dataset, fragment: bytes) -> Dataset:
    other = changed(dataset, PixelData=b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\x04\0\0\0" + fragment)
    other["PixelData"].VR, other["PixelData"].is_undefined_length = "OB", True
    return other


def test_compressed_pixels_are_compared_as_they_are(site: Site) -> None:
    before = compressed(slice_of(), b"abcd")
    site.receive(before, syntax=JPEGLosslessSV1)
    with pytest.raises(ContentConflict, match="pixels"):
        site.receive(compressed(slice_of(**RIGHT), b"abce"), syntax=JPEGLosslessSV1)
    with pytest.raises(ContentConflict, match="TransferSyntaxUID"):
        site.receive(slice_of(**RIGHT))

    site.receive(compressed(slice_of(**RIGHT), b"abcd"), at(30), syntax=JPEGLosslessSV1)

    assert site.row(before)["received_at"] == at(30)


def test_large_pixels_and_what_stands_behind_them_are_compared_piece_by_piece(site: Site) -> None:
    pixels = bytes(3 << 20)
    before = slice_of(PixelData=pixels)
    site.receive(before)
    with pytest.raises(ContentConflict, match="PixelData"):
        site.receive(slice_of(PixelData=pixels[:-2] + b"\1\0", **RIGHT))
    padded = b"\xfc\xff\xfc\xffOB\x00\x00\x04\x00\x00\x00abcd"
    after = slice_of(PixelData=pixels, **RIGHT)
    site.receive(after, at(30), data=encoded(after) + padded)
    assert site.row(before)["received_at"] == at(30)


def test_refuse_keeps_the_first_and_says_what_was_to_be_corrected(site: Site) -> None:
    site.when_changed = WhenChanged.REFUSE
    site.restart()
    before = slice_of()
    site.receive(before)
    with pytest.raises(ContentConflict, match=r"\(AccessionNumber, PatientName, PatientID\).*series.changed is refuse"):
        site.receive(changed(before, **RIGHT))
    assert site.stored(before) == before
    assert len(site.files()) == 1


def test_put_back_and_corrected_again_the_last_one_sent_counts(site: Site) -> None:
    before = slice_of()
    after = changed(before, **RIGHT)
    digests = []
    for second, dataset in enumerate([before, after, before, after, before]):
        site.receive(dataset, at(second))
        assert site.stored(before) == dataset
        digests.append(site.ledger.instances.contents(SERIES))
    assert len({tuple(sorted(one)) for one in digests}) == 5, "each is work of its own, with a report of its own"
    site.restart()
    assert site.removed == 0
    assert site.stored(before) == before


def test_the_log_has_one_line_for_a_series_and_no_value(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for number in range(3):
            site.receive(slice_of(number))
        for number in range(3):
            site.receive(slice_of(number, **RIGHT), at(30 + number))
    (line,) = [record.getMessage() for record in caplog.records if "corrects" in record.getMessage()]
    assert "AccessionNumber, PatientName, PatientID" in line
    assert not any(value in caplog.text for value in ("Right", "RIGHT", "ACC9", SERIES))


def test_a_correction_that_comes_twice_at_once_is_one(site: Site) -> None:
    site.receive(slice_of())
    after = slice_of(**RIGHT)
    threads = [threading.Thread(target=site.receive, args=(after, at(30 + n))) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(site.files()) == 2
    assert site.ledger.instances.contents(SERIES)[1:] != ()
    assert len(site.ledger.instances.contents(SERIES)) == 2


# Killed between two steps: the old one whole, or the new one whole, never neither.


class Killed(BaseException):
    """The process ends here."""


def kill(*_: object, **__: object) -> None:
    raise Killed


@pytest.mark.parametrize(
    ("moment", "place"),
    [
        ("before the file is synced", "node.reception.incoming.IncomingInstance.sync"),
        ("before the file has its name", "node.reception.instance_store.rename_durably"),
        ("before the row is changed", "node.ledger.instances.InstanceLedger.replace_instance"),
        ("within the transaction, after the withdrawal", "node.ledger.instances._correct_series"),
        ("within the transaction, before the row", "node.ledger.instances.replace_row"),
    ],
)
def test_killed_before_the_row_is_changed_the_first_stays_whole(
    site: Site, monkeypatch: pytest.MonkeyPatch, moment: str, place: str
) -> None:
    before, after = slice_of(), slice_of(**RIGHT)
    site.receive(before)
    with monkeypatch.context() as patched:
        patched.setattr(place, kill)
        with pytest.raises(Killed):
            site.receive(after, at(30))

    site.restart()

    assert site.stored(before) == before
    assert len(site.files()) == 1, "what was never acknowledged is swept away"
    assert site.ledger.instances.corrections() == ()
    site.receive(after, at(60))
    assert site.stored(before) == after


def test_killed_before_the_answer_the_correction_stands_and_is_taken_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = slice_of(), slice_of(**RIGHT)
    site.receive(before)
    replace: Callable[..., bool] = InstanceLedger.replace_instance

    def replace_and_die(*arguments: object) -> bool:
        replace(*arguments)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(InstanceLedger, "replace_instance", replace_and_die)
        with pytest.raises(Killed):
            site.receive(after, at(30))

    site.restart()

    assert (site.removed, len(site.files())) == (0, 2)
    assert site.stored(before) == after
    site.receive(after, at(60))
    assert site.row(before)["received_at"] == at(30)


def test_the_new_file_and_its_name_are_durable_before_the_row_is_changed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    rename, replace = durable.rename_durably, InstanceLedger.replace_instance

    def note_rename(*arguments: object) -> None:
        rename(*arguments)  # type: ignore[arg-type]
        order.append("named")

    def note_row(*arguments: object) -> bool:
        order.append(f"row, {len(site.files())} files")
        return replace(*arguments)  # type: ignore[arg-type]

    site.receive(slice_of())
    monkeypatch.setattr(instance_store, "rename_durably", note_rename)
    monkeypatch.setattr(InstanceLedger, "replace_instance", note_row)
    site.receive(slice_of(**RIGHT), at(30))
    assert order == ["named", "row, 2 files"]


def test_a_ledger_that_fails_leaves_the_first_in_place_and_the_sender_may_try_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = slice_of(), slice_of(**RIGHT)
    site.receive(before)

    def fail(*_: object) -> bool:
        raise LedgerError("the ledger cannot be written: test")

    with monkeypatch.context() as patched:
        patched.setattr(InstanceLedger, "replace_instance", fail)
        with pytest.raises(OutOfResources):
            site.receive(after, at(30))
    assert site.stored(before) == before
    site.receive(after, at(60))
    assert site.stored(before) == after


def test_a_full_disk_leaves_the_first_in_place(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    before = slice_of()
    site.receive(before)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(instance_store, "rename_durably", full)
        with pytest.raises(OutOfResources, match="No space left"):
            site.receive(changed(before, **RIGHT), at(30))
    assert site.stored(before) == before
    assert not list((site.store.root / ".incoming").iterdir())


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "not ours"])
def test_without_the_first_to_compare_with_nothing_takes_its_place(site: Site, damage: str) -> None:
    before = slice_of()
    site.receive(before)
    (path,) = site.files()
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes({"empty": b"", "cut": content[:-100], "not ours": b"x" * 400}[damage])
    with pytest.raises(ContentConflict, match="cannot be compared"):
        site.receive(changed(before, **RIGHT), at(30))


def test_a_corrected_file_that_was_lost_is_stored_again_where_it_was(site: Site) -> None:
    before, after = slice_of(), slice_of(**RIGHT)
    site.receive(before)
    site.receive(after, at(30))
    path = site.folder / site.row(before)["path"]
    path.unlink()
    site.receive(after, at(60))
    assert site.stored(before) == after
    assert path.is_file()


def test_times_of_arrival_do_not_matter(site: Site) -> None:
    """Two associations: the one that began first may be written last."""
    moments: list[datetime] = [at(40), at(30)]
    site.receive(slice_of(), moments[0])
    site.receive(slice_of(**RIGHT), moments[1])
    assert site.stored(slice_of()).PatientID == "RIGHT-1"
