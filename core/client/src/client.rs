//! A client of one plane, and the endpoints made from it.

use std::sync::Arc;

use serde_json::json;

use crate::config::{Config, Endpoint, Environment, Plane, Proxy, arguments};
use crate::error::{Error, code};
use crate::operation::{CancelToken, Operation};
use crate::operations;
use crate::shared::Shared;
use crate::transport::{HttpWire, Transport, Trust};

/// A client of the control plane or of the data plane, or an endpoint of the latter. Clones and endpoints share
/// connections, the retry budget and the closed state.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    endpoint: Option<Arc<Endpoint>>,
}

impl Client {
    /// Makes a client from JSON options (`docs/c-api.md`, "client options"). Sends nothing, starts nothing.
    ///
    /// Here, and only here, the environment is read: `INFERENCEKEY_*` if the options ask for it, and what concerns the
    /// transport (wire.md 1.1). The option `environment` stands in its place.
    ///
    /// # Errors
    /// `ConfigurationError` and `PermissionDenied` of wire.md 1.4; `ValidationError` for an option that does not exist.
    pub fn new(options: &[u8]) -> Result<Self, Error> {
        let options = arguments::parse(options)?;
        let environment = Environment::of(&options)?;
        let environment = |name: &str| environment.variable(name);
        let config = Config::from_options(&options, &environment)?;
        let trust = Trust::new(config.ca_bundle.as_deref(), &environment)?;
        let proxy = Proxy::from_environment(&config.base_url, &environment)?;
        let wire = Arc::new(HttpWire::new(&config, trust, proxy)?);
        let transport = Transport::new(wire, &config);
        let shared = Shared { config, transport, closed: CancelToken::default() };
        Ok(Self { shared: Arc::new(shared), endpoint: None })
    }

    /// A handle bound to one workload and one data key (`{"workload_slug", "api_key"?}`). Sends nothing.
    ///
    /// # Errors
    /// `ConfigurationError` without a data key, `PermissionDenied` for a control token, `ValidationError` for the slug.
    pub fn endpoint(&self, options: &[u8]) -> Result<Self, Error> {
        self.shared.refuse_closed("endpoint")?;
        if self.shared.config.plane != Plane::Data {
            let words = "endpoints are made from a client of the data plane";
            return Err(Error::configuration(code::CONFIGURATION, words).at("plane"));
        }
        let endpoint = Endpoint::from_json(options, &self.shared.config)?;
        Ok(Self { shared: Arc::clone(&self.shared), endpoint: Some(Arc::new(endpoint)) })
    }

    /// Plane, base URL, host, project, canonical slug and the token's display form, as JSON: for reprs.
    pub fn describe(&self) -> Vec<u8> {
        let config = &self.shared.config;
        let endpoint = self.endpoint.as_deref();
        let token = endpoint.map(|endpoint| &endpoint.key).or(config.token.as_ref());
        let plane = match config.plane {
            Plane::Control => "control",
            Plane::Data => "data",
        };
        json!({
            "plane": plane,
            "base_url": config.base_url.as_str(),
            "host": config.base_url.authority(),
            "project": config.project,
            "workload_slug": endpoint.map(|endpoint| &endpoint.workload_slug),
            "token": token.map(|token| token.display_form()),
        })
        .to_string()
        .into_bytes()
    }

    /// Checks `request` and prepares `operation`; nothing is sent before the operation is driven.
    ///
    /// # Errors
    /// The local checks of wire.md 1.4, and `ConfigurationError client_closed`.
    pub fn submit(
        &self,
        operation: &str,
        request: &[u8],
        cancel: Option<CancelToken>,
    ) -> Result<Operation, Error> {
        operations::submit(&self.shared, self.endpoint.as_ref(), operation, request, cancel)
    }

    /// Ends every running operation as `Cancelled` within 100 ms and refuses new ones. Connections are closed at once,
    /// also those of streams that nobody reads.
    pub fn close(&self) {
        self.shared.closed.cancel();
        self.shared.transport.close();
    }
}
