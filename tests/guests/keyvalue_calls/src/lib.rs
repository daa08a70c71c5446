//! Makes every call of `wasi:keyvalue` and `wasi:config/store`, so that a test can drive them with plain HTTP.
//!
//! Keys (query `bucket`, default `statestore`): `/get/<key>`, `/set/<key>`, `/delete/<key>`, `/exists/<key>`,
//! `/increment/<key>?by=`, `/keys?cursor=` (one a line, then `cursor <n>` when there are more); with one line an entry in the
//! body: `/get-many` (keys; answers `key=value` for those that exist), `/set-many` (`key=value`), `/delete-many` (keys).
//! Settings: `/config/<key>`, `/config` (all, `key=value`, one a line).
//!
//! 200 with the value, 204 when there is nothing to say, 404 when there is no such key, 403 and 404 with `x-error` for
//! access-denied and no-such-store, otherwise 500 with the error's text as the body.

wit_bindgen::generate!({ world: "keyvalue-calls", path: "wit", generate_all });

use self::wasi::config::store as config;
use self::wasi::keyvalue::{atomics, batch, store};
use http_guest::wasi::http::types::{IncomingRequest, ResponseOutparam};
use http_guest::{Guest, Target, answer, read_body, target};

struct KeyvalueCalls;

/// Status and body.
type Answer = (u16, Vec<u8>);

const NOTHING: Answer = (204, vec![]);

impl Guest for KeyvalueCalls {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = target(&request);
        let body = read_body(&request).unwrap_or_default();
        let (first, rest) = target.first_and_rest();
        let result = match first {
            "config" => return settings(&rest, out),
            call => call_bucket(call, &rest, &target, &body),
        };
        let (status, text) = match result {
            Ok((status, bytes)) => return answer(out, status, &[], &bytes),
            Err(store::Error::NoSuchStore) => (404, "no-such-store".to_string()),
            Err(store::Error::AccessDenied) => (403, "access-denied".to_string()),
            Err(store::Error::Other(text)) => (500, text),
        };
        answer(out, status, &[("x-error".into(), b"1".to_vec())], text.as_bytes());
    }
}

fn found(value: Option<Vec<u8>>) -> Answer {
    value.map_or((404, vec![]), |bytes| (200, bytes))
}

fn call_bucket(call: &str, key: &str, target: &Target, body: &[u8]) -> Result<Answer, store::Error> {
    let bucket = store::open(target.parameter("bucket").unwrap_or("statestore"))?;
    match call {
        "get" => Ok(found(bucket.get(key)?)),
        "set" => bucket.set(key, body).map(|()| NOTHING),
        "delete" => bucket.delete(key).map(|()| NOTHING),
        "exists" => Ok((200, bucket.exists(key)?.to_string().into_bytes())),
        "increment" => {
            let sum = atomics::increment(&bucket, key, target.number("by", 1))?;
            Ok((200, sum.to_string().into_bytes()))
        }
        "keys" => {
            let cursor = target.parameter("cursor").and_then(|cursor| cursor.parse().ok());
            let page = bucket.list_keys(cursor)?;
            let mut lines = page.keys;
            lines.extend(page.cursor.map(|cursor| format!("cursor {cursor}")));
            Ok((200, lines.join("\n").into_bytes()))
        }
        "get-many" => Ok((200, pairs_to_text(batch::get_many(&bucket, &lines(body))?.into_iter().flatten()))),
        "set-many" => {
            batch::set_many(&bucket, &lines(body).iter().map(|line| split(line)).collect::<Vec<_>>()).map(|()| NOTHING)
        }
        "delete-many" => batch::delete_many(&bucket, &lines(body)).map(|()| NOTHING),
        _ => Ok((404, vec![])),
    }
}

fn lines(body: &[u8]) -> Vec<String> {
    body.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect()
}

fn split(line: &str) -> (String, Vec<u8>) {
    let (key, value) = line.split_once('=').unwrap_or((line, ""));
    (key.to_string(), value.as_bytes().to_vec())
}

fn pairs_to_text(pairs: impl Iterator<Item = (String, Vec<u8>)>) -> Vec<u8> {
    let mut text = Vec::new();
    for (key, value) in pairs {
        text.extend_from_slice(key.as_bytes());
        text.push(b'=');
        text.extend_from_slice(&value);
        text.push(b'\n');
    }
    text
}

fn settings(key: &str, out: ResponseOutparam) {
    let result: Result<Answer, _> = match key {
        "" => config::get_all().map(|all| (200, pairs_to_text(all.into_iter().map(|(k, v)| (k, v.into_bytes()))))),
        key => config::get(key).map(|value| found(value.map(String::into_bytes))),
    };
    match result {
        Ok((status, bytes)) => answer(out, status, &[], &bytes),
        Err(config::Error::Upstream(text) | config::Error::Io(text)) => answer(out, 500, &[], text.as_bytes()),
    }
}

http_guest::export_http_guest!(KeyvalueCalls with_types_in http_guest);
