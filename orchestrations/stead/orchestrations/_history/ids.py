"""IDs that follow from other IDs: the same in every replay, and for everybody who knows what they are made of."""

from __future__ import annotations

import hashlib

PARENT_LENGTH_MAX = 120
"""A longer instance ID is cut and hashed in those of its children: they would grow from level to level else."""

_SHOWN_LENGTH = 64


def first_execution_id(message_id: bytes) -> str:
    """The ID of the execution that a start begins: whoever sent the start knows it, and a start that is carried out again
    after a crash begins the same one."""
    return hashlib.blake2b(message_id, digest_size=16).hexdigest()


def child_id(parent_id: str, execution_id: str, number: int) -> str:
    """The ID of the instance that an execution schedules under a number: the same in a replay, and of bounded length."""
    if len(parent_id) > PARENT_LENGTH_MAX:
        digest = hashlib.blake2b(parent_id.encode("utf-8", "replace"), digest_size=16).hexdigest()
        parent_id = f"{parent_id[:_SHOWN_LENGTH]}~{digest}"
    return f"{parent_id}:{execution_id[:8]}:{number:04x}"


def timer_id(instance_id: str, execution_id: str, task_id: int | str) -> bytes:
    """The ID of a timer of an instance."""
    return f"{instance_id}|{execution_id}|{task_id}".encode()


def task_key(instance_id: str, execution_id: str, task_id: int) -> bytes:
    """The ID of an activity's task: of the same form as a timer's, in a store of its own."""
    return f"{instance_id}|{execution_id}|{task_id}".encode()
