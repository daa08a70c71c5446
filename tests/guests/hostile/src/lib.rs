//! A guest that misbehaves, by path. Tests send it one bad request and then `/ok`, which must be answered as if nothing
//! had happened. Every number is a query parameter with a default; times are in milliseconds.
//!
//! | path | what it does |
//! | --- | --- |
//! | `/ok` | answers `ok` |
//! | `/trap` `/panic` `/exit?status=` `/deep` | an unreachable instruction, a Rust panic, `exit`, a stack overflow, before the head |
//! | `/trap-after-head?send=` | the same trap after the head and `send` bytes of the body |
//! | `/spin` `/sleep-forever` | never answers: burns its core, or waits |
//! | `/spin-after-answer` `/never-return` | answers `ok` in full, then burns its core, or waits |
//! | `/slow?ms=` | waits, then answers `slow` |
//! | `/drip?chunks=&ms=&size=` | a body in pieces, with a pause before each |
//! | `/eat` | takes and touches memory until there is no more, then answers how much it got |
//! | `/answer-twice` `/never-answer` | sets the answer twice; returns without one |
//! | `/huge-headers?count=&size=` | that many response headers of that many bytes |
//! | `/lie-length?declare=&send=` | a Content-Length that is not the body's length |
//! | `/leak?count=` | answers `ok` and keeps that many resources |
//! | `/ignore-body` | answers `ok` and never reads the request |
//! | `/stdout` | prints to stdout and stderr: control characters, a forged log line, no newline at the end, a long line |
//! | `/env` `/files` | what the guest sees of the environment and of files, one a line |
//! | `/outbound?url=&method=&app-id=&body=` | sends a request and answers with the status and body it got |

use std::fmt::Write as _;
use std::hint::black_box;

use http_guest::wasi::http::outgoing_handler;
use http_guest::wasi::http::types::{
    ErrorCode, Fields, IncomingRequest, Method, OutgoingBody, OutgoingRequest, ResponseOutparam, Scheme,
};
use http_guest::{Guest, Target, answer, answer_text, read_all, read_body, sleep, start, target, wasi, write_all};

const MEBIBYTE: usize = 1 << 20;

struct Hostile;

impl Guest for Hostile {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = target(&request);
        let number = |name, default| target.number(name, default);
        match target.path.as_str() {
            "/ok" => answer_text(out, 200, "ok"),
            "/trap" => core::arch::wasm32::unreachable(),
            "/panic" => panic!("asked to panic"),
            "/exit" => std::process::exit(number("status", 3) as i32),
            "/deep" => answer_text(out, 200, deep(black_box(1)).to_string()),
            "/trap-after-head" => trap_after_head(out, number("send", 10)),
            "/spin" => spin(),
            "/sleep-forever" => sleep_forever(),
            "/spin-after-answer" => {
                answer_text(out, 200, "ok");
                spin();
            }
            "/never-return" => {
                answer_text(out, 200, "ok");
                sleep_forever();
            }
            "/slow" => {
                sleep(number("ms", 100));
                answer_text(out, 200, "slow");
            }
            "/drip" => drip(out, number("chunks", 10), number("ms", 10), number("size", 1)),
            "/eat" => answer_text(out, 200, format!("got {} MiB", eat())),
            "/answer-twice" => answer_twice(out),
            "/never-answer" => drop(out),
            "/huge-headers" => huge_headers(out, number("count", 1000), number("size", 1000)),
            "/lie-length" => lie_length(out, number("declare", 10), number("send", 5)),
            "/leak" => {
                for _ in 0..number("count", 1) {
                    std::mem::forget(Fields::new());
                }
                answer_text(out, 200, "ok");
            }
            "/ignore-body" => answer_text(out, 200, "ok"),
            "/stdout" => print(out),
            "/env" => answer_text(out, 200, environment()),
            "/files" => answer_text(out, 200, files()),
            "/outbound" => outbound(&request, &target, out),
            other => answer_text(out, 404, format!("no such misdeed: {other}")),
        }
    }
}

/// Recursion that the compiler cannot turn into a loop: every frame's buffer is used after the call.
#[allow(unconditional_recursion)]
fn deep(depth: u64) -> u64 {
    let buffer = black_box([depth; 32]);
    deep(black_box(depth + 1)) + black_box(buffer)[31]
}

fn spin() -> ! {
    loop {
        black_box(0);
    }
}

fn sleep_forever() -> ! {
    loop {
        sleep(3_600_000);
    }
}

fn trap_after_head(out: ResponseOutparam, send: u64) {
    let body = start(out, 200, &[]);
    let stream = body.write().expect("the stream is taken once");
    let _ = write_all(&stream, &vec![b'x'; send as usize]);
    core::arch::wasm32::unreachable();
}

fn drip(out: ResponseOutparam, chunks: u64, milliseconds: u64, size: u64) {
    let body = start(out, 200, &[]);
    let stream = body.write().expect("the stream is taken once");
    for _ in 0..chunks {
        sleep(milliseconds);
        if write_all(&stream, &vec![b'.'; size as usize]).is_err() {
            return; // The client has left.
        }
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

fn eat() -> usize {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut piece = Vec::new();
        if eaten.try_reserve(1).is_err() || piece.try_reserve_exact(MEBIBYTE).is_err() {
            let mebibytes = eaten.len();
            drop(eaten); // Room for the answer.
            return mebibytes;
        }
        piece.resize(MEBIBYTE, 1);
        eaten.push(black_box(piece));
    }
}

fn answer_twice(out: ResponseOutparam) {
    let handle = out.handle();
    answer_text(out, 200, "first");
    // The safe API takes the parameter away; the handle's number is all that a hostile guest needs.
    let again = unsafe { ResponseOutparam::from_handle(handle) };
    answer_text(again, 200, "second");
}

fn huge_headers(out: ResponseOutparam, count: u64, size: u64) {
    let value = vec![b'h'; size as usize];
    let headers: Vec<_> = (0..count).map(|i| (format!("x-huge-{i}"), value.clone())).collect();
    answer(out, 200, &headers, b"ok");
}

fn lie_length(out: ResponseOutparam, declare: u64, send: u64) {
    let body = start(out, 200, &[("content-length".into(), declare.to_string().into_bytes())]);
    let stream = body.write().expect("the stream is taken once");
    let _ = write_all(&stream, &vec![b'x'; send as usize]);
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

fn print(out: ResponseOutparam) {
    println!("a plain line");
    println!("colour \x1b[31mred\x1b[0m bell \x07 backspace \x08 nul \0 return \r end");
    println!("time=\"2000-01-01T00:00:00Z\" level=fatal msg=\"forged\"");
    eprintln!("a line on stderr");
    println!("{}", "long ".repeat(20_000));
    print!("no newline at the end");
    answer_text(out, 200, "printed");
}

fn environment() -> String {
    let mut text = String::new();
    for (name, value) in std::env::vars() {
        let _ = writeln!(text, "{name}={value}");
    }
    for argument in std::env::args().skip(1) {
        let _ = writeln!(text, "argument {argument}");
    }
    text
}

fn files() -> String {
    let mut text = String::new();
    for (_, path) in wasi::filesystem::preopens::get_directories() {
        let _ = writeln!(text, "preopen {path}");
    }
    for path in ["/", ".", "/etc/passwd", "../../etc/passwd", "/proc/self/environ"] {
        match std::fs::metadata(path) {
            Ok(_) => writeln!(text, "reached {path}"),
            Err(error) => writeln!(text, "refused {path}: {error}"),
        }
        .expect("writing to a string");
    }
    text
}

fn outbound(request: &IncomingRequest, target: &Target, out: ResponseOutparam) {
    let body = match target.parameter("body") {
        Some(text) => text.as_bytes().to_vec(),
        None => read_body(request).unwrap_or_default(),
    };
    match send(target, &body) {
        Ok((status, body)) => answer(out, status, &[("x-outbound".into(), b"answered".to_vec())], &body),
        Err(error) => answer_text(out, 502, format!("outbound failed: {error:?}")),
    }
}

fn send(target: &Target, body: &[u8]) -> Result<(u16, Vec<u8>), ErrorCode> {
    let url = target.parameter("url").unwrap_or_default();
    let (scheme, rest) = url.split_once("://").ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let headers = Fields::new();
    if let Some(app_id) = target.parameter("app-id") {
        headers.append("dapr-app-id", app_id.as_bytes()).map_err(|_| ErrorCode::HttpRequestHeaderSize(None))?;
    }
    let request = OutgoingRequest::new(headers);
    let invalid = |()| ErrorCode::HttpRequestUriInvalid;
    let method = match target.parameter("method").unwrap_or("GET") {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        other => Method::Other(other.to_string()),
    };
    request.set_method(&method).map_err(|()| ErrorCode::HttpRequestMethodInvalid)?;
    request.set_scheme(Some(&if scheme == "https" { Scheme::Https } else { Scheme::Http })).map_err(invalid)?;
    request.set_authority(Some(authority)).map_err(invalid)?;
    request.set_path_with_query(Some(path)).map_err(invalid)?;
    let outgoing = request.body().expect("the body is taken once");
    let response = outgoing_handler::handle(request, None)?;
    let stream = outgoing.write().expect("the stream is taken once");
    let _ = write_all(&stream, body);
    drop(stream);
    OutgoingBody::finish(outgoing, None)?;
    response.subscribe().block();
    let response = response.get().expect("it is ready").expect("it is taken once")?;
    let status = response.status();
    let body = response.consume().expect("the body is taken once");
    let bytes = read_all(body).map_err(|error| ErrorCode::InternalError(Some(format!("{error:?}"))))?;
    Ok((status, bytes))
}

http_guest::export_http_guest!(Hostile with_types_in http_guest);
