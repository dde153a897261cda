"""One hash seed for all workers of a hub, so that a set of texts has one order in all of them.

Python draws another seed for each process, and with it another order for every set of texts. Code of an orchestrator that goes
over a set is found at its definition as far as that can be seen; what is missed is the same in all processes at least. A
`PYTHONHASHSEED` of the environment is kept, "random" as well.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # not of `typing`: see `_cli/main`
if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

VARIABLE = "PYTHONHASHSEED"
SEED = "0"


def give_hash_seed(environment: MutableMapping[str, str]) -> None:
    """Give the seed to a process that gets this environment, unless it says one itself."""
    if not environment.get(VARIABLE):
        environment[VARIABLE] = SEED


def begin_with_hash_seed(arguments: Sequence[str]) -> None:
    """For a command line that runs a worker in this process: begin anew with the seed. A seed counts only from the start.

    Nothing happens if the environment says one, or if Python was told not to look (`python -I`).
    """
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    if command != "worker" or os.environ.get(VARIABLE) or sys.flags.ignore_environment:
        return
    give_hash_seed(os.environ)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this very command line again


def has_hash_seed() -> bool:
    """Whether this process has a seed that others can have as well."""
    return not sys.flags.hash_randomization or os.environ.get(VARIABLE, "").isdecimal()
