//! The enums of wire.md 4: `backend` is open, the others are closed.

use crate::error::Error;

/// What a task type may be.
pub(crate) const TASK_TYPES: [&str; 13] = [
    "text2text",
    "embedding",
    "text2image",
    "text2video",
    "text2audio",
    "image2image",
    "image2video",
    "audio2text",
    "omni",
    "reranker",
    "classification",
    "reward",
    "forecast",
];

/// What an execution policy may be.
pub(crate) const EXECUTION_POLICIES: [&str; 3] = ["fixed", "scheduled", "autoscaling"];

/// What the closed enum `field` of a spec may be; `None` for every other field.
pub(crate) fn allowed(field: &str) -> Option<&'static [&'static str]> {
    match field {
        "task_type" => Some(&TASK_TYPES),
        "execution_policy" => Some(&EXECUTION_POLICIES),
        _ => None,
    }
}

/// The task type of a create whose spec names none.
pub(crate) const DEFAULT_TASK_TYPE: &str = "text2text";

/// What `ensure` does about drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum OnDrift {
    /// Write the difference.
    #[default]
    Reconcile,
    /// `DriftError`, no write.
    Fail,
    /// Plan alone: nothing is written, not even a create.
    DryRun,
    /// Plan and one warning, no write.
    Warn,
    /// Plan, no write.
    Ignore,
}

impl OnDrift {
    const ALL: [(&'static str, Self); 5] = [
        ("reconcile", Self::Reconcile),
        ("fail", Self::Fail),
        ("dry_run", Self::DryRun),
        ("warn", Self::Warn),
        ("ignore", Self::Ignore),
    ];

    /// `ValidationError` about `on_drift`, with the allowed values and the nearest one.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let known = Self::ALL.iter().find(|(name, _)| *name == text);
        known
            .map(|(_, policy)| *policy)
            .ok_or_else(|| outside("on_drift", text, &Self::ALL.map(|(name, _)| name)))
    }
}

/// Refuses a value outside of a closed enum, naming the allowed values and the nearest one.
pub(super) fn check(field: &str, text: &str, allowed: &[&str]) -> Result<(), Error> {
    if allowed.contains(&text) { Ok(()) } else { Err(outside(field, text, allowed)) }
}

fn outside(field: &str, text: &str, allowed: &[&str]) -> Error {
    // Enough to recognise the value, and the allowed ones are still on the line.
    let shown: String = text.chars().take(80).collect();
    let words = format!("`{field}` is `{shown}`; allowed: {}", allowed.join(", "));
    let hint = match nearest(text, allowed) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("set `{field}` to one of the allowed values"),
    };
    Error::invalid(field, words).hint(hint)
}

/// The value most like `text`, unless more than half of it would have to change. Case, `-`, `_` and blanks do not count.
pub(crate) fn nearest<'a>(text: &str, allowed: &[&'a str]) -> Option<&'a str> {
    // A longer text is no typing error, and the distance takes time in proportion to it.
    const LONGEST: usize = 64;
    let plain = |text: &str| -> Vec<char> {
        let letters = text.chars().filter(|c| !matches!(c, '-' | '_' | ' '));
        letters.take(LONGEST).flat_map(char::to_lowercase).collect()
    };
    let text = plain(text);
    allowed
        .iter()
        .map(|value| (distance(&text, &plain(value)), *value))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, value)| distance * 2 <= value.len())
        .map(|(_, value)| value)
}

/// Levenshtein distance: insertions, deletions and replacements from `a` to `b`.
fn distance(a: &[char], b: &[char]) -> usize {
    // row[j] = distance from the part of `a` seen so far to b[..j].
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_value_is_suggested() {
        for (text, near) in [
            ("text2txt", Some("text2text")),
            ("text-2-text", Some("text2text")),
            ("EMBEDDING", Some("embedding")),
            ("embeddings", Some("embedding")),
            ("rerank", Some("reranker")),
            ("txt2img", Some("text2image")),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, &TASK_TYPES), near, "{text}");
        }
    }

    #[test]
    fn on_drift_is_closed() {
        for (name, policy) in OnDrift::ALL {
            assert_eq!(OnDrift::parse(name).expect(name), policy);
        }
        let error = OnDrift::parse("dry-run").expect_err("unknown");
        assert_eq!(error.field.as_deref(), Some("on_drift"));
        assert_eq!(
            error.words,
            "`on_drift` is `dry-run`; allowed: reconcile, fail, dry_run, warn, ignore"
        );
        assert_eq!(error.hint.as_deref(), Some("did you mean `dry_run`?"));
    }

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("x", "x", 0)]
        {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(distance(&chars(a), &chars(b)), expected);
        }
    }
}
