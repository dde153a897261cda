"""What an orchestrator must not call, and what it uses instead."""

from __future__ import annotations

import ast
import builtins
import datetime
import sys
import types
from collections.abc import Callable
from typing import NamedTuple


class Forbidden(NamedTuple):
    does: str
    instead: str


ACTIVITY = "do it in an activity (context.call_activity)"
CLOCK = Forbidden("reads the clock", "use context.now")
RANDOM = Forbidden("is random", "use context.random")
UUID = Forbidden("is random", "use context.new_uuid()")
SLEEP = Forbidden("blocks the worker", "await asyncio.sleep(…) or context.create_timer(…)")
INPUT_OUTPUT = Forbidden("does input or output", ACTIVITY)
NETWORK = Forbidden("uses the network", f"use context.call_http, or {ACTIVITY}")
PROCESS = Forbidden("starts or asks for a process", ACTIVITY)
THREAD = Forbidden("uses threads", ACTIVITY)
ENVIRONMENT = Forbidden("reads the environment", f"give it as the input, or {ACTIVITY}")
LOOP = Forbidden("uses another event loop", "await it here, or do it in an activity")
ZONE = Forbidden("depends on the machine's time zone", "give the zone, as UTC")
HASH = Forbidden("is another number in each process", "use what it is made of, or hashlib")
SET = Forbidden("is a set, whose order is another one in each process", "go over sorted(…), or keep a list")
GLOBAL = Forbidden(
    "is a global variable, which a replay finds changed",
    "keep it in a local variable, in the input, or in an entity",
)

_VERBS = "get post put patch delete head options request"
_CALLS: tuple[tuple[Forbidden, str, str], ...] = (
    (CLOCK, "time", "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns process_time process_time_ns"),
    (ZONE, "time", "mktime tzset"),
    (HASH, "builtins", "hash id"),
    (CLOCK, "django.utils.timezone", "now localtime localdate"),
    (CLOCK, "arrow", "now utcnow"),
    (CLOCK, "pendulum", "now today"),
    (SLEEP, "time", "sleep"),
    (
        RANDOM,
        "random",
        "random randint randrange randbytes getrandbits choice choices sample shuffle uniform triangular",
    ),
    (RANDOM, "random", "gauss normalvariate lognormvariate expovariate betavariate gammavariate paretovariate"),
    (RANDOM, "random", "vonmisesvariate weibullvariate binomialvariate seed SystemRandom"),
    (RANDOM, "numpy.random", "rand randn randint random choice shuffle permutation uniform normal"),
    (RANDOM, "secrets", "token_bytes token_hex token_urlsafe choice randbelow randbits SystemRandom"),
    (RANDOM, "os", "urandom getrandom"),
    (UUID, "uuid", "uuid1 uuid4 uuid6 uuid7"),
    (ENVIRONMENT, "os", "getenv getenvb getcwd getlogin cpu_count"),
    (ENVIRONMENT, "platform", "node uname platform system release version machine processor"),
    (INPUT_OUTPUT, "builtins", "open input"),
    (INPUT_OUTPUT, "io", "open"),
    (
        INPUT_OUTPUT,
        "os",
        "open listdir scandir walk stat remove unlink rename replace mkdir makedirs rmdir removedirs",
    ),
    (INPUT_OUTPUT, "os.path", "exists isfile isdir getsize getmtime"),
    (INPUT_OUTPUT, "shutil", "copy copy2 copyfile copytree move rmtree"),
    (INPUT_OUTPUT, "tempfile", "mkstemp mkdtemp NamedTemporaryFile TemporaryFile TemporaryDirectory"),
    (INPUT_OUTPUT, "sqlite3", "connect"),
    (PROCESS, "os", "system popen getpid getppid fork kill"),
    (PROCESS, "threading", "get_ident get_native_id current_thread"),
    (PROCESS, "subprocess", "run call check_call check_output getoutput getstatusoutput Popen"),
    (PROCESS, "multiprocessing", "Process Pool"),
    (PROCESS, "asyncio", "create_subprocess_exec create_subprocess_shell"),
    (PROCESS, "concurrent.futures", "ProcessPoolExecutor"),
    (THREAD, "concurrent.futures", "ThreadPoolExecutor"),
    (THREAD, "threading", "Thread Timer"),
    (THREAD, "asyncio", "to_thread"),
    (THREAD, "anyio.to_thread", "run_sync"),
    (LOOP, "anyio", "run"),
    (LOOP, "asyncio", "run new_event_loop Runner"),
    (NETWORK, "asyncio", "open_connection start_server open_unix_connection start_unix_server"),
    (NETWORK, "socket", "socket create_connection create_server gethostname gethostbyname getaddrinfo getfqdn"),
    (NETWORK, "urllib.request", "urlopen urlretrieve"),
    (NETWORK, "http.client", "HTTPConnection HTTPSConnection"),
    (NETWORK, "requests", f"{_VERBS} Session session"),
    (NETWORK, "httpx", f"{_VERBS} stream Client AsyncClient"),
    (NETWORK, "aiohttp", "request ClientSession"),
)
# Functions that look at the clock or the zone only if they are given so few arguments.
UNLESS_TOLD: tuple[tuple[Forbidden, str, str, int], ...] = (
    (CLOCK, "time", "gmtime", 0),
    (ZONE, "time", "localtime ctime", 1),
    (CLOCK, "time", "asctime", 0),
    (CLOCK, "time", "strftime", 1),
    (RANDOM, "numpy.random", "default_rng RandomState", 0),
)
# What a module holds, and is another thing elsewhere.
HELD: dict[tuple[str, str], Forbidden] = {
    **{("time", name): ZONE for name in ("timezone", "altzone", "daylight", "tzname")},
    **{("sys", name): ENVIRONMENT for name in ("argv", "path", "executable")},
}
PATH_METHODS = frozenset(
    {
        *("exists", "is_file", "is_dir", "stat", "iterdir", "glob", "rglob", "open", "read_text", "read_bytes"),
        *("write_text", "write_bytes", "unlink", "mkdir", "rmdir", "touch", "rename", "replace"),
    }
)
_ZONE_PLACE = 8  # the place of `tzinfo` among the arguments of `datetime`
# Looking them up runs no user's code.
CALLABLE = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, type)


def known_calls() -> dict[object, tuple[Forbidden, str]]:
    """The functions and classes that must not be called, with their names. What is not loaded cannot be called."""
    known: dict[object, tuple[Forbidden, str]] = {}
    for kind, module_name, names in _CALLS:
        module = sys.modules.get(module_name)
        if module is None:
            continue
        for name in names.split():
            value = vars(module).get(name)
            if value is not None:
                shown = name if module is builtins else f"{module_name}.{name}"
                known.setdefault(value, (kind, shown))
    return known


def known_unless_told() -> dict[object, tuple[Forbidden, str, int]]:
    """The functions that may be called if they are given more than so many arguments."""
    known: dict[object, tuple[Forbidden, str, int]] = {}
    for kind, module_name, names, most in UNLESS_TOLD:
        module = sys.modules.get(module_name)
        for name in names.split() if module is not None else ():
            known[vars(module)[name]] = (kind, f"{module_name}.{name}", most)
    return known


def is_without_zone(node: ast.expr, resolve: Callable[[ast.expr], object]) -> bool:
    """Whether an expression is a time that is certain to have no zone, so that it means another instant elsewhere."""
    if not isinstance(node, ast.Call):
        return False
    made, function = resolve(node.func), node.func
    if isinstance(made, type) and issubclass(made, datetime.datetime):
        return len(node.args) < _ZONE_PLACE and not any(keyword.arg in (None, "tzinfo") for keyword in node.keywords)
    if isinstance(function, ast.Attribute) and function.attr == "strptime" and len(node.args) > 1:
        form = node.args[1]
        return isinstance(form, ast.Constant) and "%z" not in str(form.value)
    return False
