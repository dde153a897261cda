"""The pytest plugin, in projects of users: each test writes one and runs pytest there in a process of its own."""

from __future__ import annotations

import sys
from importlib import metadata

import pytest

pytest_plugins = ["pytester"]

TRIPS = """
from datetime import timedelta

from stead.app import App
from stead.entities import Entity
from stead.orchestrations import OrchestrationContext

app = App("trips")


@app.entity
class Counter(Entity):
    count: int = 0

    def add(self) -> int:
        self.count += 1
        return self.count


@app.activity
async def book(place: str) -> str:
    raise ValueError(f"no seats to {place}")


@app.orchestration
async def trip(context: OrchestrationContext, place: str) -> str:
    await context.create_timer(timedelta(hours=12))
    return await context.call_activity(book, place)
"""

PASSES = """
from trips import app, book, trip


async def test_books(stead_hub):
    stead_hub.fake_activity(book).returns("booked")
    instance_id = await stead_hub.client.start_new(trip, "Oslo")
    assert (await stead_hub.client.wait_for_completion(instance_id, timeout=86_400)).result() == "booked"
    assert [call.args for call in stead_hub.calls(book)] == [("Oslo",)]
"""

INI = "[pytest]\nstead_app = trips:app\nfilterwarnings = error\npythonpath = .\n"


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A user's project: an app, and nothing said of asynchronous tests."""
    for name in ("PYTEST_ADDOPTS", "STEAD_URL"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile(trips=TRIPS)
    pytester.makefile(".ini", pytest=INI)
    return pytester


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Without plugins that users have not, one of which takes longer to load than all else."""
    without = [
        word for name in ("randomly", "cacheprovider", "schemathesis", "valkey") for word in ("-p", f"no:{name}")
    ]
    return project.runpytest_subprocess(*without, *arguments)


def test_it_is_installed_with_stead() -> None:
    (plugin,) = metadata.entry_points(group="pytest11", name="stead")
    assert plugin.value == "stead.app._pytest.plugin"


def test_an_async_test_needs_nothing_but_the_fixture(project: pytest.Pytester) -> None:
    project.makepyfile(test_trips=PASSES)
    run(project).assert_outcomes(passed=1)


def test_the_app_may_come_from_a_fixture(project: pytest.Pytester) -> None:
    project.makefile(".ini", pytest="[pytest]\npythonpath = .\n")
    project.makeconftest("import pytest, trips\n\n@pytest.fixture\ndef stead_app():\n    return trips.app\n")
    project.makepyfile(test_trips=PASSES)
    run(project).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("", "*stead_app = MODULE:ATTRIBUTE*"),
        ("stead_app = trips:nothing", "*the setting stead_app: trips has no attribute 'nothing'; try trips:app*"),
        ("stead_app = strips:app", "*the setting stead_app: there is no module 'strips'*"),
    ],
)
def test_a_missing_app_says_what_to_write(project: pytest.Pytester, setting: str, said: str) -> None:
    project.makefile(".ini", pytest=f"[pytest]\npythonpath = .\n{setting}\n")
    project.makepyfile(test_trips=PASSES)
    result = run(project)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([said])
    assert "Traceback" not in result.stdout.str()


def test_a_failure_shows_the_last_events(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_trips="""
        from trips import trip

        async def test_books(stead_hub):
            instance_id = await stead_hub.client.start_new(trip, "Oslo", instance_id="t-1")
            (await stead_hub.client.wait_for_completion(instance_id, timeout=86_400)).result()

        async def test_compares(stead_hub):
            await stead_hub.client.start_new(trip, "Oslo", instance_id="t-2")
            await stead_hub.run_until_idle()
            assert 1 == 2
        """
    )
    result = run(project)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*OrchestrationFailed: orchestration 'trip' (instance 't-1') raised *no seats to Oslo",
            "*caused there by:",
            "*ValueError: no seats to Oslo",
            "*trip 't-1' Failed*",
            "*+ 43200.000 s  TaskFailed #2  failure=ValueError: no seats to Oslo",
            "*assert 1 == 2",
            "*trip 't-2' Running",
            "*it waits for timer until 2026-01-01 12:00:00 UTC",
        ]
    )


def test_fixtures_of_users_run_in_the_task_of_the_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_trips="""
        import asyncio
        import pytest
        from trips import Counter

        ended = []

        @pytest.fixture
        async def counted(stead_hub):
            await stead_hub.client.call_entity(Counter.add, "a")
            return "a"

        @pytest.fixture
        async def limited(stead_hub):
            async with asyncio.timeout(30), asyncio.TaskGroup() as group:
                yield asyncio.current_task(), group
                ended.append(stead_hub)
            assert await stead_hub.client.call_entity(Counter.add, "a") == 4

        @pytest.mark.parametrize("more", [1])
        class TestCounting:
            async def test_counts(self, stead_hub, counted, limited, more, request):
                task, group = limited
                assert task is asyncio.current_task()
                first = group.create_task(stead_hub.client.call_entity(Counter.add, counted))
                assert await first == 1 + more
                assert await stead_hub.client.call_entity(Counter.add, "a") == 3

        async def test_begins_empty_once_the_other_has_ended(stead_hub):
            assert len(ended) == 1 and ended[0] is not stead_hub
            assert await stead_hub.client.call_entity(Counter.add, "a") == 1
            asyncio.current_task().cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.sleep(0)
            asyncio.create_task(asyncio.Event().wait())  # left behind: it ends with the loop
        """
    )
    run(project).assert_outcomes(passed=2)


def test_pytests_own_ends_of_a_test_are_kept(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_trips="""
        import pytest

        async def test_skips(stead_hub):
            raise pytest.skip.Exception("not today")

        async def test_fails(stead_hub):
            pytest.xfail("as expected")

        @pytest.fixture
        async def broken(stead_hub):
            raise LookupError("broken")

        async def test_never(broken):
            pass

        @pytest.fixture
        async def twice(stead_hub):
            yield 1
            yield 2

        async def test_ends_badly(twice):
            pass
        """
    )
    result = run(project)
    result.assert_outcomes(skipped=1, xfailed=1, errors=2, passed=1)
    result.stdout.fnmatch_lines(["*LookupError: broken*", "*an asynchronous fixture yields once*"])


def test_options_of_the_hub_come_from_its_marker(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_trips="""
        import pytest
        from trips import Counter

        @pytest.mark.stead_hub(kill_seed=7, replay_every_turn=True)
        async def test_counts(stead_hub):
            for number in range(1, 200):
                assert await stead_hub.client.call_entity(Counter.add, "a") == number
            assert stead_hub._driver.kills > 0 and stead_hub._driver.settings.replay_every_turn
        """
    )
    run(project, "--strict-markers").assert_outcomes(passed=1)


def test_a_server_on_each_backend_begins_empty(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_trips="""
        import pytest
        from trips import Counter, app

        async def count(url):
            async with app.worker(url), app.connect(url) as client:
                return await client.call_entity(Counter.add, "a"), (await client.info())["server"]["version"]

        async def test_a_real_server(stead_server):
            assert stead_server.startswith("embedded://")
            assert (await count(stead_server))[0] == 1
            assert (await count(stead_server))[0] == 2  # it is still there

        @pytest.mark.stead_backend("memory", "embedded")
        @pytest.mark.parametrize("time", [1, 2])
        async def test_each(stead_server, time):
            assert (await count(stead_server))[0] == 1

        @pytest.mark.stead_backend("memory")
        def test_without_await(stead_server):
            with app.connect_sync(stead_server) as client:
                assert client.read_entity(Counter, "a") is None
        """
    )
    result = run(project, "--strict-markers", "-v")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["*test_each*memory*PASSED*", "*test_each*embedded*PASSED*"])


@pytest.mark.parametrize(
    ("mark", "fixture", "said"),
    [
        ("'rediss'", "stead_server", "*takes one or more of 'embedded', 'memory'*"),
        ("", "stead_server", "*takes one or more of 'embedded', 'memory'*"),
        ("'memory'", "stead_hub", "*does not use that*"),
    ],
)
def test_a_backend_that_there_is_not_is_refused(project: pytest.Pytester, mark: str, fixture: str, said: str) -> None:
    project.makepyfile(
        test_trips=f"import pytest\n\n@pytest.mark.stead_backend({mark})\nasync def test_it({fixture}): ...\n"
    )
    result = run(project)
    assert result.ret != 0
    result.stdout.fnmatch_lines([said])


def test_a_plain_test_cannot_have_a_hub(project: pytest.Pytester) -> None:
    project.makepyfile(test_trips="def test_it(stead_hub): ...\n")
    result = run(project)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*test_it uses stead_hub, which lives in an event loop: make it an `async def`*"])


def test_anyio_runs_what_is_its_own(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_trips="""
        import asyncio
        import pytest
        from trips import Counter

        pytestmark = pytest.mark.anyio

        @pytest.fixture
        def anyio_backend():
            return ("asyncio", {"debug": True})

        @pytest.fixture
        async def counted(stead_hub):
            return await stead_hub.client.call_entity(Counter.add, "a")

        async def test_counts(stead_hub, counted):
            assert asyncio.get_running_loop().get_debug()
            assert await stead_hub.client.call_entity(Counter.add, "a") == counted + 1

        async def test_explains(stead_hub):
            await stead_hub.client.start_new("trip", "Oslo", instance_id="t-1")
            assert False
        """
    )
    result = run(project)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*trip 't-1' Pending*"])


def test_tests_without_these_fixtures_are_left_alone(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_trips="""
        import sys

        def test_nothing_of_stead_is_loaded():
            heavy = ("stead.transport", "stead.entities", "stead.orchestrations", "stead.gateway", "redis", "pydantic")
            assert [name for name in heavy if name in sys.modules] == []
        """,
        test_async="async def test_nobody_runs_it(): ...\n",
    )
    result = run(project)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*async def functions are not natively supported*"])


def test_it_spreads_over_processes(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_trips=PASSES
        + """

import pytest
from trips import Counter

@pytest.mark.stead_backend("embedded", "memory")
@pytest.mark.parametrize("number", range(4))
async def test_counts(stead_server, number):
    async with app.worker(stead_server), app.connect(stead_server) as client:
        assert await client.call_entity(Counter.add, "a") == 1
"""
    )
    run(project, "-n", "2").assert_outcomes(passed=9)


def test_without_pytest_stead_is_whole(project: pytest.Pytester) -> None:
    project.makepyfile(
        without="""
        import sys
        sys.modules["pytest"] = sys.modules["_pytest"] = None
        import stead.app, stead.app.testing, stead.gateway, trips
        from stead.app import App, Client, SyncClient
        print("whole")
        """
    )
    assert project.run(sys.executable, "-W", "error", "without.py").outlines == ["whole"]
