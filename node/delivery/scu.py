"""Sending instances (C-STORE) and testing a connection (C-ECHO).

The law of this file: an instance counts as stored only when the destination has said so. Whatever was
not answered is to be tried again.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID
from pynetdicom import _config
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification

from node.delivery.association import Destination, associated
from node.delivery.outgoing import Batch, Outgoing, next_form, plan, read_outgoing, syntax_for, with_other_forms
from node.delivery.statuses import Outcome, classify, describe, is_about_class
from node.errors import ConfigError, DeliveryError
from node.malformed import MALFORMED

__all__ = ["Destination", "SendResult", "echo", "parse_peer", "send", "send_folder"]

_PEER = re.compile(r"(?P<ae_title>[^@\\]{1,16})@(?P<host>\[[^\]]+\]|[^:\s\[\]]+):(?P<port>[0-9]{1,5})", re.ASCII)
_IMPLICIT = "1.2.840.10008.1.2"
_LARGEST_PORT = 65535
_ASSOCIATIONS = 3  # for one batch: an archive that ends the third one at an object is left alone for now
_MESSAGE_IDS = 0xFFFF  # Message ID is an unsigned short, PS3.7 section 9.3.1.1


@dataclass(frozen=True)
class SendResult:
    """What became of one file.

    Parameters
    ----------
    status
        None when there was no answer.
    is_about_class
        Refused as this kind of object: the same content in another SOP class may be taken.
    """

    sop_instance_uid: str
    outcome: Outcome
    status: int | None
    message: str
    path: Path
    is_about_class: bool = False


def send(
    files: Sequence[Path],
    destination: Destination,
    *,
    calling_ae_title: str,
    timeout_s: float,
    on_result: Callable[[SendResult], None],
    other_forms: Mapping[Path, Sequence[Path]] = MappingProxyType({}),
    is_wanted: Callable[[Path], bool] = lambda _: True,
) -> None:
    """Send files over one association (several where more than 128 presentation contexts are needed).

    Each file gets exactly one result, reported as soon as it is known. A file is sent as it is; where the
    destination does not take its transfer syntax it is decoded to little endian on the way.

    Parameters
    ----------
    other_forms
        For a file, the same content in other SOP classes, in order of preference. When the destination does
        not take the class of one, the next is sent over the same association; only what was tried gets a result.
    is_wanted
        Asked right before a file is sent; one that is not wanted any more is left out, without a result.
    """
    readable = []
    for path in files:
        file = read_outgoing(path)
        if file is None:
            on_result(SendResult(path.stem, Outcome.REFUSED, None, "the file is not a readable DICOM instance", path))
        else:
            readable.append(with_other_forms(file, map(read_outgoing, other_forms.get(path, ()))))
    for batch in plan(readable):
        for result in _send_batch(batch, destination, calling_ae_title, timeout_s, is_wanted):
            on_result(result)


def send_folder(
    folder: Path,
    destination: Destination,
    *,
    calling_ae_title: str,
    timeout_s: float,
    on_result: Callable[[SendResult, int], None],
) -> int:
    """Send every DICOM instance below ``folder`` and give the number of other files, which are passed over.

    ``on_result`` is called once per instance with its result and the number of instances in all.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    found = [file for file in map(read_outgoing, paths) if file is not None]
    for batch in plan(found):
        for result in _send_batch(batch, destination, calling_ae_title, timeout_s):
            on_result(result, len(found))
    return len(paths) - len(found)


def echo(destination: Destination, calling_ae_title: str, timeout_s: float = 10.0) -> None:
    """Send a C-ECHO.

    Raises
    ------
    DeliveryError
        It was not answered with success; the message says why in one line.
    """
    contexts = [(str(Verification), (_IMPLICIT,))]
    with associated(destination, contexts, calling_ae_title, timeout_s) as association:
        status = association.send_c_echo().get("Status")
    if status is None:
        raise DeliveryError(f"{destination}: accepted the association but did not answer the C-ECHO", None, True)
    if status != 0:
        raise DeliveryError(f"{destination}: answered the C-ECHO with {describe(status)}", status, True)


def parse_peer(text: str) -> Destination:
    """Read ``AET@host:port``; an IPv6 address stands in square brackets.

    Raises
    ------
    ConfigError
        With the form that is expected.
    """
    found = _PEER.fullmatch(text.strip())
    if found is None or not 1 <= int(found["port"]) <= _LARGEST_PORT or not found["ae_title"].strip():
        raise ConfigError(f"{text!r} is not AET@host:port, such as ORTHANC@127.0.0.1:4242 (AE title: 1 to 16 letters)")
    return Destination(text.strip(), found["ae_title"].strip(), found["host"].strip("[]"), int(found["port"]))


def _send_batch(
    batch: Batch,
    destination: Destination,
    calling_ae_title: str,
    timeout_s: float,
    is_wanted: Callable[[Path], bool] = lambda _: True,
    associations: int = _ASSOCIATIONS,
) -> Iterator[SendResult]:
    """Send over one association, and what is left over another one where the destination ends it at some object."""
    _config.STORE_SEND_CHUNKED_DATASET = True  # pynetdicom: send a file's bytes as they are, piece by piece
    waiting = deque(batch.files)
    try:
        with associated(destination, batch.contexts, calling_ae_title, timeout_s) as association:
            while waiting:
                file = waiting.popleft()
                if not is_wanted(file.path):
                    continue
                began = time.monotonic()
                result = _send_one(association, destination, file, len(waiting) % _MESSAGE_IDS + 1)
                yield result
                following = next_form(file) if result.is_about_class else None
                if following is not None:
                    waiting.appendleft(following)
                if result.outcome is Outcome.RETRY and result.status is None:
                    associations = 0 if time.monotonic() - began >= timeout_s else associations  # it hangs
                    break
    except DeliveryError as error:
        for file in waiting:
            yield from _unsent(file, destination, error)
        return
    if waiting and associations > 1:
        # One object that an archive chokes on must not hold the others back.
        rest = replace(batch, files=tuple(waiting))
        yield from _send_batch(rest, destination, calling_ae_title, timeout_s, is_wanted, associations - 1)
        return
    ended = DeliveryError(f"{destination}: the association ended before this instance", None, True)
    for file in waiting:
        yield from _unsent(file, destination, ended)


def _unsent(file: Outgoing, destination: Destination, error: DeliveryError) -> Iterator[SendResult]:
    if error.may_retry:
        yield _result(file, Outcome.RETRY, None, str(error))
    else:
        for form in (file, *file.other_forms):  # no context was accepted for any of them
            yield _refused(form, None, f"{destination} accepts no {UID(form.sop_class_uid).name}")


def _send_one(association: Association, destination: Destination, file: Outgoing, message_id: int) -> SendResult:
    accepted = [
        str(context.transfer_syntax[0])
        for context in association.accepted_contexts
        if context.abstract_syntax == file.sop_class_uid
    ]
    syntax = syntax_for(file, accepted)
    if syntax is None:
        return _refused(file, None, _no_context(destination, file, accepted))
    try:
        status = association.send_c_store(_in_syntax(file, syntax), msg_id=message_id).get("Status")
    except MALFORMED as error:  # also RuntimeError of pynetdicom: the association ended just now
        return _failed(association, destination, file, error)
    if status is None:
        return _result(file, Outcome.RETRY, None, f"{destination}: no answer; the association ended or timed out")
    said = f"{destination}: {describe(status)}"
    return _refused(file, status, said) if is_about_class(status) else _result(file, classify(status), status, said)


def _failed(association: Association, destination: Destination, file: Outgoing, error: Exception) -> SendResult:
    """Tell an association that ended from a file that cannot be encoded."""
    if not association.is_established:
        return _result(file, Outcome.RETRY, None, f"{destination}: the association ended before this instance")
    return _result(file, Outcome.REFUSED, None, f"the file cannot be encoded ({type(error).__name__})")


def _in_syntax(file: Outgoing, syntax: str) -> Path | Dataset:
    """Give the file itself, or its data set in another transfer syntax."""
    if file.has_meta and syntax == file.transfer_syntax_uid:
        return file.path
    dataset = dcmread(file.path, force=True)
    if not file.has_meta:
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = UID(file.transfer_syntax_uid)
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        dataset.decompress(generate_instance_uid=False)
    return dataset


def _no_context(destination: Destination, file: Outgoing, accepted: Sequence[str]) -> str:
    name = UID(file.sop_class_uid).name
    if not accepted:
        return f"{destination} accepts no {name}"
    return f"{destination} accepts {name}, but not in {UID(file.transfer_syntax_uid).name}"


def _refused(file: Outgoing, status: int | None, message: str) -> SendResult:
    """Refused as this kind of object."""
    return replace(_result(file, Outcome.REFUSED, status, message), is_about_class=True)


def _result(file: Outgoing, outcome: Outcome, status: int | None, message: str) -> SendResult:
    return SendResult(file.sop_instance_uid, outcome, status, message, file.path)
