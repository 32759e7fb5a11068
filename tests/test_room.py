"""Room: what is read thinned out, how much memory the analysis may take, and what it says when that is not enough."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch

from node import errors
from node.analysis.analyser import Analyser
from node.analysis.choice import ModelChoice
from node.analysis.memory import is_out_of_memory
from node.assembly.assemble import header_of
from node.assembly.decoding import build
from node.assembly.layout import lay_out
from node.assembly.limits import DEFAULT_LIMITS, AssemblyLimits, thinning, volume_bytes
from node.config import load_settings
from node.errors import ConfigError
from node.job import Job, job_from_json, job_to_json
from node.machine import analysis_bytes, memory_bytes
from node.machine import volume_bytes as volume_limit_bytes
from node.pipeline import process
from node.worker import serve_jobs
from training.phantom_dicom import ct_datasets, write_series
from training.phantom_small import small_phantom

GB = 1_000_000_000


@pytest.mark.parametrize(
    ("shape", "spacing_kji_mm", "limit_gb", "steps"),
    [
        ((300, 512, 512), (1.0, 0.7, 0.7), 4.0, (1, 1)),
        ((5000, 512, 512), (0.1, 0.7, 0.7), 4.0, (1, 1)),  # no limit on the number of slices
        ((1800, 1024, 1024), (0.2, 0.35, 0.35), 4.0, (1, 1)),
        ((1800, 1024, 1024), (0.2, 0.35, 0.35), 2.0, (2, 1)),
        ((1800, 1024, 1024), (0.2, 0.35, 0.35), 1.0, (2, 2)),
        ((1800, 1024, 1024), (0.2, 0.35, 0.35), 0.3, (4, 2)),
        ((300, 2048, 2048), (1.0, 0.17, 0.17), 1.0, (1, 2)),
        ((60, 512, 512), (5.0, 0.7, 0.7), 0.01, (1, 2)),
    ],
)
def test_what_is_finest_is_halved_first(
    shape: tuple[int, int, int], spacing_kji_mm: tuple[float, float, float], limit_gb: float, steps: tuple[int, int]
) -> None:
    limits = AssemblyLimits(max_bytes=int(limit_gb * GB))
    assert thinning(shape, spacing_kji_mm, limits) == steps
    assert volume_bytes(shape, *steps) <= limits.max_bytes


@pytest.mark.parametrize("seed", range(20))
def test_thinning_fits_and_is_not_more_than_needed(seed: int) -> None:
    random = np.random.default_rng(seed)
    slices, rows, columns = (int(count) for count in random.integers([100, 256, 256], [3000, 2048, 2048]))
    shape, spacing = (slices, rows, columns), tuple(random.uniform(0.1, 1.0, 3).tolist())
    limits = AssemblyLimits(max_bytes=int(random.uniform(0.05, 1.0) * volume_bytes(shape)))
    slice_step, pixel_step = thinning(shape, cast(tuple[float, float, float], spacing), limits)
    assert volume_bytes(shape, slice_step, pixel_step) <= limits.max_bytes
    coarser = [(slice_step // 2, pixel_step)] * (slice_step > 1) + [(slice_step, pixel_step // 2)] * (pixel_step > 1)
    assert not coarser or max(volume_bytes(shape, *steps) for steps in coarser) > limits.max_bytes


def test_what_does_not_fit_as_a_chest_either_is_too_large() -> None:
    with pytest.raises(errors.TooLarge, match=r"analysis\.volume_limit_gb"):
        thinning((40, 512, 512), (8.0, 0.7, 0.7), AssemblyLimits(max_bytes=100_000))


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_every_nth_row_and_column_is_kept(step: int) -> None:
    volume = small_phantom((), (8, 64, 49), (2.5, 3.0, 3.0)).volume
    slices = ct_datasets(volume)
    layout = replace(lay_out([header_of(dataset) for dataset in slices], DEFAULT_LIMITS), pixel_step=step)
    assert np.array_equal(build(layout, slices, threads=1).volume.hu, volume.hu[:, ::step, ::step])


def test_the_container_counts_where_it_has_less_than_the_machine(tmp_path: Path) -> None:
    absent, unlimited, limited = (tmp_path / name for name in ("absent", "unlimited", "limited"))
    unlimited.write_text("max\n")
    limited.write_text("536870912\n")
    installed = memory_bytes((absent, unlimited))
    assert installed > 1 << 30
    assert memory_bytes((absent, limited)) == 536870912
    limited.write_text(f"{installed * 1000}\n")
    assert memory_bytes((limited,)) == installed


def test_limits_follow_from_the_machine_unless_they_are_set() -> None:
    assert analysis_bytes(None, 16 * GB) == 12 * GB
    assert analysis_bytes(6.5, 16 * GB) == 6_500_000_000
    assert volume_limit_bytes(None, 12 * GB) == 2 * GB
    assert volume_limit_bytes(1.5, 12 * GB) == 1_500_000_000
    assert volume_limit_bytes(None, 1 * GB) == 250_000_000


@pytest.mark.parametrize("key", ["memory_gb", "volume_limit_gb"])
@pytest.mark.parametrize("value", ["0", "-1", "lots"])
def test_a_wrong_limit_is_named(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"analysis.{key}"):
        load_settings(None, {f"PULMONODE_ANALYSIS__{key.upper()}": value})


def run_limited(code: str) -> str:
    """Run code in a process of its own, whose limit is no limit of the tests."""
    limited = f"from node.analysis.memory import is_out_of_memory, limit_memory\nlimit_memory(3_000_000_000)\n{code}"
    done = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.strip()[-300:]


TAKE_MEMORY = {
    "numpy": "import numpy\nkept = numpy.ones(4_000_000_000, numpy.uint8)",
    "bytes": "kept = bytes(4_000_000_000)",
    "torch": "import torch\nkept = torch.ones(4_000_000_000, dtype=torch.uint8)",
    "SimpleITK": "import SimpleITK\nkept = SimpleITK.Image(2000, 2000, 1000, SimpleITK.sitkUInt8)",
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_DATA counts mappings on Linux")
@pytest.mark.parametrize("take", TAKE_MEMORY.values(), ids=TAKE_MEMORY.keys())
def test_beyond_its_limit_the_process_gets_an_error_that_it_knows(take: str) -> None:
    body = take.replace("\n", "\n    ")
    told = run_limited(
        f"try:\n    {body}\n    print('taken')\nexcept MemoryError:\n    print('known')\n"
        "except RuntimeError as error:\n    print('known' if is_out_of_memory(error) else error)"
    )
    assert told == "known"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_DATA counts mappings on Linux")
def test_below_its_limit_the_process_works() -> None:
    """Address space that is only reserved, as CUDA does, is no memory."""
    code = (
        "import mmap, numpy\n"
        "reserved = mmap.mmap(-1, 1 << 40, prot=0, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)\n"
        "print(int(numpy.ones(500_000_000, numpy.uint8)[-1]))"
    )
    assert run_limited(code) == "1"


def no_memory() -> object:
    raise MemoryError


def no_gpu_memory() -> object:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 12.95 GiB.")


def no_torch_memory() -> object:
    return torch.empty(1 << 60, dtype=torch.uint8)


@pytest.mark.parametrize("exhausted", [no_memory, no_gpu_memory, no_torch_memory])
def test_a_series_that_needs_too_much_is_answered_and_the_next_one_too(
    exhausted: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.worker.ends_cut_lungs", exhausted_look(exhausted))
    answers = io.StringIO()
    jobs = io.StringIO('{"look": ["a"]}\n{"look": []}\n')
    serve_jobs(jobs, answers, cast(Analyser, SimpleNamespace(device_name="cpu")))
    ready, hungry, content = (json.loads(line) for line in answers.getvalue().splitlines())
    assert ready["ready"]
    assert (hungry["error"], hungry["retry"]) == ("OUT_OF_MEMORY", True)
    assert "analysis.memory_gb" in hungry["message"]
    assert content == {"lungs_cut": False}


def exhausted_look(exhausted: Callable[[], object]) -> Callable[[list[Path]], bool]:
    return lambda paths: bool(paths and exhausted())


def test_other_errors_of_libraries_are_no_lack_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes"):
        _ = torch.ones(2, 3) @ torch.ones(2, 3)


def test_warnings_of_the_assembly_reach_the_report(tmp_path: Path) -> None:
    chest = small_phantom(shape=(40, 120, 120), spacing_kji_mm=(6.0, 2.9, 2.9)).volume
    files = tuple(write_series(ct_datasets(chest, RescaleType="US"), tmp_path / "in"))
    choice = ModelChoice(Path("none"), lungs="rules", detector="rules", malignancy=None)
    job = Job(files, tmp_path / "out", "0" * 64, datetime.now(UTC), "1", "TEST")
    bundle = process(job, Analyser.create("cpu", None, choice))
    assert bundle.report["nodules"] is not None
    assert bundle.report["warnings"][0].startswith("Rescale Type is not HU")


def test_a_job_brings_the_limit_of_the_volume(tmp_path: Path) -> None:
    files = tuple(write_series(ct_datasets(small_phantom((), (8, 64, 48), (2.5, 3.0, 3.0)).volume), tmp_path / "in"))
    job = Job(files, tmp_path / "out", "0" * 64, datetime.now(UTC), "1", "TEST", volume_limit_bytes=1000)
    assert job_from_json(json.loads(json.dumps(job_to_json(job)))) == job
    choice = ModelChoice(Path("none"), lungs="rules", detector="rules", malignancy=None)
    assert process(job, Analyser.create("cpu", None, choice)).code == "TOO_LARGE"
