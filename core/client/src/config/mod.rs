//! Where the values of a client come from: explicit argument > environment > default, value by value (wire.md 1.1, 1.4).
//!
//! The environment is asked for a client's values only with `from_env`, for what concerns the transport always. Which
//! environment that is, [`Environment`] says.

pub(crate) mod arguments;
mod authority;
mod base_url;
mod depth;
mod endpoint;
mod environment;
mod no_proxy;
mod proxy;
mod retries;
mod timeouts;

use std::path::PathBuf;

use serde_json::{Map, Value};

pub(crate) use base_url::BaseUrl;
pub(crate) use endpoint::Endpoint;
pub(crate) use environment::{Environment, Variables};
pub(crate) use proxy::Proxy;
pub(crate) use timeouts::{KEYS as CLOCK_KEYS, Timeouts, clocks_override, milliseconds};

use crate::VERSION;
use crate::error::{Class, Error, code};
use crate::secret::{Kind, Secret};
use crate::transport::path;
use crate::transport::retry::Policy;

const DEFAULT_BASE_URL: &str = "https://api.inferencekey.com";
const BASE_URL_VARIABLE: &str = "INFERENCEKEY_BASE_URL";

/// Options of both planes; the token's name and `cold_start_ms` are the plane's own.
const OPTIONS: [&str; 12] = [
    "plane",
    "from_env",
    "environment",
    "base_url",
    "project",
    "timeout_ms",
    "timeouts",
    "retries",
    "notices",
    "ca_bundle",
    "allow_http",
    "user_agent",
];

/// Which half of the platform a client speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plane {
    /// `/api`, control token.
    Control,
    /// `/endpoint`, data key.
    Data,
}

impl Plane {
    fn parse(options: &Map<String, Value>) -> Result<Self, Error> {
        match arguments::string(options, "plane")?.as_deref() {
            Some("control") => Ok(Self::Control),
            Some("data") => Ok(Self::Data),
            _ => Err(Error::invalid("plane", "`plane` must be `control` or `data`")),
        }
    }

    /// The token's option and its variable.
    fn token_names(self) -> (&'static str, &'static str) {
        match self {
            Self::Control => ("sdk_token", "INFERENCEKEY_SDK_TOKEN"),
            Self::Data => ("api_key", "INFERENCEKEY_API_KEY"),
        }
    }
}

/// Everything a client was made from, checked.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) plane: Plane,
    pub(crate) base_url: BaseUrl,
    /// Always there on the data plane.
    pub(crate) project: Option<String>,
    /// Control token (always there), or the default data key.
    pub(crate) token: Option<Secret>,
    pub(crate) timeouts: Timeouts,
    pub(crate) retries: Policy,
    /// Is the host told what its operations go through on their way?
    pub(crate) notices: bool,
    pub(crate) ca_bundle: Option<PathBuf>,
    pub(crate) user_agent: String,
}

impl Config {
    /// Takes client options (`docs/c-api.md`). `env` gives a variable of the environment; it is asked only with `from_env`.
    ///
    /// `ConfigurationError`: base URL, token or project missing or unusable. `PermissionDenied`: a data key on the control
    /// plane. `ValidationError`: an option that is unknown or has the wrong type.
    pub(crate) fn from_options(
        options: &Map<String, Value>,
        env: Variables<'_>,
    ) -> Result<Self, Error> {
        let plane = Plane::parse(options)?;
        let (token_name, token_variable) = plane.token_names();
        refuse_unknown(options, plane, token_name)?;

        let sources = Sources {
            options,
            env: arguments::boolean(options, "from_env")?.unwrap_or(false).then_some(env),
        };
        let allow_http = arguments::boolean(options, "allow_http")?.unwrap_or(false);
        let token = match sources.value(token_name, token_variable)? {
            Some(text) => Some(token(token_name, &text)?),
            None if plane == Plane::Control => return Err(sources.missing_token()),
            None => None,
        };
        if let (Plane::Control, Some(Kind::Data)) = (plane, token.as_ref().map(Secret::kind)) {
            return Err(wrong_kind(token_name, "a data key", "the control plane")
                .hint("give a control token (`ik_sdk_…`)"));
        }
        Ok(Self {
            plane,
            base_url: sources.base_url(allow_http)?,
            project: sources.project(plane)?,
            token,
            timeouts: Timeouts::from_options(plane, options)?,
            retries: retries::policy(options)?,
            notices: arguments::boolean(options, "notices")?.unwrap_or(false),
            ca_bundle: ca_bundle(options)?,
            user_agent: user_agent(options)?,
        })
    }

    /// The same from their text.
    #[cfg(test)]
    pub(crate) fn from_json(options: &[u8], env: Variables<'_>) -> Result<Self, Error> {
        Self::from_options(&arguments::parse(options)?, env)
    }
}

fn refuse_unknown(
    options: &Map<String, Value>,
    plane: Plane,
    token_name: &str,
) -> Result<(), Error> {
    let mut known = OPTIONS.to_vec();
    known.push(token_name);
    if plane == Plane::Data {
        known.push("cold_start_ms");
    }
    arguments::refuse_unknown(options, &known)
}

/// Explicit values, and the environment if it is to be asked.
struct Sources<'a> {
    options: &'a Map<String, Value>,
    env: Option<Variables<'a>>,
}

impl Sources<'_> {
    /// A value that is blank once trimmed is absent: the next source is asked.
    fn value(&self, option: &str, variable: &str) -> Result<Option<String>, Error> {
        let explicit = arguments::string(self.options, option)?;
        let blank_is_absent = |text: String| arguments::trimmed(&text).map(str::to_owned);
        Ok(explicit
            .and_then(blank_is_absent)
            .or_else(|| self.env.and_then(|env| env(variable)).and_then(blank_is_absent)))
    }

    fn base_url(&self, allow_http: bool) -> Result<BaseUrl, Error> {
        match self.value("base_url", BASE_URL_VARIABLE)? {
            Some(url) => BaseUrl::parse(&url, allow_http).map_err(|error| self.located(error)),
            None if self.env.is_some() => BaseUrl::parse(DEFAULT_BASE_URL, allow_http),
            None => Err(Error::configuration(code::INVALID_BASE_URL, "`base_url` is missing")
                .at("base_url")
                .hint(format!("give `base_url`, for example `{DEFAULT_BASE_URL}`"))),
        }
    }

    /// Names the variable if the refused base URL came out of it.
    fn located(&self, mut error: Error) -> Error {
        let explicit = arguments::string(self.options, "base_url").ok().flatten();
        if explicit.as_deref().and_then(arguments::trimmed).is_none() {
            error.words += &format!(" (it comes from {BASE_URL_VARIABLE})");
        }
        error
    }

    fn project(&self, plane: Plane) -> Result<Option<String>, Error> {
        let project = self.value("project", "INFERENCEKEY_PROJECT")?;
        match &project {
            Some(project) => path::segment("project", project).map(drop)?,
            None if plane == Plane::Data => {
                let error = Error::configuration(code::MISSING_PROJECT, "no project is given")
                    .at("project");
                return Err(self.hinted(error, "project", "INFERENCEKEY_PROJECT"));
            }
            None => {}
        }
        Ok(project)
    }

    fn missing_token(&self) -> Error {
        let (option, variable) = Plane::Control.token_names();
        let error = Error::configuration(code::MISSING_TOKEN, "no control token is given");
        self.hinted(error.at(option), option, variable)
    }

    /// How to bring a missing value, by the way in which the client was made.
    fn hinted(&self, error: Error, option: &str, variable: &str) -> Error {
        match self.env {
            Some(_) => error.hint(format!(
                "set {variable}, or give `{option}`; for a local platform: `eval \"$(inferencekey local env)\"`"
            )),
            None => error.hint(format!("give `{option}`, or set {variable} and use `from_env`")),
        }
    }
}

/// No other source names one, so a blank one is a mistake; to trust the system's roots instead would hide it.
fn ca_bundle(options: &Map<String, Value>) -> Result<Option<PathBuf>, Error> {
    match arguments::string(options, "ca_bundle")? {
        Some(path) if path.trim().is_empty() => {
            Err(Error::configuration(code::CONFIGURATION, "`ca_bundle` is blank")
                .at("ca_bundle")
                .hint("give the path of a PEM file, or leave `ca_bundle` out: then the system's roots are trusted"))
        }
        path => Ok(path.map(PathBuf::from)),
    }
}

/// A trimmed token; refused if it cannot stand in a header. The text is never shown.
fn token(option: &str, text: &str) -> Result<Secret, Error> {
    let problem = if !text.is_ascii() {
        "a character outside ASCII"
    } else if text.bytes().any(|byte| byte.is_ascii_control()) {
        "a control character"
    } else {
        return Ok(Secret::new(text));
    };
    Err(Error::configuration(code::INVALID_TOKEN, format!("`{option}` holds {problem}"))
        .at(option)
        .hint("copy the token again, as one line"))
}

/// A token of the other plane (wire.md 1.4): told by its prefix, before anything is sent.
fn wrong_kind(option: &str, found: &str, plane: &str) -> Error {
    let words = format!("`{option}` is {found}, which {plane} does not accept");
    Error::new(Class::PermissionDenied, code::WRONG_CREDENTIAL_TYPE, words).at(option)
}

/// The binding's name and version, then the core's.
fn user_agent(options: &Map<String, Value>) -> Result<String, Error> {
    let core = format!("core/{VERSION}");
    let Some(binding) = arguments::string(options, "user_agent")? else { return Ok(core) };
    if !binding.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err(Error::invalid("user_agent", "`user_agent` must be printable ASCII"));
    }
    Ok(format!("{} {core}", binding.trim()).trim_start().to_owned())
}

#[cfg(test)]
mod tests;
