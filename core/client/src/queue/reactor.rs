//! Drives a queue's operations, on the queue's own thread or on that of whoever takes from it.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use super::shared::{Shared, Waiting};
use super::task::Task;
use super::watch::Watch;
use crate::driver::{self, begin_round};
use crate::threads;

/// A cancel by token or by closing a client rings no bell; it is seen at the latest after this long.
pub(super) const SLICE: Duration = Duration::from_millis(50);

/// Sockets that one look at the system tells of; the rest waits for the next one.
const MOST_READY: usize = 256;

/// Called when something can be taken and nothing could before.
pub(super) type WakeHook = Box<dyn Fn() + Send>;

/// Starts the thread that drives the operations of a queue; it ends when the queue is closed.
pub(super) fn start(shared: Arc<Shared>) -> io::Result<()> {
    threads::spawn(c"inferencekey", move || {
        let mut reactor = shared.reactor();
        while !shared.is_closed() {
            reactor.turn(&shared, SLICE);
        }
    })
}

pub(super) struct Reactor {
    poll: Poll,
    ready: Events,
    wake: Option<WakeHook>,
    tasks: HashMap<usize, Task>,
    watch: Watch,
    /// Who may have something to do.
    called: Vec<usize>,
    /// When every task is looked at, if there are any.
    look_at: Option<Instant>,
}

impl Reactor {
    pub(super) fn new(wake: Option<WakeHook>) -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            ready: Events::with_capacity(MOST_READY),
            wake,
            tasks: HashMap::new(),
            watch: Watch::default(),
            called: Vec::new(),
            look_at: None,
        })
    }

    pub(super) fn poll(&self) -> &Poll {
        &self.poll
    }

    /// Sleeps until something can go on, at most for `pause`, and moves it on.
    pub(super) fn turn(&mut self, shared: &Shared, pause: Duration) {
        let left = self.look_at.map(|instant| instant.saturating_duration_since(driver::now()));
        let pause = left.map_or(pause, |left| left.min(pause));
        match self.poll.poll(&mut self.ready, Some(pause)) {
            Ok(()) => self.note_ready(),
            // A signal ended the sleep.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Out of kernel memory and the like: polling the futures again finds out what their sockets say.
            Err(_) => self.suspect_all(),
        }
        self.run(shared);
    }

    fn note_ready(&mut self) {
        for event in &self.ready {
            let registry = self.poll.registry();
            if let Some(task) = self.watch.told(registry, event.token(), &mut self.tasks) {
                task.runnable = true;
                self.called.push(task.key());
            }
        }
    }

    fn suspect_all(&mut self) {
        self.tasks.values_mut().for_each(|task| task.runnable = true);
        self.called.extend(self.tasks.keys());
    }

    /// Moves on what was submitted and what can go on, without a look at the system.
    pub(super) fn run(&mut self, shared: &Shared) {
        shared.bell.wake_up();
        begin_round();
        let now = driver::now();
        for submitted in shared.submitted() {
            let task = Task::new(submitted);
            self.called.push(task.key());
            self.tasks.insert(task.key(), task);
            self.look_by(None);
        }
        self.called.extend(shared.bell.called());
        if self.look_at.is_some_and(|instant| instant <= now) {
            self.look_at_all(now);
        }
        let mut outcomes = Vec::new();
        for key in std::mem::take(&mut self.called) {
            self.move_on(key, now, &mut outcomes);
        }
        shared.publish(outcomes, self.wake.as_ref());
        self.rest(shared);
    }

    fn look_at_all(&mut self, now: Instant) {
        self.called.extend(self.tasks.values().filter(|task| task.is_due(now)).map(Task::key));
        let next = self.tasks.values().filter_map(Task::wakes_at).min();
        self.look_at = None;
        self.look_by(next);
    }

    fn move_on(&mut self, key: usize, now: Instant, outcomes: &mut Vec<Waiting>) {
        let Some(task) = self.tasks.get_mut(&key).filter(|task| task.is_due(now)) else {
            return;
        };
        if !task.poll(outcomes) {
            self.tasks.remove(&key);
            return;
        }
        if self.watch.want(self.poll.registry(), task).is_err() {
            task.look_again_at(now + SLICE);
        }
        if task.is_due(driver::now()) {
            self.called.push(key);
        }
        let wakes_at = task.wakes_at();
        self.look_by(wakes_at);
    }

    /// All tasks are looked at by then, and also if it is none, at the end of the slice.
    fn look_by(&mut self, wakes_at: Option<Instant>) {
        let look_at = self.look_at.unwrap_or_else(|| driver::now() + SLICE);
        self.look_at = Some(wakes_at.map_or(look_at, |instant| instant.min(look_at)));
    }

    /// Falls asleep, unless there is something to do that nobody would ring for.
    fn rest(&mut self, shared: &Shared) {
        if self.tasks.is_empty() {
            self.look_at = None;
        }
        shared.bell.fall_asleep();
        let now = driver::now();
        let called = shared.bell.called().into_iter();
        self.called.extend(called.filter(|key| self.tasks.get(key).is_some_and(|t| t.is_due(now))));
        if shared.rests_until(self.look_at) || !self.called.is_empty() {
            shared.bell.ring();
        }
    }
}
