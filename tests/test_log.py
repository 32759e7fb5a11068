"""Log lines that a machine reads."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest

from node.errors import SliceGap
from node.log import JsonFormatter, TextFormatter


def test_a_json_line_has_time_level_logger_and_message() -> None:
    record = logging.LogRecord("node.tasks", logging.WARNING, __file__, 1, "series %s", ("4bce",), None)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    values = json.loads(line)
    assert (values["level"], values["logger"], values["message"]) == ("WARNING", "node.tasks", "series 4bce")
    assert values["time"].endswith("+00:00")


def test_a_traceback_stays_on_the_one_line() -> None:
    line = JsonFormatter().format(failure(RuntimeError("unexpected")))
    assert "\n" not in line
    assert "RuntimeError" in json.loads(line)["traceback"]
    assert "in failure" in json.loads(line)["traceback"]


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_the_text_of_a_foreign_error_may_name_a_patient_and_is_left_out(formatter: logging.Formatter) -> None:
    line = formatter.format(failure(ValueError("could not convert string to float: 'DOE^JANE'")))
    assert "ValueError" in line
    assert "DOE" not in line


def test_the_text_of_our_own_error_names_nobody_and_is_told() -> None:
    assert "SliceGap: one slice is missing" in TextFormatter().format(failure(SliceGap("one slice is missing")))


def test_the_error_before_an_error_is_told_without_its_text_too() -> None:
    text = TextFormatter().format(failure(ValueError("'DOE^JANE'"), LookupError("'DOE^JANE'")))
    assert "LookupError" in text
    assert "ValueError" in text
    assert "DOE" not in text


def test_an_error_that_nobody_catches_ends_a_program_without_its_text() -> None:
    program = "import node.log; node.log.hide_values_in_tracebacks(); float('DOE' + '^JANE')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ValueError" in done.stderr
    assert "DOE^JANE" not in done.stderr


def failure(error: Exception, before: Exception | None = None) -> logging.LogRecord:
    try:
        try:
            if before is not None:
                raise before
        finally:
            raise error
    except (LookupError, RuntimeError, ValueError, SliceGap):
        return logging.LogRecord("node", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
