"""The receiver: listens for associations and stores what comes (C-STORE), and answers C-ECHO."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from node.errors import ConfigError
from node.ledger.records import RefusalRecord
from node.reception.contexts import supported_contexts
from node.reception.dimse import StreamingDimse
from node.reception.handlers import handle_store
from node.reception.inbox import Inbox
from node.reception.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from node.reception.peers import Peer, RefusalCode, rejection_of
from node.reception.transport import WaitingSocket
from node.reception.upper_layer import StreamingProvider

__all__ = ["Peer", "Receiver", "ReceptionSettings"]

logger = logging.getLogger(__name__)

MAXIMUM_PDU_BYTES = 1 << 20  # a PDU is never held whole, so this costs no memory
_REJECTED_PERMANENT, _BY_SERVICE_USER = 0x01, 0x01  # PS3.8 Table 9-21
_LISTEN_POLL_S = 0.1
_ABORT_S = 2.0  # for aborted associations to end by themselves


@dataclass(frozen=True)
class ReceptionSettings:
    """How the receiver listens. Port 0 lets the system choose."""

    ae_title: str
    host: str = "127.0.0.1"
    port: int = 11112
    peers: tuple[Peer, ...] = ()
    any_storage_class: bool = True
    maximum_associations: int = 20
    require_called_ae_title: bool = True
    drain_s: float = 60.0
    network_timeout_s: float = 60.0


class Receiver:
    """The C-STORE SCP of the node.

    ``on_association_end`` gets the id of an association once, after everything that it stored is
    recorded, whether it was released, aborted or cut off.
    """

    def __init__(
        self,
        settings: ReceptionSettings,
        inbox: Inbox,
        on_association_end: Callable[[str], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._inbox = inbox
        self._clock = clock
        self._associations = _OpenAssociations(on_association_end)
        self._server: _Server | None = None

    def start(self) -> int:
        """Begin to listen and give the port.

        Raises
        ------
        ConfigError
            The address cannot be listened on, or the host name of a peer is not known.
        """
        peers = tuple(_resolved(peer) for peer in self._settings.peers)
        self._server = server = self._listen(peers)
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": _LISTEN_POLL_S}, name="reception", daemon=True
        ).start()
        return int(server.server_address[1])

    def shutdown(self) -> None:
        """Accept nothing more, let open associations finish for ``drain_s``, then abort them."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        if self._associations.wait_for_none(self._settings.drain_s):
            return
        logger.warning("%d associations are aborted", len(self.open_associations()))
        for association in server.active_associations:
            association.abort(block=False)
        self._associations.wait_for_none(_ABORT_S)

    def open_associations(self) -> set[str]:
        """Give the ids of the associations that may still bring instances."""
        return self._associations.ids()

    def _listen(self, peers: tuple[Peer, ...]) -> _Server:
        settings = self._settings
        entity = _application_entity(settings)
        handlers: list[Any] = [
            (evt.EVT_C_STORE, handle_store, [self._inbox, self._clock]),
            (evt.EVT_C_ECHO, lambda _: 0x0000),
            (evt.EVT_REQUESTED, self._reject_strangers, [peers]),
            (evt.EVT_REJECTED, self._note_limit),
            (evt.EVT_ACCEPTED, self._open),
            (evt.EVT_ESTABLISHED, lambda event: event.assoc.dimse.established.set()),
            (evt.EVT_RELEASED, lambda event: self._associations.close(event.assoc.association_id)),
        ]
        try:
            server = entity.make_server(
                (settings.host, settings.port),
                contexts=supported_contexts(any_storage_class=settings.any_storage_class),
                evt_handlers=handlers,
                server_class=_Server,
                request_handler=_RequestHandler,
            )
        except OSError as error:
            where = f"node.host, node.port = {settings.host}:{settings.port}"
            raise ConfigError(f"{where}: cannot listen there: {error.strerror or error}") from None
        server.receive, server.on_end = self._inbox.store.receive, self._associations.close
        server.on_refusal = self._note_refusal
        entity._servers.append(server)  # server.shutdown() takes it out again
        return server  # type: ignore[no-any-return]

    def _open(self, event: Event) -> None:
        self._associations.open(event.assoc.association_id)
        if not event.assoc.accepted_contexts:
            cause = "none of the SOP classes and transfer syntaxes that it proposes is accepted"
            self._note_refusal(event.assoc, RefusalCode.NOTHING_ACCEPTED, cause)

    def _reject_strangers(self, event: Event, peers: tuple[Peer, ...]) -> None:
        """Answer an association request that is not for us, or from nobody we know, with A-ASSOCIATE-RJ."""
        opening, address = event.assoc.dul.opening, event.assoc.requestor.address
        own = self._settings.ae_title if self._settings.require_called_ae_title else None
        rejection = rejection_of(opening.calling_ae_title, opening.called_ae_title, address, peers, own)
        if rejection is None:
            return
        self._note_refusal(event.assoc, rejection.code, rejection.reason)
        event.assoc.acse.send_reject(_REJECTED_PERMANENT, _BY_SERVICE_USER, rejection.diagnostic)
        event.assoc.kill()

    def _note_limit(self, event: Event) -> None:
        """Note that pynetdicom has rejected an association, which it does for one reason."""
        cause = f"node.maximum_associations = {self._settings.maximum_associations} are open"
        self._note_refusal(event.assoc, RefusalCode.TOO_MANY_ASSOCIATIONS, cause)

    def _note_refusal(self, association: Any, code: RefusalCode, cause: str) -> None:
        """Leave one line in the log and one count in the ledger."""
        calling, address = association.dul.calling_ae_title, str(association.requestor.address)
        done = "aborted" if code is RefusalCode.INVALID_PDU else "rejected"
        logger.warning("association from %r at %s %s: %s", calling, address, done, cause)
        self._inbox.note_refusal(RefusalRecord(calling, address, code, cause, self._clock()))


class _OpenAssociations:
    """The ids of accepted associations that have not ended."""

    def __init__(self, on_end: Callable[[str], None]) -> None:
        self._on_end = on_end
        self._ids: set[str] = set()
        self._changed = threading.Condition()

    def open(self, association_id: str) -> None:
        with self._changed:
            self._ids.add(association_id)

    def close(self, association_id: str) -> None:
        """Note the end, once: release and the end of the connection both tell of it."""
        with self._changed:
            if association_id not in self._ids:
                return
            self._ids.remove(association_id)
            self._changed.notify_all()
        self._on_end(association_id)

    def ids(self) -> set[str]:
        with self._changed:
            return set(self._ids)

    def wait_for_none(self, timeout_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._ids, timeout_s)


class _Server(ThreadedAssociationServer):
    """A listener whose associations stream. ``receive`` and the two ``on_...`` are set before it serves."""

    receive: Any
    on_end: Callable[[str], None]
    on_refusal: Callable[[Any, RefusalCode, str], None]
    daemon_threads = True
    request_queue_size = 64

    def _bind_defaults(self) -> None:
        """Bind what pynetdicom needs, but not its debug log, which costs time with every message."""
        _bind_services(self)


class _RequestHandler(RequestHandler):
    """Gives each association our transport, upper layer and DIMSE provider."""

    def _create_association(self) -> Any:
        association = super()._create_association()
        association.association_id = uuid4().hex
        for event in (evt.EVT_DIMSE_RECV, evt.EVT_DIMSE_SENT, evt.EVT_PDU_RECV, evt.EVT_PDU_SENT):
            association._handlers.pop(event, None)
        connection = association.dul.socket.socket
        connection.settimeout(association.ae.network_timeout)
        association.dul = StreamingProvider(
            association,
            on_end=lambda: self.server.on_end(association.association_id),
            on_refusal=lambda code, cause: self.server.on_refusal(association, code, cause),
        )
        association.dimse = StreamingDimse(association, self.server.receive)
        association.acse_timeout = association.ae.acse_timeout  # the timers belong to the provider
        association.network_timeout = association.ae.network_timeout
        association.set_socket(WaitingSocket(association, connection))
        return association


def _bind_services(server: Any) -> None:
    for event in evt._INTERVENTION_EVENTS:
        server.bind(event, evt.get_default_handler(event))


def _application_entity(settings: ReceptionSettings) -> AE:
    entity = AE(settings.ae_title)
    entity.maximum_pdu_size = MAXIMUM_PDU_BYTES
    entity.maximum_associations = settings.maximum_associations
    entity.network_timeout = settings.network_timeout_s
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    return entity


def _resolved(peer: Peer) -> Peer:
    """Look a host name up once, at start."""
    if peer.address is None:
        return peer
    try:
        found = socket.getaddrinfo(peer.address, None, type=socket.SOCK_STREAM)
    except OSError:
        raise ConfigError(f"peers: the address {peer.address!r} of {peer.ae_title} is not known") from None
    return replace(peer, address=str(found[0][4][0]))
