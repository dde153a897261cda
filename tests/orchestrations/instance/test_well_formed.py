"""What is wrong with an instance in memory is seen, whichever of its rules is broken."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import cast

import pytest

from stead.orchestrations import OrchestrationContext
from stead.orchestrations._execution.external_events import Raised
from stead.orchestrations._execution.outcome import Completed
from stead.orchestrations._execution.wants import NOTHING
from stead.orchestrations._history.events import TaskCompleted
from stead.orchestrations._history.record import Awaited, RuntimeStatus
from stead.orchestrations._instance.turn import Body, Placed
from stead.orchestrations._instance.well_formed import ill_formed
from support.kind_bench import KindHub


async def waits(context: OrchestrationContext, value: object) -> None:
    work = context.create_timer(timedelta(hours=1))
    await context.wait_for_external_event("Go")
    await work


def in_use() -> Body:
    """Of an instance that waits for a timer and an event."""
    hub = KindHub(waits)
    hub.start("waits", None)
    hub.run()
    return cast("Body", hub.activations["one"].body)


def replay_beside(body: Body) -> None:
    body.replay = body.execution


def exist_no_more(body: Body) -> None:
    body.record = None


def change_unseen(body: Body) -> None:
    assert body.record is not None
    body.record.reason = "changed"


def lose_an_event(body: Body) -> None:
    del body.log[-1]


def open_more(body: Body) -> None:
    body.ledger.open[9] = next(iter(body.ledger.open.values()))


def end_with_code(body: Body) -> None:
    assert body.record is not None
    body.record.status = RuntimeStatus.TERMINATED
    body.packed = None


def go_on_after_the_end(body: Body) -> None:
    assert body.execution is not None
    body.execution._outcome = Completed(None)


def be_answered_unheard(body: Body) -> None:
    body.ledger.open.clear()


def feed_what_is_not_there(body: Body) -> None:
    body.to_feed.append(Placed(0, TaskCompleted(1, 1, None)))


def miss_events(body: Body) -> None:
    assert body.record is not None
    body.record.unseen = 1
    body.packed = None


def hold_nothing(body: Body) -> None:
    assert body.execution is not None
    body.execution._held_ids.add(1)


def count_one_more(body: Body) -> None:
    assert body.execution is not None
    body.execution._commands.mailbox.waits += 1


def ask_for_nobody(body: Body) -> None:
    assert body.execution is not None
    body.execution._commands._called_off.append(1)


def replay_on(body: Body) -> None:
    assert body.execution is not None
    body.execution._left = iter(())


def know_what_nobody_wants(body: Body) -> None:
    body.replayed = NOTHING


def keep_from_who_waits(body: Body) -> None:
    assert body.execution is not None
    mailbox = body.execution._commands.mailbox
    mailbox._buffered["go"] = deque([Raised(1, "go", None)])


def name_another(body: Body) -> None:
    assert body.record is not None
    body.record.awaited = [Awaited("Stop", 1)]
    body.packed = None


BREAKS: dict[Callable[[Body], None], str] = {
    replay_beside: "on its way through the history",
    exist_no_more: "it does not exist",
    change_unseen: "the bytes that would be stored have not",
    lose_an_event: "is said to have",
    open_more: "what is said to be open",
    end_with_code: "has code or work",
    go_on_after_the_end: "its code has ended",
    be_answered_unheard: "its code waits for an answer",
    feed_what_is_not_there: "is not what its history says",
    miss_events: "not to have come to 1",
    hold_nothing: "a suspended instance keeps",
    count_one_more: "said to wait for an event",
    ask_for_nobody: "what nobody has taken",
    replay_on: "not come to the end of the history",
    know_what_nobody_wants: "the code is not there",
    keep_from_who_waits: "kept though somebody waits",
    name_another: "the events that its record names",
}


def test_an_instance_in_use_is_well_formed() -> None:
    body = in_use()
    assert ill_formed(body) is None
    body.drop_code()


@pytest.mark.parametrize(("damage", "words"), BREAKS.items())
def test_each_rule_that_is_broken_is_named(damage: Callable[[Body], None], words: str) -> None:
    body = in_use()
    code = body.execution
    assert code is not None
    damage(body)
    found = ill_formed(body)
    code.close()
    assert words in (found or "")
