//! Fuzz targets: each takes any bytes and asserts what has to hold for all of them.
//!
//! The committed corpus runs through them in every test run (`tests/replay.rs`); `make fuzz` looks for new inputs
//! (`libfuzzer/`).

mod answers;
mod framing;
mod requests;
mod retry_after;
mod spec_files;
mod specs;
mod sse;

use inferencekey_core::Error;

/// Takes any bytes; panics if a property does not hold.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its folder in `corpus/`.
pub const TARGETS: [(&str, Target); 7] = [
    ("answers", answers::run),
    ("framing", framing::run),
    ("requests", requests::run),
    ("retry_after", retry_after::run),
    ("spec_files", spec_files::run),
    ("specs", specs::run),
    ("sse", sse::run),
];

/// The token of every client here.
const CONTROL_TOKEN: &str =
    "ik_sdk_0123abcd_5ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e7ab";
/// The key of every endpoint here.
const DATA_KEY: &str =
    "ik_live_0123abcd_5ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e7ab";
/// How they begin: what no output may hold. A part further on without this is no token to anybody.
const BEGINNINGS: [&str; 2] = ["ik_sdk_0123abcd_5", "ik_live_0123abcd_5"];

/// faults.md 1.3: one line, at most 2 KiB, no control characters, no secret.
fn assert_presentable(error: &Error) {
    let message = error.message();
    assert!(message.len() <= 2048, "{} bytes long", message.len());
    assert!(!message.chars().any(char::is_control), "{message:?}");
    let shown = String::from_utf8_lossy(&error.to_json()).into_owned();
    assert!(!BEGINNINGS.iter().any(|secret| shown.contains(secret)), "{shown}");
}
