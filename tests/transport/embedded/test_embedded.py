"""One embedded server per folder, for as long as someone is attached to it, however they come and go (HAZARDS 28)."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stead.transport import Settings, SteadError, StoreUnavailable, open_store
from stead.transport._embedded import supervisor
from stead.transport._embedded.server import ADDRESS_BYTES_MAX, EmbeddedServer, server_program
from support.embedded_tools import Attached, end_embedded, is_kept, run, run_id, runs, server_pid, supervisor_pid, until


def test_a_second_attachment_finds_the_first_ones_server(folder: Path) -> None:
    with EmbeddedServer.attach(folder) as one:
        with EmbeddedServer.attach(folder) as two:
            assert one.address == two.address
        assert runs(one.address)
        assert Path(one.address).stat().st_mode & 0o077 == 0


def test_the_server_is_set_up_to_lose_nothing(folder: Path) -> None:
    with EmbeddedServer.attach(folder) as server:
        for option, value in [
            ("appendonly", "yes"),
            ("appendfsync", "always"),
            ("maxmemory-policy", "noeviction"),
            ("port", "0"),
        ]:
            assert run(server.address, "CONFIG", "GET", option) == [option, value]


def test_how_often_it_writes_to_the_disk_can_be_chosen(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with EmbeddedServer.attach(folder, "everysec") as server:
        assert run(server.address, "CONFIG", "GET", "appendfsync") == ["appendfsync", "everysec"]
        with EmbeddedServer.attach(folder, "always"):
            assert "appendfsync everysec, not always" in caplog.text


def test_data_outlives_the_server(folder: Path) -> None:
    with EmbeddedServer.attach(folder) as server:
        assert run(server.address, "SET", "kept", "1")
        address = server.address
    until(lambda: not is_kept(folder), "the server stops when nobody is attached")
    assert not runs(address)
    with EmbeddedServer.attach(folder) as server:
        assert run(server.address, "GET", "kept") == "1"


@pytest.mark.slow
def test_the_server_stops_after_the_last_process_was_killed(folder: Path) -> None:
    one, two = Attached(folder), Attached(folder)
    (verb, address), also = one.said(), two.said()
    assert verb == "attached"
    assert also == (verb, address)
    one.kill()
    end = time.monotonic() + supervisor.LINGER_S + 1
    until(lambda: not runs(address) or time.monotonic() > end, "the time to stop passes")
    assert runs(address), "it stopped while a process was attached"
    two.kill()
    until(lambda: not is_kept(folder), "the server stops")


def test_whoever_comes_back_in_time_finds_the_same_server(folder: Path) -> None:
    with EmbeddedServer.attach(folder) as server:
        first = run_id(server.address)
    with EmbeddedServer.attach(folder) as server:
        assert run_id(server.address) == first


@pytest.mark.slow
def test_eight_processes_that_start_at_once_end_with_one_server(folder: Path) -> None:
    processes = [Attached(folder) for _ in range(8)]
    try:
        said = {process.said() for process in processes}
        assert len(said) == 1, said
        ((verb, address),) = said
        assert verb == "attached"
        lines = (folder / supervisor.SUPERVISOR_LOG).read_text().splitlines()
        assert len([line for line in lines if "the server runs" in line]) == 1, lines
        assert runs(address)
    finally:
        for process in processes:
            process.kill()


@pytest.mark.hazard(28)
@pytest.mark.slow
def test_stop_races_attach(folder: Path) -> None:
    """Attach around the moment at which the server stops: it is there, or started again, every time."""

    def at_moments(place: Path, steps: range) -> None:
        with EmbeddedServer.attach(place):
            pass
        for count, step in enumerate(steps, 1):
            time.sleep(supervisor.LINGER_S - 0.1 + 0.1 * step)  # not to wait for something: to hit a moment
            with EmbeddedServer.attach(place) as server:
                assert run(server.address, "INCR", "attached") == count

    places = [folder / str(number) for number in range(4)]
    try:
        with ThreadPoolExecutor() as pool:  # most of it is waiting
            list(pool.map(at_moments, places, [range(number, 8, 4) for number in range(4)]))
    finally:
        for place in places:
            end_embedded(place)


def test_a_killed_server_is_started_again_at_the_same_address(folder: Path) -> None:
    with EmbeddedServer.attach(folder) as server:
        run(server.address, "SET", "kept", "1")
        first = run_id(server.address)
        os.kill(server_pid(server.address), signal.SIGKILL)
        until(lambda: runs(server.address), "it is started again")
        assert run_id(server.address) != first
        assert run(server.address, "GET", "kept") == "1"
        with EmbeddedServer.attach(folder) as other:
            assert other.address == server.address
        assert "killed by SIGKILL" in (folder / supervisor.SUPERVISOR_LOG).read_text()


def test_a_supervisor_that_was_killed_is_replaced(folder: Path) -> None:
    with EmbeddedServer.attach(folder) as server:
        run(server.address, "SET", "kept", "1")
        first = run_id(server.address)
        os.kill(supervisor_pid(folder), signal.SIGKILL)
        until(lambda: not supervisor.is_locked(folder / supervisor.SUPERVISOR_LOCK), "the supervisor is gone")
        assert runs(server.address), "the server went on without it"
        with EmbeddedServer.attach(folder) as other:
            assert other.address == server.address, "whoever stayed attached must find the new server"
            assert run_id(server.address) != first
            assert run(other.address, "GET", "kept") == "1"


def test_a_supervisor_told_to_end_takes_its_server_along(folder: Path) -> None:
    with EmbeddedServer.attach(folder) as server:
        os.kill(supervisor_pid(folder), signal.SIGTERM)
        until(lambda: not is_kept(folder), "both end")
        with EmbeddedServer.attach(folder) as other:
            assert other.address == server.address
            assert runs(server.address)


def test_a_deleted_folder_ends_its_server_and_a_new_one_is_not_disturbed(folder: Path) -> None:
    with EmbeddedServer.attach(folder) as old:
        shutil.rmtree(folder)
        with EmbeddedServer.attach(folder) as new:
            assert new.address != old.address
            until(lambda: not runs(old.address), "the old server ends")
            assert runs(new.address)


@pytest.mark.slow
def test_a_copied_folder_has_a_server_of_its_own(folder: Path, tmp_path: Path) -> None:
    with EmbeddedServer.attach(folder) as server:
        run(server.address, "SET", "kept", "original")
    until(lambda: not is_kept(folder), "the server stops")
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    with EmbeddedServer.attach(folder) as original, EmbeddedServer.attach(copy) as copied:
        assert original.address != copied.address
        run(copied.address, "SET", "kept", "copy")
        assert run(original.address, "GET", "kept") == "original"
    until(lambda: not is_kept(copy), "the copy's server stops")


@pytest.mark.slow
def test_a_folder_with_a_long_path_has_its_socket_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20) / ("path" * 20)
    with EmbeddedServer.attach(folder) as one, EmbeddedServer.attach(folder) as two:
        assert one.address == two.address
        assert len(one.address) <= ADDRESS_BYTES_MAX
        assert Path(one.address).parent.stat().st_mode & 0o077 == 0
        assert runs(one.address)
    until(lambda: not is_kept(folder), "the server stops")


def test_a_link_to_a_folder_leads_to_its_server(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    with EmbeddedServer.attach(folder) as one, EmbeddedServer.attach(tmp_path / "link") as two:
        assert one.address == two.address


def test_its_program_comes_with_a_package() -> None:
    assert subprocess.run([server_program(), "--version"], capture_output=True, check=True).stdout


@pytest.mark.slow
async def test_a_store_on_it_lets_go_when_it_is_closed(folder: Path) -> None:
    url = f"embedded://{folder}"
    settings = Settings(partitions=2, slot_groups=1)
    one = await open_store(url, "weather", settings)
    two = await open_store(url, "weather", settings)
    assert one.layout == two.layout
    assert one.facts.durable == "always"
    await one.close()
    await two.close()
    await asyncio.to_thread(until, lambda: not is_kept(folder), "the server stops when both stores are closed")
    three = await open_store(url, "weather", settings)
    assert three.layout.hub_id == two.layout.hub_id
    await three.close()


@pytest.mark.slow
async def test_opening_that_is_cancelled_keeps_no_server(folder: Path) -> None:
    opening = asyncio.create_task(open_store(f"embedded://{folder}", "weather", Settings(partitions=2, slot_groups=1)))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await asyncio.to_thread(until, (folder / supervisor.ADDRESS).exists, "the thread goes on to the end")
    await asyncio.to_thread(until, lambda: not is_kept(folder), "the server stops")


@pytest.mark.slow
async def test_what_goes_wrong_after_attaching_lets_go(folder: Path) -> None:
    with EmbeddedServer.attach(folder) as server:
        supervisor.ask(server.address, b"SET stead:hub:weather wrong")
    with pytest.raises(SteadError):
        await open_store(f"embedded://{folder}", "weather", Settings(store_tries_ms=300))
    await asyncio.to_thread(until, lambda: not is_kept(folder), "the server stops")


def test_a_failed_start_names_the_folder(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(StoreUnavailable, match="file") as caught:
        EmbeddedServer.attach(blocked)
    assert caught.value.outcome == "refused"
