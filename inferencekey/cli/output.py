"""Where output goes: data to stdout, everything else to stderr (style.md 3.6)."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import click


def prepare() -> None:
    """Let a terminal or file that cannot encode a character show `?` in its place."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def data(text: str) -> None:
    """Write a line, or several, of what was asked for."""
    click.echo(text, color=coloured(sys.stdout))


def data_json(value: Any) -> None:
    """Write one JSON value; readable, and whole under any encoding."""
    click.echo(json_text(value, sys.stdout, indent=2))


def say(text: str) -> None:
    """Write a message beside the data."""
    click.echo(text, err=True, color=coloured(sys.stderr))


def say_json(value: Any) -> None:
    """Write a message as a line of JSON."""
    click.echo(json_text(value, sys.stderr), err=True)


@contextmanager
def warnings_told(*, as_json: bool) -> Iterator[None]:
    """Tell what is warned of inside as a message, not as a line of somebody's source code."""

    def tell(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        if as_json:
            say_json({"warning": {"class": category.__name__, "message": str(message)}})
        else:
            say(f"{click.style('warning:', fg='yellow', bold=True)} {message}")

    with warnings.catch_warnings():
        warnings.showwarning = tell
        yield


def json_text(value: Any, stream: TextIO | None, indent: int | None = None) -> str:
    """The value as JSON that the stream can carry without loss."""
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
    return json.dumps(value, ensure_ascii=encoding != "utf8", indent=indent)


def coloured(stream: TextIO | None) -> bool:
    """Whether the stream gets colours: FORCE_COLOR, NO_COLOR, else whether a terminal shows it."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody sits at the other end; a closed stream has nobody."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def interactive() -> bool:
    """Whether a question would be read and could be answered."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)
