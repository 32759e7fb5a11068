"""The analysis process of ``pulmonode serve``: one job a line on standard input, one answer a line on standard output.

A job is a series to analyse, or ``{"look": [files]}``: whether these end slices cut through the lungs.

It stands apart from the process that receives, so that a decoder that crashes, or a study that needs
all memory, never takes reception down, and reception stays small. It ends when its input ends.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any, TextIO

from node.analysis.analyser import Analyser
from node.analysis.choice import ModelChoice
from node.analysis.look import ends_cut_lungs
from node.analysis.memory import is_out_of_memory, limit_memory
from node.errors import PulmonodeError
from node.job import job_from_json
from node.log import configure_logging, hide_values_in_tracebacks
from node.pipeline import process
from node.results.bundle import Bundle, file_names

logger = logging.getLogger(__name__)

_OUT_OF_MEMORY: dict[str, Any] = {
    "error": "OUT_OF_MEMORY",
    "message": "not enough memory for this series: raise analysis.memory_gb, or lower analysis.volume_limit_gb",
    "retry": True,
}


def serve_jobs(jobs: TextIO, answers: TextIO, analyser: Analyser) -> None:
    """Answer one line to each line, until the input ends; the first answer says that we are ready."""
    _answer(answers, {"ready": True, "device": analyser.device_name})
    for line in jobs:
        try:
            answer = _answer_to(json.loads(line), analyser)
        except PulmonodeError as error:
            answer = {"error": error.code, "message": str(error), "retry": error.retry}
        except MemoryError:
            answer = _OUT_OF_MEMORY
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            answer = _OUT_OF_MEMORY
        except OSError as error:
            answer = {"error": "OUT_OF_RESOURCES", "message": f"cannot write results: {error.strerror}", "retry": True}
        _answer(answers, answer)


def _answer_to(question: dict[str, Any], analyser: Analyser) -> dict[str, Any]:
    if "look" in question:
        return {"lungs_cut": ends_cut_lungs([Path(path) for path in question["look"]])}
    began = time.perf_counter()
    bundle = process(job_from_json(question), analyser)
    return described(bundle, time.perf_counter() - began)


def described(bundle: Bundle, wall_s: float) -> dict[str, Any]:
    """Say in plain JSON values what was written and why."""
    results = [
        {
            "sop_instance_uid": str(dataset.SOPInstanceUID),
            "result_series_uid": str(dataset.SeriesInstanceUID),
            "sop_class_uid": str(dataset.SOPClassUID),
            "kind": kind,
            "name": name,
        }
        for (kind, _), (name, dataset) in zip(bundle.objects, file_names(bundle), strict=True)
    ]
    return {
        "code": bundle.code,
        "reason": bundle.reason,
        "report": bundle.report,
        "results": results,
        "wall_s": round(wall_s, 3),
    }


def _answer(answers: TextIO, values: dict[str, Any]) -> None:
    answers.write(json.dumps(values) + "\n")
    answers.flush()


def main(arguments: list[str]) -> int:
    """Run with DEVICE, THRESHOLD ("default" for the detector's own), MODELS (JSON) and MEMORY (bytes).

    Exits with 2 when a device or a model is not there.
    """
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)  # the node decides when we end: it closes our input, or kills us
    warnings.simplefilter("ignore")  # pydicom's warnings show values of the data set
    configure_logging("WARNING", "text")
    hide_values_in_tracebacks()
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints must not reach the answers
    device, threshold, models, memory = arguments
    limit_memory(int(memory))
    try:
        choice = ModelChoice.from_json(json.loads(models))
        analyser = Analyser.create(device, None if threshold == "default" else float(threshold), choice)
    except PulmonodeError as error:
        _answer(answers, {"ready": False, "error": error.code, "message": str(error)})
        return 2
    serve_jobs(sys.stdin, answers, analyser)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
