"""Log lines: one event a line, as text or JSON, never a patient attribute."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

_QUIET = {"pynetdicom": logging.CRITICAL, "apscheduler": logging.WARNING, "PIL": logging.WARNING}


class JsonFormatter(logging.Formatter):
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
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if style == "json" else text)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name, floor in _QUIET.items():
        # pynetdicom and pydicom may put values of a data set into their warnings: only their errors pass.
        logging.getLogger(name).setLevel(floor)
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
