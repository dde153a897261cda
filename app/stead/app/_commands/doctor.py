"""`stead doctor`: is the hub well, and if not, what is to be done."""

from __future__ import annotations

from stead.app._app import App
from stead.app._console.faults import FAILED, one_line
from stead.app._console.request import Request
from stead.app._console.screen import console, print_json_line
from stead.app._hub.client import Client
from stead.app._hub.info import gather_info
from stead.entities.extending import MeasuresReader
from stead.gateway import HubFinding, diagnosis_data, examine, is_well
from stead.transport import parse_url


def doctor_command(request: Request) -> int:
    """Exit status 1 if there is a problem."""

    async def work(app: App, client: Client) -> int:
        info = (await gather_info(client.store, parse_url(request.url).public)).as_data()
        found = await examine(info, client.store, MeasuresReader(client.store), client, app.reference)
        if request.as_json:
            print_json_line(diagnosis_data(found))
        else:
            _print(found, app.name)
        return 0 if is_well(found) else FAILED

    return request.run(work)


def _print(found: list[HubFinding], hub: str) -> None:
    screen = console()
    for finding in found:
        colour = "red" if finding.level == "problem" else "yellow"
        screen.print(f"{finding.level}: {one_line(finding.what)}", style=colour, soft_wrap=True)
        screen.print(f"  {one_line(finding.advice)}", soft_wrap=True)
        if finding.subjects:
            screen.print(f"  {', '.join(map(one_line, finding.subjects))}", style="dim", soft_wrap=True)
    if is_well(found):
        screen.print(f"hub {hub} is well", style="green")
