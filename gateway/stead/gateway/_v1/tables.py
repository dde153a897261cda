"""`/api/v1/sql`: one SELECT over the committed states, as rows or as a file; and how many entities match conditions."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from stead.entities.extending import query_in_words
from stead.gateway._http.body import unless_gone
from stead.gateway._http.errors import HttpError, too_many
from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import JSON, json_response
from stead.gateway._http.query import Query
from stead.gateway._http.routes import API_V1, Answer, Parameter, Route, RouteDescription

from .common import NOT_FOUND, read_model
from .counting import counts_of
from .models import AnswerModel, RequestModel

ROWS = 1_000
_FORMS = {
    "json": JSON,
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
_MISSING = "SQL needs DuckDB and Apache Arrow where this server runs: pip install 'stead[sql]'"


class SqlRequest(RequestModel):
    """One SELECT. Each kind of entities is a table."""

    query: Annotated[str, Field(max_length=100_000)]
    rows: Annotated[int, Field(ge=1)] | None = None
    """So many at most: of JSON otherwise 1,000, of a file as many as this server gives."""


class SqlColumn(AnswerModel):
    """A column of the answer."""

    name: str
    type: str
    """As Apache Arrow calls it."""


class SqlAnswer(AnswerModel):
    """The answer: each row a list, in the order of the columns."""

    columns: list[SqlColumn]
    rows: list[list[Any]]


class EntityCount(AnswerModel):
    """How many entities match."""

    count: int


async def ask(request: Request, hub: Hub) -> Response:
    """Answer one SELECT."""
    query = Query(request)
    form = query.choice("format", "json", tuple(_FORMS))
    query.done()
    wanted = await read_model(request, hub, SqlRequest)
    if hub.sql is None or not hub.has_sql:
        raise HttpError(501, _MISSING)
    most = hub.settings.sql_rows_max
    rows = wanted.rows or (min(ROWS, most) if form == "json" else most)
    if rows > most:
        raise HttpError(400, f"`rows` is at most {most:,} (STEAD_HTTP_SQL_ROWS_MAX)")
    if hub.traffic.asking >= hub.settings.sql_running_max:
        raise too_many("too many queries are being answered (STEAD_HTTP_SQL_RUNNING_MAX)")
    hub.traffic.asking += 1
    try:
        with hub.traffic.wait():
            answer = await unless_gone(request, hub.sql(wanted.query, form, rows))
    finally:
        hub.traffic.asking -= 1
    headers = {} if form == "json" else {"content-disposition": f'attachment; filename="answer.{form}"'}
    return Response(answer, headers=headers, media_type=_FORMS[form])


async def count(request: Request, hub: Hub) -> Response:
    """How many match."""
    query = Query(request)
    where = query.text("where") or ""
    query.done()
    name = str(request.path_params["name"])
    if not where and name.lower() in await hub.store.published():
        counts = await counts_of(hub, [name.lower()])
        return json_response({"count": counts[name.lower()]})
    asked = query_in_words(hub.client.query(name), where, None)
    return json_response({"count": await unless_gone(request, asked.count())})


ROUTES: list[Route] = [
    Route(
        "POST",
        f"{API_V1}/sql",
        ask,
        "read",
        RouteDescription(
            "askSql",
            "Answer one SELECT over the committed states",
            "Entities",
            "By DuckDB, where the extra `stead[sql]` is installed (501 if not). Nothing can be changed, and no file or address be "
            "opened. It reads the tables that it names as a whole, each row as it is at its own moment, and ends when the client goes.",
            query=(Parameter("format", "How the answer is written.", enum=tuple(_FORMS), default="json"),),
            body=SqlRequest,
            body_required=True,
            answers={
                200: Answer("The answer, or with another `format` a file", SqlAnswer),
                429: Answer("Too many queries are being answered"),
                501: Answer("What it needs is not installed"),
                504: Answer("It took too long"),
            },
        ),
    ),
    Route(
        "GET",
        f"{API_V1}/entity-counts/{{name}}",
        count,
        "read",
        RouteDescription(
            "countEntities",
            "How many entities match",
            "Entities",
            "With `where`, as in the list: one range is read off an index, of several conditions states may be read. Without it none is "
            "read: those that are gone but locked, or have reminders, count too, and each shard of one.",
            query=(
                Parameter("where", "Terms such as `score>=100 country=NO,SE`, parted by spaces, on indexed fields."),
            ),
            answers={200: Answer("The count", EntityCount), 404: NOT_FOUND},
            paths={"name": "The entity's name, in any case."},
        ),
    ),
]
