"""A streamed answer."""

from __future__ import annotations

from io import BytesIO
from operator import length_hint

from inferencekey import _ffi, _marshal
from inferencekey._account import Accounted
from inferencekey._closing import Closing
from inferencekey._errors import ApiError, ForkedError, InferenceKeyError, TruncatedWarning
from inferencekey._results import Partial, TextChunk

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn


class Stream(Accounted):
    """What blocking and async streams have in common: all but the way to the next event."""

    __slots__ = (
        "_batch",
        "_closing",
        "_forks",
        "_opening",
        "_texts",
        "_texts_left",
        "_told",
    )

    def _begin(self) -> None:
        self._forks = _ffi.forks
        # Chunks that the core has handed over and the caller has not.
        self._batch: Iterator[TextChunk] = iter(())
        # The texts of all chunks so far, by batch: a long answer's raw bytes would be a multiple
        # of them. And those of the last batch that the caller has not.
        self._texts: list[list[str]] = []
        self._texts_left: Iterator[str] = iter(())
        self._told = {}
        self._opening = b"{}"
        # What the last batch tells about the whole stream.
        self._closing: dict[str, Any] = {}

    def _take_opening(self, event: _ffi.Event | None) -> None:
        if event is not None:
            self._opening = event.head

    def _refuse_forked(self) -> NoReturn:
        raise ForkedError(
            "generate_text_stream: the stream was opened before the fork of this process",
            operation="generate_text_stream",
            hint="open a stream in the process that reads it",
        )

    def _take_batch(self, event: _ffi.Event) -> None:
        head = _marshal.decode(event.head)
        if "timing" in head:
            self._closing = head
        self._texts.append(head["text"])
        self._texts_left = iter(head["text"])
        # Each chunk takes its own piece of the raw bytes. Not a generator, which a second thread
        # would find running.
        pieces = map(BytesIO(event.raw).read, head["raw_length"])
        self._batch = map(TextChunk, self._texts_left, head["finish_reason"], pieces)
        if head.get("warning"):
            import warnings

            # The line that asked for the chunk.
            warnings.warn(head["warning"], TruncatedWarning, stacklevel=3)

    def _given(self) -> list[str]:
        """The texts of the chunks that the caller has got."""
        texts = [text for batch in self._texts for text in batch]
        return texts[: len(texts) - length_hint(self._texts_left)]

    def _add_given(self, error: InferenceKeyError) -> None:
        """Puts the chunks that the caller has got into the error's `.partial`."""
        if isinstance(error, ApiError) and error.partial is not None:
            given = [TextChunk(text) for text in self._given()]
            error.partial = Partial(error.partial.text, given)

    def _end_account(self) -> None:
        """The caller has everything else."""
        self._told = self._closing or self._told

    @property
    def request_id(self) -> str | None:
        """The server's name for this request: what its operators want to know about it."""
        request_id: str | None = _marshal.decode(self._opening).get("request_id")
        return request_id


class TextStream(Stream, Closing):
    """The chunks of one answer, in order; used from any one thread at a time.

    It is open once it is made. What has arrived is taken in one batch, and nothing is read from
    the network before it is asked for. The connection is let go at the end, by `close()`, and
    when the object is dropped.

    `request_id` is known from the beginning, `usage` and `timing` when the iteration has ended by
    itself; until then they are None.
    """

    __slots__ = ("__weakref__", "_operation")

    def __init__(self, operation: _ffi.Operation, opening: _ffi.Event | None) -> None:
        self._operation = operation
        self._begin()
        self._take_opening(opening)

    def __iter__(self) -> TextStream:
        return self

    def __next__(self) -> TextChunk:
        if self._forks != _ffi.forks:
            self._refuse_forked()
        while True:
            for chunk in self._batch:
                return chunk
            # The batch that tells how it ended is the last event.
            event = None if self._closing else self._event()
            if event is None:
                self._end_account()
                self.close()
                raise StopIteration
            self._take_batch(event)

    def _event(self) -> _ffi.Event | None:
        """The next event, waited for; None after the end."""
        try:
            return self._operation.take()
        except InferenceKeyError as error:
            self._add_given(error)
            raise
        except BaseException:
            # Ctrl-C, or what a signal handler raised.
            self.close()
            raise

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a TextStream is neither copied nor pickled: it has one connection")

    def __repr__(self) -> str:
        state = "ended" if self._operation.ended else "open"
        return f"<TextStream {state}, chunks read: {len(self._given())}>"

    def close(self) -> None:
        """End the stream, on the wire too. Never blocks; closing again does nothing."""
        self._batch, self._closing = iter(()), {}
        self._operation.free()
