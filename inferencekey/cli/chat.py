"""`inferencekey chat`: talk to a workload's model, in one question or as a conversation."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from inferencekey import Endpoint, InferenceKeyError

from . import options, output
from .failure import failure_of
from .meter import Meter
from .slug import argument
from .written import Written


@click.command("chat", cls=options.Command)
@argument
@click.argument("prompt", required=False)
@click.option("--system", metavar="TEXT", help="How the model shall behave: the first message.")
@click.option("--temperature", type=float, help="Sampling temperature.  [default: the engine's]")
@click.option("--max-tokens", type=int, help="Longest answer.  [default: the engine's]")
@options.as_json
@options.connection
def command(
    slug: str,
    prompt: str | None,
    system: str | None,
    temperature: float | None,
    max_tokens: int | None,
    as_json: bool,
    connection: options.Connection,
) -> None:
    """Ask the model of workload SLUG; its answer is shown as it is written.

    PROMPT is the question; without it, standard input is, or, on a terminal, a conversation
    begins: Ctrl-C stops an answer, Ctrl-D ends the conversation. How fast the answer came is told
    on stderr at its end. The data key is that of INFERENCEKEY_API_KEY.

    \b
    Examples:
      inferencekey chat support-bot "What is a workload?"
      git diff | inferencekey chat reviewer --system "Review this change."
      inferencekey chat support-bot
    """
    with connection.data() as client:
        conversation = Conversation(
            client.endpoint(slug), system, temperature=temperature, max_tokens=max_tokens
        )
        if prompt is None and not as_json and output.interactive():
            _converse(conversation)
            return
        question = sys.stdin.read() if prompt is None else prompt
        if as_json:
            text, meter, model = conversation.ask(question, lambda _: None)
            output.data_json({"text": text, "model": model, **meter.as_json()})
        else:
            _answer(conversation, question)


class Conversation:
    """What was said so far. A question that got no answer is taken back."""

    def __init__(self, endpoint: Endpoint, system: str | None, **sampling: Any) -> None:
        self._endpoint = endpoint
        self._sampling = sampling
        self._messages = [{"role": "system", "content": system}] if system else []

    def ask(self, question: str, show: Callable[[str], None]) -> tuple[str, Meter, str]:
        """Stream one answer through `show`; its text, how fast it came, and the model's name."""
        messages = [*self._messages, {"role": "user", "content": question}]
        meter, texts, model = Meter(), [], ""
        with self._endpoint.generate_text_stream(messages=messages, **self._sampling) as stream:
            for chunk in stream:
                meter.take(chunk)
                model = chunk.raw.get("model") or model
                texts.append(chunk.text)
                show(chunk.text)
        text = "".join(texts)
        self._messages = [*messages, {"role": "assistant", "content": text}]
        return text, meter, model


def _converse(conversation: Conversation) -> None:
    output.say("Ctrl-C stops an answer, Ctrl-D ends the conversation")
    while True:
        try:
            question = input("> ")
        except (EOFError, KeyboardInterrupt):
            output.say("")
            return
        if not question.strip():
            continue
        try:
            _answer(conversation, question)
        except KeyboardInterrupt:
            output.say("\nstopped; the question is taken back")
        except InferenceKeyError as error:
            # One answer that fails is no reason to lose the conversation.
            failure = failure_of(error)
            assert failure is not None, "every error of the SDK has words"
            failure.tell(as_json=False)


def _answer(conversation: Conversation, question: str) -> None:
    shown = Written()
    try:
        _, meter, _ = conversation.ask(question, shown)
    finally:
        shown.end()
    output.say(str(meter))
