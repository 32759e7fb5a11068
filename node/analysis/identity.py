"""Which algorithm speaks: name, version, and a digest of the very code that decides."""

from __future__ import annotations

import hashlib
from importlib import resources
from importlib.metadata import version
from pathlib import Path

from models.findings import ModelIdentity

_INTENDED_USE = "Demonstration and research, not for diagnosis"
_NO_TRAINING = (
    "none: rules and constants from the literature named in the code; the rule detector's weights from generated chests"
)


def rule_identity() -> ModelIdentity:
    """Give the identity of the rules, which take part in every analysis; its sha256 is that of their source files."""
    return ModelIdentity("Rules", version("pulmonode"), source_digest("models"), _NO_TRAINING, _INTENDED_USE)


def source_digest(package: str) -> str:
    """Give one sha256 over the source files of a package and its subpackages, in the order of their paths."""
    root = Path(str(resources.files(package)))
    total = hashlib.sha256()
    for file in sorted(root.rglob("*.py"), key=lambda file: file.relative_to(root).as_posix()):
        total.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()
