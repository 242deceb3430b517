"""Tokens on their way to the core."""

from __future__ import annotations

import codecs
import os

from inferencekey._errors import ValidationError
from inferencekey._json_in_c import written

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import NoReturn

    from inferencekey._marshal import Encoded

# A codec is a module. Loaded now, it needs no descriptor when a client is made.
codecs.lookup("utf-16-le")

# What any client reads (wire.md 1.1). In a CGI program HTTP_PROXY is the visitor's to set;
# REQUEST_METHOD tells such a program from others.
_TRANSPORT = (b"SSL_CERT_", b"REQUEST_METHOD")


class Secret:
    """Text that repr, vars, pickle and tracebacks with locals do not show.

    It lives in a closure, so that not even a walk over the attributes finds it. It never changes,
    so its copies are itself.
    """

    __slots__ = ("reveal",)
    reveal: Callable[[], bytes]
    """The text, for the one expression that hands it on; never to be kept in a variable."""

    def __init__(self, text: bytes) -> None:
        self.reveal = lambda: text

    def __repr__(self) -> str:
        return "<secret>"

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a token is not pickled: it stays in its process")


class NoText(Secret):
    """What was given as a token and is no text."""

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        super().__init__(b"")
        self.kind = kind


def token(text: str | None) -> Secret:
    """A token as a JSON value, made before anything can fail with the token in a variable.

    So nothing fails here: what is no text is refused where it is used, and a lone surrogate
    becomes U+FFFD, which the core refuses.
    """
    if text is None:
        return Secret(b"null")
    if not isinstance(text, str):
        return NoText(type(text).__name__)
    whole = str.__str__(text).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return Secret(written(whole).encode())


def environment(*own: bytes) -> Secret:
    """The variables that a client may read, as they are now, as a JSON object.

    They may hold tokens, and a proxy's password. Those of the transport, and those whose names
    begin like one of `own`. One that is not UTF-8 is absent.
    """
    taken = {}
    # Another thread may change the environment meanwhile.
    for name in os.environb:
        if name.startswith((*own, *_TRANSPORT)) or name.lower().endswith(b"_proxy"):
            try:
                taken[name.decode()] = os.environb.get(name, b"").decode()
            except UnicodeDecodeError:
                continue
    return Secret(written(taken).encode())


def with_secrets(options: Encoded, secrets: Mapping[str, Secret]) -> Secret:
    """The non-empty JSON object `options` with the secrets under further keys.

    Raises ValidationError for a token that is no text.
    """
    for name, secret in secrets.items():
        if isinstance(secret, NoText):
            raise ValidationError(f"`{name}` must be a string, not {secret.kind}", field=name)
    members = (b',"%b":%b' % (name.encode("ascii"), s.reveal()) for name, s in secrets.items())
    return Secret(options.json[:-1] + b"".join(members) + b"}")
