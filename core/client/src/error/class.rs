//! The error tree of wire.md 5.1, by name.

/// Which class a host raises; the tree above it is the binding's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Configuration is missing or unusable; nothing was sent.
    ConfigurationError,
    /// An argument was refused, here or by the server (400).
    ValidationError,
    /// Live and spec differ and the policy forbids the write, or the field cannot change.
    DriftError,
    /// 401.
    AuthError,
    /// 403, or a token of the other plane.
    PermissionDenied,
    /// A status without a class of its own, or an error object inside a good answer.
    ApiError,
    /// 404.
    NotFound,
    /// 409 and 412.
    Conflict,
    /// The live workload moved since the plan was made.
    PlanStale,
    /// 429.
    RateLimited,
    /// 5xx.
    ServerError,
    /// 503 of a workload that is still coming up.
    EndpointWarming,
    /// Refused, not resolved, lost or reset.
    ConnectionFailed,
    /// The certificate or the handshake was refused.
    TlsError,
    /// The proxy refused or garbled the connection.
    ProxyError,
    /// A clock ran out.
    Timeout,
    /// A stream gave no content in time.
    StreamStalled,
    /// A stream ended before it was complete.
    StreamTruncated,
    /// The answer is not what the wire says.
    ProtocolError,
    /// The answer is larger than a limit.
    LimitExceeded,
    /// The platform gave up on the workload.
    WorkloadFailed,
    /// The caller cancelled, or closed the client.
    Cancelled,
    /// A handle from before `fork` was used in the child.
    ForkedError,
    /// A panic, caught in the core.
    InternalError,
    /// The deadline of `wait_until_ready`.
    WaitTimeout,
}

impl Class {
    /// The class's public name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfigurationError => "ConfigurationError",
            Self::ValidationError => "ValidationError",
            Self::DriftError => "DriftError",
            Self::AuthError => "AuthError",
            Self::PermissionDenied => "PermissionDenied",
            Self::ApiError => "ApiError",
            Self::NotFound => "NotFound",
            Self::Conflict => "Conflict",
            Self::PlanStale => "PlanStale",
            Self::RateLimited => "RateLimited",
            Self::ServerError => "ServerError",
            Self::EndpointWarming => "EndpointWarming",
            Self::ConnectionFailed => "ConnectionFailed",
            Self::TlsError => "TlsError",
            Self::ProxyError => "ProxyError",
            Self::Timeout => "Timeout",
            Self::StreamStalled => "StreamStalled",
            Self::StreamTruncated => "StreamTruncated",
            Self::ProtocolError => "ProtocolError",
            Self::LimitExceeded => "LimitExceeded",
            Self::WorkloadFailed => "WorkloadFailed",
            Self::Cancelled => "Cancelled",
            Self::ForkedError => "ForkedError",
            Self::InternalError => "InternalError",
            Self::WaitTimeout => "WaitTimeout",
        }
    }

    /// Trouble that may be over the next time, whatever else is known about it.
    pub(crate) fn is_passing(self) -> bool {
        matches!(
            self,
            Self::RateLimited
                | Self::EndpointWarming
                | Self::ConnectionFailed
                | Self::Timeout
                | Self::StreamStalled
                | Self::StreamTruncated
                | Self::WaitTimeout
        )
    }

    /// Trouble that the same request meets again, however far it came.
    pub(crate) fn is_lasting(self) -> bool {
        matches!(self, Self::TlsError | Self::LimitExceeded)
    }
}
