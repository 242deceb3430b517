//! What a server may answer: every call ends, with a result or with an error fit to be shown.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use inferencekey_core::{Client, Next};

use crate::{CONTROL_TOKEN, DATA_KEY, assert_presentable};

/// No call of ours takes longer: its clocks end it.
const AT_MOST: Duration = Duration::from_secs(5);

static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// The bytes of an answer, head and body. The connection is closed behind them.
pub(crate) fn run(input: &[u8]) {
    static CLIENTS: OnceLock<[(Client, &str, &str); 4]> = OnceLock::new();
    *ANSWER.lock().unwrap_or_else(PoisonError::into_inner) = input.to_vec();
    for (client, operation, request) in CLIENTS.get_or_init(clients) {
        let started = Instant::now();
        let mut running = client.submit(operation, request.as_bytes(), None).expect("good");
        loop {
            match running.next(Some(AT_MOST)) {
                Ok(Next::Event(_)) => {}
                Ok(Next::End) => break,
                Ok(Next::Nothing) => assert!(started.elapsed() < AT_MOST, "{operation} hangs"),
                Err(error) => {
                    assert_presentable(&error);
                    break;
                }
            }
        }
    }
}

fn clients() -> [(Client, &'static str, &'static str); 4] {
    let port = serve();
    let clocks = r#""connect_ms":1000,"first_token_ms":1000,"idle_ms":1000,"total_ms":1500"#;
    let common = format!(
        r#""base_url":"http://127.0.0.1:{port}","project":"p","retries":0,"environment":{{}},"timeouts":{{{clocks}}}"#
    );
    let made = |options: String| Client::new(options.as_bytes()).expect("good options");
    let control = made(format!(r#"{{"plane":"control","sdk_token":"{CONTROL_TOKEN}",{common}}}"#));
    let data =
        made(format!(r#"{{"plane":"data","api_key":"{DATA_KEY}","cold_start_ms":0,{common}}}"#));
    let endpoint = data.endpoint(br#"{"workload_slug":"bot"}"#).expect("good options");
    [
        (control, "list", "{}"),
        (endpoint.clone(), "generate_text", r#"{"prompt":"Hi"}"#),
        (endpoint.clone(), "generate_text_stream", r#"{"prompt":"Hi"}"#),
        (endpoint, "embed", r#"{"input":"Hi"}"#),
    ]
}

/// Answers each request on a port of its own with the bytes of the run, and closes.
fn serve() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for peer in listener.incoming().flatten() {
            // A client that has had enough of an answer goes away; that is its right.
            thread::spawn(|| drop(answer(peer)));
        }
    });
    port
}

fn answer(mut peer: TcpStream) -> std::io::Result<()> {
    peer.set_read_timeout(Some(AT_MOST))?;
    let mut seen = Vec::new();
    let mut piece = [0; 4096];
    while !seen.windows(4).any(|four| four == b"\r\n\r\n") {
        match peer.read(&mut piece)? {
            0 => return Ok(()),
            count => seen.extend_from_slice(&piece[..count]),
        }
    }
    let bytes = ANSWER.lock().unwrap_or_else(PoisonError::into_inner).clone();
    peer.write_all(&bytes)?;
    // A close with the request's body unread would be a reset, which may overtake the answer.
    peer.shutdown(std::net::Shutdown::Write)?;
    while peer.read(&mut piece)? > 0 {}
    Ok(())
}
