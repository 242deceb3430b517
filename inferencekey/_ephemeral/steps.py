"""What an ephemeral workload takes, step by step, whether the steps block or are awaited.

The order of things, and what follows from each failure, stands once, in generators that yield a
step and get its answer, or its exception. `run` takes the steps one by one on this thread;
`inferencekey._async.ephemeral` awaits them.
"""

from __future__ import annotations

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any, TypeVar

    from inferencekey._client import Client
    from inferencekey._marshal import Request

    Result = TypeVar("Result")
    Steps = Generator["Ask | Wait", Any, Result]


class Ask:
    """An operation with one answer, whose head is given back."""

    __slots__ = ("client", "grace_ms", "on_create", "operation", "request")

    def __init__(
        self,
        client: Client,
        operation: str,
        request: Request,
        grace_ms: int = 0,
        on_create: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.client = client
        self.operation = operation
        self.request = request
        self.grace_ms = grace_ms
        self.on_create = on_create


class Wait:
    """The wait until a workload is ready; None is given back."""

    __slots__ = ("client", "options")

    def __init__(self, client: Client, options: dict[str, Any]) -> None:
        self.client = client
        self.options = options


def run(steps: Steps[Result]) -> Result:
    """What the steps come to, each taken on this thread."""
    answer: Any = None
    error: BaseException | None = None
    while True:
        try:
            step = steps.send(answer) if error is None else steps.throw(error)
            answer, error = _take(step), None
        except StopIteration as end:
            result: Result = end.value
            return result
        except BaseException as raised:
            # Its own, or a step's; Ctrl-C that comes between two steps is theirs too.
            error = raised if is_running(steps) else None
            if error is None:
                raise


def is_running(steps: Steps[Any]) -> bool:
    """False once they have come to their end, or failed."""
    # The protocol of generators leaves out what every generator has.
    return steps.gi_frame is not None  # type: ignore[attr-defined]


def _take(step: Ask | Wait) -> Any:
    if isinstance(step, Ask):
        return step.client._ask(step.operation, step.request, step.grace_ms, step.on_create)
    from inferencekey import _waiting

    return _waiting.wait(step.client, **step.options)
