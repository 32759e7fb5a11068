"""Looking through a folder of what has left, or is to leave: every file, its name, its content.

Given the originals too, each of their identifying values is looked for in every byte of the folder.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from node.deidentification.folders import files_in
from node.deidentification.inspection import doubts, findings
from node.deidentification.leaks import identifying, instance_uids, leaked
from node.deidentification.profile import Options
from node.deidentification.reading import read_instance
from node.deidentification.report import RESIDUAL_RISKS, signed_lines
from node.durable import ASIDE_PREFIX
from node.errors import ConfigError
from node.malformed import MALFORMED

FORMAT: Final = "pulmonode verification report 1"
REPORTS: Final = ("report.json", "report.txt")  # of a run; they stand in the folder itself
_NAME_PART: Final = re.compile(r"[0-9.]{1,64}")
_UID_LIKE: Final = re.compile(rb"[0-9]+(?:\.[0-9]+){2,}")


@dataclass(frozen=True)
class Originals:
    """What must not be found: identifying values with their attributes, and UIDs."""

    texts: dict[bytes, str] = field(default_factory=dict, repr=False)
    uids: frozenset[bytes] = field(default=frozenset(), repr=False)


def originals_in(source: Path, options: Options) -> Originals:
    """Collect what identifies the originals below a folder, except what the options retain."""
    texts: dict[bytes, str] = {}
    uids: set[bytes] = set()
    for path in files_in(source):
        original = read_instance(path, is_whole=False)
        if not isinstance(original, str):
            try:
                texts |= identifying(original, options)
                uids |= {uid.encode("utf-8") for uid in instance_uids(original, options)}
            except MALFORMED:  # such an original is refused; what of it can be read has been taken
                continue
    return Originals({value: keyword for value, keyword in texts.items() if value not in uids}, frozenset(uids))


def verify(
    folder: Path, originals: Originals | None, at: datetime, version: str, on_file: Callable[[int, int], None]
) -> dict[str, Any]:
    """Look through every file of a folder and put what was found into one JSON object.

    Raises
    ------
    ConfigError
        There is no file below the folder.
    """
    files = files_in(folder)
    if not files:
        raise ConfigError(f"{folder}: there is no file below it")
    found: Counter[str] = Counter()
    doubted: Counter[str] = Counter()
    for number, path in enumerate(files, 1):
        against, unsure = _of_file(path, path.relative_to(folder), originals or Originals())
        found.update(against)
        doubted.update(unsure)
        on_file(number, len(files))
    return {
        "format": FORMAT,
        "created_at": at.isoformat(timespec="seconds"),
        "software": f"pulmonode {version}",
        "files": len(files),
        "compared_with_originals": originals is not None,
        "verdict": "identities were found" if found else "no identity was found",
        "findings": dict(found.most_common()),
        "doubts": dict(doubted.most_common()),
        "residual_risks": list(RESIDUAL_RISKS),
    }


def in_words(envelope: dict[str, Any]) -> str:
    """Say a verification for people."""
    report = envelope["report"]
    compared = "compared with the originals" if report["compared_with_originals"] else "without the originals"
    lines = [
        f"Verification of {report['created_at']}, {report['software']}",
        f"{report['files']} files, {compared}: {report['verdict']}",
        *_counted("findings", report["findings"]),
        *_counted("to be looked at", report["doubts"]),
        "",
        "residual risks:",
        *(f"  {risk}" for risk in report["residual_risks"]),
        *signed_lines(envelope),
    ]
    return "\n".join(lines) + "\n"


def _counted(title: str, counts: dict[str, int]) -> list[str]:
    return ["", f"{title}:", *(f"  {count} x {what}" for what, count in counts.items())] if counts else []


def _of_file(path: Path, name: Path, originals: Originals) -> tuple[list[str], list[str]]:
    """Look at one file; give what speaks against it, and what is to be looked at."""
    content = path.read_bytes()
    against = [*_of_name(name), *_of_originals(content, name, originals)]
    if str(name) in REPORTS:
        return against, []
    dataset = read_instance(path)
    if isinstance(dataset, str):
        return [*against, "a file is no DICOM instance that can be read"], []
    try:
        return [*against, *findings(dataset)], doubts(dataset)
    except MALFORMED as error:
        return [*against, f"a file holds a malformed attribute ({type(error).__name__})"], []


def _of_name(name: Path) -> Iterator[str]:
    if name.name.startswith(ASIDE_PREFIX):
        yield "a file was never finished"
    elif str(name) not in REPORTS and not _is_of_uids([*name.parts[:-1], name.name.removesuffix(".dcm")]):
        yield "the name of a file or folder is not made of UIDs"


def _is_of_uids(parts: Sequence[str]) -> bool:
    return all(_NAME_PART.fullmatch(part) for part in parts)


def _of_originals(content: bytes, name: Path, originals: Originals) -> Iterator[str]:
    searched = content + b"\n" + str(name).encode("utf-8", "surrogateescape")
    for keyword in sorted(leaked(searched, originals.texts)):
        yield f"a value of {keyword} of an original stands in a file or its name"
    if originals.uids and not originals.uids.isdisjoint(_UID_LIKE.findall(searched)):
        yield "a UID of an original stands in a file or its name"
