//! Takes orders: `POST /orders` checks one, stores it and publishes it; `GET /orders/<id>` reads it back.
//!
//! State and events are host functions: no HTTP, no sidecar, no JSON between the app and its store.

mod http;
mod order;

wit_bindgen::generate!({ world: "checkout", path: "wit", generate_all });

use exports::wasi::http::incoming_handler::Guest;
use http::Reply;
use order::{Order, Wanted};
use tandem::dapr::types::{Code, Error};
use tandem::dapr::{pubsub, state};
use wasi::http::types::{IncomingRequest, Method, ResponseOutparam};

const STORE: &str = "statestore";
const PUBSUB: &str = "pubsub";
const TOPIC: &str = "orders";

struct Checkout;

impl Guest for Checkout {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let reply = match (request.method(), path.strip_prefix("/orders")) {
            (Method::Post, Some("")) => take_order(&request),
            (Method::Get, Some(rest)) if rest.len() > 1 => read_order(&rest[1..]),
            (_, Some("")) => Reply::error(405, "orders are taken by POST"),
            _ => Reply::error(404, "no such page; there are POST /orders and GET /orders/<id>"),
        };
        http::send(out, reply);
    }
}

fn take_order(request: &IncomingRequest) -> Reply {
    let body = match http::read_body(request) {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let wanted: Wanted = match serde_json::from_slice(&body) {
        Ok(wanted) => wanted,
        Err(error) => return Reply::error(400, &format!("not an order: {error}")),
    };
    match wanted.check() {
        Ok(()) => accept(Order::new(wanted)).unwrap_or_else(unavailable),
        Err(problem) => Reply::error(400, &problem),
    }
}

/// Stores the order and tells the others. When they cannot be told it is taken back, so that nobody is left with an order
/// that no one will ship.
fn accept(order: Order) -> Result<Reply, Error> {
    let json = order.to_json();
    let new = state::SetOptions {
        etag: None,
        concurrency: Some(state::Concurrency::FirstWrite),
        consistency: None,
        ttl_seconds: None,
        content_type: Some("application/json".into()),
        metadata: vec![],
    };
    state::set_item(STORE, &order.id, &json, &new)?;
    let options = pubsub::PublishOptions { content_type: Some("application/json".into()), metadata: vec![] };
    if let Err(error) = pubsub::publish(PUBSUB, TOPIC, &json, &options) {
        if let Err(also) = state::delete(STORE, &order.id) {
            eprintln!("order {} was stored, not published, and could not be taken back: {}", order.id, also.message);
        }
        return Err(error);
    }
    println!("order {} accepted: {} x {}", order.id, order.quantity, order.item);
    Ok(Reply::json(201, json).with_header("location", format!("/orders/{}", order.id)))
}

fn read_order(id: &str) -> Reply {
    match state::get(STORE, id) {
        Ok(Some(json)) => Reply::json(200, json),
        Ok(None) => Reply::error(404, &format!("there is no order {id}")),
        Err(error) => unavailable(error),
    }
}

/// A block that failed: 503 where trying again may help, otherwise 500.
fn unavailable(error: Error) -> Reply {
    eprintln!("{}: {}", error.reason, error.message);
    match error.code {
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Aborted => {
            Reply::error(503, &error.message)
        }
        Code::InvalidArgument if error.reason == "ERR_MALFORMED_REQUEST" => Reply::error(400, &error.message),
        _ => Reply::error(500, &error.message),
    }
}

export!(Checkout);
