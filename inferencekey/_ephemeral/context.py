"""A workload for the time of a `with` block."""

from __future__ import annotations

import math
import os

from inferencekey import _waiting
from inferencekey._data import DataClient, data_client_beside
from inferencekey._ephemeral import journal, live, signals, words
from inferencekey._ephemeral.lease import Lease
from inferencekey._ephemeral.steps import Ask, Wait, run
from inferencekey._errors import (
    Cancelled,
    ConfigurationError,
    DriftError,
    InferenceKeyError,
    ValidationError,
    WaitTimeout,
    WorkloadFailed,
)
from inferencekey._marshal import Request
from inferencekey._retry import log
from inferencekey._timeouts import milliseconds
from inferencekey._watcher import Silent

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

    from inferencekey._client import Client
    from inferencekey._data import Endpoint
    from inferencekey._ephemeral.lifetime import Lifetime
    from inferencekey._ephemeral.steps import Steps
    from inferencekey._results import ReadinessEvent
    from inferencekey._secret import Secret

# Of the clean-up at the end of the block, in seconds.
_CLEAN_UP = 30.0
_THERE_BEFORE = (
    "a workload that was there before is neither changed nor deleted: correct the spec, write the "
    "difference with `ensure`, or give the spec another slug"
)


class Block:
    """One block and its workload: what is done when it is entered, and when it is left."""

    def __init__(
        self,
        client: Client,
        fields: Request,
        *,
        api_key: Secret,
        project: str | None,
        timeout: float,
        keep_on_error: bool,
        max_lifetime: float | None,
        on_progress: Callable[[ReadinessEvent], None] | None,
        silent: bool,
        progress: str | bool | None,
    ) -> None:
        milliseconds("timeout", timeout, "ephemeral")
        self._client = client
        self._mark = os.urandom(16).hex()
        self._request = Request(spec=fields, project=project, on_drift="fail", mark=self._mark)
        self._waiting: dict[str, Any] = {
            "timeout": timeout,
            "on_progress": on_progress,
            "silent": silent,
            "progress": progress,
            "goes_on": False,
        }
        self._keep_on_error = keep_on_error
        self._max_lifetime = _lifetime(max_lifetime)
        quiet = silent or on_progress is not None
        display = _waiting.display_for("", progress, project=None, quiet=quiet, goes_on=False)
        # Where the wait is shown, it is also shown what stays.
        self._is_shown = not silent and type(display) is not Silent
        # All that can be wrong about the arguments is said now. Nothing is sent.
        client._checked("ensure", self._request)
        wished: list[Any] = [project, fields.get("project"), client._facts()["project"]]
        # A blank one is none, as for the core (wire.md 1.1).
        named = (name for name in wished if name is not None and name.strip())
        self._data = self._address(next(named, None), fields["slug"], api_key)
        self._is_entered = False
        self._lease: Lease | None = None
        self._lifetime: Lifetime | None = None

    def _address(self, project: str | None, slug: Any, api_key: Secret) -> Client:
        """Makes the endpoint of the block; its client, which is closed with it."""
        raise NotImplementedError

    def _entering(self) -> Steps[None]:
        """Create the workload if it is absent, and wait until it is ready."""
        if self._is_entered:
            raise ConfigurationError(
                "ephemeral: this context was entered before",
                operation="ephemeral",
                hint="call `ephemeral` anew for each `with`",
            )
        self._is_entered = True
        signals.watch()
        try:
            yield from self._create()
        except BaseException as error:
            yield from self._leave(error)
            raise

    def _leaving(self, error: BaseException | None) -> Steps[None]:
        """Delete the workload if this block created it."""
        keep = self._keep_on_error and isinstance(error, Exception)
        yield from self._leave(error, keep=keep)

    def _create(self) -> Steps[None]:
        try:
            answer = yield Ask(self._client, "ensure", self._request, on_create=self._noticed)
        except DriftError as error:
            words.hint(error, _THERE_BEFORE)
            raise
        if self._lease is not None:
            yield from self._created(self._lease, answer)
        slug, project = answer["workload_slug"], answer["project_slug"]
        try:
            yield Wait(self._client, {"slug": slug, "project": project, **self._waiting})
        except (WaitTimeout, WorkloadFailed) as error:
            if self._lease is not None:
                words.hint(error, words.after_the_wait(error))
            raise

    def _noticed(self, notice: dict[str, Any]) -> None:
        if notice["notice"] == "creating":
            self._creating(notice)
        elif self._lease is not None:
            self._lease.withdraw()

    def _creating(self, notice: dict[str, Any]) -> None:
        """The create is about to be sent: from here on somebody has to delete the workload."""
        file = journal.write(
            base_url=self._client._facts()["base_url"],
            project_slug=notice["project_slug"],
            workload_slug=notice["workload_slug"],
            mark=self._mark,
            max_lifetime=self._max_lifetime,
        )
        self._lease = Lease(self._client, file)
        live.add(self._lease)
        if self._max_lifetime is not None:
            from inferencekey._ephemeral.lifetime import Lifetime

            self._lifetime = Lifetime(self._lease, self._max_lifetime)

    def _created(self, lease: Lease, answer: dict[str, Any]) -> Steps[None]:
        if not answer["created"]:
            # Somebody else was faster, and it is theirs.
            lease.withdraw()
            return
        lease.created(answer["id"])
        if lease.is_over:
            # A signal or the end of its lifetime came while the create was on its way.
            yield from lease.deletion(_CLEAN_UP)
            raise Cancelled(
                f"ephemeral: the workload `{lease.entry.workload_slug}` was deleted again while it "
                "was being created",
                operation="ephemeral",
            )

    def _leave(self, error: BaseException | None, *, keep: bool = False) -> Steps[None]:
        try:
            self._data.close()
            yield from self._settle(error, keep)
        finally:
            if self._lifetime is not None:
                self._lifetime.stop()
            signals.unwatch()

    def _settle(self, error: BaseException | None, keep: bool) -> Steps[None]:
        lease = self._lease
        if lease is None or not lease.is_ours:
            return
        if self._lifetime is not None and self._lifetime.has_passed and error is not None:
            words.note(error, f"the max_lifetime of the workload, {self._max_lifetime} s, is over")
        if keep and error is not None and not lease.is_over:
            lease.keep()
            self._tell(error, words.kept(lease.entry))
        elif not lease.is_over:
            yield from self._delete(lease, error)
        if lease.is_over:
            live.discard(lease)

    def _delete(self, lease: Lease, error: BaseException | None) -> Steps[None]:
        """Its own failure is raised only where it hides nothing."""
        try:
            deleted = yield from lease.deletion(_CLEAN_UP)
            if not deleted:
                if error is not None:
                    self._tell(error, words.left(lease.entry, words.INTERRUPTED))
            elif isinstance(error, KeyboardInterrupt) and self._is_shown:
                # Whoever broke off wants to know.
                words.say(words.deleted(lease.entry))
        except InferenceKeyError as failure:
            left = words.left(lease.entry, str(failure))
            if error is None:
                words.hint(failure, left)
                raise
            self._tell(error, left)
        finally:
            # Then it is anybody's, and the exit of the process tries again.
            if not lease.is_over:
                lease.hand_to_gc()

    def _tell(self, error: BaseException, text: str) -> None:
        words.note(error, text)
        log("warning", "%s", text)
        if self._is_shown:
            words.say(text)


class Ephemeral(Block):
    """What `ManagementClient.ephemeral` gives: a context manager, to be entered once."""

    _endpoint: Endpoint

    def _address(self, project: str | None, slug: Any, api_key: Secret) -> DataClient:
        client = data_client_beside(DataClient, self._client, project, api_key)
        self._endpoint = client.endpoint(slug)
        return client

    def __enter__(self) -> Endpoint:
        """Create the workload if it is absent, wait until it is ready, and give its endpoint."""
        run(self._entering())
        return self._endpoint

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Delete the workload if this block created it."""
        run(self._leaving(error))


def _lifetime(seconds: float | None) -> float | None:
    """None for a lifetime without end."""
    if seconds is None:
        return None
    milliseconds("max_lifetime", seconds, "ephemeral")
    if seconds == 0:
        raise ValidationError(
            "ephemeral: `max_lifetime` must be more than 0 seconds",
            field="max_lifetime",
            operation="ephemeral",
            hint="leave it out for a workload that lives as long as its block",
        )
    return None if math.isinf(seconds) else seconds
