//! Answers every request with `hello`: the least that an HTTP guest can do. The benchmarks run this one, under Tandem and
//! under its peers, so it imports nothing but wasi:http and does not look at the request.

wit_bindgen::generate!({ world: "hello", path: "wit", generate_all });

use exports::wasi::http::incoming_handler::Guest;
use wasi::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Hello;

impl Guest for Hello {
    fn handle(_request: IncomingRequest, out: ResponseOutparam) {
        let headers = Fields::from_list(&[("content-type".into(), b"text/plain".to_vec())]).expect("a valid header");
        let response = OutgoingResponse::new(headers);
        let body = response.body().expect("the body is taken once");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("the stream is taken once");
        // A client that has left is no failure of the guest.
        let _ = stream.blocking_write_and_flush(b"hello");
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
    }
}

export!(Hello);
