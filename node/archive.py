"""A small archive for the demo: a C-STORE receiver that keeps what it gets, so that delivery is shown for real."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from node.ledger.records import RefusalRecord
from node.reception.inbox import Inbox
from node.reception.instance_store import InstanceStore
from node.reception.scp import Receiver, ReceptionSettings
from node.series.instances import InstanceHeader


@dataclass
class MemoryLedger:
    """What the archive knows of its instances; forgotten when the demo ends."""

    digests: dict[str, str] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def find_instance_digest(self, sop_instance_uid: str) -> str | None:
        """Give the sha256 of an instance that is here."""
        with self._guard:
            return self.digests.get(sop_instance_uid)

    def record_instance(
        self,
        header: InstanceHeader,
        *,
        sha256: str,
        size: int,  # noqa: ARG002 - the archive keeps no more than it needs
        path: str,
        transfer_syntax_uid: str,  # noqa: ARG002
        calling_ae_title: str,  # noqa: ARG002
        association_id: str,  # noqa: ARG002
        received_at: datetime,  # noqa: ARG002
    ) -> None:
        """Remember one instance."""
        with self._guard:
            self.digests[header.sop_instance_uid] = sha256
            self.paths[header.sop_instance_uid] = path

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
        path = self.ledger.paths.get(sop_instance_uid)
        return self.folder / path if path else None

    def stop(self) -> None:
        """Stop listening."""
        self.receiver.shutdown()
