"""Annotations of functions and classes whose names need not all be known yet: since Python 3.14 annotations are evaluated
when they are asked for, and asking for them plainly raises `NameError`.
"""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

if sys.version_info >= (3, 14):
    import annotationlib
    from annotationlib import Format


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """A function's parameters. What is not known yet stays a reference in their annotations."""
    if sys.version_info >= (3, 14):
        return inspect.signature(function, annotation_format=Format.FORWARDREF)
    return inspect.signature(function)


def annotations_of(owner: Callable[..., Any]) -> dict[str, Any]:
    """What a function, or a class's own body, is annotated with. What is not known yet stays a text or a reference."""
    if sys.version_info >= (3, 14):
        return annotationlib.get_annotations(owner, format=Format.FORWARDREF)
    return inspect.get_annotations(owner)


def hints_in(function: Callable[..., Any], names: Mapping[str, Any], skip: str | None = None) -> dict[str, Any]:
    """The annotations of a function, resolved, except the one of the parameter `skip`. `names` are those around it, which
    its globals do not have. Raises whatever evaluating them raises: a `NameError` for an unknown name.
    """
    inner = inspect.unwrap(function)
    annotations = {name: hint for name, hint in annotations_of(inner).items() if name != skip}
    parameters = getattr(inner, "__type_params__", ())  # those of a `def name[T](…)`, since Python 3.12
    holder = types.SimpleNamespace(__annotations__=annotations, __type_params__=parameters)
    known: dict[str, Any] = getattr(inner, "__globals__", {})
    return typing.get_type_hints(holder, known, dict(names), include_extras=True)


def copy_annotations(source: FunctionType, copy: FunctionType) -> None:
    """Give a function the annotations of another one, evaluated or not."""
    if sys.version_info >= (3, 12):
        copy.__type_params__ = source.__type_params__
    if sys.version_info >= (3, 14) and source.__annotate__ is not None:
        copy.__annotate__ = source.__annotate__
    else:
        copy.__annotations__ = source.__annotations__
