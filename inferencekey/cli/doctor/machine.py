"""What `doctor` can say without a request: versions, and the variables that are set."""

from __future__ import annotations

import difflib
import os
import platform
from importlib import metadata, util

import inferencekey

from .finding import Finding

KNOWN = (
    "INFERENCEKEY_API_KEY",
    "INFERENCEKEY_BASE_URL",
    "INFERENCEKEY_LOG",
    "INFERENCEKEY_PROGRESS",
    "INFERENCEKEY_PROJECT",
    "INFERENCEKEY_SDK_TOKEN",
    "INFERENCEKEY_STATE_DIR",
)
"""Variables that the SDK reads (wire.md 1.1)."""

TRANSPORT = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Those of the transport, which other programs read too."""

EXTRAS = {"cli": "rich", "local": "aiohttp"}
"""Extras of the package, each with a distribution that only it brings."""


def versions() -> Finding:
    """The SDK, its core and its extras; Python and the system."""
    from inferencekey import _ffi

    core = _ffi.version()
    extras = [name for name, package in EXTRAS.items() if util.find_spec(package)]
    words = (
        f"inferencekey {inferencekey.__version__} with {', '.join(extras) or 'no'} extras, "
        f"core {core}, cffi {metadata.version('cffi')}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}"
    )
    if core != inferencekey.__version__:
        hint = "install the package again: its library is of another version"
        return Finding("versions", "warning", words, hint)
    return Finding("versions", "ok", words)


def variables() -> Finding:
    """Which variables are set, by name: their values may be secrets."""
    known = [name for name in KNOWN if os.environ.get(name, "").strip()]
    known += [
        name
        for upper in TRANSPORT
        for name in (upper, upper.lower())
        if os.environ.get(name, "").strip()
    ]
    strange = [n for n in sorted(os.environ) if n.startswith("INFERENCEKEY_") and n not in KNOWN]
    words = ", ".join(known) or "none of the SDK's variables is set"
    if not strange:
        return Finding("environment", "ok", words)
    near = difflib.get_close_matches(strange[0], KNOWN, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"the SDK reads {', '.join(KNOWN)}"
    return Finding("environment", "warning", f"{words}; nobody reads {', '.join(strange)}", hint)
