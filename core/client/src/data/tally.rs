//! What a chat stream has brought so far: chunks for the caller, the text, and whether it is complete (wire.md 3.2).

use serde::de::IgnoredAny;

use super::Fault;
use super::account::Usage;
use super::batch::Batch;
use super::chunk::Frames;
use crate::transport::sse::Frame;

/// The stream so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    frames: Frames,
    /// Chunks that the caller does not have yet.
    pub(super) batch: Batch,
    /// All text so far: what an error tells as partial.
    pub(super) text: String,
    /// Was there a finish reason? Only usage may follow.
    pub(super) finished: bool,
    /// Was there a `[DONE]`? Nothing follows.
    pub(super) done: bool,
    /// How many chunks moved the clocks.
    pub(super) contents: u64,
    /// The usage that was told last.
    pub(super) usage: Option<Usage>,
}

impl Tally {
    /// Complete is what had a finish reason or `[DONE]`.
    pub(super) fn is_complete(&self) -> bool {
        self.finished || self.done
    }

    /// Takes one frame in.
    pub(super) fn add(&mut self, frame: &Frame<'_>) -> Result<(), Fault> {
        if frame.is_done() {
            self.done = true;
            return Ok(());
        }
        if frame.is_error {
            return Err(Fault::ErrorObject);
        }
        let chunk = self.frames.read(frame.data)?;
        self.text.push_str(&chunk.text);
        self.contents += u64::from(chunk.is_content());
        self.usage = chunk.usage.or(self.usage);
        let finish_reason = chunk.finish_reason.as_deref();
        self.finished |= finish_reason.is_some_and(|reason| !reason.is_empty());
        self.batch.push(&chunk.text, finish_reason, frame.data);
        Ok(())
    }

    /// Takes in what the end of the body leaves: it counts if it is whole, otherwise the stream was cut there.
    pub(super) fn add_last(&mut self, frame: &Frame<'_>) -> Result<(), Fault> {
        let is_whole = serde_json::from_slice::<IgnoredAny>(frame.data).is_ok();
        if is_whole || frame.is_done() { self.add(frame) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(data: &str) -> Frame<'_> {
        Frame { data: data.as_bytes(), is_error: false }
    }

    #[test]
    fn a_finish_reason_or_the_end_mark_completes_a_stream() {
        for (data, finished, done) in [
            (r#"{"choices":[{"delta":{"content":"a"}}]}"#, false, false),
            (r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#, true, false),
            (r#"{"choices":[{"delta":{},"finish_reason":""}]}"#, false, false),
            (r#"{"choices":[{"delta":{},"finish_reason":null}]}"#, false, false),
            (r#"{"choices":[],"usage":{"total_tokens":3}}"#, false, false),
            (" [DONE] ", false, true),
        ] {
            let mut tally = Tally::default();
            tally.add(&frame(data)).expect(data);
            assert_eq!((tally.finished, tally.done), (finished, done), "{data}");
            assert_eq!(tally.is_complete(), finished || done);
        }
    }

    #[test]
    fn only_content_moves_the_clocks() {
        for (data, contents) in [
            (r#"{"choices":[{"delta":{"content":"a"}}]}"#, 1),
            (r#"{"choices":[{"delta":{"content":""}}]}"#, 0),
            (r#"{"choices":[{"delta":{"role":"assistant","content":null}}]}"#, 0),
            (r#"{"choices":[{"delta":{"reasoning_content":"hm"}}]}"#, 1),
            (r#"{"choices":[{"delta":{"reasoning":""}}]}"#, 0),
            (r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#, 1),
            (r#"{"choices":[{"delta":{"tool_calls":[]}}]}"#, 0),
            (r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#, 1),
            (r#"{"choices":[],"usage":{"total_tokens":3}}"#, 1),
            (r#"{"choices":[],"usage":null}"#, 0),
            (r#"{"choices":[{"index":0}]}"#, 0),
        ] {
            let mut tally = Tally::default();
            tally.add(&frame(data)).expect(data);
            assert_eq!(tally.contents, contents, "{data}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_told() {
        let unreadable = |words: &str| Fault::Unreadable(words.to_owned());
        for (data, fault) in [
            ("", unreadable("not JSON (EOF while parsing a value)")),
            ("7", unreadable("it is not an object")),
            ("{}", unreadable("`choices` is not a list")),
            (r#"{"choices":{}}"#, unreadable("`choices` is not a list")),
            (r#"{"choices":[null]}"#, unreadable("`choices[0]` is not an object")),
            (r#"{"choices":[{"delta":[]}]}"#, unreadable("`choices[0].delta` is not an object")),
            (
                r#"{"choices":[{"delta":{"content":1}}]}"#,
                unreadable("`choices[0].delta.content` is not a string"),
            ),
            (
                r#"{"choices":[{"finish_reason":0}]}"#,
                unreadable("`choices[0].finish_reason` is not a string"),
            ),
            (r#"{"error":{"message":"x"}}"#, Fault::ErrorObject),
        ] {
            assert_eq!(Tally::default().add(&frame(data)), Err(fault), "{data}");
        }
        let error = Frame { data: b"anything", is_error: true };
        assert_eq!(Tally::default().add(&error), Err(Fault::ErrorObject));
    }

    #[test]
    fn the_last_frame_counts_if_it_is_whole() {
        let mut tally = Tally::default();
        tally.add_last(&frame(r#"{"choices":[{"delta":{"con"#)).expect("a cut is no fault");
        assert!(!tally.is_complete() && tally.batch.take().is_none());
        tally.add_last(&frame(r#"{"choices":[{"finish_reason":"stop"}]}"#)).expect("whole");
        assert!(tally.is_complete() && tally.batch.take().is_some());
        assert!(tally.add_last(&frame("{}")).is_err());
    }
}
