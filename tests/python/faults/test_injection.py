"""Text that tries to be more than a slug, a project or a token (faults.md 3.16)."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable

import pytest
from clients import API_KEY, LIVE, SDK_TOKEN, SPEC, completion, data, management
from double import Double, Request, answer
from hypothesis import example, given
from hypothesis import strategies as st
from shown import shows_a_secret

from inferencekey import ConfigurationError, DataClient, InferenceKeyError, ManagementClient

NASTY = [
    "../../api", "..", ".", "a/b", "/", "a?b=c", "a#b", "a%2fb", "%2e%2e", "a\\b", "..\\a",
    "a\r\nx: y", "a\0b", "\x7f", " ", "", "\u2028", "日本", "İstanbul", "a;b", "a b", "a+b",
    "%", "@host", "//host/x", "http://host", "\ud800", "a\u202eb", "~", "-", "a" * 5000,
]  # fmt: skip

texts = st.one_of(st.sampled_from(NASTY), st.text(), st.text("./%\\?#a \r\n\0:@", max_size=8))


def respond(request: Request) -> bytes:
    """Good answers of both planes."""
    return answer([LIVE]) if request.method == "GET" else answer(completion("Hi"))


def segments(double: Double) -> list[str] | None:
    """The path of the one request as its decoded segments; None if nothing was sent.

    Each segment has to be encoded exactly once, and the path has to be all of the target.
    """
    requests, double.journal.requests = double.journal.requests, []
    if not requests:
        return None
    (request,) = requests
    assert request.target.startswith("/")
    encoded = request.target[1:].split("/")
    decoded = [urllib.parse.unquote(segment, errors="strict") for segment in encoded]
    assert [urllib.parse.quote(segment, safe="-._~") for segment in decoded] == encoded
    assert not {"", ".", ".."} & {*decoded, *encoded}
    return decoded


def test_any_project_is_one_segment_or_refused() -> None:
    """On both planes, encoded once; the path never has another depth."""
    with Double(respond) as double:

        @given(texts)
        @example("a%2fb")
        @example("a/b")
        def check(project: str) -> None:
            named = project.strip(" \t\r\n")
            for call, around in (
                (lambda: ask(data(double, project=project)), ["endpoint", named, *ASKED]),
                (
                    lambda: management(double, project=None).list(project=project),
                    ["api", "projects", named, "workloads"],
                ),
            ):
                refusal = refused(call)
                sent = segments(double)
                if refusal is None:
                    assert sent == around
                else:
                    assert sent is None
                    assert refusal.field == "project"

        check()


def test_any_slug_is_one_segment_or_refused() -> None:
    """In its canonical form: lower-case letters, digits and hyphens."""
    with Double(respond) as double:

        @given(texts)
        @example("My Bot")
        def check(slug: str) -> None:
            refusal = refused(lambda: ask(data(double), slug))
            sent = segments(double)
            if refusal is not None:
                assert sent is None
                assert refusal.field == "workload_slug"
                return
            assert sent is not None
            canonical = sent[2]
            assert canonical.isascii()
            assert canonical.replace("-", "").isalnum()
            assert sent == ["endpoint", "acme", canonical, *ASKED[1:]]

        check()


ASKED = ["bot", "v1", "chat", "completions"]


def ask(client: DataClient, slug: str = "bot") -> None:
    """One call of the data plane."""
    client.endpoint(slug).generate_text(prompt="Hi")


def refused(call: Callable[[], object]) -> InferenceKeyError | None:
    """How the call was refused; None if it was not."""
    try:
        call()
    except InferenceKeyError as error:
        return error
    return None


@pytest.mark.parametrize("workload", ["a/b", "a?b", "a#b", "a%2fb", "a b", "é", "a\\b", "../x"])
def test_an_id_of_the_servers_is_one_segment(workload: str) -> None:
    """Whatever the platform calls a workload, the write goes to that one."""
    live = {**LIVE, "id": workload}
    with Double(answer([{**live, "name": "Another"}]), answer(live)) as double:
        management(double).ensure(SPEC)
        del double.journal.requests[0]
        assert segments(double) == ["api", "workloads", workload]


@pytest.mark.parametrize("workload", ["..", ".", "a\r\nx: y", "a\0b"])
def test_an_id_of_the_servers_that_is_no_segment_is_refused(workload: str) -> None:
    """Nothing is written on the strength of it."""
    with Double(answer([{**LIVE, "id": workload, "name": "Another"}])) as double:
        refusal = refused(lambda: management(double).ensure(SPEC))
        assert refusal is not None
        assert "`id`" in str(refusal)
        assert [request.method for request in double.journal.requests] == ["GET"]


BAD_TOKENS = [
    ("a header of its own", "{}\r\nx-forwarded-for: 1"),
    ("a line feed", "{}\n{}"),
    ("a tab inside", "ab\t{}"),
    ("NUL", "{}\0"),
    ("an escape", "\x1b[31m{}"),
    ("DEL", "{}\x7f"),
    ("a letter outside ASCII", "{}é"),
    ("a full-width letter", "\uff49k{}"),
    ("a no-break space at its end", "{}\xa0"),
    ("a lone surrogate", "{}\udc80"),
]


@pytest.mark.parametrize("form", [row[1] for row in BAD_TOKENS], ids=[row[0] for row in BAD_TOKENS])
def test_a_token_that_cannot_be_a_header_is_refused_unseen(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an argument, for one endpoint, and out of the environment."""
    bad = form.replace("{}", API_KEY)
    with Double(respond) as double:
        client = data(double)
        makers: list[Callable[[], object]] = [
            lambda: ManagementClient(base_url=double.url, sdk_token=bad, project="acme"),
            lambda: DataClient(base_url=double.url, api_key=bad, project="acme"),
            lambda: client.endpoint("bot", api_key=bad),
        ]
        if "\0" not in bad and "\udc80" not in bad:
            monkeypatch.setenv("INFERENCEKEY_API_KEY", bad)
            makers.append(lambda: DataClient.from_env(base_url=double.url, project="acme"))
        for make in makers:
            with pytest.raises(ConfigurationError) as caught:
                make()
            assert caught.value.code == "invalid_token"
            shown = f"{caught.value!r} {caught.value.hint} {vars(caught.value)}"
            assert not shows_a_secret(shown)
        assert double.journal.connections == []


@pytest.mark.parametrize("around", [" {} ", "\t{}", "{}\r\n", "\n\r\t {} \t\r\n"])
def test_blanks_around_a_token_are_cut(around: str) -> None:
    """A token that was read from a file works."""
    with Double(respond) as double:
        management(double, sdk_token=around.format(SDK_TOKEN)).list()
        data(double, api_key=around.format(API_KEY)).endpoint("x").generate_text(prompt="Hi")
        tokens = [request.headers["authorization"] for request in double.journal.requests]
    assert tokens == [f"Bearer {SDK_TOKEN}", f"Bearer {API_KEY}"]


@pytest.mark.parametrize(
    "host", ["10.255.255.1", "example.com", "[2001:db8::1]", "127.0.0.1.nip.io"]
)
def test_a_token_does_not_go_over_plain_http_unless_that_is_allowed(host: str) -> None:
    """Only loopback is exempt; nothing is connected to before that is settled."""
    for allow_http in (False, True):
        options = {"base_url": f"http://{host}:9", "project": "acme", "allow_http": allow_http}
        if allow_http:
            ManagementClient(sdk_token=SDK_TOKEN, **options)  # type: ignore[arg-type]
            continue
        with pytest.raises(ConfigurationError) as caught:
            ManagementClient(sdk_token=SDK_TOKEN, **options)  # type: ignore[arg-type]
        assert caught.value.code == "insecure_base_url"
        assert caught.value.hint
        assert "allow_http" in caught.value.hint
