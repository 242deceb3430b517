"""Tokens on their way to the core."""

from __future__ import annotations

import json

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn


class Secret:
    """Text that repr, vars, pickle, copy and tracebacks with locals do not show.

    It lives in a closure, so that not even a walk over the attributes finds it.
    """

    __slots__ = ("reveal",)
    reveal: Callable[[], bytes]
    """The text, for the one expression that hands it on; never to be kept in a variable."""

    def __init__(self, text: bytes) -> None:
        self.reveal = lambda: text

    def __repr__(self) -> str:
        return "<secret>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a token is neither copied nor pickled")


def token(text: str | None) -> Secret:
    """A token as a JSON value, made before anything can fail with the token in a variable.

    So nothing fails here: what is no text becomes `false` and a lone surrogate becomes U+FFFD,
    and the core refuses both.
    """
    if text is None:
        return Secret(b"null")
    if not isinstance(text, str):
        return Secret(b"false")
    whole = str.__str__(text).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return Secret(json.dumps(whole).encode("ascii"))


def with_token(options: bytes, name: str, value: Secret) -> Secret:
    """The non-empty JSON object `options` with the token under one more key."""
    return Secret(b'%b,"%b":%b}' % (options[:-1], name.encode("ascii"), value.reveal()))
