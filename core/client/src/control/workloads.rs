//! Asking the platform for workloads, page by page (wire.md 2.5).

use std::collections::HashSet;

use super::delete::Proof;
use super::list::{self, Rest, Sought, Wanted, Workload};
use super::sieve::Unwanted;
use super::{Context, NO_PLATFORM};
use crate::error::{Class, Error, code};
use crate::transport::{Answer, Call};

/// Limit `list_pages` (faults.md 1.2).
const MOST_PAGES: usize = 1000;

/// Is the list longer than what could be read of it?
#[derive(PartialEq)]
enum Seen {
    Everything,
    Enough,
    Part,
}

impl Context {
    /// The first workload with this canonical slug.
    pub(super) async fn find(&self, slug: &str, call: &Call) -> Result<Option<Workload>, Error> {
        let mut found = None;
        let mut unusable = false;
        let sought = Sought::new(slug);
        let seen = self
            .read_pages(call, &|text| sought.is_slug_of(text), |text| {
                found = Workload::read(text).filter(|workload| workload.slug == slug);
                unusable |= found.is_none() && list::is_unusable(text, slug);
                found.is_some()
            })
            .await?;
        match (found, seen) {
            (None, _) if unusable => Err(self.unusable(slug)),
            (None, Seen::Part) => Err(incomplete()),
            (found, _) => Ok(found),
        }
    }

    /// The first workload with this slug; `NotFound` if there is none.
    pub(crate) async fn get(&self, slug: &str, call: &Call) -> Result<Workload, Error> {
        self.find(slug, call).await?.ok_or_else(|| self.not_found(slug))
    }

    /// Every workload with this slug, each id once.
    pub(super) async fn find_all(&self, slug: &str, call: &Call) -> Result<Vec<Workload>, Error> {
        let sought = Sought::new(slug);
        let wanted = |text: &str| sought.is_slug_of(text);
        self.find_where(slug, &wanted, &|found| found.slug == slug, call).await
    }

    /// Every workload that was created as `slug` by whoever holds the proof, each id once.
    pub(super) async fn find_covered(
        &self,
        slug: &str,
        proof: &Proof,
        call: &Call,
    ) -> Result<Vec<Workload>, Error> {
        let sought = Sought::new(slug);
        let words: Vec<Sought<'_>> = proof.words().map(Sought::new).collect();
        let wanted =
            |text: &str| sought.is_slug_of(text) || words.iter().any(|word| word.may_be_in(text));
        self.find_where(slug, &wanted, &|found| proof.covers(found, slug), call).await
    }

    /// Every workload that `is_meant`, each id once; `wanted` judges by the text, before it is read. One with this slug that
    /// cannot be read might be meant.
    async fn find_where(
        &self,
        slug: &str,
        wanted: Wanted<'_>,
        is_meant: &(dyn Fn(&Workload) -> bool + Send + Sync),
        call: &Call,
    ) -> Result<Vec<Workload>, Error> {
        let (mut found, mut ids) = (Vec::new(), HashSet::new());
        let mut unusable = false;
        let seen = self
            .read_pages(call, wanted, |text| {
                let workload = Workload::read(text);
                unusable |= workload.is_none() && list::is_unusable(text, slug);
                let meant = workload.filter(|workload| is_meant(workload));
                found.extend(meant.filter(|new| ids.insert(new.id.clone())));
                false
            })
            .await?;
        // Part of a list is enough to say what is there, but not that nothing is.
        match (found.is_empty(), seen) {
            (true, _) if unusable => Err(self.unusable(slug)),
            (true, Seen::Part) => Err(incomplete()),
            _ => Ok(found),
        }
    }

    /// Every workload of the project, each id once, as it arrived.
    pub(crate) async fn list(&self, call: &Call) -> Result<Vec<Workload>, Error> {
        let (mut all, mut ids) = (Vec::new(), HashSet::new());
        let seen = self
            .read_pages(call, &|_| true, |text| {
                all.extend(Workload::read(text).filter(|new| ids.insert(new.id.clone())));
                false
            })
            .await?;
        if seen == Seen::Part { Err(incomplete()) } else { Ok(all) }
    }

    /// Gives the text of each wanted element to `take` until that returns true.
    async fn read_pages(
        &self,
        call: &Call,
        wanted: Wanted<'_>,
        mut take: impl FnMut(&str) -> bool + Send,
    ) -> Result<Seen, Error> {
        let mut request = self.list_request(None);
        let mut cursors = HashSet::new();
        for _ in 0..MOST_PAGES {
            let mut sieve = Unwanted::new(wanted);
            let answer = self.transport().call_sieved(&request, &mut sieve, call).await?;
            let page =
                list::read(&answer.body, wanted).map_err(|words| self.no_list(&answer, &words))?;
            if page.elements.into_iter().any(&mut take) {
                return Ok(Seen::Enough);
            }
            match page.rest {
                Rest::Nothing => return Ok(Seen::Everything),
                Rest::Hidden => return Ok(Seen::Part),
                Rest::Cursor(cursor) => {
                    request = self.list_request(Some(&cursor));
                    if !cursors.insert(cursor) {
                        return Err(self.no_list(&answer, "the same cursor came twice"));
                    }
                }
            }
        }
        Err(too_many_pages())
    }

    fn unusable(&self, slug: &str) -> Error {
        let words =
            format!("the list has the workload `{slug}`, but without an id or not readable");
        Error::new(Class::ProtocolError, code::PROTOCOL_ERROR, words)
            .at("workload_slug")
            .hint("nothing was written; look at the workload in the dashboard")
    }

    fn no_list(&self, answer: &Answer, words: &str) -> Error {
        let words = format!("the answer is not a list of workloads: {words}");
        self.unreadable(answer, &words).hint(NO_PLATFORM)
    }
}

fn incomplete() -> Error {
    let words = "the list says that there are more workloads, but not how to ask for them";
    Error::new(Class::ProtocolError, code::INCOMPLETE_LIST, words)
        .hint("nothing was written; update the SDK, which may know a newer form of the list")
}

fn too_many_pages() -> Error {
    Error::limit("list_pages", &format!("the list has more than {MOST_PAGES} pages"))
}
