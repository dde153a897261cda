"""Which trace a message belongs to, as it is stored: W3C's form, read leniently, and nothing where there is nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stead.entities._message.envelope import decode_message, encode_message, message_extras
from stead.entities._message.trace import TraceContext, given_trace, read_trace, root_context, trace_context
from stead.transport import pack_envelope

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ids = st.integers(1, 2**64 - 1)


def test_a_message_carries_its_trace_and_state() -> None:
    for trace in (TraceContext(PARENT), TraceContext(PARENT, "vendor=1,other=2")):
        envelope = encode_message("@a@b", "add", [1], b"id", message_extras(trace=trace))
        assert decode_message(envelope).trace == trace


@pytest.mark.hazard(26)
def test_a_message_without_one_is_as_it_always_was() -> None:
    assert message_extras() is None
    envelope = encode_message("@a@b", "add", [1], b"id", message_extras(trace=None))
    assert envelope == pack_envelope((1, "@a@b", "add", [1], b"id"))
    assert decode_message(envelope).trace is None


@given(st.recursive(st.none() | st.booleans() | st.integers(-5, 2**40) | st.text(max_size=70), st.lists, max_leaves=4))
def test_what_is_no_trace_is_passed_over(stored: object) -> None:
    """It is not what a message is about: it neither makes a dead letter of it nor stops anybody."""
    message = decode_message(pack_envelope((1, "@a@b", "add", [1], b"id", {"c": stored})))
    assert message.trace is None or message.trace == read_trace(stored)
    assert message.args == [1]


@given(st.integers(1, 2**128 - 1), ids, st.integers(0, 255), st.sampled_from(["", "a=1"]))
def test_a_trace_comes_back_as_it_was(trace_id: int, span_id: int, flags: int, state: str) -> None:
    trace = trace_context(trace_id, span_id, flags, state)
    assert read_trace(trace.stored()) == trace
    assert (trace.trace_id, trace.span_id, trace.flags) == (trace_id, span_id, flags)


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "00",
        PARENT.upper(),
        PARENT.replace("00-", "ff-", 1),
        "00-" + "0" * 32 + PARENT[35:],
        PARENT + "\n",
        PARENT[:-1],
        " " + PARENT,
    ],
)
def test_what_is_no_traceparent_is_none(parent: str) -> None:
    assert given_trace(parent) is None


def test_a_later_version_of_the_header_is_read_as_far_as_this_one_goes() -> None:
    assert given_trace(PARENT.replace("00-", "01-", 1) + "-more") == TraceContext(PARENT)


def test_a_state_that_is_too_long_or_no_header_is_left_out() -> None:
    for state in ("a=" + "x" * 600, "a=ö", "a=1\r\nb: 2"):
        assert given_trace(PARENT, state) == TraceContext(PARENT)


def test_an_execution_has_one_span_whoever_asks() -> None:
    trace = TraceContext(PARENT, "a=1")
    own = trace.of_instance("order-1", "e1")
    assert own == trace.of_instance("order-1", "e1")
    assert (own.trace_id, own.flags, own.state) == (trace.trace_id, 1, "a=1")
    others = {trace.span_id, trace.of_instance("order-1", "e2").span_id, trace.of_instance("order-2", "e1").span_id}
    assert own.span_id not in others and len(others) == 3
    root = root_context("order-1", "e1", 1)
    assert root.span_id == 0 and root.trace_id and read_trace(root.stored()) == root
