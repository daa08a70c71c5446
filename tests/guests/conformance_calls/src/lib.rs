//! The guest's door of the conformance suites (tests/conformance): makes the calls of `tandem:dapr` that a suite asks for,
//! with every argument as the suite says and every part of the answer, and takes events as a subscriber does.
//!
//! `/call/<function>` makes a call: state (`get-item`, `set`, `set-item`, `delete`, `delete-item`, `get-many`, `set-many`,
//! `delete-many`, `transact`) or pubsub (`publish`, `publish-many`). 200 with what the call returned; 500 with code, reason
//! and message when it failed.
//!
//! `/call/declare` sets the answer to `GET /dapr/subscribe`, `/call/answer-with` the verdicts on the events to come, and
//! `/call/received` gives the events that have come. Every other path is the route of an event. They are kept in the
//! guest's memory: the app must have one instance only.
//!
//! Bodies have the form that `wire` describes, in both directions.

mod events;
mod publishing;
mod storing;
mod wire;

wit_bindgen::generate!({ world: "conformance-calls", path: "wit", generate_all });

use http_guest::wasi::http::types::{IncomingRequest, ResponseOutparam};
use http_guest::{Guest, answer, answer_text, read_body, target};
use tandem::dapr::types::{Code, Error};
use wire::{Reader, Writer};

struct ConformanceCalls;

impl Guest for ConformanceCalls {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = target(&request);
        let headers = request.headers().entries();
        let body = read_body(&request).expect("the whole body comes");
        let Some(function) = target.path.strip_prefix("/call/") else {
            let (status, text) = events::answer_route(&target.path, &headers, body);
            return answer_text(out, status, text);
        };
        let mut answered = Writer::new();
        let status = match call(function, &mut Reader::new(&body), &mut answered) {
            Ok(()) => 200,
            Err(error) => {
                answered = Writer::new();
                write_error(&error, &mut answered);
                500
            }
        };
        answer(out, status, &[], &answered.finish());
    }
}

fn call(function: &str, from: &mut Reader, to: &mut Writer) -> Result<(), Error> {
    match function {
        "get-item" => storing::get_item(from, to),
        "set" => storing::set(from),
        "set-item" => storing::set_item(from),
        "delete" => storing::delete(from),
        "delete-item" => storing::delete_item(from),
        "get-many" => storing::get_many(from, to),
        "set-many" => storing::set_many(from),
        "delete-many" => storing::delete_many(from),
        "transact" => storing::transact(from),
        "publish" => publishing::publish(from),
        "publish-many" => publishing::publish_many(from, to),
        "declare" => {
            events::declare(from);
            Ok(())
        }
        "answer-with" => {
            events::answer_with(from);
            Ok(())
        }
        "received" => {
            events::received(to);
            Ok(())
        }
        _ => panic!("there is no call {function}"),
    }
}

/// The number of a code as gRPC counts them.
fn code_number(code: Code) -> u8 {
    code as u8 + 1
}

fn write_error(error: &Error, to: &mut Writer) {
    to.text(&code_number(error.code).to_string());
    to.text(&error.reason);
    to.text(&error.message);
}

/// Metadata as the WIT has it: names and values.
fn metadata(from: &mut Reader) -> Vec<(String, String)> {
    from.list(|pair| (pair.text(), pair.text()))
}

http_guest::export_http_guest!(ConformanceCalls with_types_in http_guest);
