"""The control plane: declare workloads, wait for them, delete them."""

from __future__ import annotations

import os
from _collections_abc import Callable  # As `collections.abc`, without `collections`.

from inferencekey import _marshal, _waiting
from inferencekey._client import Client, client_options, client_secrets
from inferencekey._enums import OnDrift
from inferencekey._errors import DriftWarning, ValidationError
from inferencekey._marshal import Request
from inferencekey._plan import Plan
from inferencekey._readiness import Readiness
from inferencekey._results import EndpointRef, ReadinessEvent
from inferencekey._retry import Retry, RetryPolicy, hook
from inferencekey._secret import token
from inferencekey._spec import WorkloadSpec
from inferencekey._timeouts import Timeouts, clock_options
from inferencekey._workload import Workload

# Type checkers take this name for true; see `inferencekey/__init__.py`. `Any` stays a name for
# `get_type_hints`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from inferencekey._ephemeral.context import Ephemeral
    from inferencekey._ephemeral.leftovers import Collected
    from inferencekey._ffi import Event

    Self = TypeVar("Self", bound="ControlClient")
else:
    Collected = Ephemeral = Self = object

# Milliseconds in which a delete that has begun still gets out when its caller breaks off.
DELETE_GRACE_MS = 150

# Of the ways to treat a difference: it takes no telling. A name of this module is found much faster
# than a member of an enum.
_CORES_DEFAULT = OnDrift.RECONCILE

# Inside the class, `list` is a method.
Workloads = list[Workload]


class ControlClient(Client):
    """How a client of the control plane is made, whether its calls block or are awaited."""

    def __init__(
        self,
        *,
        base_url: str,
        sdk_token: str,
        project: str | None = None,
        timeout: float | Timeouts | None = None,
        retries: int | RetryPolicy | None = None,
        on_retry: Callable[[Retry], None] | None = None,
        ca_bundle: str | os.PathLike[str] | None = None,
        allow_http: bool = False,
    ) -> None:
        """Make a client from explicit values, the environment unread (wire.md 1.1). Sends nothing.

        base_url: origin of the platform, perhaps with a path prefix.
        sdk_token: control token, `ik_sdk_…`.
        project: project slug for calls that name none.
        timeout: for each call. Default: connect 10 s, total 60 s.
        retries: sends after the first, where a repeat is safe; or a RetryPolicy. Default 2.
        on_retry: called with a Retry before a request goes out again, on the thread of the call;
            what it raises ends the call and comes out unchanged.
        ca_bundle: PEM file of the roots to trust, instead of the system's.
        allow_http: permit plain http to hosts other than loopback.

        Raises ConfigurationError for a value that cannot be used, PermissionDenied for a data key.
        """
        secret = token(sdk_token)
        del sdk_token  # From here on a traceback with locals shows no token.
        self._on_retry = hook(on_retry)
        options = client_options(
            "control",
            from_env=False,
            base_url=base_url,
            project=project,
            timeout=timeout,
            retries=retries,
            ca_bundle=ca_bundle,
            allow_http=allow_http,
        )
        del base_url  # It may hold a password, and is refused then.
        self._bind(options, client_secrets("sdk_token", secret, from_env=False))

    @classmethod
    def from_env(
        cls: type[Self],
        *,
        base_url: str | None = None,
        project: str | None = None,
        sdk_token: str | None = None,
        timeout: float | Timeouts | None = None,
        retries: int | RetryPolicy | None = None,
        on_retry: Callable[[Retry], None] | None = None,
        ca_bundle: str | os.PathLike[str] | None = None,
        allow_http: bool = False,
    ) -> Self:
        """Make a client; what is not given comes from the environment as it is now (wire.md 1.1).

        `INFERENCEKEY_BASE_URL` (default `https://api.inferencekey.com`), `INFERENCEKEY_PROJECT`,
        `INFERENCEKEY_SDK_TOKEN`. Arguments and errors as for the constructor.
        """
        secret = token(sdk_token)
        del sdk_token  # From here on a traceback with locals shows no token.
        client = cls.__new__(cls)
        client._on_retry = hook(on_retry)
        options = client_options(
            "control",
            from_env=True,
            base_url=base_url,
            project=project,
            timeout=timeout,
            retries=retries,
            ca_bundle=ca_bundle,
            allow_http=allow_http,
        )
        del base_url  # It may hold a password, and is refused then.
        client._bind(options, client_secrets("sdk_token", secret, from_env=True))
        return client


class ManagementClient(ControlClient):
    """Declares, watches and deletes the workloads of a project.

    A client can be used from any thread, and in a child made by `fork`; it copies with its token,
    and pickles without: then INFERENCEKEY_SDK_TOKEN of the process that loads it is taken. It is
    a context manager; leaving it closes it. Every call raises `InferenceKeyError` of some class
    (wire.md 5); `timeout` of a call is in seconds for the whole call, or a `Timeouts`, and wins
    over the client's.
    """

    def ensure(
        self,
        spec: WorkloadSpec,
        *,
        on_drift: OnDrift | str = OnDrift.RECONCILE,
        project: str | None = None,
        timeout: float | Timeouts | None = None,
        max_hourly_cost_usd: float | None = None,
    ) -> EndpointRef:
        """Create the workload if it is absent, and make it match the spec if it drifted.

        The rules: wire.md 2.7 to 2.9.
        Any number of callers that ensure one slug end with one workload. Fields that are None in
        the spec are left alone. `.plan` of the result says what differed, `.changed` whether
        something was written.

        on_drift: what to do with a difference. project: wins over the spec's, that over the
            client's.
        max_hourly_cost_usd: the most that the workload may cost in US dollars per hour, by the
            ceiling of its execution policy; a policy without one is not refused, but noted in
            `.plan.notes`. None = no limit.

        Raises DriftError (.plan) under `fail` and where `task_type` differs; ValidationError
        (.field) for a spec that cannot be used, and `cost_above_limit`, before anything is written;
        ConfigurationError `secret_in_spec`. Emits DriftWarning under `warn`, once per slug and
        process.
        """
        fields = spec_fields("ensure", spec)
        del spec  # From here on a traceback with locals shows no token in it.
        wish = wish_for("ensure", fields, project, max_hourly_cost_usd)
        answer, plan = ensured(self._call("ensure", to_ensure(wish, on_drift, timeout)))
        warn_of_drift(answer)
        return self._ref(answer, plan, wish)

    def plan(
        self,
        spec: WorkloadSpec,
        *,
        project: str | None = None,
        timeout: float | Timeouts | None = None,
        max_hourly_cost_usd: float | None = None,
    ) -> Plan:
        """Tell what `ensure` would do now, and write nothing.

        The plan is true if there is something to do, prints as a diff, and can be applied: that
        spec, as it is now, to that workload, as it is now. Raises what `ensure` raises, but no
        DriftError: a conflict is a part of it.
        """
        fields = spec_fields("plan", spec)
        del spec  # From here on a traceback with locals shows no token in it.
        wish = wish_for("plan", fields, project, max_hourly_cost_usd)
        request = _marshal.extended("plan", wish, Request(clock_options(timeout, "plan")))
        return self._planned(self._ask("plan", request)["plan"], wish)

    def _planned(self, plan: dict[str, Any], wish: _marshal.Encoded) -> Plan:
        """The plan, which keeps the wish that it was made for."""

        def apply(base: str | None, timeout: float | Timeouts | None) -> EndpointRef:
            answer, plan = ensured(self._call("apply", to_apply(wish, base, timeout)))
            return self._ref(answer, plan, wish)

        return Plan.from_answer(plan, apply)

    def _ref(self, answer: dict[str, Any], plan: bytes, wish: _marshal.Encoded) -> EndpointRef:
        """What `ensure` and `apply` give back."""
        return EndpointRef.from_answer(answer, lambda: self._planned(_marshal.decode(plan), wish))

    def get(
        self,
        workload_slug: str,
        *,
        project: str | None = None,
        timeout: float | Timeouts | None = None,
    ) -> Workload:
        """Fetch the live workload: the platform's own object, with properties.

        Raises NotFound if there is none.
        """
        request = Request(
            workload_slug=workload_slug, project=project, **clock_options(timeout, "get")
        )
        return Workload.from_answer(self._ask("get", request))

    def list(
        self, *, project: str | None = None, timeout: float | Timeouts | None = None
    ) -> Workloads:
        """List all workloads of the project, whatever number of pages the platform gives them in.

        What the platform lists without an `id` or a `slug` is passed over.
        """
        answer = self._ask("list", Request(project=project, **clock_options(timeout, "list")))
        return Workload.all_from_answer(answer)

    def status(
        self,
        workload_slug: str,
        *,
        project: str | None = None,
        timeout: float | Timeouts | None = None,
    ) -> ReadinessEvent:
        """Tell the workload's readiness phase as it is now, without waiting for a change.

        `error` is a phase like the others here. Raises NotFound if there is no such workload.
        """
        request = Request(
            workload_slug=workload_slug, project=project, **clock_options(timeout, "status")
        )
        return ReadinessEvent.from_answer(self._ask("status", request))

    def export(
        self,
        workload_slug: str,
        *,
        project: str | None = None,
        timeout: float | Timeouts | None = None,
    ) -> WorkloadSpec:
        """Make the spec that the live workload stands for, and that plans to `unchanged`.

            print(mgmt.export("made-in-the-dashboard").to_yaml())

        It names the project only if that is not the client's. A task type or an execution policy
        that this version does not know is left out: not managed.

        Raises NotFound if there is none; ConfigurationError `secret_in_spec` (.field) if there is
        a token in it, which belongs into no spec; ValidationError (.field) if it lacks a name, a
        model or a backend.
        """
        request = Request(
            workload_slug=workload_slug, project=project, **clock_options(timeout, "export")
        )
        return WorkloadSpec.from_answer(self._ask("export", request)["spec"])

    def wait_until_ready(
        self,
        workload_slug: str,
        *,
        project: str | None = None,
        timeout: float = 600.0,
        on_progress: Callable[[ReadinessEvent], None] | None = None,
        silent: bool = False,
        progress: str | bool | None = None,
    ) -> None:
        """Block until the workload is ready to answer (wire.md 2.11).

        timeout: seconds from this call; reconnects and pauses count. 0 raises at once, `math.inf`
            waits for ever.
        on_progress: gets every event, on this thread, in place of the display; what it raises
            comes out unchanged.
        silent: no display.
        progress: which display. `live` draws one line of the terminal again and again; `plain`
            writes a line per phase and step, and one each 15 s; `notebook` updates one output of
            the cell; `json` writes an object per line for programs; all but `notebook` on stderr.
            `log` and `off` show nothing. None: INFERENCEKEY_PROGRESS, else what suits the place:
            nothing off the main thread and where an event loop runs. True: not even there nothing.

        Whatever the display, each new phase is a line of the logger `inferencekey`, at INFO.

        Raises WaitTimeout when the time is over; WorkloadFailed (.phase, .step, .events, .hint)
        when the platform gave up.
        """
        _waiting.wait(
            self,
            workload_slug,
            project=project,
            timeout=timeout,
            on_progress=on_progress,
            silent=silent,
            progress=progress,
        )

    def readiness(
        self, workload_slug: str, *, project: str | None = None, timeout: float = 600.0
    ) -> Readiness:
        """Follow a workload on its way: an iterator of its events, the last one `ready`.

            with mgmt.readiness("support-bot") as events:
                for event in events:
                    print(event.phase, event.message)

        Nothing is sent before the first event is asked for, and nothing is shown. It raises what
        `wait_until_ready` raises; `.seconds_by_phase` tells how long each phase has lasted.

        timeout: seconds from this call.
        """
        return _waiting.readiness(self, workload_slug, project=project, timeout=timeout)

    def ephemeral(
        self,
        spec: WorkloadSpec,
        *,
        api_key: str | None = None,
        project: str | None = None,
        timeout: float = 600.0,
        keep_on_error: bool = False,
        max_lifetime: float | None = None,
        on_progress: Callable[[ReadinessEvent], None] | None = None,
        silent: bool = False,
        progress: str | bool | None = None,
    ) -> Ephemeral:
        """Create a workload for the time of a `with` block, which gets its `Endpoint`.

            with mgmt.ephemeral(spec) as bot:
                print(bot.generate_text(prompt="Hola").text)

        Entering creates the workload if it is absent, and waits until it is ready. It is deleted
        when the block ends, however it ends: an exception, Ctrl-C (also while it is entered),
        SIGTERM and SIGHUP, the end of the interpreter. What a killed process leaves, `gc` deletes.
        A workload that was there before is used if it is as the spec says, and stays. What is
        created has the mark `[ephemeral …]` at the end of its description.

        api_key: data key of the endpoint; default: INFERENCEKEY_API_KEY.
        timeout: of the wait, in seconds, as for `wait_until_ready`, like on_progress, silent and
            progress.
        keep_on_error: an exception in the block leaves the workload, and says how to delete it;
            Ctrl-C and an exit do not.
        max_lifetime: seconds after which the workload is deleted even if the block still runs.

        Signals are handled if the block is entered on the main thread: the workload is deleted,
        and then happens what happened before. A failure to delete is raised if the block did not
        fail, and else a note on its exception.

        Raises what `ensure` with `on_drift="fail"`, `wait_until_ready` and `delete` raise, all but
        the last on entering; ConfigurationError if there is no folder to note the workload down in.
        """
        from inferencekey._ephemeral.context import Ephemeral

        secret = token(api_key)
        del api_key  # From here on a traceback with locals shows no token.
        fields = spec_fields("ephemeral", spec)
        del spec
        return Ephemeral(
            self,
            fields,
            api_key=secret,
            project=project,
            timeout=timeout,
            keep_on_error=keep_on_error,
            max_lifetime=max_lifetime,
            on_progress=on_progress,
            silent=silent,
            progress=progress,
        )

    def gc(self, *, project: str | None = None) -> Collected:
        """Delete what killed processes left of their ephemeral workloads, and tell what that was.

        Only what a process of this user on this machine created by `ephemeral` on this platform,
        and only if that process is gone or the workload's `max_lifetime` is over. What cannot be
        deleted now is in `.kept` of the result, with the reason in `.why`; another run may.

        project: only workloads of this project; default: of every one.

        Raises ConnectionFailed, Timeout or AuthError if the platform cannot be asked; then
        everything that is left can still be collected later.
        """
        from inferencekey._ephemeral.collect import Collector
        from inferencekey._ephemeral.steps import run

        return run(Collector(self).collecting(project))

    def delete(
        self,
        workload_slug: str,
        *,
        project: str | None = None,
        timeout: float | Timeouts | None = None,
    ) -> bool:
        """Delete the workload (wire.md 2.10).

        True if this call removed it, False if there was none.
        Irreversible: cloud GPUs are given back, private workers unassigned.
        Ctrl-C during it takes effect after 0.15 s, in which the request still gets out: a second
        one, while a `finally` tidies up after the first, would leave the workload running.
        """
        request = Request(
            workload_slug=workload_slug, project=project, **clock_options(timeout, "delete")
        )
        deleted: bool = self._ask("delete", request, DELETE_GRACE_MS)["deleted"]
        return deleted


def spec_fields(operation: str, spec: WorkloadSpec) -> Request:
    """The spec as it is now.

    Attributes that are no fields go along, so that the core can name a misspelt one. Most fields
    are None, and say nothing.
    """
    if not isinstance(spec, WorkloadSpec):
        kind = type(spec).__name__
        raise ValidationError(
            f"{operation}: `spec` must be a WorkloadSpec, not {kind}",
            field="spec",
            operation=operation,
            hint="make one: WorkloadSpec(name=…, slug=…, model=…, backend=…)",
        )
    given = vars(spec).copy()
    return Request({name: value for name, value in given.items() if value is not None})


def wish_for(
    operation: str, fields: Request, project: str | None, max_hourly_cost_usd: float | None
) -> _marshal.Encoded:
    """What is asked for, as it is now: a spec can change later, a plan cannot."""
    wish = Request(spec=fields)
    if project is not None:
        wish["project"] = project
    if max_hourly_cost_usd is not None:
        wish["max_hourly_cost_usd"] = max_hourly_cost_usd
    return _marshal.encode(operation, wish)


def to_ensure(
    wish: _marshal.Encoded, on_drift: OnDrift | str, timeout: float | Timeouts | None
) -> _marshal.Encoded:
    """The request that makes live as wished."""
    more = clock_options(timeout, "ensure")
    if on_drift is not _CORES_DEFAULT:
        more = Request(more, on_drift=on_drift)
    return _marshal.extended("ensure", wish, more)


def to_apply(
    wish: _marshal.Encoded, base: str | None, timeout: float | Timeouts | None
) -> _marshal.Encoded:
    """The request that does what the plan for the wish says."""
    return _marshal.extended("apply", wish, Request(base=base, **clock_options(timeout, "apply")))


def ensured(event: Event) -> tuple[dict[str, Any], bytes]:
    """What `ensure` and `apply` tell at once, and their plan, which few look at."""
    answer: dict[str, Any]
    answer, plan = _marshal.parted(event.head, b',"plan":')
    return answer, plan


def warn_of_drift(answer: dict[str, Any]) -> None:
    """Emits the warning of an `ensure`, in the name of whoever called that."""
    if answer["warning"]:
        import warnings

        warnings.warn(answer["warning"], DriftWarning, stacklevel=3)
