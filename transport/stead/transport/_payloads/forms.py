"""What has to be known of stored values to find users' data in them. The layers that write a kind of value know that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

Put: TypeAlias = Callable[[bytes], "bytes | None"]
"""The content of a casket for data; None if the data is to stay as it is. Raises `InvalidInput`."""

Get: TypeAlias = Callable[[bytes], bytes]
"""The data of a casket's content. Raises `PayloadLocked`."""


class StoredForm(Protocol):
    """One kind of stored value: how data in it is put into caskets, and taken out of them again.

    `open(seal(data, put), get) == data`. What is sealed already stays as it is, and what cannot be opened does too: then it says why.
    So does what is no value of this kind: whoever reads it finds that out.
    """

    def seal(self, data: bytes, put: Put, /) -> bytes:
        """A value with its data in caskets. Raises `InvalidInput` if the codec fails."""
        ...

    def open(self, data: bytes, get: Get, /) -> bytes:
        """A value with its data in the clear, or why not."""
        ...

    def shortened(self, data: bytes, /) -> bytes | None:
        """What is stored in place of a value that the codec does not take, so that it holds up nothing else. None: nothing is, and the
        step is tried again."""
        ...


@dataclass(frozen=True)
class StoredForms:
    """All kinds of stored values that have data of users' in them."""

    message: StoredForm
    entity: StoredForm
    instance: StoredForm
    event: StoredForm
    task: StoredForm
    reply: StoredForm
    letter: StoredForm
    entry: StoredForm  # of a feed of changes
