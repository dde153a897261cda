"""For packages that add a kind of targets to workers: what a kind, its effects and a worker's extension are made of.

Not for applications: it may change with any version.
"""

from __future__ import annotations

from stead.entities._client.bulk import (
    BulkEncoder,
    BulkRoute,
    buffer_length,
    claim_number,
    known_operation,
    sender_of,
    short_source,
)
from stead.entities._client.listing import PAGE_READ_LENGTH, take_page
from stead.entities._definition.addressing import Call, resolve
from stead.entities._definition.annotations import hints_in, signature_of
from stead.entities._definition.client_text import ClientText, reader_of_text, takes_anything
from stead.entities._definition.operations import Parameters
from stead.entities._definition.own_defaults import with_own_defaults
from stead.entities._definition.registry import Registry
from stead.entities._definition.schema import describe_errors
from stead.entities._definition.signals_later import SignalsLater
from stead.entities._definition.values import Value, dumped, encoded, value_of
from stead.entities._message.envelope import (
    LOCK,
    RELEASE,
    Failure,
    FailureKind,
    Message,
    ReplyAddress,
    TaskAddress,
    UnknownEnvelope,
    decode_message,
    decode_record,
    decode_reply,
    encode_failure,
    encode_message,
    encode_record,
    encode_reply,
    message_extras,
)
from stead.entities._message.failures import OperationTimeout, failure_of
from stead.entities._message.ids import canonical_name, check_instance_id, check_key
from stead.entities._message.starts import check_tags
from stead.entities._message.times import delay_in_ms, instant_in_ms
from stead.entities._partition.activation import Activation, Blocked, Kind, Locked, Park, Phase
from stead.entities._partition.effects import Effects
from stead.entities._partition.partition import Environment, Partition, Started
from stead.entities._partition.pending import Pending
from stead.entities._turns.entity_kind import EntityKind
from stead.entities._turns.held import held_reports, watched
from stead.entities._worker.board import Bell, Board
from stead.entities._worker.extension import Extension
from stead.entities._worker.patience import BORNE, Patience
from stead.entities._worker.said import names_in, waiting_in

__all__ = [
    "BORNE",
    "LOCK",
    "PAGE_READ_LENGTH",
    "RELEASE",
    "Activation",
    "Bell",
    "Blocked",
    "Board",
    "BulkEncoder",
    "BulkRoute",
    "Call",
    "ClientText",
    "Effects",
    "EntityKind",
    "Environment",
    "Extension",
    "Failure",
    "FailureKind",
    "Kind",
    "Locked",
    "Message",
    "OperationTimeout",
    "Parameters",
    "Park",
    "Partition",
    "Patience",
    "Pending",
    "Phase",
    "Registry",
    "ReplyAddress",
    "SignalsLater",
    "Started",
    "TaskAddress",
    "UnknownEnvelope",
    "Value",
    "buffer_length",
    "canonical_name",
    "check_instance_id",
    "check_key",
    "check_tags",
    "claim_number",
    "decode_message",
    "decode_record",
    "decode_reply",
    "delay_in_ms",
    "describe_errors",
    "dumped",
    "encode_failure",
    "encode_message",
    "encode_record",
    "encode_reply",
    "encoded",
    "failure_of",
    "held_reports",
    "hints_in",
    "instant_in_ms",
    "known_operation",
    "message_extras",
    "names_in",
    "reader_of_text",
    "resolve",
    "sender_of",
    "short_source",
    "signature_of",
    "take_page",
    "takes_anything",
    "value_of",
    "waiting_in",
    "watched",
    "with_own_defaults",
]
