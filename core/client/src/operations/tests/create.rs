//! Creating a workload: races, lost answers, and what is left behind (wire.md 2.9).

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::Double;
use crate::error::Stage;
use crate::transport::script::{Piece, Reply, Script};

const LIST: &str = "GET /api/projects/acme/workloads";
const POST: &str = "POST /api/projects/acme/workloads";

fn spec() -> Value {
    json!({"spec": {"name": "N", "slug": "s1", "model": "m", "backend": "vllm"}})
}

fn live(id: &str) -> Value {
    json!({"id": id, "slug": "s1", "name": "N", "model_name": "m", "backend": "vllm"})
}

fn list(workloads: &[Value]) -> Reply {
    Reply::json(200, &Value::from(workloads).to_string())
}

fn created(id: &str, slug: &str) -> Reply {
    Reply::json(201, &json!({"id": id, "slug": slug}).to_string())
}

fn status(status: u16) -> Reply {
    Reply::json(status, r#"{"error":{"code":"c","message":"words"}}"#)
}

/// One ensure: its code (`none` if it succeeded), whether it changed anything, and the methods of its requests.
fn ensure(replies: Vec<Reply>) -> (String, bool, String) {
    let double = Double::control(Script::new(replies));
    let outcome = double.call("ensure", &spec());
    let changed = outcome.error.is_none() && outcome.head()["changed"] == true;
    let lines = double.script.lines();
    let methods = lines.iter().filter_map(|line| line.split(' ').next());
    (outcome.code().to_owned(), changed, methods.collect::<Vec<_>>().join(" "))
}

#[test]
fn a_failed_create_is_looked_into_before_a_second_one() {
    let none = || list(&[]);
    let found = || list(&[live("wl_1")]);
    let ok = || created("wl_new", "s1");
    let lost = || Reply::Fail(Stage::Lost);
    let cut = || Reply::typed(201, "application/json", vec![Piece::text("{"), Piece::Cut]);
    for (name, replies, code, changed, methods) in [
        ("good", vec![none(), ok()], "none", true, "GET POST"),
        ("409, then found", vec![none(), status(409), found()], "none", false, "GET POST GET"),
        (
            "409, found late",
            vec![none(), status(409), none(), none(), found()],
            "none",
            false,
            "GET POST GET GET GET",
        ),
        (
            "409, never found",
            vec![none(), status(409), none(), none(), none()],
            "conflict",
            false,
            "GET POST GET GET GET",
        ),
        ("lost, but done", vec![none(), lost(), found()], "none", false, "GET POST GET"),
        ("lost, not done", vec![none(), lost(), none(), ok()], "none", true, "GET POST GET POST"),
        (
            "lost, and nobody may look",
            vec![none(), lost(), status(403)],
            "connection_lost",
            false,
            "GET POST GET",
        ),
        (
            "dead of age, not done",
            vec![none(), Reply::Fail(Stage::Stale), none(), ok()],
            "none",
            true,
            "GET POST GET POST",
        ),
        (
            "dead of age, but done",
            vec![none(), Reply::Fail(Stage::Stale), found()],
            "none",
            false,
            "GET POST GET",
        ),
        (
            "lost for ever",
            vec![none(), lost(), none(), lost(), none(), lost(), none()],
            "connection_lost",
            false,
            "GET POST GET POST GET POST GET",
        ),
        (
            "lost, then taken",
            vec![none(), lost(), none(), status(409), found()],
            "none",
            false,
            "GET POST GET POST GET",
        ),
        ("cut, but done", vec![none(), cut(), found()], "none", false, "GET POST GET"),
        (
            "503, not done",
            vec![none(), status(503), none(), ok()],
            "none",
            true,
            "GET POST GET POST",
        ),
        ("429, but done", vec![none(), status(429), found()], "none", false, "GET POST GET"),
        ("500, but done", vec![none(), status(500), found()], "none", false, "GET POST GET"),
        ("500, not done", vec![none(), status(500), none()], "server_error", false, "GET POST GET"),
        ("400", vec![none(), status(400)], "bad_request", false, "GET POST"),
        ("403", vec![none(), status(403)], "forbidden", false, "GET POST"),
        (
            "an unreadable answer, but done",
            vec![none(), Reply::json(200, "<html>"), found()],
            "none",
            true,
            "GET POST GET",
        ),
        (
            "an answer without an id, not done",
            vec![none(), Reply::json(200, "{}"), none()],
            "protocol_error",
            false,
            "GET POST GET",
        ),
        (
            "refused, then good",
            vec![none(), Reply::Fail(Stage::NotSent), ok()],
            "none",
            true,
            "GET POST POST",
        ),
    ] {
        let expected = (code.to_owned(), changed, methods.to_owned());
        assert_eq!(ensure(replies), expected, "{name}");
    }
}

/// A dead platform must not be sent more because many callers ensure at once: the client's budget is one.
#[test]
fn repeats_of_a_create_are_paid_from_the_budget_of_the_client() {
    let script = Script::serving(|sent| match sent.line.as_str() {
        POST => status(503),
        _ => list(&[]),
    });
    let double = Double::control(script);
    for _ in 0..40 {
        assert_eq!(double.call("ensure", &spec()).code(), "server_error");
    }
    let posts = double.script.lines().iter().filter(|line| *line == POST).count();
    // 40 first sends, and what 100 tokens pay at 5 each, with one back for every good list.
    assert!((60..100).contains(&posts), "{posts}");
}

/// Nothing was processed and nothing is owed: neither a pause nor a token of the budget.
#[test]
fn a_create_whose_connection_died_of_age_goes_out_again_at_once() {
    let mut posts = 0;
    let script = Script::serving(move |sent| {
        if sent.line == LIST {
            return list(&[]);
        }
        posts += 1;
        if posts % 2 == 1 { Reply::Fail(Stage::Stale) } else { created("wl_new", "s1") }
    });
    let options = r#"{"plane":"control","base_url":"http://127.0.0.1:8400","sdk_token":"ik_sdk_own","project":"acme",
        "retries":{"budget":0},"notices":true}"#;
    let double = Double::new(script, options, None);
    for _ in 0..40 {
        assert_eq!(double.call("ensure", &spec()).head()["changed"], true);
    }
    assert!(double.script.seconds().iter().all(|second| *second == 0));
}

#[test]
fn every_send_of_a_create_is_the_same() {
    let lost = || Reply::Fail(Stage::Lost);
    let replies = [list(&[]), lost(), list(&[]), status(503), list(&[]), created("wl_new", "s1")];
    let double = Double::control(Script::new(replies));
    assert_eq!(double.call("ensure", &spec()).code(), "none");
    let sent = double.script.journal();
    let posts: Vec<_> = sent.iter().filter(|sent| sent.line == POST).collect();
    assert_eq!(posts.len(), 3);
    let key = posts[0].idempotency_key.as_deref().expect("a key");
    let key = uuid::Uuid::parse_str(key).expect("a UUID");
    assert_eq!(key.get_version_num(), 4);
    assert!(posts.iter().all(|post| post.idempotency_key == posts[0].idempotency_key));
    assert!(posts.iter().all(|post| post.body == posts[0].body));
    assert!(
        sent.iter().filter(|sent| sent.line == LIST).all(|sent| sent.idempotency_key.is_none())
    );

    let other = Double::control(Script::new([list(&[]), created("wl_new", "s1")]));
    other.call("ensure", &spec());
    assert_ne!(other.script.journal()[1].idempotency_key, posts[0].idempotency_key);
}

#[test]
fn a_lost_race_removes_its_own_workload_and_no_other() {
    let lost_race = || vec![list(&[]), created("wl_mine", "s1-1")];
    let found = || list(&[live("wl_original"), json!({"id": "wl_mine", "slug": "s1-1"})]);
    let delete = "DELETE /api/workloads/wl_mine";

    let replies = [lost_race(), vec![list(&[]), found(), Reply::json(204, "")]].concat();
    let double = Double::control(Script::new(replies));
    let head = double.call("ensure", &spec()).head();
    assert_eq!((&head["workload_slug"], &head["changed"]), (&json!("s1"), &json!(false)));
    assert_eq!(double.script.lines(), [LIST, POST, LIST, LIST, delete]);

    let never = vec![list(&[]), list(&[]), list(&[]), status(404)];
    let double = Double::control(Script::new([lost_race(), never].concat()));
    let outcome = double.call("ensure", &spec());
    assert_eq!(outcome.code(), "slug_unavailable");
    assert_eq!(double.script.lines().last().map(String::as_str), Some(delete));

    let double = Double::control(Script::new([lost_race(), vec![found(), status(403)]].concat()));
    let outcome = double.call("ensure", &spec());
    assert_eq!(outcome.code(), "forbidden");
    let message = outcome.error().message();
    assert!(message.contains("wl_mine") && message.contains("s1-1"), "{message}");
}

#[test]
fn a_race_that_cannot_be_judged_leaves_nothing_behind() {
    let replies = [list(&[]), created("wl_mine", "s1-1"), status(403), Reply::json(204, "")];
    let double = Double::control(Script::new(replies));
    assert_eq!(double.call("ensure", &spec()).code(), "forbidden");
    assert_eq!(
        double.script.lines().last().map(String::as_str),
        Some("DELETE /api/workloads/wl_mine")
    );
}

/// The other workload of a lost race belongs to somebody else: drift is settled against it by the same policy.
#[test]
fn what_was_found_instead_is_compared_by_the_same_policy() {
    let other =
        json!({"id": "wl_1", "slug": "s1", "name": "other", "model_name": "m", "backend": "vllm"});
    let replies =
        || [list(&[]), status(409), list(std::slice::from_ref(&other)), Reply::json(200, "{}")];
    let double = Double::control(Script::new(replies()));
    let head = double.call("ensure", &spec()).head();
    assert_eq!((&head["changed"], &head["plan"]["action"]), (&json!(true), &json!("update")));
    assert_eq!(double.script.lines().last().map(String::as_str), Some("PATCH /api/workloads/wl_1"));

    let mut request = spec();
    request["on_drift"] = json!("fail");
    let double = Double::control(Script::new(replies()));
    assert_eq!(double.call("ensure", &request).code(), "drift");
}

#[test]
fn a_create_ends_with_the_time_of_the_call() {
    let mut request = spec();
    request["timeout_ms"] = json!(1000);
    let replies = [list(&[]), status(409), list(&[]), list(&[]), list(&[])];
    let double = Double::control(Script::new(replies));
    let outcome = double.call("ensure", &request);
    assert_eq!(outcome.code(), "timeout_total");
    assert_eq!(outcome.error().attempts, Some(4));

    let pushed = status(503).header("retry-after", "100");
    let double = Double::control(Script::new([list(&[]), pushed, list(&[])]));
    assert_eq!(double.call("ensure", &request).code(), "server_error");
}

/// The platform as it is for many callers at once: slugs are unique, losers get a 409 or a suffixed slug.
#[test]
fn two_ensures_of_one_slug_leave_one_workload() {
    for answers_409 in [true, false] {
        let store: Arc<Mutex<Vec<Value>>> = Arc::default();
        // Somebody else's create arrives between our list and our POST.
        let platform = {
            let store = Arc::clone(&store);
            move |sent: &crate::transport::script::Sent| {
                let mut store = store.lock().expect("one thread");
                match sent.line.split(' ').next() {
                    Some("GET") => list(&store),
                    Some("DELETE") => {
                        store.retain(|one| !sent.line.ends_with(one["id"].as_str().unwrap_or("?")));
                        Reply::json(204, "")
                    }
                    _ => {
                        store.push(live("wl_rival"));
                        if answers_409 {
                            return status(409);
                        }
                        store.push(json!({"id": "wl_mine", "slug": "s1-1"}));
                        created("wl_mine", "s1-1")
                    }
                }
            }
        };
        let double = Double::control(Script::serving(platform));
        assert_eq!(double.call("ensure", &spec()).head()["workload_slug"], "s1");
        assert_eq!(*store.lock().expect("one thread"), [live("wl_rival")]);
    }
}
