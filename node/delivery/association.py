"""Opening an association to a destination, with one clear line for every way that it can fail."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.events import Event

from node.errors import DeliveryError

MAXIMUM_PDU_BYTES = 1 << 17  # what we take; responses are short


@dataclass(frozen=True)
class Destination:
    """An application entity that takes instances."""

    name: str
    ae_title: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.ae_title}@{self.host}:{self.port}"


@contextmanager
def associated(
    destination: Destination,
    contexts: Sequence[tuple[str, tuple[str, ...]]],
    calling_ae_title: str,
    timeout_s: float,
) -> Iterator[Association]:
    """Hold an association, and release it at the end.

    Parameters
    ----------
    contexts
        (SOP class UID, transfer syntax UIDs), at most 128.
    timeout_s
        For the connection, for the answer to the request and for each response.

    Raises
    ------
    DeliveryError
        There is no association. ``may_retry`` is false only when the destination took none of the contexts.
    """
    association = _request(destination, contexts, calling_ae_title, timeout_s)
    try:
        yield association
    except BaseException:
        if association.is_established:
            association.abort()
        raise
    association.release()


def _request(
    destination: Destination,
    contexts: Sequence[tuple[str, tuple[str, ...]]],
    calling_ae_title: str,
    timeout_s: float,
) -> Association:
    entity = AE(calling_ae_title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = timeout_s
    connected: list[Event] = []
    try:
        association = entity.associate(
            destination.host,
            destination.port,
            contexts=[build_context(sop_class, list(syntaxes)) for sop_class, syntaxes in contexts],
            ae_title=destination.ae_title,
            max_pdu=MAXIMUM_PDU_BYTES,
            evt_handlers=[(evt.EVT_CONN_OPEN, _send_at_once), (evt.EVT_CONN_OPEN, connected.append)],
        )
    except OSError as error:
        raise DeliveryError(f"{destination}: the host cannot be reached: {error.strerror}", None, True) from None
    if not association.is_established:
        raise _failure(destination, calling_ae_title, association, bool(connected))
    return association


def _send_at_once(event: Event) -> None:
    """Switch Nagle's algorithm off: it holds a last small packet back for 40 ms with every instance."""
    connection = event.assoc.dul.socket.socket
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _failure(
    destination: Destination, calling_ae_title: str, association: Association, connected: bool
) -> DeliveryError:
    """Say in one line why an association was not established."""
    answer = association.acceptor.primitive
    if not connected:
        return DeliveryError(f"{destination}: no connection; does something listen there?", None, True)
    if association.is_rejected and answer is not None:
        reason = f"rejected ({answer.reason_str}); it was called {destination.ae_title!r} by {calling_ae_title!r}"
        return DeliveryError(f"{destination}: the association was {reason}", None, True)
    if association.rejected_contexts:
        return DeliveryError(f"{destination}: it accepts none of the kinds of object offered", None, False)
    return DeliveryError(f"{destination}: connected, but it did not accept the association in time", None, True)
