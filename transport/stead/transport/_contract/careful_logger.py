"""A logger that cannot fail: what the application does with a record is no reason for stead to stop.

Filters and handlers are the application's, and so is the text of an error that a formatter shows. What they raise would come
out of the line that only wanted to say something, mostly one that deals with another failure.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Mapping
from typing import Any, cast

from stead.transport.describing import frames_of, text_of_error, traceback_of


class CarefulLogger(logging.LoggerAdapter[logging.Logger]):
    """As the logger of that name. The traceback of an error is written here, in bounded time and length, and by nothing of the
    error's own (`record.exc_text`: the standard library's formatters take it from there); a record that cannot be shown at all
    is mentioned on the standard error output."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        if not self.logger.isEnabledFor(level):
            return
        error = _error_of(kwargs.get("exc_info"))
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1
        try:
            if error is None:
                self.logger.log(level, msg, *args, **kwargs)
            else:
                self._log_error(level, msg, args, error, kwargs)
        except KeyboardInterrupt:
            raise
        except BaseException as broken:  # noqa: BLE001 - see the module's head
            with contextlib.suppress(BaseException):
                sys.stderr.write(f"a line of the log of stead could not be written ({text_of_error(broken)}): {msg}\n")

    def _log_error(
        self, level: int, msg: object, args: tuple[object, ...], error: BaseException, options: Mapping[str, Any]
    ) -> None:
        logger = self.logger
        file, line, function, _ = logger.findCaller(stacklevel=options["stacklevel"] + 1)
        exc_info = (type(error), error, frames_of(error))
        record = logger.makeRecord(logger.name, level, file, line, msg, args, exc_info, function, options.get("extra"))
        record.exc_text = traceback_of(error)
        logger.handle(record)

    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        return msg, kwargs


def _error_of(exc_info: object) -> BaseException | None:
    """The error of what `exc_info=` was given: an error, a triple, or True for the one that is being handled."""
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return _error_of(cast("tuple[object, ...]", exc_info)[1])
    return sys.exc_info()[1] if exc_info else None


def get_logger(name: str) -> CarefulLogger:
    """The logger of a name."""
    return CarefulLogger(logging.getLogger(name), _NOTHING)


_NOTHING: Mapping[str, object] = {}
