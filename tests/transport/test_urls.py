"""What a store URL may look like, and that no message about one holds its password."""

from __future__ import annotations

from pathlib import Path

import pytest

from stead.transport import (
    HubMismatch,
    InvalidInput,
    MemoryStore,
    Settings,
    StoreUnavailable,
    StoreUrl,
    open_store,
    parse_url,
)

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://localhost", "redis://localhost"),
        ("REDIS://localhost:6380/2", "redis://localhost:6380/2"),
        ("valkey://h:1", "redis://h:1"),
        ("rediss://u:p@h:1/0", "rediss://u:p@h:1/0"),
        ("valkeys://h", "rediss://h"),
        ("unix:///run/x.sock", "unix:///run/x.sock"),
        ("valkey+unix:///run/x.sock?db=2", "unix:///run/x.sock?db=2"),
        ("redis+unix:///run/x.sock", "unix:///run/x.sock"),
        ("redis://[::1]:6379", "redis://[::1]:6379"),
    ],
)
def test_servers_have_one_spelling(url: str, expected: str) -> None:
    found = parse_url(url)
    assert (found.kind, found.url, found.folder) == ("server", expected, None)


def test_an_embedded_folder_is_relative_or_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_url("embedded://./data").folder == tmp_path / "data"
    assert parse_url("embedded://data/x").folder == tmp_path / "data" / "x"
    assert parse_url("embedded:///var/lib/my data").folder == Path("/var/lib/my data")


def test_without_a_url_the_environment_decides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STEAD_URL", raising=False)
    assert parse_url().folder == tmp_path / ".stead"
    monkeypatch.setenv("STEAD_URL", "memory://")
    assert parse_url() == StoreUrl("memory", "memory://", None, "memory://")
    assert parse_url("valkey://h").url == "redis://h"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        f"redis:/u:{SECRET}@h",
        f"http://u:{SECRET}@h",
        "redis://",
        f"redis://u:{SECRET}@",
        f"redis://u:{SECRET}@h:port",
        f"redis://u:{SECRET}@h:99999",
        f"redis://u:{SECRET}@h:0",
        f"redis://u:{SECRET}@h/zero",
        f"redis://u:{SECRET}#@h",
        f"redis://u:{SECRET}@[::1",
        f"redis://u:{SECRET}@h\n",
        f"redis://u:{SECRET}@ho st",
        "unix://",
        "unix:///",
        "embedded://",
        "memory://name",
        f"redis+sentinel://u:{SECRET}@h/service",
        f"valkeys+cluster://u:{SECRET}@h",
    ],
)
def test_what_is_not_a_store_url_is_refused_without_telling_its_password(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_url(url)
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)


@pytest.mark.parametrize("kind", ["sentinel", "cluster"])
def test_sentinel_and_cluster_are_for_a_later_version(kind: str) -> None:
    with pytest.raises(InvalidInput, match=f"later version.*{kind}"):
        parse_url(f"redis+{kind}://h:1")


def test_what_is_shown_has_no_password() -> None:
    found = parse_url(f"valkeys://user:{SECRET}@h:1/2?password={SECRET}")
    assert found.public == "rediss://user:***@h:1/2"
    assert SECRET not in f"{found} {found!r}"
    assert SECRET in found.url


async def test_in_memory_a_name_is_a_hub_of_the_process() -> None:
    one = await open_store("memory://", "Urls-one", Settings(partitions=2))
    two = await open_store("memory://", "Urls-two", Settings(partitions=2))
    await one.close()
    again = await open_store("memory://", "Urls-one", Settings())
    assert isinstance(again, MemoryStore)
    assert again is one
    assert again is not two
    assert again.layout.partitions == 2
    with pytest.raises(HubMismatch, match="partitions=2 and the settings ask for 4"):
        await open_store("memory://", "Urls-one", Settings(partitions=4))


@pytest.mark.parametrize("hub", ["", "ab", "1ab", "a_b", "a" * 46, "-ab", "ab\n", "äbc"])
async def test_a_hubs_name_is_checked(hub: str) -> None:
    with pytest.raises(InvalidInput, match="letters, digits"):
        await open_store("memory://", hub, Settings())


async def test_a_server_that_cannot_be_reached_is_tried_for_as_long_as_the_settings_say(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(StoreUnavailable, match="nobody") as caught:
        await open_store(f"unix://u:{SECRET}@/{tmp_path}/nobody", "weather", Settings(store_tries_ms=300))
    assert caught.value.outcome == "refused"
    assert SECRET not in str(caught.value)
    assert "STEAD_STORE_TRIES_MS" in caplog.text


@pytest.mark.parametrize("option", ["ssl_cert_reqs=bogus", "ssl_ca_certs=/no/such.pem", "ssl_nonsense=1"])
async def test_tls_options_that_do_not_work_are_refused_as_the_url(option: str) -> None:
    with pytest.raises(InvalidInput, match="TLS options"):
        await open_store(f"rediss://h?{option}", "urls", Settings(store_tries_ms=500))
