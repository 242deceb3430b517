//! Real sockets against a listener that plays a script per connection.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http::Method;
use rustix::io::Errno;
use serde_json::json;
use socket2::{Domain, Socket as Socket2, Type};

use super::*;
use crate::driver::block::{Driven, drive};
use crate::driver::testing::{run_in_silence, stop_clock};
use crate::secret::Secret;
use crate::transport::{Clocks, Repeat, body};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What the listener does on one connection.
#[derive(Clone, Copy)]
enum Step {
    /// Reads one request, then writes this.
    Answer(&'static [u8]),
    /// Closes the connection.
    Close,
}

/// Plays one script per connection, in order; returns how many connections were made.
fn serve(scripts: Vec<Vec<Step>>) -> (HttpWire, JoinHandle<usize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let count = scripts.len();
    let server = thread::spawn(move || {
        let open: Vec<TcpStream> =
            scripts.iter().filter_map(|script| play(&listener, script)).collect();
        drop(open);
        count
    });
    (wire(port), server)
}

fn play(listener: &TcpListener, script: &[Step]) -> Option<TcpStream> {
    let (mut stream, _) = listener.accept().expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
    for step in script {
        match step {
            Step::Answer(bytes) => {
                read_request(&mut stream);
                stream.write_all(bytes).expect("a reader");
            }
            Step::Close => return None,
        }
    }
    Some(stream)
}

/// Requests in these tests have no body.
fn read_request(stream: &mut TcpStream) {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        seen.push(byte[0]);
    }
}

fn wire(port: u16) -> HttpWire {
    wire_to(&format!("http://127.0.0.1:{port}"))
}

fn wire_to(url: &str) -> HttpWire {
    let base = BaseUrl::parse(url, false).expect("a base URL");
    HttpWire {
        host: HeaderValue::from_str(&base.authority()).expect("a host"),
        user_agent: HeaderValue::from_static("test"),
        base,
        trust: Trust::new(None, &|_| None).expect("no bundle"),
        proxy: None,
        pool: Arc::default(),
    }
}

fn get(repeat: Repeat) -> Request {
    Request {
        method: Method::GET,
        path: "/x".into(),
        token: Secret::new("ik_sdk_test"),
        accept: Accept::Json,
        body: None,
        idempotency_key: None,
        repeat,
        on_new_connection: false,
    }
}

fn block<F: Future>(future: F) -> F::Output {
    let mut future = Box::pin(future);
    match drive(Deadline::after(Some(Duration::from_secs(10))), |cx| future.as_mut().poll(cx)) {
        Driven::Ready(output) => output,
        _ => panic!("no answer within the limit"),
    }
}

/// One GET: status and body, or the error's code and words.
fn fetch(wire: &HttpWire) -> Result<(u16, String), (&'static str, String)> {
    send(wire, Repeat::Idempotent)
}

fn send(wire: &HttpWire, repeat: Repeat) -> Result<(u16, String), (&'static str, String)> {
    get_from(wire, &get(repeat)).map_err(|error| (error.code, error.words.clone()))
}

fn get_from(wire: &HttpWire, request: &Request) -> Result<(u16, String), Error> {
    let second = Some(Duration::from_secs(5));
    let clocks = Clocks {
        connect: second,
        first_token: None,
        idle: second,
        total: second,
        cold_start: None,
    };
    let call = Call::start("list", clocks, false);
    block(async {
        let mut response = wire.send(request, &call).await?;
        let text = body::whole(&mut response.body, &mut body::Open, second).await?;
        Ok((response.status, String::from_utf8_lossy(&text).into_owned()))
    })
}

fn ok() -> Result<(u16, String), (&'static str, String)> {
    Ok((200, "ok".to_owned()))
}

#[test]
fn sequential_calls_share_one_connection() {
    let (wire, server) = serve(vec![vec![Step::Answer(OK); 3]]);
    for _ in 0..3 {
        assert_eq!(fetch(&wire), ok());
    }
    assert_eq!(server.join().expect("the server"), 1);
}

#[test]
fn a_connection_that_died_idle_is_replaced_unnoticed() {
    let (wire, server) = serve(vec![vec![Step::Answer(OK), Step::Close], vec![Step::Answer(OK)]]);
    assert_eq!(fetch(&wire), ok());
    assert_eq!(fetch(&wire), ok());
    assert_eq!(server.join().expect("the server"), 2);
}

#[test]
fn a_create_that_may_have_arrived_is_not_sent_again_unnoticed() {
    // "At once" is by the clock.
    stop_clock();
    let read_and_closed = vec![Step::Answer(OK), Step::Answer(b""), Step::Close];
    for repeat in [Repeat::Idempotent, Repeat::OnRequest] {
        let (wire, _) = serve(vec![read_and_closed.clone(), vec![Step::Answer(OK)]]);
        assert_eq!(fetch(&wire), ok());
        assert_eq!(send(&wire, repeat), ok());
    }
    let (wire, _) = serve(vec![read_and_closed]);
    assert_eq!(fetch(&wire), ok());
    let error = get_from(&wire, &get(Repeat::Never)).expect_err("an answer was lost");
    assert_eq!((error.code, error.stage), ("connection_lost", Stage::Stale));
}

#[test]
fn a_request_may_ask_for_a_new_connection() {
    let (wire, server) = serve(vec![vec![Step::Answer(OK)], vec![Step::Answer(OK)]]);
    assert_eq!(fetch(&wire), ok());
    let request = Request { on_new_connection: true, ..get(Repeat::Never) };
    assert!(get_from(&wire, &request).is_ok());
    assert_eq!(server.join().expect("the server"), 2);
}

#[test]
fn bytes_that_nobody_asked_for_condemn_a_connection() {
    let twice = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother";
    let (wire, server) = serve(vec![vec![Step::Answer(twice)], vec![Step::Answer(OK)]]);
    assert_eq!(fetch(&wire), ok());
    assert_eq!(fetch(&wire), ok());
    assert_eq!(server.join().expect("the server"), 2);
}

#[test]
fn a_body_that_no_buffer_of_the_kernel_holds_arrives_whole() {
    // Without a pattern that would hide pieces in the wrong order, and larger than the kernel takes in one write.
    let body: Vec<u8> = (0_u32..4 << 20).flat_map(u32::to_le_bytes).collect();
    let length = body.len();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let wire = wire(listener.local_addr().expect("an address").port());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
        read_request(&mut stream);
        let mut arrived = vec![0; length];
        stream.read_exact(&mut arrived).expect("the whole body");
        stream.write_all(OK).expect("a reader");
        arrived
    });
    let request =
        Request { method: Method::POST, body: Some(body.clone().into()), ..get(Repeat::Never) };
    assert_eq!(
        get_from(&wire, &request).map_err(|error| error.words.clone()),
        Ok((200, "ok".to_owned()))
    );
    assert!(server.join().expect("a server") == body);
}

#[test]
fn interim_close_delimited_and_chunked_answers_are_transparent() {
    for answer in [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".as_slice(),
        b"HTTP/1.1 200 OK\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\n\r\n",
    ] {
        let (wire, _) = serve(vec![vec![Step::Answer(answer), Step::Close]]);
        assert_eq!(fetch(&wire), ok(), "{}", String::from_utf8_lossy(answer));
    }
}

#[test]
fn a_byte_order_mark_in_front_of_a_body_is_dropped() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n\xef\xbb\xbfok";
    let (wire, _) = serve(vec![vec![Step::Answer(answer)]]);
    assert_eq!(fetch(&wire), ok());
}

#[test]
fn broken_answers_are_named() {
    let cases: [(&[u8], &str, &str); 6] = [
        (b"", "connection_lost", "lost before an answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "connection_lost", "cut"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", "connection_lost", "cut"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n",
            "connection_lost",
            "cut",
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            "protocol_error",
            "framing",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "protocol_error", "not valid HTTP/1.1"),
    ];
    for (answer, code, words) in cases {
        let (wire, _) = serve(vec![vec![Step::Answer(answer), Step::Close]]);
        let (found, said) = fetch(&wire).expect_err("a broken answer");
        assert_eq!(found, code, "{said}");
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_closed_port_is_refused_in_words() {
    let closed = closed_port();
    let error = get_from(&wire(address_of(&closed).port()), &get(Repeat::Idempotent))
        .expect_err("nobody listens");
    assert_eq!(
        (error.code, error.words.as_str()),
        ("connection_failed", "could not connect: connection refused")
    );
    assert!(error.hint.as_deref().is_some_and(|hint| hint.contains("`inferencekey local up`")));
}

#[test]
fn a_refusal_by_another_machine_says_nothing_of_a_local_platform() {
    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(failure::connect(&refused, false).hint, None);
    let unreachable = std::io::Error::from(std::io::ErrorKind::HostUnreachable);
    assert_eq!(failure::connect(&unreachable, true).hint, None);
}

#[test]
fn without_a_descriptor_the_limit_is_said() {
    let exhausted = std::io::Error::from_raw_os_error(Errno::MFILE.raw_os_error());
    let error = failure::connect(&exhausted, true);
    assert_eq!(error.words, "could not connect: too many open files");
    assert!(error.hint.as_deref().is_some_and(|hint| hint.contains("`ulimit -n`")));
}

#[test]
fn tls_to_a_plain_server_hints_at_the_scheme() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("a reader");
        // Until the client has hung up, so that no reset overtakes the answer.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let error = get_from(&wire_to(&format!("https://127.0.0.1:{port}")), &get(Repeat::Idempotent))
        .expect_err("no TLS");
    assert_eq!(error.code, "tls_failed");
    assert!(error.hint.as_deref().is_some_and(|hint| hint.contains("`http://`")), "{error:?}");
    server.join().expect("the server");
}

#[test]
fn a_name_that_cannot_exist_is_a_dns_failure() {
    let label = "x".repeat(64);
    let error = block(resolve::resolve(&format!("{label}.invalid"), 80)).expect_err("no such name");
    assert_eq!((error.code, error.stage), (code::DNS_FAILED, Stage::NotSent));
}

#[test]
fn a_dead_first_address_does_not_matter() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let alive = listener.local_addr().expect("an address");
    let closed = closed_port();
    assert!(block(connect::connect(vec![address_of(&closed), alive])).is_ok());
}

/// On its port nobody listens, and nobody else will meanwhile.
fn closed_port() -> Socket2 {
    let socket = Socket2::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port");
    socket
}

/// A listener whose queue is full answers nobody; the stream that fills it goes along.
fn silent_address() -> (Socket2, TcpStream) {
    let listener = Socket2::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port");
    listener.listen(0).expect("a queue");
    let queued = TcpStream::connect(address_of(&listener)).expect("the one place in the queue");
    (listener, queued)
}

fn address_of(listener: &Socket2) -> SocketAddr {
    listener.local_addr().ok().and_then(|address| address.as_socket()).expect("an address")
}

#[test]
fn a_silent_first_address_is_overtaken_inside_the_connect_budget() {
    let (listener, _queued) = silent_address();
    let alive = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let addresses = vec![address_of(&listener), alive.local_addr().expect("an address")];
    let started = now();
    let stream = block(connect::connect(addresses)).expect("the second address");
    assert_eq!(stream.stream().peer_addr().ok(), alive.local_addr().ok());
    assert!(now().saturating_duration_since(started) < Duration::from_secs(10));
}

/// The error of a GET under the default clocks, and the virtual time until then.
fn default_clocks_against_silence(url: &str) -> (Error, Duration) {
    let options = json!({"plane": "control", "base_url": url, "sdk_token": "ik_sdk_x"});
    let config = Config::from_options(options.as_object().expect("an object"), &|_| None);
    let config = config.expect("options");
    let trust = Trust::new(None, &|_| None).expect("no bundle");
    let wire = HttpWire::new(&config, trust, None).expect("a wire");
    let call = Call::start("list", config.timeouts.clocks(false), false);
    let started = now();
    let outcome = run_in_silence(wire.send(&get(Repeat::Idempotent), &call));
    (outcome.err().expect("silence"), now().saturating_duration_since(started))
}

#[test]
fn silence_ends_with_the_connect_clock_under_the_defaults_too() {
    let (black_hole, _queued) = silent_address();
    let mute = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    for url in [
        format!("http://{}", address_of(&black_hole)),
        format!("https://{}", mute.local_addr().expect("an address")),
    ] {
        let (error, after) = default_clocks_against_silence(&url);
        assert_eq!((error.code, error.extra.clock), (code::TIMEOUT_CONNECT, Some("connect")));
        assert!((10.0..11.0).contains(&after.as_secs_f64()), "{url}: {after:?}");
    }
}
