"""What calls give back. An answer's JSON is parsed when `.raw` is first read."""

from __future__ import annotations

from inferencekey._account import Accounted
from inferencekey._record import Record
from inferencekey._vectors import Vectors

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, SupportsIndex, TypeVar, overload

    from numpy import ndarray

    from inferencekey._account import Timing, Usage
    from inferencekey._plan import Plan

    Text = TypeVar("Text", bound="TextResult")


class EndpointRef(Record):
    """A workload that matches its spec, as `ensure` found or made it.

    `project_slug` is the project in whose path it lives, `workload_slug` the canonical slug
    (wire.md 2.4).
    """

    __slots__ = ("_changed", "_plan", "_project_slug", "_workload_slug")
    __match_args__ = ("project_slug", "workload_slug")
    _plan: Plan | Callable[[], Plan] | None

    def __init__(
        self,
        project_slug: str,
        workload_slug: str,
        plan: Plan | None = None,
        changed: bool = False,
    ) -> None:
        self._project_slug = project_slug
        self._workload_slug = workload_slug
        self._plan = plan
        self._changed = changed

    @classmethod
    def from_answer(cls, answer: dict[str, Any], plan: Callable[[], Plan]) -> EndpointRef:
        """The ref as the core hands it over; the plan is made when it is asked for."""
        made = cls.__new__(cls)
        made._project_slug = answer["project_slug"]
        made._workload_slug = answer["workload_slug"]
        made._changed = answer["changed"]
        made._plan = plan
        return made

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        self._plan = self.plan
        return super().__reduce_ex__(protocol)

    @property
    def project_slug(self) -> str:
        """Project in which the workload lives."""
        return self._project_slug

    @property
    def workload_slug(self) -> str:
        """Canonical slug: what `wait_until_ready`, `delete` and `endpoint` take."""
        return self._workload_slug

    @property
    def plan(self) -> Plan | None:
        """What was to be done. Takes no part in equality, hash and repr."""
        plan = self._plan
        if callable(plan):
            plan = self._plan = plan()
        return plan

    @property
    def changed(self) -> bool:
        """Was something written. Takes no part in equality, hash and repr."""
        return self._changed


class Answer(Record):
    """A record that keeps the server's answer: as bytes until somebody asks for it."""

    __slots__ = ("_raw",)
    _raw: bytes | Callable[[], memoryview] | dict[str, Any]

    @property
    def raw(self) -> dict[str, Any]:
        """The decoded answer, untouched: key order, unknown keys, exact integers."""
        raw = self._raw
        if not isinstance(raw, dict):
            raw = self._raw = _decoded(raw)
        return raw


def _decoded(raw: bytes | Callable[[], memoryview]) -> dict[str, Any]:
    from inferencekey._marshal import decode

    answer: dict[str, Any] = decode(bytes(raw() if callable(raw) else raw))
    return answer


class TextResult(Answer, Accounted):
    """A whole answer of a text model. `model` is "" where the server names none.

    `usage`, `request_id` and `timing` take no part in equality, hash and repr.
    """

    __slots__ = ("_text", "_told")
    __match_args__ = ("text", "model", "finish_reason", "raw")

    def __init__(
        self,
        text: str,
        model: str,
        finish_reason: str | None = None,
        raw: bytes | dict[str, Any] | None = None,
        *,
        usage: Usage | None = None,
        request_id: str | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._text = text
        self._raw = {} if raw is None else raw
        self._told = {
            "model": model,
            "finish_reason": finish_reason,
            "usage": usage,
            "request_id": request_id,
            "timing": timing,
        }

    @classmethod
    def from_answer(cls: type[Text], text: str, told: bytes, raw: bytes) -> Text:
        """The result as the core hands it over: of what it tells, only the text is read yet."""
        made = cls.__new__(cls)
        made._text = text
        made._told = told
        made._raw = raw
        return made

    @property
    def text(self) -> str:
        """The model's text; "" if it gave none, for example only tool calls."""
        return self._text

    @property
    def model(self) -> str:
        """What answered, in the server's words."""
        model: str = self._tells("model")
        return model

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped: `stop`, `length`, `tool_calls`, … or None."""
        reason: str | None = self._tells("finish_reason")
        return reason


class MapResult(TextResult):
    """What `map` gives for a prompt: its whole answer, `prompt` itself, and its `index` from 0."""

    __slots__ = ("_index", "_prompt")
    __match_args__ = ("text", "model", "finish_reason", "raw", "index", "prompt")

    def __init__(
        self,
        text: str,
        model: str,
        finish_reason: str | None = None,
        raw: bytes | dict[str, Any] | None = None,
        *,
        index: int,
        prompt: str | list[Any],
        usage: Usage | None = None,
        request_id: str | None = None,
        timing: Timing | None = None,
    ) -> None:
        super().__init__(
            text, model, finish_reason, raw, usage=usage, request_id=request_id, timing=timing
        )
        self._index = index
        self._prompt = prompt

    def _to(self, index: int, prompt: str | list[Any]) -> MapResult:
        """Itself, as the answer to that prompt."""
        self._index = index
        self._prompt = prompt
        return self

    @property
    def index(self) -> int:
        """The place of the prompt among the prompts, from 0."""
        return self._index

    @property
    def prompt(self) -> str | list[Any]:
        """The prompt as it was given: a text, or a list of messages."""
        return self._prompt


class TextChunk(Answer):
    """A piece of a streamed answer. `text` may be "": roles, usage and tool calls are in `raw`."""

    __slots__ = ("_finish_reason", "_text")
    __match_args__ = ("text", "finish_reason", "raw")

    def __init__(
        self,
        text: str,
        finish_reason: str | None = None,
        raw: bytes | dict[str, Any] | None = None,
    ) -> None:
        self._text = text
        self._finish_reason = finish_reason
        self._raw = {} if raw is None else raw

    @property
    def text(self) -> str:
        """The next characters of the answer."""
        return self._text

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped, on the chunk that says so."""
        return self._finish_reason


class EmbedResult(Answer, Accounted):
    """One embedding for each input, in the order of the inputs.

    `len(result)` counts them, `result[0]` is one as a list. `numpy.asarray(result)`, `.numpy()`
    and `.view()` read the core's own buffer, without a copy and without making lists.

    `.raw` is put together when it is first read. A result that a process had before it forked
    raises ForkedError for it in the child; its numbers are there.

    `usage`, `request_id` and `timing` take no part in equality, hash and repr.
    """

    __slots__ = ("_embeddings", "_model", "_told")
    __match_args__ = ("embeddings", "model", "raw")

    def __init__(
        self,
        embeddings: list[list[float]] | Vectors,
        model: str,
        raw: bytes | Callable[[], memoryview] | dict[str, Any] | None = None,
        *,
        usage: Usage | None = None,
        request_id: str | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._embeddings = embeddings
        self._model = model
        self._raw = {} if raw is None else raw
        self._told = {"usage": usage, "request_id": request_id, "timing": timing}

    @classmethod
    def from_answer(
        cls, embeddings: Vectors, told: dict[str, Any], raw: bytes | Callable[[], memoryview]
    ) -> EmbedResult:
        """The result as the core hands it over."""
        made = cls(embeddings, told["model"], raw)
        made._told = told
        return made

    def _shown(self, name: str) -> str:
        """The embeddings by their size: thousands of numbers tell a reader nothing."""
        if name != "embeddings":
            return super()._shown(name)
        return f"<{len(self)} x {len(self[0]) if len(self) else 0}>"

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        # What the core has ends with the process, its bytes do not.
        if callable(self._raw):
            self._raw = bytes(self._raw())
        return super().__reduce_ex__(protocol)

    @property
    def embeddings(self) -> list[list[float]]:
        """Rows of finite float64, exact to the last bit; made when first read."""
        embeddings = self._embeddings
        if isinstance(embeddings, Vectors):
            embeddings = self._embeddings = embeddings.rows()
        return embeddings

    def __len__(self) -> int:
        """How many embeddings there are."""
        return len(self._embeddings)

    def __bool__(self) -> bool:
        return True

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, row: int) -> list[float]: ...
        @overload
        def __getitem__(self, row: slice) -> list[list[float]]: ...

    def __getitem__(self, row: int | slice) -> list[float] | list[list[float]]:
        """One embedding, or those of a slice; the others are not made into lists for it."""
        embeddings = self._embeddings
        if not isinstance(embeddings, Vectors):
            return embeddings[row]
        if isinstance(row, slice):
            return [embeddings.row(number) for number in range(len(self))[row]]
        return embeddings.row(row)

    def __iter__(self) -> Iterator[list[float]]:
        return (self[row] for row in range(len(self)))

    def view(self) -> memoryview[float]:
        """A read-only view of float64 with the shape (rows, columns), for whatever reads buffers.

        It shares the core's memory, which stays as long as the view does. Once `.embeddings` has
        been read, it is a copy of those lists.
        """
        embeddings = self._embeddings
        vectors = embeddings if isinstance(embeddings, Vectors) else Vectors.of_rows(embeddings)
        return vectors.view()

    def __buffer__(self, flags: int) -> memoryview[float]:
        """The buffer protocol, from Python 3.12 on: `memoryview(result)` is `result.view()`."""
        return self.view()

    def numpy(self) -> ndarray[Any, Any]:
        """A read-only array of float64 with the shape (rows, columns), over the memory of `view`.

        `.numpy().copy()` is one to write to.

        Raises ConfigurationError where numpy is not installed: it is no dependency.
        """
        try:
            import numpy
        except ImportError:
            from inferencekey._errors import ConfigurationError

            raise ConfigurationError(
                "embed: `.numpy()` needs numpy, which is not installed", hint="pip install numpy"
            ) from None
        array = numpy.asarray(self.view())
        return array if len(self) else array.reshape(0, 0)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> ndarray[Any, Any]:
        """What `numpy.asarray(result)` takes."""
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError("numbers of another dtype are a copy: leave out copy=False")
            return array.astype(dtype)
        return array.copy() if copy else array

    @property
    def model(self) -> str:
        """What answered, in the server's words."""
        return self._model


class ReadinessEvent(Record):
    """One step of a workload on its way to `ready` (wire.md 2.11)."""

    __slots__ = ("_elapsed_ms", "_message", "_phase", "_step")
    __match_args__ = ("phase", "message", "elapsed_ms", "step")

    def __init__(
        self, phase: str, message: str, elapsed_ms: int = 0, step: str | None = None
    ) -> None:
        self._phase = phase
        self._message = message
        self._elapsed_ms = elapsed_ms
        self._step = step

    @classmethod
    def from_answer(cls, event: dict[str, Any]) -> ReadinessEvent:
        """The event as the core hands it over."""
        return cls(event["phase"], event["message"], event["elapsed_ms"], event["step"])

    @property
    def phase(self) -> str:
        """`scheduling`, `provisioning`, `bootstrapping`, `ready`, `error`, or a newer word."""
        return self._phase

    @property
    def message(self) -> str:
        """What the platform says about it; perhaps ""."""
        return self._message

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds since the platform started on it, by the platform's clock."""
        return self._elapsed_ms

    @property
    def step(self) -> str | None:
        """A finer part of the phase, if the platform names one."""
        return self._step


class Partial(Record):
    """What had arrived of a stream that did not become complete."""

    __slots__ = ("_chunks", "_text")
    __match_args__ = ("text", "chunks")

    def __init__(self, text: str, chunks: list[TextChunk] | None = None) -> None:
        self._text = text
        self._chunks = chunks or []

    @property
    def text(self) -> str:
        """All text up to the failure."""
        return self._text

    @property
    def chunks(self) -> list[TextChunk]:
        """The chunks that the stream had given; of each only its text is kept."""
        return self._chunks
