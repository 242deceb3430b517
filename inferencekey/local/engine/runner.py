"""The model behind the routes: the only importer of `mistralrs`.

Four rules make mistralrs 0.9 hold under load; each was found by the soak in tests/python/engine:

- A lock around every call that starts a request: its runner is borrowed mutably there, and a second
  thread gets `Already borrowed`.
- Always stream, also for a whole answer: starting takes microseconds, so the lock is never held
  while tokens are made.
- `prefix_cache_n=0`: the prefix cache grows with each new prompt and is not given back.
- An error of a request comes out of the first step of its stream, not out of the call.

Loading holds the interpreter's lock: what arrives meanwhile is answered afterwards.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..models import BUNDLED
from .answers import Usage
from .bodies import ChatRequest
from .errors import BadRequest, CannotLoad, ModelFailed

if TYPE_CHECKING:
    import mistralrs

_MODEL = "default"
"""mistralrs wants a model id in every request; this one means the model that was loaded."""


@dataclass(frozen=True)
class Piece:
    """Some text of an answer. The last piece has both a finish_reason and the usage."""

    text: str
    finish_reason: str | None = None
    usage: Usage | None = None


class Pieces(Protocol):
    """A running generation, read from any one thread at a time. Dropping it stops the model."""

    def next(self) -> Piece | None:
        """The next piece, None at the end. Blocks. Raises BadRequest, ModelFailed."""


class Model(Protocol):
    """What the routes need of a model; each kind refuses the other kind's requests."""

    def generate(self, request: ChatRequest) -> Pieces:
        """Start a generation; returns at once. Raises BadRequest."""

    def embed(self, texts: list[str]) -> tuple[list[list[float]], int]:
        """One row per text, in order, and the number of tokens read. Blocks. Raises BadRequest."""


def load(path: Path, *, temperature: float) -> Model:
    """Load a GGUF file (text) or a folder with safetensors (embeddings).

    temperature: used where a request gives none. Raises CannotLoad."""
    if not path.exists():
        raise CannotLoad(f"there is no model at {path}")
    # Read when the library is first imported: errors without a Rust backtrace, log without chatter.
    os.environ["RUST_BACKTRACE"] = "0"
    os.environ.setdefault("RUST_LOG", "warn")
    if path in {model.path for model in BUNDLED.values()}:
        # Their steps are too short to be shared: threads wait for each other longer than they work.
        os.environ.setdefault("RAYON_NUM_THREADS", "1")
    try:
        import mistralrs
    except ImportError as cause:
        raise CannotLoad(f'{cause}; install it: pip install "inferencekey[local]"') from cause
    try:
        if path.is_dir():
            return _EmbeddingModel(_runner(mistralrs.Which.Embedding(str(path))))
        which = mistralrs.Which.GGUF(str(path.parent), path.name)
        return _TextModel(_runner(which), temperature)
    except (ValueError, RuntimeError) as cause:
        raise CannotLoad(f"mistralrs cannot load {path}: {_first_line(cause)}") from cause


def _runner(which: Any) -> mistralrs.Runner:
    import mistralrs

    return mistralrs.Runner(which=which, prefix_cache_n=0, token_source="none")


class _TextModel:
    def __init__(self, runner: mistralrs.Runner, temperature: float) -> None:
        self._runner = runner
        self._temperature = temperature
        self._starting = threading.Lock()
        self._context = runner.max_sequence_length()

    def generate(self, request: ChatRequest) -> Pieces:
        import mistralrs

        temperature = self._temperature if request.temperature is None else request.temperature
        wish = mistralrs.ChatCompletionRequest(
            messages=request.messages,
            model=_MODEL,
            stream=True,
            temperature=temperature,
            top_p=request.top_p,
            max_tokens=request.max_tokens,
            stop_seqs=request.stop or None,
        )
        try:
            with self._starting:
                chunks = self._runner.send_chat_completion_request(wish)
        except ValueError as cause:
            raise _refused(cause, self._context) from cause
        return _TextPieces(chunks, self._context)

    def embed(self, texts: list[str]) -> tuple[list[list[float]], int]:
        raise BadRequest("this model chats and makes no embeddings", code="wrong_task")


class _TextPieces:
    def __init__(self, chunks: Any, context: int | None) -> None:
        self._chunks = chunks
        self._context = context

    def next(self) -> Piece | None:
        try:
            chunk = next(self._chunks, None)
        except ValueError as cause:
            raise _refused(cause, self._context) from cause
        except RuntimeError as cause:
            raise ModelFailed(_first_line(cause)) from cause
        if chunk is None:
            return None
        choice = chunk.choices[0]
        used = chunk.usage and Usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
        return Piece(choice.delta.content or "", choice.finish_reason, used)


class _EmbeddingModel:
    def __init__(self, runner: mistralrs.Runner) -> None:
        self._runner = runner
        self._starting = threading.Lock()
        self._context = runner.max_sequence_length()

    def generate(self, request: ChatRequest) -> Pieces:
        raise BadRequest("this model makes embeddings and does not chat", code="wrong_task")

    def embed(self, texts: list[str]) -> tuple[list[list[float]], int]:
        import mistralrs

        try:
            with self._starting:
                tokens = sum(len(self._runner.tokenize_text(text, True, None)) for text in texts)
                rows = self._runner.send_embedding_request(mistralrs.EmbeddingRequest(texts))
        except ValueError as cause:
            raise _refused(cause, self._context) from cause
        return rows, tokens


def _refused(cause: ValueError, context: int | None) -> BadRequest:
    if "sequence length is greater" in str(cause):
        message = f"the prompt is longer than this model's context of {context} tokens; shorten it"
        return BadRequest(message, code="context_length_exceeded")
    return BadRequest(_first_line(cause))


def _first_line(cause: BaseException) -> str:
    return str(cause).strip().partition("\n")[0]
