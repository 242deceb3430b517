"""Embeddings in parts, as base64, and as arrays (wire.md 3.3, issue 5)."""

from __future__ import annotations

import base64
import copy
import gc
import json
import pickle
import struct
import sys
import threading
from typing import Any

import numpy
import pytest
from child import run
from clients import endpoint
from double import HANG, Double, Request, Until, answer

from inferencekey import ConfigurationError, EmbedResult, ProtocolError, ValidationError

PEAK = """
import numpy

def most():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

bot = DataClient(base_url=ARGS[0], project="acme", api_key=API_KEY).endpoint("bot")
bot.embed(input="a").numpy()
before = most()
result = bot.embed(input=["a"] * 512, batch_size=int(ARGS[1]), concurrency=1)
assert result.numpy().shape == (512, 1536)
print(most() - before)
"""

FORKED = """
from inferencekey import ForkedError

bot = DataClient(base_url=ARGS[0], project="acme", api_key=API_KEY).endpoint("bot")
result = bot.embed(input="1")
child = os.fork()
if child == 0:
    assert result.embeddings == [[1.0, 0.5]]
    try:
        result.raw
    except ForkedError as error:
        os._exit(7 if "before the fork" in str(error) else 1)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
print("parent", len(result.raw["data"]))
"""

TEXTS = [str(number) for number in range(10)]


def embedded(request: Request, **more: object) -> dict[str, Any]:
    """An answer whose rows tell their input."""
    texts = request.json()["input"]
    rows = [{"index": at, "embedding": [float(text), 0.5]} for at, text in enumerate(texts)]
    usage = {"prompt_tokens": len(texts), "details": {"cached": 1}, "cost": 0.5}
    return {"object": "list", "model": "m", "data": rows, "usage": usage, **more}


def test_input_is_cut_into_parts_and_put_together_in_order() -> None:
    """Whatever the order of the answers, row n belongs to input n."""
    last_asked = threading.Event()

    def respond(request: Request) -> Any:
        if request.json()["input"][0] == "0":
            return [Until(last_asked), answer(embedded(request))]
        if request.json()["input"][0] == "9":
            last_asked.set()
        return answer(embedded(request))

    with Double(respond) as double:
        result = endpoint(double).embed(input=TEXTS, batch_size=3)
        sizes = sorted(len(request.json()["input"]) for request in double.journal.requests)
    assert sizes == [1, 3, 3, 3]
    assert result.embeddings == [[float(text), 0.5] for text in TEXTS]
    assert result.model == "m"


def test_raw_of_parts_is_one_answer() -> None:
    """`data` joined with `index` counted on, `usage` summed, the rest as the first part has it."""
    with Double(lambda request: answer(embedded(request))) as double:
        result = endpoint(double).embed(input=TEXTS, batch_size=4)
    assert list(result.raw) == ["object", "model", "data", "usage"]
    assert [row["index"] for row in result.raw["data"]] == list(range(10))
    assert [row["embedding"][0] for row in result.raw["data"]] == list(range(10))
    assert result.raw["usage"] == {"prompt_tokens": 10, "details": {"cached": 3}, "cost": 1.5}


def test_usage_that_one_part_does_not_tell_is_unknown() -> None:
    """A sum of the others would be taken for what the whole cost; `usage` and `raw` agree."""

    def respond(request: Request) -> bytes:
        told = embedded(request)
        if request.json()["input"][0] == "4":
            del told["usage"]
        return answer(told)

    with Double(respond) as double:
        result = endpoint(double).embed(input=TEXTS, batch_size=4)
    assert result.usage is None
    assert result.raw["usage"] is None


@pytest.mark.parametrize("concurrency", [1, 2])
def test_no_more_parts_run_at_once_than_asked_for(concurrency: int) -> None:
    """`concurrency` counts the requests that are on their way."""
    with Double(lambda request: answer(embedded(request))) as double:
        endpoint(double).embed(input=TEXTS, batch_size=1, concurrency=concurrency)
        assert len(double.journal.requests) == 10
        assert len(double.journal.connections) == concurrency


def test_a_part_is_sent_again_alone() -> None:
    """A 502 of one part repeats that part, and no other."""
    sent: list[str] = []

    def respond(request: Request) -> bytes:
        first = request.json()["input"][0]
        sent.append(first)
        if first == "3" and sent.count("3") == 1:
            return answer(b"", 502)
        return answer(embedded(request))

    with Double(respond) as double:
        result = endpoint(double).embed(input=TEXTS, batch_size=3)
    assert sorted(sent) == ["0", "3", "3", "6", "9"]
    assert len(result) == 10


def test_the_first_part_that_fails_ends_the_call_and_the_others() -> None:
    """The others' connections are closed, not waited for; what had not begun is not sent."""

    other_began = threading.Event()

    def respond(request: Request) -> Any:
        if request.json()["input"][0] == "3":
            refusal = answer({"error": {"code": "too_long", "message": "too long"}}, 400)
            return [Until(other_began), refusal]
        other_began.set()
        return [HANG]

    with Double(respond) as double:
        with pytest.raises(ValidationError, match="too long") as caught:
            endpoint(double).embed(input=TEXTS, batch_size=3, concurrency=2)
        assert caught.value.operation == "embed"
        assert len(double.journal.requests) == 2


def test_parts_of_different_width_are_no_answer() -> None:
    """Rows of one result are equally long."""

    def respond(request: Request) -> bytes:
        texts = request.json()["input"]
        return answer({"data": [{"embedding": [1.0] * (1 + int(text) // 5)} for text in texts]})

    with Double(respond) as double, pytest.raises(ProtocolError, match="another part"):
        endpoint(double).embed(input=TEXTS, batch_size=5)


@pytest.mark.parametrize("name", ["batch_size", "concurrency"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "many", True])
def test_counts_are_whole_numbers_from_1(name: str, value: Any) -> None:
    """Refused by name, and nothing is sent."""
    with Double() as double:
        with pytest.raises(ValidationError, match=name) as caught:
            endpoint(double).embed(input="a", **{name: value})
        assert caught.value.field == name
        assert not double.journal.requests


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_refuses_base64_is_asked_once(status: int) -> None:
    """Then plain numbers are asked for, in later calls of the endpoint too."""

    def respond(request: Request) -> bytes:
        if "encoding_format" in request.json():
            return answer({"error": {"message": "encoding_format is not supported"}}, status)
        return answer(embedded(request))

    with Double(respond) as double:
        bot = endpoint(double)
        for _ in range(2):
            result = bot.embed(input=TEXTS, batch_size=2, encoding_format="base64")
            assert result.numpy()[:, 0].tolist() == list(range(10))
        asked = ["encoding_format" in request.json() for request in double.journal.requests]
    assert asked == [True] + 10 * [False]


def test_a_server_that_answers_with_numbers_is_asked_once() -> None:
    """Its answer counts all the same."""
    with Double(lambda request: answer(embedded(request))) as double:
        bot = endpoint(double)
        for _ in range(2):
            assert len(bot.embed(input=TEXTS, batch_size=5, encoding_format="base64")) == 10
        asked = ["encoding_format" in request.json() for request in double.journal.requests]
    assert asked == [True, False, False, False]


def test_another_refusal_is_no_fallback() -> None:
    """A 400 about the input is the call's error."""
    with Double(answer({"error": {"message": "input too long"}}, 400)) as double:
        with pytest.raises(ValidationError, match="too long"):
            endpoint(double).embed(input="a", encoding_format="base64")
        assert len(double.journal.requests) == 1


def test_base64_is_float32_exactly() -> None:
    """Each float32 becomes the float64 of the same value."""
    numbers = [1.0, -2.5, struct.unpack("<f", struct.pack("<f", 0.1))[0], -0.0]
    text = base64.b64encode(struct.pack("<4f", *numbers)).decode()
    with Double(answer({"data": [{"index": 0, "embedding": text}]})) as double:
        result = endpoint(double).embed(input="a", encoding_format="base64")
        assert double.journal.requests[0].json()["encoding_format"] == "base64"
    assert struct.pack("4d", *result[0]) == struct.pack("4d", *numbers)


def result_of(rows: list[list[float]]) -> EmbedResult:
    """A result that came through the core."""
    with Double(answer({"data": [{"embedding": row} for row in rows]})) as double:
        return endpoint(double).embed(input=["a"] * len(rows))


def test_arrays_share_the_cores_memory_and_outlive_the_result() -> None:
    """No copy; the memory stays as long as a view of it does."""
    rows = [[0.1, -0.0, 5e-324], [1.0, 2.0, 3.0]]
    result = result_of(rows)
    array, view = result.numpy(), result.view()
    assert (view.shape, view.format, view.readonly) == ((2, 3), "d", True)
    assert not array.flags.owndata
    assert numpy.shares_memory(array, numpy.asarray(result))
    assert numpy.shares_memory(array, numpy.asarray(view))
    del result, view
    gc.collect()
    assert array.tobytes() == struct.pack("6d", *rows[0], *rows[1])


def test_rows_are_read_without_making_all() -> None:
    """`len`, `[n]` and iteration read the buffer."""
    rows = [[1.0, 2.0], [3.0, 4.0]]
    result = result_of(rows)
    assert (len(result), result[1], result[-2], list(result)) == (2, rows[1], rows[0], rows)
    assert (result[:1], result[::-1], result[5:]) == (rows[:1], rows[::-1], [])
    with pytest.raises(IndexError):
        result[2]
    assert result.embeddings is result.embeddings
    assert result[0] is result.embeddings[0]
    assert result.numpy().tolist() == rows


def test_a_result_with_arrays_pickles_and_copies() -> None:
    """Before and after its lists are made."""
    result = result_of([[1.0, 2.0], [3.0, 4.0]])
    for twin in (pickle.loads(pickle.dumps(result)), copy.copy(result), copy.deepcopy(result)):
        assert twin.numpy().tolist() == [[1.0, 2.0], [3.0, 4.0]]
        assert twin == result
        assert twin.timing == result.timing is not None
    assert pickle.loads(pickle.dumps(result)) == result


def test_numpy_takes_a_dtype_and_a_copy() -> None:
    """`numpy.asarray(result, dtype)`, `numpy.array(result)`."""
    result = EmbedResult([[1.0, 2.0]], "m")
    assert numpy.asarray(result, dtype="float32").dtype == "float32"
    own = numpy.array(result)
    own[0, 0] = 7
    assert result.numpy().tolist() == [[1.0, 2.0]]
    assert EmbedResult([], "m").numpy().shape == (0, 0)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ came with Python 3.12")
def test_a_result_is_a_buffer() -> None:
    """`memoryview(result)`."""
    shown: Any = result_of([[1.0, 2.0]])
    assert memoryview(shown).shape == (1, 2)


def test_without_numpy_a_clear_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists and views work all the same."""
    monkeypatch.setitem(sys.modules, "numpy", None)
    result = result_of([[1.0, 2.0]])
    with pytest.raises(ConfigurationError, match="numpy") as caught:
        result.numpy()
    assert caught.value.hint == "pip install numpy"
    assert result.embeddings == [[1.0, 2.0]]
    assert result.view()[0, 1] == 2.0


def long_answer(request: Request, row: bytes) -> bytes:
    """This embedding for each input, in an answer that arrives in pieces."""
    texts = request.json()["input"]
    return answer(b'{"data":[' + b",".join([b'{"embedding":%b}' % row] * len(texts)) + b"]}")


ROW = b"[%b]" % b",".join([b"0.0123456789"] * 1536)
FLOATS = struct.pack("<1536f", *(number / 7 for number in range(1536)))
BASE64_ROW = b'"%b"' % base64.b64encode(FLOATS)


@pytest.mark.parametrize(
    ("row", "kept"),
    [pytest.param(ROW, len(ROW) // 2, id="json"), pytest.param(BASE64_ROW, 1536 * 4, id="base64")],
)
@pytest.mark.parametrize("parts", [1, 4])
def test_an_array_costs_its_numbers_and_a_part_of_the_answer(
    parts: int, row: bytes, kept: int
) -> None:
    """No list, no second copy of either: what is left over is a part that is being read."""
    with Double(lambda request: long_answer(request, row)) as double:
        status, out, err = run(PEAK, double.url, str(512 // parts))
    assert status == 0, err
    kept_kib = 512 * (kept + 1536 * 8) // 1024
    # Of parts, some numbers are there a second time while they are put together: the allocator may
    # keep what is freed.
    assert int(out) < kept_kib * (1.1 if parts == 1 else 1.6)


@pytest.mark.parametrize(
    "numbers",
    [
        "-0.25,0.1,3,0,-0,1.5e-9,9007199254740993,12345678901234567890,0.30000000000000004",
        " 1.0 ,\n\t2.5E+3,\r\n 1e22, 1E-400 ",
    ],
)
@pytest.mark.parametrize("parts", [1, 4])
def test_raw_is_what_arrived_however_it_is_kept(numbers: str, parts: int) -> None:
    """Integers stay integers and long, numbers are those that Python reads, whatever the spaces."""
    row = ",".join([numbers] * 50)
    with Double(lambda request: long_answer(request, f"[{row}]".encode())) as double:
        result = endpoint(double).embed(input=["a"] * 200, batch_size=200 // parts)
    expected = json.loads(f"[{row}]")
    assert result.embeddings == [[float(number) for number in expected]] * 200
    copied = pickle.loads(pickle.dumps(result))
    for one in (result, copied):
        rows = [item["embedding"] for item in one.raw["data"]]
        assert rows == [expected] * 200
        assert list(map(type, rows[0])) == list(map(type, expected))


@pytest.mark.parametrize("parts", [1, 4])
def test_base64_that_arrives_in_pieces_is_whole_in_numbers_and_in_raw(parts: int) -> None:
    """The numbers are read while they arrive, and `raw` has the letters that came."""
    with Double(lambda request: long_answer(request, BASE64_ROW)) as double:
        result = endpoint(double).embed(input=["a"] * 40, batch_size=40 // parts)
    assert result.embeddings == [list(struct.unpack("<1536f", FLOATS))] * 40
    assert result.raw == {"data": [{"embedding": BASE64_ROW[1:-1].decode()}] * 40}


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ('"AACAP"', "`data[1].embedding` is not base64"),
        ('"AACAPx=="', "`data[1].embedding` is not base64"),
        ('"AACAPwA="', "`data[1].embedding` is not a whole number of float32"),
        ('"AADAfw=="', "`data[1].embedding` holds NaN"),
        ('"AACAPw=="', "`data[1].embedding` has 1 numbers, the first has 1536"),
        ('""', "`data[1].embedding` has no numbers"),
        ("[1]", "`data[1].embedding` has 1 numbers, the first has 1536"),
    ],
)
def test_base64_that_is_wrong_is_told_wherever_it_arrives(odd: str, words: str) -> None:
    """Also behind rows that have been read before the whole answer is here."""
    good = b'{"embedding":%b}' % BASE64_ROW
    rows = [good, b'{"embedding":%b}' % odd.encode(), *[good] * 38]
    with (
        Double(lambda request: answer(b'{"data":[%b]}' % b",".join(rows))) as double,
        pytest.raises(ProtocolError) as caught,
    ):
        endpoint(double, retries=0).embed(input=["a"] * 40, encoding_format="base64")
    assert words in str(caught.value)


def test_raw_of_embeddings_is_read_before_a_fork() -> None:
    """A child has the numbers; what the core has not put together yet is its parent's alone."""
    with Double(lambda request: answer(embedded(request))) as double:
        status, out, err = run(FORKED, double.url)
    assert (status, out) == (0, "parent 1\n"), err
