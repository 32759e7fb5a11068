"""Keys in files: nobody else may read them, none is ever written over, and no message shows one."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from node.deidentification.keys import PROJECT_KEY_VARIABLE, new_key, read_key
from node.errors import ConfigError

KEY = "00112233445566778899aabbccddeeff" * 2


def test_a_new_key_is_random_is_the_owners_alone_and_reads_back(tmp_path: Path) -> None:
    first, second = tmp_path / "a.key", tmp_path / "b.key"
    new_key(first)
    new_key(second)

    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert len(read_key(first, PROJECT_KEY_VARIABLE, {}) or b"") == 32
    assert first.read_text() != second.read_text()


def test_no_key_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    new_key(path)
    before = path.read_bytes()

    with pytest.raises(ConfigError, match="is there already"):
        new_key(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.key"
    new_key(path)
    path.chmod(mode)

    with pytest.raises(ConfigError, match="others may read this key"):
        read_key(path, PROJECT_KEY_VARIABLE, {})


@pytest.mark.parametrize("content", [b"", b"password", b"00112233", b"\xff\xfe", b"g" * 64])
def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.key"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(ConfigError, match="is no key") as caught:
        read_key(path, PROJECT_KEY_VARIABLE, {})
    assert not content or content.decode("latin-1") not in str(caught.value)


def test_the_environment_serves_where_no_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    new_key(path)

    assert read_key(None, PROJECT_KEY_VARIABLE, {PROJECT_KEY_VARIABLE: KEY}) == bytes.fromhex(KEY)
    assert read_key(path, PROJECT_KEY_VARIABLE, {PROJECT_KEY_VARIABLE: KEY}) != bytes.fromhex(KEY)
    assert read_key(None, PROJECT_KEY_VARIABLE, {}) is None


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.key: the key cannot be read"):
        read_key(tmp_path / "none.key", PROJECT_KEY_VARIABLE, {})
