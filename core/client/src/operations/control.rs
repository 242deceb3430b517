//! The operations of the control plane.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Object, Prepared, Work, head, take_clocks};
use crate::config::arguments::{object, refuse_unknown, string, value, wrong_type};
use crate::config::milliseconds;
use crate::control::mark::Mark;
use crate::control::{self, Context, Ensured, Plan, Proof, Wish};
use crate::error::Error;
use crate::operation::{Event, Outbox};
use crate::shared::Shared;
use crate::spec::enums::OnDrift;
use crate::spec::{WorkloadSpec, slug};
use crate::transport::{Call, Clocks};

pub(super) const NAMES: [&str; 9] =
    ["ensure", "plan", "apply", "get", "list", "export", "status", "wait_until_ready", "delete"];

/// `wait_until_ready`, if the request says nothing (wire.md 2.11).
const READY_WAIT: Duration = Duration::from_secs(600);

/// One operation, checked.
pub(super) struct ControlWork {
    context: Context,
    what: What,
}

enum What {
    Ensure(Box<Wish>),
    Plan(Box<Wish>),
    /// With what the plan saw.
    Apply(Box<Wish>, Option<String>),
    Get(String),
    List,
    Export(String),
    Status(String),
    Wait(String),
    Delete(String),
    DeleteOnly(String, Proof, Duration),
}

/// The local checks of wire.md 1.4.
pub(super) fn prepare(
    shared: &Arc<Shared>,
    name: &str,
    mut request: Object,
) -> Result<Prepared<ControlWork>, Error> {
    let (clocks, what, spec_project) = match name {
        "ensure" | "plan" | "apply" => {
            let keys: &[&str] = match name {
                "ensure" => &["spec", "on_drift", "project", "mark", "max_hourly_cost_usd"],
                "apply" => &["spec", "base", "project", "max_hourly_cost_usd"],
                _ => &["spec", "project", "max_hourly_cost_usd"],
            };
            let clocks = take_clocks(shared, &mut request, keys, false)?;
            let spec = spec(shared, &request)?;
            let project = spec.project.clone();
            let wish = Box::new(wish(spec, &request)?);
            let what = match name {
                "ensure" => What::Ensure(wish),
                "apply" => What::Apply(wish, string(&request, "base")?),
                _ => What::Plan(wish),
            };
            (clocks, what, project)
        }
        "wait_until_ready" => {
            let clocks = wait_clocks(shared, &request)?;
            (clocks, What::Wait(workload_slug(&request)?), None)
        }
        "list" => (take_clocks(shared, &mut request, &["project"], false)?, What::List, None),
        "get" | "export" | "status" => {
            let clocks = take_clocks(shared, &mut request, &["workload_slug", "project"], false)?;
            let slug = workload_slug(&request)?;
            let what = match name {
                "get" => What::Get(slug),
                "export" => What::Export(slug),
                _ => What::Status(slug),
            };
            (clocks, what, None)
        }
        _ => {
            let keys = ["workload_slug", "project", "only", "appears_within_ms"];
            let clocks = take_clocks(shared, &mut request, &keys, false)?;
            (clocks, delete(&request)?, None)
        }
    };
    let project = string(&request, "project")?;
    let context = Context::new(shared, &[project.as_deref(), spec_project.as_deref()])?;
    Ok(Prepared { work: ControlWork { context, what }, clocks, streaming: false })
}

fn spec(shared: &Shared, request: &Object) -> Result<WorkloadSpec, Error> {
    match request.get("spec") {
        None | Some(Value::Null) => {
            Err(Error::invalid("spec", "`spec` is missing").hint("give the spec of a workload"))
        }
        Some(spec) => WorkloadSpec::from_json(spec, control::token(shared)?),
    }
}

fn wish(spec: WorkloadSpec, request: &Object) -> Result<Wish, Error> {
    Ok(Wish {
        spec,
        on_drift: on_drift(request)?,
        mark: mark(request, "mark")?,
        max_hourly_cost_usd: dollars(request, "max_hourly_cost_usd")?,
    })
}

fn dollars(request: &Object, key: &str) -> Result<Option<f64>, Error> {
    match value(request, key) {
        None => Ok(None),
        Some(Value::Number(number)) => match number.as_f64() {
            Some(dollars) if dollars.is_finite() && dollars >= 0.0 => Ok(Some(dollars)),
            _ => Err(Error::invalid(key, format!("`{key}` must not be negative, nor infinite"))),
        },
        Some(other) => Err(wrong_type(key, "a number of US dollars", other)),
    }
}

fn delete(request: &Object) -> Result<What, Error> {
    let slug = workload_slug(request)?;
    let patience = milliseconds(request, "appears_within_ms")?;
    match (object(request, "only")?, patience) {
        (Some(only), patience) => {
            Ok(What::DeleteOnly(slug, proof(&only)?, patience.unwrap_or_default()))
        }
        (None, None) => Ok(What::Delete(slug)),
        (None, Some(_)) => {
            let words =
                "`appears_within_ms` goes with `only`: what is not there is deleted without it";
            Err(Error::invalid("appears_within_ms", words))
        }
    }
}

fn proof(only: &Object) -> Result<Proof, Error> {
    refuse_unknown(only, &["id", "mark"]).map_err(|error| error.at("only"))?;
    let proof = Proof {
        id: string(only, "id")?,
        mark: mark(only, "mark").map_err(|error| error.at("only.mark"))?,
    };
    match proof {
        Proof { id: None, mark: None } => {
            Err(Error::invalid("only", "`only` needs the `id` or the `mark` of the workload"))
        }
        proof => Ok(proof),
    }
}

fn mark(arguments: &Object, key: &str) -> Result<Option<Mark>, Error> {
    string(arguments, key)?.map(|text| Mark::parse(key, &text)).transpose()
}

fn on_drift(request: &Object) -> Result<OnDrift, Error> {
    match request.get("on_drift") {
        None => Ok(OnDrift::default()),
        // Absent means "reconcile", which writes; null is somebody's mistake.
        Some(Value::Null) => OnDrift::parse("null"),
        Some(_) => OnDrift::parse(&string(request, "on_drift")?.unwrap_or_default()),
    }
}

fn workload_slug(request: &Object) -> Result<String, Error> {
    let given = string(request, "workload_slug")?;
    let given = given.ok_or_else(|| {
        Error::invalid("workload_slug", "`workload_slug` is missing")
            .hint("give the slug of the spec, for example `support-bot`")
    })?;
    slug::canonical("workload_slug", &given)
}

/// The wait has one clock of its own: `timeout_ms` from the call, null = for ever.
fn wait_clocks(shared: &Shared, request: &Object) -> Result<Clocks, Error> {
    refuse_unknown(request, &["workload_slug", "project", "timeout_ms"])?;
    let total = match request.contains_key("timeout_ms") {
        true => milliseconds(request, "timeout_ms")?,
        false => Some(READY_WAIT),
    };
    Ok(Clocks { total, ..shared.config.timeouts.clocks(false) })
}

impl Work for ControlWork {
    async fn run(&self, call: &Call, outbox: &Outbox) -> Result<(), Error> {
        let context = &self.context;
        let event = match &self.what {
            What::Wait(slug) => return control::wait(context, slug, call, outbox).await,
            What::Ensure(wish) => self.ensured(wish, control::ensure(context, wish, call).await?),
            What::Apply(wish, base) => {
                self.ensured(wish, control::apply(context, wish, base.as_deref(), call).await?)
            }
            What::Plan(wish) => {
                let plan = control::plan(context, wish, call).await?.shown();
                let (project_slug, workload_slug) = (&*context.project_slug, &*wish.spec.slug);
                written(&Planned { project_slug, workload_slug, plan })
            }
            What::Get(slug) => {
                let workload = context.get(slug, call).await?;
                let facts = context.facts(&workload);
                head(format!("{{\"workload\":{},\"facts\":{facts}}}", workload.text))
            }
            What::List => {
                let all = context.list(call).await?;
                let texts: Vec<&str> = all.iter().map(|workload| &*workload.text).collect();
                let facts: Value = all.iter().map(|workload| context.facts(workload)).collect();
                head(format!("{{\"workloads\":[{}],\"facts\":{facts}}}", texts.join(",")))
            }
            What::Export(slug) => {
                let live = context.get(slug, call).await?;
                head(json!({"spec": context.export(&live)?}).to_string())
            }
            What::Status(slug) => {
                let progress = control::status(context, slug, call).await?;
                head(json!(progress).to_string())
            }
            What::Delete(slug) => {
                let deleted = control::delete(context, slug, call).await?;
                head(json!({"deleted": deleted}).to_string())
            }
            What::DeleteOnly(slug, proof, patience) => {
                let deleted = control::delete_only(context, slug, proof, *patience, call).await?;
                head(json!({"deleted": deleted}).to_string())
            }
        };
        outbox.put(event).await;
        Ok(())
    }
}

/// The head of `plan`.
#[derive(Serialize)]
struct Planned<'a> {
    project_slug: &'a str,
    workload_slug: &'a str,
    plan: Plan,
}

/// The head of `ensure` and `apply`. The plan stands last, so that a host which needs the rest at once can leave it unread.
#[derive(Serialize)]
struct EnsuredHead<'a> {
    project_slug: &'a str,
    workload_slug: &'a str,
    changed: bool,
    created: bool,
    id: Option<String>,
    warning: Option<String>,
    plan: Plan,
}

impl ControlWork {
    fn ensured(&self, wish: &Wish, ensured: Ensured) -> Event {
        let Ensured { plan, changed, created, id, warning } = ensured;
        written(&EnsuredHead {
            project_slug: &self.context.project_slug,
            workload_slug: &wish.spec.slug,
            changed,
            created,
            id,
            warning,
            plan: plan.shown(),
        })
    }
}

fn written(it: &impl Serialize) -> Event {
    // Strings, numbers and values that came from JSON: none of them can fail to be written.
    head(serde_json::to_vec(it).unwrap_or_default())
}
