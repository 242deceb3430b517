//! A server that answers at once, so that what is measured is the client.
//!
//! Every answer is made before it is first sent, one thread serves a connection, and a whole answer is one write. The
//! path says what is answered; of a request's body only the wish for base64 is looked at. Prints its port, and ends when
//! its standard input does.

mod embeddings;
mod list;
mod request;
mod stream;

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use request::{Request, Requests};

/// Connections accepted so far, and the bytes of the largest body. `GET /counts` tells them.
static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);
static LARGEST_BODY: AtomicUsize = AtomicUsize::new(0);

static CHAT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    whole(
        br#"{"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,"model":"chat","choices":[{"index":0,"message":{"role":"assistant","content":"An answer."},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":3,"total_tokens":4}}"#,
    )
});

fn main() -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("{}", listener.local_addr()?.port());
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    for connection in listener.incoming() {
        let connection = connection?;
        CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        // A client that hangs up ends its thread, and nobody needs to hear of it.
        thread::spawn(move || serve(connection));
    }
    Ok(())
}

fn serve(mut connection: TcpStream) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut requests = Requests::default();
    while let Some(request) = requests.next(&mut connection)? {
        LARGEST_BODY.fetch_max(request.body.len(), Ordering::Relaxed);
        answer(&request, &mut connection)?;
    }
    Ok(())
}

fn answer(request: &Request, to: &mut TcpStream) -> io::Result<()> {
    // /endpoint/{project}/{slug}/v1/… and /api/projects/{project}/workloads
    let parts: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
    match parts[..] {
        ["counts"] => to.write_all(&counts()),
        ["api", "projects", project, "workloads"] => match list::of_project(project) {
            Some(list) => to.write_all(list),
            None => to.write_all(NOT_FOUND),
        },
        ["endpoint", _, slug, "v1", "chat", "completions"] => match slug {
            "chat" => to.write_all(&CHAT),
            "long" => stream::LONG.iter().try_for_each(|write| to.write_all(write)),
            "short" => stream::SHORT.iter().try_for_each(|write| to.write_all(write)),
            "paced" => stream::paced(to),
            _ => to.write_all(NOT_FOUND),
        },
        // Servers exist that know no base64; the slug `floats` stands for them.
        ["endpoint", _, slug, "v1", "embeddings"] => {
            let wish = memchr::memmem::find(request.body, br#""base64""#).is_some();
            to.write_all(if wish && slug != "floats" {
                &embeddings::BASE64
            } else {
                &embeddings::NUMBERS
            })
        }
        _ => to.write_all(NOT_FOUND),
    }
}

const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";

/// A whole answer of JSON, with its head.
fn whole(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn counts() -> Vec<u8> {
    let [connections, largest_body] =
        [&CONNECTIONS, &LARGEST_BODY].map(|count| count.load(Ordering::Relaxed));
    let floats = embeddings::NUMBERS_BYTES.load(Ordering::Relaxed);
    whole(
        format!(
            r#"{{"connections":{connections},"largest_body":{largest_body},"numbers_bytes":{floats}}}"#
        )
        .as_bytes(),
    )
}
