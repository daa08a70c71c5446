//! tandem:dapr/secrets: one secret, or all that the app may read.

use std::ffi::c_void;

use tandem_engine_core::ctx::Ctx;
use tandem_engine_core::ffi::{Header, Str};
use tandem_engine_core::linker::Linker;
use wasmtime::Result;
use wasmtime::component::WasmStr;

use crate::call::{Spans, import};
use crate::outcome::{Outcome, Pairs};
use crate::reply::Reply;
use crate::types::{self, Error};

pub const NAME: &str = "tandem:dapr/secrets@0.1.0";

type User = *mut c_void;
type WasmPairs = Vec<(WasmStr, WasmStr)>;

/// `tdm_secrets_vtable`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Vtable {
    get: unsafe extern "C" fn(User, Str, Str, *const Header, usize, *const Reply),
    get_bulk: unsafe extern "C" fn(User, Str, *const Header, usize, *const Reply),
}

fn secret(_: &mut Ctx, outcome: Outcome) -> Result<Pairs, Error> {
    outcome.pairs()
}

fn secrets(_: &mut Ctx, outcome: Outcome) -> Result<Vec<(String, Pairs)>, Error> {
    outcome.groups()
}

pub fn add(linker: &mut Linker, vtable: &Vtable) -> Result<()> {
    let Vtable { get, get_bulk } = *vtable;
    let l = &mut linker.component.instance(NAME)?;
    import(
        l,
        "get",
        move |store, (name, secret, metadata): (WasmStr, WasmStr, WasmPairs), ticket| {
            let mut spans = Spans::new(store);
            let (metadata, count) = spans.metadata(&metadata)?;
            let (name, secret) = (spans.text(&name)?, spans.text(&secret)?);
            // SAFETY: the spans live until the function has returned; so below.
            unsafe { get(store.data().user(), name, secret, metadata, count, ticket.into_raw()) };
            Ok(())
        },
        secret,
    )?;
    import(
        l,
        "get-bulk",
        move |store, (name, metadata): (WasmStr, WasmPairs), ticket| {
            let mut spans = Spans::new(store);
            let (metadata, count) = spans.metadata(&metadata)?;
            let name = spans.text(&name)?;
            unsafe { get_bulk(store.data().user(), name, metadata, count, ticket.into_raw()) };
            Ok(())
        },
        secrets,
    )?;
    linker.serve(NAME);
    linker.serve(types::NAME);
    Ok(())
}
