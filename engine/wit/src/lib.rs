//! What a guest imports beyond WASI: tandem:dapr, wasi:keyvalue, wasi:config and wasi:messaging, one file an interface.
//!
//! Typed bindings against the linker that only turn WIT values into the C tables of `include/tandem_wit.h` and answers
//! into WIT values. Arguments stay in the guest's memory; a value comes back without a copy in between; an answer in place
//! does not suspend the guest.

pub mod answers;
pub mod bindings;
pub mod call;
pub mod config;
pub mod configuration;
pub mod handlers;
pub mod invoke;
pub mod keyvalue;
pub mod messaging;
pub mod outcome;
pub mod pubsub;
pub mod reply;
pub mod secrets;
pub mod state;
pub mod types;

use tandem_engine_core::ffi::{Error, ErrorKind, Header, guard};
use tandem_engine_core::linker::Linker;

fn link(interface: &str, add: impl FnOnce() -> wasmtime::Result<()>) -> *mut Error {
    guard(|| add().map_err(|error| Error::new(ErrorKind::Link, format!("cannot link {interface}: {error:#}"))))
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_wit_state_add(linker: *mut Linker, vtable: *const state::Vtable) -> *mut Error {
    link(state::NAME, || unsafe { state::add(&mut *linker, &*vtable) })
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_wit_pubsub_add(linker: *mut Linker, vtable: *const pubsub::Vtable) -> *mut Error {
    link(pubsub::NAME, || unsafe { pubsub::add(&mut *linker, &*vtable) })
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_wit_invoke_add(linker: *mut Linker, vtable: *const invoke::Vtable) -> *mut Error {
    link(invoke::NAME, || unsafe { invoke::add(&mut *linker, &*vtable) })
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_wit_bindings_add(linker: *mut Linker, vtable: *const bindings::Vtable) -> *mut Error {
    link(bindings::NAME, || unsafe { bindings::add(&mut *linker, &*vtable) })
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_wit_secrets_add(linker: *mut Linker, vtable: *const secrets::Vtable) -> *mut Error {
    link(secrets::NAME, || unsafe { secrets::add(&mut *linker, &*vtable) })
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_wit_configuration_add(
    linker: *mut Linker,
    vtable: *const configuration::Vtable,
) -> *mut Error {
    link(configuration::NAME, || unsafe { configuration::add(&mut *linker, &*vtable) })
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_wit_keyvalue_add(linker: *mut Linker, vtable: *const state::Vtable) -> *mut Error {
    link("wasi:keyvalue", || unsafe { keyvalue::add(&mut *linker, &*vtable) })
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_wit_messaging_add(linker: *mut Linker, vtable: *const pubsub::Vtable) -> *mut Error {
    link("wasi:messaging", || unsafe { messaging::add(&mut *linker, &*vtable) })
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_wit_config_add(
    linker: *mut Linker,
    pairs: *const Header,
    count: usize,
    more: *const config::Vtable,
) -> *mut Error {
    link("wasi:config", || unsafe { config::add(&mut *linker, answers::pairs(pairs, count), more.as_ref().copied()) })
}
