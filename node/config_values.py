"""The values of the settings as they are written: a file in YAML, environment variables over it; not checked yet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from node.errors import ConfigError

ENVIRONMENT_PREFIX = "PULMONODE_"
# The path of the file itself, and keys, which are never settings (deidentification/keys.py).
_NOT_SETTINGS = frozenset({"PULMONODE_CONFIG", "PULMONODE_PROJECT_KEY", "PULMONODE_VAULT_KEY"})


def read_values(path: Path) -> dict[str, Any]:
    """Read a file of settings.

    Raises
    ------
    ConfigError
        It cannot be read, or holds no keys and values.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if values is not None and not isinstance(values, dict):
        raise ConfigError(f"{path} must hold keys and values, found {type(values).__name__}")
    return values or {}


def overlay(values: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Lay the variables that begin with PULMONODE_ over the values of the file.

    Raises
    ------
    ConfigError
        Naming the variable that is no YAML value, or whose path leads through a single value.
    """
    for name, text in environment.items():
        if name.startswith(ENVIRONMENT_PREFIX) and name not in _NOT_SETTINGS:
            _set(values, name, text)


def _set(values: dict[str, Any], name: str, text: str) -> None:
    *levels, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
    section = values
    for level in levels:
        if section.get(level) is None:
            section[level] = {}
        section = section[level]
        if not isinstance(section, dict):
            raise ConfigError(f"{name}: {level} holds a single value, not further keys")
    try:
        section[key] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"{name}={text!r} is not a valid YAML value") from None
