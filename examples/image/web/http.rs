//! Requests in and replies out, on wasi:http. Both guests have this file as a module: the types are those of the bindings
//! at the root of each crate.

use crate::wasi::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};
use crate::wasi::io::streams::StreamError;

pub struct Reply {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        Reply { status, headers: vec![("content-type".into(), content_type.into())], body }
    }

    pub fn json(status: u16, body: Vec<u8>) -> Self {
        Self::new(status, "application/json", body)
    }

    pub fn error(status: u16, message: &str) -> Self {
        Self::json(status, serde_json::json!({ "error": message }).to_string().into_bytes())
    }

    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// The path of a request, without the query.
pub fn path_of(request: &IncomingRequest) -> String {
    let mut path = request.path_with_query().unwrap_or_default();
    path.truncate(path.find('?').unwrap_or(path.len()));
    path
}

/// The whole body, or the reply that says why not.
pub fn read_body(request: &IncomingRequest, limit: usize) -> Result<Vec<u8>, Reply> {
    let body = request.consume().expect("the body is taken once");
    let stream = body.stream().expect("the stream is taken once");
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(_)) => return Err(Reply::error(400, "the body broke off")),
        }
        if bytes.len() > limit {
            return Err(Reply::error(413, &format!("the body is longer than {limit} bytes")));
        }
    }
}

pub fn send(out: ResponseOutparam, reply: Reply) {
    let response = OutgoingResponse::new(Fields::from_list(&reply.headers).expect("valid headers"));
    response.set_status_code(reply.status).expect("a valid status");
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("the stream is taken once");
    // blocking-write-and-flush takes at most 4096 bytes. A client that has left is no failure.
    for piece in reply.body.chunks(4096) {
        if stream.blocking_write_and_flush(piece).is_err() {
            return;
        }
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}
