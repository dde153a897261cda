"""What the workloads are for Restate: a virtual object, services, and steps that are written down in place."""

from __future__ import annotations

import restate

CITIES = ("Tokyo", "Seattle", "London", "Amsterdam", "Seoul")

counter = restate.VirtualObject("Counter")
greeter = restate.Service("Greeter")
orchestrations = restate.Service("Orchestrations")


@counter.handler()
async def add(context: restate.ObjectContext, amount: int) -> int:
    """Gives the new value."""
    value = (await context.get("value", type_hint=int) or 0) + amount
    context.set("value", value)
    return value


@greeter.handler()
async def say_hello(_context: restate.Context, city: str) -> str:
    """The smallest piece of work, as an invocation of its own."""
    return f"Hello {city}!"


async def say_here(city: str) -> str:
    """The same as a step."""
    return f"Hello {city}!"


@orchestrations.handler()
async def hello(context: restate.Context) -> list[str]:
    """Five invocations, one after the other."""
    return [await context.service_call(say_hello, arg=city) for city in CITIES]


@orchestrations.handler()
async def hello_inline(context: restate.Context) -> list[str]:
    """Five steps, one after the other."""
    return [await context.run_typed("say_here", say_here, city=city) for city in CITIES]


@orchestrations.handler()
async def transfer(context: restate.Context, order: tuple[str, str, int]) -> None:
    """Between two accounts. Each is changed alone: Restate has no lock that spans two objects."""
    source, destination, amount = order
    await context.object_call(add, key=source, arg=-amount)
    await context.object_call(add, key=destination, arg=amount)


app = restate.app([counter, greeter, orchestrations])
