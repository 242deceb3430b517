//! The sockets of one task, as the system watches them.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::driver::{Direction, Source};

/// The system tells of each change once; whoever is told reads until there is nothing left. So what a task wants is
/// registered when that changes, and not for each wait. Registered sockets stay open: a number that is used again must not
/// stand for the one before.
#[derive(Default)]
pub(super) struct Watch {
    wanted: Vec<(Source, Direction)>,
    registered: Vec<(Source, Direction)>,
}

impl Watch {
    pub(super) fn want(&mut self, sources: Vec<(Source, Direction)>) {
        self.wanted = sources;
    }

    /// Has what is wanted watched, and nothing else; after a failure, nothing.
    pub(super) fn update(&mut self, registry: &Registry, key: usize) -> io::Result<()> {
        if self.wanted.len() == self.registered.len()
            && self.wanted.iter().zip(&self.registered).all(|(a, b)| is_same(a, b))
        {
            return Ok(());
        }
        self.end(registry);
        self.registered = self.wanted.clone();
        self.register(registry, Token(key)).inspect_err(|_| self.end(registry))
    }

    fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
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
            registry.register(&mut SourceFd(&descriptor), token, interest)?;
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
