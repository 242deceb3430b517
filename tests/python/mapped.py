"""What the double answers to the prompts of a `map`."""

from __future__ import annotations

from typing import Any

from clients import completion
from double import HANG, Connection, Double, Request, answer

LIMITED = answer({"error": {"code": "rate_limited"}}, 429, {"retry-after": "0"})


def asked(request: Request) -> str:
    """The prompt of a request."""
    text: str = request.json()["messages"][0]["content"]
    return text


def echo(request: Request) -> bytes:
    """The prompt as the answer."""
    return answer(completion(asked(request)))


def texts(number: int) -> list[str]:
    """So many prompts."""
    return [f"p{index}" for index in range(number)]


def hang(request: Request) -> Any:
    """No answer to a prompt that asks for none."""
    return [HANG] if asked(request).startswith("hang") else echo(request)


def left(double: Double) -> None:
    """Waits until the double has seen the end of every request that hangs, of which there are."""

    def hanging() -> list[Connection]:
        connections = [one for one in double.journal.connections if one.requests]
        return [one for one in connections if asked(one.requests[-1]).startswith("hang")]

    double.journal.wait_for(lambda journal: bool(hanging()))
    assert all(connection.closed.wait(5) for connection in hanging())
