"""Many prompts at once: which may be drawn, what is on its way, whose turn it is.

Nothing here sends or waits, so that the blocking and the async map go by the same rules.
"""

from __future__ import annotations

from inferencekey import _ffi, _marshal
from inferencekey._chat import text_result
from inferencekey._errors import (
    Cancelled,
    ForkedError,
    InferenceKeyError,
    InternalError,
    ValidationError,
    client_closed,
)
from inferencekey._results import MapResult

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, NoReturn

    from inferencekey._client import Bound

    Prompt = str | list[Any]

# Each is a connection, and processes have 1,024 descriptors unless they ask for more.
MOST_AT_ONCE = 1000


class Window:
    """The prompts of one map, from when they are drawn until their items are given.

    Who holds it draws a prompt only while it `has_room`, has it `take` it and sends its `request`,
    tells it every event (`settle`), and gives on what comes `next`, until it `is_over`.
    """

    __slots__ = (
        "_arrived",
        "_concurrency",
        "_drawn",
        "_dropped",
        "_failure",
        "_forks",
        "_given",
        "_is_client_closed",
        "_is_drawn_out",
        "_is_ordered",
        "_options",
        "_raises",
        "_sent",
    )

    def __init__(
        self, options: _marshal.Request, concurrency: int, ordered: bool, on_error: str
    ) -> None:
        """options: of every request, checked. Raises ValidationError for one of the others."""
        if not isinstance(concurrency, int) or isinstance(concurrency, bool):
            _refuse("concurrency", "a whole number", concurrency)
        if not 1 <= concurrency <= MOST_AT_ONCE:
            _refuse("concurrency", f"from 1 to {MOST_AT_ONCE}", concurrency)
        if not isinstance(ordered, bool):
            _refuse("ordered", "True or False", ordered)
        if on_error not in ("raise", "return"):
            _refuse("on_error", '"raise" or "return"', on_error)
        self._options = options
        self._concurrency = concurrency
        self._is_ordered = ordered
        self._raises = on_error == "raise"
        self._drawn = self._given = 0
        self._dropped: set[int] = set()
        self._sent: dict[int, Prompt] = {}
        # Items in the order of their arrival, by the index of their prompt.
        self._arrived: dict[int, MapResult | InferenceKeyError] = {}
        self._is_client_closed = False
        self._is_drawn_out = False
        self._failure: Exception | None = None
        self._forks: int | None = None

    def refuse_forked(self) -> None:
        """Raises ForkedError where the map was begun in another process."""
        if self._forks is None:
            self._forks = _ffi.forks
        if self._forks != _ffi.forks:
            raise ForkedError(
                "map: it was begun before the fork of this process",
                operation="map",
                hint="call map in the process that iterates over it",
            )

    @property
    def has_room(self) -> bool:
        """May another prompt be drawn?"""
        waiting = len(self._sent) + len(self._arrived)
        return not self._is_drawn_out and waiting < self._concurrency

    @property
    def is_over(self) -> bool:
        """Is nothing left to draw, to wait for, or to give?"""
        return self._is_drawn_out and not self._sent and not self._arrived

    def take(self, prompt: Prompt) -> int:
        """A drawn prompt's index, under which it is sent."""
        index, self._drawn = self._drawn, self._drawn + 1
        self._sent[index] = prompt
        return index

    def request(self, index: int) -> _marshal.Encoded:
        """What is sent for it. Raises ValidationError for what is no prompt."""
        prompt = self._sent[index]
        if not isinstance(prompt, (str, list, tuple)):
            _refuse(f"prompts[{index}]", "a text, or a list of messages", prompt)
        key = "prompt" if isinstance(prompt, str) else "messages"
        return _marshal.encode("generate_text", _marshal.Request({**self._options, key: prompt}))

    def end(self, failure: Exception | None = None) -> None:
        """There are no more prompts; failure: what the caller's iterable raised instead of one."""
        self._is_drawn_out = True
        self._failure = failure

    def settle(self, index: int, event: _ffi.Event) -> None:
        """What the core says about a prompt that was sent.

        If a signal handler raises meanwhile, the event comes again: what was sent is forgotten
        last.
        """
        if index not in self._sent:
            # The end of one that is over, or that nobody wants any more.
            return
        if event.kind == _ffi.ERROR:
            error = _ffi.exception(_marshal.decode(event.head))
            # What is still wanted is cancelled by nobody else.
            self._is_client_closed |= isinstance(error, Cancelled)
            self.fail(index, error)
        elif event.kind != _ffi.END:
            result = text_result(event, MapResult)._to(index, self._sent[index])
            self._arrived[index] = result
            del self._sent[index]
        else:
            self.fail(index, InternalError("generate_text: it ended without a result"))

    def fail(self, index: int, error: InferenceKeyError) -> None:
        """The prompt is answered with an error."""
        error.index = index
        error.operation = error.operation or "generate_text"
        error.prompt = self._sent[index]
        self._arrived[index] = error
        if self._raises:
            self._is_drawn_out = True
            never = self._sent.keys() - {index}
            if self._is_ordered:
                never = {sent for sent in never if sent > index}
            self._dropped.update(never)
            for sent in never:
                self._sent.pop(sent)
        del self._sent[index]

    def dropped(self) -> set[int]:
        """The prompts, by index, whose answers nobody waits for any more; each is told once."""
        dropped, self._dropped = self._dropped, set()
        return dropped

    def next(self) -> Any:
        """The item whose turn it is; None if it has not arrived.

        A MapResult, or an InferenceKeyError, which `on_error="raise"` raises. Raises
        ConfigurationError once the client is closed: no prompt would fare better.
        """
        if self._is_client_closed:
            raise client_closed("map")
        turn = self._given if self._is_ordered else next(iter(self._arrived), -1)
        item = self._arrived.pop(turn, None)
        if item is not None:
            self._given += 1
        if self._raises and isinstance(item, InferenceKeyError):
            raise item
        return item

    def finish(self) -> None:
        """After the last item: raises what the caller's iterable raised."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def __repr__(self) -> str:
        return f"given: {self._given}, on their way: {len(self._sent)}"


def opened(
    bound: Bound, options: _marshal.Request, concurrency: int, ordered: bool, on_error: str
) -> Window:
    """The window of a new map. Checks the options of its requests too; sends nothing."""
    window = Window(options, concurrency, ordered, on_error)
    # The core's own rules; the prompt is a stand-in for all of them.
    bound._checked("generate_text", _marshal.Request({**options, "prompt": "?"}))
    return window


def iterated(prompts: Iterable[Prompt]) -> Iterator[Prompt]:
    """The caller's prompts. Raises ValidationError for what is none, or one in place of many."""
    if isinstance(prompts, (str, bytes, dict)):
        _refuse("prompts", "an iterable of prompts; for one, write [prompt]", prompts)
    try:
        return iter(prompts)
    except TypeError:
        _refuse("prompts", "an iterable of texts, or of lists of messages", prompts)


def another_reads(kind: str) -> ValidationError:
    """For the second of two that iterate at the same time."""
    return ValidationError(
        f"map: another {kind} waits for the next item: one {kind} at a time may iterate",
        operation="map",
    )


def _refuse(field: str, expected: str, given: object) -> NoReturn:
    # Text is not shown: it may be anything.
    shown = repr(given) if isinstance(given, (int, float)) else f"of type {type(given).__name__}"
    raise ValidationError(
        f"map: `{field}` must be {expected}; it is {shown}", field=field, operation="map"
    )
