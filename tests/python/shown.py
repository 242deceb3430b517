"""What no output may hold: the tokens of `clients`, in any form."""

from __future__ import annotations

import base64
import urllib.parse

from clients import API_KEY, SDK_TOKEN

# What follows the id is secret in every form; so is a part of it.
SECRET = "5ec2e75ec2e7"


def forms(secret: str) -> list[str]:
    """The token raw, URL-encoded, in hexadecimal, and in base64 at each of its three phases."""
    raw = secret.encode()
    # The first and the last character depend on the neighbours.
    phases = [base64.b64encode(b"x" * shift + raw).decode()[4:-4] for shift in range(3)]
    return [secret, urllib.parse.quote(secret, safe=""), raw.hex(), *phases]


def shows_a_secret(text: str) -> bool:
    """Does the text hold a part of a token that no output may hold."""
    encoded = [form for token in (SDK_TOKEN, API_KEY) for form in forms(token)]
    return SECRET in text or any(form in text for form in encoded)


def check(*texts: str) -> None:
    """Fail, without repeating it, if one of them does."""
    if any(map(shows_a_secret, texts)):
        raise AssertionError("a token stands in the output") from None
