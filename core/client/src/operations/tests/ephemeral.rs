//! Workloads with a mark: told of before they are created, proven to be one's own, and deleted alone.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Double, head, next};
use crate::error::Stage;
use crate::operation::EventKind;
use crate::transport::script::{Reply, Script};

const MARK: &str = "0123456789abcdef0123456789abcdef";
const LIST: &str = "GET /api/projects/acme/workloads";
const POST: &str = "POST /api/projects/acme/workloads";

fn marked(description: &str) -> String {
    format!("{description} [ephemeral {MARK}]")
}

fn live(id: &str, slug: &str, description: &str) -> Value {
    json!({"id": id, "slug": slug, "name": "N", "model_name": "m", "backend": "vllm", "description": description})
}

fn list(workloads: &[Value]) -> Reply {
    Reply::json(200, &Value::from(workloads).to_string())
}

fn ensure(description: Option<&str>) -> Value {
    let spec = json!({"name": "N", "slug": "S1", "model": "m", "backend": "vllm", "description": description});
    json!({"spec": spec, "on_drift": "fail", "mark": MARK})
}

fn telling(replies: impl IntoIterator<Item = Reply>) -> Double {
    let options = r#"{"plane":"control","base_url":"http://127.0.0.1:8400","sdk_token":"ik_sdk_own","project":"acme",
        "notices":true}"#;
    Double::new(Script::new(replies), options, None)
}

#[test]
fn nothing_is_created_before_the_host_was_told() {
    let double = telling([list(&[]), Reply::json(201, &live("wl_1", "s1", "").to_string())]);
    let mut running = double.submit("ensure", &ensure(Some("nightly"))).expect("a good request");
    let told = next(&mut running).expect("an event").expect("a notice");
    assert_eq!(told.kind, EventKind::Notice);
    let expected = json!({"notice": "creating", "project_slug": "acme", "workload_slug": "s1"});
    assert_eq!(head(&told), expected);
    assert_eq!(double.script.lines(), [LIST]);
    let done = head(&next(&mut running).expect("an event").expect("the end"));
    assert_eq!((&done["created"], &done["id"]), (&json!(true), &json!("wl_1")));
    assert_eq!(double.script.lines(), [LIST, POST]);
    assert_eq!(double.script.journal()[1].body["description"], marked("nightly"));
}

#[test]
fn the_host_learns_of_a_create_that_made_nothing_and_never_will() {
    let empty = || list(&[]);
    let refused = || Reply::json(403, "{}");
    let unsent = || Reply::Fail(Stage::NotSent);
    let theirs = || list(&[live("wl_9", "s1", "nightly")]);
    for (name, replies, notices) in [
        ("refused", vec![empty(), refused()], vec!["creating", "not_created"]),
        (
            "not sent",
            vec![empty(), unsent(), unsent(), unsent()],
            vec!["creating", "retry", "retry", "not_created"],
        ),
        (
            "somebody else was faster",
            vec![empty(), Reply::json(409, "{}"), theirs()],
            vec!["creating", "not_created"],
        ),
        ("perhaps created", vec![empty(), Reply::json(500, "{}"), empty()], vec!["creating"]),
        (
            "refused, but perhaps created before",
            vec![empty(), Reply::Fail(Stage::Lost), empty(), refused()],
            vec!["creating", "retry"],
        ),
    ] {
        let outcome = telling(replies).call("ensure", &ensure(Some("nightly")));
        let told = outcome.events.iter().filter(|event| event.kind == EventKind::Notice);
        let told: Vec<_> = told.map(|event| head(event)["notice"].clone()).collect();
        assert_eq!(told, notices, "{name}");
    }
}

#[test]
fn what_is_there_already_is_not_marked_and_not_announced() {
    for (name, declared, description, code) in [
        ("in sync", Some("nightly"), "nightly".to_owned(), "none"),
        ("somebody's ephemeral", Some("nightly"), marked("nightly"), "none"),
        ("an exported mark", Some(marked("nightly").as_str()), "nightly".to_owned(), "none"),
        ("not managed", None, "whatever".to_owned(), "none"),
        ("drifted", Some("daily"), marked("nightly"), "drift"),
    ] {
        let double = telling([list(&[live("wl_1", "s1", &description)])]);
        let outcome = double.call("ensure", &ensure(declared));
        assert_eq!(outcome.code(), code, "{name}");
        assert!(outcome.events.iter().all(|event| event.kind != EventKind::Notice), "{name}");
        assert_eq!(double.script.lines(), [LIST], "{name}");
        if code == "none" {
            let head = outcome.head();
            assert_eq!((&head["created"], &head["id"]), (&json!(false), &json!("wl_1")), "{name}");
        }
    }
}

#[test]
fn a_workload_whose_answer_was_lost_is_known_by_its_mark() {
    for (description, created) in [(marked("nightly"), true), ("nightly".to_owned(), false)] {
        let found = list(&[live("wl_1", "s1", &description)]);
        let double = Double::control(Script::new([list(&[]), Reply::Fail(Stage::Lost), found]));
        let head = double.call("ensure", &ensure(Some("nightly"))).head();
        assert_eq!((&head["created"], &head["changed"]), (&json!(created), &json!(created)));
    }
}

#[test]
fn only_what_is_proven_is_deleted() {
    let gone = || Reply::json(204, "");
    let mine = || live("wl_1", "s1", "nightly");
    let marked = |id: &str, slug: &str| live(id, slug, &marked("nightly"));
    for (name, workloads, only, deletes) in [
        ("by id", vec![mine()], json!({"id": "wl_1"}), vec!["wl_1"]),
        ("another id", vec![mine()], json!({"id": "wl_2", "mark": MARK}), vec![]),
        ("by mark", vec![marked("wl_7", "s1")], json!({"mark": MARK}), vec!["wl_7"]),
        (
            "by mark, of several",
            vec![mine(), marked("wl_7", "s1-2"), marked("wl_8", "other")],
            json!({"id": "wl_9", "mark": MARK}),
            vec!["wl_7"],
        ),
    ] {
        let double = Double::control(Script::new([list(&workloads), gone(), gone()]));
        let request = json!({"workload_slug": "S1", "only": only});
        let head = double.call("delete", &request).head();
        assert_eq!(head, json!({"deleted": !deletes.is_empty()}), "{name}");
        let sent: Vec<_> = double.script.lines().into_iter().skip(1).collect();
        let expected: Vec<_> =
            deletes.iter().map(|id| format!("DELETE /api/workloads/{id}")).collect();
        assert_eq!(sent, expected, "{name}");
    }
}

#[test]
fn what_may_still_appear_is_looked_for_until_the_time_is_over() {
    let request = json!({"workload_slug": "s1", "only": {"mark": MARK}, "appears_within_ms": 2000});
    let late = list(&[live("wl_1", "s1", &marked(""))]);
    let replies = [list(&[]), list(&[]), late, Reply::json(204, "")];
    let double = Double::control(Script::new(replies));
    assert_eq!(double.call("delete", &request).head(), json!({"deleted": true}));
    assert_eq!(double.script.journal().len(), 4);

    let double = Double::control(Script::serving(|_| list(&[])));
    assert_eq!(double.call("delete", &request).head(), json!({"deleted": false}));
    let last = double.script.journal().last().expect("a look").at;
    assert!(last >= Duration::from_secs(2) && last < Duration::from_secs(3), "{last:?}");
}

#[test]
fn a_proof_that_proves_nothing_is_refused() {
    for (request, field) in [
        (json!({"workload_slug": "s1", "only": {}}), "only"),
        (json!({"workload_slug": "s1", "only": {"slug": "s1"}}), "only"),
        (json!({"workload_slug": "s1", "only": "wl_1"}), "only"),
        (json!({"workload_slug": "s1", "only": {"mark": "x"}}), "only.mark"),
        (json!({"workload_slug": "s1", "appears_within_ms": 1}), "appears_within_ms"),
    ] {
        let double = Double::control(Script::new([]));
        let outcome = double.call("delete", &request);
        assert_eq!(outcome.error().field.as_deref(), Some(field), "{request}");
        assert!(double.script.journal().is_empty());
    }
}
