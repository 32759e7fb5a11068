"""The report of a run: what was removed, replaced, kept and refused, and why; nothing in it identifies anybody.

It is one JSON object. Its sha256 stands beside it, and a signature under the project key where there is
one, so that who signs for an export can tell whether the report was changed afterwards.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from node.deidentification.changes import Change, Verdict
from node.deidentification.identity import Remembered
from node.deidentification.one_file import Fate, Order, Outcome
from node.deidentification.option_names import NAME_OF, names_of
from node.deidentification.profile import Options, row_for
from node.deidentification.pseudonyms import Pseudonyms

FORMAT: Final = "pulmonode de-identification report 1"
PROFILE: Final = "DICOM PS3.15 Annex E, Basic Application Level Confidentiality Profile"
_MARKS: Final = frozenset(
    {
        "BurnedInAnnotation",
        "DeidentificationMethod",
        "DeidentificationMethodCodeSequence",
        "LongitudinalTemporalInformationModified",
        "PatientIdentityRemoved",
    }
)
RESIDUAL_RISKS: Final = (
    "A body can be recognised by its anatomy; of a chest CT no face is shown, of other images there may be.",
    "Who holds the originals, or the key of the project, can link what has left.",
    "Text search in pixels misses words; only a signature of the device blanks all that the device writes.",
    "Rare findings, sizes and ages that an option retains can single somebody out among few.",
    "Values that the profile keeps are taken for what their attribute says: a name in a number is not looked for.",
)


@dataclass
class Tally:
    """What the outcomes of a run come to, counted as they arrive."""

    fates: Counter[Fate] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    pixels: Counter[str] = field(default_factory=Counter)
    changes: Counter[Change] = field(default_factory=Counter)
    refused: list[tuple[int, str]] = field(default_factory=list)
    to_remember: list[Remembered] = field(default_factory=list, repr=False)

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self.fates[outcome.fate] += 1
        if outcome.fate is Fate.REFUSED:
            self.refused.append((outcome.number, outcome.reason or ""))
        if outcome.fate is Fate.LEFT:
            self.kinds[outcome.sop_class] += 1
            self.changes.update(outcome.changes)
            self.pixels.update([outcome.pixels] if outcome.pixels else [])
        if outcome.remembered is not None:
            self.to_remember.append(outcome.remembered)

    @property
    def is_complete(self) -> bool:
        """Tell whether there was something and nothing was refused."""
        return bool(self.fates) and not self.refused


def report_of(tally: Tally, order: Order, at: datetime, version: str) -> dict[str, Any]:
    """Put a run into one JSON object."""
    options = order.options
    return {
        "format": FORMAT,
        "created_at": at.isoformat(timespec="seconds"),
        "software": f"pulmonode {version}",
        "profile": PROFILE,
        "options": list(names_of(options)),
        "codes": [f"{code.value} {code.meaning}" for code in options.codes],
        "project": Pseudonyms(order.key).fingerprint
        if order.is_lasting_key
        else "a key of this run alone, kept nowhere",
        "files": {fate.value: tally.fates[fate] for fate in Fate},
        "objects": dict(sorted(tally.kinds.items())),
        "refused": [{"file": number, "reason": reason} for number, reason in tally.refused],
        "pixels": dict(tally.pixels.most_common()),
        "attributes": [
            _attribute(change, count, options) for change, count in sorted(tally.changes.items(), key=_place)
        ],
        "residual_risks": list(RESIDUAL_RISKS),
    }


def sealed(report: dict[str, Any], pseudonyms: Pseudonyms | None) -> dict[str, Any]:
    """Put a report beside its sha256 and, with the project key, its signature."""
    content = _canonical(report)
    signature = pseudonyms.signature(content) if pseudonyms else None
    return {"report": report, "sha256": hashlib.sha256(content).hexdigest(), "signature": signature}


def is_genuine(envelope: dict[str, Any], pseudonyms: Pseudonyms) -> bool:
    """Tell whether a report is as it was when it was signed with this project key."""
    again = sealed(envelope["report"], pseudonyms)
    return (envelope["sha256"], envelope["signature"]) == (again["sha256"], again["signature"])


def in_words(envelope: dict[str, Any]) -> str:
    """Say a report of a run for people."""
    report = envelope["report"]
    files = ", ".join(f"{count} {fate}" for fate, count in report["files"].items())
    reasons = Counter(entry["reason"] for entry in report["refused"])
    lines = [
        f"De-identification of {report['created_at']}, {report['software']}",
        report["profile"],
        f"options: {', '.join(report['options']) or 'none'}",
        f"project: {report['project']}",
        f"files: {files}",
        *(f"  {count} {kind}" for kind, count in report["objects"].items()),
        *_part("refused", [f"{count} x {reason}" for reason, count in reasons.most_common()]),
        *_part("pixels", [f"{count} x {what}" for what, count in report["pixels"].items()]),
        *(line for verdict in Verdict for line in _of_verdict(report, verdict)),
        *_part("residual risks", report["residual_risks"]),
        *signed_lines(envelope),
    ]
    return "\n".join(lines) + "\n"


def signed_lines(envelope: dict[str, Any]) -> list[str]:
    """Say by what a report can be told from a changed one."""
    signature = envelope["signature"] or "none: no project key was given"
    return ["", f"sha256 of the report: {envelope['sha256']}", f"signature (HMAC-SHA-256, project key): {signature}"]


def _of_verdict(report: dict[str, Any], verdict: Verdict) -> list[str]:
    rows = [row for row in report["attributes"] if row["became"] == verdict.value]
    said = [f"{row['tag']} {row['name']}, {row['count']} times: {row['why']}" for row in rows]
    return _part(f"attributes {verdict.value}", said)


def _part(title: str, lines: list[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {line}" for line in lines)] if lines else []


def _canonical(report: dict[str, Any]) -> bytes:
    return json.dumps(report, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def _place(item: tuple[Change, int]) -> tuple[str, str]:
    return item[0].tag, item[0].verdict.value


def _attribute(change: Change, count: int, options: Options) -> dict[str, Any]:
    return {
        "tag": change.tag,
        "name": change.keyword,
        "became": change.verdict.value,
        "count": count,
        "why": _why(change, options),
    }


def _why(change: Change, options: Options) -> str:
    if change.keyword in _MARKS:
        return "says that the object was de-identified, and how"
    if change.tag == "(7FE0,0010)":
        return "pixels leave as plain values" if change.verdict is Verdict.REPLACED else "the picture"
    tag = int(change.tag[1:5] + change.tag[6:10].replace("xxxx", "1000"), 16)
    row = row_for(tag)
    if row is None:
        return (
            "no row in Table E.1-1" if change.verdict is Verdict.KEPT else "it is unknown, or follows from the others"
        )
    chosen = [f"{NAME_OF[column]} {code}" for column, code in row.options.items() if column in options.columns]
    table = "Table E.1-1" if row.is_standard else "beyond Table E.1-1"
    return f"{table}: {row.basic}" + "".join(f", {said}" for said in chosen)
