//! The control plane: list, plan, ensure, get, export, delete, readiness (wire.md 2).
//!
//! Rules are functions over values: [`list`] reads pages, of which [`sieve`] leaves what may matter, [`compare`], [`command`], [`drift`], [`cost`] and [`plan`] compare spec
//! and live, [`export`] makes a spec of what is live, [`readiness`] reads events. [`workloads`] asks the platform; [`ensure`],
//! [`delete`], [`status`] and [`wait`] are the operations.

mod alike;
mod command;
mod compare;
mod cost;
mod create;
mod delete;
pub(crate) mod drift;
mod ensure;
mod export;
mod hidden;
mod list;
pub(crate) mod mark;
mod number;
mod plan;
mod readiness;
mod sieve;
mod status;
mod wait;
mod walk;
mod warned;
mod workloads;

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

#[cfg(feature = "fuzzing")]
pub(crate) use compare::Change;
pub(crate) use delete::{Proof, delete, delete_only};
pub(crate) use ensure::{Ensured, Wish, apply, ensure, plan};
pub(crate) use plan::Plan;
pub(crate) use readiness::Progress;
pub(crate) use status::status;
pub(crate) use wait::wait;

use self::list::Workload;
use crate::config::arguments::trimmed;
use crate::error::{Class, Error, answer, code};
use crate::secret::Secret;
use crate::shared::Shared;
use crate::transport::{Accept, Answer, Repeat, Request, Transport, path};

/// What to do about an answer that makes no sense.
const NO_PLATFORM: &str = "check that `base_url` is the address of an InferenceKey platform";

/// What every operation of this plane needs: the client, its token and the project.
pub(crate) struct Context {
    shared: Arc<Shared>,
    token: Secret,
    /// As it is used in the path.
    pub(crate) project_slug: String,
    /// `/api/projects/{project}/workloads`.
    workloads: String,
}

impl Context {
    /// Takes the project from the first of `projects` that is not blank, else from the client.
    /// `ConfigurationError` if there is none, or without a control token.
    pub(crate) fn new(shared: &Arc<Shared>, projects: &[Option<&str>]) -> Result<Self, Error> {
        let token = token(shared)?.clone();
        let own = shared.config.project.as_deref();
        let given = projects.iter().copied().chain([own]).flatten();
        let project_slug = given.filter_map(trimmed).next().ok_or_else(missing_project)?.to_owned();
        let segment = path::segment("project", &project_slug)?;
        let workloads = format!("/api/projects/{segment}/workloads");
        Ok(Self { shared: Arc::clone(shared), token, project_slug, workloads })
    }

    fn transport(&self) -> &Transport {
        &self.shared.transport
    }

    fn list_request(&self, cursor: Option<&str>) -> Request {
        let encoded = |cursor| utf8_percent_encode(cursor, NON_ALPHANUMERIC);
        let query = cursor.map(|cursor| format!("?cursor={}", encoded(cursor)));
        let path = format!("{}{}", self.workloads, query.unwrap_or_default());
        self.request(Method::GET, path, Repeat::Idempotent)
    }

    fn create_request(&self, body: &Map<String, Value>, idempotency_key: &str) -> Request {
        let request = self.request(Method::POST, self.workloads.clone(), Repeat::Never);
        let idempotency_key = Some(idempotency_key.to_owned());
        Request { body: Some(bytes(body)), idempotency_key, ..request }
    }

    fn patch_request(&self, id: &str, body: &Map<String, Value>) -> Result<Request, Error> {
        let request = self.request(Method::PATCH, by_id(id)?, Repeat::Idempotent);
        Ok(Request { body: Some(bytes(body)), ..request })
    }

    fn delete_request(&self, id: &str) -> Result<Request, Error> {
        Ok(self.request(Method::DELETE, by_id(id)?, Repeat::Idempotent))
    }

    fn readiness_request(&self, slug: &str) -> Result<Request, Error> {
        let slug = path::segment("workload_slug", slug)?;
        let path = format!("{}/{slug}/readiness-events", self.workloads);
        let request = self.request(Method::GET, path, Repeat::Reopened);
        Ok(Request { accept: Accept::EventStream, ..request })
    }

    fn request(&self, method: Method, path: String, repeat: Repeat) -> Request {
        Request {
            method,
            path,
            token: self.token.clone(),
            accept: Accept::Json,
            body: None,
            idempotency_key: None,
            repeat,
            on_new_connection: false,
        }
    }

    /// The spec that a live workload stands for. It names the project if this client would take another one by itself.
    pub(crate) fn export(&self, live: &Workload) -> Result<Map<String, Value>, Error> {
        let is_own = self.shared.config.project.as_deref() == Some(&*self.project_slug);
        let project = Some(self.project_slug.as_str()).filter(|_| !is_own);
        export::spec(live, project, &self.token)
    }

    /// What the SDK's rules make of a live workload, beside the platform's own object (`docs/c-api.md`).
    pub(crate) fn facts(&self, live: &Workload) -> Value {
        json!({
            "status": Progress::of_workload(&live.fields).map(|progress| progress.phase),
            "max_hourly_cost_usd": cost::ceiling(|key| live.fields.get(key)),
            "spec": self.export(live).ok(),
        })
    }

    /// `ProtocolError` about a good answer; the server's own error, if that is what it says.
    fn unreadable(&self, answer: &Answer, words: &str) -> Error {
        let Answer { status, headers, body, .. } = answer;
        let secrets = &[&self.token];
        answer::error_object(headers, body, secrets)
            .unwrap_or_else(|| answer::unreadable(*status, headers, body, secrets, words))
    }

    /// `NotFound`: the list has no such slug.
    pub(crate) fn not_found(&self, slug: &str) -> Error {
        let words = format!("project `{}` has no workload `{slug}`", self.project_slug);
        Error::new(Class::NotFound, code::NOT_FOUND, words)
            .at("workload_slug")
            .hint("check the slug and the project, or create the workload with `ensure`")
    }
}

/// The control token.
pub(crate) fn token(shared: &Shared) -> Result<&Secret, Error> {
    shared.config.token.as_ref().ok_or_else(|| {
        Error::configuration(code::MISSING_TOKEN, "no control token").at("sdk_token")
    })
}

fn by_id(id: &str) -> Result<String, Error> {
    Ok(format!("/api/workloads/{}", path::segment("id", id)?))
}

fn bytes(body: &Map<String, Value>) -> Bytes {
    // A map of JSON values can always be written.
    serde_json::to_vec(body).unwrap_or_default().into()
}

fn missing_project() -> Error {
    Error::configuration(code::MISSING_PROJECT, "no project").at("project").hint(
        "pass `project`, or set INFERENCEKEY_PROJECT and make the client from the environment",
    )
}
