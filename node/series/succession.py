"""What follows when a series could not be read: the next best of its study, or the notice.

Law of this file: decided from where each series of the study stands, nothing else; so a node that was killed
decides the same again. Every study with candidates ends in one report or one notice, never in silence: the notice
comes when nothing is left to try, and belongs to the series that ranks best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from node.series.states import SeriesState

TAKEN = frozenset({SeriesState.READY, SeriesState.ANALYSED, SeriesState.DELIVERED, SeriesState.COMMITTED})
TRIED = frozenset({SeriesState.REFUSED, SeriesState.FAILED})


class StepKind(StrEnum):
    """What is to be done with a series."""

    TRY = "TRY"  # analyse it
    NOTICE = "NOTICE"  # make the notice of the study on it


@dataclass(frozen=True)
class Standing:
    """Where one series stands.

    Parameters
    ----------
    is_told
        A notice on it was made, or could not be made.
    may_be_candidate
        Of a series that is arriving: it may be tried once it is complete.
    """

    state: SeriesState
    is_told: bool = False
    may_be_candidate: bool = False


@dataclass(frozen=True)
class Step:
    """The next thing to do in a study."""

    kind: StepKind
    series_instance_uid: str


def next_step(candidates: Sequence[str], standings: Mapping[str, Standing]) -> Step | None:
    """Say what is to be done in a study; None while something goes on, or when all is done.

    Parameters
    ----------
    candidates
        Series Instance UIDs that may be tried, best first.
    standings
        Of every series of the study.
    """
    if any(standing.state in TAKEN for standing in standings.values()):
        return None
    untried = next((uid for uid in candidates if standings[uid].state is SeriesState.SKIPPED), None)
    if untried is not None:
        return Step(StepKind.TRY, untried)
    if any(one.state is SeriesState.RECEIVING and one.may_be_candidate for one in standings.values()):
        return None
    tried = [uid for uid in candidates if standings[uid].state in TRIED]
    if not tried or any(standings[uid].is_told for uid in tried):
        return None
    return Step(StepKind.NOTICE, tried[0])


def step_after_refusal(refused: str, candidates: Sequence[str], standings: Mapping[str, Standing]) -> Step | None:
    """Say what is to be done if a series that is at hand is refused, or fails; what was told of it before is over."""
    after = replace(standings[refused], state=SeriesState.REFUSED, is_told=False)
    known = candidates if refused in candidates else (*candidates, refused)
    return next_step(known, {**standings, refused: after})
