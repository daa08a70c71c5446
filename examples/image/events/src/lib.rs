//! Keeps the log of the image service: `GET /events` lists the latest uses.
//!
//! It hears of each use twice, as a called app (`POST /events`) and as a subscriber of the topic `images`, in whichever
//! order, and says for each use which of the two came. The log is one value in Dapr's state.

#[path = "../../web/http.rs"]
mod http;
mod log;

wit_bindgen::generate!({ world: "events", path: "wit", generate_all });

use exports::wasi::http::incoming_handler::Guest;
use http::Reply;
use log::{Use, Way};
use serde::Deserialize;
use wasi::http::types::{IncomingRequest, Method, ResponseOutparam};

/// The longest request, in bytes. An event has its envelope around it.
const MAX_BODY: usize = 64 * 1024;
const FROM_TOPIC: &str = "/from-topic";

struct Events;

impl Guest for Events {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = http::path_of(&request);
        let reply = match (request.method(), path.as_str()) {
            (Method::Get, "/dapr/subscribe") => subscriptions(),
            (Method::Get, "/events") => list(),
            (Method::Post, "/events") => called(&request).unwrap_or_else(|reply| reply),
            (Method::Post, FROM_TOPIC) => told(&request).unwrap_or_else(|reply| reply),
            (Method::Get, "/healthz") => Reply::new(204, "text/plain", vec![]),
            _ => Reply::error(404, "no such page; there are GET /events and POST /events"),
        };
        http::send(out, reply);
    }
}

fn subscriptions() -> Reply {
    let all = serde_json::json!([{ "pubsubname": "pubsub", "topic": "images", "route": FROM_TOPIC }]);
    Reply::json(200, all.to_string().into_bytes())
}

fn list() -> Reply {
    match log::read() {
        Ok(entries) => Reply::json(200, serde_json::to_vec(&entries).expect("entries become JSON"))
            .with_header("cache-control", "no-store"),
        Err(why) => Reply::error(503, &why),
    }
}

/// Another app has called.
fn called(request: &IncomingRequest) -> Result<Reply, Reply> {
    let body = http::read_body(request, MAX_BODY)?;
    let what: Use = serde_json::from_slice(&body).map_err(|error| Reply::error(400, &format!("not a use: {error}")))?;
    if !what.is_sound() {
        return Err(Reply::error(400, "not a use: its id or format is too long"));
    }
    log::note(what, Way::Call).map_err(|why| Reply::error(503, &why))?;
    Ok(Reply::new(204, "text/plain", vec![]))
}

/// An event of the topic. The answer tells the broker what became of it.
fn told(request: &IncomingRequest) -> Result<Reply, Reply> {
    #[derive(Deserialize)]
    struct Event {
        data: Use,
    }
    let body = http::read_body(request, MAX_BODY)?;
    let verdict = match serde_json::from_slice::<Event>(&body) {
        Err(error) => {
            eprintln!("not a use, dropped: {error}");
            "DROP"
        }
        Ok(event) if !event.data.is_sound() => {
            eprintln!("not a use, dropped: its id or format is too long");
            "DROP"
        }
        Ok(event) => match log::note(event.data, Way::Event) {
            Ok(()) => "SUCCESS",
            Err(why) => {
                eprintln!("an event not noted yet: {why}");
                "RETRY"
            }
        },
    };
    Ok(Reply::json(200, serde_json::json!({ "status": verdict }).to_string().into_bytes()))
}

export!(Events);
