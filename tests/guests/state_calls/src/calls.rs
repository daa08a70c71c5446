//! One function a call of the interfaces, from query parameters and lines of a body to an answer.

use http_guest::Target;

use crate::Answer;
use crate::tandem::dapr::types::{Code, Error};
use crate::tandem::dapr::{pubsub, state};

/// The name of a code as the WIT spells it.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Cancelled => "cancelled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid-argument",
        Code::DeadlineExceeded => "deadline-exceeded",
        Code::NotFound => "not-found",
        Code::AlreadyExists => "already-exists",
        Code::PermissionDenied => "permission-denied",
        Code::ResourceExhausted => "resource-exhausted",
        Code::FailedPrecondition => "failed-precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out-of-range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data-loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

fn etag(target: &Target) -> Option<String> {
    target.parameter("etag").map(str::to_string)
}

fn concurrency(target: &Target) -> Option<state::Concurrency> {
    target.parameter("first-write").map(|_| state::Concurrency::FirstWrite)
}

fn consistency(target: &Target) -> Option<state::Consistency> {
    target.parameter("strong").map(|_| state::Consistency::Strong)
}

pub fn set_options(target: &Target) -> state::SetOptions {
    state::SetOptions {
        etag: etag(target),
        concurrency: concurrency(target),
        consistency: consistency(target),
        ttl_seconds: target.parameter("ttl").and_then(|seconds| seconds.parse().ok()),
        content_type: target.parameter("type").map(str::to_string),
        metadata: vec![],
    }
}

pub fn delete_options(target: &Target) -> state::DeleteOptions {
    state::DeleteOptions {
        etag: etag(target),
        concurrency: concurrency(target),
        consistency: consistency(target),
        metadata: vec![],
    }
}

pub fn get_item(store: &str, key: &str, target: &Target) -> Result<Answer, Error> {
    let options = state::GetOptions { consistency: consistency(target), metadata: vec![] };
    let Some(item) = state::get_item(store, key, &options)? else {
        return Ok(Answer::not_found());
    };
    let mut headers: Vec<_> = item.etag.into_iter().map(|etag| ("etag".to_string(), etag.into_bytes())).collect();
    headers.extend(
        item.metadata
            .into_iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("ttlExpireTime"))
            .map(|(_, time)| ("ttl-expire-time".to_string(), time.into_bytes())),
    );
    Ok(Answer(200, headers, item.value))
}

fn lines(body: &[u8]) -> impl Iterator<Item = String> + '_ {
    body.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| String::from_utf8_lossy(line).into_owned())
}

fn split(line: &str) -> (String, Vec<u8>) {
    let (key, value) = line.split_once('=').unwrap_or((line, ""));
    (key.to_string(), value.as_bytes().to_vec())
}

pub fn get_many(store: &str, body: &[u8]) -> Result<Answer, Error> {
    let keys: Vec<String> = lines(body).collect();
    let mut text = Vec::new();
    for found in state::get_many(store, &keys)? {
        text.extend_from_slice(found.key.as_bytes());
        match found.item {
            Ok(None) => {}
            Ok(Some(item)) => {
                text.push(b'=');
                text.extend_from_slice(&item.value);
            }
            Err(error) => text.extend_from_slice(format!("!{}", code_name(error.code)).as_bytes()),
        }
        text.push(b'\n');
    }
    Ok(Answer::value(text))
}

pub fn set_many(store: &str, body: &[u8], target: &Target) -> Result<Answer, Error> {
    let entry = |line: String| {
        let (key, value) = split(&line);
        state::SetEntry { key, value, options: set_options(target) }
    };
    let entries: Vec<_> = lines(body).map(entry).collect();
    state::set_many(store, &entries).map(|()| Answer::empty())
}

pub fn delete_many(store: &str, body: &[u8], target: &Target) -> Result<Answer, Error> {
    let entries: Vec<_> = lines(body).map(|key| state::DeleteEntry { key, options: delete_options(target) }).collect();
    state::delete_many(store, &entries).map(|()| Answer::empty())
}

pub fn transact(store: &str, body: &[u8]) -> Result<Answer, Error> {
    let nothing = Target::parse("/");
    let operation = |line: String| {
        let (step, etag) = match line.rsplit_once(" @") {
            Some((step, etag)) => (step, Some(etag.to_string())),
            None => (line.as_str(), None),
        };
        match step.strip_prefix('-') {
            Some(key) => state::Operation::Delete(state::DeleteEntry {
                key: key.to_string(),
                options: state::DeleteOptions { etag, ..delete_options(&nothing) },
            }),
            None => {
                let (key, value) = split(step.trim_start_matches('+'));
                let options = state::SetOptions { etag, ..set_options(&nothing) };
                state::Operation::Upsert(state::SetEntry { key, value, options })
            }
        }
    };
    let operations: Vec<_> = lines(body).map(operation).collect();
    state::transact(store, &operations).map(|()| Answer::empty())
}

fn publish_options(target: &Target) -> pubsub::PublishOptions {
    let raw = target.parameter("raw").map(|_| ("rawPayload".to_string(), "true".to_string()));
    pubsub::PublishOptions {
        content_type: target.parameter("type").map(str::to_string),
        metadata: raw.into_iter().collect(),
    }
}

fn pubsub_name(target: &Target) -> &str {
    target.parameter("pubsub").unwrap_or("pubsub")
}

pub fn publish(topic: &str, body: &[u8], target: &Target) -> Result<Answer, Error> {
    pubsub::publish(pubsub_name(target), topic, body, &publish_options(target)).map(|()| Answer::empty())
}

pub fn publish_many(topic: &str, body: &[u8], target: &Target) -> Result<Answer, Error> {
    let entry = |(number, line): (usize, String)| pubsub::Entry {
        entry_id: number.to_string(),
        data: line.into_bytes(),
        options: publish_options(target),
    };
    let entries: Vec<_> = lines(body).enumerate().map(entry).collect();
    let failed = pubsub::publish_many(pubsub_name(target), topic, &entries)?;
    let text: Vec<_> = failed.iter().map(|f| format!("{} {}\n", f.entry_id, code_name(f.error.code))).collect();
    Ok(Answer::value(text.concat().into_bytes()))
}
