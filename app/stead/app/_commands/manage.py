"""`stead manage`: the same for all instances that match."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass

from stead.app._app import App
from stead.app._console.faults import FAILED, CommandFault
from stead.app._console.request import Request
from stead.app._console.screen import print_json_line, print_note
from stead.app._console.words import number_of, parse_argument
from stead.app._hub.client import Client
from stead.orchestrations import InstanceAction

from .views import Selection, wrong_usage


@dataclass(frozen=True, slots=True)
class Managing:
    """What is done to each, as it was typed."""

    action: InstanceAction
    reason: str
    event: str
    data: str | None
    recursive: bool
    dry_run: bool


def manage_many_command(request: Request, what: Managing, selection: Selection, *, yes: bool) -> int:
    async def work(_: App, client: Client) -> int:
        if selection.is_empty and not (yes or what.dry_run):
            raise CommandFault(
                "say which instances (--status, --name, …), or --yes if you mean all of them", usage=True
            )

        def progress(count: int) -> None:
            if not request.as_json and sys.stderr.isatty():
                sys.stderr.write(f"\r{count:,} looked at")
                sys.stderr.flush()

        with wrong_usage():
            account = await client.manage_instances(
                what.action,
                reason=what.reason,
                event=what.event,
                data=None if what.data is None else parse_argument(what.data),
                recursive=what.recursive,
                dry_run=what.dry_run,
                progress=progress,
                **selection.options(),
            )
        if request.as_json:
            print_json_line({"action": what.action, "dry_run": what.dry_run, **asdict(account)})
        else:
            would = "would be " if what.dry_run else ""
            print_note(
                f"{what.action}: {would}done to {number_of(account.done, 'instance')} of {account.matched:,} that match, "
                f"{account.passed_over:,} passed over, {len(account.failed):,} failed"
            )
            for instance_id, why in account.failed.items():
                print_note(f"{instance_id}: {why}")
        return FAILED if account.failed else 0

    return request.run(work)
