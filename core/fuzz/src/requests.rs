//! JSON from hosts: options, operation names and requests are taken, or refused in words fit for one line.

use std::sync::OnceLock;

use inferencekey_core::Client;

use crate::{CONTROL_TOKEN, DATA_KEY, assert_presentable};

/// An operation's name, a line end, a request; the same bytes are tried as options too. Nothing is sent.
pub(crate) fn run(input: &[u8]) {
    static CLIENTS: OnceLock<[Client; 2]> = OnceLock::new();
    let mut lines = input.splitn(2, |byte| *byte == b'\n');
    let name = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let request = lines.next().unwrap_or_default();
    for client in CLIENTS.get_or_init(clients) {
        if let Err(error) = client.submit(&name, request, None) {
            assert_presentable(&error);
        }
        if let Err(error) = client.endpoint(request) {
            assert_presentable(&error);
        }
    }
    if let Err(error) = Client::new(request) {
        assert_presentable(&error);
    }
}

fn clients() -> [Client; 2] {
    let control = format!(
        r#"{{"plane":"control","base_url":"http://127.0.0.1:9","project":"p","sdk_token":"{CONTROL_TOKEN}"}}"#
    );
    let data = format!(
        r#"{{"plane":"data","base_url":"http://127.0.0.1:9","project":"p","api_key":"{DATA_KEY}"}}"#
    );
    let made = |options: &str| Client::new(options.as_bytes()).expect("good options");
    let endpoint = made(&data).endpoint(br#"{"workload_slug":"bot"}"#).expect("good options");
    [made(&control), endpoint]
}
