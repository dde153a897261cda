"""What has come of an asynchronous operation that is finished later, since a commit is full."""

from __future__ import annotations

from .activation import Activation, HoldingKind


def held(activation: Activation, result: object, error: BaseException | None) -> tuple[object, BaseException | None]:
    """That, whatever the operation has left running does meanwhile."""
    kind = activation.kind
    if error is not None or not isinstance(kind, HoldingKind):
        return result, error
    try:
        return kind.hold(activation, result), None
    except KeyboardInterrupt:
        raise
    except BaseException as late:  # noqa: BLE001 - what the user's code left is the operation's failure
        return None, late
