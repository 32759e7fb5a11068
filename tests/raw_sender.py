"""A sender for tests: sends the bytes that it is told to, whatever they are, and a ledger in memory."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from pynetdicom import AE, build_context
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import P_DATA_TF

from node.errors import LedgerError
from node.ledger.records import InstanceRecord, RefusalRecord
from node.reception.inbox import Inbox
from node.reception.instance_store import InstanceStore
from node.reception.scp import Receiver, ReceptionSettings
from node.series.instances import InstanceHeader

DEADLINE_S = 20.0
VERIFICATION = "1.2.840.10008.1.1"


class MemoryLedger:
    """Keeps the law of the ledger (a SOP Instance UID once) without a database; can be told to fail."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.replaced: list[dict[str, Any]] = []
        self.refusals: list[dict[str, Any]] = []
        self.fails = False
        self._lock = threading.Lock()

    def find_instance_digest(self, sop_instance_uid: str) -> str | None:
        row = self.rows.get(sop_instance_uid)
        return row["sha256"] if row else None

    def record_instance(self, header: InstanceHeader, **row: Any) -> None:
        with self._lock:
            if self.fails or header.sop_instance_uid in self.rows:
                raise LedgerError("the ledger cannot be written: test")
            self.rows[header.sop_instance_uid] = {**row, "header": header}

    def find_instance(self, sop_instance_uid: str) -> InstanceRecord | None:
        row = self.rows.get(sop_instance_uid)
        return InstanceRecord(**row) if row else None

    def replace_instance(self, corrected: InstanceRecord, replaced_sha256: str, attributes: Sequence[str]) -> bool:
        with self._lock:
            if self.fails or self.rows[corrected.header.sop_instance_uid]["sha256"] != replaced_sha256:
                raise LedgerError("the ledger cannot be written: test")
            self.replaced.append(self.rows[corrected.header.sop_instance_uid])
            self.rows[corrected.header.sop_instance_uid] = dict(vars(corrected))
        return len(self.replaced) == 1

    def record_refusal(self, refusal: RefusalRecord) -> None:
        if self.fails:
            raise LedgerError("the ledger cannot be written: test")
        self.refusals.append(vars(refusal))


class Node:
    """A receiver on loopback with its store and ledger."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.ledger = MemoryLedger()
        self.store = InstanceStore(folder / "instances")
        self.store.sweep(frozenset())
        self.arrivals: list[InstanceHeader] = []
        self.ended: list[str] = []
        self.inbox = Inbox(self.store, self.ledger, self.arrivals.append)
        chosen = {"port": 0, "drain_s": 5.0, "network_timeout_s": 10.0, **settings}
        self.receiver = Receiver(ReceptionSettings("NODE", **chosen), self.inbox, self.ended.append)
        self.port = self.receiver.start()

    def stored_files(self) -> list[Path]:
        return sorted(self.store.root.glob("*/*.dcm"))

    def files_aside(self) -> list[Path]:
        return list((self.store.root / ".incoming").iterdir())


@contextmanager
def running_node(folder: Path, **settings: Any) -> Iterator[Node]:
    node = Node(folder, **settings)
    try:
        yield node
    finally:
        node.receiver.shutdown()


def associate(
    port: int, contexts: Iterable[tuple[str, str]], called: str = "NODE", calling: str = "SENDER"
) -> Association:
    entity = AE(calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = DEADLINE_S
    proposed = [build_context(VERIFICATION), *(build_context(sop, [syntax]) for sop, syntax in dict.fromkeys(contexts))]
    association = entity.associate("127.0.0.1", port, contexts=proposed, ae_title=called)
    if association.is_established:
        association.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return association


def context_id(association: Association, sop_class: str, syntax: str) -> int | None:
    for context in association.accepted_contexts:
        if context.abstract_syntax == sop_class and syntax in context.transfer_syntax:
            return int(context.context_id)
    return None


def send_raw(association: Association, context: int, sop_class: str, sop_instance: str, data: bytes) -> int | None:
    """Send one C-STORE with exactly these bytes; give the status, or None when there was no answer."""
    if not data:  # pynetdicom would announce a data set and send none
        return send_wire(association, command_pdu(context, sop_class, sop_instance) + data_pdu(context, b"", last=True))
    with _paused(association):
        association.dimse.send_msg(store_request(sop_class, sop_instance, data), context)
        return _status(association)


def send_wire(association: Association, wire: bytes) -> int | None:
    """Send bytes past pynetdicom; give the status of the response."""
    with _paused(association):
        association.dul.socket.socket.sendall(wire)
        return _status(association)


@contextmanager
def _paused(association: Association) -> Iterator[None]:
    """Keep the association's own thread from taking the response."""
    association._reactor_checkpoint.clear()
    wait_until(lambda: association._is_paused)
    yield
    association._reactor_checkpoint.set()


def _status(association: Association) -> int | None:
    _, response = association.dimse.get_msg(block=True)
    return response.Status if response else None


def store_request(sop_class: str, sop_instance: str, data: bytes) -> C_STORE:
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = sop_class, sop_instance
    request.DataSet = BytesIO(data)
    return request


def command_pdu(context: int, sop_class: str, sop_instance: str) -> bytes:
    """Encode the P-DATA-TF PDU of a C-STORE command alone."""
    message = C_STORE_RQ()
    message.primitive_to_message(store_request(sop_class, sop_instance, b"x"))
    encoded: bytes = P_DATA_TF(next(iter(message.encode_msg(context, 0)))).encode()
    return encoded


def data_pdu(context: int, data: bytes, *, last: bool) -> bytes:
    return data_pdu_head(context, len(data), last=last) + data


def data_pdu_head(context: int, size: int, *, last: bool) -> bytes:
    """Encode the head of a P-DATA-TF PDU with one data fragment of ``size`` bytes (PS3.8 section 9.3.5)."""
    return struct.pack(">BxLLBB", 4, size + 6, size + 2, context, 2 if last else 0)


def wait_until(condition: Any) -> None:
    """Wait for something another thread does; fails loudly instead of hanging."""
    event, deadline = threading.Event(), time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited in vain")
        event.wait(0.005)
