"""What the workloads are for DBOS, and the loop that asks for them: its library runs where its caller is.

`dbos_app.py URL WORKLOAD COUNT CALLERS`: prints "ready", waits for a line, measures, prints "done", waits for a line, and
prints what it measured as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

from dbos import DBOS, AsyncSQLAlchemyDatasource
from sqlalchemy import text

from benchmarks.calls import repeat_calls
from benchmarks.peers.orders import orders

CITIES = ("Tokyo", "Seattle", "London", "Amsterdam", "Seoul")
HELLO = [f"Hello {city}!" for city in CITIES]
ACCOUNTS = 100

accounts: AsyncSQLAlchemyDatasource


class Line:
    """The two points at which the measurement waits for the benchmark."""

    def ready(self) -> None:
        self._pass("ready")

    def done(self) -> None:
        self._pass("done")

    def _pass(self, point: str) -> None:
        sys.stdout.write(point + "\n")
        sys.stdout.flush()
        sys.stdin.readline()


@DBOS.step()
async def say_hello(city: str) -> str:
    """The smallest piece of work."""
    return f"Hello {city}!"


@DBOS.workflow()
async def hello() -> list[str]:
    """Five steps, one after the other."""
    return [await say_hello(city) for city in CITIES]


async def move(source: str, destination: str, amount: int) -> None:
    """One transaction over both rows, locked in the order of their names."""
    session = accounts.sql_session()
    ids = {"ids": sorted([source, destination])}
    await session.execute(text("SELECT 1 FROM accounts WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"), ids)
    change = text("UPDATE accounts SET balance = balance + :amount WHERE id = :id")
    await session.execute(change, {"amount": -amount, "id": source})
    await session.execute(change, {"amount": amount, "id": destination})


@DBOS.workflow()
async def transfer(source: str, destination: str, amount: int) -> None:
    """Move money between two accounts."""
    await accounts.run_tx_step_async({"isolation_level": "READ COMMITTED"}, move, source, destination, amount)


async def say_hellos(count: int, callers: int) -> object:
    """Workflows of five steps."""

    async def one(_: int) -> None:
        said = await hello()
        assert said == HELLO, said

    return await repeat_calls(Line(), one, count, callers, 1)


async def move_money(count: int, callers: int) -> object:
    """Workflows of one transaction."""
    async with accounts.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE accounts (id text PRIMARY KEY, balance int NOT NULL)"))
        for number in range(ACCOUNTS):
            await connection.execute(text("INSERT INTO accounts VALUES (:id, 1000)"), {"id": f"account-{number}"})
    made = orders(ACCOUNTS, count)

    async def one(number: int) -> None:
        await transfer(*made[number])

    calls = await repeat_calls(Line(), one, count, callers, len(made))
    async with accounts.engine.begin() as connection:
        total = (await connection.execute(text("SELECT sum(balance) FROM accounts"))).scalar()
    assert total == 1_000 * ACCOUNTS, total
    return calls


async def main(url: str, workload: str, count: int, callers: int) -> None:
    """Measure one workload."""
    global accounts
    accounts = await AsyncSQLAlchemyDatasource.create(url)
    DBOS.launch()
    calls = await {"hello": say_hellos, "transfer": move_money}[workload](count, callers)
    sys.stdout.write(json.dumps({"seconds": calls.seconds, "latencies_s": calls.latencies_s}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    address, name, how_many, at_once = sys.argv[1:]
    DBOS(config={"name": "peers", "system_database_url": address, "log_level": "ERROR"})
    asyncio.run(main(address, name, int(how_many), int(at_once)))
    DBOS.destroy()
