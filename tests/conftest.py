"""Fixtures that several test files share: a small chest, and the real data beside the repository, unpacked once."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does, before torch is loaded

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from tests.result_examples import example_findings, phantom_series

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


def skip_or_fail(reason: str) -> None:
    """Skip a test that lacks what it needs; in CI that is a failure, because there everything must run."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must not skip: {reason}")
    pytest.skip(reason)


def tool(name: str) -> str:
    """Find a foreign program, or skip the test."""
    found = shutil.which(name)
    if found is None:
        skip_or_fail(f"{name} is not installed")
    return str(found)


@pytest.fixture(scope="module")
def series() -> AssembledSeries:
    """A small chest as the node assembles it."""
    return phantom_series()


@pytest.fixture(scope="module")
def findings(series: AssembledSeries) -> Findings:
    """What the examples of results say of it."""
    return example_findings(series.volume)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        skip_or_fail("the real CT series (shared/data beside the repository) are not here")
    return SHARED_DATA


@pytest.fixture(scope="session")
def unpack(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Unpack one archive of the shared data into a temporary folder, once a session."""
    unpacked: dict[str, Path] = {}

    def unpacked_folder(name: str) -> Path:
        if name not in unpacked:
            unpacked[name] = tmp_path_factory.mktemp(name)
            with tarfile.open(shared_data / f"{name}.tar.xz") as archive:
                archive.extractall(unpacked[name], filter="data")
        return unpacked[name]

    return unpacked_folder


@pytest.fixture(scope="session")
def lidc_0001(unpack: Callable[[str], Path]) -> Path:
    return unpack("lidc-0001")


@pytest.fixture(scope="session")
def lidc_0003(unpack: Callable[[str], Path]) -> Path:
    return unpack("lidc-0003")


@pytest.fixture(scope="session")
def lung1_001(unpack: Callable[[str], Path]) -> Path:
    return unpack("lung1-001")


@pytest.fixture(scope="session")
def lungdx_a0002(unpack: Callable[[str], Path]) -> Path:
    return unpack("lungdx-a0002")


@pytest.fixture(scope="session")
def odd_dicom(unpack: Callable[[str], Path]) -> Path:
    return unpack("odd-dicom")
