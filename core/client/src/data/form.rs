//! What the answer to a stream call is: it says so itself, or its first byte does (wire.md 3.2).

use crate::driver::within;
use crate::error::Error;
use crate::transport::{Call, Opened, media_type, no_content, peek};
use std::pin::pin;

/// The three kinds of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Stream,
    /// A whole answer, or an error object.
    Json,
    Other,
}

/// The form of `opened`, which is given back whole. Waits for its first bytes only where its media type does not tell.
pub(super) async fn form_of(opened: Opened, call: &Call) -> Result<(Opened, Form), Error> {
    let said = said(media_type(&opened.headers));
    if let Some(form @ (Form::Stream | Form::Json)) = said {
        return Ok((opened, form));
    }
    let Opened { headers, body, sent_at } = opened;
    let peeked = within(call.deadline, pin!(call.within_first_token(peek(body)))).await;
    let peeked = peeked.map_err(|_| call.out_of_time())?;
    let (body, first) = peeked.map_err(|_| no_content(call))?;
    let form = if first == Some(b'{') { Form::Json } else { said.unwrap_or(Form::Stream) };
    Ok((Opened { headers, body, sent_at }, form))
}

fn said(media_type: Option<&str>) -> Option<Form> {
    let media_type = media_type?.to_ascii_lowercase();
    Some(match media_type.as_str() {
        "text/event-stream" => Form::Stream,
        json if json.ends_with("json") => Form::Json,
        _ => Form::Other,
    })
}
