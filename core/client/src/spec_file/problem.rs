//! What is wrong with a file: all of it at once, each with its place.

use super::source;
use super::tree::At;
use crate::error::{Error, code};

/// As many are listed; the others are counted.
const SHOWN: usize = 20;

/// One thing that is wrong.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) at: At,
    pub(super) words: String,
    /// Where the same thing stands for the first time.
    first: Option<At>,
    field: Option<String>,
    hint: Option<String>,
}

impl Problem {
    pub(super) fn new(at: At, words: impl Into<String>) -> Self {
        Self { at, words: words.into(), first: None, field: None, hint: None }
    }

    /// `what` is at `at`, and was at `first` already.
    pub(super) fn twice(what: &str, first: At, at: At) -> Self {
        let problem = Self::new(at, format!("{what} is here a second time"));
        Self { first: Some(first), ..problem }
    }

    /// The line that people read. A place costs a look through the text, so only what is shown is worth one.
    fn line(&self, name: &str, text: &str) -> String {
        let (line, column) = source::place(text, self.at);
        let first = self.first.map(|first| source::place(text, first));
        let first = first.map(|(line, column)| format!("; the first is at {line}:{column}"));
        format!("{name}:{line}:{column}: {}{}", self.words, first.unwrap_or_default())
    }

    /// Names the field of the spec.
    pub(super) fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Adds what to do.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Asks whether `near` is meant; if nothing is near, `otherwise` is what to do.
    pub(super) fn suggest(mut self, near: Option<&str>, otherwise: String) -> Self {
        match near {
            Some(near) => {
                self.words.push_str(&format!("; did you mean `{near}`?"));
                self.hint(format!("write `{near}`"))
            }
            None => self.hint(otherwise),
        }
    }
}

/// What was found so far. Tokens stand apart: beside one, nothing else is worth a word.
#[derive(Debug, Default)]
pub(super) struct Problems {
    others: Vec<Problem>,
    secrets: Vec<Problem>,
}

impl Problems {
    pub(super) fn add(&mut self, problem: Problem) {
        self.others.push(problem);
    }

    /// A token at `at`, in the field `path`. The platform stores and shows specs.
    pub(super) fn secret(&mut self, at: At, path: &str) {
        let words = format!("`{path}` holds a token, and a spec is stored and shown as it is");
        let hint = "take the token out of the spec; if it was sent anywhere, revoke it";
        self.secrets.push(Problem::new(at, words).field(path).hint(hint));
    }

    /// `ConfigurationError secret_in_spec`, else `ValidationError`: the first problem's, with the others in its message.
    pub(super) fn into_result(self, name: &str, text: &str) -> Result<(), Error> {
        let Self { others, secrets } = self;
        let secret = !secrets.is_empty();
        let mut found = if secret { secrets } else { others };
        found.sort_by_key(|problem| problem.at);
        let mut lines: Vec<String> =
            found.iter().take(SHOWN).map(|problem| problem.line(name, text)).collect();
        if found.len() > SHOWN {
            lines.push(format!("and {} more", found.len() - SHOWN));
        }
        let Some(first) = found.into_iter().next() else { return Ok(()) };
        let words = lines.join(" | ");
        let mut error = match secret {
            true => Error::configuration(code::SECRET_IN_SPEC, words),
            false => Error::invalid("spec", words),
        };
        error.field = first.field;
        error.hint = first.hint;
        error.extra.place = Some(source::place(text, first.at));
        error.extra.problems = lines;
        Err(error)
    }
}
