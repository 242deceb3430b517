//! The clocks a client or a call was given (wire.md 3.2).
//!
//! What was given is kept as it was given, because the number `n` means `total` to a unary call and `first_token` and
//! `idle` to a stream.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{Plane, arguments};
use crate::error::Error;
use crate::transport::Clocks;

/// The keys that [`clocks_override`] takes out of a request.
pub(crate) const KEYS: [&str; 2] = ["timeout_ms", "timeouts"];

const CONNECT: Duration = Duration::from_secs(10);
const FIRST_TOKEN: Duration = Duration::from_secs(120);
const IDLE: Duration = Duration::from_secs(30);
const TOTAL_CONTROL: Duration = Duration::from_secs(60);
const TOTAL_DATA: Duration = Duration::from_secs(600);
const COLD_START: Duration = Duration::from_secs(600);

/// What a client was given; a call's own values go on top, clock by clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    plane: Plane,
    given: Given,
    cold_start: Duration,
}

/// What stood under `timeout_ms` or `timeouts`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Given {
    Number(Duration),
    /// The outer `None`: not given, inherit. The inner one: never.
    Each {
        connect: Option<Option<Duration>>,
        first_token: Option<Option<Duration>>,
        idle: Option<Option<Duration>>,
        total: Option<Option<Duration>>,
    },
}

impl Given {
    const NOTHING: Self = Self::Each { connect: None, first_token: None, idle: None, total: None };

    fn put_on(self, clocks: &mut Clocks, streaming: bool) {
        match self {
            Self::Number(length) => {
                clocks.connect = Some(length.min(CONNECT));
                match streaming {
                    true => (clocks.first_token, clocks.idle) = (Some(length), Some(length)),
                    false => clocks.total = Some(length),
                }
            }
            Self::Each { connect, first_token, idle, total } => {
                clocks.connect = connect.unwrap_or(clocks.connect);
                clocks.first_token = first_token.unwrap_or(clocks.first_token);
                clocks.idle = idle.unwrap_or(clocks.idle);
                clocks.total = total.unwrap_or(clocks.total);
            }
        }
    }
}

impl Timeouts {
    /// Reads `timeout_ms`, `timeouts` and, on the data plane, `cold_start_ms` of client options.
    pub(super) fn from_options(plane: Plane, options: &Map<String, Value>) -> Result<Self, Error> {
        let cold_start = milliseconds(options, "cold_start_ms")?.unwrap_or(COLD_START);
        Ok(Self { plane, given: given(options)?, cold_start })
    }

    /// The clocks of a call that brings none of its own. `streaming`: chat streams, not readiness.
    pub(crate) fn clocks(&self, streaming: bool) -> Clocks {
        let total = match self.plane {
            Plane::Control => TOTAL_CONTROL,
            Plane::Data => TOTAL_DATA,
        };
        let mut clocks = Clocks {
            connect: Some(CONNECT),
            first_token: Some(FIRST_TOKEN),
            idle: Some(IDLE),
            total: (!streaming).then_some(total),
            // Only the data plane knows warming endpoints.
            cold_start: Some(self.cold_start).filter(|_| self.plane == Plane::Data),
        };
        self.given.put_on(&mut clocks, streaming);
        clocks
    }
}

/// Takes `timeout_ms` and `timeouts` out of a request and puts them on top of the client's.
///
/// `ValidationError` about the clock: not a number, negative, or both keys at once.
pub(crate) fn clocks_override(
    request: &mut Map<String, Value>,
    timeouts: &Timeouts,
    streaming: bool,
) -> Result<Clocks, Error> {
    let given = given(request)?;
    KEYS.iter().for_each(|key| drop(request.shift_remove(*key)));
    let mut clocks = timeouts.clocks(streaming);
    given.put_on(&mut clocks, streaming);
    Ok(clocks)
}

fn given(arguments: &Map<String, Value>) -> Result<Given, Error> {
    let number = milliseconds(arguments, "timeout_ms")?;
    match (number, arguments::object(arguments, "timeouts")?) {
        (None, None) => Ok(Given::NOTHING),
        (Some(length), None) => Ok(Given::Number(length)),
        (None, Some(clocks)) => each(&clocks),
        (Some(_), Some(_)) => {
            let words = "`timeout_ms` and `timeouts` are two ways to say the same";
            Err(Error::invalid("timeouts", words).hint("give one of them"))
        }
    }
}

fn each(clocks: &Map<String, Value>) -> Result<Given, Error> {
    arguments::refuse_unknown(clocks, &["connect_ms", "first_token_ms", "idle_ms", "total_ms"])?;
    let clock = |key: &str| match clocks.contains_key(key) {
        true => milliseconds(clocks, key).map(Some),
        false => Ok(None),
    };
    Ok(Given::Each {
        connect: clock("connect_ms")?,
        first_token: clock("first_token_ms")?,
        idle: clock("idle_ms")?,
        total: clock("total_ms")?,
    })
}

/// A length of time; `None` if absent or null. More than a clock can hold is as good as for ever.
pub(crate) fn milliseconds(
    arguments: &Map<String, Value>,
    key: &str,
) -> Result<Option<Duration>, Error> {
    let Some(value) = arguments::value(arguments, key) else { return Ok(None) };
    let number = match value {
        Value::Number(number) => number.as_f64(),
        other => return Err(arguments::wrong_type(key, "a number of milliseconds", other)),
    };
    match number {
        Some(number) if number >= 0.0 => {
            Ok(Some(Duration::try_from_secs_f64(number / 1000.0).unwrap_or(Duration::MAX)))
        }
        _ => Err(Error::invalid(key, format!("`{key}` must be 0 or more milliseconds"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    /// connect, first_token, idle, total and cold_start in milliseconds; -1 is never.
    fn in_ms(clocks: Clocks) -> [i64; 5] {
        let Clocks { connect, first_token, idle, total, cold_start } = clocks;
        [connect, first_token, idle, total, cold_start]
            .map(|clock| clock.map_or(-1, |length| i64::try_from(length.as_millis()).expect("ms")))
    }

    #[test]
    fn the_call_wins_over_the_client_and_a_number_depends_on_the_call() {
        use Plane::{Control, Data};
        let nothing = || json!({});
        for (plane, client, call, streaming, clocks) in [
            (Control, nothing(), nothing(), false, [10_000, 120_000, 30_000, 60_000, -1]),
            (Data, nothing(), nothing(), false, [10_000, 120_000, 30_000, 600_000, 600_000]),
            (Data, nothing(), nothing(), true, [10_000, 120_000, 30_000, -1, 600_000]),
            (
                Data,
                json!({"cold_start_ms": 0}),
                nothing(),
                false,
                [10_000, 120_000, 30_000, 600_000, 0],
            ),
            (
                Data,
                json!({"timeout_ms": 5000}),
                nothing(),
                false,
                [5_000, 120_000, 30_000, 5_000, 600_000],
            ),
            (
                Data,
                json!({"timeout_ms": 5000}),
                nothing(),
                true,
                [5_000, 5_000, 5_000, -1, 600_000],
            ),
            (
                Data,
                json!({"timeout_ms": 20000}),
                nothing(),
                false,
                [10_000, 120_000, 30_000, 20_000, 600_000],
            ),
            (
                Data,
                json!({"timeout_ms": null}),
                nothing(),
                true,
                [10_000, 120_000, 30_000, -1, 600_000],
            ),
            (
                Data,
                json!({"timeout_ms": 5000}),
                json!({"timeout_ms": 700.5}),
                false,
                [700, 120_000, 30_000, 700, 600_000],
            ),
            (
                Data,
                json!({"timeout_ms": 5000}),
                json!({"timeouts": {"idle_ms": 1}}),
                true,
                [5_000, 5_000, 1, -1, 600_000],
            ),
            (
                Data,
                json!({"timeouts": {"total_ms": null, "connect_ms": 20000}}),
                nothing(),
                false,
                [20_000, 120_000, 30_000, -1, 600_000],
            ),
            (
                Data,
                json!({"timeouts": {"total_ms": 9}}),
                nothing(),
                true,
                [10_000, 120_000, 30_000, 9, 600_000],
            ),
            (
                Control,
                nothing(),
                json!({"timeouts": {"total_ms": 0}}),
                false,
                [10_000, 120_000, 30_000, 0, -1],
            ),
        ] {
            let timeouts = Timeouts::from_options(plane, &map(client.clone())).expect("options");
            let mut request = map(call.clone());
            let got = clocks_override(&mut request, &timeouts, streaming).expect("a request");
            assert_eq!(in_ms(got), clocks, "{client} {call}");
            assert!(request.is_empty(), "taken out: {call}");
        }
    }

    #[test]
    fn a_wrong_length_is_named() {
        for (request, field) in [
            (json!({"timeout_ms": -1}), "timeout_ms"),
            (json!({"timeout_ms": "5"}), "timeout_ms"),
            (json!({"timeout_ms": true}), "timeout_ms"),
            (json!({"timeouts": 5}), "timeouts"),
            (json!({"timeouts": {"idle_ms": -0.5}}), "idle_ms"),
            (json!({"timeouts": {"read_ms": 1}}), "read_ms"),
            (json!({"timeout_ms": 1, "timeouts": {}}), "timeouts"),
        ] {
            let timeouts = Timeouts::from_options(Plane::Data, &Map::new()).expect("defaults");
            let error =
                clocks_override(&mut map(request.clone()), &timeouts, false).expect_err("refused");
            assert_eq!(error.field.as_deref(), Some(field), "{request}");
        }
    }

    #[test]
    fn more_than_a_clock_can_hold_is_for_ever() {
        let huge: Value = serde_json::from_str(r#"{"timeout_ms": 1e300}"#).expect("JSON");
        assert_eq!(milliseconds(&map(huge), "timeout_ms").expect("a length"), Some(Duration::MAX));
    }
}
