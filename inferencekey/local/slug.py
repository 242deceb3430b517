"""Slugs as the platform makes them (wire.md 2.4): canonical form, then `-1`, `-2`… for a taken
one."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

_REFUSED_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f\\?#%]")


def canonical(text: str) -> str:
    """The canonical slug of `text`.

    Raises ValueError with the reason where the text is refused or nothing is left of it."""
    trimmed = text.strip()
    refused = _REFUSED_CHARACTER.search(trimmed)
    if refused:
        raise ValueError(f"may not contain {refused.group()!r}")
    if any(part in (".", "..") for part in trimmed.split("/")):
        raise ValueError("may not contain the path part `.` or `..`")
    parts = re.split(r"[^A-Za-z0-9]+", trimmed)
    slug = "-".join(part for part in parts if part).lower()
    if not slug:
        raise ValueError("needs at least one letter or digit of a-z, A-Z, 0-9")
    return slug


def is_slug(text: str) -> bool:
    """Whether `text` is a slug already: projects are not canonicalised (wire.md 2.3)."""
    try:
        return canonical(text) == text
    except ValueError:
        return False


def free_slug(wanted: str, taken: Callable[[str], bool]) -> str:
    """`wanted`, or the first of `wanted-1`, `wanted-2`… that is not taken."""
    if not taken(wanted):
        return wanted
    return next(slug for n in itertools.count(1) if not taken(slug := f"{wanted}-{n}"))
