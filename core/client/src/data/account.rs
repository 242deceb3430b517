//! What an answer tells beside its content: what it cost, the request's id, and how long it took.
//!
//! Usage is read as the server tells it, and never asked for or made up (wire.md 3.1). Counts of another type are none: they
//! fail no answer. Time runs on the core's own clock from the start of the operation, its retries and pauses included.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess};
use serde_json::value::RawValue;

use crate::driver::now;
use crate::json::{self, Entries, Node, Told};
use crate::transport::Call;

/// Tokens as the server counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Usage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    total_tokens: Option<u64>,
}

impl Usage {
    /// From what stands under `usage`; none if it holds no count.
    pub(super) fn read(told: Told<'_>) -> Option<Self> {
        let usage: Self = json::read_inside(told.0?)?;
        (usage != Self::default()).then_some(usage)
    }

    /// Of an answer in parts: a count that each of them tells.
    pub(super) fn sum(parts: &[Option<Self>]) -> Option<Self> {
        let parts: Vec<Self> = parts.iter().copied().collect::<Option<_>>()?;
        let sum = |count: fn(&Self) -> Option<u64>| {
            parts.iter().map(count).try_fold(0_u64, |sum, count| sum.checked_add(count?))
        };
        let usage = Self {
            input_tokens: sum(|part| part.input_tokens),
            output_tokens: sum(|part| part.output_tokens),
            total_tokens: sum(|part| part.total_tokens),
        };
        (usage != Self::default()).then_some(usage)
    }
}

impl<'de> Node<'de> for Usage {
    fn object<A: MapAccess<'de>>(entries: &mut Entries<'de, A>) -> Result<Option<Self>, A::Error> {
        let mut usage = Self::default();
        while let Some(key) = entries.key()? {
            let count = match &*key {
                "prompt_tokens" | "input_tokens" => &mut usage.input_tokens,
                "completion_tokens" | "output_tokens" => &mut usage.output_tokens,
                "total_tokens" => &mut usage.total_tokens,
                _ => {
                    entries.skip()?;
                    continue;
                }
            };
            *count = entries.value::<Count>()?.0.or(*count);
        }
        Ok(Some(usage))
    }
}

/// A whole number from 0, if it is one.
struct Count(Option<u64>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(<&RawValue>::deserialize(deserializer)?.get().parse().ok()))
    }
}

/// How long an answer took, from the start of its operation.
#[derive(Debug, Serialize)]
pub(super) struct Timing {
    /// Streams: to the first content.
    first_token_us: Option<u64>,
    /// To the last byte of the answer.
    total_us: u64,
    /// Tokens of the answer over all that time.
    tokens_per_second: Option<f64>,
}

impl Timing {
    /// The answer to `call` is complete at this moment. `first_token`: when its first content came.
    pub(super) fn end(call: &Call, first_token: Option<Instant>, usage: Option<Usage>) -> Self {
        Self::ended_at(now(), call, first_token, usage)
    }

    /// The last byte of the answer came at `end`.
    pub(super) fn ended_at(
        end: Instant,
        call: &Call,
        first_token: Option<Instant>,
        usage: Option<Usage>,
    ) -> Self {
        let since = |at: Instant| at.saturating_duration_since(call.started);
        let total = since(end);
        Self {
            first_token_us: first_token.map(|at| micros(since(at))),
            total_us: micros(total),
            tokens_per_second: usage
                .and_then(|usage| usage.output_tokens)
                .filter(|_| !total.is_zero())
                .map(|tokens| tokens as f64 / total.as_secs_f64()),
        }
    }
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_as_they_are_told() {
        let usage = |input_tokens, output_tokens, total_tokens| {
            Some(Usage { input_tokens, output_tokens, total_tokens })
        };
        for (told, expected) in [
            (
                r#"{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}"#,
                usage(Some(3), Some(4), Some(7)),
            ),
            (r#"{"input_tokens":3,"output_tokens":4}"#, usage(Some(3), Some(4), None)),
            (r#"{"prompt_tokens":3,"total_tokens":3}"#, usage(Some(3), None, Some(3))),
            (r#"{"prompt_tokens":3,"input_tokens":null}"#, usage(Some(3), None, None)),
            (
                r#"{"total_tokens":0,"prompt_tokens_details":{"cached_tokens":1}}"#,
                usage(None, None, Some(0)),
            ),
            (r#"{"total_tokens":18446744073709551615}"#, usage(None, None, Some(u64::MAX))),
            (
                r#"{"prompt_tokens":"3","completion_tokens":true,"total_tokens":7}"#,
                usage(None, None, Some(7)),
            ),
            (r#"{"prompt_tokens":-1,"completion_tokens":1.5,"total_tokens":1e999}"#, None),
            (r#"{"total_tokens":99999999999999999999}"#, None),
            (r#"{"total_tokens":[1],"prompt_tokens":{}}"#, None),
            (r#"{"seconds":3}"#, None),
            ("7", None),
            (r#""many""#, None),
            ("[3]", None),
        ] {
            assert_eq!(Usage::read(Told(Some(told))), expected, "{told}");
        }
        assert_eq!(Usage::read(Told(None)), None);
    }

    #[test]
    fn counts_of_parts_add_up_where_every_part_tells_them() {
        let usage = |input_tokens, total_tokens| {
            Some(Usage { input_tokens, output_tokens: None, total_tokens })
        };
        let most = usage(Some(u64::MAX), Some(1));
        for (parts, expected) in [
            (vec![usage(Some(1), Some(1)), usage(Some(2), Some(3))], usage(Some(3), Some(4))),
            (vec![usage(Some(1), Some(1)), usage(None, Some(3))], usage(None, Some(4))),
            (vec![usage(Some(1), None), usage(None, Some(3))], None),
            (vec![usage(Some(1), Some(1)), None], None),
            (vec![most, most], usage(None, Some(2))),
        ] {
            assert_eq!(Usage::sum(&parts), expected, "{parts:?}");
        }
    }
}
