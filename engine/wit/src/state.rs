//! tandem:dapr/state: keys and values of a Dapr state store.

use std::ffi::c_void;

use tandem_engine_core::ctx::Ctx;
use tandem_engine_core::ffi::{Header, Str};
use tandem_engine_core::linker::Linker;
use wasmtime::Result;
use wasmtime::component::{ComponentType, Lift, Lower, WasmList, WasmStr};

use crate::call::{ABSENT, Spans, Store, import};
use crate::outcome::{self, Outcome, Pairs};
use crate::reply::{Reply, Ticket};
use crate::types::{self, Error};

pub const NAME: &str = "tandem:dapr/state@0.1.0";

type User = *mut c_void;
type OneFn = unsafe extern "C" fn(User, Str, *const RawEntry, *const Reply);
type ManyFn = unsafe extern "C" fn(User, Str, *const RawEntry, usize, *const Reply);

/// `tdm_state_vtable`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Vtable {
    pub get: unsafe extern "C" fn(User, Str, Str, *const Reply),
    pub get_item: unsafe extern "C" fn(User, Str, Str, i32, *const Header, usize, *const Reply),
    pub set: unsafe extern "C" fn(User, Str, Str, Str, *const Reply),
    pub set_item: OneFn,
    pub remove: unsafe extern "C" fn(User, Str, Str, *const Reply),
    pub remove_item: OneFn,
    pub get_many: unsafe extern "C" fn(User, Str, *const Str, usize, *const Reply),
    pub set_many: ManyFn,
    pub remove_many: ManyFn,
    pub transact: ManyFn,
    pub list_keys: unsafe extern "C" fn(User, Str, Str, u64, *const Reply),
    pub find_store: unsafe extern "C" fn(User, Str, *const Reply),
}

/// `enum tdm_operation`.
pub const UPSERT: i32 = 1;
pub const DELETE: i32 = 2;

/// `TDM_FIRST_WRITE`.
pub const FIRST_WRITE: i32 = 2;

/// `tdm_state_entry`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RawEntry {
    pub operation: i32,
    pub key: Str,
    pub value: Str,
    pub etag: Str,
    pub concurrency: i32,
    pub consistency: i32,
    pub has_ttl: bool,
    pub ttl_seconds: i32,
    pub content_type: Str,
    pub metadata: *const Header,
    pub metadata_count: usize,
}

impl RawEntry {
    /// Without options.
    pub fn new(operation: i32, key: Str, value: Str) -> RawEntry {
        RawEntry {
            operation,
            key,
            value,
            etag: ABSENT,
            concurrency: 0,
            consistency: 0,
            has_ttl: false,
            ttl_seconds: 0,
            content_type: ABSENT,
            metadata: std::ptr::null(),
            metadata_count: 0,
        }
    }
}

type Metadata = Vec<(WasmStr, WasmStr)>;

#[derive(Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "guests make them")]
enum Consistency {
    #[component(name = "eventual")]
    Eventual,
    #[component(name = "strong")]
    Strong,
}

#[derive(Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "guests make them")]
enum Concurrency {
    #[component(name = "last-write")]
    LastWrite,
    #[component(name = "first-write")]
    FirstWrite,
}

fn consistency(choice: Option<Consistency>) -> i32 {
    choice.map_or(0, |choice| choice as i32 + 1)
}

fn concurrency(choice: Option<Concurrency>) -> i32 {
    choice.map_or(0, |choice| choice as i32 + 1)
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct GetOptions {
    consistency: Option<Consistency>,
    metadata: Metadata,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct SetOptions {
    etag: Option<WasmStr>,
    concurrency: Option<Concurrency>,
    consistency: Option<Consistency>,
    #[component(name = "ttl-seconds")]
    ttl_seconds: Option<i32>,
    #[component(name = "content-type")]
    content_type: Option<WasmStr>,
    metadata: Metadata,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct DeleteOptions {
    etag: Option<WasmStr>,
    concurrency: Option<Concurrency>,
    consistency: Option<Consistency>,
    metadata: Metadata,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct SetEntry {
    key: WasmStr,
    value: WasmList<u8>,
    options: SetOptions,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct DeleteEntry {
    key: WasmStr,
    options: DeleteOptions,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
enum Operation {
    #[component(name = "upsert")]
    Upsert(SetEntry),
    #[component(name = "delete")]
    Delete(DeleteEntry),
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Item {
    value: &'static [u8],
    etag: Option<String>,
    metadata: Pairs,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct BulkItem {
    key: String,
    item: Result<Option<Item>, Error>,
}

fn upsert(spans: &mut Spans, key: &WasmStr, value: &WasmList<u8>, options: &SetOptions) -> Result<RawEntry> {
    let (metadata, metadata_count) = spans.metadata(&options.metadata)?;
    Ok(RawEntry {
        etag: spans.optional(&options.etag)?,
        concurrency: concurrency(options.concurrency),
        consistency: consistency(options.consistency),
        has_ttl: options.ttl_seconds.is_some(),
        ttl_seconds: options.ttl_seconds.unwrap_or(0),
        content_type: spans.optional(&options.content_type)?,
        metadata,
        metadata_count,
        ..RawEntry::new(UPSERT, spans.text(key)?, spans.bytes(value))
    })
}

fn delete(spans: &mut Spans, key: &WasmStr, options: &DeleteOptions) -> Result<RawEntry> {
    let (metadata, metadata_count) = spans.metadata(&options.metadata)?;
    Ok(RawEntry {
        etag: spans.optional(&options.etag)?,
        concurrency: concurrency(options.concurrency),
        consistency: consistency(options.consistency),
        metadata,
        metadata_count,
        ..RawEntry::new(DELETE, spans.text(key)?, Str::EMPTY)
    })
}

/// Hands a list of entries over; `entry` makes one of them.
fn many<T>(
    store: &Store<'_>,
    call: ManyFn,
    name: &WasmStr,
    list: &[T],
    ticket: Ticket,
    entry: impl Fn(&mut Spans, &T) -> Result<RawEntry>,
) -> Result<()> {
    let mut spans = Spans::new(store);
    let entries = list.iter().map(|one| entry(&mut spans, one)).collect::<Result<Vec<_>>>()?;
    let name = spans.text(name)?;
    // SAFETY: the spans live until the function has returned; so for all calls below.
    unsafe { call(store.data().user(), name, entries.as_ptr(), entries.len(), ticket.into_raw()) };
    Ok(())
}

fn value(ctx: &mut Ctx, outcome: Outcome) -> Result<Option<&'static [u8]>, Error> {
    outcome.value().map(|value| value.map(|bytes| bytes.lend(ctx)))
}

fn done(_: &mut Ctx, outcome: Outcome) -> Result<(), Error> {
    outcome.done()
}

fn lend(ctx: &mut Ctx, item: outcome::Item) -> Item {
    Item { value: item.value.lend(ctx), etag: item.etag, metadata: item.metadata }
}

fn item(ctx: &mut Ctx, outcome: Outcome) -> Result<Option<Item>, Error> {
    outcome.item().map(|found| found.map(|item| lend(ctx, item)))
}

fn items(ctx: &mut Ctx, outcome: Outcome) -> Result<Vec<BulkItem>, Error> {
    let items = outcome.items()?;
    let one = |one: outcome::BulkItem| BulkItem {
        key: one.key,
        item: one.item.map(|found| found.map(|item| lend(ctx, item))),
    };
    Ok(items.into_iter().map(one).collect())
}

pub fn add(linker: &mut Linker, vtable: &Vtable) -> Result<()> {
    let Vtable { get, get_item, set, set_item, remove, remove_item, get_many, set_many, remove_many, transact, .. } =
        *vtable;
    let l = &mut linker.component.instance(NAME)?;
    import(
        l,
        "get",
        move |store, (name, key): (WasmStr, WasmStr), ticket| {
            let mut spans = Spans::new(store);
            let (name, key) = (spans.text(&name)?, spans.text(&key)?);
            unsafe { get(store.data().user(), name, key, ticket.into_raw()) };
            Ok(())
        },
        value,
    )?;
    import(
        l,
        "get-item",
        move |store, (name, key, options): (WasmStr, WasmStr, GetOptions), ticket| {
            let mut spans = Spans::new(store);
            let (name, key) = (spans.text(&name)?, spans.text(&key)?);
            let (metadata, count) = spans.metadata(&options.metadata)?;
            let consistency = consistency(options.consistency);
            unsafe { get_item(store.data().user(), name, key, consistency, metadata, count, ticket.into_raw()) };
            Ok(())
        },
        item,
    )?;
    import(
        l,
        "set",
        move |store, (name, key, value): (WasmStr, WasmStr, WasmList<u8>), ticket| {
            let mut spans = Spans::new(store);
            let (name, key) = (spans.text(&name)?, spans.text(&key)?);
            unsafe { set(store.data().user(), name, key, spans.bytes(&value), ticket.into_raw()) };
            Ok(())
        },
        done,
    )?;
    import(
        l,
        "set-item",
        move |store, (name, key, value, options): (WasmStr, WasmStr, WasmList<u8>, SetOptions), ticket| {
            let mut spans = Spans::new(store);
            let entry = upsert(&mut spans, &key, &value, &options)?;
            unsafe { set_item(store.data().user(), spans.text(&name)?, &entry, ticket.into_raw()) };
            Ok(())
        },
        done,
    )?;
    import(
        l,
        "delete",
        move |store, (name, key): (WasmStr, WasmStr), ticket| {
            let mut spans = Spans::new(store);
            let (name, key) = (spans.text(&name)?, spans.text(&key)?);
            unsafe { remove(store.data().user(), name, key, ticket.into_raw()) };
            Ok(())
        },
        done,
    )?;
    import(
        l,
        "delete-item",
        move |store, (name, key, options): (WasmStr, WasmStr, DeleteOptions), ticket| {
            let mut spans = Spans::new(store);
            let entry = delete(&mut spans, &key, &options)?;
            unsafe { remove_item(store.data().user(), spans.text(&name)?, &entry, ticket.into_raw()) };
            Ok(())
        },
        done,
    )?;
    import(
        l,
        "get-many",
        move |store, (name, keys): (WasmStr, Vec<WasmStr>), ticket| {
            let mut spans = Spans::new(store);
            let keys = keys.iter().map(|key| spans.text(key)).collect::<Result<Vec<_>>>()?;
            unsafe { get_many(store.data().user(), spans.text(&name)?, keys.as_ptr(), keys.len(), ticket.into_raw()) };
            Ok(())
        },
        items,
    )?;
    import(
        l,
        "set-many",
        move |store, (name, entries): (WasmStr, Vec<SetEntry>), ticket| {
            many(store, set_many, &name, &entries, ticket, |spans, e| upsert(spans, &e.key, &e.value, &e.options))
        },
        done,
    )?;
    import(
        l,
        "delete-many",
        move |store, (name, entries): (WasmStr, Vec<DeleteEntry>), ticket| {
            many(store, remove_many, &name, &entries, ticket, |spans, e| delete(spans, &e.key, &e.options))
        },
        done,
    )?;
    import(
        l,
        "transact",
        move |store, (name, operations): (WasmStr, Vec<Operation>), ticket| {
            many(store, transact, &name, &operations, ticket, |spans, operation| match operation {
                Operation::Upsert(e) => upsert(spans, &e.key, &e.value, &e.options),
                Operation::Delete(e) => delete(spans, &e.key, &e.options),
            })
        },
        done,
    )?;
    linker.serve(NAME);
    linker.serve(types::NAME);
    Ok(())
}
