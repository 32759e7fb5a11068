"""Log lines: one event a line, as text or JSON, never a patient attribute."""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from datetime import UTC, datetime
from types import TracebackType

from node.errors import PulmonodeError

_QUIET = {"pynetdicom": logging.CRITICAL, "apscheduler": logging.WARNING, "PIL": logging.WARNING}
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class TextFormatter(logging.Formatter):
    """One line, and the traceback where there is one."""

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802 - as logging calls it
        """Say where an error came from, without its text."""
        return where_from(ei[1])


class JsonFormatter(TextFormatter):
    """One JSON object a line: time (UTC), level, logger, message, and the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Say one record as JSON."""
        values = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            values["traceback"] = self.formatException(record.exc_info)
        return json.dumps(values, ensure_ascii=False)


def configure_logging(level: str, style: str) -> None:
    """Send the log to standard error. ``style`` is text or json."""
    handler = logging.StreamHandler(sys.stderr)
    text = TextFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if style == "json" else text)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name, floor in _QUIET.items():
        # pynetdicom and pydicom may put values of a data set into their warnings: only their errors pass.
        logging.getLogger(name).setLevel(floor)
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)


def hide_values_in_tracebacks() -> None:
    """Let an error that nobody catches say where it came from, and not its text; for a program of our own."""

    def tell(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        sys.stderr.write(where_from(error) + "\n")

    sys.excepthook = tell
    threading.excepthook = lambda arguments: tell(arguments.exc_type, arguments.exc_value or SystemExit(), None)


def where_from(error: BaseException | None) -> str:
    """Say an error by its type and the lines it came through, and those of the errors before it.

    The text is left out unless the error is ours: "could not convert string to float: 'DOE^JANE'" is
    what a library says of a patient's name in the wrong place.
    """
    if error is None:
        return ""
    before = where_from(error.__cause__ or (None if error.__suppress_context__ else error.__context__))
    frames = "".join(traceback.format_tb(error.__traceback__))
    text = f": {error}" if isinstance(error, PulmonodeError) else ""
    return f"{before}\n\n{frames}{type(error).__name__}{text}".strip()
