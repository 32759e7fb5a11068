"""The life of a series, and when to try again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from node.series.retry import RetryPolicy, next_attempt
from node.series.states import TRANSITIONS, SeriesEvent, SeriesState, next_state

NOW = datetime(2026, 1, 5, 10, 15, tzinfo=UTC)
S, E = SeriesState, SeriesEvent


def walk(*events: SeriesEvent, start: SeriesState = S.RECEIVING) -> SeriesState:
    state = start
    for event in events:
        state = next_state(state, event)
    return state


def test_the_straight_path_ends_committed() -> None:
    path = (E.INSTANCE_ARRIVED, E.CHOSEN, E.ANALYSED, E.DELIVERED, E.COMMITTED)
    assert walk(*path) is S.COMMITTED


@pytest.mark.parametrize("state", S)
def test_a_late_slice_opens_a_series_in_any_state(state: SeriesState) -> None:
    assert next_state(state, E.INSTANCE_ARRIVED) is S.RECEIVING


@pytest.mark.parametrize("state", [S.REFUSED, S.FAILED])
def test_a_retry_puts_a_series_back_in_line(state: SeriesState) -> None:
    assert next_state(state, E.RETRY) is S.READY


@pytest.mark.parametrize(("event", "state"), [(E.ANALYSED, S.ANALYSED), (E.REFUSED, S.REFUSED), (E.FAILED, S.FAILED)])
def test_an_analysis_has_three_outcomes(event: SeriesEvent, state: SeriesState) -> None:
    assert walk(E.CHOSEN, event) is state


def test_a_skipped_series_can_step_in_for_a_refused_one() -> None:
    assert walk(E.NOT_CHOSEN, E.CHOSEN) is S.READY


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (S.RECEIVING, E.ANALYSED),
        (S.READY, E.DELIVERED),
        (S.ANALYSED, E.COMMITTED),
        (S.REFUSED, E.DELIVERED),
        (S.COMMITTED, E.RETRY),
        (S.SKIPPED, E.ANALYSED),
    ],
)
def test_an_impossible_move_is_an_error_that_names_both(state: SeriesState, event: SeriesEvent) -> None:
    with pytest.raises(ValueError, match=f"{state}.*{event}"):
        next_state(state, event)


def test_every_state_has_its_row_and_every_state_can_be_reached() -> None:
    assert set(TRANSITIONS) == set(S)
    reached = {state for row in TRANSITIONS.values() for state in row.values()}
    assert reached == set(S)


def test_every_event_moves_something() -> None:
    assert {event for row in TRANSITIONS.values() for event in row} == set(E)


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[S.READY][E.ANALYSED] = S.COMMITTED  # type: ignore[index]


def waits_s(policy: RetryPolicy, jitter: float) -> list[float]:
    times = [next_attempt(attempts, NOW, policy, jitter) for attempts in range(1, policy.attempts)]
    return [(time - NOW).total_seconds() for time in times if time is not None]


def test_waits_double_from_30_seconds_to_10_minutes() -> None:
    assert waits_s(RetryPolicy(), 0.5) == [30, 60, 120, 240, 480, 600, 600, 600, 600]


def test_jitter_spreads_by_a_tenth_both_ways() -> None:
    policy = RetryPolicy()
    assert next_attempt(1, NOW, policy, 0.0) == NOW + timedelta(seconds=27)
    last = next_attempt(1, NOW, policy, 0.999)
    assert last is not None
    assert 32.9 < (last - NOW).total_seconds() < 33


def test_the_tenth_failure_holds() -> None:
    assert next_attempt(9, NOW, RetryPolicy(), 0.5) is not None
    assert next_attempt(10, NOW, RetryPolicy(), 0.5) is None
    assert next_attempt(11, NOW, RetryPolicy(), 0.5) is None


def test_before_the_first_attempt_it_is_due_at_once() -> None:
    assert next_attempt(0, NOW, RetryPolicy(), 0.5) == NOW


def test_a_first_wait_above_the_longest_is_cut_to_it() -> None:
    assert waits_s(RetryPolicy(3, 60, 10), 0.5) == [10, 10]


@pytest.mark.parametrize(("attempts", "first", "longest"), [(0, 30, 600), (3, 0, 600), (3, 30, -1)])
def test_a_policy_without_attempts_or_waits_is_refused(attempts: int, first: float, longest: float) -> None:
    with pytest.raises(ValueError, match="retry policy"):
        RetryPolicy(attempts, first, longest)
