"""Every file of a collection of odd DICOM is sent, byte for byte; the node answers each and stays up."""

from __future__ import annotations

import random
import resource
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AllStoragePresentationContexts
from pynetdicom.association import Association

from node.errors import CannotUnderstand
from node.reception.contexts import TRANSFER_SYNTAXES
from node.reception.headers import read_header
from node.series.instances import header_of
from tests.raw_sender import Node, associate, context_id, running_node, send_raw

pytestmark = pytest.mark.filterwarnings("ignore")  # pydicom warns of every oddity

STATUSES = {0x0000, 0xA900, 0xC000}  # PS3.4 Table B.2-1: stored; does not match; cannot understand
PLAIN = str(ExplicitVRLittleEndian)
STORAGE = {str(context.abstract_syntax) for context in AllStoragePresentationContexts}
SYNTAXES = {str(syntax) for syntax in TRANSFER_SYNTAXES}
NASTY = (b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"\xfe\xff\x00\xe0")  # lengths and an item tag
GROWTH_MB = 150  # of the process that both sends and receives; the files are 18 MB


@dataclass(frozen=True)
class OddFile:
    """What a file claims to be, and the bytes behind its file meta information (all of them when it has none)."""

    name: str
    sop_class: str
    sop_instance: str
    syntax: str
    data: bytes


def odd_file(path: Path, number: int) -> OddFile:
    content = path.read_bytes()
    sop_class, instance, syntax, offset = str(CTImageStorage), f"1.2.3.{number}", PLAIN, 0
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")
            dataset = dcmread(file, stop_before_pixels=True, specific_tags=["SOPClassUID", "SOPInstanceUID"])
            meta = dataset.file_meta
            offset = 132 + 12 + int(meta.get("FileMetaInformationGroupLength", 0) or 0)
            sop_class = str(dataset.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or sop_class)
            instance = str(dataset.get("SOPInstanceUID") or meta.get("MediaStorageSOPInstanceUID") or instance)
            syntax = str(meta.get("TransferSyntaxUID") or syntax)
    except (InvalidDicomError, ValueError, KeyError, AttributeError, TypeError, EOFError, NotImplementedError):
        pass  # sent whole, as a CT
    known_class = sop_class if sop_class in STORAGE else str(CTImageStorage)
    return OddFile(path.name, known_class, instance[:64], syntax if syntax in SYNTAXES else PLAIN, content[offset:])


class Sender:
    """Sends over one association while the kind stays the same, and opens it again where the node has ended it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._kind = ("", "")
        self._association: Association | None = None
        self.ended: list[str] = []

    def send(self, odd: OddFile) -> int | None:
        association = self._associated((odd.sop_class, odd.syntax))
        context = context_id(association, *self._kind)
        assert context is not None, f"{odd.name}: {self._kind} is not accepted"
        status = send_raw(association, context, odd.sop_class, odd.sop_instance, odd.data)
        if status is None:
            self.ended.append(odd.name)
        return status

    def close(self) -> None:
        if self._association is not None and self._association.is_established:
            self._association.release()

    def _associated(self, kind: tuple[str, str]) -> Association:
        if self._association is None or kind != self._kind or not self._association.is_established:
            self.close()
            self._kind, self._association = kind, associate(self._port, [kind])
        return self._association


Sent = tuple[Node, dict[str, list[int | None]], Sender]


@pytest.fixture(scope="module")
def odd_files(odd_dicom: Path) -> list[OddFile]:
    paths = sorted(path for path in odd_dicom.rglob("*") if path.is_file() and path.stat().st_size > 0)
    found = [odd_file(path, number) for number, path in enumerate(paths)]
    return sorted(found, key=lambda odd: (odd.sop_class, odd.syntax, odd.name))


@pytest.fixture(scope="module")
def sent(odd_files: list[OddFile], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    """The node after every file was sent, with the statuses by file name."""
    with running_node(tmp_path_factory.mktemp("node")) as node:
        sender = Sender(node.port)
        statuses: dict[str, list[int | None]] = {}
        for odd in odd_files:
            statuses.setdefault(odd.name, []).append(sender.send(odd))
        yield node, statuses, sender
        sender.close()


def test_every_file_gets_a_proper_status(sent: Sent) -> None:
    _, statuses, sender = sent

    assert sender.ended == []
    assert {status for answers in statuses.values() for status in answers} <= STATUSES


def test_whole_ct_series_and_other_objects_are_among_the_stored(sent: Sent) -> None:
    node, _, _ = sent

    assert len(node.ledger.rows) > 150
    assert len({row["transfer_syntax_uid"] for row in node.ledger.rows.values()}) >= 10


def test_the_node_is_still_up(sent: Sent) -> None:
    node, _, _ = sent
    association = associate(node.port, [(str(CTImageStorage), PLAIN)])
    answer = association.send_c_echo()
    association.release()

    assert answer.Status == 0x0000


def test_nothing_half_written_is_in_the_store(sent: Sent) -> None:
    node, _, _ = sent
    stored = {str(path.relative_to(node.store.root.parent)): path for path in node.stored_files()}

    assert node.files_aside() == []
    assert set(stored) == {row["path"] for row in (*node.ledger.rows.values(), *node.ledger.replaced)}
    for uid, row in node.ledger.rows.items():
        assert dcmread(stored[row["path"]], stop_before_pixels=True).SOPInstanceUID == uid


def test_every_refusal_is_recorded_with_its_reason(sent: Sent) -> None:
    node, statuses, _ = sent
    refused = [status for answers in statuses.values() for status in answers if status]

    assert sorted(row["status"] for row in node.ledger.refusals) == sorted(refused)
    assert all(row["message"] and row["code"] for row in node.ledger.refusals)


def test_sending_everything_again_stores_nothing_more_and_memory_stays_flat(
    sent: Sent, odd_files: list[OddFile]
) -> None:
    node, statuses, sender = sent
    contents, memory_kb = known_contents(node), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    again: dict[str, list[int | None]] = {}
    for odd in odd_files:
        again.setdefault(odd.name, []).append(sender.send(odd))

    assert again == statuses
    assert known_contents(node) == contents
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_kb < GROWTH_MB * 1024


def known_contents(node: Node) -> set[tuple[str, str]]:
    """Which instance is here with which content; of some the collection has several, corrected one after the other."""
    rows = (*node.ledger.rows.values(), *node.ledger.replaced)
    return {(row["header"].sop_instance_uid, row["sha256"]) for row in rows}


def test_the_quick_reading_of_a_header_says_what_the_whole_data_set_says(sent: Sent) -> None:
    node, _, _ = sent

    for row in node.ledger.rows.values():
        path = node.store.root.parent / row["path"]
        assert row["header"] == header_of(dcmread(path, stop_before_pixels=True)), path.name


def test_no_damage_to_a_header_is_more_than_cannot_understand(odd_files: list[OddFile], tmp_path: Path) -> None:
    """A small fuzz: bytes flipped, cut and doubled in the headers of a hundred files."""
    dice = random.Random(20240917)  # noqa: S311 - repeatable damage
    path = tmp_path / "damaged"
    read = refused = 0
    for odd in dice.sample(odd_files, 100):
        for _ in range(8):
            path.write_bytes(b"head" + damaged(odd.data[:4000], dice))
            try:
                read_header(path, 4, odd.syntax)
                read += 1
            except CannotUnderstand:
                refused += 1

    assert read > 20
    assert refused > 400


def damaged(data: bytes, dice: random.Random) -> bytes:
    content = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        if not content:
            break
        place = dice.randrange(len(content))
        match dice.randrange(4):
            case 0:
                content[place] = dice.randrange(256)
            case 1:
                del content[place : place + dice.randint(1, 200)]
            case 2:
                content[place:place] = content[place : place + dice.randint(1, 200)]
            case _:
                content[place : place + 4] = dice.choice(
                    [b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"\xfe\xff\x00\xe0"]
                )
    return bytes(content)
