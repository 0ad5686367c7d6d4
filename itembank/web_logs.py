"""The log of the web server itself, in the form of the bank's own (itembank/logs.py)."""

import logging.config
import os
from typing import Any

from gunicorn.glogging import Logger

from itembank.logs import logging_config


class WebLogger(Logger):  # type: ignore[misc]
    """For gunicorn's --logger-class. It starts before the settings are read, which refuse what is no LOG_FORMAT."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        style = "json" if os.environ.get("LOG_FORMAT") == "json" else "line"
        logging.config.dictConfig(logging_config(level="INFO", style=style))
        self.error_log.handlers.clear()
        self.error_log.propagate = True  # to the root, which has the form
