//! The sockets that the system watches for a reactor.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::ptr;
use std::sync::{Arc, Weak};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::task::Task;
use crate::driver::{Direction, Source};

/// A socket stays watched when its task has ended: most often the connection goes to the next task here. Wherever else it
/// goes, it is watched until it tells of something that no task here waits for. The system itself forgets what is closed;
/// its number may be another socket's then.
#[derive(Default)]
pub(super) struct Watch {
    sockets: HashMap<RawFd, Watched>,
}

struct Watched {
    socket: Weak<dyn AsFd + Send + Sync>,
    interest: Interest,
    /// The key of the task that waited for it last.
    task: usize,
    /// The system tells of each change once. A task that has read something may not have read all, or not the end behind
    /// it: so what has told is registered anew, for which the system looks whether there is more.
    has_told: bool,
}

impl Watched {
    fn is(&self, socket: &Source) -> bool {
        ptr::addr_eq(self.socket.as_ptr(), Arc::as_ptr(socket))
    }
}

impl Watch {
    /// Has everything watched that a task waits for.
    pub(super) fn want(&mut self, registry: &Registry, task: &Task) -> io::Result<()> {
        let wanted = task.waits_for();
        for (place, (socket, _)) in wanted.iter().enumerate() {
            // Each socket once, with all that is wanted of it.
            let is_same = |(other, _): &&(Source, Direction)| Arc::ptr_eq(other, socket);
            if !wanted[..place].iter().any(|other| is_same(&other)) {
                let interests = wanted[place..].iter().filter(is_same).map(interest);
                self.register(registry, task.key(), socket, interests)?;
            }
        }
        Ok(())
    }

    fn register(
        &mut self,
        registry: &Registry,
        task: usize,
        socket: &Source,
        interests: impl Iterator<Item = Interest>,
    ) -> io::Result<()> {
        let Some(interest) = interests.reduce(|all, one| all | one) else { return Ok(()) };
        let number = (**socket).as_fd().as_raw_fd();
        let mut source = SourceFd(&number);
        let token = Token(number.unsigned_abs() as usize);
        match self.sockets.get_mut(&number).filter(|watched| watched.is(socket)) {
            Some(watched) if watched.interest == interest && !watched.has_told => {
                watched.task = task;
                return Ok(());
            }
            Some(_) => registry.reregister(&mut source, token, interest),
            None => registry.register(&mut source, token, interest),
        }
        .inspect_err(|_| self.end(registry, number))?;
        let socket = Arc::downgrade(socket);
        self.sockets.insert(number, Watched { socket, interest, task, has_told: false });
        Ok(())
    }

    /// Of `tasks`, the one that waits for the socket of which the system tells.
    pub(super) fn told<'a>(
        &mut self,
        registry: &Registry,
        token: Token,
        tasks: &'a mut HashMap<usize, Task>,
    ) -> Option<&'a mut Task> {
        let number = RawFd::try_from(token.0).ok()?;
        let watched = self.sockets.get_mut(&number)?;
        let task = tasks.get_mut(&watched.task);
        let waits =
            task.filter(|task| task.waits_for().iter().any(|(socket, _)| watched.is(socket)));
        watched.has_told = true;
        if waits.is_none() {
            self.end(registry, number);
        }
        waits
    }

    fn end(&mut self, registry: &Registry, number: RawFd) {
        let ended = self.sockets.remove(&number);
        if let Some(_open) = ended.and_then(|watched| watched.socket.upgrade()) {
            let _ = registry.deregister(&mut SourceFd(&number));
        }
    }
}

fn interest((_, direction): &(Source, Direction)) -> Interest {
    match direction {
        Direction::Read => Interest::READABLE,
        Direction::Write => Interest::WRITABLE,
    }
}
