//! A guest's own outgoing request, its answer, and the C++ side's hold on both.

use std::cell::RefMut;
use std::ffi::c_void;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::task::{Poll, Waker};

use wasmtime_wasi_io::poll::Pollable;

use super::body::{BodyIn, BodyOut, InEnd, OutEnd};
use super::call::{Request, received_trailers};
use super::fields::Fields;
use super::types::{ErrorCode, Method, Scheme};
use crate::confined::{Confined, Shared};
use crate::ffi::{Header, Str, fence, slice};
use crate::instance::Link;

/// `tdm_timeouts`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Timeouts {
    pub connect_ns: u64,
    pub first_byte_ns: u64,
    pub between_bytes_ns: u64,
}

/// A request that has not left yet.
pub struct Outgoing {
    pub method: Method,
    pub scheme: Option<Scheme>,
    pub authority: String,
    pub target: String,
    pub headers: Fields,
    pub timeouts: Timeouts,
}

/// `tdm_exchange`, behind an Arc whose counts are the references of both sides.
pub struct Exchange {
    link: Arc<Link>,
    state: Confined<State>,
    /// None: a request without a body.
    out: Option<Shared<BodyOut>>,
    pub body: Shared<BodyIn>,
    user: AtomicPtr<c_void>,
}

#[derive(Default)]
struct State {
    unsent: Option<Outgoing>,
    out_over: bool,
    head: Option<Result<(u16, Fields), ErrorCode>>,
    answered: bool,
    waker: Option<Waker>,
    cancelled: bool,
    cancel_sent: bool,
}

impl Exchange {
    pub fn new(link: Arc<Link>, request: Outgoing, out: Option<Shared<BodyOut>>) -> Arc<Exchange> {
        Arc::new(Exchange {
            link,
            state: Confined::new(State { unsent: Some(request), ..State::default() }),
            out,
            body: Shared::default(),
            user: AtomicPtr::new(std::ptr::null_mut()),
        })
    }

    fn state(&self) -> RefMut<'_, State> {
        self.state.borrow()
    }

    /// The answer's head, once.
    pub fn take_head(&self) -> Option<Result<(u16, Fields), ErrorCode>> {
        self.state().head.take()
    }

    fn set_head(&self, head: Result<(u16, Fields), ErrorCode>) {
        let mut state = self.state();
        if state.answered {
            return;
        }
        state.answered = true;
        state.head = Some(head);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    fn cancel(&self) {
        self.state().cancelled = true;
        self.link.mark_dirty();
    }

    /// Tells the C++ side what is new. False when this exchange needs no further look.
    pub fn flush(self: &Arc<Exchange>, link: &Link) -> bool {
        let (unsent, cancelled) = {
            let mut state = self.state();
            (state.unsent.take(), state.cancelled)
        };
        if let Some(request) = unsent {
            if cancelled {
                return false;
            }
            self.send(link, &request);
        } else {
            self.flush_out(link);
        }
        if self.body.borrow().take_want() {
            link.http_want_body(Arc::as_ptr(self));
        }
        let mut state = self.state();
        if state.cancelled {
            let tell = !state.cancel_sent;
            state.cancel_sent = true;
            drop(state);
            if tell {
                link.http_cancel(Arc::as_ptr(self));
            }
            return false;
        }
        true
    }

    fn send(self: &Arc<Exchange>, link: &Link, request: &Outgoing) {
        let mut trailers = None;
        let (buffer, whole) = match &self.out {
            None => (Vec::new(), true),
            Some(out) => {
                let mut out = out.borrow();
                let whole = matches!(out.end, Some(OutEnd::Finished(_)));
                let buffer = std::mem::take(&mut out.buffer);
                if !whole {
                    out.in_flight = !buffer.is_empty();
                } else if let Some(OutEnd::Finished(fields)) = out.end.replace(OutEnd::Cut) {
                    trailers = fields;
                }
                out.wake();
                (buffer, whole)
            }
        };
        self.state().out_over = whole;
        let headers = request.headers.spans(if whole { "content-length" } else { "" });
        let trailers = trailers.as_ref().map(|fields| fields.spans("")).unwrap_or_default();
        let raw = Request {
            method: Str::new(request.method.as_str().as_bytes()),
            scheme: Str::new(request.scheme.as_ref().map_or("http", Scheme::as_str).as_bytes()),
            authority: Str::new(request.authority.as_bytes()),
            target: Str::new(request.target.as_bytes()),
            headers: headers.as_ptr(),
            headers_count: headers.len(),
            body: Str::new(&buffer),
            body_whole: whole,
            trailers: trailers.as_ptr(),
            trailers_count: trailers.len(),
        };
        link.http_send(Arc::into_raw(self.clone()), &raw, &request.timeouts);
    }

    fn flush_out(self: &Arc<Exchange>, link: &Link) {
        let Some(out) = &self.out else { return };
        if self.state().out_over {
            return;
        }
        let mut body = out.borrow();
        if !body.buffer.is_empty() && !body.in_flight {
            let mut buffer = std::mem::take(&mut body.buffer);
            body.in_flight = true;
            drop(body);
            link.http_body(Arc::as_ptr(self), Str::new(&buffer));
            buffer.clear();
            body = out.borrow();
            if body.buffer.is_empty() {
                body.buffer = buffer;
            }
            body.wake();
        }
        if body.buffer.is_empty() && body.end.is_some() {
            let end = body.end.replace(OutEnd::Cut);
            drop(body);
            self.state().out_over = true;
            let (complete, trailers) = match &end {
                Some(OutEnd::Finished(trailers)) => (true, trailers.as_ref()),
                _ => (false, None),
            };
            let trailers = trailers.map(|fields| fields.spans("")).unwrap_or_default();
            link.http_body_end(Arc::as_ptr(self), complete, &trailers);
        }
    }
}

/// The guest's hold on an exchange. When the last one goes before the answer is complete, the exchange is cancelled.
pub struct Hold {
    exchange: Arc<Exchange>,
    count: Arc<()>,
}

impl Hold {
    pub fn new(exchange: Arc<Exchange>) -> Hold {
        Hold { exchange, count: Arc::new(()) }
    }

    pub fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }
}

impl Clone for Hold {
    fn clone(&self) -> Hold {
        Hold { exchange: self.exchange.clone(), count: self.count.clone() }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if Arc::strong_count(&self.count) == 1 {
            self.exchange.cancel();
        }
    }
}

/// Ready when the answer's head, or the failure, is there.
#[async_trait::async_trait]
impl Pollable for Hold {
    async fn ready(&mut self) {
        poll_fn(|cx| {
            let mut state = self.exchange.state();
            if state.answered {
                return Poll::Ready(());
            }
            state.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// # Safety
/// `exchange` came with http_send and is not released; headers as the header file says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_exchange_respond(
    exchange: *const Exchange,
    status: u16,
    headers: *const Header,
    count: usize,
) {
    fence((), || unsafe { (*exchange).set_head(Ok((status, Fields::received(slice(headers, count))))) });
}

/// # Safety
/// As [`tdm_exchange_respond`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_exchange_body(exchange: *const Exchange, piece: Str) {
    fence((), || unsafe { (*exchange).body.borrow().push(bytes::Bytes::copy_from_slice(piece.bytes())) });
}

/// # Safety
/// As [`tdm_exchange_respond`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_exchange_body_end(exchange: *const Exchange, trailers: *const Header, count: usize) {
    fence((), || {
        let trailers = unsafe { received_trailers(trailers, count) };
        unsafe { &(*exchange).body }.borrow().finish(InEnd::Complete(trailers));
    });
}

/// # Safety
/// As [`tdm_exchange_respond`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_exchange_fail(exchange: *const Exchange, error: i32, message: Str) {
    fence((), || unsafe {
        (*exchange).set_head(Err(ErrorCode::from_number(error, &message.text())));
        (*exchange).body.borrow().finish(InEnd::Broken);
    });
}

/// # Safety
/// As [`tdm_exchange_respond`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_exchange_drained(exchange: *const Exchange) {
    fence((), || {
        let exchange = unsafe { &*exchange };
        if let Some(out) = &exchange.out {
            let mut body = out.borrow();
            body.in_flight = false;
            body.wake();
            if !body.buffer.is_empty() || body.end.is_some() {
                drop(body);
                exchange.link.mark_dirty();
                exchange.link.wake();
            }
        }
    });
}

/// # Safety
/// As [`tdm_exchange_respond`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_exchange_set_user(exchange: *const Exchange, user: *mut c_void) {
    unsafe { (*exchange).user.store(user, Ordering::Relaxed) };
}

/// # Safety
/// As [`tdm_exchange_respond`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_exchange_get_user(exchange: *const Exchange) -> *mut c_void {
    unsafe { (*exchange).user.load(Ordering::Relaxed) }
}

/// # Safety
/// `exchange` came with http_send and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_exchange_release(exchange: *const Exchange) {
    if !exchange.is_null() {
        fence((), || drop(unsafe { Arc::from_raw(exchange) }));
    }
}
