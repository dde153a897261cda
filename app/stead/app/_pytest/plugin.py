"""What pytest loads.

An `async def` test that uses one of stead's fixtures is run here, with its own asynchronous fixtures, unless the project has
somebody else who runs it: anyio's plugin (`anyio_backend` is among its fixtures) or pytest-asyncio (it has that one's mark).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from stead.app import App
    from stead.app.testing import TestHub

    from .loop import LoopOfTest

BACKENDS = ("embedded", "memory")
"""On what `stead_server` may be: a Valkey server of the test's own, or a hub in memory."""

_OURS = frozenset({"stead_hub", "stead_server"})
_LOOP = pytest.StashKey["LoopOfTest"]()
_HUB = pytest.StashKey["TestHub"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """See the how-to guide "Test your entities and orchestrations"."""
    parser.addini("stead_app", "the App of stead_hub, as the command line names it: module:attribute", default="")


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "stead_hub(replay_every_turn=False, kill_seed=None): what TestHub is given to make this test's `stead_hub`",
        f"stead_backend(*names): run this test once with a `stead_server` on each of these: {', '.join(BACKENDS)}",
    ):
        config.addinivalue_line("markers", line)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with several backends is as many tests."""
    marker = metafunc.definition.get_closest_marker("stead_backend")
    if marker is None:
        return
    names = marker.args
    if not names or marker.kwargs or not set(names) <= set(BACKENDS):
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid}: @pytest.mark.stead_backend takes one or more of {', '.join(map(repr, BACKENDS))}"
        )
    if "stead_backend" not in metafunc.fixturenames:
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid}: @pytest.mark.stead_backend says where `stead_server` is, and the test does not "
            "use that (`stead_hub` is always in memory)"
        )
    metafunc.parametrize("stead_backend", names, indirect=True)


# -- fixtures ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def stead_app(pytestconfig: pytest.Config) -> App:
    """The app of `stead_hub`: that of the setting `stead_app`. Define a fixture of this name to give another one."""
    reference: str = pytestconfig.getini("stead_app")
    if not reference:
        pytest.fail(
            "stead_hub does not know your App: write `stead_app = MODULE:ATTRIBUTE` into pytest's settings, or define a "
            "fixture `stead_app` that returns it",
            pytrace=False,
        )
    from stead.app._console.faults import CommandFault
    from stead.app._console.loading import load_app

    try:
        return load_app(reference, pytestconfig.rootpath)
    except CommandFault as fault:
        pytest.fail(f"the setting stead_app: {fault}", pytrace=False)


@pytest.fixture
async def stead_hub(request: pytest.FixtureRequest, stead_app: App) -> AsyncGenerator[TestHub]:
    """A `TestHub` of `stead_app`, empty, in virtual time. A test that fails with it shows the last events of its instances."""
    from stead.app.testing import TestHub

    marker = request.node.get_closest_marker("stead_hub")
    options: dict[str, Any] = {} if marker is None else marker.kwargs
    async with TestHub(stead_app, **options) as hub:
        request.node.stash[_HUB] = hub
        yield hub


@pytest.fixture
def stead_backend(request: pytest.FixtureRequest) -> str:
    """On what `stead_server` is: "embedded", if no `@pytest.mark.stead_backend` says otherwise."""
    return str(getattr(request, "param", BACKENDS[0]))


@pytest.fixture
def stead_server(stead_backend: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The URL of a server of the test's own, on which every hub is empty: for `app.worker(url)`, `app.connect(url)` and
    `app.connect_sync(url)`. It starts when it is first used, and ends with the last that uses it."""
    if stead_backend == "memory":
        from stead.transport import forget_memory_hubs

        forget_memory_hubs()
        yield "memory://"
        forget_memory_hubs()
    else:
        yield f"embedded://{tmp_path_factory.mktemp('stead')}"


# -- running -----------------------------------------------------------------------------------------------------------


def _runs_here(item: pytest.Item) -> bool:
    """Whether this is an `async def` test with a fixture of stead's, which nobody else runs."""
    if not isinstance(item, pytest.Function) or not _OURS.intersection(item.fixturenames):
        return False
    others = "anyio_backend" in item.fixturenames or item.get_closest_marker("asyncio") is not None
    return not others and _is_async(item)


def _is_async(item: pytest.Function) -> bool:
    untyped: Any = item
    return inspect.iscoroutinefunction(untyped.function)


def _loop(item: pytest.Item) -> LoopOfTest:
    from .loop import LoopOfTest

    if _LOOP not in item.stash:
        item.stash[_LOOP] = LoopOfTest()
    return item.stash[_LOOP]


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    """Asynchronous fixtures of tests that are run here are run here too."""
    function: Any = fixturedef.func
    item = request.node
    if not (inspect.isasyncgenfunction(function) or inspect.iscoroutinefunction(function)):
        return (yield)
    if isinstance(item, pytest.Function) and fixturedef.argname == "stead_hub":
        _refuse_plain(item)
    if not isinstance(item, pytest.Function) or not _runs_here(item):
        return (yield)
    changed: Any = fixturedef

    def fixture(**arguments: Any) -> Any:
        return _loop(item).begin(function, arguments, fixturedef.addfinalizer)

    changed.func = fixture
    try:
        return (yield)
    finally:
        changed.func = function


def _refuse_plain(item: pytest.Function) -> None:
    if not _is_async(item):
        pytest.fail(f"{item.name} uses stead_hub, which lives in an event loop: make it an `async def`", pytrace=False)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """An error that leaves the test gets the last events of the hub's instances, whoever runs the test."""
    hub = item.stash.get(_HUB, None)
    if hub is None or not isinstance(item, pytest.Function) or not inspect.iscoroutinefunction(item.obj):
        return (yield)
    test: Callable[..., Any] = item.obj
    item.obj = _explained(test, hub)
    try:
        return (yield)
    finally:
        item.obj = test


def _explained(test: Callable[..., Any], hub: TestHub) -> Callable[..., Any]:
    @functools.wraps(test)
    async def explained(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        from stead.app._testing.explaining import note_histories

        try:
            return await test(*args, **kwargs)
        except BaseException as error:
            await note_histories(hub.client, error)
            raise

    return explained


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not _runs_here(pyfuncitem):
        return None
    test, signature = pyfuncitem.obj, inspect.signature(pyfuncitem.obj)
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in signature.parameters}
    _loop(pyfuncitem).run(test(**arguments))
    return True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fixtures end first, then their loop."""
    try:
        return (yield)
    finally:
        loop = item.stash.get(_LOOP, None)
        if loop is not None:
            del item.stash[_LOOP]
            loop.close()
