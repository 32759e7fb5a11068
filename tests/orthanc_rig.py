"""An Orthanc of one's own on loopback: the archive of tests through foreign programs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import skip_or_fail

PLUGINS = "/usr/share/orthanc/plugins"
WAIT_S = 240.0


def tool(name: str) -> str:
    """Path of an installed program."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/lib/orthanc")
    if found is None:
        skip_or_fail(f"{name} is not installed")
    return str(found)


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], Any], what: str, seconds: float = WAIT_S) -> Any:
    """Look again and again, until there is something or the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        signal.sigtimedwait([], 0.1)  # let the others work
    pytest.fail(f"{what}: not within {seconds:g} s")


class Orthanc:
    """A running Orthanc and the few questions we ask it."""

    def __init__(self, http_port: int, dicom_port: int) -> None:
        self.url = f"http://127.0.0.1:{http_port}"
        self.dicom_port = dicom_port

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as answer:  # noqa: S310 - loopback
            return json.loads(answer.read())

    def is_up(self) -> bool:
        try:
            return bool(self.get("/system"))
        except OSError:
            return False

    def upload(self, path: Path) -> None:
        """Store one file over REST."""
        with urllib.request.urlopen(f"{self.url}/instances", path.read_bytes(), timeout=30) as answer:  # noqa: S310
            assert answer.status == 200

    def download(self, folder: Path) -> list[Path]:
        """Write every instance into ``folder``."""
        paths = []
        for identifier in self.get("/instances"):
            with urllib.request.urlopen(f"{self.url}/instances/{identifier}/file", timeout=30) as answer:  # noqa: S310
                path = folder / f"{identifier}.dcm"
                path.write_bytes(answer.read())
                paths.append(path)
        return paths


@contextmanager
def running_orthanc(folder: Path, dicomweb: bool = False) -> Iterator[Orthanc]:
    """Run Orthanc with its storage in ``folder``, which is made; with DICOMweb for a viewer."""
    program = tool("Orthanc")
    folder.mkdir()
    http_port, dicom_port = free_port(), free_port()
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": http_port,
        "DicomPort": dicom_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowStore": True,
        "Plugins": [PLUGINS] if dicomweb else [],
        "DicomWeb": {"Enable": dicomweb},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen(
            [program, str(folder / "orthanc.json")], stdout=log, stderr=log, env={**os.environ, "TCP_NODELAY": "1"}
        )
        try:
            running = Orthanc(http_port, dicom_port)
            wait_for(running.is_up, "Orthanc answers", 60)
            yield running
        finally:
            process.terminate()
            process.wait(30)
