//! Queues without a thread: everything happens in the calls of the host.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::task;
use std::thread;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::bell::BACKLOG;
use super::*;
use crate::driver::{self, Direction, Source, wait_for};
use crate::operation::testing::operation;
use crate::operation::{EventKind, Outbox};
use crate::raw::Raw;

const AT_ONCE: Option<Duration> = Some(Duration::ZERO);
const LIMIT: Duration = Duration::from_secs(10);

fn event(kind: EventKind) -> Event {
    Event { kind, head: Vec::new(), raw: Raw::default(), vectors: None }
}

fn queue() -> Queue {
    Queue::polled().expect("a poll")
}

/// Does the descriptor become readable within `limit`?
fn rings(queue: &Queue, limit: Duration) -> bool {
    let mut poll = Poll::new().expect("a poll");
    let descriptor = queue.descriptor();
    let mut source = SourceFd(&descriptor);
    poll.registry().register(&mut source, Token(0), Interest::READABLE).expect("a descriptor");
    let mut events = Events::with_capacity(1);
    poll.poll(&mut events, Some(limit)).expect("a poll");
    !events.is_empty()
}

/// As an event loop does it: waits for the descriptor or until it is due, then takes.
fn come_and_take(queue: &Queue) -> Vec<Taken> {
    for _ in 0..1000 {
        rings(queue, queue.due().unwrap_or(LIMIT));
        let taken = queue.take(8, AT_ONCE);
        if !taken.is_empty() {
            return taken;
        }
    }
    panic!("nothing came");
}

fn is_end(taken: &Taken) -> bool {
    matches!(taken.outcome, Ok(None))
}

fn sleeping(time: Duration) -> Operation {
    operation(move |_| async move {
        driver::sleep(time).await;
        Ok(())
    })
}

/// Reads one byte from a socket that is not ready.
async fn read_a_byte(socket: Arc<UnixStream>) -> Result<(), Error> {
    std::future::poll_fn(|_| match (&*socket).read(&mut [0]) {
        Ok(_) => task::Poll::Ready(()),
        Err(_) => {
            wait_for(socket.clone() as Source, Direction::Read);
            task::Poll::Pending
        }
    })
    .await;
    Ok(())
}

fn pair() -> (Arc<UnixStream>, UnixStream) {
    let (near, far) = UnixStream::pair().expect("a pair");
    near.set_nonblocking(true).expect("a socket");
    (Arc::new(near), far)
}

#[test]
fn nothing_runs_and_nothing_is_due() {
    let queue = queue();
    assert_eq!(queue.due(), None);
    assert!(!rings(&queue, Duration::ZERO));
    assert!(queue.take(8, AT_ONCE).is_empty());
}

#[test]
fn what_is_submitted_begins_in_that_call_and_rings_when_it_has_something() {
    let queue = queue();
    let begun = Arc::<AtomicBool>::default();
    let begins = Arc::clone(&begun);
    let both = operation(|outbox: Outbox| async move {
        begins.store(true, Ordering::Release);
        outbox.put(event(EventKind::Data)).await;
        Ok(())
    });
    queue.submit(both, 1);
    assert!(begun.load(Ordering::Acquire));
    assert!(rings(&queue, Duration::ZERO));
    let taken = queue.take(8, AT_ONCE);
    assert_eq!(taken.len(), 2);
    assert!(is_end(&taken[1]));
    assert_eq!(queue.due(), None);
    assert!(!rings(&queue, Duration::ZERO));
}

#[test]
fn it_rings_for_a_socket_once_and_again_for_what_comes_later() {
    let (near, mut far) = pair();
    let queue = queue();
    let socket = Arc::clone(&near);
    let reads = operation(|outbox: Outbox| async move {
        for _ in 0..2 {
            read_a_byte(Arc::clone(&socket)).await?;
            outbox.put(event(EventKind::Data)).await;
        }
        Ok(())
    });
    queue.submit(reads, 1);
    assert!(!rings(&queue, Duration::ZERO));
    for _ in 0..2 {
        far.write_all(&[0]).expect("room");
        assert!(rings(&queue, LIMIT));
        assert!(!queue.take(1, AT_ONCE).is_empty());
    }
    assert!(is_end(&come_and_take(&queue)[0]));
}

#[test]
fn it_rings_for_an_end_that_came_with_what_was_read_before_it() {
    let (near, mut far) = pair();
    let queue = queue();
    let mut has_read = false;
    // As the transport does it, which takes a short read for the last of a round.
    let reads = operation(move |_| {
        std::future::poll_fn(move |_| match (&*near).read(&mut [0; 16]) {
            Ok(0) if has_read => task::Poll::Ready(Ok(())),
            read => {
                has_read |= read.is_ok();
                wait_for(near.clone() as Source, Direction::Read);
                task::Poll::Pending
            }
        })
    });
    queue.submit(reads, 1);
    far.write_all(&[0]).expect("room");
    drop(far);
    assert!(is_end(&come_and_take(&queue)[0]));
}

/// Has another operation wait for this socket, and sees that it is told at once.
fn passes_on(queue: &Queue, near: Arc<UnixStream>, mut far: UnixStream) {
    queue.submit(operation(|_| async move { read_a_byte(near).await }), 2);
    assert!(!rings(queue, Duration::ZERO));
    far.write_all(&[0]).expect("room");
    assert!(rings(queue, Duration::ZERO), "the socket is not watched");
    assert!(queue.take(8, AT_ONCE).iter().any(|taken| is_end(taken) && taken.tag == 2));
}

#[test]
fn a_socket_passes_from_an_operation_that_waits_for_the_host_to_another() {
    let (near, mut far) = pair();
    let queue = queue();
    let first = Arc::clone(&near);
    // A notice holds its operation, which has had the socket watched and does not want it any more.
    let tells = operation(|outbox: Outbox| async move {
        read_a_byte(first).await?;
        outbox.hand_over(event(EventKind::Notice)).await;
        Ok(())
    });
    queue.submit(tells, 1);
    far.write_all(&[0]).expect("room");
    assert_eq!(come_and_take(&queue).len(), 1);
    passes_on(&queue, near, far);
}

#[test]
fn a_socket_passes_from_an_operation_that_has_ended_to_another() {
    let (near, mut far) = pair();
    let queue = queue();
    let first = Arc::clone(&near);
    queue.submit(operation(|_| async move { read_a_byte(first).await }), 1);
    far.write_all(&[0]).expect("room");
    assert!(is_end(&come_and_take(&queue)[0]));
    passes_on(&queue, near, far);
}

#[test]
fn a_socket_that_an_operation_left_behind_rings_once_at_most() {
    let (near, mut far) = pair();
    let queue = queue();
    let first = Arc::clone(&near);
    queue.submit(operation(|_| async move { read_a_byte(first).await }), 1);
    for left_behind in 0..3 {
        far.write_all(&[0]).expect("room");
        assert_eq!(rings(&queue, Duration::ZERO), left_behind < 2);
        assert_eq!(queue.take(8, AT_ONCE).len(), usize::from(left_behind == 0));
        assert!(!rings(&queue, Duration::ZERO));
    }
}

/// A pair whose near end has this number; `near` is closed.
fn pair_of_number(number: RawFd) -> (Arc<UnixStream>, UnixStream) {
    let (near, far) = pair();
    let moved = rustix::io::fcntl_dupfd_cloexec(&near, number).expect("a descriptor");
    assert_eq!(moved.as_raw_fd(), number, "the test's own number is taken");
    (Arc::new(moved.into()), far)
}

#[test]
fn a_socket_with_the_number_of_a_closed_one_is_watched_although_a_child_may_have_a_copy_of_that() {
    const NUMBER: RawFd = 240;
    let queue = queue();
    let (near, mut old_far) = pair_of_number(NUMBER);
    let _copy = near.try_clone().expect("a descriptor");
    queue.submit(operation(|_| async move { read_a_byte(near).await }), 1);
    queue.cancel(1);
    assert_eq!(queue.take(8, AT_ONCE).len(), 1);
    let (near, mut far) = pair_of_number(NUMBER);
    let second = Arc::clone(&near);
    queue.submit(operation(|_| async move { read_a_byte(second).await }), 2);
    far.write_all(&[0]).expect("room");
    assert!(rings(&queue, Duration::ZERO), "the socket is not watched");
    assert!(is_end(&queue.take(8, AT_ONCE)[0]));
    queue.submit(operation(|_| async move { read_a_byte(near).await }), 3);
    old_far.write_all(&[0]).expect("room");
    assert!(queue.take(8, AT_ONCE).is_empty());
    assert!(!rings(&queue, Duration::ZERO));
}

#[test]
fn a_clock_makes_it_due_and_moves_on_without_a_ring() {
    let queue = queue();
    let sleeps = sleeping(Duration::from_millis(5));
    queue.submit(sleeps, 1);
    assert!(queue.due().is_some_and(|due| due <= Duration::from_millis(5)));
    assert!(!rings(&queue, Duration::from_millis(6)));
    assert!(is_end(&queue.take(8, AT_ONCE)[0]));
}

#[test]
fn what_is_cancelled_ends_in_that_call_and_on_any_thread() {
    let (near, mut far) = pair();
    let queue = queue();
    queue.submit(operation(|_| async move { read_a_byte(near).await }), 1);
    thread::scope(|scope| scope.spawn(|| queue.cancel(1)).join()).expect("no panic");
    assert_eq!(far.read(&mut [0]).expect("its end"), 0);
    assert!(rings(&queue, Duration::ZERO));
    let taken = queue.take(8, AT_ONCE);
    assert!(matches!(&taken[0].outcome, Err(error) if error.code == "cancelled"));
}

#[test]
fn the_token_of_a_client_that_is_closed_is_seen_when_it_is_due() {
    let queue = queue();
    let waits = sleeping(LIMIT);
    let token = waits.cancel_token();
    queue.submit(waits, 1);
    token.cancel();
    assert!(queue.due().is_some_and(|due| due <= SLICE));
    assert!(come_and_take(&queue)[0].outcome.is_err());
}

#[test]
fn it_rings_until_everything_is_taken_and_goes_on_then() {
    let queue = queue();
    let count = 3 * BACKLOG;
    let gives = operation(move |outbox: Outbox| async move {
        for _ in 0..count {
            outbox.put(event(EventKind::Data)).await;
        }
        Ok(())
    });
    queue.submit(gives, 1);
    for _ in 0..=count {
        assert!(rings(&queue, Duration::ZERO));
        assert_eq!(queue.take(1, AT_ONCE).len(), 1);
    }
    assert!(queue.take(1, AT_ONCE).is_empty());
}

#[test]
fn a_wake_from_another_thread_rings() {
    let queue = queue();
    let (sender, waker) = mpsc::channel();
    let mut polls = 0;
    let waits = operation(move |_| {
        std::future::poll_fn(move |context| {
            polls += 1;
            if polls == 1 {
                sender.send(context.waker().clone()).expect("a receiver");
                return task::Poll::Pending;
            }
            task::Poll::Ready(Ok(()))
        })
    });
    queue.submit(waits, 1);
    let waker = waker.recv().expect("a waker");
    thread::spawn(move || waker.wake()).join().expect("no panic");
    assert!(rings(&queue, Duration::ZERO));
    assert!(is_end(&queue.take(8, AT_ONCE)[0]));
}

#[test]
fn a_thread_that_waits_in_take_moves_the_operations_on() {
    let (near, mut far) = pair();
    let queue = queue();
    queue.submit(operation(|_| async move { read_a_byte(near).await }), 1);
    thread::scope(|scope| {
        let waits = scope.spawn(|| queue.take(8, Some(LIMIT)));
        far.write_all(&[0]).expect("room");
        assert!(is_end(&waits.join().expect("no panic")[0]));
    });
}
