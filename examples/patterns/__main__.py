"""Run all patterns, one after the other: `python -m examples.patterns`."""

from __future__ import annotations

import asyncio

from . import aggregator, approval, bank, chaining, eternal, fan_out, monitor, progress

PATTERNS = (chaining, fan_out, monitor, approval, aggregator, eternal, bank, progress)


async def main() -> None:
    """Each with its title."""
    for pattern in PATTERNS:
        print(f"-- {(pattern.__doc__ or '').splitlines()[0]}")
        await pattern.main()
        print()


if __name__ == "__main__":
    asyncio.run(main())
