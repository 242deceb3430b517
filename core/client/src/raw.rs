//! The bytes of an answer, for hosts that read more of it than an event's head tells.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::error::Error;

/// The bytes of an answer. Some are put together only when somebody asks for them.
#[derive(Clone)]
pub struct Raw(Form);

#[derive(Clone)]
enum Form {
    Here(Bytes),
    Later(Arc<Later>),
}

struct Later {
    make: Box<dyn Fn() -> Result<Bytes, Error> + Send + Sync>,
    made: OnceLock<Bytes>,
}

impl Raw {
    /// What `make` will make, at most once if it succeeds.
    pub(crate) fn later(make: impl Fn() -> Result<Bytes, Error> + Send + Sync + 'static) -> Self {
        Self(Form::Later(Arc::new(Later { make: Box::new(make), made: OnceLock::new() })))
    }

    /// Is there nothing? Puts nothing together.
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Form::Here(bytes) if bytes.is_empty())
    }

    /// All bytes, which stay as long as this lives.
    ///
    /// # Errors
    /// If there is no memory to put them together.
    pub fn bytes(&self) -> Result<&Bytes, Error> {
        match &self.0 {
            Form::Here(bytes) => Ok(bytes),
            Form::Later(later) => match later.made.get() {
                Some(made) => Ok(made),
                None => (later.make)().map(|made| later.made.get_or_init(|| made)),
            },
        }
    }
}

impl Default for Raw {
    fn default() -> Self {
        Bytes::new().into()
    }
}

impl<B: Into<Bytes>> From<B> for Raw {
    fn from(bytes: B) -> Self {
        Self(Form::Here(bytes.into()))
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Here(bytes) => bytes.fmt(f),
            Form::Later(_) => f.write_str("(bytes that nobody has asked for yet)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn what_comes_later_is_made_once() {
        let asked = Arc::new(AtomicUsize::new(0));
        let asks = Arc::clone(&asked);
        let raw = Raw::later(move || match asks.fetch_add(1, Ordering::Relaxed) {
            0 => Err(Error::out_of_memory("the answer")),
            _ => Ok(Bytes::from_static(b"{}")),
        });
        assert!(!raw.is_empty());
        assert!(raw.bytes().is_err(), "the first time there is no memory");
        assert_eq!(raw.clone().bytes().expect("memory"), "{}");
        assert_eq!(raw.bytes().expect("memory"), "{}");
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }
}
