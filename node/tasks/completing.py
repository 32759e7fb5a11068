"""The completion task: decides which arriving series are complete, and which one of a study is analysed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from node.ledger.ledger import Ledger
from node.ledger.records import SeriesRecord, log_key
from node.ledger.series import digest_of
from node.series.completeness import SeriesSnapshot, end_instances, judge, needs_look_at_lungs
from node.series.selection import (
    NO_SUITABLE_SERIES,
    Selection,
    SelectionRules,
    SeriesSummary,
    may_win,
    outranks,
    select,
)
from node.series.states import SeriesState
from node.series.succession import TAKEN
from node.tasks.study import Study

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CompletionRules:
    """The settings that the task obeys."""

    data_dir: Path
    quiet_s: float
    study_cap_s: float
    selection: SelectionRules


class CompletionTask:
    """Takes series from RECEIVING to READY or SKIPPED.

    Parameters
    ----------
    open_associations
        Gives the ids of the associations that may still bring instances.
    look
        Tells whether end slices cut through the lungs; None when nobody has time to look.
    on_ready
        Called when a series has become READY.
    """

    name = "completion"

    def __init__(
        self,
        ledger: Ledger,
        rules: CompletionRules,
        open_associations: Callable[[], set[str]],
        look: Callable[[Sequence[Path]], bool | None],
        on_ready: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._rules = rules
        self._open_associations = open_associations
        self._look = look
        self._on_ready = on_ready
        self._looked: dict[tuple[str, int], bool] = {}  # (series, instances) -> whether its ends cut the lungs

    def initialize(self) -> None:
        """Nothing to get ready."""

    def shutdown(self) -> None:
        """Nothing to let go of."""

    def failed(self, error: Exception, now: datetime) -> None:
        """Nothing to note: every series is judged again at the next tick."""

    def loop(self, now: datetime) -> bool:
        """Judge every series that is arriving, then decide every study that waits for nothing any more."""
        open_associations = self._open_associations()  # asked first: what they bring later is judged later
        receiving = self._ledger.series.receiving()
        began: dict[str, datetime] = {}
        for record in receiving:
            began.setdefault(record.study_instance_uid, record.first_arrival)
        for record in receiving:
            if record.completeness is None:
                self._judge(record, open_associations, began[record.study_instance_uid], now)
        for study_instance_uid in began:
            self._decide(study_instance_uid, now)
        return False

    def _judge(self, record: SeriesRecord, open_associations: set[str], study_began: datetime, now: datetime) -> None:
        uid = record.series_instance_uid
        associations = self._ledger.instances.associations(uid)
        is_open = not associations.isdisjoint(open_associations)
        if is_open and not self._may_be_over(record, study_began, now):
            return
        snapshot = SeriesSnapshot(
            self._ledger.instances.headers(uid),
            record.first_arrival,
            record.last_arrival,
            is_open,
            association_count=len(associations),
            partly_corrected=self._ledger.instances.is_partly_corrected(uid),
        )
        if needs_look_at_lungs(snapshot):
            snapshot = replace(snapshot, end_slices_cut_lungs=self._ends_cut_lungs(record, snapshot))
        judged = judge(snapshot, now, self._rules.quiet_s, study_began, self._rules.study_cap_s)
        if judged.evidence and self._ledger.series.set_complete(uid, len(snapshot.headers), judged.reason):
            self._looked.pop((uid, record.instance_count), None)
            logger.info("series %s is complete (%s): %s", record.key, judged.evidence, judged.reason)

    def _may_be_over(self, record: SeriesRecord, study_began: datetime, now: datetime) -> bool:
        """Spare reading the headers each second of a series that is arriving right now."""
        is_quiet = now - record.last_arrival >= timedelta(seconds=self._rules.quiet_s)
        return is_quiet or now - study_began >= timedelta(seconds=self._rules.study_cap_s)

    def _ends_cut_lungs(self, record: SeriesRecord, snapshot: SeriesSnapshot) -> bool | None:
        key = (record.series_instance_uid, len(snapshot.headers))
        ends = end_instances(snapshot.headers)
        if key not in self._looked and ends is not None:
            uids = {header.sop_instance_uid for header in ends}
            files = self._ledger.instances.files(record.series_instance_uid)
            seen = self._look([self._rules.data_dir / path for uid, path, _ in files if uid in uids])
            if seen is not None:
                self._looked[key] = seen
        return self._looked.get(key)

    def _decide(self, study_instance_uid: str, now: datetime) -> None:
        """Choose among the complete series of a study, unless one that is still arriving may be better."""
        records = self._ledger.series.of_study(study_instance_uid)
        arriving = {one.series_instance_uid: one for one in records if one.state is SeriesState.RECEIVING}
        complete = {uid: one for uid, one in arriving.items() if one.completeness is not None}
        if not complete:
            return
        study = Study.read(self._ledger, study_instance_uid, self._rules.selection)
        chosen = select([study.summaries[uid] for uid in complete], study.rules, study.own_series)
        best = study.summaries[chosen.chosen] if chosen.chosen else None
        others = (study.summaries[uid] for uid in arriving if uid not in complete)
        if not any(may_win(one, best, study.rules) for one in others):
            self._conclude(study, complete, chosen, now)

    def _conclude(self, study: Study, complete: dict[str, SeriesRecord], selection: Selection, now: datetime) -> None:
        """Put the chosen series or a notice in line first, then skip the others: a study is never left with nothing."""
        reasons = dict(selection.reasons)
        if selection.chosen and (better := _analysed_and_no_worse(study, selection.chosen)):
            reasons[selection.chosen] = f"{better.name} of this study is analysed already and is no worse"
        elif selection.chosen:
            self._choose(complete[selection.chosen], now)
        elif successor := study.successor(study.step(settled=complete)):
            self._ledger.succession.put_forward(successor, now)
            self._on_ready()
        elif selection.nearest and not study.has_been_read_or_tried:
            # Silence would read as a negative result: the study gets a notice on its largest CT series.
            self._choose(complete[selection.nearest], now, (NO_SUITABLE_SERIES, reasons.pop(selection.nearest)))
        for uid, reason in reasons.items():
            logger.info("series %s is not analysed: %s", log_key(uid), reason)
            self._ledger.series.skip(uid, reason, now)

    def _choose(self, record: SeriesRecord, now: datetime, refused: tuple[str, str] | None = None) -> None:
        digest = digest_of(self._ledger.instances.contents(record.series_instance_uid))
        if not self._ledger.series.choose(record, digest, now, refused):
            return  # an instance came just now: the series is judged again
        logger.info("series %s is ready: %s", record.key, refused[1] if refused else "chosen")
        self._on_ready()


def _analysed_and_no_worse(study: Study, chosen: str) -> SeriesSummary | None:
    """Give a series of the study that is analysed, or in line for it, and that the chosen one does not outrank."""
    taken = [
        study.summaries[uid]
        for uid, record in study.records.items()
        if record.state in TAKEN and record.refusal_code is None and uid in study.summaries
    ]
    return next((one for one in taken if not outranks(study.summaries[chosen], one, study.rules)), None)
