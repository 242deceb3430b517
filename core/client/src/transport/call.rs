//! One request with everything that may happen to it: sends, pauses, redirects, statuses (wire.md 2.2, 5.5).

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use super::wire::Body;
use super::{Call, Request, Wire};
use crate::error::Error;

/// A whole answer with a 2xx status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Did an earlier send of this request perhaps reach the server and take effect (lost answer, retryable status)?
    pub(crate) repeated: bool,
}

/// A response with a 2xx status whose body is still to be read.
pub(crate) struct Opened {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

/// Sends requests for one client by the rules of wire.md.
pub(crate) struct Transport {
    wire: Arc<dyn Wire>,
}

impl Transport {
    /// Sends `request` until it is answered or may not be sent again, and reads the whole answer.
    pub(crate) async fn call(&self, request: &Request, call: &mut Call) -> Result<Answer, Error> {
        unimplemented!("lead")
    }

    /// The same for a stream: returns once the head of a 2xx has arrived.
    pub(crate) async fn open(&self, request: &Request, call: &mut Call) -> Result<Opened, Error> {
        unimplemented!("lead")
    }
}
