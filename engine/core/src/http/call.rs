//! The request that a guest is answering, and its answer on the way out.

use std::sync::Arc;

use wasmtime::component::Resource;

use super::body::{BodyIn, BodyOut, InEnd, OutEnd};
use super::fields::Fields;
use crate::confined::Shared;
use crate::ffi::{Header, Str, slice};
use crate::instance::Link;

/// `tdm_request`.
#[repr(C)]
pub struct Request {
    pub method: Str,
    pub scheme: Str,
    pub authority: Str,
    pub target: Str,
    pub headers: *const Header,
    pub headers_count: usize,
    pub body: Str,
    pub body_whole: bool,
    pub trailers: *const Header,
    pub trailers_count: usize,
}

/// What a guest's handle to its request refers to: [`Call`].
pub struct IncomingRequest;

/// What a guest's handle to its answer refers to: [`Call`].
pub struct ResponseOutparam;

/// A pointer that the C++ side keeps valid while its call runs.
pub struct Foreign<T>(pub *const T);

impl<T> Clone for Foreign<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Foreign<T> {}

// SAFETY: an instance and all that belongs to its call are used by one thread at a time (tandem_engine.h).
unsafe impl<T> Send for Foreign<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Foreign<T> {}

/// The guest's view of the running call. Handles are the number of their call, so that one kept from an earlier call finds
/// nothing instead of memory that is gone.
pub struct Call {
    pub number: u64,
    /// Handles to requests and answers, of this call and of earlier ones, that the guest has not dropped.
    open_handles: usize,
    request: Option<Foreign<Request>>,
    /// Reused from call to call unless the guest kept a handle to it.
    spare_out: Option<Shared<BodyOut>>,
}

impl Call {
    pub fn none() -> Call {
        Call { number: 0, open_handles: 0, request: None, spare_out: None }
    }

    pub fn begin(&mut self, request: Foreign<Request>) {
        self.number += 1;
        self.request = Some(request);
    }

    /// A call of another export: there is no request.
    pub fn begin_job(&mut self) {
        self.number += 1;
    }

    pub fn end(&mut self) {
        self.request = None;
    }

    /// What stands for this call in a handle. No table is needed: there is one request and one answer.
    fn handle(&self) -> u32 {
        self.number as u32
    }

    /// The two handles that incoming-handler.handle gets.
    pub fn open_handles(&mut self) -> (Resource<IncomingRequest>, Resource<ResponseOutparam>) {
        self.open_handles += 2;
        (Resource::new_own(self.handle()), Resource::new_own(self.handle()))
    }

    /// One of them was dropped, or given back.
    pub fn close_handle(&mut self) {
        self.open_handles = self.open_handles.saturating_sub(1);
    }

    pub fn open_handle_count(&self) -> usize {
        self.open_handles
    }

    /// Whether a handle is one of the running call's.
    pub fn is_running<T: 'static>(&self, handle: &Resource<T>) -> bool {
        handle.rep() == self.handle()
    }

    /// The request that is being answered.
    pub fn request(&self) -> Option<&Request> {
        // SAFETY: tdm_instance_start()'s request lives until done, and end() comes before done.
        self.request.map(|request| unsafe { &*request.0 })
    }

    pub fn new_out(&mut self) -> Shared<BodyOut> {
        match &self.spare_out {
            Some(spare) if Arc::strong_count(spare) == 1 => {
                spare.borrow().reset();
                spare.clone()
            }
            _ => {
                let body = Shared::<BodyOut>::default();
                self.spare_out = Some(body.clone());
                body
            }
        }
    }
}

/// What the guest has answered so far.
#[derive(Default)]
pub enum Answer {
    #[default]
    None,
    Error(String),
    Response(Response),
}

pub struct Response {
    pub status: u16,
    pub headers: Fields,
    /// None: the guest never asked for the body, so there is none.
    pub body: Option<Shared<BodyOut>>,
    /// The request was HEAD: Content-Length stays as the guest wrote it.
    pub head: bool,
    pub head_sent: bool,
    pub over: bool,
}

/// Sends what of the answer can leave. `last`: the guest runs no more, so everything that is there leaves now.
pub fn flush_answer(link: &Link, answer: &mut Answer, last: bool, trapped: bool) -> bool {
    match answer {
        Answer::None => false,
        Answer::Error(name) => {
            if !name.is_empty() {
                let name = std::mem::take(name);
                link.answer_error(Str::new(name.as_bytes()));
            }
            true
        }
        Answer::Response(response) => flush_response(link, response, last, trapped),
    }
}

/// True when the guest has answered, as far as the client can tell.
fn flush_response(link: &Link, response: &mut Response, last: bool, trapped: bool) -> bool {
    if response.over {
        return true;
    }
    let Some(shared) = response.body.clone() else {
        response.over = true;
        let leave_out = if response.head { "" } else { "content-length" };
        link.answer(response.status, &response.headers.spans(leave_out), Str::EMPTY, true);
        return true;
    };
    let mut body = shared.borrow();
    if last && body.end.is_none() {
        body.end = Some(OutEnd::Cut);
    }
    let finished = matches!(body.end, Some(OutEnd::Finished(None)));
    if !response.head_sent {
        // Nothing has left yet: a body that cannot be completed becomes an error, not a broken answer.
        if (trapped && !finished) || matches!(body.end, Some(OutEnd::Cut)) {
            return false;
        }
        response.head_sent = true;
        let mut buffer = std::mem::take(&mut body.buffer);
        if finished {
            response.over = true;
            // The length is known now; the one that the guest declared is the same, except in an answer to HEAD.
            let leave_out = if response.head { "" } else { "content-length" };
            drop(body);
            link.answer(response.status, &response.headers.spans(leave_out), Str::new(&buffer), true);
            buffer.clear();
            shared.borrow().buffer = buffer;
            return true;
        }
        body.in_flight = true;
        drop(body);
        link.begin_sending(&shared);
        link.answer(response.status, &response.headers.spans(""), Str::new(&buffer), false);
        buffer.clear();
        body = shared.borrow();
        if body.buffer.is_empty() {
            body.buffer = buffer;
        }
    }
    if !body.buffer.is_empty() && (!body.in_flight || last || body.end.is_some()) {
        let mut buffer = std::mem::take(&mut body.buffer);
        body.in_flight = true;
        drop(body);
        link.begin_sending(&shared);
        link.answer_body(Str::new(&buffer));
        buffer.clear();
        body = shared.borrow();
        if body.buffer.is_empty() {
            body.buffer = buffer;
        }
        body.wake();
    }
    let end = if body.buffer.is_empty() { body.end.take() } else { None };
    if let Some(end) = end {
        body.end = Some(OutEnd::Cut);
        drop(body);
        response.over = true;
        match end {
            OutEnd::Finished(trailers) => {
                let spans = trailers.as_ref().map(|fields| fields.spans("")).unwrap_or_default();
                link.answer_end(&spans);
            }
            OutEnd::Cut => link.answer_cut(),
        }
    }
    true
}

/// What followed a body; None: nothing.
///
/// # Safety
/// The spans live for this call.
pub unsafe fn received_trailers(trailers: *const Header, count: usize) -> Option<Fields> {
    (count > 0).then(|| Fields::received(unsafe { slice(trailers, count) }))
}

/// The body that a call starts with.
pub fn initial_body(request: &Request) -> BodyIn {
    let mut body = BodyIn::default();
    // SAFETY: the request lives for the whole call.
    let bytes = unsafe { request.body.bytes() };
    if !bytes.is_empty() {
        body.push(bytes::Bytes::copy_from_slice(bytes));
    }
    if request.body_whole {
        // SAFETY: as above.
        body.finish(InEnd::Complete(unsafe { received_trailers(request.trailers, request.trailers_count) }));
    }
    body
}
