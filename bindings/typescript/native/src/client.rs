//! A client of one plane, or an endpoint of the data plane.

use inferencekey_core::{Client, Operation};
use napi_derive::napi;

use crate::{Result, text, thrown};

/// A client of one plane, or an endpoint. Options and requests are those of `docs/c-api.md`.
#[napi]
pub struct NativeClient(Client);

#[napi]
impl NativeClient {
    /// Makes a client. Sends nothing.
    #[napi(constructor)]
    pub fn new(options: String) -> Result<Self> {
        Client::new(options.as_bytes()).map(Self).map_err(|error| thrown(&error))
    }

    /// An endpoint of a data client. Sends nothing.
    #[napi]
    pub fn endpoint(&self, options: String) -> Result<Self> {
        self.0.endpoint(options.as_bytes()).map(Self).map_err(|error| thrown(&error))
    }

    /// Base URL, project, slug and the token's display form, as JSON.
    #[napi]
    pub fn describe(&self) -> String {
        text(self.0.describe())
    }

    /// Ends what runs on the client and its endpoints, and refuses new calls.
    #[napi]
    pub fn close(&self) {
        self.0.close();
    }
}

impl NativeClient {
    pub(crate) fn submit(&self, operation: &str, request: &str) -> Result<Operation> {
        self.0.submit(operation, request.as_bytes(), None).map_err(|error| thrown(&error))
    }
}
