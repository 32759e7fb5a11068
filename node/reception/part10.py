"""The head of a DICOM file: preamble and file meta information (PS3.10 section 7.1); pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from node.errors import CannotUnderstand

IMPLEMENTATION_CLASS_UID = "2.25.276817435217839517923475609118435237115"  # ours (UUID-derived, PS3.5 B.2)
IMPLEMENTATION_VERSION_NAME = "PULMONODE_01"  # at most 16 characters, PS3.7 D.3.3.2.3
_LONG_LENGTH_VRS = frozenset({"OB"})  # PS3.5 section 7.1.2: 32-bit length after two reserved bytes

HEAD_BYTES = 144  # of a file: preamble, prefix and the group length, which counts what follows it


@dataclass(frozen=True)
class Announcement:
    """What the C-STORE request and its presentation context say about the data set that follows."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    calling_ae_title: str


def file_head(announcement: Announcement) -> bytes:
    """Encode preamble, prefix and file meta information; the data set follows as it was received.

    References
    ----------
    PS3.10 Table 7.1-1; always Explicit VR Little Endian.
    """
    elements = b"".join(
        (
            _element(0x0001, "OB", b"\x00\x01"),
            _element(0x0002, "UI", _uid(announcement.sop_class_uid)),
            _element(0x0003, "UI", _uid(announcement.sop_instance_uid)),
            _element(0x0010, "UI", _uid(announcement.transfer_syntax_uid)),
            _element(0x0012, "UI", _uid(IMPLEMENTATION_CLASS_UID)),
            _element(0x0013, "SH", _text(IMPLEMENTATION_VERSION_NAME)),
            _element(0x0016, "AE", _text(announcement.calling_ae_title)),
        )
    )
    return b"\x00" * 128 + b"DICM" + _element(0x0000, "UL", struct.pack("<L", len(elements))) + elements


def data_set_offset(content: bytes) -> int:
    """Find where the data set begins in a file that ``file_head`` began; ``content``: its first bytes.

    Raises
    ------
    CannotUnderstand
        The file does not begin as ours do.
    """
    is_ours = len(content) >= HEAD_BYTES and content[128:140] == b"DICM\x02\x00\x00\x00UL\x04\x00"
    if not is_ours:
        raise CannotUnderstand("the stored file does not begin with file meta information")
    (length,) = struct.unpack_from("<L", content, HEAD_BYTES - 4)
    return HEAD_BYTES + int(length)


def _element(number: int, vr: str, value: bytes) -> bytes:
    if vr in _LONG_LENGTH_VRS:
        return struct.pack("<HH2sxxL", 0x0002, number, vr.encode(), len(value)) + value
    return struct.pack("<HH2sH", 0x0002, number, vr.encode(), len(value)) + value


def _uid(value: str) -> bytes:
    return _padded(value, b"\x00")


def _text(value: str) -> bytes:
    return _padded(value, b" ")


def _padded(value: str, filler: bytes) -> bytes:
    encoded = value.encode("ascii", errors="replace")
    return encoded + filler * (len(encoded) % 2)
