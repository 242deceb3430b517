//! `delete`: the result says whether this call removed the workload (wire.md 2.10).

use std::time::Duration;

use super::Context;
use super::create::rest;
use super::list::Workload;
use super::mark::Mark;
use crate::driver::Deadline;
use crate::error::Error;
use crate::transport::Call;

/// Pause between two looks at the list for a workload whose create may still be on its way.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What makes a workload the caller's own: the id that its create was answered with, or the mark that it was created with.
#[derive(Debug, Default)]
pub(crate) struct Proof {
    pub(crate) id: Option<String>,
    pub(crate) mark: Option<Mark>,
}

impl Proof {
    /// Is it proven that this workload was created as `slug` by whoever holds the proof?
    pub(super) fn covers(&self, workload: &Workload, slug: &str) -> bool {
        let has_id = self.id.as_ref().is_some_and(|id| *id == workload.id);
        let has_mark = self.mark.as_ref().is_some_and(|mark| mark.is_on(workload.description()));
        // A description can be copied to another workload, an id cannot.
        has_id || (has_mark && may_be_created_as(slug, &workload.slug))
    }

    /// What the text of a workload must hold to be covered.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.id.as_deref().into_iter().chain(self.mark.as_ref().map(Mark::as_str))
    }
}

/// Of a taken slug the platform makes `slug-1`, `slug-2`, … (wire.md 2.4).
fn may_be_created_as(slug: &str, created: &str) -> bool {
    match created.strip_prefix(slug) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('-').is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        }),
        None => false,
    }
}

/// Removes every workload with this canonical slug; false if there was none.
pub(crate) async fn delete(context: &Context, slug: &str, call: &Call) -> Result<bool, Error> {
    let found = context.find_all(slug, call).await?;
    context.remove_all(&found, call).await
}

/// Removes what `proof` covers, and nothing else. If there is none yet, looks again until `patience` is over.
pub(crate) async fn delete_only(
    context: &Context,
    slug: &str,
    proof: &Proof,
    patience: Duration,
    call: &Call,
) -> Result<bool, Error> {
    let end = Deadline::after(Some(patience));
    loop {
        let found = context.find_covered(slug, proof, call).await?;
        if !found.is_empty() {
            return context.remove_all(&found, call).await;
        }
        if end.passed() {
            return Ok(false);
        }
        rest(LOOK_AGAIN, call).await?;
    }
}

impl Context {
    async fn remove_all(&self, workloads: &[Workload], call: &Call) -> Result<bool, Error> {
        let mut removed = false;
        for workload in workloads {
            removed |= self.remove(&workload.id, call).await?;
        }
        Ok(removed)
    }

    /// Deletes by id. A 404 means that somebody else was faster, unless an earlier send of ours may have done it.
    pub(super) async fn remove(&self, id: &str, call: &Call) -> Result<bool, Error> {
        match self.transport().call(&self.delete_request(id)?, call).await {
            Ok(_) => Ok(true),
            Err(error) if error.status == Some(404) => Ok(error.repeated),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MARK: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_proof_covers_what_its_holder_created() {
        let mark = Mark::parse("mark", MARK).expect("a mark");
        let marked = mark.append_to("mine");
        for (name, id, mark, workload, expected) in [
            ("the id", Some("wl_1"), None, ("wl_1", "bot", "mine"), true),
            ("the id, renamed", Some("wl_1"), None, ("wl_1", "other", ""), true),
            ("another id", Some("wl_1"), None, ("wl_2", "bot", "mine"), false),
            ("the mark", None, Some(&mark), ("wl_2", "bot", marked.as_str()), true),
            ("the mark, slug taken", None, Some(&mark), ("wl_2", "bot-12", &marked), true),
            ("the mark, copied", None, Some(&mark), ("wl_2", "bot-copy", &marked), false),
            ("the mark, longer slug", None, Some(&mark), ("wl_2", "bot1", &marked), false),
            ("the mark, bare dash", None, Some(&mark), ("wl_2", "bot-", &marked), false),
            ("the slug alone", Some("wl_1"), Some(&mark), ("wl_2", "bot", "mine"), false),
            ("nothing", None, None, ("wl_1", "bot", &marked), false),
        ] {
            let proof = Proof { id: id.map(str::to_owned), mark: mark.cloned() };
            let (id, slug, description) = workload;
            let text = json!({"id": id, "slug": slug, "description": description}).to_string();
            let workload = Workload::read(&text).expect("a workload");
            assert_eq!(proof.covers(&workload, "bot"), expected, "{name}");
        }
    }
}
