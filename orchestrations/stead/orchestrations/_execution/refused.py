"""What a loop can do in asyncio, and the one of an orchestrator refuses, each with what to do instead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

from .unsupported import IN_AN_ACTIVITY, UnsupportedInOrchestrator


class Refusing(asyncio.AbstractEventLoop):
    """A loop without input and output, threads, processes and signals. (Its methods are set below.)"""


_A_LOOP_OF_ITS_OWN = "the orchestrator runs on its own loop; start tasks with asyncio.create_task"
_REFUSED = {
    **dict.fromkeys(("run_in_executor", "set_default_executor", "shutdown_default_executor"), IN_AN_ACTIVITY),
    "call_soon_threadsafe": f"no thread may wake an orchestrator; {IN_AN_ACTIVITY}, or raise an event (client.raise_event)",
    **dict.fromkeys(
        ("run_forever", "run_until_complete", "stop", "close", "set_task_factory"),
        _A_LOOP_OF_ITS_OWN,
    ),
    **dict.fromkeys(
        (
            *(
                "add_reader",
                "add_writer",
                "remove_reader",
                "remove_writer",
                "add_signal_handler",
                "remove_signal_handler",
            ),
            *("getaddrinfo", "getnameinfo", "create_connection", "create_server", "create_datagram_endpoint"),
            *("create_unix_connection", "create_unix_server", "connect_accepted_socket", "sendfile", "start_tls"),
            *("connect_read_pipe", "connect_write_pipe", "subprocess_exec", "subprocess_shell"),
            *("sock_accept", "sock_connect", "sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into"),
            *("sock_sendall", "sock_sendto", "sock_sendfile"),
        ),
        IN_AN_ACTIVITY,
    ),
}


def _refusal(name: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(loop: Refusing, *args: object, **kwargs: object) -> NoReturn:
        raise UnsupportedInOrchestrator(f"loop.{name}", instead)

    refuse.__name__ = name
    return refuse


for _name, _instead in _REFUSED.items():
    setattr(Refusing, _name, _refusal(_name, _instead))
