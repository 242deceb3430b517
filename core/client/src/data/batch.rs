//! Everything that one read brought, as one event: columns in the head, the frames' JSON beside it.

use serde::Serialize;

use super::account::{Timing, Usage};
use super::event;
use crate::json::push_string;
use crate::operation::Event;

/// Chunks on their way to the caller.
#[derive(Debug, Default)]
pub(super) struct Batch {
    texts: Vec<u8>,
    finish_reasons: Vec<u8>,
    raw_lengths: Vec<u8>,
    raw: Vec<u8>,
}

impl Batch {
    /// Adds a chunk and the JSON it was read from.
    pub(super) fn push(&mut self, text: &str, finish_reason: Option<&str>, raw: &[u8]) {
        if self.texts.is_empty() {
            self.make_room();
        } else {
            [&mut self.texts, &mut self.finish_reasons, &mut self.raw_lengths]
                .into_iter()
                .for_each(|column| column.push(b','));
        }
        push_string(&mut self.texts, text);
        match finish_reason {
            Some(reason) => push_string(&mut self.finish_reasons, reason),
            None => self.finish_reasons.extend_from_slice(b"null"),
        }
        // A number into memory: nothing that could fail.
        let _ = serde_json::to_writer(&mut self.raw_lengths, &raw.len());
        self.raw.extend_from_slice(raw);
    }

    /// For a few usual chunks, which would make each column grow several times.
    fn make_room(&mut self) {
        self.texts.reserve(128);
        self.finish_reasons.reserve(64);
        self.raw_lengths.reserve(64);
        self.raw.reserve(1024);
    }

    /// The chunks so far as an event, if there are any.
    pub(super) fn take(&mut self) -> Option<Event> {
        if self.texts.is_empty() {
            return None;
        }
        let batch = std::mem::take(self);
        Some(event(batch.head(b""), batch.raw))
    }

    /// The last event of a stream: the chunks that are left, and what is told at its end.
    pub(super) fn close(
        self,
        usage: Option<Usage>,
        timing: &Timing,
        warning: Option<&str>,
    ) -> Event {
        let mut more = Vec::new();
        push_member(&mut more, "usage", &usage);
        push_member(&mut more, "timing", timing);
        if let Some(words) = warning {
            push_member(&mut more, "warning", &words);
        }
        event(self.head(&more), self.raw)
    }

    fn head(&self, more: &[u8]) -> Vec<u8> {
        [
            b"{\"text\":[",
            &*self.texts,
            b"],\"finish_reason\":[",
            &self.finish_reasons,
            b"],\"raw_length\":[",
            &self.raw_lengths,
            b"]",
            more,
            b"}",
        ]
        .concat()
    }
}

/// Appends a member to those before it. Texts and numbers into memory: nothing that could fail.
fn push_member(head: &mut Vec<u8>, name: &str, value: &impl Serialize) {
    head.extend_from_slice(format!(",\"{name}\":").as_bytes());
    let _ = serde_json::to_writer(head, value);
}
