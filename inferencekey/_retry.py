"""How often a client tries again, and what it tells about it: to the log and to `on_retry`."""

from __future__ import annotations

import sys

from inferencekey._errors import InferenceKeyError, ValidationError
from inferencekey._record import Record
from inferencekey._timeouts import milliseconds

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class RetryPolicy(Record):
    """How often and how long a client tries again, where a repeat is safe (wire.md 5.5).

    RetryPolicy(5)                # up to five repeats
    RetryPolicy(longest_pause=2)  # pauses of at most two seconds
    RetryPolicy(0)                # each request once, like retries=0
    """

    __slots__ = ("_budget", "_first_pause", "_longest_pause", "_longest_pushback", "_retries")
    __match_args__ = ("retries", "first_pause", "longest_pause", "longest_pushback", "budget")

    def __init__(
        self,
        retries: int = 2,
        *,
        first_pause: float = 0.5,
        longest_pause: float = 8.0,
        longest_pushback: float = 120.0,
        budget: int = 100,
    ) -> None:
        self._retries = retries
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._longest_pushback = longest_pushback
        self._budget = budget

    @property
    def retries(self) -> int:
        """Sends after the first."""
        return self._retries

    @property
    def first_pause(self) -> float:
        """Longest first pause, in seconds: the real one is drawn between a fifth of it and it.

        The next pauses double.
        """
        return self._first_pause

    @property
    def longest_pause(self) -> float:
        """Where the doubling ends, in seconds. What the server asks for may be longer."""
        return self._longest_pause

    @property
    def longest_pushback(self) -> float:
        """Seconds: a `retry-after` beyond this is not waited for, the error comes at once."""
        return self._longest_pushback

    @property
    def budget(self) -> int:
        """Tokens that all calls of the client share, so that a dead server meets no storm.

        A repeat costs 5, one after a timeout 10; each success brings 1 back. Without tokens there
        is no repeat.
        """
        return self._budget


class Retry(Record):
    """A request is about to go out again: what `on_retry` is given."""

    __slots__ = ("_attempts", "_error", "_operation", "_pause", "_reason")
    __match_args__ = ("operation", "attempts", "pause", "error", "reason")

    def __init__(
        self, operation: str, attempts: int, pause: float, error: InferenceKeyError, reason: str
    ) -> None:
        self._operation = operation
        self._attempts = attempts
        self._pause = pause
        self._error = error
        self._reason = reason

    @property
    def operation(self) -> str:
        """`ensure`, `generate_text`, …"""
        return self._operation

    @property
    def attempts(self) -> int:
        """Requests sent for this call up to now."""
        return self._attempts

    @property
    def pause(self) -> float:
        """Seconds until the next one, from the return of the hook."""
        return self._pause

    @property
    def error(self) -> InferenceKeyError:
        """Why: what the call would have raised."""
        return self._error

    @property
    def reason(self) -> str:
        """`retry`, `warming` (of an endpoint), or `reopen` (readiness is asked for again)."""
        return self._reason


def retry_option(retries: int | RetryPolicy | None) -> object:
    """The core's option `retries`."""
    if not isinstance(retries, RetryPolicy):
        return retries
    pauses = ("first_pause", "longest_pause", "longest_pushback")
    return {
        "retries": retries.retries,
        **{
            f"{name}_ms": milliseconds(f"retries.{name}", getattr(retries, name)) for name in pauses
        },
        "budget": retries.budget,
    }


def hook(on_retry: Callable[[Retry], None] | None) -> Callable[[Retry], None] | None:
    """`on_retry`, if it can be called."""
    if on_retry is None or callable(on_retry):
        return on_retry
    kind = type(on_retry).__name__
    raise ValidationError(f"`on_retry` must be a function or None, not {kind}", field="on_retry")


def take(notice: dict[str, Any], on_retry: Callable[[Retry], None] | None) -> None:
    """Logs a notice of the core (docs/c-api.md, "Notices"), and gives a retry to the hook."""
    kind = notice["notice"]
    if kind == "skipped":
        log("debug", "wait_until_ready: an event that says nothing: %r", notice["data"])
    elif kind in ("retry", "warming", "reopen"):
        error, pause = notice["error"], notice["pause_ms"] / 1000
        retry = Retry(error.operation, error.attempts or 0, pause, error, kind)
        # That an endpoint warms up is expected; a failure is not, even where it is overcome.
        level = "info" if kind == "warming" else "warning"
        log(level, "%s; %s in %.2f s (attempts: %d)", error, kind, pause, retry.attempts)
        if on_retry is not None:
            on_retry(retry)


def log(level: str, text: str, *values: object) -> None:
    """One line of the logger `inferencekey`; never shown unless the program set logging up."""
    # A program that has not imported logging listens to nothing.
    logging = sys.modules.get("logging")
    if logging is None:
        return
    logger = logging.getLogger("inferencekey")
    if not logger.handlers:
        # Without any handler logging would print warnings to stderr by itself.
        logger.addHandler(logging.NullHandler())
    getattr(logger, level)(text, *values)
