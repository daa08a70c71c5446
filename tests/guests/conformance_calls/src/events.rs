//! The guest as a subscriber: what it declares, what has come, what it answers.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use crate::wire::{Reader, Writer};

struct Event {
    route: String,
    pubsub: String,
    content_type: String,
    body: Vec<u8>,
}

struct Subscriber {
    declaration: String,
    verdicts: VecDeque<String>,
    events: Vec<Event>,
}

static SUBSCRIBER: Mutex<Subscriber> =
    Mutex::new(Subscriber { declaration: String::new(), verdicts: VecDeque::new(), events: Vec::new() });

fn subscriber() -> MutexGuard<'static, Subscriber> {
    SUBSCRIBER.lock().expect("no call has panicked")
}

/// What `GET /dapr/subscribe` answers from now on.
pub fn declare(from: &mut Reader) {
    subscriber().declaration = from.text();
}

/// The verdicts on the next events, in turn; success after them.
pub fn answer_with(from: &mut Reader) {
    subscriber().verdicts = from.list(Reader::text).into();
}

/// All events so far in the order in which they came: route, pubsub, media type, body.
pub fn received(to: &mut Writer) {
    to.list(&subscriber().events, |to, event| {
        to.text(&event.route);
        to.text(&event.pubsub);
        to.text(&event.content_type);
        to.bytes(&event.body);
    });
}

/// Answers what Tandem asks of an app: status and body.
pub fn answer_route(path: &str, headers: &[(String, Vec<u8>)], body: Vec<u8>) -> (u16, String) {
    let mut subscriber = subscriber();
    if path == "/dapr/subscribe" {
        return (200, subscriber.declaration.clone());
    }
    let header = |name: &str| {
        let found = headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    };
    subscriber.events.push(Event {
        route: path.to_string(),
        pubsub: header("pubsubname"),
        content_type: header("content-type"),
        body,
    });
    // An app may say it by the status or in the body: both, in turn.
    let by_status = subscriber.events.len() % 2 == 1;
    match subscriber.verdicts.pop_front().as_deref() {
        None | Some("success") if by_status => (204, String::new()),
        None | Some("success") => (200, r#"{"status":"SUCCESS"}"#.into()),
        Some("retry") if by_status => (500, String::new()),
        Some("retry") => (200, r#"{"status":"RETRY"}"#.into()),
        Some("drop") if by_status => (404, String::new()),
        Some("drop") => (200, r#"{"status":"DROP"}"#.into()),
        Some(other) => panic!("{other} is no verdict"),
    }
}
