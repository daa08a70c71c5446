//! A subscriber that counts, for the benchmarks; `bench/native_app` is the same as a native program.
//!
//! - `GET /dapr/subscribe`: the topic `events` of `pubsub`, at `/events`;
//! - `POST /events`: notes the number and the age of an event, whose data has `"sent":"<ns since 1970>"` and `"n":"<number>"`;
//! - `GET /counted`: what this instance has noted (see `counts.rs`), as JSON;
//! - `GET /invoke`: calls the output binding `target` at the Dapr port and answers with what came back.

mod counts;

use std::sync::{LazyLock, Mutex};

use counts::Counts;
use http_guest::wasi::cli::environment::get_environment;
use http_guest::wasi::clocks::wall_clock;
use http_guest::wasi::http::outgoing_handler;
use http_guest::wasi::http::types::{
    ErrorCode, Fields, IncomingRequest, Method, OutgoingBody, OutgoingRequest, ResponseOutparam, Scheme,
};
use http_guest::{Guest, answer, answer_text, read_all, read_body};

static COUNTS: LazyLock<Mutex<Counts>> = LazyLock::new(|| Mutex::new(Counts::new(now_ns())));
static DAPR: LazyLock<String> = LazyLock::new(|| {
    let port = get_environment().into_iter().find(|(name, _)| name == "DAPR_HTTP_PORT");
    format!("localhost:{}", port.map_or("3500".to_string(), |(_, port)| port))
});

const SUBSCRIPTIONS: &[u8] = br#"[{"pubsubname":"pubsub","topic":"events","route":"/events"}]"#;
const INVOCATION: &[u8] = br#"{"operation":"get"}"#;

struct EventCount;

impl Guest for EventCount {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        match request.path_with_query().unwrap_or_default().as_str() {
            "/events" => take(&request, out),
            "/invoke" => invoke(out),
            "/counted" => answer_json(out, COUNTS.lock().unwrap().json().as_bytes()),
            "/dapr/subscribe" => answer_json(out, SUBSCRIPTIONS),
            _ => answer(out, 404, &[], b""),
        }
    }
}

fn answer_json(out: ResponseOutparam, json: &[u8]) {
    answer(out, 200, &[("content-type".to_string(), b"application/json".to_vec())], json);
}

fn now_ns() -> u64 {
    let now = wall_clock::now();
    now.seconds * 1_000_000_000 + u64::from(now.nanoseconds)
}

fn take(request: &IncomingRequest, out: ResponseOutparam) {
    let event = read_body(request).unwrap_or_default();
    match (counts::number(&event, br#""sent":""#), counts::number(&event, br#""n":""#)) {
        (Some(sent), Some(number)) => {
            COUNTS.lock().unwrap().add(number, now_ns().saturating_sub(sent) / 1_000);
            answer(out, 200, &[], b"");
        }
        // Dropped: it is not one of ours.
        _ => answer(out, 404, &[], b""),
    }
}

fn invoke(out: ResponseOutparam) {
    match call_binding() {
        Ok((status, body)) => answer(out, status, &[], &body),
        Err(error) => answer_text(out, 502, format!("{error:?}")),
    }
}

fn call_binding() -> Result<(u16, Vec<u8>), ErrorCode> {
    let headers = Fields::new();
    headers.append("content-type", b"application/json").map_err(|_| ErrorCode::HttpRequestHeaderSize(None))?;
    let request = OutgoingRequest::new(headers);
    let invalid = |()| ErrorCode::HttpRequestUriInvalid;
    request.set_method(&Method::Post).map_err(invalid)?;
    request.set_scheme(Some(&Scheme::Http)).map_err(invalid)?;
    request.set_authority(Some(&DAPR)).map_err(invalid)?;
    request.set_path_with_query(Some("/v1.0/bindings/target")).map_err(invalid)?;
    let outgoing = request.body().expect("the body is taken once");
    let future = outgoing_handler::handle(request, None)?;
    let stream = outgoing.write().expect("the stream is taken once");
    let failed = |error| ErrorCode::InternalError(Some(format!("{error:?}")));
    stream.blocking_write_and_flush(INVOCATION).map_err(failed)?;
    drop(stream);
    OutgoingBody::finish(outgoing, None)?;
    future.subscribe().block();
    let response = future.get().expect("it is ready").expect("it is taken once")?;
    let status = response.status();
    let body = read_all(response.consume().expect("the body is taken once")).map_err(failed)?;
    Ok((status, body))
}

http_guest::export_http_guest!(EventCount with_types_in http_guest);
