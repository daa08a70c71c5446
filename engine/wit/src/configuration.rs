//! tandem:dapr/configuration: values of keys, and subscriptions to their changes.

use std::ffi::c_void;

use tandem_engine_core::ctx::Ctx;
use tandem_engine_core::ffi::{Header, Str};
use tandem_engine_core::linker::Linker;
use wasmtime::Result;
use wasmtime::component::{ComponentType, Lower, WasmStr};

use crate::call::{Spans, Store, import};
use crate::outcome::{Outcome, Pairs};
use crate::reply::{Reply, Ticket};
use crate::types::{self, Error};

pub const NAME: &str = "tandem:dapr/configuration@0.1.0";

type User = *mut c_void;
type Question = (WasmStr, Vec<WasmStr>, Vec<(WasmStr, WasmStr)>);
type AskFn = unsafe extern "C" fn(User, *const RawQuestion, *const Reply);

/// `tdm_configuration_vtable`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Vtable {
    get: AskFn,
    subscribe: AskFn,
    unsubscribe: unsafe extern "C" fn(User, Str, Str, *const Reply),
}

/// `tdm_configuration_question`.
#[repr(C)]
pub struct RawQuestion {
    pub(crate) store: Str,
    pub(crate) keys: *const Str,
    pub(crate) keys_count: usize,
    pub(crate) metadata: *const Header,
    pub(crate) metadata_count: usize,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Item {
    value: String,
    version: String,
    metadata: Pairs,
}

fn items(_: &mut Ctx, outcome: Outcome) -> Result<Vec<(String, Item)>, Error> {
    let settings = outcome.settings()?.into_iter();
    Ok(settings.map(|one| (one.key, Item { value: one.value, version: one.version, metadata: one.metadata })).collect())
}

fn id(_: &mut Ctx, outcome: Outcome) -> Result<String, Error> {
    Ok(outcome.value()?.map(|id| id.text()).unwrap_or_default())
}

fn done(_: &mut Ctx, outcome: Outcome) -> Result<(), Error> {
    outcome.done()
}

fn ask(function: AskFn, store: &Store<'_>, (name, keys, metadata): Question, ticket: Ticket) -> Result<()> {
    let mut spans = Spans::new(store);
    let keys = keys.iter().map(|key| spans.text(key)).collect::<Result<Vec<_>>>()?;
    let (metadata, metadata_count) = spans.metadata(&metadata)?;
    let store_name = spans.text(&name)?;
    let raw = RawQuestion { store: store_name, keys: keys.as_ptr(), keys_count: keys.len(), metadata, metadata_count };
    // SAFETY: the spans live until the function has returned.
    unsafe { function(store.data().user(), &raw, ticket.into_raw()) };
    Ok(())
}

pub fn add(linker: &mut Linker, vtable: &Vtable) -> Result<()> {
    let Vtable { get, subscribe, unsubscribe } = *vtable;
    let l = &mut linker.component.instance(NAME)?;
    import(l, "get", move |store, question: Question, ticket| ask(get, store, question, ticket), items)?;
    import(l, "subscribe", move |store, question: Question, ticket| ask(subscribe, store, question, ticket), id)?;
    import(
        l,
        "unsubscribe",
        move |store, (name, id): (WasmStr, WasmStr), ticket| {
            let mut spans = Spans::new(store);
            let (name, id) = (spans.text(&name)?, spans.text(&id)?);
            // SAFETY: the spans live until the function has returned.
            unsafe { unsubscribe(store.data().user(), name, id, ticket.into_raw()) };
            Ok(())
        },
        done,
    )?;
    linker.serve(NAME);
    linker.serve(types::NAME);
    Ok(())
}
