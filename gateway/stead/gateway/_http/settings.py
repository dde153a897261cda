"""The limits of the HTTP gateway, each with its unit in its name and its reason below it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from stead.transport import Count, Milliseconds

Bytes = Annotated[int, Field(ge=1_024, le=1_073_741_824)]  # a body may be larger than what is stored


class HttpSettings(BaseSettings):
    """The settings of a gateway: arguments win over the environment (`STEAD_HTTP_<FIELD>`), and it over the defaults."""

    model_config = SettingsConfigDict(env_prefix="STEAD_HTTP_", frozen=True, extra="forbid", validate_default=True)

    body_bytes_max: Bytes = 4_194_304
    """The largest body of a request that is read whole. JSON is longer than what is stored, so more than the hub's
    `payload_bytes_max`, which is checked as well."""

    line_bytes_max: Bytes = 4_194_304
    """The longest line of a bulk request, whose body as a whole has no limit."""

    body_ms_max: Milliseconds = 60_000
    """How long the body of a request may take that is read whole: a slow client holds memory meanwhile."""

    silence_ms_max: Milliseconds = 20_000
    """How long a client may send nothing in the middle of a body."""

    header_bytes_max: Bytes = 65_536
    """The longest request line with all headers."""

    header_ms_max: Milliseconds = 20_000
    """How long a client may take from the first byte of a request to the end of its headers."""

    idle_ms_max: Milliseconds = 75_000
    """How long a connection without a request is kept. Longer than the pool of a load balancer in front keeps its own."""

    connections_max: Count = 20_000
    """Connections kept at a time, if the process may open so many files. Beyond, those without a request are closed, the
    ones that have been idle for longest first."""

    requests_running_max: Count = 2_000
    """Requests that are carried out at a time, streams apart. Further ones are refused (429)."""

    streams_max: Count = 2_000
    """Requests that wait for something to happen (long polls, server-sent events) at a time. Further ones are refused."""

    wait_ms_max: Milliseconds = 300_000
    """The longest wait that a client may ask for."""

    page_length_max: Count = 1_000
    """The most instances or entities in one page of a list."""

    sql_rows_max: Count = 100_000
    """The most rows of an answer to SQL: it is made in memory. `stead sql` and `stead export` have no such limit."""

    sql_running_max: Count = 2
    """Queries of SQL that are answered at a time, each with its own memory and thread. Further ones are refused (429)."""

    drain_ms: Milliseconds = 10_000
    """How long a server that stops lets running requests finish."""

    public_url: str | None = None
    """Where clients reach this server, for the URIs that it gives (`https://example.com/hub`). Without it: as the request
    came, with what a trusted proxy says of it."""
