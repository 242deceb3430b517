//! What `ensure` would change, as a value (wire.md 2.7), and the bodies that change it (wire.md 2.6, 2.8).

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;
use serde_json::{Map, Value};

use super::command;
use super::compare::Change;
use super::cost::{self, Ceilings};
use super::drift::{self, Drift};
use super::hidden;
use super::list::Workload;
use crate::error::{Class, Error, code, mask};
use crate::spec::WorkloadSpec;
use crate::spec::enums::DEFAULT_TASK_TYPE;

const SPELLING: &str = "the flags of `command` are the same: order, spacing or quoting differs";

/// What has to be done so that live matches the spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Create,
    Update,
    Unchanged,
    /// A field differs that cannot change in place.
    Conflict,
}

/// The list of intended changes, by the spec's names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Plan {
    pub(crate) project_slug: String,
    pub(crate) workload_slug: String,
    pub(crate) action: Action,
    pub(crate) changes: Vec<Change>,
    /// Differences that cannot be written.
    pub(crate) conflicts: Vec<Change>,
    /// Live fields that the spec leaves alone.
    pub(crate) unmanaged: usize,
    /// What else there is to say, as sentences.
    pub(crate) notes: Vec<String>,
    pub(crate) max_hourly_cost_usd: Ceilings,
    /// What `apply` has to find unchanged; `None` = no workload.
    pub(crate) base: Option<String>,
}

impl Plan {
    /// The plan for a slug that is not there: everything that would be sent, by the spec's names.
    pub(crate) fn create(project_slug: &str, spec: &WorkloadSpec) -> Self {
        let body = create_body(spec);
        Self {
            project_slug: project_slug.to_owned(),
            workload_slug: spec.slug.clone(),
            action: Action::Create,
            changes: drift::declared(&body),
            conflicts: Vec::new(),
            unmanaged: 0,
            notes: Vec::new(),
            max_hourly_cost_usd: Ceilings {
                before: None,
                after: cost::ceiling(|key| body.get(key)),
            },
            base: None,
        }
    }

    /// The plan for a workload that is there.
    pub(crate) fn update(project_slug: &str, live: &Workload, drift: &Drift) -> Self {
        let action = match (drift.conflicts.is_empty(), drift.changes.is_empty()) {
            (false, _) => Action::Conflict,
            (true, false) => Action::Update,
            (true, true) => Action::Unchanged,
        };
        Self {
            project_slug: project_slug.to_owned(),
            workload_slug: live.slug.clone(),
            action,
            changes: drift.changes.clone(),
            conflicts: drift.conflicts.clone(),
            unmanaged: drift.unmanaged,
            notes: drift
                .changes
                .iter()
                .any(is_spelling)
                .then(|| SPELLING.to_owned())
                .into_iter()
                .collect(),
            max_hourly_cost_usd: drift.max_hourly_cost_usd,
            base: Some(base(live, drift)),
        }
    }

    /// Does live differ from the spec?
    pub(crate) fn is_drift(&self) -> bool {
        matches!(self.action, Action::Update | Action::Conflict)
    }

    /// `model`, `config.max_model_len`: each field that differs.
    pub(crate) fn fields(&self) -> String {
        names(self.conflicts.iter().chain(&self.changes))
    }

    /// As hosts may see it; written, it has the schema of `docs/c-api.md`. A live command may hold a token, and plans are
    /// printed.
    pub(crate) fn shown(mut self) -> Self {
        for change in self.changes.iter_mut().chain(&mut self.conflicts) {
            hidden::hide(change);
            mask_change(change);
        }
        let own = [&mut self.project_slug, &mut self.workload_slug];
        own.into_iter().chain(&mut self.notes).chain(&mut self.base).for_each(mask_text);
        self
    }

    /// The same as a value.
    pub(crate) fn to_value(&self) -> Value {
        // Strings, numbers and values that came from JSON: nothing in a plan can fail to be written.
        serde_json::to_value(self.clone().shown()).unwrap_or_default()
    }

    /// `DriftError` of a policy or a field that forbids the write.
    pub(crate) fn refusal(&self, code: &'static str) -> Error {
        let slug = &self.workload_slug;
        let fields = match code {
            code::IMMUTABLE_FIELD => names(&self.conflicts),
            _ => self.fields(),
        };
        let (words, hint) = match code {
            code::IMMUTABLE_FIELD => (
                format!("workload `{slug}` cannot change {fields} in place; nothing was changed"),
                "delete the workload first, or give the spec another slug".to_owned(),
            ),
            _ if !self.conflicts.is_empty() => (
                format!("workload `{slug}` differs from its spec in {fields}; nothing was changed"),
                format!(
                    "{} cannot change in place: delete the workload first, or give the spec another slug",
                    names(&self.conflicts)
                ),
            ),
            _ => (
                format!("workload `{slug}` differs from its spec in {fields}; nothing was changed"),
                "set `on_drift` to \"reconcile\" to write the difference, or correct the spec"
                    .to_owned(),
            ),
        };
        let mut error = Error::new(Class::DriftError, code, words).hint(hint);
        error.field =
            self.conflicts.iter().chain(&self.changes).next().map(|change| change.path.clone());
        error.extra.plan = Some(self.to_value());
        error
    }
}

/// A command with the same words and flags, written in another way.
fn is_spelling(change: &Change) -> bool {
    match (&change.before, &change.after) {
        (Value::String(before), Value::String(after)) => {
            change.path == "command" && change.parts.is_empty() && command::is_same(before, after)
        }
        _ => false,
    }
}

/// Puts tokens into their display form.
fn mask_text(text: &mut String) {
    *text = mask(text, &[]);
}

fn mask_change(change: &mut Change) {
    mask_text(&mut change.path);
    mask_value(&mut change.before);
    mask_value(&mut change.after);
    change.parts.iter_mut().for_each(mask_change);
}

/// In all its texts, keys included.
fn mask_value(value: &mut Value) {
    match value {
        Value::String(text) => mask_text(text),
        Value::Array(items) => items.iter_mut().for_each(mask_value),
        Value::Object(entries) => {
            *entries = std::mem::take(entries)
                .into_iter()
                .map(|(key, mut value)| {
                    mask_value(&mut value);
                    (mask(&key, &[]), value)
                })
                .collect();
        }
        _ => {}
    }
}

fn names<'a>(changes: impl IntoIterator<Item = &'a Change>) -> String {
    let names = changes.into_iter().map(|change| format!("`{}`", change.path));
    names.collect::<Vec<_>>().join(", ")
}

/// Which workload a plan was made for, when it was changed last, and what was found to differ. The difference is in it for
/// platforms that keep no time, or whole seconds only.
fn base(live: &Workload, drift: &Drift) -> String {
    let updated_at = live.fields.get("updated_at").and_then(Value::as_str).unwrap_or("-");
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(&(&drift.changes, &drift.conflicts))
        .unwrap_or_default()
        .hash(&mut hasher);
    format!("{} {updated_at} {:016x}", live.id, hasher.finish())
}

/// The body of a create: exactly what is set, under the wire's names (wire.md 2.6).
pub(crate) fn create_body(spec: &WorkloadSpec) -> Map<String, Value> {
    let mut body = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        value.map(|value| body.insert(key.to_owned(), value));
    };
    let text = |text: &str| Some(Value::from(text));
    put("name", text(&spec.name));
    put("slug", text(&spec.slug));
    put("task_type", text(spec.task_type.as_deref().unwrap_or(DEFAULT_TASK_TYPE)));
    put("backend", text(&spec.backend));
    put("model_name", text(&spec.model));
    put("description", spec.description.clone().map(Value::from));
    put("config", spec.config.clone().map(Value::from));
    put("worker_id", spec.worker_id.clone().map(Value::from));
    put("gpu_resource_id", spec.gpu_resource_id.clone().map(Value::from));
    put("execution_policy", spec.execution_policy.clone().map(Value::from));
    put("execution_policy_config", spec.execution_policy_config.clone().map(Value::from));
    body
}
