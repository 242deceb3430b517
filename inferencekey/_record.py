"""The base of the values that the SDK gives back."""

from __future__ import annotations

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import Field
    from typing import Any, ClassVar, SupportsIndex


class _DataclassFields:
    """`dataclasses.fields`, `asdict` and `replace` of a record.

    The dataclasses module costs more time to import than a whole call, so records are plain
    classes, and become dataclasses when that module asks.
    """

    def __get__(self, record: Record | None, owner: type[Record]) -> dict[str, Any]:
        import dataclasses
        import inspect

        described: list[tuple[str, Any, Any]] = []
        for parameter in inspect.signature(owner).parameters.values():
            compared = parameter.name in owner.__match_args__
            shown = compared and parameter.name != "raw"
            keyword = parameter.kind is parameter.KEYWORD_ONLY
            options: dict[str, Any] = {"compare": compared, "repr": shown, "kw_only": keyword}
            if parameter.name == "raw":
                options["default_factory"] = dict
            elif parameter.default is not inspect.Parameter.empty:
                options["default"] = parameter.default
            described.append((parameter.name, parameter.annotation, dataclasses.field(**options)))
        made = dataclasses.make_dataclass(owner.__name__, described, frozen=True)
        return {field.name: field for field in dataclasses.fields(made)}


class Record:
    """A value that never changes: public properties over slots of the same name with an underscore.

    It compares, hashes and prints by the fields in `__match_args__`, and pickles and copies. `raw`
    is not printed: it would say everything a second time.
    """

    __slots__ = ()
    __match_args__: tuple[str, ...] = ()
    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    else:
        __dataclass_fields__ = _DataclassFields()

    def __init_subclass__(cls) -> None:
        # Of its own, and of bases that are no records.
        for owner in (cls, *cls.__bases__):
            for name, value in list(vars(owner).items()):
                if isinstance(value, property):
                    setattr(cls, name, value.setter(_refuse))

    def _values(self) -> list[object]:
        return [getattr(self, name) for name in type(self).__match_args__]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        # Lists and dicts have no hash; equal records have equal other fields.
        return hash(tuple(v for v in self._values() if not isinstance(v, (dict, list))))

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        # The protocols 0 and 1 know nothing of slots; what 2 makes of them, they can carry.
        return super().__reduce_ex__(max(2, int(protocol)))

    def __repr__(self) -> str:
        named = [
            f"{name}={self._shown(name)}" for name in type(self).__match_args__ if name != "raw"
        ]
        return f"{type(self).__name__}({', '.join(named)})"

    def _shown(self, name: str) -> str:
        """A field in the repr."""
        return repr(getattr(self, name))


def _refuse(record: Record, value: object) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"a {type(record).__name__} never changes: make a new one")
