"""Annotations, and values of them or for them: what users might write, easy or not."""

from __future__ import annotations

import collections
import dataclasses
import enum
import ipaddress
import pathlib
import re
import typing
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Generic, Literal, NamedTuple, Optional, TypeVar, Union, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    AnyUrl,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Discriminator,
    Field,
    HttpUrl,
    Json,
    PlainSerializer,
    PlainValidator,
    PostgresDsn,
    PrivateAttr,
    RedisDsn,
    RootModel,
    SecretStr,
    SerializeAsAny,
    StrictInt,
    Tag,
    WrapValidator,
    computed_field,
    conlist,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)
from typing_extensions import TypeAliasType, TypedDict

T = TypeVar("T")
BERLIN = ZoneInfo("Europe/Berlin")


class Status(enum.StrEnum):
    OPEN = "open"
    SHUT = "shut"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, "x")


class Weight(enum.Enum):
    ONE = 1.0
    EXACT = Decimal("1.50")


class Odd(enum.Enum):
    THING = Fraction(1, 2)


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


class Text(str):
    """A kind of text."""

    __slots__ = ()


class Number(int):
    """A kind of number."""


class Moment(datetime):
    """A kind of time."""


class Point(NamedTuple):
    x: int
    y: float = 0.0


class Plain(BaseModel):
    n: int = 0
    ratio: float = 0.0
    tags: list[str] = []


class Sub(Plain):
    more: int = 7


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    status: Status = Status.OPEN
    amount: Decimal = Decimal("1.50")
    parts: tuple[int, ...] = ()


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)
    n: int = 0


class Crossed(BaseModel):
    """The alias of one field is the name of another."""

    a: int = Field(default=0, alias="b")
    b: int = Field(default=0, alias="a")


class Shifted(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    first: int = Field(default=0, validation_alias="second")
    second: int = Field(default=0, validation_alias="third")


class Aliased(BaseModel):
    n: int = Field(default=0, alias="N")
    v: int = Field(default=0, validation_alias="V")
    s: int = Field(default=0, serialization_alias="S")
    c: int = Field(default=0, validation_alias=AliasChoices("c1", "c2"))
    p: int = Field(default=0, validation_alias=AliasPath("deep", 0))


class ForbidAliased(BaseModel):
    model_config = ConfigDict(extra="forbid")
    n: int = Field(default=0, alias="N")


class Computed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    side: int = 1

    @computed_field  # type: ignore[prop-decorator]
    @property
    def area(self) -> int:
        return self.side**2


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")
    n: int = 0


class Private(BaseModel):
    n: int = 0
    _hidden: int = PrivateAttr(default=1)


class Hiding(BaseModel):
    n: int = 0
    secret: int = Field(default=0, exclude=True)


class Serialized(BaseModel):
    at: timedelta = timedelta(0)

    @field_serializer("at")
    def _seconds(self, value: timedelta) -> float:
        return value.total_seconds()


class SerializedAway(BaseModel):
    n: int = 0

    @field_serializer("n")
    def _nothing(self, value: int) -> str:
        return "gone"


class Whole(BaseModel):
    n: int = 0

    @model_serializer
    def _all(self) -> int:
        return self.n


class Doubling(BaseModel):
    n: int = 0

    @field_validator("n")
    @classmethod
    def _double(cls, value: int) -> int:
        return value * 2


class Counting(BaseModel):
    n: int = 0

    @model_validator(mode="after")
    def _count(self) -> Counting:
        object.__setattr__(self, "n", self.n + 1)
        return self


class Tree(BaseModel):
    children: list[Tree] = []
    n: int = 0


class Box(BaseModel, Generic[T]):
    content: T


class Names(RootModel[list[str]]):
    pass


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    lives: int = 1


class Near(BaseModel):
    n: int = 0


class Nearer(BaseModel):
    n: int = 0
    m: int = 0


@dataclasses.dataclass
class Size:
    width: int = 0
    tags: list[str] = dataclasses.field(default_factory=list[str])


@dataclasses.dataclass(frozen=True)
class Icy:
    n: int = 0


@dataclasses.dataclass(slots=True)
class Slotted:
    n: int = 0


@dataclasses.dataclass
class Derived:
    n: int = 0
    twice: int = dataclasses.field(init=False, default=0)

    def __post_init__(self) -> None:
        self.twice = self.n * 2


@dataclasses.dataclass
class WithInit:
    n: int = 0
    start: dataclasses.InitVar[int] = 0


@dataclasses.dataclass
class BigSize(Size):
    depth: int = 1


class Row(TypedDict):
    n: int
    when: datetime


class PartRow(TypedDict, total=False):
    n: int


Numbers = TypeAliasType("Numbers", list[int])
Pet = Annotated[Cat | Dog, Field(discriminator="kind")]
Tagged = Annotated[
    Annotated[Near, Tag("near")] | Annotated[Nearer, Tag("nearer")],
    Discriminator(lambda value: "nearer" if "m" in (value if isinstance(value, dict) else vars(value)) else "near"),
]
Rising = Annotated[int, AfterValidator(lambda value: value + 1)]
Shouting = Annotated[str, AfterValidator(lambda value: value + "!")]
Stripped = Annotated[str, AfterValidator(str.strip)]
Clipped = Annotated[int, AfterValidator(lambda value: min(value * 2, 10))]
Splitting = Annotated[list[str], BeforeValidator(lambda value: value.split(",") if isinstance(value, str) else value)]
Parsing = Annotated[Fraction, PlainValidator(lambda value: value if isinstance(value, Fraction) else Fraction(value))]
Wrapped = Annotated[int, WrapValidator(lambda value, handler: handler(value) * 10)]
AsText = Annotated[int, PlainSerializer(lambda value: f"<{value}>")]
Hex = Annotated[int, PlainSerializer(hex), BeforeValidator(lambda v: int(v, 16) if isinstance(v, str) else v)]

ANY_JSON: Any = cast("Any", Json)[Any]
FROZEN: Any = Frozen(n=1)
TEXT: Any = "y"
SUMMER = datetime(2026, 7, 1, 12, tzinfo=BERLIN)
FOLD = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1)

# What an annotation is called in a failure, itself, and its values: the first one is a default as well.
TABLE: list[tuple[str, Any, list[Any]]] = [
    ("int", int, [0, 5, -1, 2**63, 2**64, 2**200, -(2**70), True, Level.HIGH, Number(3), 1.0, "7"]),
    ("float", float, [0.0, -0.0, 1, 1.5, float("nan"), float("inf"), True, Decimal("1.5"), Decimal("0.1")]),
    ("bool", bool, [False, True, 1, 0, "yes"]),
    ("str", str, ["", "x", "ø" * 40, "\ud800", Text("t"), Status.OPEN, b"raw"]),
    ("bytes", bytes, [b"", b"\xff", bytearray(b"x"), memoryview(b"y"), "text"]),
    ("Decimal", Decimal, [Decimal(0), Decimal("1.5"), Decimal("1.50"), Decimal("-0"), Decimal("1E+5"), 1, 0.1, "2"]),
    ("Decimal2", Annotated[Decimal, Field(decimal_places=2)], [Decimal("1.50"), Decimal("1.5"), Decimal("1.555")]),
    ("Decimal nan", Annotated[Decimal, Field(allow_inf_nan=True)], [Decimal(0), Decimal("NaN"), Decimal("Infinity")]),
    ("datetime", datetime, [
        datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), SUMMER, FOLD, datetime(2026, 1, 1, fold=1),
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1), "X")), Moment(2026, 1, 1), date(2026, 1, 1),
        datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")), datetime(2026, 1, 1, tzinfo=timezone(timedelta(seconds=3))),
    ]),
    ("date", date, [date(2026, 1, 1), datetime(2026, 1, 1), datetime(2026, 1, 1, 5)]),
    ("date or time", date | datetime, [date(2026, 1, 1), datetime(2026, 1, 1), SUMMER]),
    ("time", time, [time(1), time(1, fold=1), time(1, tzinfo=UTC), time(1, tzinfo=BERLIN)]),
    ("timedelta", timedelta, [timedelta(0), timedelta(-1, 5, 7), timedelta.max]),
    ("UUID", UUID, [UUID(int=1), "00000000-0000-0000-0000-000000000002"]),
    ("Status", Status, [Status.OPEN, Status.SHUT, "shut"]),
    ("strict member", Annotated[Status, Field(strict=True)], [Status.OPEN, Status.SHUT, "shut"]),
    ("strict members", list[Annotated[Colour, Field(strict=True)]], [[], [Colour.RED]]),
    ("Level", Level, [Level.LOW, Level.HIGH, 2]),
    ("Colour", Colour, [Colour.RED, Colour.PAIR]),
    ("Weight", Weight, [Weight.ONE, Weight.EXACT]),
    ("Odd", Odd, [Odd.THING]),
    ("Mode", Mode, [Mode.READ, Mode.READ | Mode.WRITE, Mode(0)]),
    ("Literal", Literal["a", 1, True], ["a", 1, True, 1.0]),
    ("Literal of members", Literal[Status.OPEN, Level.LOW], [Status.OPEN, Level.LOW, "open", 1]),
    ("None", None, [None]),
    ("Path", pathlib.Path, [pathlib.Path("/x"), "y", pathlib.PurePosixPath("z")]),
    ("AnyUrl", AnyUrl, [AnyUrl("http://x/y?z"), "http://x"]),
    ("HttpUrl", HttpUrl, [HttpUrl("http://x")]),
    ("PostgresDsn", PostgresDsn, [PostgresDsn("postgres://a:b@c:1,d:2/x"), "postgres://u@h/d"]),
    ("RedisDsn", RedisDsn, [RedisDsn("redis://x/1")]),
    ("IPv4", ipaddress.IPv4Address, [ipaddress.ip_address("1.2.3.4")]),
    ("IPv6 network", ipaddress.IPv6Network, [ipaddress.ip_network("::/64")]),
    ("Pattern", re.Pattern[str], [re.compile("x+"), re.compile("x", re.IGNORECASE)]),
    ("ByteSize", ByteSize, [ByteSize(5), "2 kB"]),
    ("Fraction", Fraction, [Fraction(1, 3)]),
    ("ZoneInfo", ZoneInfo, [BERLIN]),
    ("Json", Json[list[int]], ["[]", "[1, 2]"]),
    ("Json any", ANY_JSON, ["{}", '{"a": [1]}']),
    ("SecretStr", SecretStr, [SecretStr("x")]),
    ("StrictInt", StrictInt, [0, 1, True, "1"]),
    ("ge", Annotated[int, Field(ge=0)], [0, 5, -1]),
    ("conlist", conlist(int, max_length=2), [[], [1], [1, 2, 3]]),
    ("list", list[int], [[], [1, 2], (3,), [True], [1.0], ["4"], deque([5])]),
    ("list of float", list[float], [[], [1], [0.0, -0.0], [float("nan")], [Decimal("0.5")]]),
    ("list of Decimal", list[Decimal], [[], [Decimal("1.50")], [1]]),
    ("list of datetime", list[datetime], [[], [SUMMER, FOLD]]),
    ("list of lists", list[list[int]], [[], [[1], []], [[0]] * 3]),
    ("bare list", list, [[], [1, "x", None, (1,)], [Status.OPEN], [Plain()], [SUMMER], [deque()]]),
    ("Sequence", Sequence[int], [[], [1], (1, 2), deque([1])]),
    ("Mapping", Mapping[str, int], [{}, {"a": 1}, OrderedDict(a=1), Counter("ab")]),
    ("dict", dict[str, int], [{}, {"b": 1, "a": 2}, defaultdict(int, a=1), Counter("x"), OrderedDict(z=1)]),
    ("dict of lists", dict[str, list[int]], [{}, {"a": [1]}, defaultdict(list, a=[1])]),
    ("dict by int", dict[int, str], [{}, {1: "x", -(2**70): "y"}, {"3": "z"}]),
    ("dict by float", dict[float, str], [{}, {1.5: "x", float("inf"): "y"}]),
    ("dict by date", dict[date, int], [{}, {date(2026, 1, 1): 1}]),
    ("dict by tuple", dict[tuple[int, str], int], [{}, {(1, "x"): 1}]),
    ("dict by enum", dict[Status, Level], [{}, {Status.OPEN: Level.LOW}]),
    ("dict by Point", dict[Point, int], [{}, {Point(1, 2.0): 1}]),
    ("dict by model", dict[Frozen, int], [{}, {FROZEN: 1}]),
    ("dict by dataclass", dict[Icy, int], [{}, {Icy(1): 1}]),
    ("dict by frozenset", dict[frozenset[int], int], [{}, {frozenset({1}): 1}]),
    ("dict by union", dict[int | str, int], [{}, {1: 1, "1": 2}]),
    ("bare dict", dict, [{}, {"a": [1], 2: None}, {"a": Plain()}, {Status.OPEN: 1}]),
    ("set", set[int], [set(), {1, 2}, frozenset({3}), {True}]),
    ("set of tuples", set[tuple[int, str]], [set(), {(1, "x")}]),
    ("set of models", set[Frozen], [set(), {FROZEN}]),
    ("set of anything", set[Any], [set(), {1, "1"}, {Status.OPEN}, {("x", Level.LOW)}, {float("nan")}, {frozenset({Text("x")})}]),
    ("frozenset", frozenset[str], [frozenset(), frozenset({"a"}), {"b"}]),
    ("tuple", tuple[int, str], [(0, ""), (1, "x"), Point(1, TEXT), [2, "z"]]),
    ("long tuple", tuple[float, ...], [(), (1.5, 2)]),
    ("tuple of lists", tuple[list[int], ...], [(), ([1], [])]),
    ("Point", Point, [Point(0), Point(1, 2.5), (3, 4.0)]),
    ("deque", deque[int], [deque(), deque([1, 2]), deque([1], maxlen=3), [4]]),
    ("deque with a limit", deque[int], [deque(maxlen=3), deque([1], maxlen=3)]),
    ("deque of length", Annotated[deque[int], Field(max_length=3)], [deque(), deque([1], maxlen=3), deque([1, 2])]),
    ("defaultdict", defaultdict[str, list[int]], [defaultdict(list), defaultdict(list, a=[1])]),
    ("OrderedDict", typing.OrderedDict[str, int], [OrderedDict(), OrderedDict(b=1, a=2)]),
    ("defaultdict of others", defaultdict[str, int], [defaultdict(int), defaultdict(lambda: 5, a=1), defaultdict(None, a=1)]),
    ("Counter", collections.Counter[str], [Counter(), Counter("aab")]),
    ("optional", Optional[list[int]], [None, [], [1]]),  # noqa: UP045
    ("nested optional", list[dict[str, int | None] | None], [[], [None, {"a": None}]]),
    ("scalars", int | float | bool | str | None, [None, 1, 1.0, True, "1", Level.LOW, Status.OPEN, Decimal(1)]),
    ("number", Decimal | float | int, [0, 1.5, Decimal("1.50"), True]),
    ("when", Union[datetime, str, int], ["", SUMMER, "2026-01-01", 5]),  # noqa: UP007
    ("left to right", Annotated[int | str, Field(union_mode="left_to_right")], [0, "x", "5", 1.0]),
    ("Status or str", Status | str, ["", Status.OPEN, "open", "other"]),
    ("Level or int", Level | int, [0, Level.LOW, 1, 7]),
    ("bytes or str", bytes | str, ["", b"x", "x"]),
    ("list or tuple", list[int] | tuple[int, ...], [[], [1], (1,)]),
    ("Near or Nearer", Near | Nearer, [Near(), Nearer(), Nearer(m=1), Near(n=2)]),
    ("Pet", Pet, [Cat(), Dog(lives=2)]),
    ("Tagged", Tagged, [Near(), Nearer(m=1)]),
    ("Plain", Plain, [Plain(), Plain(n=1, ratio=2, tags=["x"]), {"n": 3}, Sub(more=8), Plain.model_construct(n="x")]),
    ("SerializeAsAny", SerializeAsAny[Plain], [Plain(), Sub(more=8)]),
    ("list of Plain", list[Plain], [[], [Plain(n=1)], [Sub()]]),
    ("Strict", Strict, [Strict(), Strict(parts=(1,))]),
    ("Frozen", Frozen, [Frozen(), Frozen(n=1)]),
    ("Crossed", Crossed, [Crossed(), Crossed.model_validate({"b": 1, "a": 2}), Crossed.model_validate({"a": 5})]),
    ("Shifted", Shifted, [Shifted(), Shifted.model_validate({"second": 1, "third": 2}), Shifted.model_validate({"third": 3})]),
    ("Aliased", Aliased, [Aliased(), Aliased.model_validate({"N": 1, "V": 2, "s": 3, "c2": 4, "deep": [5]})]),
    ("ForbidAliased", ForbidAliased, [ForbidAliased(), ForbidAliased(N=1)]),
    ("Computed", Computed, [Computed(), Computed(side=3)]),
    ("Loose", Loose, [Loose(), Loose.model_validate({"n": 1, "other": [2]})]),
    ("Private", Private, [Private(), Private(n=1)]),
    ("Hiding", Hiding, [Hiding(), Hiding(n=1), Hiding(secret=1)]),
    ("Serialized", Serialized, [Serialized(), Serialized(at=timedelta(1))]),
    ("SerializedAway", SerializedAway, [SerializedAway(), SerializedAway(n=1)]),
    ("Whole", Whole, [Whole(), Whole(n=1)]),
    ("Doubling", Doubling, [Doubling(), Doubling(n=1)]),
    ("Counting", Counting, [Counting(), Counting(n=1)]),
    ("Tree", Tree, [Tree(), Tree(children=[Tree(n=1), Tree(children=[Tree()])])]),
    ("Box", Box[int], [Box[int](content=0), Box[int](content=1)]),
    ("Box of Any", Box[Any], [Box[Any](content=0), Box[Any](content=Plain())]),
    ("Names", Names, [Names([]), Names(["x"])]),
    ("Size", Size, [Size(), Size(1, ["x"]), BigSize(), {"width": 2}]),
    ("Icy", Icy, [Icy(), Icy(1)]),
    ("Slotted", Slotted, [Slotted(), Slotted(1)]),
    ("Derived", Derived, [Derived(), Derived(2)]),
    ("WithInit", WithInit, [WithInit(), WithInit(1, 2)]),
    ("Row", Row, [{"n": 0, "when": SUMMER}, {"n": 1, "when": FOLD, "more": 1}, {"n": 1}]),
    ("PartRow", PartRow, [{}, {"n": 1}]),
    ("Numbers", Numbers, [[], [1]]),
    ("Rising", Rising, [0, 5]),
    ("Shouting", Shouting, ["", "x"]),
    ("Stripped", Stripped, ["", " x "]),
    ("Clipped", Clipped, [0, 1, 4, 10]),
    ("Splitting", Splitting, [[], "a,b", ["c,d"]]),
    ("Parsing", Parsing, [Fraction(1, 2), "1/3"]),
    ("Wrapped", Wrapped, [0, 1]),
    ("AsText", AsText, [0, 1]),
    ("Hex", Hex, [0, 255]),
    ("callable", Callable[[], int], [lambda: 1]),
    ("type", type[int], [int]),
    ("generator", Iterator[int], [iter([1])]),
    ("complex", complex, [1j]),
    ("Any", Any, [
        None, 1, True, 1.0, float("nan"), -0.0, "x", b"x", 2**80, [1, (2,)], {"a": {1}}, {1: 2}, Decimal("1.50"), SUMMER,
        FOLD, date(2026, 1, 1), UUID(int=1), timedelta(1), frozenset({1}), Status.OPEN, Level.LOW, Colour.RED, Plain(n=1),
        Size(1), Point(1), deque([1]), defaultdict(int), Counter("a"), OrderedDict(a=1), bytearray(b"x"), Text("x"),
        Number(1), pathlib.Path("x"), AnyUrl("http://x"), re.compile("x"), Moment(2026, 1, 1), time(1, fold=1),
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1), "X")), object(), 1j, "\ud800", SecretStr("x"), [Plain()],
        {"a": Status.OPEN}, {Status.OPEN: 1}, {FROZEN: 1}, Computed(), Crossed.model_validate({"a": 1}), Strict(),
    ]),
    ("object", object, [None, [1], Plain(), Status.OPEN, deque()]),
]  # fmt: skip
