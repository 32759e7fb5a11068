"""A study as the ledger has it: its series, the order in which they are tried, and what is to be done next."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from node.ledger.ledger import Ledger
from node.ledger.records import SeriesRecord, Successor
from node.ledger.series import digest_of
from node.series.selection import Selection, SelectionRules, SeriesSummary, instead_of, may_win, select, summarize
from node.series.states import SeriesState
from node.series.succession import TAKEN, TRIED, Standing, Step, StepKind, next_step, step_after_refusal


@dataclass(frozen=True)
class Study:
    """One study; read once, so that what is decided is decided from one state.

    Parameters
    ----------
    records
        By Series Instance UID, in order of arrival.
    told
        Of which a notice was made of the instances that are here.
    """

    ledger: Ledger
    rules: SelectionRules
    records: Mapping[str, SeriesRecord]
    told: frozenset[str]

    @classmethod
    def read(cls, ledger: Ledger, study_instance_uid: str, rules: SelectionRules) -> Study:
        """Read the rows of a study; headers are read when they are asked for."""
        records = {record.series_instance_uid: record for record in ledger.series.of_study(study_instance_uid)}
        return cls(ledger, rules, records, ledger.outcomes.told(study_instance_uid))

    @cached_property
    def summaries(self) -> Mapping[str, SeriesSummary]:
        """Every series whose files are here."""
        present = [uid for uid, record in self.records.items() if record.files_removed_at is None]
        return {uid: summarize(self.ledger.instances.headers(uid)) for uid in present}

    @cached_property
    def own_series(self) -> Collection[str]:
        """What this node made itself."""
        return self.ledger.outcomes.result_series()

    @cached_property
    def selection(self) -> Selection:
        """The order among all series, whatever their state."""
        return select(list(self.summaries.values()), self.rules, self.own_series)

    @property
    def has_been_read_or_tried(self) -> bool:
        """Tell whether a CT series of the study has been, or is to be, tried or reported on."""
        states = [record.state for uid, record in self.records.items() if self._is_ct(uid)]
        return any(state in TAKEN | TRIED for state in states)

    def step(self, settled: Collection[str] = ()) -> Step | None:
        """Say what is to be done; ``settled`` are arriving series that are complete and no candidates."""
        standings = self._standings(settled)
        if not any(standing.state in TRIED for standing in standings.values()):
            return None
        return next_step(self.selection.candidates, standings)

    def step_after_refusal(self, series_instance_uid: str) -> Step | None:
        """Say what is to be done if the series at hand cannot be read."""
        others = {uid: record for uid, record in self.records.items() if uid != series_instance_uid}
        if any(record.state in TAKEN for record in others.values()):
            return None
        if not others:
            return Step(StepKind.NOTICE, series_instance_uid)
        return step_after_refusal(series_instance_uid, self.selection.candidates, self._standings())

    def tried_beside(self, series_instance_uid: str) -> tuple[SeriesRecord, ...]:
        """List the candidates that were tried in vain, best first, without the series at hand."""
        tried = [uid for uid, record in self.records.items() if record.state in TRIED and uid != series_instance_uid]
        if not tried:
            return ()
        return tuple(self.records[uid] for uid in self.selection.candidates if uid in tried)

    def remarks(self, series_instance_uid: str) -> tuple[str, ...]:
        """Say what a reader of the report must know of the choice of a series."""
        instead = [
            instead_of(self.summaries[record.series_instance_uid], record.reason_code or "")
            for record in self.tried_beside(series_instance_uid)
        ]
        own = summarize(self.ledger.instances.headers(series_instance_uid))
        said = select([own], self.rules).remarks.get(series_instance_uid, ())
        return (*instead, *said)

    def successor(self, step: Step | None) -> Successor | None:
        """Say a step as the ledger takes it."""
        if step is None:
            return None
        uid = step.series_instance_uid
        if step.kind is StepKind.NOTICE:
            return Successor(uid, None)
        return Successor(uid, digest_of(self.ledger.instances.contents(uid)))

    def _standings(self, settled: Collection[str] = ()) -> dict[str, Standing]:
        return {
            uid: Standing(
                record.state,
                uid in self.told,
                record.state is SeriesState.RECEIVING and uid not in settled and self._may_be_candidate(uid),
            )
            for uid, record in self.records.items()
        }

    def _may_be_candidate(self, uid: str) -> bool:
        return uid in self.summaries and uid not in self.own_series and may_win(self.summaries[uid], None, self.rules)

    def _is_ct(self, uid: str) -> bool:
        return uid not in self.summaries or self.summaries[uid].is_ct
