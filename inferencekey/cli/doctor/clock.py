"""Is the clock of this machine right? The platform's `date` header knows the time.

The SDK itself never depends on it. A wrong clock makes good certificates look expired, and ages and
lifetimes wrong.
"""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from pathlib import Path

from .finding import Finding

LIMIT_SECONDS = 60
PATIENCE_SECONDS = 10


def clock(base_url: str, ca_bundle: Path | None) -> Finding:
    """Compare with the platform's clock, by a request without a token."""
    started = time.time()
    try:
        date = _date(base_url, ca_bundle)
    except (OSError, ValueError) as error:
        return Finding("clock", "skipped", f"the platform did not tell the time ({error})")
    if date is None:
        return Finding("clock", "skipped", "the platform did not tell the time")
    # The header has whole seconds, and was written between the request and its answer.
    ahead = round((started + time.time()) / 2 - date - 0.5)
    if abs(ahead) <= LIMIT_SECONDS:
        return Finding("clock", "ok", "agrees with the platform's")
    words = f"{abs(ahead)} s {'ahead of' if ahead > 0 else 'behind'} the platform's"
    hint = "set the clock of this machine, for example by NTP: certificates depend on it"
    return Finding("clock", "warning", words, hint)


def _date(base_url: str, ca_bundle: Path | None) -> float | None:
    context = ssl.create_default_context(cafile=ca_bundle)
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _Stay())
    try:
        with opener.open(base_url, timeout=PATIENCE_SECONDS) as answer:
            header = answer.headers["date"]
    except urllib.error.HTTPError as answer:
        # Any status has a date.
        with answer:
            header = answer.headers["date"]
    return parsedate_to_datetime(header).timestamp() if header else None


class _Stay(urllib.request.HTTPRedirectHandler):
    """Another host's clock is not asked."""

    def redirect_request(self, *arguments: object) -> None:
        """Follow no redirect: its own answer has a date."""
