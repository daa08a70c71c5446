//! Makes pictures gray: `POST /grayscale` takes a PNG or a JPEG and answers a gray PNG. Of every use it tells the app
//! `events` twice: by calling it (service invocation), and by an event on a topic that `events` subscribes to.
//!
//! `GET /` is the page; it reads the log from `GET /events` here, which is passed on to the app that keeps it.

#[path = "../../web/http.rs"]
mod http;
mod orientation;
mod picture;
mod report;

wit_bindgen::generate!({ world: "grayscale", path: "wit", generate_all });

use exports::wasi::http::incoming_handler::Guest;
use http::Reply;
use picture::Problem;
use wasi::clocks::monotonic_clock;
use wasi::http::types::{IncomingRequest, Method, ResponseOutparam};

/// The longest picture that is taken, in bytes. The page knows it too.
const MAX_BODY: usize = 16 << 20;

const PAGE: &[u8] = include_bytes!("page.html");
/// The page is one file: its style and script are in it, and it loads nothing from elsewhere.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src blob: data:; \
                           connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

struct Grayscale;

impl Guest for Grayscale {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = http::path_of(&request);
        let reply = match (request.method(), path.as_str()) {
            (Method::Get, "/") => page(),
            (Method::Post, "/grayscale") => make_gray(&request).unwrap_or_else(|reply| reply),
            (Method::Get, "/events") => report::log(),
            (Method::Get, "/healthz") => Reply::new(204, "text/plain", vec![]),
            (_, "/") => Reply::error(405, "the page is read by GET").with_header("allow", "GET"),
            (_, "/grayscale") => Reply::error(405, "a picture comes by POST").with_header("allow", "POST"),
            (_, "/events") => Reply::error(405, "the log is read by GET").with_header("allow", "GET"),
            _ => Reply::error(404, "no such page; there are GET /, POST /grayscale and GET /events"),
        };
        http::send(out, reply);
    }
}

fn page() -> Reply {
    Reply::new(200, "text/html; charset=utf-8", PAGE.to_vec())
        .with_header("content-security-policy", PAGE_POLICY)
        .with_header("x-content-type-options", "nosniff")
        .with_header("cache-control", "no-cache")
}

fn make_gray(request: &IncomingRequest) -> Result<Reply, Reply> {
    let body = http::read_body(request, MAX_BODY)?;
    let began = monotonic_clock::now();
    let gray = picture::make_gray(&body).map_err(|problem| match problem {
        Problem::Unknown(what) => Reply::error(415, &what),
        Problem::TooLarge(what) => Reply::error(413, &what),
        Problem::Broken(what) => Reply::error(400, &what),
    })?;
    let millis = (monotonic_clock::now() - began) as f64 / 1e6;
    let id = report::tell(&gray, body.len(), millis);
    Ok(Reply::new(200, "image/png", gray.png)
        .with_header("use-id", &id)
        .with_header("server-timing", &format!("grayscale;dur={millis:.1}"))
        .with_header("x-content-type-options", "nosniff")
        .with_header("cache-control", "no-store"))
}

export!(Grayscale);
