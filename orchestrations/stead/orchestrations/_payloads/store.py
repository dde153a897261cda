"""A hub's store, through which users' data passes by a codec and goes to where large payloads are kept, as the settings say."""

from __future__ import annotations

from stead.entities.extending import entity_form, entry_form, letter_form, message_form, reply_form
from stead.orchestrations._history.sealed import event_form, instance_form, task_form
from stead.transport import Settings, Store, StoredForms, sealed_store

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
    """The store itself, or one that encodes what goes into it and decodes what comes out, and keeps what is large elsewhere. Raises
    `InvalidInput` if there is no such codec or place as the settings say."""
    return sealed_store(store, settings, FORMS)
