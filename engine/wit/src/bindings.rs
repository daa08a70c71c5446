//! tandem:dapr/bindings: operations of output bindings.

use std::ffi::c_void;

use tandem_engine_core::ctx::Ctx;
use tandem_engine_core::ffi::{Header, Str};
use tandem_engine_core::linker::Linker;
use wasmtime::Result;
use wasmtime::component::{ComponentType, Lower, WasmList, WasmStr};

use crate::call::{Spans, import};
use crate::outcome::{Outcome, Pairs};
use crate::reply::Reply;
use crate::types::{self, Error};

pub const NAME: &str = "tandem:dapr/bindings@0.1.0";

/// `tdm_bindings_vtable`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Vtable {
    invoke: unsafe extern "C" fn(*mut c_void, *const RawRequest, *const Reply),
}

/// `tdm_binding_request`.
#[repr(C)]
pub struct RawRequest {
    binding: Str,
    operation: Str,
    data: Str,
    metadata: *const Header,
    metadata_count: usize,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Response {
    data: Option<&'static [u8]>,
    metadata: Pairs,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Failure {
    error: Error,
    metadata: Pairs,
}

fn response(ctx: &mut Ctx, outcome: Outcome) -> Result<Response, Failure> {
    let answer = outcome.binding_answer().map_err(|(error, metadata)| Failure { error, metadata })?;
    Ok(Response { data: answer.data.map(|data| data.lend(ctx)), metadata: answer.metadata })
}

pub fn add(linker: &mut Linker, vtable: &Vtable) -> Result<()> {
    type Parameters = (WasmStr, WasmStr, WasmList<u8>, Vec<(WasmStr, WasmStr)>);
    let invoke = vtable.invoke;
    let l = &mut linker.component.instance(NAME)?;
    import(
        l,
        "invoke",
        move |store, (binding, operation, data, metadata): Parameters, ticket| {
            let mut spans = Spans::new(store);
            let (metadata, metadata_count) = spans.metadata(&metadata)?;
            let raw = RawRequest {
                binding: spans.text(&binding)?,
                operation: spans.text(&operation)?,
                data: spans.bytes(&data),
                metadata,
                metadata_count,
            };
            // SAFETY: the spans live until the function has returned.
            unsafe { invoke(store.data().user(), &raw, ticket.into_raw()) };
            Ok(())
        },
        response,
    )?;
    linker.serve(NAME);
    linker.serve(types::NAME);
    Ok(())
}
