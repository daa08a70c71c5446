//! A program for any runtime that has `wasi:http`, beside a Dapr sidecar: it calls the API at `DAPR_HTTP_PORT` over HTTP and
//! knows nothing of the sidecar's make. Prints a line a check; its exit status is 1 at the first that fails.
//!
//! The sidecar's app is `echo`, its store `statestore`.

use std::process::ExitCode;

use wasi::http::outgoing_handler;
use wasi::http::types::{ErrorCode, Fields, Method, OutgoingBody, OutgoingRequest, Scheme};
use wasi::io::streams::StreamError;

wit_bindgen::generate!({ path: "wit", world: "dapr-http-cmd", generate_all });

struct Answer {
    status: u16,
    body: String,
}

struct Dapr {
    authority: String,
}

impl Dapr {
    fn call(&self, method: Method, path: &str, body: &str) -> Result<Answer, ErrorCode> {
        let headers = Fields::new();
        headers.append("content-type", b"application/json").map_err(|_| ErrorCode::HttpRequestHeaderSize(None))?;
        let request = OutgoingRequest::new(headers);
        let invalid = |()| ErrorCode::HttpRequestUriInvalid;
        request.set_method(&method).map_err(invalid)?;
        request.set_scheme(Some(&Scheme::Http)).map_err(invalid)?;
        request.set_authority(Some(&self.authority)).map_err(invalid)?;
        request.set_path_with_query(Some(path)).map_err(invalid)?;
        let outgoing = request.body().expect("the body is taken once");
        let future = outgoing_handler::handle(request, None)?;
        if !body.is_empty() {
            let stream = outgoing.write().expect("the stream is taken once");
            stream.blocking_write_and_flush(body.as_bytes()).map_err(|error| internal(&error))?;
        }
        OutgoingBody::finish(outgoing, None)?;
        future.subscribe().block();
        let response = future.get().expect("it is ready").expect("it is taken once")?;
        let incoming = response.consume().expect("the body is taken once");
        let stream = incoming.stream().expect("the stream is taken once");
        let mut bytes = Vec::new();
        loop {
            match stream.blocking_read(64 * 1024) {
                Ok(chunk) => bytes.extend_from_slice(&chunk),
                Err(StreamError::Closed) => break,
                Err(error) => return Err(internal(&error)),
            }
        }
        Ok(Answer { status: response.status(), body: String::from_utf8_lossy(&bytes).into_owned() })
    }
}

fn internal(error: &StreamError) -> ErrorCode {
    ErrorCode::InternalError(Some(format!("{error:?}")))
}

fn check(what: &str, answer: &Result<Answer, ErrorCode>, status: u16, body: &str) -> bool {
    match answer {
        Ok(answer) if answer.status == status && answer.body.contains(body) => {
            println!("ok {what}");
            true
        }
        Ok(answer) => {
            println!("FAILED {what}: {} {}", answer.status, answer.body);
            false
        }
        Err(error) => {
            println!("FAILED {what}: {error:?}");
            false
        }
    }
}

fn main() -> ExitCode {
    let port = std::env::var("DAPR_HTTP_PORT").unwrap_or_else(|_| "3500".to_string());
    let dapr = Dapr { authority: format!("127.0.0.1:{port}") };
    let store = "/v1.0/state/statestore";
    let key = "/v1.0/state/statestore/wasm";
    let holds = check("health", &dapr.call(Method::Get, "/v1.0/healthz", ""), 204, "")
        && check("save", &dapr.call(Method::Post, store, r#"[{"key":"wasm","value":{"n":17}}]"#), 204, "")
        && check("get", &dapr.call(Method::Get, key, ""), 200, r#"{"n":17}"#)
        && check("delete", &dapr.call(Method::Delete, key, ""), 204, "")
        && check("gone", &dapr.call(Method::Get, key, ""), 204, "")
        && check("invoke", &dapr.call(Method::Post, "/v1.0/invoke/echo/method/any", "a body"), 200, "a body")
        && check("publish", &dapr.call(Method::Post, "/v1.0/publish/pubsub/topic", r#"{"n":1}"#), 204, "")
        && check("metadata", &dapr.call(Method::Get, "/v1.0/metadata", ""), 200, r#""id":"echo""#)
        && check("error", &dapr.call(Method::Get, "/v1.0/state/none/k", ""), 400, "ERR_STATE_STORE_NOT_FOUND");
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
