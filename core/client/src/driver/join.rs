//! Several futures as one.

use std::future::{Future, poll_fn};
use std::task::Poll;

/// Runs what `futures` gives, at most `most` at once, and hands each outcome to `take` with its place. The first failure
/// ends the whole and drops the others.
///
/// Every poll polls all that run: only so does each say anew what it waits for (see the module's page).
pub(crate) async fn join<F, T, E>(
    futures: impl IntoIterator<Item = F>,
    most: usize,
    mut take: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut waiting = futures.into_iter().enumerate();
    let mut running = Vec::new();
    poll_fn(|context| {
        let mut next = 0;
        loop {
            let free = most.saturating_sub(running.len());
            let started = waiting.by_ref().take(free);
            running.extend(started.map(|(place, future)| (place, Box::pin(future))));
            let Some((place, future)) = running.get_mut(next) else { break };
            match future.as_mut().poll(context) {
                Poll::Pending => next += 1,
                Poll::Ready(outcome) => {
                    let place = *place;
                    // The last one takes its place, which has not been polled yet.
                    running.swap_remove(next);
                    if let Err(error) = outcome.and_then(|outcome| take(place, outcome)) {
                        return Poll::Ready(Err(error));
                    }
                }
            }
        }
        if running.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;
    use crate::driver::sleep;
    use crate::driver::testing::run;

    #[test]
    fn no_more_than_asked_for_run_at_once_and_each_outcome_has_its_place() {
        for most in [1, 2, 3, 9] {
            let (now, peak) = (Cell::new(0), Cell::new(0));
            let one = |seconds: u64| {
                let (now, peak) = (&now, &peak);
                async move {
                    now.set(now.get() + 1);
                    peak.set(peak.get().max(now.get()));
                    sleep(Duration::from_secs(seconds)).await;
                    now.set(now.get() - 1);
                    Ok::<_, ()>(seconds)
                }
            };
            let mut seen = [0; 4];
            let lengths = [4, 1, 3, 2];
            let joined = run(join(lengths.map(one), most, |place, seconds| {
                seen[place] = seconds;
                Ok(())
            }));
            assert_eq!((joined, seen), (Ok(()), lengths), "{most} at once");
            assert_eq!(peak.get(), most.min(4), "{most} at once");
        }
    }

    #[test]
    fn the_first_failure_ends_the_others() {
        let ended = Cell::new(0);
        let one = |seconds: u64| {
            let ended = &ended;
            async move {
                sleep(Duration::from_secs(seconds)).await;
                ended.set(ended.get() + 1);
                if seconds == 2 { Err(seconds) } else { Ok(()) }
            }
        };
        assert_eq!(run(join([3, 1, 2, 4].map(one), 4, |_, ()| Ok(()))), Err(2));
        assert_eq!(ended.get(), 2);
    }
}
