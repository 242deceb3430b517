//! `DriftWarning` once per slug and process (wire.md 2.7).

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

static WARNED: LazyLock<Mutex<HashSet<(String, String)>>> = LazyLock::new(Mutex::default);

/// Is it the first warning about this slug? A slug is an address in its project.
pub(super) fn first_time(project_slug: &str, workload_slug: &str) -> bool {
    let workload = (project_slug.to_owned(), workload_slug.to_owned());
    WARNED.lock().unwrap_or_else(PoisonError::into_inner).insert(workload)
}
