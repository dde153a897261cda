"""What `deploy/` has: it is what the tools understand, and the commands and variables in it are stead's."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import kubernetes_validate
import pytest
import typer
import yaml

from stead.app import Settings
from stead.app._cli.commands import cli

DEPLOY = Path(__file__).parents[2] / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))


def objects(file: Path) -> list[dict[str, Any]]:
    """The objects of a file of manifests."""
    return list(yaml.safe_load_all(file.read_text("utf-8")))


def compose() -> dict[str, Any]:
    """The compose file."""
    return cast("dict[str, Any]", yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8")))


def pods() -> Iterator[dict[str, Any]]:
    """What the manifests say of each pod's only container."""
    for file in MANIFESTS:
        for one in objects(file):
            if "template" in one["spec"]:
                (container,) = one["spec"]["template"]["spec"]["containers"]
                yield container


def commands() -> Iterator[list[str]]:
    """The words behind `stead` of all the files."""
    found = re.search(r"^CMD (\[.*\])$", (DEPLOY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert found is not None
    yield yaml.safe_load(found[1])
    for service in compose()["services"].values():
        if "build" in service:
            yield service["command"]
    for container in pods():
        if container["image"].startswith("weather"):
            yield container["args"]


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.name)
def test_manifests_are_what_kubernetes_takes(file: Path) -> None:
    for one in objects(file):
        kubernetes_validate.validate(one, "1.31", strict=True)


def test_every_command_is_one_that_stead_takes() -> None:
    known = cast("Any", typer.main.get_command(cli))
    ran = list(commands())
    assert len(ran) == 5
    for words in ran:
        command = known.commands[words[0]]
        command.make_context(words[0], list(words[1:]))  # which refuses what it does not know


def test_every_variable_is_one_that_stead_reads() -> None:
    ours = {f"STEAD_{name.upper()}" for name in Settings.model_fields} | {"STEAD_URL", "STEAD_HTTP_KEYS"}
    text = "\n".join(file.read_text("utf-8") for file in DEPLOY.rglob("*") if file.is_file())
    named = set(re.findall(r"\bSTEAD_[A-Z_]+", text))
    assert named
    assert named <= ours


def test_what_listens_to_others_has_keys() -> None:
    """`stead serve` refuses to be open to the network without them."""
    served = [service for service in compose()["services"].values() if service["command"][0] == "serve"]
    assert len(served) == 1
    assert all("STEAD_HTTP_KEYS" in service["environment"] for service in served)
    for container in pods():
        if "serve" in container["args"]:
            assert "STEAD_HTTP_KEYS" in {one["name"] for one in container["env"]}


def test_the_server_keeps_what_was_acknowledged() -> None:
    lines = [
        shlex.split(compose()["services"]["store"]["command"]),
        *(one["args"] for one in pods() if "valkey" in one["image"]),
    ]
    assert len(lines) == 2
    for words in lines:
        options = (
            dict(zip(words[1::2], words[2::2], strict=True))
            if words[0] == "valkey-server"
            else dict(zip(words[::2], words[1::2], strict=True))
        )
        assert options["--appendonly"] == "yes"
        assert options["--appendfsync"] == "always"
        assert options["--maxmemory-policy"] == "noeviction"


def test_workers_have_the_time_that_they_need_to_stop() -> None:
    needed = Settings.model_fields["drain_ms"].default / 1_000
    assert int(compose()["services"]["worker"]["stop_grace_period"].removesuffix("s")) > needed
    (workers,) = [one for file in MANIFESTS for one in objects(file) if one["metadata"]["name"] == "weather-worker"]
    assert workers["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > needed
