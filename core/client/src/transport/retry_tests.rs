//! The shared cases of retries, the schedule, and the budget.

use std::time::UNIX_EPOCH;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;

use super::*;
use crate::error::code;
use crate::error::pushback::pushback;

const NOW: u64 = 1_767_225_600; // 2026-01-01 00:00:00 UTC

fn headers(values: &[String]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(RETRY_AFTER, HeaderValue::from_str(value).expect("a header value"));
    }
    headers
}

fn pushback_of(values: &[String]) -> Pushback {
    pushback(&headers(values), UNIX_EPOCH + Duration::from_secs(NOW))
}

#[derive(Deserialize)]
struct Case {
    name: String,
    call: String,
    fault: Fault,
    sends: u32,
}

/// What every send of the case meets.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fault {
    Refused,
    Reset,
    Cut,
    Status {
        status: u16,
        #[serde(default)]
        retry_after: Vec<String>,
    },
}

impl Fault {
    fn error(&self) -> Error {
        let lost =
            |stage| Error::new(Class::ConnectionFailed, code::CONNECTION_LOST, "lost").stage(stage);
        match self {
            Self::Refused => lost(Stage::NotSent),
            Self::Reset => lost(Stage::Lost),
            Self::Cut => lost(Stage::Cut),
            Self::Status { status, retry_after } => answered(*status, pushback_of(retry_after)),
        }
    }
}

fn answered(status: u16, pushback: Pushback) -> Error {
    let mut error =
        Error::new(Class::ApiError, code::HTTP_ERROR, "answered").stage(Stage::Answered);
    error.status = Some(status);
    error.pushback = pushback;
    error
}

const POLICY: Policy = Policy {
    retries: 2,
    first_pause: Duration::from_millis(500),
    longest_pause: Duration::from_secs(8),
    longest_pushback: Duration::from_secs(120),
    budget: 100,
};

const PLENTY: Progress =
    Progress { sends: 1, warmings: 0, left: None, cold_start_left: Some(Duration::from_secs(600)) };

/// How often a request is sent that meets the same error every time.
fn sends(error: &Error, repeat: Repeat) -> u32 {
    (1..10)
        .find(|sends| {
            let progress = Progress { sends: *sends, ..PLENTY };
            decision(error, repeat, &POLICY, progress, 0.5) == Decision::Surface
        })
        .expect("an end")
}

#[test]
fn shared_cases() {
    let cases = include_str!("../../../../tests/vectors/retry.json");
    let cases: Vec<Case> = serde_json::from_str(cases).expect("cases");
    for case in cases {
        let repeat = match case.call.as_str() {
            "list" | "embed" => Repeat::Idempotent,
            "generate_text" | "generate_text_stream" => Repeat::OnRequest,
            other => panic!("{other} has no row"),
        };
        assert_eq!(sends(&case.fault.error(), repeat), case.sends, "{}", case.name);
    }
}

#[test]
fn what_no_repeat_can_change_surfaces() {
    let not_sent = |class| Error::new(class, code::TLS_FAILED, "x").stage(Stage::NotSent);
    let mut out_of_time = not_sent(Class::Timeout);
    for clock in ["connect", "total"] {
        out_of_time.extra.clock = Some(clock);
        assert_eq!(sends(&out_of_time, Repeat::Idempotent), 1, "{clock}");
    }
    assert_eq!(sends(&not_sent(Class::TlsError), Repeat::Idempotent), 1);
    assert_eq!(sends(&not_sent(Class::LimitExceeded), Repeat::Idempotent), 1);
    assert_eq!(sends(&Error::invalid("x", "local"), Repeat::Idempotent), 1);
    // Nothing was processed, so even a create is sent again.
    assert_eq!(sends(&not_sent(Class::ConnectionFailed), Repeat::Never), 3);
    assert_eq!(sends(&answered(503, Pushback::Unreadable), Repeat::Never), 1);
    // Readiness has a schedule of its own, so not even that.
    assert_eq!(sends(&not_sent(Class::ConnectionFailed), Repeat::Reopened), 1);
}

#[test]
fn a_retry_after_a_timeout_costs_double() {
    let mut idle = Error::new(Class::Timeout, code::TIMEOUT_IDLE, "x").stage(Stage::Cut);
    idle.extra.clock = Some("idle");
    for (error, expected) in [(idle, 10), (Fault::Cut.error(), 5)] {
        let decided = decision(&error, Repeat::Idempotent, &POLICY, PLENTY, 0.0);
        assert!(matches!(decided, Decision::Again { cost, .. } if cost == expected), "{decided:?}");
    }
}

#[test]
fn pauses_double_up_to_the_ceiling() {
    for (k, random, expected_ms) in [
        (1, 0.0, 100),
        (1, 1.0, 500),
        (2, 0.0, 200),
        (2, 0.5, 600),
        (3, 1.0, 2000),
        (5, 1.0, 8000),
        (6, 1.0, 8000),
        (8, 0.0, 8000),
        (u32::MAX, 0.0, 8000),
    ] {
        assert_eq!(POLICY.pause(k, random), Duration::from_millis(expected_ms), "{k} {random}");
    }
}

#[test]
fn a_pushback_is_seconds_or_a_date() {
    use Pushback::{Absent, After, Unreadable};
    let seconds = |seconds: f64| After(Duration::from_secs_f64(seconds));
    for (values, expected) in [
        (&[][..], Absent),
        (&["0"], seconds(0.0)),
        (&["7"], seconds(7.0)),
        (&[" 7 "], seconds(7.0)),
        (&["0.25"], seconds(0.25)),
        (&["9999999999"], seconds(9_999_999_999.0)),
        (&["Thu, 01 Jan 2026 00:00:30 GMT"], seconds(30.0)),
        (&["Thursday, 01-Jan-26 00:00:30 GMT"], seconds(30.0)),
        (&["Wed, 31 Dec 2025 23:00:00 GMT"], seconds(0.0)),
        (&["1", "3", "2"], seconds(3.0)),
        (&["soon", "3"], seconds(3.0)),
        (&["-1"], Unreadable),
        (&["+1"], Unreadable),
        (&["1e3"], Unreadable),
        (&["inf"], Unreadable),
        (&["NaN"], Unreadable),
        (&["1.2.3"], Unreadable),
        (&["."], Unreadable),
        (&[""], Unreadable),
        (&["soon"], Unreadable),
        (&["99999999999999999999999"], Unreadable),
    ] {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        assert_eq!(pushback_of(&values), expected, "{values:?}");
    }
}

#[test]
fn a_pushback_is_obeyed_within_limit_and_deadline() {
    let ordinary = POLICY.pause(1, 0.5);
    for (wait_s, left_s, pause) in [
        (0, None, Some(ordinary)),
        (5, None, Some(Duration::from_secs(5))),
        (120, None, Some(Duration::from_secs(120))),
        (121, None, None),
        (5, Some(6), Some(Duration::from_secs(5))),
        (5, Some(5), None),
        (0, Some(0), None),
    ] {
        let error = answered(429, Pushback::After(Duration::from_secs(wait_s)));
        let progress = Progress { left: left_s.map(Duration::from_secs), ..PLENTY };
        let expected = pause.map_or(Decision::Surface, |pause| Decision::Again { pause, cost: 5 });
        let decided = decision(&error, Repeat::Idempotent, &POLICY, progress, 0.5);
        assert_eq!(decided, expected, "{wait_s} s within {left_s:?}");
    }
    let unreadable =
        decision(&answered(429, Pushback::Unreadable), Repeat::OnRequest, &POLICY, PLENTY, 0.5);
    assert_eq!(unreadable, Decision::Again { pause: ordinary, cost: 5 });
}

#[test]
fn a_warming_endpoint_is_waited_for_outside_of_the_sends() {
    let mut warming = answered(503, Pushback::After(Duration::from_secs(20)));
    warming.class = Class::EndpointWarming;
    let decide = |progress| decision(&warming, Repeat::OnRequest, &POLICY, progress, 0.5);
    let pause = Duration::from_secs(20);
    assert_eq!(decide(Progress { sends: 9, warmings: 99, ..PLENTY }), Decision::Warm { pause });
    for (left, cold_start_left) in [(None, Some(0)), (None, Some(20)), (Some(20), None)] {
        let left = left.map(Duration::from_secs);
        let cold_start_left = cold_start_left.map(Duration::from_secs);
        assert_eq!(decide(Progress { left, cold_start_left, ..PLENTY }), Decision::Surface);
    }
    warming.pushback = Pushback::Absent;
    let third = Progress { warmings: 2, ..PLENTY };
    let decided = decision(&warming, Repeat::Never, &Policy { retries: 0, ..POLICY }, third, 0.5);
    assert_eq!(decided, Decision::Warm { pause: POLICY.pause(3, 0.5) });
}

#[test]
fn an_empty_budget_allows_no_retry() {
    let budget = Budget::new(POLICY.budget);
    assert!((0..20).all(|_| budget.pay(5)));
    assert!(!budget.pay(5));
    (0..4).for_each(|_| budget.succeeded());
    assert!(!budget.pay(5));
    budget.succeeded();
    assert!(budget.pay(5));
    (0..500).for_each(|_| budget.succeeded());
    assert!((0..10).all(|_| budget.pay(10)));
    assert!(!budget.pay(1), "never more than 100");
}
