"""`stead blobs`: large payloads."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from stead.app._app import App
from stead.app._console.request import Request
from stead.app._console.screen import console, print_json_line, print_note, table
from stead.app._console.words import number_of
from stead.app._hub.client import Client
from stead.app._hub.opening import payloads_place
from stead.transport import names_in


def list_command(request: Request) -> int:
    async def work(_: App, client: Client) -> int:
        named = await names_in(client.store.values())
        rows = table("payload", "bytes", "touched", "named", numbers=("bytes",))
        count = size = 0
        async for each in payloads_place(client.store).listed():
            touched = datetime.fromtimestamp(each.touched_ms / 1000, UTC)
            count, size = count + 1, size + each.bytes
            if request.as_json:
                print_json_line(
                    {"name": each.name, "bytes": each.bytes, "touched": touched, "named": each.name in named}
                )
            else:
                rows.add_row(
                    each.name, f"{each.bytes:,}", f"{touched:%Y-%m-%d %H:%M}", "yes" if each.name in named else ""
                )
        if not request.as_json:
            console().print(rows)
            print_note(f"{number_of(count, 'large payload')}, {size:,} bytes")
        return 0

    return request.run(work)


def collect_command(request: Request, dry_run: bool) -> int:
    async def work(_: App, client: Client) -> int:
        found = await client.collect_payloads(dry_run=dry_run)
        if request.as_json:
            print_json_line(asdict(found))
            return 0
        removed = "would be removed" if dry_run else "removed"
        print_note(
            f"{number_of(found.removed, 'large payload')} {removed} ({found.removed_bytes:,} bytes); {found.kept:,} are named, "
            f"{found.young:,} are not, but were touched lately"
        )
        if found.missing:
            print_note(
                f"{number_of(found.missing, 'large payload')} that something names {'is' if found.missing == 1 else 'are'} missing"
            )
        return 0

    return request.run(work)
