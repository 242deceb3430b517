"""What `ManagementClient.gc` gives back."""

from __future__ import annotations

from inferencekey._record import Record

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from inferencekey._errors import InferenceKeyError


class Leftover(Record):
    """An ephemeral workload whose process could not delete it."""

    __slots__ = ("_created", "_error", "_id", "_project_slug", "_why", "_workload_slug")
    __match_args__ = ("project_slug", "workload_slug", "id", "created", "why", "error")

    def __init__(
        self,
        project_slug: str,
        workload_slug: str,
        id: str | None,
        created: float,
        why: str | None = None,
        error: InferenceKeyError | None = None,
    ) -> None:
        self._project_slug = project_slug
        self._workload_slug = workload_slug
        self._id = id
        self._created = created
        self._why = why
        self._error = error

    @property
    def project_slug(self) -> str:
        """Project in which it was created."""
        return self._project_slug

    @property
    def workload_slug(self) -> str:
        """Slug for which it was created."""
        return self._workload_slug

    @property
    def id(self) -> str | None:
        """The platform's id; None if its process was gone before it knew."""
        return self._id

    @property
    def created(self) -> float:
        """When its create was sent, in seconds since the epoch."""
        return self._created

    @property
    def why(self) -> str | None:
        """Why it was not removed, in words; None if it was."""
        return self._why

    @property
    def error(self) -> InferenceKeyError | None:
        """What the platform said, if that is why."""
        return self._error


class Collected(list[Leftover]):
    """What `gc` removed: a list, with what it could not remove in `.kept`."""

    kept: list[Leftover]

    def __init__(self) -> None:
        super().__init__()
        self.kept = []
