"""A logger that cannot fail: what the application does with a record is no reason for stead to stop.

Filters and handlers are the application's, and so is the text of an error that a formatter shows. What they raise would come
out of the line that only wanted to say something, mostly one that deals with another failure.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Mapping
from typing import Any

from stead.transport.describing import text_of_error, traceback_of


class CarefulLogger(logging.LoggerAdapter[logging.Logger]):
    """As the logger of that name. A record that cannot be shown with its error is shown with a description of that; one that
    cannot be shown at all is mentioned on the standard error output."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        if not self.logger.isEnabledFor(level):
            return
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1
        try:
            self.logger.log(level, msg, *args, **kwargs)
            return
        except KeyboardInterrupt:
            raise
        except BaseException as broken:  # noqa: BLE001 - see the module's head
            said = text_of_error(broken)
        error = kwargs.pop("exc_info", None)
        try:
            if isinstance(error, BaseException):
                told = f"{msg}\n%s"
                self.logger.log(level, told, *args, traceback_of(error), **kwargs)
                return
        except KeyboardInterrupt:
            raise
        except BaseException as broken:  # noqa: BLE001 - as above
            said = text_of_error(broken)
        with contextlib.suppress(BaseException):
            sys.stderr.write(f"a line of the log of stead could not be written ({said}): {msg}\n")

    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        return msg, kwargs


def get_logger(name: str) -> CarefulLogger:
    """The logger of a name."""
    return CarefulLogger(logging.getLogger(name), _NOTHING)


_NOTHING: Mapping[str, object] = {}
