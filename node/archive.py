"""A small archive for the demo: a C-STORE receiver that keeps what it gets, so that delivery is shown for real."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from node.ledger.records import InstanceRecord, RefusalRecord
from node.reception.inbox import Inbox
from node.reception.instance_store import InstanceStore
from node.reception.scp import Receiver, ReceptionSettings
from node.series.instances import InstanceHeader


@dataclass
class MemoryLedger:
    """What the archive knows of its instances; forgotten when the demo ends."""

    rows: dict[str, InstanceRecord] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def find_instance_digest(self, sop_instance_uid: str) -> str | None:
        """Give the sha256 of an instance that is here."""
        with self._guard:
            return self.rows[sop_instance_uid].sha256 if sop_instance_uid in self.rows else None

    def find_instance(self, sop_instance_uid: str) -> InstanceRecord | None:
        """Give what is known of an instance that is here."""
        with self._guard:
            return self.rows.get(sop_instance_uid)

    def record_instance(self, header: InstanceHeader, **row: Any) -> None:
        """Remember one instance."""
        with self._guard:
            self.rows[header.sop_instance_uid] = InstanceRecord(header, **row)

    def replace_instance(self, corrected: InstanceRecord, replaced_sha256: str, attributes: Sequence[str]) -> bool:  # noqa: ARG002 - what was before is forgotten
        """Remember the corrected instance in place of the one before."""
        with self._guard:
            self.rows[corrected.header.sop_instance_uid] = corrected
        return False

    def record_refusal(self, refusal: RefusalRecord) -> None:
        """Refusals are the sender's business here: it has the status."""


@dataclass(frozen=True)
class Archive:
    """The running archive."""

    folder: Path
    ledger: MemoryLedger
    receiver: Receiver
    port: int

    @classmethod
    def start(cls, folder: Path, ae_title: str) -> Archive:
        """Listen on a free port of the loopback interface."""
        store = InstanceStore(folder / "instances")
        store.sweep(frozenset())
        ledger = MemoryLedger()
        inbox = Inbox(store, ledger, on_arrival=lambda _: None)
        receiver = Receiver(ReceptionSettings(ae_title, "127.0.0.1", 0), inbox, on_association_end=lambda _: None)
        return cls(folder, ledger, receiver, receiver.start())

    def path_of(self, sop_instance_uid: str) -> Path | None:
        """Give the file of an instance that has arrived."""
        row = self.ledger.find_instance(sop_instance_uid)
        return self.folder / row.path if row else None

    def stop(self) -> None:
        """Stop listening."""
        self.receiver.shutdown()
