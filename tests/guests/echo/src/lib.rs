//! Gives back what it gets. By path:
//!
//! - `/method`, `/path`, `/headers`, `/authority`: that part of the request, as text (headers one a line, as they came);
//! - `/status/<code>`: that status, no body;
//! - `/count`: reads the whole body, answers its length in bytes;
//! - `/calls`: how many calls this instance has had, this one included;
//! - `/splice`: the body, moved by the host from one stream to the other;
//! - anything else: the body, piece by piece as it comes, with its content type and its trailers.

use std::sync::atomic::{AtomicU64, Ordering};

use http_guest::wasi::http::types::{Fields, IncomingBody, IncomingRequest, OutgoingBody, ResponseOutparam};
use http_guest::wasi::io::streams::{InputStream, OutputStream, StreamError};
use http_guest::{Guest, answer, answer_text, for_each_chunk, method_name, start, target, write_all};

static CALLS: AtomicU64 = AtomicU64::new(0);

struct Echo;

impl Guest for Echo {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
        let target = target(&request);
        match target.first_and_rest() {
            ("method", _) => answer_text(out, 200, method_name(&request.method())),
            ("path", _) => answer_text(out, 200, request.path_with_query().unwrap_or_default()),
            ("authority", _) => answer_text(out, 200, request.authority().unwrap_or_default()),
            ("headers", _) => answer(out, 200, &[], &headers_as_text(&request)),
            ("status", code) => answer(out, code.parse().unwrap_or(400), &[], b""),
            ("count", _) => count(&request, out),
            ("calls", _) => answer_text(out, 200, calls.to_string()),
            ("splice", _) => echo(&request, out, splice),
            _ => echo(&request, out, copy),
        }
    }
}

fn headers_as_text(request: &IncomingRequest) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, value) in request.headers().entries() {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(&value);
        text.push(b'\n');
    }
    text
}

fn count(request: &IncomingRequest, out: ResponseOutparam) {
    let body = request.consume().expect("the body is taken once");
    let stream = body.stream().expect("the stream is taken once");
    match for_each_chunk(&stream, |_| Ok(())) {
        Ok(bytes) => answer_text(out, 200, bytes.to_string()),
        Err(error) => answer_text(out, 400, format!("the body broke off: {error:?}")),
    }
}

fn copy(from: &InputStream, to: &OutputStream) -> Result<(), StreamError> {
    for_each_chunk(from, |chunk| write_all(to, chunk)).map(|_| ())
}

fn splice(from: &InputStream, to: &OutputStream) -> Result<(), StreamError> {
    loop {
        match to.blocking_splice(from, 64 * 1024) {
            Ok(_) => {}
            Err(StreamError::Closed) => return to.blocking_flush(),
            Err(error) => return Err(error),
        }
    }
}

fn echo(
    request: &IncomingRequest,
    out: ResponseOutparam,
    copy: fn(&InputStream, &OutputStream) -> Result<(), StreamError>,
) {
    let types = request.headers().get("content-type");
    let headers: Vec<_> = types.into_iter().map(|value| ("content-type".to_string(), value)).collect();
    let incoming = request.consume().expect("the body is taken once");
    let outgoing = start(out, 200, &headers);
    let from = incoming.stream().expect("the stream is taken once");
    let to = outgoing.write().expect("the stream is taken once");
    let copied = copy(&from, &to);
    drop((from, to));
    if copied.is_ok() {
        let _ = OutgoingBody::finish(outgoing, trailers_of(incoming));
    }
    // Otherwise the body is dropped unfinished, and the host cuts the connection: the client sees that it is not whole.
}

fn trailers_of(body: IncomingBody) -> Option<Fields> {
    let future = IncomingBody::finish(body);
    future.subscribe().block();
    let trailers = future.get()?.ok()?.ok()??;
    Fields::from_list(&trailers.entries()).ok()
}

http_guest::export_http_guest!(Echo with_types_in http_guest);
