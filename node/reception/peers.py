"""Who may talk to the node; pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import StrEnum

# Diagnostics of an A-ASSOCIATE-RJ from the service user, PS3.8 Table 9-21
CALLING_AE_TITLE_NOT_RECOGNISED = 3
CALLED_AE_TITLE_NOT_RECOGNISED = 7


class RefusalCode(StrEnum):
    """Why an association, or a connection that should have become one, was turned away."""

    CALLED_AE_TITLE = "CALLED_AE_TITLE"  # another one than ours
    NOT_A_PEER = "NOT_A_PEER"
    TOO_MANY_ASSOCIATIONS = "TOO_MANY_ASSOCIATIONS"
    NOTHING_ACCEPTED = "NOTHING_ACCEPTED"  # of what it proposed
    NO_ASSOCIATION_REQUEST = "NO_ASSOCIATION_REQUEST"  # what came is none, or cannot be decoded
    INVALID_PDU = "INVALID_PDU"  # within an association, which ends with it


@dataclass(frozen=True)
class Peer:
    """An application entity that may send; ``address`` is an IP address, or None for any."""

    ae_title: str
    address: str | None = None


@dataclass(frozen=True)
class Rejection:
    """Why an association is not accepted: diagnostic for the peer, code for the ledger, one line for the log."""

    diagnostic: int
    code: RefusalCode
    reason: str


def rejection_of(
    calling_ae_title: str, called_ae_title: str, address: str, peers: tuple[Peer, ...], own_ae_title: str | None
) -> Rejection | None:
    """Decide on an association request; None accepts it.

    Parameters
    ----------
    address
        Of the requestor, as the socket gives it.
    peers
        Who may send; empty means anyone.
    own_ae_title
        What must be called, or None when any called AE title will do.
    """
    if own_ae_title is not None and called_ae_title.strip() != own_ae_title.strip():
        reason = f"it calls AE title {called_ae_title!r}, this node is {own_ae_title!r}"
        return Rejection(CALLED_AE_TITLE_NOT_RECOGNISED, RefusalCode.CALLED_AE_TITLE, reason)
    if peers and not any(_is(peer, calling_ae_title, address) for peer in peers):
        reason = "this AE title and address are not among the peers"
        return Rejection(CALLING_AE_TITLE_NOT_RECOGNISED, RefusalCode.NOT_A_PEER, reason)
    return None


def _is(peer: Peer, ae_title: str, address: str) -> bool:
    if peer.ae_title.strip() != ae_title.strip():
        return False
    return peer.address is None or _canonical(peer.address) == _canonical(address)


def _canonical(address: str) -> str:
    """Write an address in one way, IPv4 also where it comes mapped into IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address.lower()
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)
