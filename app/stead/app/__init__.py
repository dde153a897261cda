"""Put the pieces together: an app's hub, its clients and workers, and the command line.

What is exported is loaded at first use, so that `stead --help` does not wait for what it does not need.
"""

from __future__ import annotations

TYPE_CHECKING = False  # not of `typing`: until the command line is there, ctrl-c shows a traceback
if TYPE_CHECKING:
    from stead.app._app import App
    from stead.app._hub.client import Client
    from stead.app._sync.client import SyncClient
    from stead.transport import Settings

__all__ = ["App", "Client", "Settings", "SyncClient"]

_HOMES = {
    "App": "stead.app._app",
    "Client": "stead.app._hub.client",
    "Settings": "stead.transport",
    "SyncClient": "stead.app._sync.client",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
