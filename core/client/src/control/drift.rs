//! Drift: spec against live, field by field, and the PATCH that ends it (wire.md 2.8).

use serde_json::{Map, Value};

use super::command;
use super::compare::{self, Change};
use super::cost::{self, Ceilings, POLICY_CONFIG};
use super::list::Fields;
use super::mark::unmarked;
use crate::spec::WorkloadSpec;

type Object = Map<String, Value>;

/// Where spec and live differ, and what writing the difference takes.
#[derive(Debug, PartialEq)]
pub(crate) struct Drift {
    pub(crate) changes: Vec<Change>,
    /// Differences that cannot be written.
    pub(crate) conflicts: Vec<Change>,
    /// Live fields that are not declared: unset ones of the spec, undeclared keys inside those that are set.
    pub(crate) unmanaged: usize,
    /// The PATCH body: drifted keys only, under the live names.
    pub(crate) patch: Object,
    /// What the workload may cost, live and once the difference is written.
    pub(crate) max_hourly_cost_usd: Ceilings,
}

/// Compares what the spec sets with what is live.
pub(crate) fn compare(spec: &WorkloadSpec, live: &Fields) -> Drift {
    let mut comparison = Comparison { live, changes: Vec::new(), patch: Object::new() };
    comparison.required("name", "name", &spec.name);
    comparison.required("backend", "backend", &spec.backend);
    comparison.required("model", "model_name", &spec.model);
    comparison.description(spec.description.as_deref());
    comparison.config(spec.config.as_ref());
    comparison.text("worker_id", spec.worker_id.as_deref());
    comparison.text("gpu_resource_id", spec.gpu_resource_id.as_deref());
    comparison.policy(spec.execution_policy.as_deref(), spec.execution_policy_config.as_ref());
    let before = cost::ceiling(|key| live.get(key));
    let after = match comparison.patch.get(POLICY_CONFIG) {
        Some(written) => cost::ceiling_of(written),
        None => before,
    };
    Drift {
        max_hourly_cost_usd: Ceilings { before, after },
        conflicts: conflicts(spec, live),
        unmanaged: unmanaged(spec, live),
        changes: comparison.changes,
        patch: comparison.patch,
    }
}

/// Everything a create declares, as changes from nothing, by the spec's names.
pub(crate) fn declared(create_body: &Object) -> Vec<Change> {
    let mut changes = Vec::new();
    for (key, value) in create_body.iter().filter(|(key, _)| *key != "slug") {
        let name = if key == "model_name" { "model" } else { key };
        compare::changes(name, value, None, &mut changes);
    }
    rename_config_fields(&mut changes);
    changes
}

/// The task type is fixed at creation.
fn conflicts(spec: &WorkloadSpec, live: &Fields) -> Vec<Change> {
    match (&spec.task_type, live.get("task_type")) {
        (Some(declared), Some(Value::String(live))) if declared != live => {
            let (live, declared) = (Value::from(live.as_str()), Value::from(declared.as_str()));
            vec![Change::new("task_type", Some(&live), &declared)]
        }
        _ => Vec::new(),
    }
}

fn unmanaged(spec: &WorkloadSpec, live: &Fields) -> usize {
    let count = |key: &str, is_set: bool, config: Option<&Object>| match live.get(key) {
        None => 0,
        Some(live) if is_empty(live) => 0,
        Some(_) if !is_set => 1,
        Some(Value::Object(live)) => config.map_or(0, |config| compare::undeclared(config, live)),
        Some(_) => 0,
    };
    let policy_config = spec.execution_policy_config.as_ref();
    [
        count("task_type", spec.task_type.is_some(), None),
        count("description", spec.description.is_some(), None),
        count("config", spec.config.is_some(), spec.config.as_ref()),
        count("worker_id", spec.worker_id.is_some(), None),
        count("gpu_resource_id", spec.gpu_resource_id.is_some(), None),
        count("execution_policy", spec.execution_policy.is_some(), None),
        count(POLICY_CONFIG, policy_config.is_some(), policy_config),
    ]
    .into_iter()
    .sum()
}

/// What platforms give for a field that nobody set.
fn is_empty(live: &Value) -> bool {
    match live {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

/// `command` and `vllm_version` are fields of the spec, but keys inside the wire's `config`.
fn rename_config_fields(changes: &mut [Change]) {
    for change in changes {
        if let "config.command" | "config.vllm_version" = change.path.as_str() {
            change.path.drain(.."config.".len());
        }
    }
}

/// Two commands are compared flag by flag.
fn compare_command(change: &mut Change) {
    if let ("command", Value::String(before), Value::String(after)) =
        (change.path.as_str(), &change.before, &change.after)
    {
        change.parts = command::differences(before, after);
    }
}

struct Comparison<'a> {
    live: &'a Fields,
    changes: Vec<Change>,
    patch: Object,
}

impl Comparison<'_> {
    /// Always set in a spec; compared if the platform tells it.
    fn required(&mut self, name: &str, key: &str, declared: &str) {
        if let Some(Value::String(live)) = self.live.get(key)
            && live != declared
        {
            self.differs(name, key, declared);
        }
    }

    fn text(&mut self, key: &str, declared: Option<&str>) {
        let Some(declared) = declared else { return };
        if self.live.get(key).and_then(Value::as_str) != Some(declared) {
            self.differs(key, key, declared);
        }
    }

    /// `""`, null and absent are one. The mark of an ephemeral workload is no part of it.
    fn description(&mut self, declared: Option<&str>) {
        let Some(declared) = declared else { return };
        let live = match self.live.get("description") {
            None | Some(Value::Null) => Some(""),
            Some(live) => live.as_str(),
        };
        if live.map(unmarked) != Some(unmarked(declared)) {
            self.differs("description", "description", declared);
        }
    }

    fn differs(&mut self, name: &str, key: &str, declared: &str) {
        let declared = Value::from(declared);
        self.changes.push(Change::new(name, self.live.get(key), &declared));
        self.patch.insert(key.to_owned(), declared);
    }

    fn config(&mut self, declared: Option<&Object>) {
        let Some(declared) = declared else { return };
        let mut changes = self.inside("config", declared);
        if !changes.is_empty() {
            rename_config_fields(&mut changes);
            changes.iter_mut().for_each(compare_command);
            self.changes.append(&mut changes);
            self.patch.insert("config".to_owned(), self.merged("config", declared));
        }
    }

    /// Kind and config of a policy travel together; a config of another kind is never merged into.
    fn policy(&mut self, kind: Option<&str>, config: Option<&Object>) {
        const KIND: &str = "execution_policy";
        let live_kind = self.live.get(KIND).and_then(Value::as_str);
        let kind_changed = kind.is_some() && kind != live_kind;
        let differences = match config {
            // Written without the live one, whatever that holds.
            Some(config) if kind_changed => {
                vec![Change::new(
                    POLICY_CONFIG,
                    self.live.get(POLICY_CONFIG),
                    &Value::Object(config.clone()),
                )]
            }
            Some(config) => self.inside(POLICY_CONFIG, config),
            None => Vec::new(),
        };
        self.text(KIND, kind);
        if !kind_changed && differences.is_empty() {
            return;
        }
        self.changes.extend(differences);
        if let Some(kind) = kind.or(live_kind) {
            self.patch.insert(KIND.to_owned(), kind.into());
        }
        if let Some(config) = config {
            let whole = match kind_changed {
                true => Value::Object(config.clone()),
                false => self.merged(POLICY_CONFIG, config),
            };
            self.patch.insert(POLICY_CONFIG.to_owned(), whole);
        }
    }

    /// Differences inside an object, which is as good as there if live has none: only what it holds is declared.
    fn inside(&self, key: &str, declared: &Object) -> Vec<Change> {
        let nothing = Value::Object(Object::new());
        let live = self.live.get(key).filter(|live| !live.is_null()).unwrap_or(&nothing);
        let mut changes = Vec::new();
        if !declared.is_empty() {
            compare::changes(key, &Value::Object(declared.clone()), Some(live), &mut changes);
        }
        changes
    }

    fn merged(&self, key: &str, declared: &Object) -> Value {
        let nothing = Object::new();
        let live = self.live.get(key).and_then(Value::as_object).unwrap_or(&nothing);
        Value::Object(compare::merge(live, declared))
    }
}
