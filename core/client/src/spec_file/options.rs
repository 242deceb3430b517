//! How a file is read, and which of its workloads are wanted.

use serde_json::{Map, Value};

use super::source;
use super::workload::Workload;
use crate::config::arguments;
use crate::error::Error;
use crate::secret::Secret;
use crate::spec::enums::nearest;
use crate::spec::slug;

const KEYS: [&str; 5] = ["format", "name", "environment", "slug", "one"];
const FORMATS: [&str; 3] = ["yaml", "toml", "json"];
/// Variables that hold tokens, of whatever form.
const TOKENS: [&str; 2] = ["INFERENCEKEY_SDK_TOKEN", "INFERENCEKEY_API_KEY"];

#[derive(Debug, Clone, Copy)]
pub(super) enum Format {
    Yaml,
    Toml,
    Json,
}

pub(super) struct Options {
    pub(super) format: Format,
    /// What the file is called in messages.
    pub(super) name: String,
    environment: Map<String, Value>,
    slug: Option<String>,
    one: bool,
}

impl Options {
    pub(super) fn parse(text: &[u8]) -> Result<Self, Error> {
        let options = arguments::parse(text)?;
        arguments::refuse_unknown(&options, &KEYS)?;
        let environment = arguments::object(&options, "environment")?.unwrap_or_default();
        if let Some((name, value)) = environment.iter().find(|(_, value)| !value.is_string()) {
            let field = format!("environment.{name}");
            return Err(arguments::wrong_type(&field, "a string", value));
        }
        Ok(Self {
            format: format(arguments::string(&options, "format")?.as_deref())?,
            name: arguments::string(&options, "name")?.unwrap_or_else(|| "spec".to_owned()),
            environment,
            slug: arguments::string(&options, "slug")?,
            one: arguments::boolean(&options, "one")?.unwrap_or(false),
        })
    }

    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name)?.as_str().map(str::to_owned)
    }

    pub(super) fn tokens(&self) -> Vec<Secret> {
        let values = TOKENS.iter().filter_map(|name| self.environment.get(*name)?.as_str());
        values.filter_map(arguments::trimmed).map(Secret::new).collect()
    }

    /// The workloads that are wanted: all, the one with the slug, or the only one.
    pub(super) fn choose(
        &self,
        text: &str,
        workloads: Vec<Workload>,
    ) -> Result<Vec<Workload>, Error> {
        let wanted = self.slug.as_deref().map(|text| slug::canonical("slug", text)).transpose()?;
        let all = labels(text, &workloads);
        let refused = |words| Error::invalid("slug", format!("{}: {words}", self.name));
        let Some(wanted) = wanted else {
            return match workloads.len() {
                count if self.one && count > 1 => {
                    Err(refused(format!("the file has {count} workloads: {all}"))
                        .hint("say which one with `slug`, or read all of them"))
                }
                _ => Ok(workloads),
            };
        };
        let slugs: Vec<&str> = workloads.iter().map(|workload| workload.slug.as_str()).collect();
        match slugs.iter().filter(|slug| **slug == wanted).count() {
            0 => {
                let near = nearest(&wanted, &slugs).map(|near| format!("did you mean `{near}`?"));
                let error = refused(format!("the file has no workload `{wanted}`, but {all}"));
                Err(error.hint(near.unwrap_or_else(|| "give one of these slugs".to_owned())))
            }
            1 => Ok(workloads.into_iter().filter(|workload| workload.slug == wanted).collect()),
            _ => Err(refused(format!("several projects have a workload `{wanted}`: {all}"))
                .hint("read all of them, and choose by `project`")),
        }
    }
}

fn format(text: Option<&str>) -> Result<Format, Error> {
    match text {
        Some("yaml") => Ok(Format::Yaml),
        Some("toml") => Ok(Format::Toml),
        Some("json") => Ok(Format::Json),
        _ => {
            let words = format!("`format` must be one of: {}", FORMATS.join(", "));
            Err(Error::invalid("format", words).hint("it says how the text is written"))
        }
    }
}

/// The slugs as they are written, with their lines.
fn labels(text: &str, workloads: &[Workload]) -> String {
    const SHOWN: usize = 10;
    let labels = workloads.iter().take(SHOWN).map(|workload| {
        let (line, _) = source::place(text, workload.at);
        format!("`{}` (line {line})", workload.label)
    });
    let mut labels: Vec<String> = labels.collect();
    if workloads.len() > SHOWN {
        labels.push(format!("{} more", workloads.len() - SHOWN));
    }
    labels.join(", ")
}
