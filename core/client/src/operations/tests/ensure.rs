//! Writing drift, and what comes in between (wire.md 2.7 to 2.10).

use serde_json::{Value, json};

use super::Double;
use crate::error::Stage;
use crate::transport::script::{Reply, Script};

const LIST: &str = "GET /api/projects/acme/workloads";
const POST: &str = "POST /api/projects/acme/workloads";
const PATCH: &str = "PATCH /api/workloads/wl_1";
const DELETE: &str = "DELETE /api/workloads/wl_1";

fn request(slug: &str, on_drift: &str) -> Value {
    let spec = json!({"name": "N", "slug": slug, "model": "m", "backend": "vllm"});
    json!({"spec": spec, "on_drift": on_drift})
}

fn live(slug: &str, name: &str) -> Value {
    json!({"id": "wl_1", "slug": slug, "name": name, "model_name": "m", "backend": "vllm"})
}

fn list(workloads: &[Value]) -> Reply {
    Reply::json(200, &Value::from(workloads).to_string())
}

fn drifted() -> Reply {
    list(&[live("s1", "old")])
}

fn in_sync() -> Reply {
    list(&[live("s1", "N")])
}

fn status(status: u16) -> Reply {
    Reply::json(status, r#"{"error":{"code":"c","message":"words"}}"#)
}

fn ensure(replies: Vec<Reply>) -> (Double, super::Outcome) {
    let double = Double::control(Script::new(replies));
    let outcome = double.call("ensure", &request("s1", "reconcile"));
    (double, outcome)
}

#[test]
fn a_patch_meets_what_happened_in_between() {
    let created = || Reply::json(201, r#"{"id":"wl_2","slug":"s1"}"#);
    let ok = || Reply::json(200, &live("s1", "N").to_string());
    let lost = || Reply::Fail(Stage::Lost);
    for (name, replies, code, lines) in [
        ("good", vec![drifted(), ok()], "none", vec![LIST, PATCH]),
        ("answer lost", vec![drifted(), lost(), ok()], "none", vec![LIST, PATCH, PATCH]),
        ("503", vec![drifted(), status(503), ok()], "none", vec![LIST, PATCH, PATCH]),
        ("500", vec![drifted(), status(500)], "server_error", vec![LIST, PATCH]),
        ("403", vec![drifted(), status(403)], "forbidden", vec![LIST, PATCH]),
        (
            "gone",
            vec![drifted(), status(404), list(&[]), created()],
            "none",
            vec![LIST, PATCH, LIST, POST],
        ),
        (
            "gone twice",
            vec![drifted(), status(404), list(&[]), status(409), drifted(), status(404), list(&[])],
            "not_found",
            vec![LIST, PATCH, LIST, POST, LIST, PATCH, LIST],
        ),
        (
            "moved into sync",
            vec![drifted(), status(412), in_sync()],
            "none",
            vec![LIST, PATCH, LIST],
        ),
        (
            "moved, still drifted",
            vec![drifted(), status(409), drifted(), ok()],
            "none",
            vec![LIST, PATCH, LIST, PATCH],
        ),
        (
            "moves for ever",
            [(); 4].iter().flat_map(|()| [drifted(), status(409)]).collect(),
            "conflict",
            [LIST, PATCH].repeat(4),
        ),
    ] {
        let (double, outcome) = ensure(replies);
        assert_eq!(outcome.code(), code, "{name}");
        assert_eq!(double.script.lines(), lines, "{name}");
    }
}

#[test]
fn a_patch_that_does_not_stick_is_a_note_and_no_loop() {
    for (answer, notes) in [
        (live("s1", "N").to_string(), 0),
        (live("s1", "old").to_string(), 1),
        ("{}".to_owned(), 0),
        (String::new(), 0),
    ] {
        let (double, outcome) = ensure(vec![drifted(), Reply::json(200, &answer)]);
        let head = outcome.head();
        assert_eq!(head["changed"], true, "{answer}");
        assert_eq!(head["plan"]["notes"].as_array().map(Vec::len), Some(notes), "{answer}");
        assert_eq!(double.script.lines(), [LIST, PATCH], "{answer}");
    }
}

#[test]
fn the_error_of_a_policy_tells_the_plan() {
    let double = Double::control(Script::new([drifted()]));
    let outcome = double.call("ensure", &request("s1", "fail"));
    let shown: Value = serde_json::from_slice(&outcome.error().to_json()).expect("JSON");
    assert_eq!(shown["class"], "DriftError");
    assert_eq!(shown["operation"], "ensure");
    assert_eq!(shown["host"], "127.0.0.1:8400");
    assert_eq!(shown["attempts"], 1);
    let change = json!({"path": "name", "before": "old", "after": "N"});
    assert_eq!(shown["plan"]["changes"], json!([change]));
}

#[test]
fn drift_is_warned_of_once_per_slug() {
    let warning = |slug: &str| {
        let double = Double::control(Script::new([list(&[live(slug, "old")])]));
        double.call("ensure", &request(slug, "warn")).head()["warning"].clone()
    };
    let first = warning("warned-of-once");
    let text = first.as_str().expect("a warning");
    assert!(text.contains("`name`") && text.contains("warned-of-once"), "{text}");
    assert_eq!(warning("warned-of-once"), Value::Null);
    assert!(warning("another-slug").is_string());
}

#[test]
fn delete_says_whether_this_call_removed_it() {
    let lost = || Reply::Fail(Stage::Lost);
    let refused = || Reply::Fail(Stage::NotSent);
    let odd = Reply::json(200, "<html>");
    let part = |workloads: &[Value]| {
        Reply::json(200, &json!({"data": workloads, "has_more": true}).to_string())
    };
    for (name, replies, deleted, code) in [
        ("absent", vec![list(&[])], Some(false), "none"),
        ("gone in between", vec![in_sync(), status(404)], Some(false), "none"),
        ("refused, then gone", vec![in_sync(), refused(), status(404)], Some(false), "none"),
        ("answer lost, then gone", vec![in_sync(), lost(), status(404)], Some(true), "none"),
        ("503, then gone", vec![in_sync(), status(503), status(404)], Some(true), "none"),
        ("an odd answer", vec![in_sync(), odd], Some(true), "none"),
        (
            "part of a list is enough to find it",
            vec![part(&[live("s1", "N")]), status(204)],
            Some(true),
            "none",
        ),
        ("but not to say that it is absent", vec![part(&[])], None, "incomplete_list"),
        (
            "a sibling that cannot be addressed",
            vec![list(&[live("s1", "N"), json!({"slug": "s1"})]), status(204)],
            Some(true),
            "none",
        ),
        ("403", vec![in_sync(), status(403)], None, "forbidden"),
        ("no list", vec![Reply::json(200, "<html>")], None, "protocol_error"),
    ] {
        let double = Double::control(Script::new(replies));
        let outcome = double.call("delete", &json!({"workload_slug": " S1 "}));
        assert_eq!(outcome.code(), code, "{name}");
        if let Some(deleted) = deleted {
            assert_eq!(outcome.head(), json!({"deleted": deleted}), "{name}");
        }
        let lines = double.script.lines();
        assert!(lines.iter().skip(1).all(|line| line == DELETE), "{name}: {lines:?}");
    }
}

#[test]
fn the_list_is_given_whole_and_each_workload_once() {
    let first = json!({"data": [live("s1", "N"), null, {"slug": "no id"}], "next_cursor": "c"});
    let second = json!({"data": [live("s1", "N"), {"id": "wl_2", "slug": "s2", "n": 1.50}]});
    let replies = [first, second].map(|page| Reply::json(200, &page.to_string()));
    let double = Double::control(Script::new(replies));
    let workloads = double.call("list", &json!({})).head()["workloads"].clone();
    assert_eq!(workloads, json!([live("s1", "N"), {"id": "wl_2", "slug": "s2", "n": 1.50}]));
}

#[test]
fn a_list_without_end_is_refused() {
    let mut page = 0;
    let script = Script::serving(move |_| {
        page += 1;
        Reply::json(200, &json!({"data": [], "next_cursor": page.to_string()}).to_string())
    });
    let double = Double::control(script);
    let outcome = double.call("list", &json!({}));
    assert_eq!(outcome.error().extra.limit, Some("list_pages"));
    assert_eq!(double.script.journal().len(), 1000);
}

fn planned(double: &Double, request: &Value) -> Value {
    double.call("plan", request).head()["plan"]["base"].clone()
}

#[test]
fn a_plan_is_applied_to_what_it_saw_or_not_at_all() {
    let spec = json!({"name": "N", "slug": "s1", "model": "m", "backend": "vllm"});
    let at = |name: &str, time: &str| {
        let mut live = live("s1", name);
        live["updated_at"] = time.into();
        list(&[live])
    };
    let other = || {
        list(&[
            json!({"id": "wl_2", "slug": "s1", "name": "old", "model_name": "m", "backend": "vllm"}),
        ])
    };
    let ok = || Reply::json(200, &live("s1", "N").to_string());
    let created = || Reply::json(201, r#"{"id":"wl_3","slug":"s1"}"#);
    for (name, seen, found, code, lines) in [
        ("as it was", drifted(), vec![drifted(), ok()], "none", vec![LIST, PATCH]),
        ("the same time", at("old", "t1"), vec![at("old", "t1"), ok()], "none", vec![LIST, PATCH]),
        ("touched", at("old", "t1"), vec![at("old", "t2")], "plan_stale", vec![LIST]),
        (
            "changed in the same second",
            at("old", "t1"),
            vec![at("new", "t1")],
            "plan_stale",
            vec![LIST],
        ),
        ("another one", drifted(), vec![other()], "plan_stale", vec![LIST]),
        ("in sync by now", drifted(), vec![in_sync()], "plan_stale", vec![LIST]),
        ("gone", drifted(), vec![list(&[])], "plan_stale", vec![LIST]),
        (
            "gone while it is written",
            drifted(),
            vec![drifted(), status(404)],
            "plan_stale",
            vec![LIST, PATCH],
        ),
        ("in sync then and now", in_sync(), vec![in_sync()], "none", vec![LIST]),
        ("absent", list(&[]), vec![list(&[]), created()], "none", vec![LIST, POST]),
        ("there by now", list(&[]), vec![drifted()], "plan_stale", vec![LIST]),
        (
            "there in the last moment",
            list(&[]),
            vec![list(&[]), status(409), drifted()],
            "plan_stale",
            vec![LIST, POST, LIST],
        ),
        (
            "created, and the answer was lost",
            list(&[]),
            vec![list(&[]), status(503), in_sync()],
            "none",
            vec![LIST, POST, LIST],
        ),
    ] {
        let before = Double::control(Script::new(vec![seen]));
        let base = planned(&before, &json!({"spec": spec}));
        let double = Double::control(Script::new(found));
        let outcome = double.call("apply", &json!({"spec": spec, "base": base}));
        assert_eq!(outcome.code(), code, "{name}");
        assert_eq!(double.script.lines(), lines, "{name}");
    }
}

#[test]
fn nothing_is_written_above_the_hourly_limit() {
    let policy = |dollars: f64| json!({"max_hourly_cost_usd": dollars});
    let wish = |operation: &str, on_drift: &str, limit: &Value| {
        let spec = json!({"name": "N", "slug": "s1", "model": "m", "backend": "vllm",
            "execution_policy": "autoscaling", "execution_policy_config": policy(4.0)});
        let mut request = json!({"spec": spec, "max_hourly_cost_usd": limit});
        match operation {
            "ensure" => request["on_drift"] = on_drift.into(),
            _ => request["base"] = Value::Null,
        }
        request
    };
    let with = |dollars: f64| {
        let mut live = live("s1", "N");
        live["execution_policy"] = "autoscaling".into();
        live["execution_policy_config"] = policy(dollars);
        list(&[live])
    };
    let created = || Reply::json(201, r#"{"id":"wl_3","slug":"s1"}"#);
    for (name, operation, on_drift, limit, replies, code, lines) in [
        (
            "allowed",
            "ensure",
            "reconcile",
            json!(4),
            vec![list(&[]), created()],
            "none",
            vec![LIST, POST],
        ),
        (
            "a create",
            "ensure",
            "reconcile",
            json!(3.99),
            vec![list(&[])],
            "cost_above_limit",
            vec![LIST],
        ),
        (
            "an update",
            "ensure",
            "reconcile",
            json!(3),
            vec![with(2.0)],
            "cost_above_limit",
            vec![LIST],
        ),
        (
            "a dry run",
            "ensure",
            "dry_run",
            json!(3),
            vec![list(&[])],
            "cost_above_limit",
            vec![LIST],
        ),
        (
            "nothing to write",
            "ensure",
            "ignore",
            json!(3),
            vec![with(4.0)],
            "cost_above_limit",
            vec![LIST],
        ),
        ("apply", "apply", "", json!(3), vec![list(&[])], "cost_above_limit", vec![LIST]),
        ("a negative limit", "ensure", "reconcile", json!(-1), vec![], "invalid_argument", vec![]),
        ("a limit in words", "ensure", "reconcile", json!("4"), vec![], "invalid_argument", vec![]),
    ] {
        let double = Double::control(Script::new(replies));
        let outcome = double.call(operation, &wish(operation, on_drift, &limit));
        assert_eq!(outcome.code(), code, "{name}");
        assert_eq!(double.script.lines(), lines, "{name}");
    }
}
