"""The queues of an activation: who has one message keeps one, who has more keeps all in their order."""

from __future__ import annotations

from collections import deque
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from stead.entities._message.envelope import Message
from stead.entities._partition.activation import EMPTY, Activation
from stead.entities._partition.pending import Pending

Step = Literal["hear", "first", "take", "rest"]


def pending(number: int) -> Pending:
    return Pending(b"%d-0" % number, b"", Message("@a@1", "o", (), b"", None, None, None, None, None), False)


@given(st.lists(st.sampled_from(["hear", "take", "rest"]), max_size=30))
def test_a_mailbox_is_a_queue_however_few_are_in_it(steps: list[Step]) -> None:
    activation, queue = Activation("@a@1"), deque[Pending]()
    for number, step in enumerate(steps):
        if step == "hear":
            activation.hear(pending(number))
            queue.append(pending(number))
        elif step == "take" and queue:
            assert activation.mailbox[0] == activation.mailbox.popleft() == queue.popleft()
        elif step == "rest" and not queue:
            activation.rest()
            assert activation.mailbox is EMPTY
        assert [*activation.mailbox] == [*queue]
        assert (len(activation.mailbox), bool(activation.mailbox)) == (len(queue), bool(queue))
    assert not EMPTY, "it is everybody's"


@given(st.lists(st.sampled_from(["hear", "first", "take"]), max_size=20))
def test_express_messages_too_of_which_one_may_come_first(steps: list[Step]) -> None:
    activation, queue = Activation("@a@1"), deque[Pending]()
    for number, step in enumerate(steps):
        if step == "take":
            if queue:
                assert activation.express.popleft() == queue.popleft()
        else:
            activation.hear_express(pending(number), first=step == "first")
            (queue.appendleft if step == "first" else queue.append)(pending(number))
        assert [*activation.express] == [*queue]
    assert not EMPTY, "it is everybody's"
