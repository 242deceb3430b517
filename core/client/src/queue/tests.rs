use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use super::bell::BACKLOG;
use super::*;
use crate::driver;
use crate::operation::EventKind;
use crate::operation::testing::operation;
use crate::raw::Raw;

const LIMIT: Option<Duration> = Some(Duration::from_secs(10));

fn event(head: String) -> Event {
    Event { kind: EventKind::Data, head: head.into_bytes(), raw: Raw::default(), vectors: None }
}

/// Gives `count` events, then ends.
fn counting(count: usize) -> Operation {
    operation(move |outbox| async move {
        for number in 0..count {
            outbox.put(event(number.to_string())).await;
        }
        Ok(())
    })
}

/// Tells the host something, does something that the host has to know of before, and ends.
fn telling(done: mpsc::Sender<()>) -> Operation {
    operation(|outbox| async move {
        let notice = Event { kind: EventKind::Notice, ..event("soon".to_owned()) };
        outbox.hand_over(notice).await;
        done.send(()).unwrap_or_default();
        Ok(())
    })
}

fn sleeping() -> Operation {
    operation(|_| async {
        driver::sleep(Duration::from_secs(3600)).await;
        Ok(())
    })
}

/// Looks each millisecond, and ends when it is open.
fn looking(open: &Arc<AtomicBool>) -> Operation {
    let open = Arc::clone(open);
    operation(|_| async move {
        while !open.load(Ordering::Acquire) {
            driver::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    })
}

fn take_until_ends(queue: &Queue, mut ends: usize) -> Vec<Taken> {
    let mut all = Vec::new();
    while ends > 0 {
        let batch = queue.take(3, LIMIT);
        assert!(!batch.is_empty(), "nothing came within the limit");
        ends -= batch.iter().filter(|taken| !matches!(taken.outcome, Ok(Some(_)))).count();
        all.extend(batch);
    }
    all
}

#[test]
fn a_queue_with_a_thread_is_never_due() {
    let queue = Queue::new(None).expect("a thread");
    queue.submit(counting(1), 1);
    queue.submit(sleeping(), 2);
    take_until_ends(&queue, 1);
    // By now its thread has looked when the sleeping one wakes.
    std::thread::sleep(reactor::SLICE);
    assert_eq!(queue.due(), None);
}

#[test]
fn events_of_one_operation_stay_in_order_and_end_once() {
    let queue = Queue::new(None).expect("a thread");
    for tag in 0..20 {
        queue.submit(counting(50), tag);
    }
    let all = take_until_ends(&queue, 20);
    for tag in 0..20 {
        let heads: Vec<String> = all
            .iter()
            .filter(|taken| taken.tag == tag)
            .map(|taken| match &taken.outcome {
                Ok(Some(event)) => String::from_utf8_lossy(&event.head).into_owned(),
                Ok(None) => "end".to_owned(),
                Err(error) => error.code.to_owned(),
            })
            .collect();
        let expected: Vec<String> =
            (0..50).map(|number| number.to_string()).chain(["end".to_owned()]).collect();
        assert_eq!(heads, expected);
    }
}

#[test]
fn a_cancelled_operation_ends_and_the_others_go_on() {
    let queue = Queue::new(None).expect("a thread");
    queue.submit(sleeping(), 1);
    queue.submit(counting(2), 2);
    let other = take_until_ends(&queue, 1);
    assert!(other.iter().all(|taken| taken.tag == 2));
    queue.cancel(1);
    let ended = take_until_ends(&queue, 1);
    let codes: Vec<_> =
        ended.iter().map(|taken| taken.outcome.as_ref().map(|_| ()).map_err(|e| e.code)).collect();
    assert_eq!(codes, [Err("cancelled")]);
}

#[test]
fn a_tag_that_is_in_use_is_that_of_the_later_operation() {
    let queue = Queue::new(None).expect("a thread");
    let open = Arc::<AtomicBool>::default();
    queue.submit(looking(&open), 1);
    queue.submit(sleeping(), 1);
    open.store(true, Ordering::Release);
    assert!(matches!(take_until_ends(&queue, 1)[..], [Taken { outcome: Ok(None), .. }]));
    queue.cancel(1);
    let ended = take_until_ends(&queue, 1);
    assert!(matches!(&ended[0].outcome, Err(error) if error.code == "cancelled"));
}

#[test]
fn the_wake_hook_runs_once_per_batch() {
    let (sender, woken) = mpsc::channel();
    let hook = move || sender.send(()).unwrap_or_default();
    let queue = Queue::new(Some(Box::new(hook))).expect("a thread");
    queue.submit(counting(1), 1);
    woken.recv_timeout(Duration::from_secs(10)).expect("a wake");
    take_until_ends(&queue, 1);
    assert!(queue.take(8, Some(Duration::ZERO)).is_empty());
}

#[test]
fn an_untaken_backlog_stops_the_operation() {
    let queue = Queue::new(None).expect("a thread");
    let (sender, put) = mpsc::channel();
    let stuck = operation(|outbox| async move {
        for number in 0..100 {
            outbox.put(event(number.to_string())).await;
            sender.send(number).unwrap_or_default();
        }
        Ok(())
    });
    queue.submit(stuck, 1);
    for _ in 0..BACKLOG {
        put.recv_timeout(Duration::from_secs(10)).expect("an event");
    }
    // One more may sit in the outbox; the hundredth cannot have been put.
    let ahead = put.recv_timeout(Duration::from_millis(50)).is_ok()
        && put.recv_timeout(Duration::from_millis(50)).is_ok();
    assert!(!ahead, "events were made that nobody had room for");
    take_until_ends(&queue, 1);
}

#[test]
fn a_paused_operation_stands_still_until_it_goes_on() {
    let queue = Queue::new(None).expect("a thread");
    let open = Arc::<AtomicBool>::default();
    queue.submit(looking(&open), 1);
    queue.pause(1, true);
    // Once another one is over, the thread has left the one that it may have been polling.
    queue.submit(counting(2), 2);
    assert!(take_until_ends(&queue, 1).iter().all(|taken| taken.tag == 2));
    open.store(true, Ordering::Release);
    assert!(queue.take(8, Some(SLICE + Duration::from_millis(10))).is_empty(), "it went on");
    queue.pause(1, false);
    assert_eq!(take_until_ends(&queue, 1).len(), 1);
}

#[test]
fn a_paused_operation_can_be_cancelled_and_an_unknown_tag_is_passed_over() {
    let queue = Queue::new(None).expect("a thread");
    queue.submit(sleeping(), 1);
    queue.pause(1, true);
    queue.pause(2, true);
    queue.cancel(2);
    queue.cancel(1);
    let ended = take_until_ends(&queue, 1);
    assert!(matches!(&ended[0].outcome, Err(error) if error.code == "cancelled"));
}

#[test]
fn operations_that_come_to_room_while_the_thread_sleeps_disturb_no_others() {
    let queue = Queue::new(None).expect("a thread");
    for tag in 0..8 {
        queue.submit(sleeping(), tag);
    }
    for round in 0..200 {
        queue.pause(round % 8, round % 3 == 0);
    }
    queue.submit(counting(3), 99);
    assert_eq!(take_until_ends(&queue, 1).len(), 4);
}

#[test]
fn an_operation_waits_behind_its_notice_until_the_host_takes_again() {
    let queue = Queue::new(None).expect("a thread");
    let (sender, done) = mpsc::channel();
    queue.submit(telling(sender), 1);
    assert_eq!(queue.take(8, LIMIT).len(), 1);
    // The thread runs on, past the notice for another operation, but not for this one.
    queue.submit(sleeping(), 2);
    queue.submit(sleeping(), 3);
    assert!(done.recv_timeout(Duration::from_millis(50)).is_err(), "it did not wait");
    // This lets it go on, and may bring its end already.
    let ended = queue.take(8, Some(Duration::ZERO)).len();
    done.recv_timeout(Duration::from_secs(10)).expect("it goes on");
    take_until_ends(&queue, 1 - ended);
}

#[test]
fn an_operation_that_waits_behind_its_notice_can_be_cancelled() {
    let queue = Queue::new(None).expect("a thread");
    let (sender, done) = mpsc::channel();
    queue.submit(telling(sender), 1);
    assert_eq!(queue.take(8, LIMIT).len(), 1);
    queue.cancel(1);
    let ended = take_until_ends(&queue, 1);
    assert!(matches!(&ended[0].outcome, Err(error) if error.code == "cancelled"));
    assert!(done.try_recv().is_err(), "it went on");
}

#[test]
fn a_panic_is_the_error_of_its_operation_and_the_others_go_on() {
    let queue = Queue::new(None).expect("a thread");
    queue.submit(operation(|_| async { panic!("as the test asks") }), 1);
    let failed = take_until_ends(&queue, 1);
    let Err(error) = &failed[0].outcome else { panic!("no error: {failed:?}") };
    assert_eq!(error.code, "internal_error");
    assert_eq!(error.words, "a defect in the library was caught: as the test asks");
    queue.submit(counting(2), 2);
    assert_eq!(take_until_ends(&queue, 1).len(), 3);
}
