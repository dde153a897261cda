"""Limits of activities on plain data: the twin of `lua/_limits.lua`, and of what `lua/take_tasks.lua` does with them.

What waits behind a limit stays in the stream of its queue, and is passed by. A *bell*, an entry that is no task, says that a
limit may have room: whoever takes from the queue next looks at it.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field

from stead.transport._contract.limits import LimitNumbers, LimitView, TaskLimit, activity_and_key

from .streams import Order

Rank = tuple[str, int, Order]  # of the priority, the turn, where it is in the stream


@dataclass(slots=True)
class Limits:
    """What a queue holds of limits.

    Invariants: `behind` holds the limit and rank of exactly those that are in `waiting`; what is in `running` has been taken.
    """

    declared: dict[str, str] = field(default_factory=dict[str, str])  # activity -> numbers
    of_entry: dict[Order, TaskLimit] = field(default_factory=dict[Order, TaskLimit])
    front: set[Order] = field(default_factory=set[Order])  # given back: they have had their turn
    running: dict[str, set[Order]] = field(default_factory=dict[str, set[Order]])
    waiting: dict[str, list[Rank]] = field(default_factory=dict[str, list[Rank]])
    behind: dict[Order, tuple[str, Rank]] = field(default_factory=dict[Order, tuple[str, Rank]])
    due_us: dict[str, int] = field(default_factory=dict[str, int])
    next_us: dict[str, int] = field(default_factory=dict[str, int])
    bells: dict[Order, str] = field(default_factory=dict[Order, str])

    @property
    def soonest(self) -> tuple[int, str] | None:
        """When one that waits for its rate may begin, the earliest, and its limit."""
        return min(((due_us, limit) for limit, due_us in self.due_us.items()), default=None)

    def room(self, limit: str, own: str, now_us: int) -> tuple[bool, int | None]:
        """Whether one more may begin now, and from when on the one after it. If its rate is against it, it is due later; if as
        many run as may, whichever ends first rings."""
        most, interval_us, tolerance_us = LimitNumbers.read(self.declared.get(activity_and_key(limit)[0], own))
        if most and len(self.running.get(limit, ())) >= most:
            self.due_us.pop(limit, None)
            return False, None
        if not interval_us:
            return True, None
        next_us = min(self.next_us.get(limit, 0), now_us + interval_us + tolerance_us)
        if next_us - tolerance_us > now_us:
            self.due_us[limit] = next_us - tolerance_us
            return False, None
        return True, max(next_us, now_us) + interval_us

    def begin(self, limit: str, order: Order, next_us: int | None, now_us: int) -> None:
        """One begins."""
        if next_us is not None:
            self._keep_next(limit, next_us, now_us)
        self.running.setdefault(limit, set()).add(order)

    def begin_again(self, order: Order, now_us: int) -> bool:
        """One that has its place is to begin once more: whether its rate allows that now. Then it counts."""
        of = self.of_entry.get(order)
        if of is None:
            return True
        numbers = LimitNumbers.read(self.declared.get(activity_and_key(of.limit)[0], of.numbers))
        interval_us, tolerance_us = numbers.interval_us, numbers.tolerance_us
        if not interval_us:
            return True
        next_us = min(self.next_us.get(of.limit, 0), now_us + interval_us + tolerance_us)
        if next_us - tolerance_us > now_us:
            return False
        self._keep_next(of.limit, max(next_us, now_us) + interval_us, now_us)
        return True

    def _keep_next(self, limit: str, next_us: int, now_us: int) -> None:
        self.next_us = {name: at_us for name, at_us in self.next_us.items() if at_us >= now_us}
        self.next_us[limit] = next_us

    def set_aside(self, order: Order) -> None:
        """It waits: the instances of one priority take turns, and whoever comes now has no turn in the round that is on."""
        if order in self.behind:
            return
        of = self.of_entry[order]
        ranks = self.waiting.setdefault(of.limit, [])
        turns = [rank for rank in ranks if rank[0] == of.rank]
        own = [rank[1] for rank in turns if self.of_entry[rank[2]].instance == of.instance]
        turn = max(turns[0][1] + 1 if turns else 1, own[-1] + 1 if own else 1)
        if order in self.front:
            turn = max(turns[0][1] - 1 if turns else 0, 0)
        rank = (of.rank, turn, order)
        insort(ranks, rank)
        self.behind[order] = (of.limit, rank)

    def pull(self, order: Order) -> bool:
        """Take one out of those that wait; whether it was among them."""
        found = self.behind.pop(order, None)
        if found is None:
            return False
        limit, rank = found
        self.waiting[limit].remove(rank)
        if not self.waiting[limit]:
            del self.waiting[limit]
        return True

    def leave(self, order: Order) -> str | None:
        """One runs no more. Gives its limit, if another one waits for its place."""
        of = self.of_entry.get(order)
        if of is None or order not in self.running.get(of.limit, ()):
            return None
        self.running[of.limit].remove(order)
        if not self.running[of.limit]:
            del self.running[of.limit]
        return of.limit if of.limit in self.waiting else None

    def refund(self, order: Order) -> None:
        """One that has its place did not begin after all."""
        of = self.of_entry.get(order)
        if of is not None and order in self.running.get(of.limit, ()) and of.limit in self.next_us:
            numbers = LimitNumbers.read(self.declared.get(activity_and_key(of.limit)[0], of.numbers))
            self.next_us[of.limit] -= numbers.interval_us

    def forget(self, order: Order) -> None:
        """Its entry is gone."""
        self.pull(order)
        self.of_entry.pop(order, None)
        self.front.discard(order)

    def views(self, queue: str, count: int) -> Iterator[LimitView]:
        """Some of them, for people."""
        first = sorted(self.waiting, key=str.encode)
        for limit in [*first, *sorted(set(self.running) - set(first), key=str.encode)][:count]:
            activity, key = activity_and_key(limit)
            due_us = self.due_us.get(limit)
            running, waiting = len(self.running.get(limit, ())), len(self.waiting.get(limit, ()))
            yield LimitView(queue, activity, key, running, waiting, None if due_us is None else due_us // 1000)
