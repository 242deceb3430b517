//! The sockets of one task, as the system watches them.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::driver::{Direction, Source};

/// The system tells of each change once. A task that has read something may not have read all, or not the end behind it:
/// so what has told is registered anew, for which the system looks whether there is more. Registered sockets stay open: a
/// number that is used again must not stand for the one before.
#[derive(Default)]
pub(super) struct Watch {
    wanted: Vec<(Source, Direction)>,
    registered: Vec<(Source, Direction)>,
    /// One of them has told since it was registered.
    pub(super) has_told: bool,
}

impl Watch {
    pub(super) fn want(&mut self, sources: Vec<(Source, Direction)>) {
        self.wanted = sources;
    }

    /// Has what is wanted watched, and nothing else; after a failure, nothing.
    pub(super) fn update(&mut self, registry: &Registry, key: usize) -> io::Result<()> {
        let is_new = self.wanted.len() != self.registered.len()
            || !self.wanted.iter().zip(&self.registered).all(|(a, b)| is_same(a, b));
        if is_new {
            self.end(registry);
            self.registered = self.wanted.clone();
        } else if !self.has_told {
            return Ok(());
        }
        self.has_told = false;
        self.register(registry, Token(key), is_new).inspect_err(|_| self.end(registry))
    }

    /// Each socket once, with all that is wanted of it.
    fn register(&self, registry: &Registry, token: Token, is_new: bool) -> io::Result<()> {
        for (place, (source, direction)) in self.registered.iter().enumerate() {
            let descriptor = number(source);
            let of_same = |(other, _): &&(Source, Direction)| number(other) == descriptor;
            if self.registered[..place].iter().any(|other| of_same(&other)) {
                continue;
            }
            let interest = self.registered[place + 1..]
                .iter()
                .filter(of_same)
                .fold(interest(*direction), |all, (_, other)| all | interest(*other));
            let mut socket = SourceFd(&descriptor);
            if is_new {
                registry.register(&mut socket, token, interest)?;
            } else {
                registry.reregister(&mut socket, token, interest)?;
            }
        }
        Ok(())
    }

    /// Ends the watching.
    pub(super) fn end(&mut self, registry: &Registry) {
        for (source, _) in self.registered.drain(..) {
            // A socket that is wanted for both directions is registered once.
            let _ = registry.deregister(&mut SourceFd(&number(&source)));
        }
    }
}

fn is_same(a: &(Source, Direction), b: &(Source, Direction)) -> bool {
    Arc::ptr_eq(&a.0, &b.0) && a.1 == b.1
}

fn number(source: &Source) -> RawFd {
    (**source).as_fd().as_raw_fd()
}

fn interest(direction: Direction) -> Interest {
    match direction {
        Direction::Read => Interest::READABLE,
        Direction::Write => Interest::WRITABLE,
    }
}
