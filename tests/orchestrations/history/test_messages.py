"""What instances are told, by name: also as those write it who leave the last arguments out."""

from __future__ import annotations

from typing import Any

import pytest

from stead.entities import InvalidInput
from stead.orchestrations._history.messages import (
    PurgeMessage,
    TerminateMessage,
    TimerMessage,
    decode_purge,
    decode_reason,
    decode_terminate,
    decode_timer,
)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], TerminateMessage("", False, None)),
        (["enough"], TerminateMessage("enough", False, None)),
        (["enough", 1], TerminateMessage("enough", True, None)),
        (["enough", True, "parent"], TerminateMessage("enough", True, "parent")),
        ([7, True, "parent", "what a newer one says"], TerminateMessage("", True, "parent")),
    ],
)
def test_a_termination(args: list[Any], message: TerminateMessage) -> None:
    assert decode_terminate(args) == message
    assert decode_terminate([*message]) == message
    assert decode_reason(args) == message.reason


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], PurgeMessage(False, None)),
        ([True], PurgeMessage(True, None)),
        ([True, "parent"], PurgeMessage(True, "parent")),
        ([0, None, "what a newer one says"], PurgeMessage(False, None)),
    ],
)
def test_a_purge(args: list[Any], message: PurgeMessage) -> None:
    assert decode_purge(args) == message
    assert decode_purge([*message]) == message


def test_a_timer() -> None:
    assert decode_timer(["e", 3, 9]) == TimerMessage("e", 3, 9)
    for args in ([], ["e", 3], ["e", "3", 9], ["e", 3, None], ["e", 3, 9, 1]):
        with pytest.raises(InvalidInput, match="not those of a timer"):
            decode_timer(args)
