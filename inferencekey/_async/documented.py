"""One text for what both kinds of client do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Function = TypeVar("Function", bound=Callable[..., Any])


def like(twin: Callable[..., Any]) -> Callable[[Function], Function]:
    """Gives a method the docstring of the blocking client's."""

    def documented(method: Function) -> Function:
        method.__doc__ = twin.__doc__
        return method

    return documented
