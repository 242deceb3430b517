//! What the caller wishes: a workload spec that passed every local check (wire.md 1.4, 2.6).

mod checks;
pub(crate) mod enums;
pub(crate) mod slug;

use serde_json::{Map, Value};

pub(crate) use self::checks::holds_token;
use crate::config::arguments;
use crate::error::Error;
use crate::secret::Secret;

/// A checked spec. `None` = not managed: never compared, never sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WorkloadSpec {
    /// Verbatim, as are `model` and `backend`.
    pub(crate) name: String,
    /// Canonical.
    pub(crate) slug: String,
    pub(crate) model: String,
    /// One of the known backends, or the slug of a custom one.
    pub(crate) backend: String,
    /// Trimmed; not checked as a path segment yet.
    pub(crate) project: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) task_type: Option<String>,
    /// `config` with `command` and `vllm_version` as keys inside it; `None` if none of the three is set.
    pub(crate) config: Option<Map<String, Value>>,
    pub(crate) execution_policy: Option<String>,
    pub(crate) execution_policy_config: Option<Map<String, Value>>,
    pub(crate) worker_id: Option<String>,
    pub(crate) gpu_resource_id: Option<String>,
}

/// The keys of a spec, in the order of its fields in every language.
pub(crate) const KEYS: [&str; 14] = [
    "name",
    "slug",
    "model",
    "backend",
    "project",
    "description",
    "command",
    "vllm_version",
    "task_type",
    "config",
    "execution_policy",
    "execution_policy_config",
    "worker_id",
    "gpu_resource_id",
];

/// The fields that no spec goes without.
pub(crate) const REQUIRED: [&str; 4] = ["name", "slug", "model", "backend"];

impl WorkloadSpec {
    /// Reads and checks a spec as a binding sends it; null = unset. `own_token`: the client's, which no spec may hold.
    ///
    /// `ConfigurationError secret_in_spec`: a token somewhere in it. `ValidationError` about the field: everything else.
    pub(crate) fn from_json(spec: &Value, own_token: &Secret) -> Result<Self, Error> {
        let Value::Object(entries) = spec else {
            return Err(arguments::wrong_type("spec", "an object", spec));
        };
        // First of all, so that no other message can repeat a token.
        checks::no_secret(spec, own_token)?;
        arguments::refuse_unknown(entries, &KEYS)?;
        let text = |field| arguments::string(entries, field);
        Ok(Self {
            name: checks::required(entries, "name")?,
            slug: slug::canonical("slug", &checks::required(entries, "slug")?)?,
            model: checks::required(entries, "model")?,
            backend: checks::required(entries, "backend")?,
            project: text("project")?.as_deref().and_then(arguments::trimmed).map(str::to_owned),
            description: text("description")?,
            task_type: checks::one_of(entries, "task_type", &enums::TASK_TYPES)?,
            config: checks::merged_config(entries)?,
            execution_policy: checks::one_of(
                entries,
                "execution_policy",
                &enums::EXECUTION_POLICIES,
            )?,
            execution_policy_config: arguments::object(entries, "execution_policy_config")?,
            worker_id: text("worker_id")?,
            gpu_resource_id: text("gpu_resource_id")?,
        })
    }
}

#[cfg(test)]
mod tests;
