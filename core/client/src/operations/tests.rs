//! Operations as a host sees them, on the scripted wire and on virtual time.

mod create;
mod ensure;
mod ephemeral;
mod matrix;
mod notices;
mod readiness;
mod requests;
mod status;
mod streams;
mod vectors;

use std::future::poll_fn;
use std::sync::Arc;

use serde_json::Value;

use crate::config::{Config, Endpoint};
use crate::driver::testing::run;
use crate::error::Error;
use crate::operation::{CancelToken, Event, Operation};
use crate::shared::Shared;
use crate::transport::Transport;
use crate::transport::script::Script;

/// A client whose network is a script.
struct Double {
    script: Arc<Script>,
    shared: Arc<Shared>,
    endpoint: Option<Arc<Endpoint>>,
}

/// What an operation gave.
struct Outcome {
    events: Vec<Event>,
    error: Option<Error>,
}

impl Double {
    fn control(script: Arc<Script>) -> Self {
        Self::new(
            script,
            r#"{"plane":"control","base_url":"http://127.0.0.1:8400","sdk_token":"ik_sdk_own","project":"acme"}"#,
            None,
        )
    }

    fn data(script: Arc<Script>, workload_slug: &str) -> Self {
        let options = r#"{"plane":"data","base_url":"http://127.0.0.1:8400","api_key":"ik_live_own","project":"acme"}"#;
        Self::new(script, options, Some(workload_slug))
    }

    fn new(script: Arc<Script>, options: &str, workload_slug: Option<&str>) -> Self {
        let config = Config::from_json(options.as_bytes(), &|_| None).expect("good options");
        let endpoint = workload_slug.map(|slug| {
            let options = serde_json::json!({ "workload_slug": slug }).to_string();
            Arc::new(Endpoint::from_json(options.as_bytes(), &config).expect("a good slug"))
        });
        let transport = Transport::new(script.clone(), &config);
        let shared = Arc::new(Shared { config, transport, closed: CancelToken::default() });
        Self { script, shared, endpoint }
    }

    /// Checks a request and prepares its operation.
    fn submit(&self, operation: &str, request: &Value) -> Result<Operation, Error> {
        let request = request.to_string();
        let endpoint = self.endpoint.as_ref();
        super::submit(&self.shared, endpoint, operation, request.as_bytes(), None)
    }

    /// Drives an operation to its end.
    fn call(&self, operation: &str, request: &Value) -> Outcome {
        let mut outcome = Outcome { events: Vec::new(), error: None };
        let mut running = match self.submit(operation, request) {
            Ok(running) => running,
            Err(error) => return Outcome { error: Some(error), ..outcome },
        };
        loop {
            match next(&mut running) {
                Some(Ok(event)) => outcome.events.push(event),
                Some(Err(error)) => outcome.error = Some(error),
                None => return outcome,
            }
        }
    }
}

/// The next event of an operation, in no time.
fn next(operation: &mut Operation) -> Option<Result<Event, Error>> {
    run(poll_fn(|context| operation.poll_next(context)))
}

fn head(event: &Event) -> Value {
    serde_json::from_slice(&event.head).expect("a head is JSON")
}

impl Outcome {
    /// The head of the one event; a failed operation is a failed test.
    fn head(&self) -> Value {
        assert!(self.error.is_none(), "{:?}", self.error);
        assert_eq!(self.events.len(), 1, "one event");
        head(&self.events[0])
    }

    /// The heads of all events.
    fn heads(&self) -> Vec<Value> {
        self.events.iter().map(head).collect()
    }

    fn code(&self) -> &str {
        self.error.as_ref().map_or("none", |error| error.code)
    }

    fn error(&self) -> &Error {
        self.error.as_ref().expect("an error")
    }
}
