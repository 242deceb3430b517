"""How values look in a table: short, and `-` where nothing is known."""

from __future__ import annotations

from datetime import datetime, timezone

from inferencekey._plan_lines import dollars

UNKNOWN = "-"
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def age(created_at: object, now: datetime | None = None) -> str:
    """The time since an RFC 3339 instant in its largest whole unit: `3d`, `5h`, `12min`."""
    try:
        # Python 3.10 does not know the Z.
        then = datetime.fromisoformat(str(created_at).replace("Z", "+00:00"))
        seconds = ((now or datetime.now(timezone.utc)) - then).total_seconds()
    except (ValueError, TypeError):
        return UNKNOWN
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    # The clocks of two machines differ.
    return f"{max(int(seconds), 0)}s"


def ceiling(per_hour: float | None) -> str:
    """What something may cost: `$3.50/h`."""
    return UNKNOWN if per_hour is None else dollars(per_hour)


def text(value: object) -> str:
    """A word of the platform's, on one line, with nothing that could steer a terminal."""
    from inferencekey._words import printable

    return printable(str(value)) if value not in (None, "") else UNKNOWN
