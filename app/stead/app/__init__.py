"""Put the pieces together: an app's hub, its clients and workers, and the command line."""

from __future__ import annotations

from stead.transport import Settings

from ._app import App
from ._client import Client
from ._sync import SyncClient

__all__ = ["App", "Client", "Settings", "SyncClient"]
