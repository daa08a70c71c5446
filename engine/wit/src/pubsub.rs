//! tandem:dapr/pubsub: publishing events to topics.

use std::ffi::c_void;

use tandem_engine_core::ctx::Ctx;
use tandem_engine_core::ffi::{Header, Str};
use tandem_engine_core::linker::Linker;
use wasmtime::Result;
use wasmtime::component::{ComponentType, Lift, Lower, WasmList, WasmStr};

use crate::call::{Spans, import};
use crate::outcome::{self, Outcome};
use crate::reply::Reply;
use crate::types::{self, Error};

pub const NAME: &str = "tandem:dapr/pubsub@0.1.0";

type User = *mut c_void;

/// `tdm_pubsub_vtable`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Vtable {
    publish: unsafe extern "C" fn(User, Str, Str, *const RawEntry, *const Reply),
    publish_many: unsafe extern "C" fn(User, Str, Str, *const RawEntry, usize, *const Reply),
    pub(crate) send: unsafe extern "C" fn(User, Str, Str, *const RawEntry, *const Reply),
    pub(crate) find_pubsub: unsafe extern "C" fn(User, Str, *const Reply),
}

/// `tdm_publish_entry`.
#[repr(C)]
pub struct RawEntry {
    pub(crate) entry_id: Str,
    pub(crate) data: Str,
    pub(crate) content_type: Str,
    pub(crate) metadata: *const Header,
    pub(crate) metadata_count: usize,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct PublishOptions {
    #[component(name = "content-type")]
    content_type: Option<WasmStr>,
    metadata: Vec<(WasmStr, WasmStr)>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct Entry {
    #[component(name = "entry-id")]
    entry_id: WasmStr,
    data: WasmList<u8>,
    options: PublishOptions,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct FailedEntry {
    #[component(name = "entry-id")]
    entry_id: String,
    error: Error,
}

fn raw_entry(spans: &mut Spans, entry_id: Str, data: &WasmList<u8>, options: &PublishOptions) -> Result<RawEntry> {
    let (metadata, metadata_count) = spans.metadata(&options.metadata)?;
    let content_type = spans.optional(&options.content_type)?;
    Ok(RawEntry { entry_id, data: spans.bytes(data), content_type, metadata, metadata_count })
}

fn done(_: &mut Ctx, outcome: Outcome) -> Result<(), Error> {
    outcome.done()
}

fn failures(_: &mut Ctx, outcome: Outcome) -> Result<Vec<FailedEntry>, Error> {
    let one = |failed: outcome::FailedEntry| FailedEntry { entry_id: failed.entry_id, error: failed.error };
    Ok(outcome.failures()?.into_iter().map(one).collect())
}

pub fn add(linker: &mut Linker, vtable: &Vtable) -> Result<()> {
    let Vtable { publish, publish_many, .. } = *vtable;
    let l = &mut linker.component.instance(NAME)?;
    import(
        l,
        "publish",
        move |store, (pubsub, topic, data, options): (WasmStr, WasmStr, WasmList<u8>, PublishOptions), ticket| {
            let mut spans = Spans::new(store);
            let (pubsub, topic) = (spans.text(&pubsub)?, spans.text(&topic)?);
            let entry = raw_entry(&mut spans, Str::EMPTY, &data, &options)?;
            // SAFETY: the spans live until the function has returned; so below.
            unsafe { publish(store.data().user(), pubsub, topic, &entry, ticket.into_raw()) };
            Ok(())
        },
        done,
    )?;
    import(
        l,
        "publish-many",
        move |store, (pubsub, topic, entries): (WasmStr, WasmStr, Vec<Entry>), ticket| {
            let mut spans = Spans::new(store);
            let (pubsub, topic) = (spans.text(&pubsub)?, spans.text(&topic)?);
            let one = |entry: &Entry| {
                let id = spans.text(&entry.entry_id)?;
                raw_entry(&mut spans, id, &entry.data, &entry.options)
            };
            let entries = entries.iter().map(one).collect::<Result<Vec<_>>>()?;
            unsafe {
                publish_many(store.data().user(), pubsub, topic, entries.as_ptr(), entries.len(), ticket.into_raw())
            };
            Ok(())
        },
        failures,
    )?;
    linker.serve(NAME);
    linker.serve(types::NAME);
    Ok(())
}
