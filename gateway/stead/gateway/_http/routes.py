"""What the gateway answers: a table of routes, which the dispatcher, the authorization and the OpenAPI document share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.responses import Response

from .access import Right
from .errors import HttpError

if TYPE_CHECKING:
    from .hub import Hub

Handler = Callable[[Request, "Hub"], Awaitable[Response]]

API_V1 = "/api/v1"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a query, or a header. `type` and `format` are JSON schema's; `many`: may be repeated, or hold several
    parted by commas."""

    name: str
    description: str = ""
    type: str = "string"
    format: str | None = None
    required: bool = False
    many: bool = False
    default: Any = None
    enum: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: what it means, the type of its body (anything that pydantic makes a JSON schema of, or a JSON schema as a
    dictionary; None: it has no body), and the headers that it carries."""

    description: str
    body: Any = None
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class RouteDescription:
    """What the OpenAPI document says of a route. `id` names it for generated clients (`getInstance`)."""

    id: str
    summary: str
    tag: str
    description: str = ""
    query: tuple[Parameter, ...] = ()
    headers: tuple[Parameter, ...] = ()
    body: Any = None
    body_media_types: tuple[str, ...] = ("application/json",)
    body_required: bool = False
    answers: Mapping[int, Answer] = field(default_factory=dict[int, Answer])
    paths: Mapping[str, str] = field(default_factory=dict[str, str])
    """Descriptions of the path's parameters, by name."""


class Route(NamedTuple):
    """One method of one path.

    A parameter (`{name}`) stands for exactly one segment of the path, of one or more characters; `request.path_params` has it
    decoded, whatever it contains ("/" included). Literal segments win over parameters. With `instance_scoped`, the path has a
    parameter `instance_id`, and a token of that instance opens it. `right` None: open to everybody.
    """

    method: str
    path: str
    handler: Handler
    right: Right | None
    operation: RouteDescription | None = None
    instance_scoped: bool = False


class Found(NamedTuple):
    """A route, and what its parameters stand for."""

    route: Route
    parameters: dict[str, str]


class _Match(NamedTuple):
    """A route with the names of its parameters, and what stands in a path for them."""

    route: Route
    names: tuple[str, ...]
    values: tuple[str, ...] = ()


class _Node:
    __slots__ = ("child", "literals", "routes")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.child: _Node | None = None
        self.routes: dict[str, _Match] = {}


class RouteTree:
    """The routes as a tree of path segments.

    As with Durable Functions, literal segments match without regard to case, except below `/api/v1`, and a slash at the end
    makes no difference.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._root
        names: list[str] = []
        lower = not route.path.startswith(API_V1)
        for segment in _split(route.path):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.child = node.child or _Node()
                node = node.child
            else:
                node = node.literals.setdefault(segment.lower() if lower else segment, _Node())
        if route.instance_scoped and "instance_id" not in names:
            raise ValueError(f"{route.method} {route.path} is said to be an instance's, and names none")
        if route.method in node.routes:
            raise ValueError(f"{route.method} {route.path} is there twice")
        node.routes[route.method] = _Match(route, tuple(names))

    def find(self, method: str, segments: list[str]) -> Found | None:
        """The route of a request; HEAD is answered as GET is."""
        found = _walk(self._root, "GET" if method == "HEAD" else method, segments, 0, ())
        return found and Found(found.route, dict(zip(found.names, found.values, strict=True)))


def _walk(node: _Node, method: str, segments: list[str], at: int, values: tuple[str, ...]) -> _Match | None:
    if at == len(segments):
        return node.routes[method]._replace(values=values) if method in node.routes else None
    segment = segments[at]
    literal = node.literals.get(segment) or node.literals.get(segment.lower())
    if literal is not None and (found := _walk(literal, method, segments, at + 1, values)) is not None:
        return found
    if node.child is not None and segment:
        return _walk(node.child, method, segments, at + 1, (*values, segment))
    return None


def path_segments(scope: Mapping[str, Any]) -> list[str]:
    """The decoded segments of a request's path, without what this application is mounted at.

    They are taken from the path as it was sent: an escaped slash belongs to its segment. Raises `HttpError` (400) for what is
    not UTF-8.
    """
    path: str = scope["path"]
    root = scope.get("root_path", "").rstrip("/")
    if root and path.startswith(root) and path[len(root) :][:1] in {"", "/"}:
        path = path[len(root) :]
    raw: bytes = scope.get("raw_path") or b""
    if b"%" not in raw:
        return _split(path)
    parts = raw.split(b"?", 1)[0].split(b"/")
    for first in range(1, len(parts) + 1):
        rest = b"/" + b"/".join(parts[first:])
        if unquote_to_bytes(rest).decode(errors="replace") == (path or "/"):
            try:
                return _trimmed([unquote_to_bytes(part).decode() for part in parts[first:]])
            except UnicodeDecodeError:
                raise HttpError(400, "the path is not percent-encoded UTF-8") from None
    return _split(path)


def _split(path: str) -> list[str]:
    return _trimmed(path.removeprefix("/").split("/"))


def _trimmed(segments: list[str]) -> list[str]:
    return segments[:-1] if segments and not segments[-1] else segments
