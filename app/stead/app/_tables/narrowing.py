"""What a query's WHERE says of indexed fields, so that not all of a table has to be read for it.

Only what is plain: one table, named once, and comparisons of its columns with constants, joined by AND. What is read is at least what
matches: DuckDB asks the whole condition again, with its own rules for NULL. `migrate` may give other values than those that are
stored, by which indexes go; so tables of classes that have it are read whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from stead.entities.extending import Compare, ConditionNode, Join, Unplaced, place_of

from .table import Table

_SIGNS = {
    "COMPARE_EQUAL": "==",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}
_KINDS = {"int": {"INTEGER"}, "float": {"INTEGER", "NUMERIC"}, "str": {"STRING"}, "bool": {"BOOLEAN"}}
_VALUES_MAX = 1_000


def narrowed(tree: Mapping[str, Any], tables: Sequence[Table]) -> tuple[Table, ConditionNode] | None:
    """The one table that a query reads, and what has to match of it; None if it is not plain."""
    node: dict[str, Any] = tree["statements"][0]["node"]
    source: dict[str, Any] = node.get("from_table") or {}
    ctes: dict[str, Any] = node.get("cte_map") or {}
    if (
        node.get("type") != "SELECT_NODE"
        or source.get("type") != "BASE_TABLE"
        or any(source.get(part) for part in ("schema_name", "catalog_name", "column_name_alias", "at_clause", "sample"))
        or sum(each.get("type") == "BASE_TABLE" for each in _nodes(tree)) != 1
        or ctes.get("map")
    ):
        return None
    name = str(source["table_name"]).lower()
    table = next((table for table in tables if table.name.lower() == name), None)
    if table is None or not table.indexed:
        return None
    shadowed = {str(each.get("alias") or "").lower() for each in node.get("select_list", ())}
    columns = {
        column.name.lower(): column.field
        for column in table.columns
        if column.field in table.indexed and column.name.lower() not in shadowed
    }
    called = {name, str(source.get("alias") or name).lower()}
    parts = [
        part
        for child in _conjuncts(node.get("where_clause"))
        if (part := _compared(child, called, columns, table.indexed)) is not None
    ]
    return (table, parts[0] if len(parts) == 1 else Join(False, tuple(parts))) if parts else None


def _nodes(tree: object) -> Iterator[Mapping[str, Any]]:
    left = [tree]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            found = cast("dict[str, Any]", node)
            yield found
            left.extend(found.values())
        elif isinstance(node, list):
            left.extend(node)  # pyright: ignore[reportUnknownArgumentType]  # mypy knows it


def _conjuncts(node: Any) -> Iterator[Mapping[str, Any]]:
    if node is None:
        return
    if node.get("type") == "CONJUNCTION_AND":
        for child in node["children"]:
            yield from _conjuncts(child)
    else:
        yield node


def _compared(
    node: Mapping[str, Any], called: set[str], columns: Mapping[str, str | None], codes: Mapping[str, str]
) -> Compare | None:
    """A comparison of an indexed field with constants; None for anything else."""
    kind = node.get("type", "")
    match kind:
        case "COMPARE_BETWEEN":
            operands, sign = [node["input"], node["lower"], node["upper"]], "between"
        case "COMPARE_IN":
            operands, sign = node["children"], "one_of"
        case _ if kind in _SIGNS:
            operands, sign = [node["left"], node["right"]], _SIGNS[kind]
            if operands[0].get("type") != "COLUMN_REF":
                operands, sign = operands[::-1], _TURNED[sign]
        case _:
            return None
    names = [str(name).lower() for name in operands[0].get("column_names", ())]
    field = columns.get(names[-1]) if names and (len(names) == 1 or names[:-1] in [[each] for each in called]) else None
    if field is None or not 0 < len(operands) - 1 <= _VALUES_MAX:
        return None
    values = [_constant(operand, codes[field]) for operand in operands[1:]]
    if None in values:
        return None
    if codes[field] == "float":  # how a constant became a double is DuckDB's: what is at the edge is read, too
        sign = {"<": "<=", ">": ">="}.get(sign, sign)
    return Compare(field, sign, tuple(values))


def _constant(node: Mapping[str, Any], code: str) -> object:
    """A constant as a value of a type; None if it is none."""
    literal: dict[str, Any] = node.get("literal") or {}
    if node.get("type") != "VALUE_CONSTANT" or literal.get("kind") not in _KINDS.get(code, ()):
        return None
    text = str(literal["text"])
    value: object = text == "true" if code == "bool" else {"int": int, "float": float, "str": str}[code](text)
    try:
        place_of(code, value)
    except Unplaced:
        return None
    return value
