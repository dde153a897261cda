"""What the demonstration shows at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from .entities import BOUNDS_MIN, Airport, Carrier, Route

FLIGHTS_MIN = 100
"""A route with fewer flights has no mean worth ranking."""

WORST = 10
BLOCKS = " ▁▂▃▄▅▆▇█"


def worst_routes(routes: Mapping[str, Route]) -> Table:
    """The routes whose flights were late the most, on average."""
    table = Table(
        title=f"The {WORST} worst routes out of New York, 2013",
        caption=f"delays at arrival in minutes; bars: up to {', '.join(map(str, BOUNDS_MIN))} and more",
    )
    table.add_column("route")
    for heading in ("flights", "never arrived", "mean", "worst"):
        table.add_column(heading, justify="right")
    table.add_column("delays")
    ranked = sorted(routes.items(), key=lambda item: item[1].mean(), reverse=True)
    for key, route in [(key, route) for key, route in ranked if route.flights >= FLIGHTS_MIN][:WORST]:
        table.add_row(
            key,
            f"{route.flights:,}",
            f"{route.flights - route.arrived:,}",
            f"{route.mean():.1f}",
            f"{route.worst:,}",
            bars(route.histogram),
        )
    return table


def bars(histogram: Sequence[int]) -> str:
    """One character a bar, the highest one full."""
    highest = max(histogram) or 1
    return "".join(BLOCKS[round(height / highest * (len(BLOCKS) - 1))] for height in histogram)


def airports(found: Mapping[str, Airport]) -> Table:
    """How late flights left each airport, and on which day the most."""
    table = Table(title="Departures from New York, 2013", caption="minutes late; the days are UTC's")
    table.add_column("airport")
    for heading in ("departures", "median", "90 %", "99 %", "worst day", "its mean"):
        table.add_column(heading, justify="right")
    for key, airport in sorted(found.items()):
        day, tally = max(airport.days.series(), key=lambda each: each[1].mean or 0.0)
        quantiles = [f"{airport.delays.quantile(rank) or 0.0:.0f}" for rank in (0.5, 0.9, 0.99)]
        table.add_row(key, f"{airport.delays.count:,}", *quantiles, f"{day:%d %B}", f"{tally.mean or 0.0:.0f}")
    return table


def verdict(
    routes: Mapping[str, Route], carriers: Mapping[str, Carrier], wrong: Sequence[str], flights: int, seconds: float
) -> str:
    """The comparison with the plain computation."""
    found = f"{len(routes)} routes and {len(carriers)} carriers, {flights:,} flights, in {seconds:.0f} s"
    if wrong:
        return f"[bold red]✗ {found}: these differ from a plain pass over the file: {', '.join(wrong)}[/bold red]"
    return f"[bold green]✓ {found}: every total equals a plain pass over the file, to the last flight[/bold green]"


def verdict_of_departures(found: Mapping[str, Airport], wrong: Sequence[str], seconds: float) -> str:
    """The comparison of windows and quantiles with numpy."""
    departures = sum(airport.delays.count for airport in found.values())
    said = f"{len(found)} airports, {departures:,} departures, in {seconds:.0f} s"
    if wrong:
        return f"[bold red]✗ {said}: these differ from numpy over the file: {'; '.join(wrong[:10])}[/bold red]"
    return (
        f"[bold green]✓ {said}: each day equals numpy over the file, each quantile is within its accuracy[/bold green]"
    )
