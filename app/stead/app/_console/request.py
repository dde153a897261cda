"""One command's run: load the app, open a client, do the work; whatever goes wrong becomes a line and a status."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from stead.app._app import App
from stead.app._hub.client import Client, Connecting
from stead.app._hub.definitions import Definitions
from stead.app._hub.environment import find_in_environment
from stead.app._hub.worker_run import INTERRUPTED
from stead.entities import OperationFailed
from stead.orchestrations import NonDeterminismWarning
from stead.transport import Settings

from .faults import FAILED, CommandFault, explain
from .interrupts import interruptible
from .loading import load_app
from .logs import start_logging
from .screen import print_error


@dataclass(frozen=True, slots=True)
class Request:
    """What every command is given."""

    app: str
    url: str | None
    as_json: bool
    debug: bool
    otlp: str | None = None

    def run(
        self, work: Callable[[App, Client], Awaitable[int]], settings: Callable[[App], Settings] | None = None
    ) -> int:
        """Do `work` with a client of the app; gives the exit status."""

        async def connected(app: App) -> int:
            chosen = app.settings if settings is None else settings(app)
            of = Definitions(app.name, chosen, app.registry, app.orchestrations)
            async with Connecting(of, self.url) as client:
                return await work(app, client)

        start_logging(logging.WARNING, as_json=self.as_json, debug=self.debug)
        return self.guard(lambda: asyncio.run(connected(self._load())))

    def _load(self) -> App:
        """The app. What its orchestrations' code may do wrong is said where it runs, not by each command."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NonDeterminismWarning)
            return load_app(self.app)

    def guard(self, work: Callable[[], int]) -> int:
        """Do `work`; an error becomes one line on standard error and an exit status."""
        try:
            with interruptible():
                status = work()
                sys.stdout.flush()
            return status
        except KeyboardInterrupt:
            return INTERRUPTED
        except BrokenPipeError:
            # Whoever read our output (`| head`) has enough: not a failure worth a word.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter will flush it once more
            return FAILED
        except Exception as error:  # noqa: BLE001 - whatever it is becomes one line for people
            if self.debug:
                traceback.print_exc()
                if isinstance(error, OperationFailed):
                    sys.stderr.write(f"\nin the worker:\n{error.traceback}\n")
            if variables := find_in_environment(error):  # what a command makes settings of, beside the app
                error = CommandFault(f"the environment: {variables}", usage=True)
            print_error(explain(error, self.app, debug=self.debug), type(error).__name__, as_json=self.as_json)
            return error.status if isinstance(error, CommandFault) else FAILED
