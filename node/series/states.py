"""The life of a series: its states, what can happen to it, and the one table that joins the two.

Law of this file: a state changes only by an event and only as ``TRANSITIONS`` says; a pair that is not
in the table is an error. No clock, no file, no log, no ledger.

    RECEIVING ──chosen──> READY ──analysed──> ANALYSED ──delivered──> DELIVERED ──committed──> COMMITTED
        │                   │
        │                   ├──refused──> REFUSED     ``retry`` makes it READY again
        │                   └──failed───> FAILED      an error of ours; ``retry`` makes it READY again
        └──not chosen──> SKIPPED                      ``chosen`` later, when a better series was refused, or ``retry``

Where a series is REFUSED or FAILED and another of its study is left, that one is chosen and no notice is made. When
none is left, the best of the study is ``chosen`` once more, for the notice alone (``node.series.succession``).

An instance that arrives puts a series in any state back to RECEIVING: what was said of it was said of
fewer slices. REFUSED and FAILED stay as they are when their notice is delivered: the delivery of a
result has its own rows, and a delivered notice is not a delivered analysis.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class SeriesState(StrEnum):
    """Where a series stands; durable in the ledger."""

    RECEIVING = "RECEIVING"  # instances may still come
    READY = "READY"  # complete, and in line for analysis or for its notice
    ANALYSED = "ANALYSED"  # results are on disk
    DELIVERED = "DELIVERED"  # every destination has every result
    COMMITTED = "COMMITTED"  # every destination has taken over the responsibility (storage commitment)
    SKIPPED = "SKIPPED"  # complete, and not chosen for analysis; the reason is stored
    REFUSED = "REFUSED"  # cannot be analysed; the reason is stored
    FAILED = "FAILED"  # an error of ours; may be tried again


class SeriesEvent(StrEnum):
    """What can happen to a series."""

    INSTANCE_ARRIVED = "INSTANCE_ARRIVED"
    CHOSEN = "CHOSEN"  # complete, and selected for analysis, or for the notice of its study
    NOT_CHOSEN = "NOT_CHOSEN"  # complete, and not selected
    ANALYSED = "ANALYSED"
    REFUSED = "REFUSED"
    FAILED = "FAILED"
    DELIVERED = "DELIVERED"
    COMMITTED = "COMMITTED"
    RETRY = "RETRY"  # somebody asks for another attempt


_S, _E = SeriesState, SeriesEvent

TRANSITIONS: Mapping[SeriesState, Mapping[SeriesEvent, SeriesState]] = MappingProxyType(
    {
        _S.RECEIVING: MappingProxyType(
            {_E.INSTANCE_ARRIVED: _S.RECEIVING, _E.CHOSEN: _S.READY, _E.NOT_CHOSEN: _S.SKIPPED}
        ),
        _S.READY: MappingProxyType(
            {
                _E.INSTANCE_ARRIVED: _S.RECEIVING,
                _E.ANALYSED: _S.ANALYSED,
                _E.REFUSED: _S.REFUSED,
                _E.FAILED: _S.FAILED,
            }
        ),
        _S.ANALYSED: MappingProxyType({_E.INSTANCE_ARRIVED: _S.RECEIVING, _E.DELIVERED: _S.DELIVERED}),
        _S.DELIVERED: MappingProxyType({_E.INSTANCE_ARRIVED: _S.RECEIVING, _E.COMMITTED: _S.COMMITTED}),
        _S.COMMITTED: MappingProxyType({_E.INSTANCE_ARRIVED: _S.RECEIVING}),
        _S.SKIPPED: MappingProxyType({_E.INSTANCE_ARRIVED: _S.RECEIVING, _E.CHOSEN: _S.READY, _E.RETRY: _S.READY}),
        _S.REFUSED: MappingProxyType({_E.INSTANCE_ARRIVED: _S.RECEIVING, _E.CHOSEN: _S.READY, _E.RETRY: _S.READY}),
        _S.FAILED: MappingProxyType({_E.INSTANCE_ARRIVED: _S.RECEIVING, _E.CHOSEN: _S.READY, _E.RETRY: _S.READY}),
    }
)


def next_state(state: SeriesState, event: SeriesEvent) -> SeriesState:
    """Give the state after an event.

    Raises
    ------
    ValueError
        If the event cannot happen in this state; the message names both.
    """
    following = TRANSITIONS[state].get(event)
    if following is None:
        raise ValueError(f"a series that is {state} cannot take the event {event}")
    return following
