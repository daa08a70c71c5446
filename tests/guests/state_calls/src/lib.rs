//! Makes every call of `tandem:dapr`, so that a test can drive the guest's door with plain HTTP.
//!
//! State (query `store`, default `statestore`; options `etag`, `first-write`, `ttl`, `strong`):
//! `/get/<key>`, `/item/<key>` (with headers `etag` and `ttl-expire-time`), `/set/<key>`, `/set-item/<key>`,
//! `/delete/<key>`, `/delete-item/<key>`; with one line an entry in the body: `/get-many` (keys; answers `key=value`, or
//! `key` alone when there is none), `/set-many` (`key=value`), `/delete-many` (keys), `/transact` (`+key=value` or `-key`,
//! each optionally followed by ` @etag`). `/bench?n=` and `/bench-set?n=` answer the nanoseconds that one call took.
//!
//! Events (query `pubsub`, default `pubsub`; `type`, `raw`): `/publish/<topic>`, `/publish-many/<topic>` (one event a line;
//! answers the lines' numbers that failed). Invocation: `/invoke/<app-id>?path=` with the request's method and body.
//!
//! Bindings: `/binding/<name>?operation=` with the data as the body; the metadata of the answer, and of a failure, are
//! headers `m-<name>`. Secrets (query `store`, default `secrets`): `/secret/<name>`, `/secrets`; configuration (query
//! `store`, default `config`): `/setting/<key>` or `/setting/` for all, `/subscribe-configuration/<key>`,
//! `/unsubscribe-configuration/<id>`. Pairs are lines `name=value`.
//!
//! 200 with the value, 204 when there is nothing to say, 404 when a key does not exist. A failed call is 500 with the
//! headers `x-code` and `x-reason` and the message as the body.

mod blocks;
mod calls;

wit_bindgen::generate!({ world: "state-calls", path: "wit", generate_all });

use http_guest::wasi::clocks::monotonic_clock;
use http_guest::wasi::http::types::{IncomingRequest, ResponseOutparam};
use http_guest::{Guest, Target, answer, method_name, read_body, target};
use tandem::dapr::types::Error;
use tandem::dapr::{invoke, state};

/// What the guest answers: status, headers, body.
pub struct Answer(u16, Vec<(String, Vec<u8>)>, Vec<u8>);

impl Answer {
    fn empty() -> Self {
        Answer(204, vec![], vec![])
    }

    fn value(bytes: Vec<u8>) -> Self {
        Answer(200, vec![], bytes)
    }

    fn not_found() -> Self {
        Answer(404, vec![], vec![])
    }
}

struct StateCalls;

impl Guest for StateCalls {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = target(&request);
        let body = read_body(&request).unwrap_or_default();
        let Answer(status, headers, bytes) = dispatch(&request, &target, body).unwrap_or_else(|error| {
            let headers = vec![
                ("x-code".to_string(), calls::code_name(error.code).into()),
                ("x-reason".to_string(), error.reason.into_bytes()),
            ];
            Answer(500, headers, error.message.into_bytes())
        });
        answer(out, status, &headers, &bytes);
    }
}

fn dispatch(request: &IncomingRequest, target: &Target, body: Vec<u8>) -> Result<Answer, Error> {
    let store = target.parameter("store").unwrap_or("statestore");
    let (call, key) = target.first_and_rest();
    match call {
        "get" => Ok(state::get(store, &key)?.map_or_else(Answer::not_found, Answer::value)),
        "item" => calls::get_item(store, &key, target),
        "set" => state::set(store, &key, &body).map(|()| Answer::empty()),
        "set-item" => state::set_item(store, &key, &body, &calls::set_options(target)).map(|()| Answer::empty()),
        "delete" => state::delete(store, &key).map(|()| Answer::empty()),
        "delete-item" => state::delete_item(store, &key, &calls::delete_options(target)).map(|()| Answer::empty()),
        "get-many" => calls::get_many(store, &body),
        "set-many" => calls::set_many(store, &body, target),
        "delete-many" => calls::delete_many(store, &body, target),
        "transact" => calls::transact(store, &body),
        "bench" => time_calls(target, || state::get(store, "bench").map(drop)),
        "bench-set" => time_calls(target, || state::set(store, "bench", &body)),
        "publish" => calls::publish(&key, &body, target),
        "publish-many" => calls::publish_many(&key, &body, target),
        "invoke" => calls_invoke(request, &key, target, body),
        "binding" => blocks::invoke_binding(&key, &body, target),
        "secret" => blocks::get_secret(&key, target),
        "secrets" => blocks::get_secrets(target),
        "setting" => blocks::get_configuration(&key, target),
        "subscribe-configuration" => blocks::subscribe_configuration(&key, target),
        "unsubscribe-configuration" => blocks::unsubscribe_configuration(&key, target),
        _ => Ok(Answer::not_found()),
    }
}

fn time_calls(target: &Target, call: impl Fn() -> Result<(), Error>) -> Result<Answer, Error> {
    let n = target.number("n", 1_000_000).max(1);
    let before = monotonic_clock::now();
    for _ in 0..n {
        call()?;
    }
    let nanoseconds = (monotonic_clock::now() - before) as f64 / n as f64;
    Ok(Answer::value(format!("{nanoseconds:.1}").into_bytes()))
}

fn calls_invoke(request: &IncomingRequest, app_id: &str, target: &Target, body: Vec<u8>) -> Result<Answer, Error> {
    let response = invoke::call(
        app_id,
        &invoke::Request {
            method: method_name(&request.method()),
            path: target.parameter("path").unwrap_or("/").to_string(),
            headers: request.headers().entries().into_iter().filter(|(name, _)| name == "content-type").collect(),
            body,
        },
    )?;
    let headers = response.headers.into_iter().filter(|(name, _)| name == "content-type").collect();
    Ok(Answer(response.status, headers, response.body))
}

http_guest::export_http_guest!(StateCalls with_types_in http_guest);
