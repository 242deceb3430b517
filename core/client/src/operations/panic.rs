//! The operation `panic`, for tests of what a defect in the library does to its host. Only with the feature `test-panic`,
//! which no library that is shipped has.

use super::head;
use crate::operation::Operation;
use crate::operation::testing::operation;

pub(super) const NAME: &str = "panic";

/// `submit` panics at once, `drop` when the operation is freed, anything else once it has given one event.
pub(super) fn submit(at: &[u8]) -> Operation {
    assert!(at != b"submit", "as the test asks");
    let panics = PanicsWhenDropped(at == b"drop");
    operation(move |outbox| async move {
        let _panics = panics;
        outbox.put(head("{}")).await;
        outbox.put(head("{}")).await;
        panic!("as the test asks");
    })
}

struct PanicsWhenDropped(bool);

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        assert!(!self.0 || std::thread::panicking(), "as the test asks");
    }
}
