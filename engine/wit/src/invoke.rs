//! tandem:dapr/invoke: calling another app by its id.

use std::ffi::c_void;

use tandem_engine_core::ctx::Ctx;
use tandem_engine_core::ffi::{Header, Str};
use tandem_engine_core::linker::Linker;
use wasmtime::Result;
use wasmtime::component::{ComponentType, Lift, Lower, WasmList, WasmStr};

use crate::call::{Spans, import};
use crate::outcome::Outcome;
use crate::reply::Reply;
use crate::types::{self, Error};

pub const NAME: &str = "tandem:dapr/invoke@0.1.0";

/// `tdm_invoke_vtable`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Vtable {
    call: unsafe extern "C" fn(*mut c_void, Str, *const RawRequest, *const Reply),
}

/// `tdm_invoke_request`.
#[repr(C)]
pub struct RawRequest {
    method: Str,
    path: Str,
    headers: *const Header,
    headers_count: usize,
    body: Str,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct Request {
    method: WasmStr,
    path: WasmStr,
    headers: Vec<(WasmStr, WasmList<u8>)>,
    body: WasmList<u8>,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Response {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: &'static [u8],
}

fn response(ctx: &mut Ctx, outcome: Outcome) -> Result<Response, Error> {
    let response = outcome.response()?;
    Ok(Response { status: response.status, headers: response.headers, body: response.body.lend(ctx) })
}

pub fn add(linker: &mut Linker, vtable: &Vtable) -> Result<()> {
    let call = vtable.call;
    let l = &mut linker.component.instance(NAME)?;
    import(
        l,
        "call",
        move |store, (app_id, request): (WasmStr, Request), ticket| {
            let mut spans = Spans::new(store);
            let (headers, headers_count) = spans.headers(&request.headers)?;
            let raw = RawRequest {
                method: spans.text(&request.method)?,
                path: spans.text(&request.path)?,
                headers,
                headers_count,
                body: spans.bytes(&request.body),
            };
            // SAFETY: the spans live until the function has returned.
            unsafe { call(store.data().user(), spans.text(&app_id)?, &raw, ticket.into_raw()) };
            Ok(())
        },
        response,
    )?;
    linker.serve(NAME);
    linker.serve(types::NAME);
    Ok(())
}
