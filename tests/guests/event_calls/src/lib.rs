//! Takes events of topics, bindings and configuration by its exports, and tells over HTTP what has come.
//!
//! It asks for the topics `orders` (with the dead-letter topic `poison`) and `raw` (raw payloads) of `pubsub`, for the
//! bindings `ticker` and `files`, and for the key `watched` of the configuration store `config`.
//!
//! What an event says is done: the data `retry-once` is a retry when it comes for the first time, `drop` is dropped,
//! `trap` traps, `spin` computes for ever; a binding's data `refuse` is refused, `onward` is sent on to the binding `store`.
//!
//! `GET /<kind>` (`topic`, `binding`, `configuration`) answers what has come of that kind, one a line, its fields
//! separated by tabs. All of it is in the memory of this instance: the app must have one instance only.

use std::sync::{Mutex, MutexGuard};

wit_bindgen::generate!({ world: "event-calls", path: "wit", generate_all });

use exports::tandem::dapr::binding_handler::{self, Order, Response};
use exports::tandem::dapr::configuration_handler::{self, Update};
use exports::tandem::dapr::topic_handler::{self, Event, Subscription, Verdict};
use http_guest::wasi::http::types::{IncomingRequest, ResponseOutparam};
use http_guest::{Guest, answer_text, target};

type Pairs = Vec<(String, String)>;

static SEEN: Mutex<Vec<(&str, String)>> = Mutex::new(Vec::new());

fn seen() -> MutexGuard<'static, Vec<(&'static str, String)>> {
    SEEN.lock().expect("no call has panicked")
}

/// Says how often the same has come before.
fn note(kind: &'static str, fields: &[String]) -> usize {
    let line = fields.join("\t");
    let mut seen = seen();
    let before = seen.iter().filter(|(other, text)| *other == kind && *text == line).count();
    seen.push((kind, line));
    before
}

fn text(pairs: &Pairs) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join(",")
}

fn hex(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_string(),
        Err(_) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

struct EventCalls;

impl topic_handler::Guest for EventCalls {
    fn subscriptions() -> Vec<Subscription> {
        let topic = |topic: &str, dead_letter_topic: Option<String>, metadata: Pairs| Subscription {
            pubsub: "pubsub".into(),
            topic: topic.into(),
            dead_letter_topic,
            metadata,
        };
        vec![
            topic("orders", Some("poison".into()), vec![]),
            topic("raw", None, vec![("rawPayload".into(), "true".into())]),
        ]
    }

    fn handle(event: Event) -> Verdict {
        let data = hex(&event.data);
        let before = note(
            "topic",
            &[
                event.pubsub,
                event.topic,
                event.route,
                event.id,
                event.source,
                event.type_,
                event.spec_version,
                event.data_content_type,
                data.clone(),
                text(&event.attributes),
                text(&event.metadata),
            ],
        );
        match data.as_str() {
            "retry-once" if before == 0 => Verdict::Retry,
            "drop" => Verdict::Drop,
            "trap" => core::arch::wasm32::unreachable(),
            "spin" => loop {
                std::hint::spin_loop();
            },
            _ => Verdict::Success,
        }
    }
}

impl binding_handler::Guest for EventCalls {
    fn bindings() -> Vec<String> {
        vec!["ticker".into(), "files".into()]
    }

    fn handle(binding: String, data: Vec<u8>, metadata: Pairs) -> Result<Response, String> {
        let data = hex(&data);
        note("binding", &[binding, data.clone(), text(&metadata)]);
        match data.as_str() {
            "refuse" => Err("it was told so".into()),
            _ => Ok(Response { data: b"\"onward\"".to_vec(), to: vec!["store".into()], order: Order::Sequential }),
        }
    }
}

impl configuration_handler::Guest for EventCalls {
    fn subscriptions() -> Vec<configuration_handler::Subscription> {
        vec![configuration_handler::Subscription {
            store: "config".into(),
            keys: vec!["watched".into()],
            metadata: vec![],
        }]
    }

    fn handle(update: Update) -> Result<(), String> {
        for (key, item) in update.items {
            note("configuration", &[update.store.clone(), key, item.value, item.version, text(&item.metadata)]);
        }
        Ok(())
    }
}

impl Guest for EventCalls {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = target(&request);
        let (kind, key) = target.first_and_rest();
        if kind == "subscribe" {
            return match tandem::dapr::configuration::subscribe("config", &[key], &[]) {
                Ok(id) => answer_text(out, 200, id),
                Err(error) => answer_text(out, 500, error.message),
            };
        }
        let lines: String =
            seen().iter().filter(|(one, _)| *one == kind).map(|(_, text)| format!("{text}\n")).collect();
        answer_text(out, 200, lines);
    }
}

export!(EventCalls);
http_guest::export_http_guest!(EventCalls with_types_in http_guest);
