"""Pseudonyms: what stands for a UID, a patient, an accession number, and by how many days dates move.

Each is HMAC-SHA-256 (RFC 2104) of the original under the key of one project, apart for each kind:

- the same original under the same key gives the same pseudonym, so that references between objects still resolve;
- without the key nothing can be computed, compared or guessed, however short the original;
- two projects have two keys, and nothing links what they were given.

Nothing is stored here: who holds the key can make a pseudonym again, and only the vault leads back.
"""

from __future__ import annotations

import base64
import hmac
import unicodedata
from dataclasses import dataclass, field
from datetime import timedelta

from pydicom import config
from pydicom.uid import UID

KEY_BYTES = 32  # of a project key: as long as the hash, RFC 2104 section 3
LONGEST_SHIFT_DAYS = 3652  # ten years, leap days included
_VERSION = "pulmonode pseudonym 1"  # another rule gets another number: old and new must not be mixed unseen
_PADDING = " \0"  # PS3.5 6.2: insignificant at the end of every string, at both ends of LO, SH and PN


@dataclass(frozen=True)
class Pseudonyms:
    """The pseudonyms of one project.

    Parameters
    ----------
    key
        Secret, at least ``KEY_BYTES`` random bytes.
    """

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) < KEY_BYTES:
            raise ValueError(f"a project key has at least {KEY_BYTES} bytes, found {len(self.key)}")

    def uid(self, original: str) -> str:
        """Give the UID that stands for ``original``: 2.25. and a UUID of version 8 in decimals (PS3.5 B.2, RFC 9562).

        A UID that the standard itself registers (a well-known frame of reference, a SOP class) names nobody
        and stays; of no UID comes no UID.
        """
        uid = original.strip(_PADDING)
        if not uid or UID(uid, config.IGNORE).type:
            return uid
        number = int.from_bytes(self._digest("uid", uid)[:16], "big")
        number = number & ~(0xF << 76) | 0x8 << 76  # version 8: contents of our own making
        number = number & ~(0x3 << 62) | 0x2 << 62  # variant of RFC 9562
        return f"2.25.{number}"

    def patient_id(self, original: str) -> str:
        """Give the Patient ID (LO) that stands for ``original``; empty for an empty one: nobody is named by it."""
        return self._short("patient id", original, "P-")

    def identifier(self, kind: str, original: str) -> str:
        """Give what stands for an accession number or another identifier of one ``kind``.

        Returns
        -------
        16 characters of A-Z and 2-7, allowed in SH, LO, CS, AE and all longer text; empty for an empty original.
        """
        return self._short(f"identifier {kind}", original, "")

    def name(self, original: str) -> str:
        """Give the person name (PN) that stands for ``original``; case and empty components make no other person."""
        folded = "=".join(group.rstrip("^" + _PADDING) for group in original.casefold().split("="))
        short = self._short("name", folded.rstrip("="), "")
        return f"Pseudonym^{short}" if short else ""

    def shift(self, patient_id: str) -> timedelta:
        """Give by how much every date of one patient moves: 1 to ``LONGEST_SHIFT_DAYS`` whole days into the past.

        Intervals between the dates of a patient stay; between patients they do not. It is never nothing.
        """
        number = int.from_bytes(self._digest("shift", _normalised(patient_id))[:8], "big")
        return timedelta(days=-(1 + number % LONGEST_SHIFT_DAYS))

    @property
    def fingerprint(self) -> str:
        """Name the key without telling it: 16 hexadecimal digits, the same for the same project."""
        return self._digest("fingerprint", "")[:8].hex()

    def signature(self, content: bytes) -> str:
        """Sign ``content`` (HMAC-SHA-256, hexadecimal): who holds the key can tell whether it was changed."""
        return hmac.digest(self._digest("signature", ""), content, "sha256").hex()

    def _short(self, kind: str, original: str, prefix: str) -> str:
        """Give ``prefix`` and base32 (RFC 4648) of the digest, 16 characters together."""
        value = _normalised(original)
        digest = base64.b32encode(self._digest(kind, value)).decode("ascii")
        return (prefix + digest)[:16] if value else ""

    def _digest(self, kind: str, value: str) -> bytes:
        message = f"{_VERSION}\0{kind}\0{value}".encode("utf-8", "surrogatepass")
        return hmac.digest(self.key, message, "sha256")


def _normalised(text: str) -> str:
    """Drop padding and compose characters: the same text in two encodings is the same text. Case counts."""
    return unicodedata.normalize("NFC", text.strip(_PADDING))
