"""The log of stead: what cannot be shown, or not in reasonable time, is described in its place."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from stead.transport import get_logger
from stead.transport.describing import TRACEBACK_LENGTH_MAX
from support.hostile import ERRORS

NAME = "stead.test-of-careful"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(filename)s %(funcName)s %(levelname)s %(message)s"))
    logging.getLogger(NAME).addHandler(handler)
    yield stream
    logging.getLogger(NAME).removeHandler(handler)


@pytest.mark.parametrize("name", ERRORS)
def test_a_line_with_an_error_is_written_whatever_the_error_is_like(
    name: str, written: io.StringIO, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    error = ERRORS[name]()
    get_logger(NAME).error("%s broke", "it", exc_info=error)
    first, _, rest = written.getvalue().partition("\n")
    assert first == (
        "test_careful_logger.py test_a_line_with_an_error_is_written_whatever_the_error_is_like ERROR it broke"
    )
    assert len(rest) <= TRACEBACK_LENGTH_MAX + 1
    assert rest.strip()
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[1] is error, "who collects errors gets the error itself"
    assert capsys.readouterr().err == "", "the standard library has nothing to complain of"


def test_the_error_that_is_being_handled_is_shown(written: io.StringIO) -> None:
    try:
        raise ValueError("this one")
    except ValueError:
        get_logger(NAME).exception("broke")
    assert "in test_the_error_that_is_being_handled_is_shown" in written.getvalue()
    assert "ValueError: this one" in written.getvalue()


@pytest.mark.parametrize("exc_info", [None, False, True, (None, None, None)])
def test_a_line_without_an_error_is_as_ever(written: io.StringIO, exc_info: Any) -> None:
    get_logger(NAME).warning("nothing", exc_info=exc_info)
    assert written.getvalue().splitlines()[0].endswith("as_ever WARNING nothing")
    assert "Traceback" not in written.getvalue()
