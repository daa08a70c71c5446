//! What the app `events` is told of each use, and the log that it keeps.
//!
//! A picture that is done is answered even when nobody could be told of it: that only costs its line in the log.

use serde_json::json;

use crate::http::Reply;
use crate::picture::Gray;
use crate::tandem::dapr::types::Error;
use crate::tandem::dapr::{invoke, pubsub};
use crate::wasi::clocks::wall_clock;
use crate::wasi::random::random::get_random_u64;

const APP: &str = "events";
const PUBSUB: &str = "pubsub";
const TOPIC: &str = "images";

/// Tells `events`, both ways. Returns the id by which the use is in the log.
pub fn tell(gray: &Gray, input_bytes: usize, millis: f64) -> String {
    let id = format!("{:016x}", get_random_u64());
    let now = wall_clock::now();
    let entry = json!({
        "id": id,
        "at": now.seconds * 1000 + u64::from(now.nanoseconds / 1_000_000),
        "format": gray.format,
        "width": gray.width,
        "height": gray.height,
        "inputBytes": input_bytes,
        "outputBytes": gray.png.len(),
        "millis": (millis * 10.0).round() / 10.0,
    })
    .to_string()
    .into_bytes();
    if let Err(error) = publish(&entry) {
        eprintln!("use {id} not published: {}: {}", error.reason, error.message);
    }
    match call("POST", entry) {
        Ok(response) if response.status == 204 => {}
        Ok(response) => eprintln!("use {id}: {APP} answered {}", response.status),
        Err(error) => eprintln!("use {id}: {APP} was not reached: {}: {}", error.reason, error.message),
    }
    id
}

/// The log, as the app answers it.
pub fn log() -> Reply {
    match call("GET", vec![]) {
        Ok(response) => Reply::json(response.status, response.body).with_header("cache-control", "no-store"),
        Err(error) => Reply::error(503, &format!("the app \"{APP}\" was not reached: {}", error.message)),
    }
}

fn call(method: &str, body: Vec<u8>) -> Result<invoke::Response, Error> {
    let headers = vec![("content-type".into(), b"application/json".to_vec())];
    invoke::call(APP, &invoke::Request { method: method.into(), path: "/events".into(), headers, body })
}

fn publish(entry: &[u8]) -> Result<(), Error> {
    let options = pubsub::PublishOptions { content_type: Some("application/json".into()), metadata: vec![] };
    pubsub::publish(PUBSUB, TOPIC, entry, &options)
}
