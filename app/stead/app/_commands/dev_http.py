"""The HTTP API in `stead dev`: the parent listens, and each child in turn answers.

So a request that comes while the worker starts again waits for it, instead of being refused.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from stead.app._app import App

# What a child is told by its environment: the sockets that it inherits, the address as it was given, the keys,
# whether there is a dashboard.
_FILES_VARIABLE = "STEAD_DEV_HTTP_FILES"
_HOST_VARIABLE = "STEAD_DEV_HTTP_HOST"
_KEYS_VARIABLE = "STEAD_DEV_HTTP_KEYS_FILE"
_DASHBOARD_VARIABLE = "STEAD_DEV_HTTP_DASHBOARD"
DRAIN_MS = 2_000


@dataclass(frozen=True, slots=True)
class DevHttp:
    """What the children need to answer; nothing if there is no HTTP API."""

    sockets: Sequence[socket.socket] = ()
    variables: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def open(cls, host: str, port: int, keys_file: str | None, *, dashboard: bool = True) -> DevHttp:
        """Listen. A port that is taken is a `CommandFault`: it is most likely another `stead dev`, of whose hub this one would
        take half the partitions."""
        from .serve import listen, load_keys

        sockets = listen(host, port, load_keys(keys_file))
        files = ",".join(str(sock.fileno()) for sock in sockets)
        keys = {} if keys_file is None else {_KEYS_VARIABLE: str(Path(keys_file).absolute())}
        shown = {_DASHBOARD_VARIABLE: "1" if dashboard else "0"}
        return cls(sockets, {_FILES_VARIABLE: files, _HOST_VARIABLE: host, **shown, **keys})

    @property
    def files(self) -> list[int]:
        return [sock.fileno() for sock in self.sockets]


@asynccontextmanager
async def inherited_http(app: App, url: str | None) -> AsyncGenerator[None]:
    """In a child: the HTTP API beside the block, if the parent listens."""
    files = os.environ.get(_FILES_VARIABLE, "")
    if not files:
        yield
        return
    from .serve import beside, load_keys

    sockets = [socket.socket(fileno=int(file)) for file in files.split(",")]
    keys = load_keys(os.environ.get(_KEYS_VARIABLE))
    dashboard = os.environ.get(_DASHBOARD_VARIABLE) != "0"
    async with beside(app, url, sockets, keys, os.environ[_HOST_VARIABLE], DRAIN_MS, dashboard=dashboard):
        yield
