"""Embeddings as the core hands them over: numbers in one buffer."""

from __future__ import annotations

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Vectors:
    """Rows of float64 in one buffer: bytes, or a view that keeps the core's memory alive."""

    __slots__ = ("columns", "values")

    def __init__(self, values: bytes | memoryview, columns: int) -> None:
        self.values = values
        self.columns = columns

    @classmethod
    def of_rows(cls, rows: list[list[float]]) -> Vectors:
        """A copy of rows of equal length."""
        from array import array

        numbers = array("d")
        for row in rows:
            numbers.extend(row)
        return cls(numbers.tobytes(), len(rows[0]) if rows else 0)

    def __reduce__(self) -> tuple[type[Vectors], tuple[bytes, int]]:
        return Vectors, (bytes(self.values), self.columns)

    def __len__(self) -> int:
        return len(self.values) // (8 * self.columns) if self.columns else 0

    def view(self) -> memoryview[float]:
        """All numbers, read-only, of the shape (rows, columns); none have no second dimension."""
        flat = memoryview(self.values).toreadonly()
        return flat.cast("d", (len(self), self.columns)) if len(self) else flat.cast("d")

    def row(self, number: int) -> list[float]:
        """One row as a list. Raises IndexError and TypeError as a list does."""
        start = range(len(self))[number] * self.columns
        flat: memoryview[float] = memoryview(self.values).cast("d")
        row: list[float] = _lists(flat[start : start + self.columns])
        return row

    def rows(self) -> list[list[float]]:
        """The rows as lists."""
        rows: list[list[float]] = _lists(self.view())
        return rows


def _lists(view: memoryview[float]) -> Any:
    # The type of `tolist` knows neither floats nor dimensions.
    return view.tolist()
