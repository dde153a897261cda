"""For tools: a store through which users' data passes by a codec, as the settings say. Not for applications: it may change with any version."""

from __future__ import annotations

from stead.entities.extending import entity_form, entry_form, letter_form, message_form, reply_form
from stead.orchestrations._history.sealed import event_form, instance_form, task_form
from stead.transport import Settings, Store, StoredForms, sealed_store

__all__ = ["FORMS", "with_payloads"]

FORMS = StoredForms(
    message=message_form,
    entity=entity_form,
    instance=instance_form,
    event=event_form,
    task=task_form,
    reply=reply_form,
    letter=letter_form,
    entry=entry_form,
)
"""All kinds of stored values that have data of users' in them."""


def with_payloads(store: Store, settings: Settings) -> Store:
    """The store itself, or one that encodes what goes into it and decodes what comes out. Raises `InvalidInput` if there is no such
    codec as the settings say."""
    return sealed_store(store, settings, FORMS)
