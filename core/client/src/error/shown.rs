//! An error as a caller sees it: one line of text, and the attributes as JSON (wire.md 5.3).
//!
//! Whatever was put into an error goes through masking and escaping here, so that no other place has to remember it.

use serde_json::{Map, Value, json};

use super::redact::mask;
use super::text::{cut, one_line};
use super::{Class, Error};

/// A message is at most this long, in bytes.
const MESSAGE_LIMIT: usize = 2048;

/// Room that the host may take in a message; names are at most 253 bytes long.
const HOST_LIMIT: usize = 300;

impl Error {
    /// The whole line of wire.md 5.3: operation, words, `[code]` on 403, status, host. At most 2 KiB, no control
    /// characters, no token.
    ///
    /// `ensure: the token lacks the scope for this [scope_insufficient] (403, api.inferencekey.com)`
    pub fn message(&self) -> String {
        let masked = mask(&self.words, &[]);
        let words = one_line(&masked);
        let operation = self.operation.map(|name| format!("{name}: ")).unwrap_or_default();
        let place = self.place(&words);
        let room = MESSAGE_LIMIT.saturating_sub(operation.len() + place.len());
        format!("{operation}{}{place}", cut(&words, room))
    }

    /// ` [code] (status, host)`, as far as there is any of it and `words` do not say it.
    fn place(&self, words: &str) -> String {
        let code = match self.class {
            Class::PermissionDenied => format!(" [{}]", self.code),
            _ => String::new(),
        };
        let status = self.status.map(|status| status.to_string());
        let status = status.filter(|status| words != format!("HTTP {status}"));
        let host = self.host.as_deref().map(|host| cut(&one_line(host), HOST_LIMIT));
        let parts: Vec<String> = [status, host].into_iter().flatten().collect();
        match parts.is_empty() {
            true => code,
            false => format!("{code} ({})", parts.join(", ")),
        }
    }

    /// Every attribute as JSON (`docs/c-api.md`, "error JSON"); null where one does not apply. `plan`, `partial`, `phase`,
    /// `step`, `events`, `limit` and `kind` are there only for the classes that carry them.
    pub fn to_json(&self) -> Vec<u8> {
        self.to_value().to_string().into_bytes()
    }

    /// [`Self::to_json`] as a part of something larger.
    pub(crate) fn to_value(&self) -> Value {
        let line = |text: &Option<String>| {
            text.as_deref().map(|text| one_line(&mask(text, &[])).into_owned())
        };
        let mut shown = json!({
            "class": self.class.name(),
            "code": self.code,
            "message": self.message(),
            "api_code": line(&self.api_code),
            "status": self.status,
            "attempts": self.attempts,
            "request_id": line(&self.request_id),
            "retryable": self.retryable,
            "retry_after": self.retry_after,
            // The answer as it came but for tokens: data, not a line to print.
            "body": self.body.as_deref().map(|body| mask(body, &[])),
            "host": line(&self.host),
            "operation": self.operation,
            "field": line(&self.field),
            "hint": line(&self.hint),
        });
        if let Value::Object(attributes) = &mut shown {
            self.put_extra(attributes);
        }
        shown
    }

    fn put_extra(&self, attributes: &mut Map<String, Value>) {
        let extra = &self.extra;
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                attributes.insert(key.to_owned(), value);
            }
        };
        put("plan", extra.plan.clone());
        put("partial", extra.partial_text.as_ref().map(|text| json!({ "text": text })));
        put("limit", extra.limit.map(Value::from));
        put("kind", extra.clock.map(Value::from));
        put("line", extra.place.map(|(line, _)| Value::from(line)));
        put("column", extra.place.map(|(_, column)| Value::from(column)));
        let shown = |problem: &String| cut(&one_line(&mask(problem, &[])), MESSAGE_LIMIT);
        put("problems", extra.place.map(|_| extra.problems.iter().map(shown).collect()));
        if let Some(Value::Object(readiness)) = &extra.readiness {
            attributes.extend(readiness.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Error;
    use crate::error::{Class, Stage, code};

    fn error(operation: Option<&'static str>, words: &str, status: Option<u16>) -> Error {
        let mut error = Error::new(Class::ServerError, code::SERVER_ERROR, words);
        error.operation = operation;
        error.status = status;
        error.host = status.map(|_| "127.0.0.1:8400".to_owned());
        error
    }

    #[test]
    fn a_message_is_one_line_of_operation_words_status_and_host() {
        for (error, message) in [
            (
                error(Some("list"), "engine died", Some(500)),
                "list: engine died (500, 127.0.0.1:8400)",
            ),
            (error(Some("list"), "HTTP 502", Some(502)), "list: HTTP 502 (127.0.0.1:8400)"),
            (error(None, "`base_url` has no host", None), "`base_url` has no host"),
            (error(None, "a\nb\u{1b}[2J ik_live_abc", None), r"a\nb\x1b[2J ik…"),
        ] {
            assert_eq!(error.message(), message);
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn a_refused_permission_shows_its_code() {
        let mut error = error(Some("ensure"), "no", Some(403));
        error.class = Class::PermissionDenied;
        error.code = code::SCOPE_INSUFFICIENT;
        assert_eq!(error.message(), "ensure: no [scope_insufficient] (403, 127.0.0.1:8400)");
    }

    #[test]
    fn a_long_message_keeps_its_ends() {
        let mut long = error(Some("list"), &"ñ\u{1b}".repeat(4000), Some(500));
        assert!((2045..=2048).contains(&long.message().len()));
        assert!(long.message().starts_with(r"list: ñ\x1b"));
        assert!(long.message().ends_with("… (500, 127.0.0.1:8400)"));
        long.host = Some("h".repeat(5000));
        assert!(long.message().len() <= 2048);
    }

    #[test]
    fn what_was_lost_on_the_way_may_be_tried_again() {
        for (class, stage, retryable) in [
            (Class::ConnectionFailed, Stage::NotSent, true),
            (Class::ProtocolError, Stage::Cut, true),
            (Class::ProtocolError, Stage::Local, false),
            (Class::TlsError, Stage::NotSent, false),
            (Class::Timeout, Stage::Local, true),
            (Class::Cancelled, Stage::Local, false),
        ] {
            let error = Error::new(class, code::HTTP_ERROR, "x").stage(stage);
            assert_eq!(error.retryable, retryable, "{class:?} {stage:?}");
        }
    }

    #[test]
    fn every_attribute_is_always_there() {
        let shown: Value =
            serde_json::from_slice(&Error::invalid("x", "words").to_json()).expect("JSON");
        assert_eq!(
            shown,
            json!({
                "class": "ValidationError", "code": "invalid_argument", "message": "words",
                "api_code": null, "status": null, "attempts": null, "request_id": null,
                "retryable": false, "retry_after": null, "body": null, "host": null,
                "operation": null, "field": "x", "hint": null,
            })
        );
    }

    #[test]
    fn what_only_some_classes_carry_is_beside_the_rest() {
        let mut error = Error::new(Class::WorkloadFailed, code::WORKLOAD_FAILED, "gone");
        error.extra.readiness = Some(json!({"phase": "error", "step": null, "events": [1]}));
        error.extra.plan = Some(json!({"action": "update"}));
        error.extra.partial_text = Some("so far".to_owned());
        error.extra.limit = Some("sse_event");
        error.extra.clock = Some("idle");
        let shown: Value = serde_json::from_slice(&error.to_json()).expect("JSON");
        for (key, value) in [
            ("phase", json!("error")),
            ("step", Value::Null),
            ("events", json!([1])),
            ("plan", json!({"action": "update"})),
            ("partial", json!({"text": "so far"})),
            ("limit", json!("sse_event")),
            ("kind", json!("idle")),
        ] {
            assert_eq!(shown.get(key), Some(&value), "{key}");
        }
    }
}
