"""Inputs of every kind: refused by name, or sent whole and as valid JSON (faults.md 3.18)."""

from __future__ import annotations

import enum
import hashlib
import math
import threading
from collections import OrderedDict, UserDict, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import child
import pytest
from clients import LIVE, SPEC, completion, data, endpoint, management
from double import BadLine, ControlPlane, Double, Request, answer
from hypothesis import given
from hypothesis import strategies as st

from inferencekey import Endpoint, ValidationError

pytestmark = pytest.mark.usefixtures("nothing_left")


def nested(depth: int) -> list[Any]:
    """That many lists, each in the next."""
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def cyclic() -> list[Any]:
    """A list that holds itself."""
    value: list[Any] = []
    value.append({"again": value})
    return value


@dataclass
class Message:
    """A message as somebody's own class."""

    role: str = "user"
    content: str = "x"


class Text(str):
    """A string of somebody's own class."""

    __slots__ = ()


class Words(str, enum.Enum):
    """Strings with names."""

    HI = "hi"


class Array:
    """What numpy's arrays look like: an iterable that is no list."""

    def __iter__(self) -> Iterator[float]:
        return iter([1.0])

    def tolist(self) -> list[float]:
        """The way out."""
        return [1.0]


USER = {"role": "user", "content": "x"}

# Arguments of `generate_text` beside `prompt="x"`, and the field that is named.
REFUSED_CHATS: list[tuple[str, dict[str, Any], str]] = [
    ("temperature NaN", {"temperature": math.nan}, "temperature"),
    ("temperature infinite", {"temperature": -math.inf}, "temperature"),
    ("temperature true", {"temperature": True}, "temperature"),
    ("temperature text", {"temperature": "1"}, "temperature"),
    ("temperature decimal", {"temperature": Decimal("0.5")}, "temperature"),
    ("temperature fraction", {"temperature": Fraction(1, 2)}, "temperature"),
    ("temperature beyond floats", {"temperature": 10**400}, "temperature"),
    ("temperature beyond digits", {"temperature": 10**5000}, "temperature"),
    ("temperature a list", {"temperature": [1]}, "temperature"),
    ("max_tokens 0", {"max_tokens": 0}, "max_tokens"),
    ("max_tokens negative", {"max_tokens": -1}, "max_tokens"),
    ("max_tokens false", {"max_tokens": False}, "max_tokens"),
    ("max_tokens 1.0", {"max_tokens": 1.0}, "max_tokens"),
    ("max_tokens NaN", {"max_tokens": math.nan}, "max_tokens"),
    ("max_tokens 2^32", {"max_tokens": 2**32}, "max_tokens"),
    ("max_tokens 2^70", {"max_tokens": 2**70}, "max_tokens"),
    ("max_tokens text", {"max_tokens": "5"}, "max_tokens"),
    ("neither", {"prompt": None}, "prompt"),
    ("both", {"messages": [USER]}, "messages"),
    ("prompt empty", {"prompt": ""}, "prompt"),
    ("prompt blank", {"prompt": " \t\r\n\u3000"}, "prompt"),
    ("prompt bytes", {"prompt": b"x"}, "prompt"),
    ("prompt a number", {"prompt": 7}, "prompt"),
    ("prompt a list", {"prompt": ["x"]}, "prompt"),
    ("prompt with a lone surrogate", {"prompt": "a\udc80"}, "prompt"),
    ("no messages", {"prompt": None, "messages": []}, "messages"),
    ("messages a string", {"prompt": None, "messages": "x"}, "messages"),
    ("messages one message", {"prompt": None, "messages": USER}, "messages"),
    ("messages a generator", {"prompt": None, "messages": (m for m in [USER])}, "messages"),
    ("messages a set", {"prompt": None, "messages": {"x"}}, "messages"),
    ("messages cyclic", {"prompt": None, "messages": cyclic()}, "messages[0].again"),
    ("a message is null", {"prompt": None, "messages": [USER, None]}, "messages[1]"),
    ("a message is text", {"prompt": None, "messages": ["x"]}, "messages[0]"),
    ("a message is a dataclass", {"prompt": None, "messages": [Message()]}, "messages[0]"),
    ("a message is a UserDict", {"prompt": None, "messages": [UserDict(USER)]}, "messages[0]"),
    ("a message without a role", {"prompt": None, "messages": [{}]}, "messages[0].role"),
    ("a blank role", {"prompt": None, "messages": [USER | {"role": ""}]}, "messages[0].role"),
    ("blank text", {"prompt": None, "messages": [USER | {"content": " "}]}, "messages[0].content"),
    ("a key that is a number", {"prompt": None, "messages": [{**USER, 1: 2}]}, "messages[0]"),
    ("NaN inside", {"prompt": None, "messages": [USER | {"x": [math.nan]}]}, "messages[0].x[0]"),
    ("a surrogate inside", {"prompt": None, "messages": [USER | {"x": "\ud800"}]}, "messages[0].x"),
    (
        "a surrogate in a key",
        {"prompt": None, "messages": [USER | {"x": {"\ud800": 1}}]},
        "messages[0].x",
    ),
    ("timeout text", {"timeout": "5"}, "timeout"),
    ("timeout NaN", {"timeout": math.nan}, "timeout"),
    ("timeout true", {"timeout": True}, "timeout"),
    ("timeout negative", {"timeout": -1}, "timeout"),
]


@pytest.mark.parametrize("operation", ["generate_text", "generate_text_stream"])
@pytest.mark.parametrize(
    ("arguments", "field"),
    [row[1:] for row in REFUSED_CHATS],
    ids=[row[0] for row in REFUSED_CHATS],
)
def test_a_chat_that_cannot_be_is_refused(
    arguments: dict[str, Any], field: str, operation: str
) -> None:
    """With the field that is wrong, and an empty journal (wire.md 1.4)."""
    with Double() as double:
        check_refused(endpoint(double), operation, {"prompt": "x", **arguments}, field)
        assert double.journal.connections == []


def check_refused(bot: Endpoint, operation: str, arguments: dict[str, Any], field: str) -> None:
    """A ValidationError about `field` that says what to do."""
    with pytest.raises(ValidationError) as caught:
        getattr(bot, operation)(**arguments)
    error = caught.value
    assert (error.field, error.code, error.status) == (field, "invalid_argument", None)
    assert f"`{field}" in str(error) or "role" in field
    assert str(error).isprintable()
    # What is expected stands in the words, or what to do in the hint.
    assert error.hint or "must be" in str(error)


REFUSED_INPUTS: list[tuple[str, Any, str]] = [
    ("nothing", None, "input"),
    ("an empty batch", [], "input"),
    ("an empty tuple", (), "input"),
    ("a number", 7, "input"),
    ("a dict", {"a": "b"}, "input"),
    ("bytes", b"x", "input"),
    ("a generator", (x for x in "ab"), "input"),
    ("a set", {"a"}, "input"),
    ("an array", Array(), "input"),
    ("a view", {"a": 1}.keys(), "input"),
    ("a number inside", ["a", 1], "input[1]"),
    ("None inside", ["a", None], "input[1]"),
    ("a list inside", [["a"]], "input[0]"),
    ("bytes inside", ["a", b"b"], "input[1]"),
    ("a surrogate inside", ["a", "b", "\udfff"], "input[2]"),
]


@pytest.mark.parametrize(
    ("given_input", "field"),
    [row[1:] for row in REFUSED_INPUTS],
    ids=[r[0] for r in REFUSED_INPUTS],
)
def test_a_batch_that_cannot_be_is_refused(given_input: Any, field: str) -> None:
    """An array is not spelt out in silence, a generator not used up (wire.md 1.4)."""
    with Double() as double:
        check_refused(endpoint(double), "embed", {"input": given_input}, field)
        assert double.journal.connections == []


# Fields of a spec, and the path that is named.
REFUSED_SPECS: list[tuple[str, dict[str, Any], str]] = [
    ("NaN", {"config": {"a": [0, math.nan]}}, "config.a[1]"),
    ("infinity", {"execution_policy_config": {"a": math.inf}}, "execution_policy_config.a"),
    ("a number for a key", {"config": {"a": {1: 2}}}, "config.a"),
    ("a tuple for a key", {"config": {(1, 2): 3}}, "config"),
    ("None for a key", {"config": {None: 3}}, "config"),
    ("a cycle", {"config": {"a": cyclic()}}, "config.a[0].again"),
    ("129 levels", {"config": {"a": nested(127)}}, "config.a" + "[0]" * 126),
    ("a hundred thousand levels", {"config": {"a": nested(100_000)}}, "config.a" + "[0]" * 126),
    ("a surrogate", {"name": "a\ud800"}, "name"),
    ("a set", {"config": {"a": {1}}}, "config.a"),
    ("a dataclass", {"config": {"a": Message()}}, "config.a"),
    ("a function", {"config": {"a": len}}, "config.a"),
    ("a list", {"config": [1]}, "config"),
    ("a string", {"config": "{}"}, "config"),
    ("a number", {"command": 7}, "command"),
    ("true", {"worker_id": True}, "worker_id"),
    ("bytes", {"model": b"m"}, "model"),
    ("None", {"name": None}, "name"),
    ("blank", {"model": " "}, "model"),
    ("a blank backend", {"backend": ""}, "backend"),
    ("an unknown task", {"task_type": "chat"}, "task_type"),
    ("an unknown execution policy", {"execution_policy": "manual"}, "execution_policy"),
    ("a slug of nothing", {"slug": "日本"}, "slug"),
    ("a NUL in the slug", {"slug": "a\0b"}, "slug"),
]


@pytest.mark.parametrize("operation", ["ensure", "plan"])
@pytest.mark.parametrize(
    ("fields", "path"), [row[1:] for row in REFUSED_SPECS], ids=[row[0] for row in REFUSED_SPECS]
)
def test_a_spec_that_cannot_be_is_refused(
    fields: dict[str, Any], path: str, operation: str
) -> None:
    """With the path of the place, however deep it is, and an empty journal (wire.md 1.4)."""
    with Double() as double:
        with pytest.raises(ValidationError) as caught:
            getattr(management(double), operation)(replace(SPEC, **fields))
        assert double.journal.connections == []
    error = caught.value
    assert (error.field, error.operation) == (path, operation)
    assert error.hint or "must be" in str(error)
    assert str(error).isprintable()
    assert len(str(error)) <= 2048


def echo(request: Request) -> bytes:
    """Answers with what came in, which has to be strict JSON."""
    body = request.json()
    if request.target.endswith("/embeddings"):
        return answer({"data": [{"embedding": [1.0]}] * len(body["input"]), "echo": body})
    return answer(completion("ok", echo=body))


@contextmanager
def echoing() -> Iterator[Endpoint]:
    """An endpoint whose answers hold the request."""
    with Double(echo) as double:
        yield endpoint(double)


HI = {"role": "user", "content": "hi"}

# Messages that are sent, and as what, if not as they are.
SENT_MESSAGES: list[tuple[str, Any, Any]] = [
    ("a tuple", (USER,), [USER]),
    ("an OrderedDict", [OrderedDict(USER)], [USER]),
    ("a defaultdict", [defaultdict(str, USER)], [USER]),
    ("strings of one's own", [{Text("role"): Text("user"), "content": Words.HI}], [HI]),
    ("NUL, controls, U+2028", [USER | {"content": "\0\x1b\x7f\u2028\u2029\r\n\t"}], None),
    ("outside the first plane", [USER | {"content": "\U0001f600\U0010ffff"}], None),
    ("quotes and backslashes", [USER | {"content": '"\\"/\\u0041'}], None),
    ("parts", [USER | {"content": [{"type": "text", "text": "a"}]}], None),
    ("null", [USER | {"content": None}], None),
    ("an integer of 4000 digits", [USER | {"n": 10**3999}], None),
    ("floats at their ends", [USER | {"n": [5e-324, 1.7976931348623157e308, -0.0]}], None),
    ("a shared list", [USER | {"a": (both := [1]), "b": both}], None),
    ("124 levels", [USER | {"n": nested(124)}], None),
]


@pytest.mark.parametrize(
    ("messages", "expected"), [row[1:] for row in SENT_MESSAGES], ids=[r[0] for r in SENT_MESSAGES]
)
def test_what_json_can_hold_is_sent_as_it_is(messages: Any, expected: Any) -> None:
    """Kin of the JSON types are taken for what they hold; characters and numbers stay exact."""
    with echoing() as bot:
        got = bot.generate_text(messages=messages).raw["echo"]["messages"]
    # repr tells 1 from 1.0 and from True, and 0.0 from -0.0; equality does not.
    assert repr(got) == repr(expected or messages)


def test_any_text_arrives_as_it_is() -> None:
    """The wire is valid JSON for whatever a prompt holds."""
    with echoing() as bot:

        @given(st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip))
        def check(text: str) -> None:
            sent = bot.generate_text(prompt=text).raw["echo"]
            assert sent["messages"] == [{"role": "user", "content": text}]

        check()


def test_a_batch_of_any_sequence_is_sent() -> None:
    """Tuples, strings of one's own, blank strings: all are inputs (wire.md 3.3)."""
    with echoing() as bot:
        for batch in (("a", Text("b")), [Words.HI, ""], ["\0", " "]):
            result = bot.embed(input=batch)  # type: ignore[arg-type]
            assert result.raw["echo"]["input"] == list(batch)
            assert len(result.embeddings) == 2


LARGE = """
import hashlib, resource
from types import SimpleNamespace
url, kind = ARGS
bot = endpoint(SimpleNamespace(url=url))

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

if kind == "prompt":
    unit = 'x"\\u00f1\\u65e5\\n'
    prompt = unit * ((64 << 20) // len(unit.encode()))
    size, digest = len(prompt.encode()), hashlib.sha256(prompt.encode()).hexdigest()
    # What one copy takes was taken above already, and given back.
    before = peak()
    assert bot.generate_text(prompt=prompt).text == digest
else:
    inputs = [f"input {number}" for number in range(100_000)]
    size, digest = 100_000 * 100, hashlib.sha256("\\n".join(inputs).encode()).hexdigest()
    before = peak()
    result = bot.embed(input=inputs, batch_size=100_000)
    assert result.model == digest
    assert [row[0] for row in result.embeddings] == list(map(float, range(100_000)))
print("copies:", (peak() - before) / size)
"""


def hashing(request: Request) -> bytes:
    """Answers with a hash of what came in."""
    body = request.json()
    if request.target.endswith("/embeddings"):
        digest = hashlib.sha256("\n".join(body["input"]).encode()).hexdigest()
        rows = [{"embedding": [number]} for number in range(len(body["input"]))]
        return answer({"model": digest, "data": rows})
    return answer(completion(hashlib.sha256(body["messages"][0]["content"].encode()).hexdigest()))


@pytest.mark.timeout(90)
@pytest.mark.parametrize("kind", ["prompt", "inputs"])
def test_large_inputs_arrive_intact_and_in_few_copies(kind: str) -> None:
    """A prompt of 64 MiB, a batch of 100 000: whole, and at most six times in memory."""
    with Double(hashing) as double:
        status, out, err = child.run(LARGE, double.url, kind, seconds=80)
    assert (status, err) == (0, "")
    assert float(out.removeprefix("copies: ")) < 6


def snapshot_of(call: Callable[[Double], object], change: Callable[[], None]) -> Request:
    """The first request of a call with a body, while a thread changes the caller's own objects."""
    stop = threading.Event()

    def keep_changing() -> None:
        while not stop.is_set():
            change()

    changer = threading.Thread(target=keep_changing)
    changer.start()
    try:
        with Double(echo_or_platform) as double:
            call(double)
            return next(request for request in double.journal.requests if request.body)
    finally:
        stop.set()
        changer.join()


class Meddler(dict[str, int]):
    """A dict that changes what it stands in while it is copied, as another thread may."""

    def __init__(self, meddle: Callable[[], None]) -> None:
        super().__init__(a=1)
        self.meddle = meddle

    def items(self) -> Any:
        """Its items, once the harm is done."""
        self.meddle()
        return super().items()


def test_a_container_that_changes_while_it_is_copied_is_sent_as_it_was() -> None:
    """The same as with threads, at the worst moment each time."""
    config: dict[str, Any] = {"list": []}
    config["list"].append(Meddler(lambda: config["list"].append("late")))
    config["dict"] = Meddler(lambda: config.update(late=1))
    platform = ControlPlane()
    with Double(platform) as double:
        management(double).ensure(replace(SPEC, config=config))
    assert platform.workloads[0]["config"] == {"list": [{"a": 1}], "dict": {"a": 1}}
    assert "late" in config
    assert "late" in config["list"]


def echo_or_platform(request: Request) -> bytes:
    """Both planes."""
    if request.target.startswith("/endpoint"):
        return echo(request)
    return ControlPlane()(request)


def test_a_request_is_one_state_of_what_the_caller_changes_meanwhile() -> None:
    """Neither an exception nor broken JSON: containers are copied in one step each."""
    messages: list[dict[str, Any]] = [dict(USER) for _ in range(50)]
    config: dict[str, Any] = {f"key {number}": [number] for number in range(50)}
    inputs = ["a"] * 50

    def change() -> None:
        messages.append(dict(USER))
        messages[0][f"k{len(messages)}"] = len(messages)
        config[f"more {len(config)}"] = {}
        inputs.append("b")
        if len(messages) > 500:
            del messages[50:], inputs[50:]
            messages[0] = dict(USER)
            for key in list(config)[50:]:
                del config[key]

    chat = snapshot_of(lambda d: endpoint(d).generate_text(messages=messages), change).json()
    assert all(message["role"] == "user" for message in chat["messages"])
    batch = snapshot_of(lambda d: endpoint(d).embed(input=inputs), change).json()
    assert set(batch["input"]) <= {"a", "b"}
    spec = replace(SPEC, config=config)
    made = snapshot_of(lambda d: management(d).ensure(spec), change).json()
    assert [made["config"][f"key {number}"] for number in range(50)] == [[n] for n in range(50)]


def test_each_send_is_the_snapshot_of_the_call() -> None:
    """A spec that changes between two sends of one create changes neither."""
    spec = replace(SPEC, config={"a": [1]})
    line = BadLine(ControlPlane())

    def lose(request: Request) -> Any:
        spec.name = "changed"
        spec.config["a"].append(2)  # type: ignore[index]
        return answer(b"", 503) if request.method == "POST" and len(posts) < 2 else line(request)

    posts: list[Request] = []

    def platform(request: Request) -> Any:
        if request.method == "POST":
            posts.append(request)
        return lose(request)

    with Double(platform) as double:
        management(double).ensure(spec)
    assert len(posts) == 2
    assert posts[0].body == posts[1].body
    assert posts[0].json()["config"] == {"a": [1]}
    assert posts[0].json()["name"] == "Bot"


def test_mutable_defaults_are_not_shared() -> None:
    """What a caller does to a result does not reach the next one."""
    with Double(lambda _: answer([{**LIVE, "config": {"a": [1]}}])) as double:
        mgmt = management(double)
        mgmt.get("bot")["config"]["a"].append(2)
        assert mgmt.get("bot")["config"] == {"a": [1]}
        assert data(double)
