//! Binding of the data plane: one workload, one data key (wire.md 1.1, 1.4).

use std::sync::{Arc, OnceLock};

use super::{Config, arguments, token, wrong_kind};
use crate::error::{Error, code};
use crate::secret::{Kind, Secret};
use crate::spec::slug;

/// Does the server give embeddings as base64? Not known before it has been asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Base64(Arc<OnceLock<bool>>);

impl Base64 {
    pub(crate) fn is_known(&self) -> bool {
        self.0.get().is_some()
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.0.get() == Some(&false)
    }

    /// The first answer counts.
    pub(crate) fn learn(&self, given: bool) {
        self.0.get_or_init(|| given);
    }
}

/// What an endpoint handle adds to its client.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// Canonical.
    pub(crate) workload_slug: String,
    pub(crate) key: Secret,
    pub(crate) base64: Base64,
    /// `/endpoint/{project}/{slug}/v1`, once a call has needed it.
    pub(crate) path: OnceLock<Arc<str>>,
}

impl Endpoint {
    /// Reads `{"workload_slug", "api_key"?}`. Sends nothing. `config` is that of a client of the data plane.
    ///
    /// `ValidationError`: slug missing or refused. `ConfigurationError`: no data key, or an unusable one.
    /// `PermissionDenied`: a control token.
    pub(crate) fn from_json(options: &[u8], config: &Config) -> Result<Self, Error> {
        let options = arguments::parse(options)?;
        arguments::refuse_unknown(&options, &["workload_slug", "api_key"])?;
        let text = arguments::string(&options, "workload_slug")?.unwrap_or_default();
        let workload_slug = slug::canonical("workload_slug", &text)?;
        let own = arguments::string(&options, "api_key")?;
        let key = match own.as_deref().and_then(arguments::trimmed) {
            Some(text) => token("api_key", text)?,
            None => config.token.clone().ok_or_else(missing_key)?,
        };
        if key.kind() == Kind::Control {
            return Err(wrong_kind("api_key", "a control token", "the data plane")
                .hint("give a data key (`ik_live_…`)"));
        }
        Ok(Self { workload_slug, key, base64: Base64::default(), path: OnceLock::new() })
    }
}

fn missing_key() -> Error {
    Error::configuration(code::MISSING_API_KEY, "no data key is given")
        .at("api_key")
        .hint("give `api_key` to `endpoint()` or to the client, or set INFERENCEKEY_API_KEY and use `from_env`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(client: &str, options: &str) -> Result<Endpoint, Error> {
        let config = Config::from_json(client.as_bytes(), &|_| None).expect("a client");
        Endpoint::from_json(options.as_bytes(), &config)
    }

    const KEYLESS: &str = r#"{"plane":"data","base_url":"https://h","project":"p"}"#;
    const KEYED: &str =
        r#"{"plane":"data","base_url":"https://h","project":"p","api_key":"ik_live_a"}"#;

    #[test]
    fn the_endpoints_own_key_wins_and_the_slug_is_canonical() {
        for (client, options, key) in [
            (KEYED, r#"{"workload_slug":"My Bot"}"#, "ik_live_a"),
            (KEYED, r#"{"workload_slug":"My Bot","api_key":" \n"}"#, "ik_live_a"),
            (KEYED, r#"{"workload_slug":"My Bot","api_key":" ik_live_b\n"}"#, "ik_live_b"),
            (KEYLESS, r#"{"workload_slug":"My Bot","api_key":"opaque"}"#, "opaque"),
        ] {
            let endpoint = bind(client, options).expect(options);
            assert_eq!((endpoint.workload_slug.as_str(), endpoint.key.expose()), ("my-bot", key));
        }
    }

    #[test]
    fn what_cannot_be_bound_is_refused() {
        let wrong_client = KEYED.replace("ik_live_a", "ik_sdk_a");
        for (client, options, code, field) in [
            (KEYLESS, r#"{"workload_slug":"x"}"#, "missing_api_key", "api_key"),
            (
                KEYED,
                r#"{"workload_slug":"x","api_key":"ik_sdk_a"}"#,
                "wrong_credential_type",
                "api_key",
            ),
            (&wrong_client, r#"{"workload_slug":"x"}"#, "wrong_credential_type", "api_key"),
            (KEYED, r#"{"workload_slug":"x","api_key":"a\nb"}"#, "invalid_token", "api_key"),
            (KEYED, r#"{"workload_slug":"---"}"#, "invalid_argument", "workload_slug"),
            (KEYED, r#"{}"#, "invalid_argument", "workload_slug"),
            (KEYED, r#"{"workload_slug":"x","apikey":"k"}"#, "invalid_argument", "apikey"),
        ] {
            let error = bind(client, options).expect_err(options);
            assert_eq!((error.code, error.field.as_deref()), (code, Some(field)), "{options}");
        }
    }
}
