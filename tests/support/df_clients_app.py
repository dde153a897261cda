"""The app that the published clients of Durable Functions are tried with: inputs with and without types, and none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stead.app import App, Settings
from stead.entities import Entity, EntityContext
from stead.orchestrations import OrchestrationContext

app = App("df-clients", settings=Settings(partitions=4, slot_groups=2))


@dataclass
class Order:
    item: str
    count: int = 1


@app.activity
async def say_hello(city: str) -> str:
    return f"Hello {city}!"


@app.orchestration(name="HelloCities")
async def hello_cities(context: OrchestrationContext) -> list[str]:
    """The quick start of Durable Functions: it takes no input."""
    return [await context.call_activity(say_hello, city) for city in ("Tokyo", "Seattle", "London")]


@app.orchestration
async def greet(context: OrchestrationContext, name: str = "World") -> str:
    return f"Hello {name}!"


@app.orchestration
async def greet_required(context: OrchestrationContext, name: str) -> str:
    return f"Hello {name}!"


@app.orchestration
async def ship(context: OrchestrationContext, order: Order) -> list[Any]:
    return [type(order).__name__, order.item, order.count]


@app.orchestration
async def double(context: OrchestrationContext, number: int) -> int:
    return 2 * number


@app.orchestration
async def count(context: OrchestrationContext, number: int = 7) -> int:
    return number


@app.orchestration
async def echo(context: OrchestrationContext, value: Any = "nothing") -> Any:
    return value


@app.orchestration
async def echo_required(context: OrchestrationContext, value: Any) -> Any:
    return value


@app.orchestration
async def approval(context: OrchestrationContext, form: str = "any") -> Any:
    """Waits for one event, of a type that the input names."""
    context.set_custom_status({"waits for": "Approved"})
    forms: dict[str, Any] = {"any": Any, "order": Order, "number": int, "text": str}
    value = await context.wait_for_external_event("Approved", forms[form])
    return [type(value).__name__, value]


class Doors:
    """Which are open: in a worker's memory, so that an activity fails until another has changed it."""

    opened: set[str] = set()


@app.activity
async def enter(door: str) -> str:
    if door not in Doors.opened:
        raise ValueError(f"{door} is closed")
    return "in"


@app.activity
async def unlock(door: str) -> None:
    Doors.opened.add(door)


@app.orchestration
async def entering(context: OrchestrationContext, door: str) -> str:
    return await context.call_activity(enter, door)


@app.orchestration
async def unlocking(context: OrchestrationContext, door: str) -> None:
    await context.call_activity(unlock, door)


@app.entity
class Counter(Entity):
    value: int = 0

    def add(self, amount: int) -> None:
        self.value += amount

    def one_more(self) -> None:
        self.value += 1


@app.entity
class Basket(Entity):
    items: list[str] = []
    note: str = ""

    def put(self, order: Order) -> None:
        self.items = [*self.items, *[order.item] * order.count]

    def annotate(self, text: str) -> None:
        self.note = text


@app.entity_function("Log")
def log(context: EntityContext) -> None:
    context.set_state([context.operation_name, list(context.args)])
