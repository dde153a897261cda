"""What `stead info` makes of a hub in trouble."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from stead.app._commands.info import print_info
from stead.app._hub.info import HubInfo, promise_of
from stead.transport import HubLayout, LeaseView, PartitionInfo, ServerFacts, WorkerView

NOW_MS = 1_767_225_600_000


def partition(
    number: int, owner: str, *, expires_ms: int = NOW_MS + 1_000, quarantined: bool = False, dead: int = 0
) -> PartitionInfo:
    token = b"token" if owner else b""
    return PartitionInfo(
        lease=LeaseView(number, token, owner, 3, expires_ms, 0, quarantined),
        backlog=5,
        parked=2,
        parked_targets=1,
        blocked={f"@station@{number}": "its state\nis \x1b[31mnot valid"} if number == 1 else {},
        entities=10,
        timers=1,
        dead=dead,
        dead_trimmed=dead,
    )


FACTS = ServerFacts("9.1.2", "run", "noeviction", True, "everysec", False, 1, 5_000_000)
HUB = HubInfo(
    HubLayout("weather", "id", 4, 2, "direct", 1, NOW_MS),
    FACTS,
    NOW_MS,
    [WorkerView("w-1", NOW_MS - 1_500, {"pid": 7, "partitions": 2, "waiting": {"2": ["ship"]}})],
    {"station": {"name": "Station", "operations": ["record"], "form": "class"}},
    [
        partition(0, "w-1"),
        partition(1, "w-1"),
        partition(2, "w-2", expires_ms=NOW_MS - 1),
        partition(3, "", quarantined=True, dead=4),
    ],
    promise_of(FACTS, "redis://host"),
)


def test_partitions_are_summed_by_owner_and_an_expired_lease_owns_nothing() -> None:
    assert [(share.owner, share.partitions, share.backlog) for share in HUB.shares] == [("w-1", 2, 10), ("", 2, 10)]
    assert (HUB.total.partitions, HUB.total.dead_letters, HUB.trimmed) == (4, 4, 4)


def test_troubles_are_told() -> None:
    assert HUB.blocked == {"@station@1": "its state\nis \x1b[31mnot valid"}
    assert HUB.unserved == ["ship"]
    assert HUB.quarantined == [3]
    data = HUB.as_data()
    assert data["unserved"] == ["ship"]
    assert data["partitions"][2]["owner"] is None


def test_queues_that_nobody_serves_are_told() -> None:
    def shown(queues: list[str], tasks: int) -> str:
        from rich.console import Console

        screen = Console(width=100, record=True, markup=False, highlight=False)
        worker = WorkerView("w-1", NOW_MS, {"queues": queues})
        kinds = {"activity/render": {"name": "render", "queue": "gpu"}, "activity/post": {"name": "post", "queue": ""}}
        partitions = [replace(partition(0, "w-1"), tasks=tasks)]
        hub = replace(HUB, workers=[worker], kinds=kinds, partitions=partitions)
        print_info(screen, hub, "redis://host", "media:app", every_partition=False)
        return screen.export_text()

    assert 'takes activities from the queue "" (the default one), gpu; start one with --queues' in shown([], 1)
    assert "takes activities from the queue gpu;" in shown([""], 1)
    assert "takes activities" not in shown([""], 0)
    assert "takes activities" not in shown(["", "gpu"], 1)


def test_the_promise_is_what_the_server_keeps() -> None:
    assert "up to a second" in HUB.promise
    assert "this process ends" in promise_of(FACTS, "memory://")
    unknown = promise_of(replace(FACTS, appendfsync=""), "redis://host")
    assert "not known" in unknown
    assert "loses what was acknowledged (" not in unknown


def test_the_screen_names_each_trouble_and_what_to_do() -> None:
    from rich.console import Console

    screen = Console(width=80, record=True, markup=False, highlight=False)
    print_info(screen, HUB, "redis://host", "weather:app", every_partition=True)
    shown = " ".join(screen.export_text().split())
    for text in (
        "@station@1 its state is \N{REPLACEMENT CHARACTER}[31mnot valid",
        "partition 3 is quarantined",
        "messages wait for what no running worker knows: ship",
        "4 dead letters; see them: stead dead-letters weather:app",
        "4 older dead letters were dropped",
        "(nobody)",
        "1 replica",
    ):
        assert text in shown


@pytest.mark.parametrize("name", ["w-1", "vm-9936-26a6b654", "ip-10-0-12-34.eu-west-1.internal-123456-26a6b654"])
@pytest.mark.parametrize("width", [80, 120, 200])
def test_a_workers_name_stays_on_one_line(name: str, width: int) -> None:
    hub = replace(HUB, workers=[replace(HUB.workers[0], worker=name)], partitions=[partition(0, name)] * 4)
    output = io.StringIO()
    screen = Console(width=width, file=output, markup=False, highlight=False)
    print_info(screen, hub, "redis://host", "weather:app", every_partition=True)
    lines = output.getvalue().splitlines()
    assert all(len(line.rstrip()) <= width for line in lines)
    end = name[-8:]
    assert sum(end in line for line in lines) == 1 + 1 + 4  # its own line, its share, and each partition
