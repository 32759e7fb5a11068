"""One file through the de-identification: read, changed, looked at once more, written; or refused with a reason."""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.uid import UID

from node.deidentification.changes import Change, changes
from node.deidentification.engine import deidentify
from node.deidentification.identity import Remembered, identity_of, uids_of
from node.deidentification.leaks import identifying, leaked
from node.deidentification.pixel_cleaning import PixelRules, clean_pixels
from node.deidentification.pixel_signatures import Signature
from node.deidentification.plan import Rules
from node.deidentification.profile import Options
from node.deidentification.pseudonyms import Pseudonyms
from node.deidentification.reading import read_instance
from node.deidentification.text_detection import is_installed, text_in
from node.durable import ASIDE_PREFIX, make_folder_durably
from node.errors import DeidentificationError
from node.malformed import MALFORMED

_UID = re.compile(r"[0-9.]{1,64}")  # of a name that may stand in a file system
_NOT_REGISTERED = "a kind that PS3.6 does not register"


@dataclass(frozen=True)
class Order:
    """What is to be done to every file of a run; sent to the processes that do it.

    Parameters
    ----------
    target
        Folder for what leaves.
    key
        Of the project.
    is_remembered
        Whether what the vault needs is to be handed back.
    is_lasting_key
        Whether somebody has the key; else it was made for this run alone.
    """

    target: Path
    options: Options
    key: bytes = field(repr=False)
    signatures: tuple[Signature, ...] = ()
    is_remembered: bool = False
    is_lasting_key: bool = True


class Fate(Enum):
    """What became of a file."""

    LEFT = "de-identified"
    TWICE = "the same object again"
    REFUSED = "refused"


@dataclass(frozen=True)
class Outcome:
    """What became of one file; nothing in it names anybody, ``remembered`` apart.

    Parameters
    ----------
    number
        Place of the file in the sorted list of the run, from 1.
    pixels
        What was done to pixels that may show text.
    remembered
        For the vault.
    """

    number: int
    fate: Fate
    sop_class: str = ""
    reason: str | None = None
    pixels: str | None = None
    changes: Mapping[Change, int] = field(default_factory=dict)
    remembered: Remembered | None = field(default=None, repr=False)


@dataclass(frozen=True)
class _Tools:
    """What is made once a process from an order."""

    rules: Rules
    pseudonyms: Pseudonyms
    pixels: PixelRules


def deidentify_file(path: Path, number: int, order: Order) -> Outcome:
    """De-identify one file into the folder of the order, under a name made of pseudonymous UIDs.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    original = read_instance(path)
    if isinstance(original, str):
        return Outcome(number, Fate.REFUSED, reason=original)
    name = UID(str(original.get("SOPClassUID", "")), 0)
    kind = name.name if name.type else _NOT_REGISTERED
    try:
        return _left(original, Outcome(number, Fate.LEFT, kind), order)
    except DeidentificationError as error:
        return Outcome(number, Fate.REFUSED, kind, str(error))
    except MALFORMED as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the folder, not of what was read
            raise
        return Outcome(number, Fate.REFUSED, kind, f"it is malformed ({type(error).__name__})")


def _left(original: Dataset, outcome: Outcome, order: Order) -> Outcome:
    tools = _tools(order)
    identity = identity_of(original) if order.is_remembered else b""  # before anybody looks at the text
    values = identifying(original, order.options)
    leaving = deidentify(original, tools.rules, tools.pseudonyms)
    pixels = clean_pixels(original, leaving, tools.pixels)
    content = _encoded(leaving)
    found = leaked(content, values)
    if found:
        raise DeidentificationError(f"a value of {', '.join(sorted(found))} would still be in it; it does not leave")
    is_new = _publish(order.target / _name(leaving, tools.pseudonyms), content)
    return Outcome(
        outcome.number,
        Fate.LEFT if is_new else Fate.TWICE,
        outcome.sop_class,
        pixels=pixels,
        changes=Counter(changes(original, leaving)) if is_new else {},
        remembered=_remembered(original, leaving, identity, tools) if order.is_remembered else None,
    )


@lru_cache(maxsize=1)
def _tools(order: Order) -> _Tools:
    rules = PixelRules(order.options.clean_pixel_data, order.signatures, text_in if is_installed() else None)
    return _Tools(Rules(order.options), Pseudonyms(order.key), rules)


def _encoded(leaving: Dataset) -> bytes:
    """Encode an object as a file, and see that it can be read again."""
    buffer = BytesIO()
    leaving.save_as(buffer, enforce_file_format=True)
    content = buffer.getvalue()
    dcmread(BytesIO(content), stop_before_pixels=True)
    return content


def _name(leaving: Dataset, pseudonyms: Pseudonyms) -> Path:
    """Name a file by study, series and instance; a UID that is none is never a name."""
    uids = [str(leaving.get(keyword) or "") for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")]
    safe = [uid if _UID.fullmatch(uid) and uid.strip(".") else pseudonyms.uid(uid) for uid in uids if uid]
    return Path(*safe[:-1], f"{safe[-1]}.dcm")


def _publish(path: Path, content: bytes) -> bool:
    """Give a file its name once it is whole and on disk; False when the same is there already.

    The name itself is durable once the folder is synced, which the run does at its end, once for each folder.

    Raises
    ------
    DeidentificationError
        Another object is there under the same SOP Instance UID.
    """
    make_folder_durably(path.parent)
    descriptor, aside = tempfile.mkstemp(prefix=ASIDE_PREFIX, dir=path.parent)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)  # link(2) never replaces what another process has put there
    except FileExistsError:
        if path.read_bytes() == content:
            return False
        raise DeidentificationError("another object with the same SOP Instance UID has left already") from None
    finally:
        Path(aside).unlink(missing_ok=True)
    return True


def _remembered(original: Dataset, leaving: Dataset, identity: bytes, tools: _Tools) -> Remembered:
    is_mapped = not tools.rules.options.uids
    uids = {tools.pseudonyms.uid(uid): uid for uid in uids_of(original)} if is_mapped else {}
    study, patient = str(leaving.get("StudyInstanceUID") or ""), str(leaving.get("PatientID") or "")
    return Remembered(study, patient, identity, {new: old for new, old in uids.items() if new != old})
