//! libFuzzer over the target that the environment variable `TARGET` names. `make fuzz` builds and runs it.
#![no_main]

use std::sync::OnceLock;

use inferencekey_fuzz::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    static TARGET: OnceLock<Target> = OnceLock::new();
    TARGET.get_or_init(chosen)(input);
});

fn chosen() -> Target {
    let name = std::env::var("TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    let known: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    found.unwrap_or_else(|| panic!("TARGET must be one of {}", known.join(", "))).1
}
