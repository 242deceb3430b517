//! Requests that are refused before anything is sent, and what every error tells.

use serde_json::{Value, json};

use super::Double;
use crate::error::Stage;
use crate::transport::script::{Reply, Script};

fn refusal(double: &Double, operation: &str, request: &Value) -> Value {
    let error = double.submit(operation, request).err().expect("refused");
    assert!(double.script.journal().is_empty(), "nothing is sent");
    serde_json::from_slice(&error.to_json()).expect("JSON")
}

fn control() -> Double {
    Double::control(Script::new([]))
}

fn data() -> Double {
    Double::data(Script::new([]), "s1")
}

#[test]
fn an_unknown_operation_is_answered_by_the_known_ones() {
    let shown = refusal(&control(), "ensur", &json!({}));
    assert_eq!(shown["class"], "ValidationError");
    assert!(
        shown["message"].as_str().is_some_and(|text| text.contains("ensure, plan, apply, get"))
    );
    assert_eq!(shown["hint"], Value::Null);

    let shown = refusal(&data(), "ensure", &json!({}));
    assert!(shown["message"].as_str().is_some_and(|text| text.contains("generate_text")));
    assert!(shown["hint"].as_str().is_some_and(|text| text.contains("other plane")));
}

#[test]
fn an_unknown_key_is_named() {
    for (double, operation, request, field) in [
        (control(), "ensure", json!({"spec": {}, "onDrift": "fail"}), "onDrift"),
        (control(), "plan", json!({"spec": {}, "on_drift": "fail"}), "on_drift"),
        (control(), "get", json!({"slug": "s1"}), "slug"),
        (control(), "list", json!({"workload_slug": "s1"}), "workload_slug"),
        (control(), "delete", json!({"workload_slug": "s1", "force": true}), "force"),
        (control(), "wait_until_ready", json!({"workload_slug": "s1", "timeouts": {}}), "timeouts"),
        (data(), "generate_text", json!({"prompt": "a", "on_truncated": "warn"}), "on_truncated"),
        (data(), "generate_text_stream", json!({"prompt": "a", "stop": "x"}), "stop"),
        (data(), "embed", json!({"input": "a", "model": "x"}), "model"),
    ] {
        let shown = refusal(&double, operation, &request);
        let seen = (&shown["code"], &shown["field"], &shown["operation"]);
        assert_eq!(seen, (&json!("invalid_argument"), &json!(field), &json!(operation)));
    }
}

#[test]
fn what_is_missing_is_named() {
    for (operation, request, field) in [
        ("ensure", json!({}), "spec"),
        ("plan", json!({"spec": null}), "spec"),
        ("get", json!({}), "workload_slug"),
        ("wait_until_ready", json!({"workload_slug": null}), "workload_slug"),
    ] {
        assert_eq!(refusal(&control(), operation, &request)["field"], field, "{operation}");
    }
    assert_eq!(refusal(&data(), "embed", &json!({}))["field"], "input");
}

#[test]
fn a_project_has_to_come_from_somewhere() {
    let options =
        r#"{"plane":"control","base_url":"http://127.0.0.1:8400","sdk_token":"ik_sdk_own"}"#;
    let double = Double::new(Script::new([]), options, None);
    let shown = refusal(&double, "list", &json!({"project": " "}));
    assert_eq!(
        (&shown["class"], &shown["code"]),
        (&json!("ConfigurationError"), &json!("missing_project"))
    );
}

#[test]
fn data_operations_need_an_endpoint() {
    let mut double = data();
    double.endpoint = None;
    let shown = refusal(&double, "generate_text", &json!({"prompt": "a"}));
    assert_eq!(shown["class"], "ConfigurationError");
}

#[test]
fn every_failed_call_says_where_and_how_often() {
    let lost = || Reply::Fail(Stage::Lost);
    let busy = || Reply::json(503, r#"{"error":"busy"}"#);
    for (double, operation, request, attempts) in [
        (Double::control(Script::new([lost(), lost(), lost()])), "list", json!({}), 3),
        (
            Double::control(Script::new([Reply::json(200, "[]")])),
            "get",
            json!({"workload_slug": "s1"}),
            1,
        ),
        (Double::data(Script::new([lost()]), "s1"), "generate_text", json!({"prompt": "a"}), 1),
        (
            Double::data(Script::new([busy(), busy(), busy()]), "s1"),
            "embed",
            json!({"input": "a"}),
            3,
        ),
        (
            Double::data(Script::new([Reply::stream("")]), "s1"),
            "generate_text_stream",
            json!({"prompt": "a"}),
            1,
        ),
    ] {
        let outcome = double.call(operation, &request);
        let error = outcome.error();
        assert_eq!(error.operation, Some(operation));
        assert_eq!(error.host.as_deref(), Some("127.0.0.1:8400"), "{operation}");
        assert_eq!(error.attempts, Some(attempts), "{operation}");
    }
}

#[test]
fn an_unreadable_answer_shows_its_text_without_tokens() {
    let token = format!("ik_live_0123abcd_{}", "9f".repeat(32));
    let page = format!("<html>{token} and ik_live_own</html>");
    let double = Double::data(Script::new([Reply::json(200, &page)]), "s1");
    let outcome = double.call("generate_text", &json!({"prompt": "a"}));
    let shown = String::from_utf8(outcome.error().to_json()).expect("text");
    assert!(shown.contains("<html>ik_live_0123abcd…"), "{shown}");
    assert!(!shown.contains(&token) && !shown.contains("ik_live_own"), "{shown}");
}
