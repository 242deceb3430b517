//! What a workload may cost at most, as its execution policy says (wire.md 2.6). An estimate nobody makes: a policy without a
//! ceiling has none that is known.

use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, code};

/// The field of a workload, and of its spec, that has the ceiling.
pub(super) const POLICY_CONFIG: &str = "execution_policy_config";
const KEY: &str = "max_hourly_cost_usd";
/// Objects of a policy's config that may have a ceiling of their own. The lowest one counts.
const PLACES: [&[&str]; 3] = [&[], &["workers", "cloud_pool"], &["cloud_pool"]];

/// Ceilings in US dollars an hour, before and after a plan; `None` = not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Ceilings {
    pub(crate) before: Option<f64>,
    pub(crate) after: Option<f64>,
}

impl Ceilings {
    /// `ValidationError`: the caller wants to pay less.
    pub(crate) fn within(&self, limit: f64, slug: &str) -> Result<(), Error> {
        match self.after {
            Some(ceiling) if ceiling > limit => Err(above(ceiling, limit, slug)),
            _ => Ok(()),
        }
    }
}

/// The ceiling of a live workload, or of the body that creates one.
pub(crate) fn ceiling<'a>(get: impl Fn(&str) -> Option<&'a Value>) -> Option<f64> {
    get(POLICY_CONFIG).and_then(ceiling_of)
}

/// The ceiling in a policy's config.
pub(crate) fn ceiling_of(config: &Value) -> Option<f64> {
    let found = PLACES.iter().filter_map(|path| {
        let place = path.iter().try_fold(config, |place, key| place.get(key))?;
        place.get(KEY)?.as_f64().filter(|dollars| dollars.is_finite() && *dollars >= 0.0)
    });
    found.reduce(f64::min)
}

fn above(ceiling: f64, limit: f64, slug: &str) -> Error {
    let words = format!(
        "workload `{slug}` may cost {ceiling} USD an hour, and `{KEY}` allows {limit}; nothing was changed"
    );
    let mut error = Error::invalid(KEY, &words)
        .hint(format!("lower `{POLICY_CONFIG}.{KEY}` in the spec, or allow more"));
    error.code = code::COST_ABOVE_LIMIT;
    error
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_lowest_ceiling_of_a_policy_counts() {
        for (name, config, expected) in [
            ("at the top", json!({"max_hourly_cost_usd": 4}), Some(4.0)),
            (
                "of the pool",
                json!({"workers": {"cloud_pool": {"max_hourly_cost_usd": 2.5}}}),
                Some(2.5),
            ),
            (
                "of both",
                json!({"max_hourly_cost_usd": 4, "workers": {"cloud_pool": {"max_hourly_cost_usd": 9}}}),
                Some(4.0),
            ),
            (
                "of the old flat form",
                json!({"gpu_pool": ["a"], "max_hourly_cost_usd": 1.0}),
                Some(1.0),
            ),
            ("replicas say nothing about money", json!({"replicas": 1}), None),
            ("a string is no number", json!({"max_hourly_cost_usd": "4"}), None),
            ("a negative one is no ceiling", json!({"max_hourly_cost_usd": -1}), None),
            ("no object", json!(null), None),
        ] {
            assert_eq!(ceiling_of(&config), expected, "{name}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_refused() {
        for (after, limit, allowed) in [
            (Some(4.0), 4.0, true),
            (Some(4.01), 4.0, false),
            (Some(0.0), 0.0, true),
            (None, 0.0, true),
        ] {
            let ceilings = Ceilings { before: None, after };
            assert_eq!(ceilings.within(limit, "bot").is_ok(), allowed, "{after:?} {limit}");
        }
    }
}
