"""Pseudonyms: the same under one key, unlinkable under two, valid wherever they stand."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from pydicom.uid import UID, CTImageStorage
from pydicom.valuerep import VR, validate_value

from node.deidentification.pseudonyms import LONGEST_SHIFT_DAYS, Pseudonyms

MINE, OTHER = Pseudonyms(b"a" * 32), Pseudonyms(b"b" * 32)
UIDS = [f"1.2.3.{number}" for number in range(500)]


def test_the_same_original_under_the_same_key_maps_the_same() -> None:
    again = Pseudonyms(b"a" * 32)

    assert [MINE.uid(uid) for uid in UIDS] == [again.uid(uid) for uid in UIDS]
    assert MINE.patient_id("4711") == again.patient_id("4711")
    assert MINE.identifier("accession", "A1") == again.identifier("accession", "A1")
    assert MINE.shift("4711") == again.shift("4711")


def test_different_originals_and_different_keys_never_meet() -> None:
    made = {MINE.uid(uid) for uid in UIDS} | {OTHER.uid(uid) for uid in UIDS}

    assert len(made) == 2 * len(UIDS)
    assert MINE.patient_id("4711") != OTHER.patient_id("4711")
    assert MINE.shift("4711") != OTHER.shift("4711")
    assert MINE.fingerprint != OTHER.fingerprint


def test_a_uid_is_valid_and_a_uuid_in_decimals() -> None:
    """PS3.5 9.1: at most 64 characters, no leading zero; PS3.5 B.2: 2.25. and a UUID."""
    for uid in UIDS:
        made = MINE.uid(uid)
        number = uuid.UUID(int=int(made.removeprefix("2.25.")))
        assert UID(made).is_valid
        assert len(made) <= 64
        assert number.variant == uuid.RFC_4122
        assert number.version == 8


@pytest.mark.parametrize("padded", ["1.2.3\0", "1.2.3 ", " 1.2.3", "1.2.3\0\0"])
def test_padding_makes_no_other_uid(padded: str) -> None:
    assert MINE.uid(padded) == MINE.uid("1.2.3")


def test_what_the_standard_registers_names_nobody_and_stays() -> None:
    assert MINE.uid(str(CTImageStorage)) == CTImageStorage
    assert MINE.uid("1.2.840.10008.1.4.1.1") == "1.2.840.10008.1.4.1.1"  # Talairach Brain Atlas Frame of Reference
    assert MINE.uid("1.2.840.10008.9.9.9.9") != "1.2.840.10008.9.9.9.9"  # under the root, but nobody's registration


def test_of_nothing_comes_nothing() -> None:
    assert MINE.uid("") == MINE.patient_id("  ") == MINE.identifier("accession", "\0") == MINE.name("^^=") == ""


def test_kinds_are_apart() -> None:
    made = [
        MINE.patient_id("1"),
        MINE.identifier("a", "1"),
        MINE.identifier("b", "1"),
        MINE.identifier("patient id", "1"),
    ]

    assert len({value.removeprefix("P-")[:14] for value in made}) == 4


@pytest.mark.parametrize("original", ["4711", "Müller", "山田^太郎", "x" * 64, "\udcff\udc80"])
def test_pseudonyms_are_allowed_where_they_stand(original: str) -> None:
    made = MINE.identifier("accession", original)

    assert len(made) == len(MINE.patient_id(original)) == 16
    for vr in (VR.SH, VR.CS, VR.AE, VR.LO):
        validate_value(vr, made, 2)  # RAISE
    validate_value(VR.LO, MINE.patient_id(original), 2)
    validate_value(VR.PN, MINE.name(original), 2)


def test_the_same_patient_in_two_encodings_is_one_patient() -> None:
    composed, decomposed = "M\u00fcller 1", "Mu\u0308ller 1"

    assert MINE.patient_id(composed) == MINE.patient_id(f"{decomposed}  ")
    assert MINE.patient_id("ab") != MINE.patient_id("AB")
    assert MINE.name("Doe^John^^^") == MINE.name("DOE^JOHN") != MINE.name("Doe^Jane")


def test_dates_move_by_whole_days_into_the_past_and_never_by_none() -> None:
    shifts = [MINE.shift(str(number)) for number in range(2000)]

    assert all(timedelta(days=-LONGEST_SHIFT_DAYS) <= shift <= timedelta(days=-1) for shift in shifts)
    assert all(not shift.seconds for shift in shifts)
    assert len(set(shifts)) > 1000


def test_the_key_does_not_show_and_a_short_one_is_refused() -> None:
    assert "aaaa" not in repr(MINE)
    with pytest.raises(ValueError, match="at least 32 bytes, found 8"):
        Pseudonyms(b"password")


def test_a_signature_tells_every_change_and_every_other_key() -> None:
    assert MINE.signature(b"report") == Pseudonyms(b"a" * 32).signature(b"report")
    assert len({MINE.signature(b"report"), MINE.signature(b"reporT"), OTHER.signature(b"report")}) == 3
