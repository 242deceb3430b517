"""The exit codes of every command."""

from __future__ import annotations

OK = 0
ERROR = 1
"""Refused or failed. Wrong usage too: a script must not take it for what 2 and 3 say."""
PENDING = 2
"""`plan`: live and file differ."""
NOT_READY = 3
"""The workload was not ready in time; waiting again is sensible."""
INTERRUPTED = 130
"""Ctrl-C, as shells say it."""
