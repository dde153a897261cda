"""`Entity`: the class that users derive theirs from. What they may write there is in `class_rules`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from stead.entities._message.errors import ContextEnded

from .class_rules import adopt_operations, check_body
from .context import EntityContext, RunningTurn, outside
from .indexed import EntityMeta


class Entity(BaseModel, metaclass=EntityMeta):
    """A durable entity: the fields of a subclass are its state, the public methods its operations.

    Every field needs a default: together they are the state of an entity that does not exist yet.

    A stored state has to fit the fields. If a field was renamed or removed, or its type narrowed, since it was stored, the
    entity's messages wait until a class method `migrate(cls, old: dict[str, Any]) -> dict[str, Any]` makes a state of it
    that fits. Nothing is dropped in silence: a stored field that the class does not have any more counts as well
    (`model_config = ConfigDict(extra="ignore")` drops it). A new field with a default needs nothing.

    What an operation leaves is checked, and compared with what would be read back; if that differs, the operation fails.
    Private attributes (`_name`) are not stored: they are made anew when the entity is loaded or an operation has failed.
    """

    __slots__ = ("__stead_turn__",)

    __stead_operations__: ClassVar[Mapping[str, FunctionType]]  # by lowered name; each class that derives has its own

    model_config = ConfigDict(validate_default=True, extra="forbid")

    if TYPE_CHECKING:
        # Operations may have these names, whatever pydantic's deprecated methods of that name look like.
        def construct(self, *args: Any, **kwargs: Any) -> Any: ...  # type: ignore[override]
        def copy(self, *args: Any, **kwargs: Any) -> Any: ...
        def dict(self, *args: Any, **kwargs: Any) -> Any: ...
        def from_orm(self, *args: Any, **kwargs: Any) -> Any: ...  # type: ignore[override]
        def json(self, *args: Any, **kwargs: Any) -> Any: ...
        def parse_file(self, *args: Any, **kwargs: Any) -> Any: ...  # type: ignore[override]
        def parse_obj(self, *args: Any, **kwargs: Any) -> Any: ...  # type: ignore[override]
        def parse_raw(self, *args: Any, **kwargs: Any) -> Any: ...  # type: ignore[override]
        def schema(self, *args: Any, **kwargs: Any) -> Any: ...  # type: ignore[override]
        def schema_json(self, *args: Any, **kwargs: Any) -> Any: ...  # type: ignore[override]
        def update_forward_refs(self, *args: Any, **kwargs: Any) -> Any: ...  # type: ignore[override]
        def validate(self, *args: Any, **kwargs: Any) -> Any: ...  # type: ignore[override]

    @property
    def context(self) -> EntityContext:
        """The entity's address, time and messages, while an operation runs."""
        try:
            turn = _get_turn(self)
        except AttributeError:
            raise ContextEnded(
                f"this {type(self).__name__} is a copy of a state, and no operation of it is running"
            ) from None
        if turn.subject is not self:  # it runs another one's operation now
            raise outside(f"this {type(self).__name__}")
        return turn.context or turn.open_context()

    def delete(self) -> Any:
        """Delete the entity: its state is gone until another operation sets it. Define your own to do it otherwise."""
        self.context.delete_state()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_body(cls, Entity)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        adopt_operations(cls, Entity)


_get_turn: Callable[[Entity], RunningTurn] = vars(Entity)["__stead_turn__"].__get__
set_turn: Callable[[Entity, RunningTurn], None] = vars(Entity)["__stead_turn__"].__set__

forget_turn: Callable[[Entity], None] = vars(Entity)["__stead_turn__"].__delete__
