//! `ensure`: live made to match the spec, by the caller's policy (wire.md 2.7 to 2.9).

use std::sync::OnceLock;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::compare::Change;
use super::create::{Create, Created, rest};
use super::drift::{self, Drift};
use super::list::Workload;
use super::mark::Mark;
use super::plan::{Plan, create_body};
use super::{Context, hidden, warned};
use crate::error::{Class, Error, code};
use crate::spec::WorkloadSpec;
use crate::spec::enums::OnDrift;
use crate::transport::{Call, notice};

/// How often live is compared anew because it moved while it was written.
const MOST_COMPARISONS: u32 = 3;
const UNKNOWN_COST: &str =
    "the cost is not limited: the execution policy names no `max_hourly_cost_usd`";

/// What a caller of `ensure` wants.
pub(crate) struct Wish {
    pub(crate) spec: WorkloadSpec,
    pub(crate) on_drift: OnDrift,
    /// For a workload that has to be created.
    pub(crate) mark: Option<Mark>,
    /// The most that the workload may cost.
    pub(crate) max_hourly_cost_usd: Option<f64>,
}

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
pub(crate) async fn plan(context: &Context, wish: &Wish, call: &Call) -> Result<Plan, Error> {
    let ensure = Ensure::new(context, wish);
    match ensure.find(call).await? {
        None => ensure.create_plan(),
        Some(live) => ensure.affordable(ensure.compared(&live).1),
    }
}

/// Makes live match the spec as far as `on_drift` allows.
pub(crate) async fn ensure(context: &Context, wish: &Wish, call: &Call) -> Result<Ensured, Error> {
    Ensure::new(context, wish).run(call).await
}

/// Does what a plan said, or nothing: `PlanStale` where the workload is no longer what the plan saw.
pub(crate) async fn apply(
    context: &Context,
    wish: &Wish,
    base: Option<&str>,
    call: &Call,
) -> Result<Ensured, Error> {
    Ensure::new(context, wish).apply(base, call).await
}

/// `PlanStale`, with what would be the plan now.
fn stale(plan: &Plan) -> Error {
    let words = format!(
        "workload `{}` is no longer what the plan saw; nothing was changed",
        plan.workload_slug
    );
    let mut error = Error::new(Class::PlanStale, code::PLAN_STALE, words)
        .hint("make a new plan, look at it, and apply that");
    error.extra.plan = Some(plan.to_value());
    error
}

struct Ensure<'a> {
    context: &'a Context,
    wish: &'a Wish,
    /// Of every create of this call; most calls make none.
    idempotency_key: OnceLock<String>,
}

/// How a write ended.
enum Written {
    Done(Box<Ensured>),
    /// The workload went away or changed in between: this is what the platform said.
    Moved(Error),
}

impl<'a> Ensure<'a> {
    fn new(context: &'a Context, wish: &'a Wish) -> Self {
        Self { context, wish, idempotency_key: OnceLock::new() }
    }

    async fn apply(&self, base: Option<&str>, call: &Call) -> Result<Ensured, Error> {
        let live = self.find(call).await?;
        let plan = match &live {
            None => self.create_plan()?,
            Some(live) => self.compared(live).1,
        };
        if plan.base.as_deref() != base {
            return Err(stale(&plan));
        }
        match live {
            None => match self.create(call).await? {
                Created::New(own) => Ok(Ensured::created(plan, own)),
                // Perhaps our own, whose answer was lost. As declared it is what was asked for, whoever made it.
                Created::Present(live) => match self.compared(&live).1 {
                    plan if plan.is_drift() => Err(stale(&plan)),
                    plan => Ok(Ensured { id: Some(live.id), ..Ensured::unchanged(plan) }),
                },
            },
            Some(live) => match self.settle(&live, call).await? {
                Written::Done(ensured) => Ok(Ensured { id: Some(live.id), ..*ensured }),
                Written::Moved(_) => Err(stale(&plan)),
            },
        }
    }

    async fn run(&self, call: &Call) -> Result<Ensured, Error> {
        let mut live = self.find(call).await?;
        let mut comparisons = 0;
        let mut vanished = false;
        loop {
            let present = match live {
                Some(live) => live,
                None => {
                    let plan = self.create_plan()?;
                    if self.wish.on_drift == OnDrift::DryRun {
                        return Ok(Ensured::unchanged(plan));
                    }
                    match self.create(call).await? {
                        Created::New(own) => return Ok(Ensured::created(plan, own)),
                        Created::Present(live) => live,
                    }
                }
            };
            let moved = match self.settle(&present, call).await? {
                Written::Done(ensured) => {
                    return Ok(Ensured { id: Some(present.id), ..*ensured });
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
        self.context.find(&self.wish.spec.slug, call).await
    }

    fn create_plan(&self) -> Result<Plan, Error> {
        self.affordable(Plan::create(&self.context.project_slug, &self.wish.spec))
    }

    fn compared(&self, live: &Workload) -> (Drift, Plan) {
        let drift = drift::compare(&self.wish.spec, &live.fields);
        let plan = Plan::update(&self.context.project_slug, live, &drift);
        (drift, plan)
    }

    /// Whatever the policy: what `ensure` returns costs no more than allowed, as far as that is known.
    fn affordable(&self, mut plan: Plan) -> Result<Plan, Error> {
        if let Some(limit) = self.wish.max_hourly_cost_usd {
            plan.max_hourly_cost_usd.within(limit, &plan.workload_slug)?;
            if plan.max_hourly_cost_usd.after.is_none() {
                plan.notes.push(UNKNOWN_COST.to_owned());
            }
        }
        Ok(plan)
    }

    /// What is declared, with the mark of whoever wants one.
    fn body(&self) -> Map<String, Value> {
        let Wish { spec, mark, .. } = self.wish;
        let mut body = create_body(spec);
        if let Some(mark) = mark {
            let description = spec.description.as_deref().unwrap_or_default();
            body.insert("description".to_owned(), mark.append_to(description).into());
        }
        body
    }

    async fn create(&self, call: &Call) -> Result<Created, Error> {
        let mut create = Create {
            context: self.context,
            slug: &self.wish.spec.slug,
            body: &self.body(),
            idempotency_key: self.idempotency_key.get_or_init(|| Uuid::new_v4().to_string()),
            mark: self.wish.mark.as_ref(),
            may_appear: false,
        };
        // Whoever marks a workload wants to note it down first, and to forget it where there is none.
        self.tell("creating", call).await;
        let created = create.run(call).await;
        if !create.may_appear && !matches!(created, Ok(Created::New(_))) {
            self.tell("not_created", call).await;
        }
        created
    }

    async fn tell(&self, what: &str, call: &Call) {
        if let (Some(_), Some(notices)) = (&self.wish.mark, &call.notices) {
            let notice = notice::create(what, &self.context.project_slug, &self.wish.spec.slug);
            notices.hand_over(notice).await;
        }
    }

    /// The row "drifted" of wire.md 2.7, once the workload is there.
    async fn settle(&self, live: &Workload, call: &Call) -> Result<Written, Error> {
        let (drift, plan) = self.compared(live);
        let plan = self.affordable(plan)?;
        if !plan.is_drift() {
            return Ok(Written::Done(Box::new(Ensured::unchanged(plan))));
        }
        match self.wish.on_drift {
            OnDrift::Reconcile if !drift.conflicts.is_empty() => {
                Err(plan.refusal(code::IMMUTABLE_FIELD))
            }
            OnDrift::Reconcile => self.write(live, &drift, plan, call).await,
            OnDrift::Fail => Err(plan.refusal(code::DRIFT)),
            OnDrift::Warn => {
                let warning = self.warning(&plan);
                Ok(Written::Done(Box::new(Ensured { warning, ..Ensured::unchanged(plan) })))
            }
            OnDrift::DryRun | OnDrift::Ignore => {
                Ok(Written::Done(Box::new(Ensured::unchanged(plan))))
            }
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
                plan.notes.extend(self.what_did_not_stick(&answer.body));
                Ok(Written::Done(Box::new(Ensured::changed(plan))))
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
        let left = written.map(|written| drift::compare(&self.wish.spec, &written.fields).changes);
        let note = |mut change: Change| {
            hidden::hide(&mut change);
            format!(
                "`{}` was written, but the platform still answers {}",
                change.path, change.before
            )
        };
        left.unwrap_or_default().into_iter().map(note).collect()
    }

    fn warning(&self, plan: &Plan) -> Option<String> {
        let slug = &self.wish.spec.slug;
        warned::first_time(&self.context.project_slug, slug).then(|| {
            format!(
                "workload `{slug}` differs from its spec in {}; nothing was changed",
                plan.fields()
            )
        })
    }
}
