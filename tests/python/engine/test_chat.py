"""Chat completions of a running engine: whole answers, streams, and what is refused."""

from __future__ import annotations

import pytest

from .engine_process import Engine

QUESTION = "What is a workload?"


def test_a_whole_answer_has_the_openai_form(text_engine: Engine) -> None:
    """Text, finish_reason, usage and the served name are where every client looks for them."""
    answer = text_engine.chat(QUESTION, max_tokens=64)
    assert answer.status == 200
    body = answer.json
    assert body["object"] == "chat.completion"
    assert body["model"] == "inferencekey-tiny"
    [choice] = body["choices"]
    assert choice["message"]["role"] == "assistant"
    assert "slug in a project" in choice["message"]["content"]
    assert choice["finish_reason"] == "stop"
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert 0 < usage["completion_tokens"] <= 64


def test_a_stream_gives_the_same_text_in_chunks(text_engine: Engine) -> None:
    """Role first, then text, one finish_reason, `[DONE]`; no usage unless it was asked for."""
    answer = text_engine.chat(QUESTION, stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    choices = [chunk["choices"][0] for chunk in answer.chunks]
    assert choices[0]["delta"] == {"role": "assistant", "content": ""}
    text = "".join(choice["delta"].get("content", "") for choice in choices)
    assert text == text_engine.text(QUESTION)
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["stop"]
    assert len(choices) > 5
    assert len({chunk["id"] for chunk in answer.chunks}) == 1
    assert all(chunk["object"] == "chat.completion.chunk" for chunk in answer.chunks)
    assert not any("usage" in chunk for chunk in answer.chunks)


def test_usage_ends_a_stream_that_asked_for_it(text_engine: Engine) -> None:
    """The usage chunk has no choices and the numbers of the whole answer."""
    asked = {"stream": True, "stream_options": {"include_usage": True}}
    *_, last = text_engine.chat(QUESTION, **asked).chunks
    assert last["choices"] == []
    assert last["usage"] == text_engine.chat(QUESTION).json["usage"]


def test_letters_of_several_bytes_arrive_whole(text_engine: Engine) -> None:
    """A Spanish letter may be two tokens; no chunk holds half of one."""
    answer = text_engine.chat("¿Quién eres?", stream=True)
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in answer.chunks)
    assert "documentación" in text
    assert "\ufffd" not in text


@pytest.mark.parametrize("stream", [False, True])
def test_max_tokens_ends_an_answer_by_length(text_engine: Engine, stream: bool) -> None:
    """`length` tells the caller that the text was cut, in both forms."""
    answer = text_engine.chat(QUESTION, max_tokens=3, stream=stream)
    last = answer.chunks[-1] if stream else answer.json
    assert last["choices"][0]["finish_reason"] == "length"


def test_a_stop_text_ends_an_answer_and_is_left_out(text_engine: Engine) -> None:
    """What comes from the stop text on is not part of the answer."""
    whole = text_engine.text(QUESTION)
    assert " slug" in whole
    answer = text_engine.chat(QUESTION, stop=" slug").json["choices"][0]
    assert answer["finish_reason"] == "stop"
    assert answer["message"]["content"] == whole.partition(" slug")[0]


def test_without_a_temperature_the_same_question_has_the_same_answer(text_engine: Engine) -> None:
    """The default takes the likeliest token, so that demonstrations and tests repeat."""
    answers = {text_engine.text(QUESTION) for _ in range(3)}
    assert answers == {text_engine.text(QUESTION, temperature=0)}


def test_a_temperature_is_obeyed(text_engine: Engine) -> None:
    """At the highest temperature ten answers are not all alike."""
    answers = {text_engine.text(QUESTION, temperature=2, max_tokens=24) for _ in range(10)}
    assert len(answers) > 1


def test_text_parts_and_null_content_are_read(text_engine: Engine) -> None:
    """Parts are joined; an assistant turn without content (tool calls) is an empty one."""
    parts = [{"type": "text", "text": "What is "}, {"type": "text", "text": "a workload?"}]
    assert (
        text_engine.chat([{"role": "user", "content": parts}]).json["choices"]
        == (text_engine.chat(QUESTION).json["choices"])
    )
    turns = [{"role": "assistant", "content": None}, {"role": "user", "content": QUESTION}]
    assert text_engine.chat(turns).status == 200


def _with(**fields: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": "Hola"}], **fields}


REFUSED = [  # name, body, word of the message
    ("not JSON", b"{", "not JSON"),
    ("not UTF-8", b'{"messages":"\xff"}', "not JSON"),
    ("not an object", [], "JSON object"),
    ("no messages", {}, "`messages`"),
    ("empty messages", {"messages": []}, "`messages`"),
    ("a message without a role", {"messages": [{"content": "x"}]}, "`messages[0]`"),
    ("a number as content", {"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
    (
        "an image",
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        "text parts only",
    ),
    ("a negative temperature", _with(temperature=-1), "`temperature`"),
    ("a temperature in words", _with(temperature="warm"), "`temperature`"),
    ("true as temperature", _with(temperature=True), "`temperature`"),
    ("a top_p over one", _with(top_p=1.5), "`top_p`"),
    ("no tokens at all", _with(max_tokens=0), "`max_tokens`"),
    ("more tokens than can be counted", _with(max_tokens=2**64), "`max_tokens`"),
    ("half a token", _with(max_tokens=1.5), "`max_tokens`"),
    ("the newer name of max_tokens", _with(max_completion_tokens=0), "`max_completion_tokens`"),
    ("stream in words", _with(stream="yes"), "`stream`"),
    ("an empty stop", _with(stop=[""]), "`stop`"),
    ("too many stops", _with(stop=["a"] * 5), "`stop`"),
    ("a seed in words", _with(seed="x"), "`seed`"),
    ("several answers", _with(n=2), "`n`"),
    ("tools", _with(tools=[{"type": "function"}]), "`tools`"),
    ("a JSON answer", _with(response_format={"type": "json_object"}), "`response_format`"),
]


@pytest.mark.parametrize(
    ("body", "word"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_a_bad_body_is_refused_by_name(text_engine: Engine, body: object, word: str) -> None:
    """400 in the OpenAI form, with the field in the message."""
    answer = text_engine.send("POST", "/v1/chat/completions", body)
    assert answer.status == 400
    error = answer.json["error"]
    assert word in error["message"]
    assert error["type"] == "invalid_request_error"
    assert error["code"] == "invalid_request"


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_over_the_context_is_refused(text_engine: Engine, stream: bool) -> None:
    """Also for a stream: the model is asked for its first piece before the 200 is sent."""
    answer = text_engine.chat("word " * 2000, stream=stream)
    assert answer.status == 400
    assert answer.json["error"]["code"] == "context_length_exceeded"
    assert "1024 tokens" in answer.json["error"]["message"]


def test_an_answer_ends_at_the_context(text_engine: Engine) -> None:
    """A max_tokens beyond the context is no error: the answer ends before."""
    assert text_engine.chat(QUESTION, max_tokens=100_000).status == 200


def test_embeddings_of_the_text_model_are_refused(text_engine: Engine) -> None:
    """The message says what the model does instead."""
    answer = text_engine.embed("x")
    assert (answer.status, answer.json["error"]["code"]) == (400, "wrong_task")


OTHER_ROUTES = [  # method, path, status
    ("GET", "/", 404),
    ("POST", "/v1/nothing", 404),
    ("GET", "/v1/chat/completions", 405),
]


@pytest.mark.parametrize(("method", "path", "status"), OTHER_ROUTES)
def test_other_routes_are_refused_in_json(
    text_engine: Engine, method: str, path: str, status: int
) -> None:
    """Nothing answers in HTML or plain text."""
    answer = text_engine.send(method, path)
    assert answer.status == status
    assert path in answer.json["error"]["message"]


def test_the_list_of_models_names_the_served_one(text_engine: Engine) -> None:
    """One model, under the name of the answers."""
    [model] = text_engine.send("GET", "/v1/models").json["data"]
    assert model["id"] == "inferencekey-tiny"
