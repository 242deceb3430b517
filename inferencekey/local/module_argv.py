"""How this package runs one of its own modules in a process of its own."""

from __future__ import annotations

import sys

# What `-P` leaves out, for a Python that does not know it: with `-c`, the first entry of the path
# stands for the current directory, unless PYTHONSAFEPATH's like has removed it already.
_WITHOUT_CWD = (
    "import sys; sys.path[:1] = filter(None, sys.path[:1]); "
    "import runpy; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
)


def module_argv(module: str) -> list[str]:
    """The command line of `python -m module`, but without the current directory on the path.

    The user's directory may hold a `random.py` or `types.py` that is not meant for us."""
    if sys.version_info >= (3, 11):
        return [sys.executable, "-P", "-m", module]
    return _by_code(module)


def _by_code(module: str) -> list[str]:
    return [sys.executable, "-c", _WITHOUT_CWD.format(module=module)]
