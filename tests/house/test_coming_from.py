"""The programs for people who come from elsewhere, in virtual time, and the pages that quote them."""

from __future__ import annotations

import ast
import re
from datetime import timedelta
from pathlib import Path

import pytest

from examples.coming_from import celery, durable_functions, temporal
from stead.app.testing import TestHub
from stead.entities import EntityId

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.name for path in (ROOT / "docs/how-to").glob("coming-from-*.md"))


async def test_the_program_of_durable_functions() -> None:
    async with TestHub(durable_functions.app, replay_every_turn=True) as hub:
        greeted = await hub.client.start_new(durable_functions.hello_cities)
        status = await hub.client.wait_for_completion(greeted)
        assert status.result() == ["Hello Tokyo", "Hello Seattle", "Hello London"]
        assert await hub.client.call_entity(EntityId("Counter", "greetings"), "get") == 3
        asked = [await hub.client.start_new(durable_functions.approval, "a bicycle") for _ in range(3)]
        await hub.client.raise_event(asked[0], "ApprovalEvent", True)
        await hub.client.raise_event(asked[1], "ApprovalEvent", False)
        await hub.advance(timedelta(hours=73))
        said = [(await hub.client.wait_for_completion(instance_id)).result() for instance_id in asked]
        assert said == ["approved", "refused", "escalated: a bicycle"]


async def test_the_transfer_of_temporal() -> None:
    async with TestHub(temporal.app, replay_every_turn=True) as hub:
        hub.fail_activity(temporal.withdraw, ConnectionError("no answer"), times=2)
        said: list[str] = []
        for target in ("bob", "nobody"):
            payment = temporal.Payment(source="ann", target=target, amount=70)
            instance_id = await hub.client.start_new(temporal.transfer, payment)
            said.append((await hub.client.wait_for_completion(instance_id)).result())
        assert said == ["withdrawn 70 from ann, deposited 70 to bob", "no account 'nobody'; refunded 70 to ann"]
        assert len(hub.calls(temporal.withdraw)) == 4  # two tries failed
        assert len(hub.calls(temporal.deposit)) == 2  # what cannot be retried was not


async def test_the_cart_of_temporal_keeps_what_came_before_the_checkout() -> None:
    async with TestHub(temporal.app, kill_seed=3) as hub:
        shopping = await hub.client.start_new(temporal.cart)
        for item in ("bread", "wine", "cheese"):
            await hub.client.raise_event(shopping, "add", item)
        await hub.client.raise_event(shopping, "checkout")
        assert (await hub.client.wait_for_completion(shopping)).result() == ["bread", "wine", "cheese"]


async def test_the_album_of_celery() -> None:
    async with TestHub(celery.app, replay_every_turn=True) as hub:
        hub.fail_activity(celery.fetch, ConnectionError("no answer"))
        began = hub.now
        instance_id = await hub.client.start_new(celery.album, ["a.example/1", "a.example/22"])
        assert (await hub.client.wait_for_completion(instance_id)).result() == 23
        assert hub.now - began == timedelta(seconds=10)
        await hub.run_until_idle()
        assert await hub.client.read_entity(celery.Totals, "all") == celery.Totals(pictures=2, bytes_=23)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_quotes_its_program(page: str) -> None:
    """What a page shows is in the program, docstrings aside."""
    name = page.removeprefix("coming-from-").removesuffix(".md").replace("-", "_")
    program = _bodies((ROOT / f"examples/coming_from/{name}.py").read_text())
    blocks: list[str] = re.findall(r"```python\n(.*?)```", (ROOT / "docs/how-to" / page).read_text(), re.DOTALL)
    assert blocks
    for quoted, text in _bodies("\n".join(blocks)).items():
        assert program[quoted] == text


def _bodies(code: str) -> dict[str, str]:
    """The functions of a program by name, without their docstrings."""
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:]
            found[node.name] = ast.unparse(node)
    return found
