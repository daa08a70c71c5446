//! What the test guests share: the bindings of wasi:http and wasi:cli, and the few lines that every answer takes.

mod url;

wit_bindgen::generate!({
    world: "http-guest",
    path: "wit",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export_http_guest",
});

pub use exports::wasi::http::incoming_handler::Guest;
pub use url::Target;

use wasi::http::types::{
    Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasi::io::streams::{InputStream, OutputStream, StreamError};

/// Bytes asked for in one read of a stream.
const CHUNK: u64 = 64 * 1024;

/// The path and query of a request, taken apart.
pub fn target(request: &IncomingRequest) -> Target {
    Target::parse(&request.path_with_query().unwrap_or_else(|| "/".into()))
}

/// The method in capitals.
pub fn method_name(method: &Method) -> String {
    match method {
        Method::Get => "GET".into(),
        Method::Head => "HEAD".into(),
        Method::Post => "POST".into(),
        Method::Put => "PUT".into(),
        Method::Delete => "DELETE".into(),
        Method::Connect => "CONNECT".into(),
        Method::Options => "OPTIONS".into(),
        Method::Trace => "TRACE".into(),
        Method::Patch => "PATCH".into(),
        Method::Other(name) => name.clone(),
    }
}

/// Sets the head of the answer; the body is the caller's to write and to finish.
pub fn start(out: ResponseOutparam, status: u16, headers: &[(String, Vec<u8>)]) -> OutgoingBody {
    let fields = Fields::from_list(headers).expect("valid headers");
    let response = OutgoingResponse::new(fields);
    response.set_status_code(status).expect("a valid status");
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    body
}

/// A whole answer. A client that has left is no failure.
pub fn answer(out: ResponseOutparam, status: u16, headers: &[(String, Vec<u8>)], bytes: &[u8]) {
    let body = start(out, status, headers);
    let stream = body.write().expect("the stream is taken once");
    let _ = write_all(&stream, bytes);
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

/// A whole answer of text.
pub fn answer_text(out: ResponseOutparam, status: u16, text: impl AsRef<str>) {
    let headers = [("content-type".to_string(), b"text/plain; charset=utf-8".to_vec())];
    answer(out, status, &headers, text.as_ref().as_bytes());
}

/// Writes as the host has room, and waits until it has taken everything.
pub fn write_all(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        let room = stream.check_write()?;
        if room == 0 {
            stream.subscribe().block();
            continue;
        }
        let (now, later) = bytes.split_at(bytes.len().min(room as usize));
        stream.write(now)?;
        bytes = later;
    }
    stream.blocking_flush()
}

/// Reads a stream to its end, giving each piece to `each` as it comes. Returns the number of bytes.
pub fn for_each_chunk(
    stream: &InputStream,
    mut each: impl FnMut(&[u8]) -> Result<(), StreamError>,
) -> Result<u64, StreamError> {
    let mut total = 0;
    loop {
        match stream.blocking_read(CHUNK) {
            Ok(bytes) => {
                total += bytes.len() as u64;
                each(&bytes)?;
            }
            Err(StreamError::Closed) => return Ok(total),
            Err(error) => return Err(error),
        }
    }
}

/// The whole body, in memory.
pub fn read_all(body: IncomingBody) -> Result<Vec<u8>, StreamError> {
    let stream = body.stream().expect("the stream is taken once");
    let mut bytes = Vec::new();
    for_each_chunk(&stream, |chunk| {
        bytes.extend_from_slice(chunk);
        Ok(())
    })?;
    Ok(bytes)
}

/// The whole body of a request, in memory.
pub fn read_body(request: &IncomingRequest) -> Result<Vec<u8>, StreamError> {
    read_all(request.consume().expect("the body is taken once"))
}

/// Suspends the guest.
pub fn sleep(milliseconds: u64) {
    wasi::clocks::monotonic_clock::subscribe_duration(milliseconds * 1_000_000).block();
}
