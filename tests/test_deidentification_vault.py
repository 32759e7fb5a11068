"""The vault: what a remote worker returns goes back to the right patient, byte for byte, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComprehensiveSRStorage, CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from sqlalchemy import text

from node.deidentification.identity import Remembered, identity_of, uids_of
from node.deidentification.pseudonyms import Pseudonyms
from node.deidentification.reidentification import re_identify
from node.deidentification.vault import Vault
from node.errors import DeidentificationError, VaultError
from node.ledger.ledger import Ledger
from node.ledger.vault import VaultLedger

PSEUDONYMS = Pseudonyms(b"p" * 32)
KEY = b"v" * 32

# Names of PS3.5 Annexes H, I, J and K, and PatientID, which is LO and so has no groups.
NAMES = {
    "ascii": ("", "Doe^John", "4711 "),
    "latin 1": ("ISO_IR 100", "Buc^Jérôme", "é"),
    "Arabic": ("ISO_IR 127", "قباني^لنزار", "ق"),
    "Japanese": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", "山"),
    "half-width": (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう", "ﾔ"),
    "Korean": (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동", "홍"),
    "simplified Chinese": (["", "ISO 2022 IR 58"], "Zhang^XiaoDong=张^小东", "张"),
    "GB18030": ("GB18030", "Wang^XiaoDong=王^小东", "王"),
    "UTF-8": ("ISO_IR 192", "Wang^XiaoDong=王^小東", "Ж"),
}


def written(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> Dataset:
    """The data set as it is after it was a file: nobody has looked at a value yet."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return dcmread(BytesIO(buffer.getvalue()))


def original(case: str, syntax: str = ExplicitVRLittleEndian) -> Dataset:
    character_set, name, patient_id = NAMES[case]
    dataset = Dataset()
    if character_set:
        dataset.SpecificCharacterSet = character_set
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, "1.2.3.1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.0"
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = name, patient_id, "19500101"
    dataset.StudyDescription = patient_id
    other = Dataset()
    other.PatientID = patient_id
    dataset.OtherPatientIDsSequence = [other]
    return written(dataset, syntax)


def returned(source: Dataset) -> Dataset:
    """What a worker sends back: a report of its own on the pseudonymous study, in UTF-8."""
    report = Dataset()
    report.SpecificCharacterSet = "ISO_IR 192"
    report.SOPClassUID, report.SOPInstanceUID, report.SeriesInstanceUID = ComprehensiveSRStorage, "2.25.7", "2.25.8"
    report.StudyInstanceUID = PSEUDONYMS.uid(source.StudyInstanceUID)
    report.PatientID = PSEUDONYMS.patient_id(str(source.PatientID))
    report.PatientName, report.PatientAge = "Pseudonym^X", "075Y"
    report.PatientIdentityRemoved = "YES"
    report.SeriesDescription = "nodules"
    reference = Dataset()
    reference.ReferencedSOPClassUID = CTImageStorage
    reference.ReferencedSOPInstanceUID = PSEUDONYMS.uid("1.2.3.1")
    report.CurrentRequestedProcedureEvidenceSequence = [reference]
    return written(report)


def remembered(source: Dataset) -> Remembered:
    identity = identity_of(source)
    uids = {PSEUDONYMS.uid(uid): uid for uid in uids_of(source)}
    return Remembered(
        PSEUDONYMS.uid(source.StudyInstanceUID), PSEUDONYMS.patient_id(str(source.PatientID)), identity, uids
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield opened
    opened.close()


@pytest.fixture
def vault(ledger: Ledger) -> Vault:
    return Vault(VaultLedger(ledger.engine), PSEUDONYMS.fingerprint, KEY)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("case", NAMES)
def test_the_identity_comes_back_byte_for_byte(vault: Vault, case: str, syntax: str) -> None:
    vault.remember([remembered(original(case, syntax))])
    report = returned(original(case, syntax))

    back = written(re_identify(report, vault))
    source = original(case, syntax)

    for keyword in ("SpecificCharacterSet", "PatientName", "PatientID", "PatientBirthDate", "StudyDescription"):
        if keyword in source:
            assert back.get_item(keyword).value == source.get_item(keyword).value, keyword
    (other,), (mine,) = source.OtherPatientIDsSequence, back.OtherPatientIDsSequence
    assert mine.get_item("PatientID").value == other.get_item("PatientID").value
    assert back.SeriesDescription == "nodules"


def test_every_uid_that_was_given_out_is_the_original_again_and_the_workers_own_stay(vault: Vault) -> None:
    source = original("ascii")
    vault.remember([remembered(source)])
    back = re_identify(returned(source), vault)

    assert back.StudyInstanceUID == "1.2.3"
    assert back.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSOPInstanceUID == "1.2.3.1"
    assert (back.SOPInstanceUID, back.SeriesInstanceUID) == ("2.25.7", "2.25.8")


def test_what_the_original_did_not_have_does_not_stay(vault: Vault) -> None:
    source = original("ascii")
    vault.remember([remembered(source)])
    back = re_identify(returned(source), vault)

    assert "PatientAge" not in back
    assert "PatientIdentityRemoved" not in back


def test_what_was_requested_gets_the_accession_number_of_the_patient_back(vault: Vault) -> None:
    source = original("latin 1")
    source.AccessionNumber = "A-é-1"
    vault.remember([remembered(written(source))])
    report = returned(source)
    same, another = Dataset(), Dataset()
    report.AccessionNumber = same.AccessionNumber = PSEUDONYMS.identifier("AccessionNumber", "A-é-1")
    another.AccessionNumber = "OF-THE-WORKER"
    report.ReferencedRequestSequence, report.RequestAttributesSequence = [same, another], [same]

    back = written(re_identify(written(report), vault))

    assert [item.AccessionNumber for item in back.ReferencedRequestSequence] == ["A-é-1", "OF-THE-WORKER"]
    assert back.RequestAttributesSequence[0].AccessionNumber == back.AccessionNumber == "A-é-1"


def test_text_that_the_patients_character_set_cannot_write_is_refused(vault: Vault) -> None:
    source = original("Arabic")
    vault.remember([remembered(source)])
    report = returned(source)
    report.SeriesDescription = "结节"

    with pytest.raises(DeidentificationError, match="cannot write"):
        re_identify(report, vault)


def test_an_unknown_study_is_refused_and_nothing_changes(vault: Vault) -> None:
    report = returned(original("ascii"))
    before = str(report)

    with pytest.raises(VaultError, match="does not know this study"):
        re_identify(report, vault)
    assert str(report) == before


def test_a_result_that_names_another_patient_is_refused(vault: Vault) -> None:
    source = original("ascii")
    vault.remember([remembered(source)])
    report = returned(source)
    report.PatientID = PSEUDONYMS.patient_id("4712")

    with pytest.raises(VaultError, match="names another patient"):
        re_identify(report, vault)


def test_another_key_does_not_open_the_vault(vault: Vault, ledger: Ledger) -> None:
    vault.remember([remembered(original("ascii"))])

    with pytest.raises(VaultError, match="sealed with another key"):
        Vault(VaultLedger(ledger.engine), PSEUDONYMS.fingerprint, b"w" * 32)


def test_another_project_has_a_vault_of_its_own(vault: Vault, ledger: Ledger) -> None:
    source = original("ascii")
    vault.remember([remembered(source)])
    other = Vault(VaultLedger(ledger.engine), Pseudonyms(b"q" * 32).fingerprint, b"w" * 32)

    with pytest.raises(VaultError, match="does not know this study"):
        re_identify(returned(source), other)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE vault SET sealed = substr(sealed, 1, length(sealed) - 1)",
        "UPDATE vault SET sealed = x'00'",
        "UPDATE vault SET sealed = (SELECT sealed FROM vault WHERE kind = 'patient') WHERE kind = 'study'",
    ],
)
def test_a_row_that_was_changed_does_not_open(vault: Vault, ledger: Ledger, change: str) -> None:
    source = original("ascii")
    vault.remember([remembered(source)])
    with ledger.engine.begin() as connection:
        connection.execute(text(change))

    with pytest.raises(VaultError, match="was changed"):
        re_identify(returned(source), vault)


def test_nothing_of_the_identity_stands_in_the_database(vault: Vault, ledger: Ledger, tmp_path: Path) -> None:
    source = original("ascii")
    source.PatientName, source.StudyInstanceUID = "Canary^Yellow", "1.2.99887766.1"
    vault.remember([remembered(written(source))])
    ledger.close()
    content = b"".join(path.read_bytes() for path in tmp_path.glob("ledger.sqlite*"))

    assert b"2.25." in content
    assert b"Canary" not in content
    assert b"99887766" not in content


def test_remembering_twice_writes_once(vault: Vault, ledger: Ledger) -> None:
    one = remembered(original("ascii"))
    many = replace(one, uids={**one.uids, **{PSEUDONYMS.uid(f"1.2.{n}"): f"1.2.{n}" for n in range(1500)}})
    vault.remember([one])
    vault.remember([many, one])
    vault.remember([many])

    assert vault.originals([PSEUDONYMS.uid("1.2.1400"), "2.25.1"]) == {PSEUDONYMS.uid("1.2.1400"): "1.2.1400"}
    assert b"4711 " in vault.patient(PSEUDONYMS.patient_id("4711"))
