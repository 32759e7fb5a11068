"""The vault: from a pseudonym back to the identity, for who holds its key.

Each row is sealed with AES-256-GCM (NIST SP 800-38D) under a key that is not in the database. The
pseudonym, its kind and the project are authenticated with it: a row that was changed, or moved to
another pseudonym, does not open.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from node.deidentification.identity import Remembered
from node.deidentification.pseudonyms import KEY_BYTES
from node.errors import VaultError
from node.ledger.vault import SealedRow, VaultLedger

UID, STUDY, PATIENT = "uid", "study", "patient"
_NONCE_BYTES = 12  # NIST SP 800-38D 8.2.2: random, of 96 bits; far fewer than 2**32 rows are sealed with one key


class Vault:
    """The vault of one project.

    Parameters
    ----------
    project
        Fingerprint of the project key (``Pseudonyms.fingerprint``).
    key
        At least ``KEY_BYTES`` random bytes.

    Raises
    ------
    VaultError
        The project's rows are sealed with another key.
    """

    def __init__(self, ledger: VaultLedger, project: str, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise VaultError(f"a vault key has at least {KEY_BYTES} bytes, found {len(key)}")
        self._ledger = ledger
        self._project = project
        self._cipher = AESGCM(hmac.digest(key, b"pulmonode vault 1\0seal", "sha256"))
        self._key_name = hmac.digest(key, b"pulmonode vault 1\0fingerprint", "sha256")[:8].hex()
        if ledger.vault_keys(project) - {self._key_name}:
            raise VaultError(
                "the vault of this project is sealed with another key; give the key that it was begun with"
            )

    def remember(self, objects: Iterable[Remembered]) -> None:
        """Write down who stands behind the pseudonyms of some objects, in one transaction."""
        plain: dict[tuple[str, str], bytes] = {}
        for one in objects:
            entry = _joined(one)
            plain.setdefault((STUDY, one.study), entry)
            if one.patient:
                plain.setdefault((PATIENT, one.patient), entry)
            for pseudonym, original in one.uids.items():
                plain.setdefault((UID, pseudonym), original.encode("utf-8"))
        self._ledger.add([self._seal(kind, pseudonym, content) for (kind, pseudonym), content in plain.items()])

    def originals(self, pseudonyms: Iterable[str]) -> dict[str, str]:
        """Give the original UIDs of those that are pseudonyms of the project."""
        return {name: content.decode("utf-8") for name, content in self._opened(UID, pseudonyms).items()}

    def study(self, pseudonym: str) -> tuple[str, bytes]:
        """Give the Patient ID that a study went out with, and its identity.

        Raises
        ------
        VaultError
            The vault does not know the study.
        """
        return _parted(self._one(STUDY, pseudonym))

    def patient(self, pseudonym: str) -> bytes:
        """Give the identity behind a pseudonymous Patient ID, of the first of the patient's studies.

        Raises
        ------
        VaultError
            The vault does not know the patient.
        """
        return _parted(self._one(PATIENT, pseudonym))[1]

    def _one(self, kind: str, pseudonym: str) -> bytes:
        found = self._opened(kind, [pseudonym])
        if pseudonym not in found:
            raise VaultError(f"the vault does not know this {kind}: it did not leave under this project key")
        return found[pseudonym]

    def _opened(self, kind: str, pseudonyms: Iterable[str]) -> dict[str, bytes]:
        rows = self._ledger.find(self._project, kind, pseudonyms)
        return {pseudonym: self._open(row) for pseudonym, row in rows.items()}

    def _seal(self, kind: str, pseudonym: str, content: bytes) -> SealedRow:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, content, self._bound_to(kind, pseudonym))
        return SealedRow(self._project, kind, pseudonym, self._key_name, sealed)

    def _open(self, row: SealedRow) -> bytes:
        if row.vault_key != self._key_name:
            raise VaultError("a row of the vault is sealed with another key")
        nonce, content = row.sealed[:_NONCE_BYTES], row.sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, content, self._bound_to(row.kind, row.pseudonym))
        except (InvalidTag, ValueError):
            raise VaultError(f"a row of the vault ({row.kind}) was changed; restore the ledger from a backup") from None

    def _bound_to(self, kind: str, pseudonym: str) -> bytes:
        return f"{self._project}\0{kind}\0{pseudonym}".encode()


def _joined(one: Remembered) -> bytes:
    entry = {"patient_id": one.patient, "identity": base64.b64encode(one.identity).decode("ascii")}
    return json.dumps(entry).encode("ascii")


def _parted(content: bytes) -> tuple[str, bytes]:
    entry = json.loads(content)
    return entry["patient_id"], base64.b64decode(entry["identity"])
