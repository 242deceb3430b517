//! What the caller wishes: a workload spec that passed every local check (wire.md 1.4).

mod checks;
pub(crate) mod enums;
pub(crate) mod slug;

use serde_json::{Map, Value};

use crate::error::Error;
use crate::secret::Secret;

/// A checked spec. `None` = not managed: never compared, never sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WorkloadSpec {
    pub(crate) name: String,
    /// Canonical.
    pub(crate) slug: String,
    pub(crate) model: String,
    pub(crate) backend: String,
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

impl WorkloadSpec {
    /// Reads and checks a spec as the binding sends it; null = unset.
    pub(crate) fn from_json(spec: &Value, own_token: &Secret) -> Result<Self, Error> {
        unimplemented!("{spec:?} {own_token:?}")
    }
}
