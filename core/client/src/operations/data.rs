//! The operations of an endpoint.

use std::sync::Arc;

use bytes::Bytes;

use super::{Object, Prepared, Work, take_clocks};
use crate::config::Endpoint;
use crate::data::{self, ChatArguments, Context, EmbedArguments, OnTruncated};
use crate::error::{Error, code};
use crate::operation::Outbox;
use crate::shared::Shared;
use crate::transport::Call;

pub(super) const NAMES: [&str; 3] = ["generate_text", "generate_text_stream", "embed"];

/// One operation, checked.
pub(super) struct DataWork {
    context: Context,
    what: What,
}

/// What it sends: a body, or what its bodies are made of.
enum What {
    Chat(Bytes),
    Stream(Bytes, OnTruncated),
    Embed(EmbedArguments),
}

/// The local checks of wire.md 1.4.
pub(super) fn prepare(
    shared: &Arc<Shared>,
    endpoint: Option<&Arc<Endpoint>>,
    name: &str,
    mut request: Object,
) -> Result<Prepared<DataWork>, Error> {
    let endpoint = endpoint.ok_or_else(|| no_endpoint(name))?;
    let context = Context::new(shared, endpoint)?;
    let streaming = name == "generate_text_stream";
    let mut keys: Vec<&str> = match name {
        "embed" => EmbedArguments::KEYS.to_vec(),
        _ => ChatArguments::KEYS.to_vec(),
    };
    if streaming {
        keys.push(OnTruncated::KEY);
    }
    let clocks = take_clocks(shared, &mut request, &keys, streaming)?;
    let slug = context.slug();
    let what = match name {
        "embed" => What::Embed(EmbedArguments::take(&mut request)?),
        _ if streaming => {
            let on_truncated = OnTruncated::from_request(&request)?;
            What::Stream(ChatArguments::take(&mut request)?.body(slug, true), on_truncated)
        }
        _ => What::Chat(ChatArguments::take(&mut request)?.body(slug, false)),
    };
    Ok(Prepared { work: DataWork { context, what }, clocks, streaming })
}

fn no_endpoint(name: &str) -> Error {
    let words = format!("`{name}` needs an endpoint, not the client itself");
    Error::configuration(code::CONFIGURATION, words)
        .hint("make an endpoint of the client with the workload's slug, and call it there")
}

impl Work for DataWork {
    async fn run(&self, call: &Call, outbox: &Outbox) -> Result<(), Error> {
        let event = match &self.what {
            What::Chat(body) => data::chat(&self.context, body.clone(), call).await?,
            What::Embed(arguments) => data::embed(&self.context, arguments, call).await?,
            What::Stream(body, on_truncated) => {
                return data::stream(&self.context, body.clone(), *on_truncated, call, outbox)
                    .await;
            }
        };
        outbox.put(event).await;
        Ok(())
    }
}
