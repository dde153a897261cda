"""An app whose payloads may be encoded: with the key, and as somebody sees it who has none."""

from __future__ import annotations

from typing import Any

from stead.app import App
from stead.entities import Entity
from stead.orchestrations import OrchestrationContext
from stead.transport import Settings

WITH_KEY = "support.codecs:aes"


def make_locked(codec: str | None) -> tuple[App, Any, Any]:
    """The app, its entity, and an orchestration that waits for `go`."""
    app = App("locked", settings=Settings(partitions=2, payload_codec=codec))

    @app.entity
    class Note(Entity):
        text: str = ""

        def put(self, text: str) -> None:
            self.text = text

        def boom(self, text: str) -> None:
            raise ValueError(text)

    @app.orchestration
    async def story(context: OrchestrationContext, text: str) -> str:
        context.set_custom_status(text)
        return text + await context.wait_for_external_event("go", str)

    return app, Note, story
