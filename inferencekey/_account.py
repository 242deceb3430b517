"""What an answer tells beside its content: usage, the request's id, and how long it took."""

from __future__ import annotations

from inferencekey._record import Record

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Usage(Record):
    """Tokens as the server counted them; None for what it does not tell, nothing is made up."""

    __slots__ = ("_input_tokens", "_output_tokens", "_total_tokens")
    __match_args__ = ("input_tokens", "output_tokens", "total_tokens")

    def __init__(
        self,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        total_tokens: int | None = None,
    ) -> None:
        self._input_tokens = input_tokens
        self._output_tokens = output_tokens
        self._total_tokens = total_tokens

    @classmethod
    def from_answer(cls, usage: dict[str, Any]) -> Usage:
        """The usage as the core hands it over."""
        return cls(usage["input_tokens"], usage["output_tokens"], usage["total_tokens"])

    @property
    def input_tokens(self) -> int | None:
        """Of the prompt or the texts: `prompt_tokens` on the wire."""
        return self._input_tokens

    @property
    def output_tokens(self) -> int | None:
        """Of the answer: `completion_tokens` on the wire."""
        return self._output_tokens

    @property
    def total_tokens(self) -> int | None:
        """Of both, as the server adds them up."""
        return self._total_tokens


class Timing(Record):
    """How long an answer took, in seconds from the start of the call, on a monotonic clock.

    Connecting, retries and their pauses count, and so does the time that the caller of a stream
    takes between two chunks.
    """

    __slots__ = ("_first_token", "_tokens_per_second", "_total")
    __match_args__ = ("first_token", "total", "tokens_per_second")

    def __init__(
        self, first_token: float | None, total: float, tokens_per_second: float | None = None
    ) -> None:
        self._first_token = first_token
        self._total = total
        self._tokens_per_second = tokens_per_second

    @classmethod
    def from_answer(cls, timing: dict[str, Any]) -> Timing:
        """The times as the core hands them over."""
        first = timing["first_token_us"]
        return cls(
            None if first is None else first / 1e6,
            timing["total_us"] / 1e6,
            timing["tokens_per_second"],
        )

    @property
    def first_token(self) -> float | None:
        """To the first content of a stream; None for other answers, and without any content."""
        return self._first_token

    @property
    def total(self) -> float:
        """To the last byte of the answer."""
        return self._total

    @property
    def tokens_per_second(self) -> float | None:
        """`usage.output_tokens` over `total`; None where the server does not count them."""
        return self._tokens_per_second


class Accounted:
    """Usage, request id and timing, made when they are read; nothing of it is compared."""

    __slots__ = ()
    # What the core tells beside the content: JSON until some of it is read.
    _told: bytes | dict[str, Any]

    def _tells(self, name: str) -> Any:
        told = self._told
        if isinstance(told, bytes):
            from inferencekey._marshal import decode

            told = decode(told)
            self._told = told  # type: ignore[misc]  # Two bases cannot both bring a slot.
        return told.get(name)

    @property
    def usage(self) -> Usage | None:
        """What the server counted; None if it tells nothing."""
        usage: Usage | dict[str, Any] | None = self._tells("usage")
        return Usage.from_answer(usage) if isinstance(usage, dict) else usage

    @property
    def request_id(self) -> str | None:
        """The server's name for this request: what its operators want to know about it."""
        request_id: str | None = self._tells("request_id")
        return request_id

    @property
    def timing(self) -> Timing | None:
        """How long it took; None for a result that no call made."""
        timing: Timing | dict[str, Any] | None = self._tells("timing")
        return Timing.from_answer(timing) if isinstance(timing, dict) else timing
