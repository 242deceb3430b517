//! The code strings of wire.md 5.2: the same in every language.

macro_rules! codes {
    ($($name:ident = $text:literal),* $(,)?) => {
        $(
            #[allow(dead_code, reason = "the list of wire.md 5.2 is whole, whoever raises a code")]
            pub(crate) const $name: &str = $text;
        )*
    };
}

codes! {
    MISSING_TOKEN = "missing_token",
    MISSING_API_KEY = "missing_api_key",
    MISSING_PROJECT = "missing_project",
    INVALID_TOKEN = "invalid_token",
    INVALID_BASE_URL = "invalid_base_url",
    INSECURE_BASE_URL = "insecure_base_url",
    SECRET_IN_SPEC = "secret_in_spec",
    CLIENT_CLOSED = "client_closed",
    CONFIGURATION = "configuration",
    INVALID_ARGUMENT = "invalid_argument",
    BAD_REQUEST = "bad_request",
    COST_ABOVE_LIMIT = "cost_above_limit",
    DRIFT = "drift",
    IMMUTABLE_FIELD = "immutable_field",
    UNAUTHORIZED = "unauthorized",
    FORBIDDEN = "forbidden",
    WRONG_CREDENTIAL_TYPE = "wrong_credential_type",
    PROJECT_SCOPE_MISMATCH = "project_scope_mismatch",
    SCOPE_INSUFFICIENT = "scope_insufficient",
    NOT_FOUND = "not_found",
    CONFLICT = "conflict",
    SLUG_UNAVAILABLE = "slug_unavailable",
    PLAN_STALE = "plan_stale",
    RATE_LIMITED = "rate_limited",
    SERVER_ERROR = "server_error",
    ENDPOINT_WARMING = "endpoint_warming",
    HTTP_ERROR = "http_error",
    CONNECTION_FAILED = "connection_failed",
    DNS_FAILED = "dns_failed",
    TLS_FAILED = "tls_failed",
    PROXY_FAILED = "proxy_failed",
    CONNECTION_LOST = "connection_lost",
    TIMEOUT_CONNECT = "timeout_connect",
    TIMEOUT_FIRST_TOKEN = "timeout_first_token",
    TIMEOUT_IDLE = "timeout_idle",
    TIMEOUT_TOTAL = "timeout_total",
    PROTOCOL_ERROR = "protocol_error",
    INCOMPLETE_LIST = "incomplete_list",
    LIMIT_EXCEEDED = "limit_exceeded",
    STREAM_TRUNCATED = "stream_truncated",
    STREAM_ERROR = "stream_error",
    WORKLOAD_FAILED = "workload_failed",
    WAIT_TIMEOUT = "wait_timeout",
    CANCELLED = "cancelled",
    FORKED = "forked",
    INTERNAL_ERROR = "internal_error",
}
