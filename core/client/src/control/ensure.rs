//! `ensure`: live made to match the spec, by the caller's policy (wire.md 2.7 to 2.9).

use serde_json::{Map, Value};
use uuid::Uuid;

use super::create::{Create, Created, rest};
use super::drift::{self, Drift};
use super::list::Workload;
use super::mark::Mark;
use super::plan::{Plan, create_body};
use super::{Context, warned};
use crate::error::{Error, code};
use crate::spec::WorkloadSpec;
use crate::spec::enums::OnDrift;
use crate::transport::{Call, notice};

/// How often live is compared anew because it moved while it was written.
const MOST_COMPARISONS: u32 = 3;

/// What `ensure` did.
pub(crate) struct Ensured {
    pub(crate) plan: Plan,
    /// Was anything written?
    pub(crate) changed: bool,
    /// By this call?
    pub(crate) created: bool,
    /// Of the workload; `None` where there is none.
    pub(crate) id: Option<String>,
    /// Text of a `DriftWarning` that the host has to give.
    pub(crate) warning: Option<String>,
}

impl Ensured {
    fn unchanged(plan: Plan) -> Self {
        Self { plan, changed: false, created: false, id: None, warning: None }
    }

    fn changed(plan: Plan) -> Self {
        Self { changed: true, ..Self::unchanged(plan) }
    }

    fn created(plan: Plan, own: Workload) -> Self {
        Self { created: true, id: Some(own.id), ..Self::changed(plan) }
    }
}

/// What `ensure` would do, whatever the policy.
pub(crate) async fn plan(
    context: &Context,
    spec: &WorkloadSpec,
    call: &Call,
) -> Result<Plan, Error> {
    Ok(match context.find(&spec.slug, call).await? {
        None => Plan::create(&create_body(spec)),
        Some(live) => Plan::update(&drift::compare(spec, &live.fields)),
    })
}

/// Makes live match the spec as far as `on_drift` allows. A workload that has to be created gets the `mark`.
pub(crate) async fn ensure(
    context: &Context,
    spec: &WorkloadSpec,
    on_drift: OnDrift,
    mark: Option<&Mark>,
    call: &Call,
) -> Result<Ensured, Error> {
    let mut body = create_body(spec);
    if let Some(mark) = mark {
        let description = mark.append_to(spec.description.as_deref().unwrap_or_default());
        body.insert("description".to_owned(), description.into());
    }
    let idempotency_key = Uuid::new_v4().to_string();
    Ensure { context, spec, on_drift, mark, body, idempotency_key }.run(call).await
}

struct Ensure<'a> {
    context: &'a Context,
    spec: &'a WorkloadSpec,
    on_drift: OnDrift,
    mark: Option<&'a Mark>,
    body: Map<String, Value>,
    idempotency_key: String,
}

/// How a write ended.
enum Written {
    Done(Ensured),
    /// The workload went away or changed in between: this is what the platform said.
    Moved(Error),
}

impl Ensure<'_> {
    async fn run(&self, call: &Call) -> Result<Ensured, Error> {
        let mut live = self.find(call).await?;
        let mut comparisons = 0;
        let mut vanished = false;
        loop {
            let present = match live {
                Some(live) => live,
                None if self.on_drift == OnDrift::DryRun => {
                    return Ok(Ensured::unchanged(Plan::create(&self.body)));
                }
                None => match self.create(call).await? {
                    Created::New(own) => {
                        return Ok(Ensured::created(Plan::create(&self.body), own));
                    }
                    Created::Present(live) => live,
                },
            };
            let moved = match self.settle(&present, call).await? {
                Written::Done(ensured) => {
                    return Ok(Ensured { id: Some(present.id), ..ensured });
                }
                Written::Moved(error) => error,
            };
            comparisons += 1;
            if comparisons > MOST_COMPARISONS {
                return Err(moved);
            }
            if moved.status != Some(404) {
                let policy = &self.context.shared.config.retries;
                rest(policy.pause(comparisons, fastrand::f64()), call).await?;
            }
            live = self.find(call).await?;
            if live.is_none() && std::mem::replace(&mut vanished, true) {
                return Err(moved);
            }
        }
    }

    async fn find(&self, call: &Call) -> Result<Option<Workload>, Error> {
        self.context.find(&self.spec.slug, call).await
    }

    async fn create(&self, call: &Call) -> Result<Created, Error> {
        let create = Create {
            context: self.context,
            slug: &self.spec.slug,
            body: &self.body,
            idempotency_key: &self.idempotency_key,
            mark: self.mark,
        };
        if let (Some(_), Some(notices)) = (self.mark, &call.notices) {
            // Whoever marks a workload wants to note it down first.
            notices.hand_over(notice::creating(&self.context.project_slug, &self.spec.slug)).await;
        }
        create.run(call).await
    }

    /// The row "drifted" of wire.md 2.7, once the workload is there.
    async fn settle(&self, live: &Workload, call: &Call) -> Result<Written, Error> {
        let drift = drift::compare(self.spec, &live.fields);
        let plan = Plan::update(&drift);
        if !plan.is_drift() {
            return Ok(Written::Done(Ensured::unchanged(plan)));
        }
        match self.on_drift {
            OnDrift::Reconcile if !drift.conflicts.is_empty() => {
                Err(plan.refusal(&self.spec.slug, code::IMMUTABLE_FIELD))
            }
            OnDrift::Reconcile => self.write(live, &drift, plan, call).await,
            OnDrift::Fail => Err(plan.refusal(&self.spec.slug, code::DRIFT)),
            OnDrift::Warn => {
                let warning = self.warning(&plan);
                Ok(Written::Done(Ensured { warning, ..Ensured::unchanged(plan) }))
            }
            OnDrift::DryRun | OnDrift::Ignore => Ok(Written::Done(Ensured::unchanged(plan))),
        }
    }

    async fn write(
        &self,
        live: &Workload,
        drift: &Drift,
        mut plan: Plan,
        call: &Call,
    ) -> Result<Written, Error> {
        let request = self.context.patch_request(&live.id, &drift.patch)?;
        match self.context.transport().call(&request, call).await {
            Ok(answer) => {
                plan.notes = self.what_did_not_stick(&answer.body);
                Ok(Written::Done(Ensured::changed(plan)))
            }
            Err(error) if matches!(error.status, Some(404 | 409 | 412)) => {
                Ok(Written::Moved(error))
            }
            Err(error) => Err(error),
        }
    }

    /// The platform's answer compared once more: a difference becomes a note, never a second PATCH.
    fn what_did_not_stick(&self, answer: &[u8]) -> Vec<String> {
        let written = std::str::from_utf8(answer).ok().and_then(Workload::read);
        let left = written.map(|written| drift::compare(self.spec, &written.fields).changes);
        let note = |change: &super::compare::Change| {
            format!(
                "`{}` was written, but the platform still answers {}",
                change.path, change.before
            )
        };
        left.unwrap_or_default().iter().map(note).collect()
    }

    fn warning(&self, plan: &Plan) -> Option<String> {
        let slug = &self.spec.slug;
        warned::first_time(&self.context.project_slug, slug).then(|| {
            format!(
                "workload `{slug}` differs from its spec in {}; nothing was changed",
                plan.fields()
            )
        })
    }
}
