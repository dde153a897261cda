"""For packages that add a kind of targets to workers: what a kind, its effects and a worker's extension are made of.

Not for applications: it may change with any version.
"""

from __future__ import annotations

from ._activation import Activation, Blocked, Kind, Locked, Park, Pending, Phase
from ._addressing import Call, resolve
from ._annotations import hints_in, signature_of
from ._board import Bell, Board
from ._bulk import BulkEncoder, BulkRoute, buffer_length, claim_number, known_operation, sender_of, short_source
from ._client_text import ClientText, reader_of_text, takes_anything
from ._effects import Effects
from ._envelope import (
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
from ._extension import Extension
from ._held import held_reports, watched
from ._ids import canonical_name, check_instance_id, check_key
from ._listing import PAGE_READ_LENGTH, take_page
from ._operations import Parameters
from ._own_defaults import with_own_defaults
from ._partition import Environment, Partition, Started
from ._patience import BORNE, Patience
from ._registry import Registry
from ._said import names_in, waiting_in
from ._schema import describe_errors
from ._signals_later import SignalsLater
from ._starts import check_tags
from ._times import delay_in_ms, instant_in_ms
from ._turns import EntityKind, OperationTimeout, failure_of
from ._values import Value, dumped, encoded, value_of

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
