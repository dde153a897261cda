"""For packages that add a kind of targets to workers. Not for applications: it may change with any version.

An `Extension` gives a worker a `Kind`, the names that it publishes, and parts that run beside the worker's own.

**What a kind is given.** `activate(target, record, log)`: what is stored. `run(activation, effects, slice)`: the messages that
wait, `activation.express` before `activation.mailbox`, each a `Pending` with its `Message`; the time is `effects.now_ms`. How
long it may go on says the `Slice`: after each turn a kind looks whether that is `over`, and before each it says which message
is `running`. Nothing else: a kind does no I/O and knows no partition, no store and no worker.

**What it gives.** Everything goes into `effects`, which is a value until one commit writes all of it. Of messages: `consume`
(dealt with), `fail` and `refuse` (its sender is told), `reply` and `answer_task`, `send`, `send_start`. Of the target:
`changed` (then `record` is asked for what to store), `append` to its log, `block` and `unblock`. Of what comes later:
`set_timer`, `cancel_timer`, `schedule_task`, `drop_task`, and `started` once a start has been dealt with. A task that was scheduled
in this turn, and may begin before anything of it is stored, is offered (`at_once.offer`); `Hooks.may_begin` hears of it.

**A turn that takes its time.** `run` gives an awaitable: the message stays first in its queue and in the store, the target takes
no other turn, everything else goes on. Its result or error comes to `finish`, and again one commit writes what comes of it.
Until then nothing of the turn exists: if the worker dies, the next owner of the partition takes it anew. So it does not matter
who carries it out: the code of this process, or a program somewhere else that answers when it is done.

**What an extension may hook into.** `parts(board, turns)` is handed both. `Hooks` has a method for each event in the life of a
partition; `Board.listen` takes an object that overrides some, and any number of those may listen. It hears of the tasks of its
own targets, if it says with which prefix they begin; `Board.is_of` tells that of tasks in the store. `Turns.deliver_local` gives a
target a message that is in no inbox. Of the `Board` an extension's parts may use `name`, `store`, `settings`, `draw`, `info`,
`workers`, `stopping`, `drained`, `listen`, `is_of`, `drop`, `face`, `insist`, `fail` and `check_generation`.
"""

from __future__ import annotations

from stead.entities._client.bulk import (
    BulkEncoder,
    BulkProducer,
    BulkRoute,
    claim_number,
    known_operation,
)
from stead.entities._client.calls import Calls, PendingCall
from stead.entities._client.expiring import register_notices
from stead.entities._client.group_progress import ChangesGroup, group_progress
from stead.entities._client.index_progress import IndexProgress, index_progress
from stead.entities._client.listing import PAGE_READ_LENGTH, take_page
from stead.entities._client.measured import HubMeasures, MeasuresReader
from stead.entities._client.no_answer import locked_by
from stead.entities._client.outgoing import Outgoing
from stead.entities._client.producer import BaseProducer, check_sequence
from stead.entities._client.query import query_in_words
from stead.entities._definition.addressing import Call, resolve_call
from stead.entities._definition.annotations import hints_in, signature_of
from stead.entities._definition.argument_schemas import ARGUMENTS, described_arguments, schema_of, within_bounds
from stead.entities._definition.client_text import ClientText, reader_of_text, takes_anything
from stead.entities._definition.operations import Parameters
from stead.entities._definition.own_context import send_message, send_signal, settings_of
from stead.entities._definition.own_defaults import with_own_defaults
from stead.entities._definition.registry import Registry
from stead.entities._definition.schema import describe_errors
from stead.entities._definition.signals_later import SignalsLater
from stead.entities._definition.values import Value, check_models, dumped, encoded, value_of
from stead.entities._index.conditions import Compare, Join
from stead.entities._index.conditions import Node as ConditionNode
from stead.entities._index.types import Unplaced, place_of
from stead.entities._measures.blocks import MeasuredBlock, joined, readable
from stead.entities._measures.hottest import Hot
from stead.entities._measures.measures import Measured, Measures
from stead.entities._measures.meter import Meter
from stead.entities._measures.recent import told_of
from stead.entities._measures.window import MINUTE_MS
from stead.entities._message.envelope import (
    LOCK,
    MESSAGE_VERSION,
    MESSAGE_VERSION_NEWER,
    RELEASE,
    Failure,
    FailureKind,
    LockedEnvelope,
    Message,
    ReplyAddress,
    TaskAddress,
    UnknownEnvelope,
    decode_message,
    decode_reply,
    encode_failure,
    encode_message,
    encode_reply,
    message_extras,
    raise_if_keyless,
)
from stead.entities._message.failures import OperationTimeout, failure_of
from stead.entities._message.ids import EntityClass, canonical_name, check_instance_id, check_key
from stead.entities._message.record import decode_record, encode_record, stored_of
from stead.entities._message.rhythm import Cron, Every, Rhythm, checked_cron, checked_every
from stead.entities._message.sealed import (
    GARBLED,
    UNTOLD,
    TolerantForm,
    entity_form,
    entry_form,
    letter_form,
    message_form,
    opened,
    opened_parts,
    reply_form,
    split,
)
from stead.entities._message.shards import logical_target, shown_target, split_target, version_for
from stead.entities._message.starts import check_tags
from stead.entities._message.times import delay_in_ms, instant_in_ms
from stead.entities._message.trace import TraceContext, given_trace, read_trace, root_context
from stead.entities._partition.activation import Activation, Blocked, Kind, Locked, Opening, Park, Phase
from stead.entities._partition.effects import Effects
from stead.entities._partition.partition import Environment, Partition, Started
from stead.entities._partition.pending import Pending
from stead.entities._partition.slice import Slice
from stead.entities._tracing import names as span_names
from stead.entities._tracing import switch as tracing
from stead.entities._tracing.carried import add_trace, as_parent, attach, within
from stead.entities._tracing.lasting import LastingSpan, instance_variables, root_flags
from stead.entities._tracing.sending import EVENT as SENDS_EVENT
from stead.entities._tracing.sending import QUERY as SENDS_QUERY
from stead.entities._tracing.sending import START as SENDS_START
from stead.entities._tracing.sending import UPDATE as SENDS_UPDATE
from stead.entities._tracing.sending import sending
from stead.entities._turns.entity_kind import EntityKind
from stead.entities._turns.held import held_reports
from stead.entities._worker.board import Bell, Board
from stead.entities._worker.extension import Extension
from stead.entities._worker.hooks import Hooks
from stead.entities._worker.said import names_in, waiting_in
from stead.entities._worker.turns import Turns
from stead.entities._worker.wishes import is_drained, want_drained, want_watched, worker_of

__all__ = [
    "ARGUMENTS",
    "GARBLED",
    "LOCK",
    "MESSAGE_VERSION",
    "MESSAGE_VERSION_NEWER",
    "MINUTE_MS",
    "PAGE_READ_LENGTH",
    "RELEASE",
    "SENDS_EVENT",
    "SENDS_QUERY",
    "SENDS_START",
    "SENDS_UPDATE",
    "UNTOLD",
    "Activation",
    "BaseProducer",
    "Bell",
    "Blocked",
    "Board",
    "BulkEncoder",
    "BulkProducer",
    "BulkRoute",
    "Call",
    "Calls",
    "ChangesGroup",
    "ClientText",
    "Compare",
    "ConditionNode",
    "Cron",
    "Effects",
    "EntityClass",
    "EntityKind",
    "Environment",
    "Every",
    "Extension",
    "Failure",
    "FailureKind",
    "Hooks",
    "Hot",
    "HubMeasures",
    "IndexProgress",
    "Join",
    "Kind",
    "LastingSpan",
    "Locked",
    "LockedEnvelope",
    "Measured",
    "MeasuredBlock",
    "Measures",
    "MeasuresReader",
    "Message",
    "Meter",
    "Opening",
    "OperationTimeout",
    "Outgoing",
    "Parameters",
    "Park",
    "Partition",
    "Pending",
    "PendingCall",
    "Phase",
    "Registry",
    "ReplyAddress",
    "Rhythm",
    "SignalsLater",
    "Slice",
    "Started",
    "TaskAddress",
    "TolerantForm",
    "TraceContext",
    "Turns",
    "UnknownEnvelope",
    "Unplaced",
    "Value",
    "add_trace",
    "as_parent",
    "attach",
    "canonical_name",
    "check_instance_id",
    "check_key",
    "check_models",
    "check_sequence",
    "check_tags",
    "checked_cron",
    "checked_every",
    "claim_number",
    "decode_message",
    "decode_record",
    "decode_reply",
    "delay_in_ms",
    "describe_errors",
    "described_arguments",
    "dumped",
    "encode_failure",
    "encode_message",
    "encode_record",
    "encode_reply",
    "encoded",
    "entity_form",
    "entry_form",
    "failure_of",
    "given_trace",
    "group_progress",
    "held_reports",
    "hints_in",
    "index_progress",
    "instance_variables",
    "instant_in_ms",
    "is_drained",
    "joined",
    "known_operation",
    "letter_form",
    "locked_by",
    "logical_target",
    "message_extras",
    "message_form",
    "names_in",
    "opened",
    "opened_parts",
    "place_of",
    "query_in_words",
    "raise_if_keyless",
    "read_trace",
    "readable",
    "reader_of_text",
    "register_notices",
    "reply_form",
    "resolve_call",
    "root_context",
    "root_flags",
    "schema_of",
    "send_message",
    "send_signal",
    "sending",
    "settings_of",
    "shown_target",
    "signature_of",
    "span_names",
    "split",
    "split_target",
    "stored_of",
    "take_page",
    "takes_anything",
    "told_of",
    "tracing",
    "value_of",
    "version_for",
    "waiting_in",
    "want_drained",
    "want_watched",
    "with_own_defaults",
    "within",
    "within_bounds",
    "worker_of",
]
