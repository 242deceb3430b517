"""Redirects (faults.md 3.3, wire.md 2.2): only a GET follows one, and only to the same origin."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from clients import LIVE, SDK_TOKEN, SPEC, endpoint, management
from double import Double, Request, answer

from inferencekey import InferenceKeyError, LimitExceeded, ProtocolError

ROUTE = "/api/projects/acme/workloads"
STATUSES = [301, 302, 303, 307, 308]


def redirect(location: str | None, status: int = 302) -> bytes:
    """A redirect, with a body that nobody needs."""
    headers = {"x-request-id": "r-1", **({} if location is None else {"location": location})}
    return answer(b"moved", status, headers)


def moved_to(location: str, status: int = 302) -> Callable[[Request], bytes]:
    """Redirects the SDK's own route; every other path has the list."""
    here = answer([LIVE])
    return lambda request: redirect(location, status) if request.target.endswith(ROUTE) else here


# What the redirect says, and what is asked then, as seen from /prefix/api/projects/acme/workloads.
FOLLOWED = [
    ("an absolute path", "/prefix/other", "/prefix/other"),
    ("a path outside the base URL's prefix", "/other?x=1", "/other?x=1"),
    ("a relative path", "other", "/prefix/api/projects/acme/other"),
    ("a relative path upwards", "../../x/./y", "/prefix/api/x/y"),
    ("a path with a fragment", "/other#part", "/other"),
    ("a whole URL", "{url}/other", "/other"),
    ("a whole URL in other letters", "HTTP://127.0.0.1:{port}/other", "/other"),
    ("a network path", "//127.0.0.1:{port}/other", "/other"),
    ("an origin alone", "{url}", "/"),
]


@pytest.mark.parametrize(
    ("location", "asked"), [row[1:] for row in FOLLOWED], ids=[row[0] for row in FOLLOWED]
)
def test_a_get_follows_within_its_origin(location: str, asked: str) -> None:
    """With the token, wherever on the same server it leads."""
    target = ""
    with Double(lambda request: moved_to(target)(request)) as double:
        target = location.format(url=double.url, port=double.port)
        mgmt = management(double, base_url=f"{double.url}/prefix")
        assert [workload["slug"] for workload in mgmt.list()] == ["bot"]
        assert [request.target for request in double.journal.requests] == [
            f"/prefix{ROUTE}",
            asked,
        ]
        for request in double.journal.requests:
            assert request.method == "GET"
            assert request.headers["authorization"] == f"Bearer {SDK_TOKEN}"


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_of_a_redirect_is_followed(status: int) -> None:
    """A GET stays a GET under each of them."""
    with Double(moved_to("/other", status)) as double:
        assert len(management(double).list()) == 1


@pytest.mark.parametrize("status", [300, 304, 305, 306])
def test_other_statuses_of_the_kind_are_no_answer(status: int) -> None:
    """Also with a location."""
    with Double(moved_to("/other", status)) as double:
        with pytest.raises(ProtocolError) as caught:
            management(double).list()
        assert len(double.journal.requests) == 1
    assert (caught.value.status, caught.value.attempts) == (status, 1)


WRITES: list[tuple[str, Callable[[Double], object]]] = [
    ("POST", lambda double: endpoint(double).generate_text(prompt="Hi")),
    ("POST", lambda double: list(endpoint(double).generate_text_stream(prompt="Hi"))),
    ("POST", lambda double: endpoint(double).embed(input="Hi")),
    ("POST", lambda double: management(double).ensure(SPEC, project="empty")),
    ("PATCH", lambda double: management(double).ensure(SPEC)),
    ("DELETE", lambda double: management(double).delete("bot")),
]


@pytest.mark.parametrize("status", [300, *STATUSES])
@pytest.mark.parametrize(
    ("method", "call"), WRITES, ids=["chat", "stream", "embed", "create", "patch", "delete"]
)
def test_a_write_follows_no_redirect(
    method: str, call: Callable[[Double], object], status: int
) -> None:
    """It goes out once, never becomes a GET, and the error has the status and the target."""

    def choose(request: Request) -> bytes:
        if request.method != "GET":
            return redirect("https://elsewhere.example/x", status)
        return answer([] if "empty" in request.target else [{**LIVE, "name": "Other"}])

    with Double(choose) as double:
        with pytest.raises(ProtocolError) as caught:
            call(double)
        sent = [request.method for request in double.journal.requests]
        assert [one for one in sent if one != "GET"] == [method]
        assert sent[-1] == method
    error = caught.value
    assert (error.status, error.request_id) == (status, "r-1")
    assert status == 300 or "elsewhere.example" in str(error)
    assert not error.retryable


ELSEWHERE = [
    ("another port", "http://127.0.0.1:{other}/x"),
    ("another port, by a network path", "//127.0.0.1:{other}/x"),
    ("another host", "http://localhost:{port}/x"),
    ("another scheme", "https://127.0.0.1:{port}/x"),
    ("a host beside a user", "http://127.0.0.1:{port}@127.0.0.1:{other}/x"),
    ("a backslash", "\\\\127.0.0.1:{other}/x"),
]


@pytest.mark.parametrize("location", [row[1] for row in ELSEWHERE], ids=[r[0] for r in ELSEWHERE])
def test_nothing_reaches_another_origin(location: str) -> None:
    """Neither the token nor a connection."""
    target = ""
    with Double() as other, Double(lambda _: redirect(target)) as double:
        target = location.format(port=double.port, other=other.port)
        with pytest.raises(ProtocolError) as caught:
            management(double).list()
        assert (other.journal.connections, len(double.journal.requests)) == ([], 1)
    assert (caught.value.status, caught.value.request_id) == (302, "r-1")


def test_the_target_of_a_refused_redirect_is_named() -> None:
    """Its host, so that one sees where the platform has gone."""
    named = r"http://evil\.example, which is not followed"
    with (
        Double(lambda _: redirect("//evil.example/x")) as double,
        pytest.raises(ProtocolError, match=named),
    ):
        management(double).list()


USELESS: list[tuple[str, str | None]] = [
    ("no location", None),
    ("an empty location", ""),
    ("a file", "file:///etc/passwd"),
    ("a scheme alone", "http:"),
    ("user info", "http://hunter:secret-word@127.0.0.1/x"),
    ("user info in a network path", "//hunter:secret-word@127.0.0.1/x"),
    ("an over-long path", "/" + "x" * 9000),
    ("a port that is none", "http://127.0.0.1:99999/x"),
    ("a blank", "/a b"),
    ("a character beyond ASCII", "/\xe9"),
]


@pytest.mark.parametrize("location", [row[1] for row in USELESS], ids=[row[0] for row in USELESS])
def test_a_useless_location_is_an_error(location: str | None) -> None:
    """Bounded, one send, and user info is never repeated."""
    with Double(lambda _: redirect(location)) as double:
        with pytest.raises(ProtocolError) as caught:
            management(double).list()
        assert len(double.journal.requests) == 1
    shown = f"{caught.value} {caught.value!r} {vars(caught.value)}"
    assert "secret-word" not in shown
    assert "hunter" not in shown
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("location", ["?", "workloads", ROUTE, "/a/../" + ROUTE[1:]])
def test_a_loop_ends(location: str) -> None:
    """After three redirects, by a named limit."""
    with Double(lambda _: redirect(location)) as double:
        with pytest.raises(LimitExceeded, match="limit `redirects`") as caught:
            management(double).list()
        assert len(double.journal.requests) == 4
    assert (caught.value.limit, caught.value.status) == ("redirects", 302)


def test_three_redirects_are_followed() -> None:
    """The limit itself is still inside."""
    hops = iter([redirect("/1"), redirect("/2"), redirect("/3"), answer([LIVE])])
    with Double(lambda _: next(hops)) as double:
        assert len(management(double).list()) == 1


def test_a_redirect_echoes_no_token() -> None:
    """A location that holds the token is shown without it."""
    with (
        Double(lambda _: redirect("http://opaque-token-0123.example/x")) as double,
        pytest.raises(InferenceKeyError) as caught,
    ):
        management(double, sdk_token="opaque-token-0123").list()
    assert "opaque" not in f"{caught.value} {caught.value!r} {vars(caught.value)}"
