//! The C entries of an instance and its running call: `tdm_instance_…` and `tdm_call_…`.

use std::ffi::c_void;
use std::sync::atomic::Ordering;

use crate::ffi::{Error, Header, Str, fence, guard};
use crate::http::body::InEnd;
use crate::http::call::{Foreign, Request, initial_body, received_trailers};
use crate::instance::{DEAD, Events, Instance, discard_body};
use crate::program::Program;

type User = *mut c_void;

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_instance_new(
    program: *mut Program,
    events: *const Events,
    user: User,
    waker: User,
    out: *mut *mut Instance,
) -> *mut Error {
    guard(|| {
        let instance = Instance::new(unsafe { &*program }, unsafe { *events }, user, waker)?;
        unsafe { *out = Box::into_raw(Box::new(instance)) };
        Ok(())
    })
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_instance_delete(instance: *mut Instance) {
    if !instance.is_null() {
        fence((), || drop(unsafe { Box::from_raw(instance) }));
    }
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_instance_poll(instance: *mut Instance) -> i32 {
    fence(DEAD, || unsafe { &*instance }.poll())
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_instance_start(instance: *mut Instance, request: *const Request, call: User) {
    fence((), || {
        let body = initial_body(unsafe { &*request });
        unsafe { &*instance }.start(Foreign(request), body, call);
    });
}

/// # Safety
/// `instance` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_instance_memory_bytes(instance: *const Instance) -> u64 {
    unsafe { &*instance }.link().memory_bytes.load(Ordering::Relaxed)
}

/// # Safety
/// `instance` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_instance_resource_count(instance: *const Instance) -> usize {
    unsafe { &*instance }.link().resources.load(Ordering::Relaxed)
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_call_body(instance: *mut Instance, piece: Str) {
    fence((), || {
        let body = unsafe { &*instance }.link().state().body.clone();
        body.borrow().push(bytes::Bytes::copy_from_slice(unsafe { piece.bytes() }));
    });
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_call_body_end(
    instance: *mut Instance,
    complete: bool,
    trailers: *const Header,
    trailers_count: usize,
) {
    fence((), || {
        let body = unsafe { &*instance }.link().state().body.clone();
        let trailers = unsafe { received_trailers(trailers, trailers_count) };
        body.borrow().finish(if complete { InEnd::Complete(trailers) } else { InEnd::Broken });
    });
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_call_drained(instance: *mut Instance) {
    fence((), || {
        let link = unsafe { &*instance }.link();
        let body = link.state().answer_body();
        if let Some(body) = body {
            let mut body = body.borrow();
            body.in_flight = false;
            body.wake();
            if !body.buffer.is_empty() || body.end.is_some() {
                drop(body);
                link.mark_dirty();
                link.wake();
            }
        }
    });
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_call_discard(instance: *mut Instance) {
    fence((), || {
        let mut state = unsafe { &*instance }.link().state();
        state.discard = true;
        if let Some(body) = state.answer_body() {
            discard_body(&body);
        }
    });
}
