"""Keys: of a project, which makes the pseudonyms, and of the vault, which leads back.

A key comes from a file that nobody else may read, or from the environment; never from config.yaml or
the command line, where others see it. The file holds the key in hexadecimal digits on one line.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from node.deidentification.pseudonyms import KEY_BYTES
from node.durable import write_durably
from node.errors import ConfigError

PROJECT_KEY_VARIABLE = "PULMONODE_PROJECT_KEY"  # the key itself, in hexadecimal digits
VAULT_KEY_VARIABLE = "PULMONODE_VAULT_KEY"


def new_key(path: Path) -> None:
    """Make a random key in a new file that only its owner may read (mode 0600).

    Raises
    ------
    ConfigError
        The file is there already, which would lose a key for good, or it cannot be written.
    """
    if path.exists() or path.is_symlink():
        raise ConfigError(f"{path}: is there already; a lost key cannot be made again, so none is written over")
    try:
        write_durably(path, [random_key().hex().encode("ascii"), b"\n"])  # a file of mkstemp(3) has mode 0600
    except OSError as error:
        raise ConfigError(f"{path}: the key cannot be written ({error.strerror})") from None


def random_key() -> bytes:
    """Give a key that nobody else has."""
    return secrets.token_bytes(KEY_BYTES)


def read_key(path: Path | None, variable: str, environment: Mapping[str, str] = os.environ) -> bytes | None:
    """Read a key from its file, else from an environment variable; None when neither is given.

    Raises
    ------
    ConfigError
        The file is missing, others may read it, or it holds no key. The message never shows what it holds.
    """
    if path is not None:
        return _key_in(_content(path), str(path))
    text = environment.get(variable)
    return _key_in(text, variable) if text is not None else None


def _content(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        if stat.S_IMODE(mode) & 0o077:
            raise ConfigError(f"{path}: others may read this key (mode {stat.S_IMODE(mode):04o}); run chmod 600 on it")
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise ConfigError(f"{path}: the key cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is no key; make one with pulmonode deidentify --new-key FILE") from None


def _key_in(text: str, place: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) < KEY_BYTES:
        raise ConfigError(f"{place}: is no key of {2 * KEY_BYTES} hexadecimal digits; see deidentify --new-key FILE")
    return key
