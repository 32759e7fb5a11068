"""Log lines that a machine reads."""

from __future__ import annotations

import json
import logging
import sys

from node.log import JsonFormatter


def test_a_json_line_has_time_level_logger_and_message() -> None:
    record = logging.LogRecord("node.tasks", logging.WARNING, __file__, 1, "series %s", ("4bce",), None)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    values = json.loads(line)
    assert (values["level"], values["logger"], values["message"]) == ("WARNING", "node.tasks", "series 4bce")
    assert values["time"].endswith("+00:00")


def test_a_traceback_stays_on_the_one_line() -> None:
    try:
        raise RuntimeError("unexpected")
    except RuntimeError:
        record = logging.LogRecord("node", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert "RuntimeError: unexpected" in json.loads(line)["traceback"]
