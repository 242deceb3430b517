"""The InferenceKey SDK: declare a workload, wait until it is ready, talk to its model.

Two clients, one for each plane: `ManagementClient` (control token) declares and deletes
workloads, `DataClient` (data key) reaches their models through an `Endpoint`. Every failure is an
`InferenceKeyError`.

Names load on first use: importing the package alone reads no environment and loads neither the
Rust core nor json.
"""

from __future__ import annotations

# Type checkers take this name for true; the typing module would be most of the import's time.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from inferencekey._account import Timing, Usage
    from inferencekey._async.control import AsyncManagementClient
    from inferencekey._async.data import AsyncDataClient, AsyncEndpoint
    from inferencekey._async.map import AsyncTextMap
    from inferencekey._async.plan import AsyncPlan
    from inferencekey._async.readiness import AsyncReadiness
    from inferencekey._async.stream import AsyncTextStream
    from inferencekey._control import ManagementClient
    from inferencekey._data import DataClient, Endpoint
    from inferencekey._enums import Backend, ExecutionPolicy, OnDrift, TaskType
    from inferencekey._ephemeral.leftovers import Collected, Leftover
    from inferencekey._errors import (
        ApiError,
        AuthError,
        Cancelled,
        ConfigurationError,
        Conflict,
        ConnectionFailed,
        DriftError,
        DriftWarning,
        EndpointWarming,
        ForkedError,
        InferenceKeyError,
        InternalError,
        LimitExceeded,
        NotFound,
        PermissionDenied,
        PlanStale,
        ProtocolError,
        ProxyError,
        RateLimited,
        ServerError,
        StreamStalled,
        StreamTruncated,
        Timeout,
        TlsError,
        TruncatedWarning,
        ValidationError,
        WaitTimeout,
        WorkloadFailed,
    )
    from inferencekey._map import TextMap
    from inferencekey._plan import Change, Plan
    from inferencekey._readiness import Readiness
    from inferencekey._results import (
        EmbedResult,
        EndpointRef,
        MapResult,
        Partial,
        ReadinessEvent,
        TextChunk,
        TextResult,
    )
    from inferencekey._retry import Retry, RetryPolicy
    from inferencekey._spec import WorkloadSpec
    from inferencekey._stream import TextStream
    from inferencekey._timeouts import Timeouts
    from inferencekey._workload import Workload

__version__ = "0.1.0"

__all__ = [
    "ApiError",
    "AsyncDataClient",
    "AsyncEndpoint",
    "AsyncManagementClient",
    "AsyncPlan",
    "AsyncReadiness",
    "AsyncTextMap",
    "AsyncTextStream",
    "AuthError",
    "Backend",
    "Cancelled",
    "Change",
    "Collected",
    "ConfigurationError",
    "Conflict",
    "ConnectionFailed",
    "DataClient",
    "DriftError",
    "DriftWarning",
    "EmbedResult",
    "Endpoint",
    "EndpointRef",
    "EndpointWarming",
    "ExecutionPolicy",
    "ForkedError",
    "InferenceKeyError",
    "InternalError",
    "Leftover",
    "LimitExceeded",
    "ManagementClient",
    "MapResult",
    "NotFound",
    "OnDrift",
    "Partial",
    "PermissionDenied",
    "Plan",
    "PlanStale",
    "ProtocolError",
    "ProxyError",
    "RateLimited",
    "Readiness",
    "ReadinessEvent",
    "Retry",
    "RetryPolicy",
    "ServerError",
    "StreamStalled",
    "StreamTruncated",
    "TaskType",
    "TextChunk",
    "TextMap",
    "TextResult",
    "TextStream",
    "Timeout",
    "Timeouts",
    "Timing",
    "TlsError",
    "TruncatedWarning",
    "Usage",
    "ValidationError",
    "WaitTimeout",
    "Workload",
    "WorkloadFailed",
    "WorkloadSpec",
    "__version__",
]

# Where each public name lives; names that are not listed here are errors.
_HOMES = {
    "_async.control": ("AsyncManagementClient",),
    "_async.data": ("AsyncDataClient", "AsyncEndpoint"),
    "_async.map": ("AsyncTextMap",),
    "_async.plan": ("AsyncPlan",),
    "_async.readiness": ("AsyncReadiness",),
    "_async.stream": ("AsyncTextStream",),
    "_account": ("Timing", "Usage"),
    "_control": ("ManagementClient",),
    "_data": ("DataClient", "Endpoint"),
    "_enums": ("Backend", "ExecutionPolicy", "OnDrift", "TaskType"),
    "_ephemeral.leftovers": ("Collected", "Leftover"),
    "_map": ("TextMap",),
    "_plan": ("Change", "Plan"),
    "_readiness": ("Readiness",),
    "_results": (
        "EmbedResult",
        "EndpointRef",
        "MapResult",
        "Partial",
        "ReadinessEvent",
        "TextChunk",
        "TextResult",
    ),
    "_retry": ("Retry", "RetryPolicy"),
    "_spec": ("WorkloadSpec",),
    "_stream": ("TextStream",),
    "_timeouts": ("Timeouts",),
    "_workload": ("Workload",),
}


def __getattr__(name: str) -> object:
    """A public name, loaded now and kept (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'inferencekey' has no attribute {name!r}")
    homes = (home for home, names in _HOMES.items() if name in names)
    # Everything else in `__all__` is an error class.
    module = __import__(f"inferencekey.{next(homes, '_errors')}", fromlist=(name,))
    value: object = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
