"""The instance store: durable, safe names, nothing half-written."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from node import durable
from node.durable import write_durably
from node.errors import CannotUnderstand, OutOfResources
from node.reception.instance_store import InstanceStore
from node.reception.part10 import IMPLEMENTATION_CLASS_UID, Announcement

SOP, SERIES = "1.2.3.4.5", "1.2.3.4"
DATA = b"\x08\x00\x16\x00UI\x1a\x00" + CTImageStorage.encode() + b"\x00"


@pytest.fixture
def store(tmp_path: Path) -> InstanceStore:
    opened = InstanceStore(tmp_path / "instances")
    opened.sweep(frozenset())
    return opened


def announcement(sop_instance_uid: str = SOP) -> Announcement:
    return Announcement(CTImageStorage, sop_instance_uid, ExplicitVRLittleEndian, "SCANNER")


def test_a_stored_file_is_part_10_with_the_bytes_as_received(store: InstanceStore) -> None:
    incoming = store.receive(announcement())
    incoming.write(DATA[:10])
    incoming.write(memoryview(DATA)[10:])
    stored = store.keep(incoming, SERIES)

    (path,) = store.paths(SERIES)
    meta = dcmread(path).file_meta
    assert path.read_bytes().endswith(DATA)
    assert (stored.sha256, stored.size) == (hashlib.sha256(DATA).hexdigest(), len(DATA))
    assert stored.path == f"instances/{SERIES}/{SOP}.dcm"
    assert meta.SourceApplicationEntityTitle == "SCANNER"
    assert meta.MediaStorageSOPInstanceUID == SOP
    assert meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID


@pytest.mark.parametrize("uid", ["../../etc/passwd", "..", ".", "", "1..2", "1.2/3", "1" * 65, "1.2.a", "1.2\x00"])
def test_what_is_not_a_uid_never_becomes_a_path(store: InstanceStore, uid: str) -> None:
    with pytest.raises(CannotUnderstand):
        store.keep(store.receive(announcement()), uid)
    with pytest.raises(CannotUnderstand):
        store.keep(store.receive(announcement(uid)), SERIES)


def test_file_name_and_series_are_synced_before_an_instance_counts_as_kept(
    store: InstanceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fsync(2): file, then the name of the new series folder, then the name of the file in it."""
    synced: list[str] = []
    real = os.fsync

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    monkeypatch.setattr(durable.os, "fsync", note)
    store.keep(store.receive(announcement()), SERIES)

    assert synced[0].endswith(".dcm")
    assert synced[1:] == ["instances", SERIES]


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_is_out_of_resources_and_leaves_nothing(
    store: InstanceStore, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    incoming = store.receive(announcement())

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        incoming.write(DATA)
        with pytest.raises(OutOfResources, match="No space left"):
            store.keep(incoming, SERIES)
    incoming.discard()

    assert not list(store.root.rglob("*.dcm"))


def test_sweeping_removes_what_was_never_acknowledged(store: InstanceStore) -> None:
    known = store.keep(store.receive(announcement("1.1")), SERIES)
    store.keep(store.receive(announcement("1.2")), SERIES)
    store.receive(announcement("1.3")).write(DATA)

    removed = InstanceStore(store.root).sweep(frozenset({known.path}))

    assert removed == 1
    assert [path.name for path in store.root.rglob("*.dcm")] == ["1.1.dcm"]


def test_removing_a_series_leaves_the_others(store: InstanceStore) -> None:
    store.keep(store.receive(announcement("1.1")), "9.1")
    other = store.keep(store.receive(announcement("1.2")), "9.2")

    store.remove("9.1")

    assert store.paths("9.1") == ()
    assert store.holds(other.path)


def test_durable_writing_replaces_a_file_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    write_durably(path, [b"first"])
    write_durably(path, [b"sec", b"ond"])

    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


def test_durable_writing_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_durably(path, [b"first"])

    def chunks() -> object:
        yield b"half"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_durably(path, chunks())  # type: ignore[arg-type]

    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_too_little_room_is_refused_before_the_disk_is_full(tmp_path: Path) -> None:
    store = InstanceStore(tmp_path / "instances", minimum_free_bytes=1 << 60)
    store.sweep(frozenset())
    incoming = store.receive(announcement())
    incoming.write(b"x" * 64)
    with pytest.raises(OutOfResources, match="minimum_free_gb"):
        store.keep(incoming, "1.2.3")
    incoming.discard()
    assert not list(store.root.glob("*/*.dcm"))


def test_nothing_is_removed_while_an_instance_is_being_stored(store: InstanceStore) -> None:
    seen: list[str] = []

    def remove() -> None:
        with store.removing():
            seen.append("removed")

    remover = threading.Thread(target=remove)
    with store.storing():
        remover.start()
        remover.join(0.2)
        seen.append("stored")
    remover.join(10)
    assert seen == ["stored", "removed"]
