"""The documentation's own commands work with only the host changed: `curl_commands.sh`, run with curl and without.

Where there is no curl, the script gets a stand-in that understands the options which those commands use. It is run on machines
that have curl as well: what passes here passes there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stead.app import App
from stead.entities import Entity
from stead.orchestrations import OrchestrationContext
from stead.transport import Settings
from support.gateway_tools import serve
from support.guards import HANGS_S
from support.valkey_server import ValkeyServer

SCRIPT = Path(__file__).with_name("curl_commands.sh")

STAND_IN = f"""#!{sys.executable} -IS
import socket, sys

words, url, method, body, headers, after = iter(sys.argv[1:]), "", "", b"", "", ""
for word in words:
    if word in ("--silent", "--show-error"):
        continue
    if word == "--write-out":
        after = next(words)
    elif word == "-X":
        method = next(words)
    elif word == "-H":
        headers += next(words) + "\\r\\n"
    elif word == "-d":
        body = next(words).replace("\\n", "").encode()
        method = method or "POST"
    elif word.startswith("-") or url:
        sys.exit("this is not curl: it does not know " + word)
    else:
        url = word
host, _, path = url.removeprefix("http://").partition("/")
if "content-type" not in headers.lower() and body:
    headers += "Content-Type: application/x-www-form-urlencoded\\r\\n"
if "content-length" not in headers.lower() and body:
    headers += "Content-Length: " + str(len(body)) + "\\r\\n"
head = (method or "GET") + " /" + path + " HTTP/1.1\\r\\nHost: " + host + "\\r\\nConnection: close\\r\\n" + headers
name, _, port = host.partition(":")
with socket.create_connection((name, int(port)), timeout=20) as connection:
    connection.sendall(head.encode() + b"\\r\\n" + body)
    answer = b"".join(iter(lambda: connection.recv(65536), b""))
head, _, answer = answer.partition(b"\\r\\n\\r\\n")
print(answer.decode() + after.replace("\\\\n", "\\n").replace("%{{http_code}}", head.split()[1].decode()), end="")
"""


def make_app() -> App:
    """What the documentation's commands name."""
    app = App("DurableFunctionsHub", settings=Settings(partitions=4, slot_groups=2))

    @app.entity
    class Counter(Entity):
        currentValue: int = 0  # noqa: N815 - as it is there

        def add(self, amount: int) -> None:
            self.currentValue += amount

    @app.activity(name="E1_SayHello")
    async def say_hello(city: str) -> str:
        return f"Hello {city}!"

    async def hello(context: OrchestrationContext, _: Any = None) -> list[str]:
        return [await context.call_activity(say_hello, city) for city in ("Tokyo", "Seattle", "London")]

    def waiting(event: str) -> Callable[..., Any]:
        async def wait(context: OrchestrationContext, value: Any = None) -> Any:
            return [value, await context.wait_for_external_event(event, Any)]

        return wait

    app.orchestration(name="E1_HelloSequence")(hello)
    for name in ("RestartVMs", "HelloOrchestrator", "E2_BackupSiteContent"):
        app.orchestration(name=name)(hello)
    for name, event in (
        ("ProcessOrder", "ApprovalReceived"),
        ("Counter", "nothing"),
        ("E4_SmsPhoneVerification", "SmsChallengeResponse"),
        ("ApprovalWorkflow", "ApprovalEvent"),
        ("Singleton", "end"),
    ):
        app.orchestration(name=name)(waiting(event))
    return app


# The statuses of the answers that the script prints, by section.
STATUSES = {
    "http-api, complete workflow: 1. start an orchestration": [202],
    "http-api, complete workflow: 2. poll for status": [202],
    "http-api, complete workflow: 3. send an external event": [202, 200],
    "http-api, complete workflow: 4. clean up history": [200],
    "http-api: start orchestration": [202],
    "http-api: raise event": [202, 202],
    "http-api: terminate instance": [202],
    "http-api: rewind instance": [412],
    "http-api: signal entity": [202],
    "http-api: get entity": [200],
    "http-api: list entities": [200, 200],
    "sequence: function chaining": [200, 200],
    "quick start": [202, 202],
    "cloud-backup: fan-out and fan-in": [202],
    "phone-verification: human interaction": [202],
    "overview: an approval": [202],
    "singletons: start one unless it runs": [202, 409],
    "instance management: query, suspend, resume, restart, purge": [200, 202, 202, 202, 200],
}


@pytest.fixture(params=["curl", "stand-in"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where commands are found: curl, if this machine has it, or what stands in for it."""
    found = shutil.which("curl") if request.param == "curl" else None
    if found is None:
        stand_in = tmp_path / "curl"
        stand_in.write_text(STAND_IN)
        stand_in.chmod(0o755)
        return f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    return os.environ["PATH"]


def test_the_documentations_commands(module_server: ValkeyServer, path: str) -> None:
    module_server.run("FLUSHALL")
    with serve(make_app(), module_server.url) as served:
        environment = {**os.environ, "STEAD": served.url, "PATH": path, "NO_PROXY": "*"}
        run = subprocess.run(["sh", str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=HANGS_S)
    assert run.returncode == 0, run.stderr
    first, *sections = re.split(r"^== (.*)\n", run.stdout, flags=re.MULTILINE)
    assert first == ""
    said = dict(zip(sections[::2], sections[1::2], strict=True))
    # The first start's answer is printed to the errors, as its ID is taken from the output.
    said["http-api, complete workflow: 1. start an orchestration"] = run.stderr
    found = {
        name: [int(line) for line in text.splitlines() if re.fullmatch(r"\d{3}", line)] for name, text in said.items()
    }
    assert found == STATUSES, run.stdout

    order = '{"orderId":"ORD-12345","customerId":"CUST-789","amount":150.0}'
    assert f'"input":{order}' in said["http-api, complete workflow: 2. poll for status"]
    event = said["http-api, complete workflow: 3. send an external event"]
    assert f'"output":[{order},{{"approved":true,"reviewer":"manager@contoso.com"}}]' in event
    assert '{"instancesDeleted":1}' in said["http-api, complete workflow: 4. clean up history"]
    assert said["http-api: get entity"] == '{"currentValue":5}\n200\n'
    listed = said["http-api: list entities"]
    assert '"entityId":{"name":"counter","key":"steps"}' in listed
    assert listed.count('"state":{"currentValue":5}') == 1
    history = said["sequence: function chaining"]
    assert history.count('"output":["Hello Tokyo!","Hello Seattle!","Hello London!"]') == 2
    assert '"FunctionName":"E1_SayHello"' in history
    assert '"instanceId":"the-one"' in said["instance management: query, suspend, resume, restart, purge"]
