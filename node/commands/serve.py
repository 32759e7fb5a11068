"""``pulmonode serve``."""

from __future__ import annotations

import logging
import signal
import threading

from node.commands.options import ConfigOption, read_settings
from node.log import configure_logging
from node.service import Service

logger = logging.getLogger(__name__)


def run(config: ConfigOption = None) -> None:
    """Receive, analyse and deliver until SIGTERM or SIGINT, then drain and exit 0."""
    settings = read_settings(config)
    configure_logging(settings.log.level, settings.log.format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    service = Service.build(settings)
    service.start()
    try:
        stop.wait()
    finally:
        logger.info("stopping: what is under way is finished first")
        service.stop()
