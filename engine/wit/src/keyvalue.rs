//! wasi:keyvalue/{store,atomics,batch} on Dapr's state stores.
//!
//! A bucket is a state store under its Dapr name; `open("")` and `open("default")` are the app's default store, which the
//! C++ side chooses. A counter is decimal text. `increment` and `swap` are writes that happen only while the ETag is
//! current. The drafts differ in a few types and in `cas`: what differs is a [`Draft`], everything else is written once.

use std::ffi::c_void;
use std::sync::Arc;

use tandem_engine_core::ctx::Ctx;
use tandem_engine_core::ffi::Str;
use tandem_engine_core::linker::Linker;
use wasmtime::Result;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource, ResourceType, WasmList, WasmStr};

use crate::call::{Spans, Store, import};
use crate::outcome::{ForeignBytes, Item, Outcome};
use crate::reply::begin;
use crate::state::{DELETE, FIRST_WRITE, RawEntry, UPSERT, Vtable};
use crate::types::{self, Code};

/// How often `increment` starts again because somebody else was faster.
const MAX_TRIES: u32 = 64;
/// `TDM_STRONG`: what is compared and swapped must not come out of a cache.
const STRONG: i32 = 2;

#[derive(ComponentType, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "no-such-store")]
    NoSuchStore,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "other")]
    Other(String),
}

impl Error {
    fn other(message: impl Into<String>) -> Error {
        Error::Other(message.into())
    }
}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Error {
        match (error.code, error.reason.as_str()) {
            (_, "ERR_STATE_STORE_NOT_FOUND" | "ERR_STATE_STORE_NOT_CONFIGURED") => Error::NoSuchStore,
            (Code::PermissionDenied, _) => Error::AccessDenied,
            _ => Error::Other(error.message),
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct KeyResponse<C> {
    keys: Vec<String>,
    cursor: Option<C>,
}

#[derive(ComponentType, Lower)]
#[component(variant)]
enum CasError {
    #[component(name = "store-error")]
    StoreError(Error),
    #[component(name = "cas-failed")]
    CasFailed(Resource<Cas>),
}

struct Bucket {
    store: String,
}

/// A key as it was read.
struct Cas {
    store: String,
    key: String,
    etag: Option<String>,
    value: Option<Arc<ForeignBytes>>,
}

type Value = Option<&'static [u8]>;

/// What differs between the drafts.
trait Draft: 'static {
    const STORE: &str;
    const ATOMICS: &str;
    const BATCH: &str;
    type Number: Copy + Into<i128> + TryFrom<i128> + Lift + Lower + 'static;
    type Cursor: Lift + Lower + 'static;
    /// The key behind which a page starts, or how many keys are before it.
    fn place(cursor: &Self::Cursor) -> (&str, u64);
    fn cursor(last: String, next: u64) -> Self::Cursor;
    /// One answer of get-many.
    type Pair: Lower + 'static;
    fn pair(key: String, value: Value) -> Self::Pair;
    /// What the draft's `atomics` has beside increment.
    fn add_more_atomics(_: &mut LinkerInstance<'_, Ctx>, _: Vtable) -> Result<()> {
        Ok(())
    }
}

/// Wasmtime's and wasmCloud's.
struct Draft1;

impl Draft for Draft1 {
    const STORE: &str = "wasi:keyvalue/store@0.2.0-draft";
    const ATOMICS: &str = "wasi:keyvalue/atomics@0.2.0-draft";
    const BATCH: &str = "wasi:keyvalue/batch@0.2.0-draft";
    type Number = u64;
    type Cursor = u64;
    type Pair = Option<(String, &'static [u8])>;
    fn place(cursor: &u64) -> (&str, u64) {
        ("", *cursor)
    }
    fn cursor(_: String, next: u64) -> u64 {
        next
    }
    fn pair(key: String, value: Value) -> Self::Pair {
        value.map(|value| (key, value))
    }
}

/// Spin's.
struct Draft2;

impl Draft for Draft2 {
    const STORE: &str = "wasi:keyvalue/store@0.2.0-draft2";
    const ATOMICS: &str = "wasi:keyvalue/atomics@0.2.0-draft2";
    const BATCH: &str = "wasi:keyvalue/batch@0.2.0-draft2";
    type Number = i64;
    type Cursor = String;
    type Pair = (String, Value);
    fn place(cursor: &String) -> (&str, u64) {
        (cursor, 0)
    }
    fn cursor(last: String, _: u64) -> String {
        last
    }
    fn pair(key: String, value: Value) -> Self::Pair {
        (key, value)
    }
    fn add_more_atomics(l: &mut LinkerInstance<'_, Ctx>, vtable: Vtable) -> Result<()> {
        add_cas(l, vtable)
    }
}

pub fn add(linker: &mut Linker, vtable: &Vtable) -> Result<()> {
    add_draft::<Draft1>(linker, *vtable)?;
    add_draft::<Draft2>(linker, *vtable)
}

fn add_draft<D: Draft>(linker: &mut Linker, vtable: Vtable) -> Result<()> {
    add_store::<D>(&mut linker.component.instance(D::STORE)?, vtable)?;
    add_batch::<D>(&mut linker.component.instance(D::BATCH)?, vtable)?;
    add_atomics::<D>(&mut linker.component.instance(D::ATOMICS)?, vtable)?;
    linker.serve(D::STORE);
    linker.serve(D::ATOMICS);
    linker.serve(D::BATCH);
    Ok(())
}

fn resource<T: Send + 'static>(l: &mut LinkerInstance<'_, Ctx>, name: &str) -> Result<()> {
    l.resource(name, ResourceType::host::<T>(), |mut store, rep| {
        store.data_mut().table.delete(Resource::<T>::new_own(rep))?;
        Ok(())
    })
}

/// The store of a bucket, as a span that lives as long as the bucket's handle.
fn store_of(store: &Store<'_>, bucket: &Resource<Bucket>) -> Result<Str> {
    Ok(Str::new(store.data().table.get(bucket)?.store.as_bytes()))
}

fn done(_: &mut Ctx, outcome: Outcome) -> Result<(), Error> {
    Ok(outcome.done()?)
}

fn value(ctx: &mut Ctx, outcome: Outcome) -> Result<Value, Error> {
    Ok(outcome.value()?.map(|bytes| bytes.lend(ctx)))
}

fn exists(_: &mut Ctx, outcome: Outcome) -> Result<bool, Error> {
    Ok(outcome.value()?.is_some())
}

fn open(ctx: &mut Ctx, outcome: Outcome) -> Result<Resource<Bucket>, Error> {
    let found = match outcome.value() {
        Err(error) if error.code == Code::NotFound => None,
        found => found?,
    };
    let store = found.ok_or(Error::NoSuchStore)?.text();
    ctx.table.push(Bucket { store }).map_err(|_| Error::other("too many open buckets: drop those that are not used"))
}

fn pairs<D: Draft>(ctx: &mut Ctx, outcome: Outcome) -> Result<Vec<D::Pair>, Error> {
    let mut pairs = Vec::new();
    for one in outcome.items()? {
        let value = one.item?.map(|item| item.value.lend(ctx));
        pairs.push(D::pair(one.key, value));
    }
    Ok(pairs)
}

fn keys<D: Draft>(_: &mut Ctx, outcome: Outcome) -> Result<KeyResponse<D::Cursor>, Error> {
    let page = outcome.keys()?;
    Ok(KeyResponse { keys: page.keys, cursor: page.next.map(|(last, next)| D::cursor(last, next)) })
}

fn add_store<D: Draft>(l: &mut LinkerInstance<'_, Ctx>, vtable: Vtable) -> Result<()> {
    type This = Resource<Bucket>;
    resource::<Bucket>(l, "bucket")?;
    import(
        l,
        "open",
        move |store, (identifier,): (WasmStr,), ticket| {
            let mut spans = Spans::new(store);
            // SAFETY: the spans live until the function has returned; so for all calls below.
            unsafe { (vtable.find_store)(store.data().user(), spans.text(&identifier)?, ticket.into_raw()) };
            Ok(())
        },
        open,
    )?;
    let get = move |store: &Store<'_>, (this, key): (This, WasmStr), ticket: crate::reply::Ticket| {
        let mut spans = Spans::new(store);
        let (name, key) = (store_of(store, &this)?, spans.text(&key)?);
        unsafe { (vtable.get)(store.data().user(), name, key, ticket.into_raw()) };
        Ok(())
    };
    import(l, "[method]bucket.get", get, value)?;
    import(l, "[method]bucket.exists", get, exists)?;
    import(
        l,
        "[method]bucket.set",
        move |store, (this, key, value): (This, WasmStr, WasmList<u8>), ticket| {
            let mut spans = Spans::new(store);
            let (name, key) = (store_of(store, &this)?, spans.text(&key)?);
            unsafe { (vtable.set)(store.data().user(), name, key, spans.bytes(&value), ticket.into_raw()) };
            Ok(())
        },
        done,
    )?;
    import(
        l,
        "[method]bucket.delete",
        move |store, (this, key): (This, WasmStr), ticket| {
            let mut spans = Spans::new(store);
            let (name, key) = (store_of(store, &this)?, spans.text(&key)?);
            unsafe { (vtable.remove)(store.data().user(), name, key, ticket.into_raw()) };
            Ok(())
        },
        done,
    )?;
    import(
        l,
        "[method]bucket.list-keys",
        move |store, (this, cursor): (This, Option<D::Cursor>), ticket| {
            let name = store_of(store, &this)?;
            let (after, skip) = cursor.as_ref().map_or(("", 0), D::place);
            let after = Str::new(after.as_bytes());
            unsafe { (vtable.list_keys)(store.data().user(), name, after, skip, ticket.into_raw()) };
            Ok(())
        },
        keys::<D>,
    )
}

fn add_batch<D: Draft>(l: &mut LinkerInstance<'_, Ctx>, vtable: Vtable) -> Result<()> {
    type This = Resource<Bucket>;
    import(
        l,
        "get-many",
        move |store, (this, keys): (This, Vec<WasmStr>), ticket| {
            let mut spans = Spans::new(store);
            let keys = keys.iter().map(|key| spans.text(key)).collect::<Result<Vec<_>>>()?;
            let name = store_of(store, &this)?;
            unsafe { (vtable.get_many)(store.data().user(), name, keys.as_ptr(), keys.len(), ticket.into_raw()) };
            Ok(())
        },
        pairs::<D>,
    )?;
    import(
        l,
        "set-many",
        move |store, (this, pairs): (This, Vec<(WasmStr, WasmList<u8>)>), ticket| {
            let mut spans = Spans::new(store);
            let one = |(key, value): &(WasmStr, WasmList<u8>)| {
                let key = spans.text(key)?;
                Ok(RawEntry::new(UPSERT, key, spans.bytes(value)))
            };
            let entries = pairs.iter().map(one).collect::<Result<Vec<_>>>()?;
            let name = store_of(store, &this)?;
            unsafe { (vtable.set_many)(store.data().user(), name, entries.as_ptr(), entries.len(), ticket.into_raw()) };
            Ok(())
        },
        done,
    )?;
    import(
        l,
        "delete-many",
        move |store, (this, keys): (This, Vec<WasmStr>), ticket| {
            let mut spans = Spans::new(store);
            let one = |key: &WasmStr| Ok(RawEntry::new(DELETE, spans.text(key)?, Str::EMPTY));
            let entries = keys.iter().map(one).collect::<Result<Vec<_>>>()?;
            let name = store_of(store, &this)?;
            unsafe {
                (vtable.remove_many)(store.data().user(), name, entries.as_ptr(), entries.len(), ticket.into_raw())
            };
            Ok(())
        },
        done,
    )
}

/// The table and its `user` for calls that come in several steps.
#[derive(Clone, Copy)]
struct Steps {
    vtable: Vtable,
    user: *mut c_void,
}

// SAFETY: `user` is used only while the instance is polled, on the thread that polls it.
unsafe impl Send for Steps {}
// SAFETY: as above.
unsafe impl Sync for Steps {}

impl Steps {
    async fn read(&self, store: &str, key: &str) -> Result<Result<Option<Item>, types::Error>> {
        let started = begin(|ticket| {
            let (store, key) = (Str::new(store.as_bytes()), Str::new(key.as_bytes()));
            // SAFETY: the spans live until the function has returned; so below.
            unsafe { (self.vtable.get_item)(self.user, store, key, STRONG, std::ptr::null(), 0, ticket.into_raw()) };
            Ok(())
        })?;
        Ok(started.outcome().await.item())
    }

    /// Writes while `etag` is current; without one, while there is no value.
    async fn write(
        &self,
        store: &str,
        key: &str,
        etag: Option<&str>,
        value: &[u8],
    ) -> Result<Result<(), types::Error>> {
        let started = begin(|ticket| {
            let entry = RawEntry {
                etag: etag.map_or(Str::EMPTY, |etag| Str::new(etag.as_bytes())),
                concurrency: FIRST_WRITE,
                ..RawEntry::new(UPSERT, Str::new(key.as_bytes()), Str::new(value))
            };
            unsafe { (self.vtable.set_item)(self.user, Str::new(store.as_bytes()), &entry, ticket.into_raw()) };
            Ok(())
        })?;
        Ok(started.outcome().await.done())
    }

    async fn increment<N>(&self, store: &str, key: &str, delta: N) -> Result<Result<N, Error>>
    where
        N: Copy + Into<i128> + TryFrom<i128>,
    {
        for _ in 0..MAX_TRIES {
            let found = match self.read(store, key).await? {
                Ok(found) => found,
                Err(error) => return Ok(Err(error.into())),
            };
            let current = match found.as_ref().map(|item| number(key, item)).transpose() {
                Ok(current) => current.unwrap_or(0),
                Err(error) => return Ok(Err(error)),
            };
            let Some(Ok(sum)) = current.checked_add(delta.into()).map(N::try_from) else {
                return Ok(Err(Error::other(format!("the counter {key} would not fit its type any more"))));
            };
            let etag = found.as_ref().and_then(|item| item.etag.as_deref());
            match self.write(store, key, etag, sum.into().to_string().as_bytes()).await? {
                Ok(()) => return Ok(Ok(sum)),
                Err(error) if error.code == Code::Aborted => {}
                Err(error) => return Ok(Err(error.into())),
            }
        }
        Ok(Err(Error::other(format!("the counter {key} was changed by others {MAX_TRIES} times in a row: try again"))))
    }

    async fn cas(&self, store: String, key: String) -> Result<Result<Cas, Error>> {
        Ok(match self.read(&store, &key).await? {
            Err(error) => Err(error.into()),
            Ok(Some(item)) if item.etag.is_none() => Err(no_versions(&key)),
            Ok(Some(item)) => Ok(Cas { store, key, etag: item.etag, value: Some(Arc::new(item.value)) }),
            Ok(None) => Ok(Cas { store, key, etag: None, value: None }),
        })
    }
}

fn no_versions(key: &str) -> Error {
    Error::other(format!("the store keeps no version of {key}: it cannot compare and swap"))
}

fn number(key: &str, item: &Item) -> Result<i128, Error> {
    if item.etag.is_none() {
        return Err(no_versions(key));
    }
    let text = std::str::from_utf8(item.value.as_slice()).ok();
    text.and_then(|text| text.trim().parse().ok())
        .ok_or_else(|| Error::other(format!("the value of {key} is not a number")))
}

/// What the functions that go in several steps need of their arguments.
fn owned(store: &Store<'_>, bucket: &Resource<Bucket>, key: &WasmStr) -> Result<(String, String)> {
    Ok((store.data().table.get(bucket)?.store.clone(), key.to_str(store)?.into_owned()))
}

fn add_atomics<D: Draft>(l: &mut LinkerInstance<'_, Ctx>, vtable: Vtable) -> Result<()> {
    l.func_wrap_async(
        "increment",
        move |mut store: Store<'_>, (bucket, key, delta): (Resource<Bucket>, WasmStr, D::Number)| {
            store.data_mut().keep.clear();
            let steps = Steps { vtable, user: store.data().user() };
            let owned = owned(&store, &bucket, &key);
            Box::new(async move {
                let (name, key) = owned?;
                Ok((steps.increment(&name, &key, delta).await?,))
            })
        },
    )?;
    D::add_more_atomics(l, vtable)
}

fn push_cas(ctx: &mut Ctx, cas: Result<Cas, Error>) -> Result<Resource<Cas>, Error> {
    ctx.table.push(cas?).map_err(|_| Error::other("too many handles: drop those that are not used"))
}

fn add_cas(l: &mut LinkerInstance<'_, Ctx>, vtable: Vtable) -> Result<()> {
    resource::<Cas>(l, "cas")?;
    l.func_wrap_async("[static]cas.new", move |mut store: Store<'_>, (bucket, key): (Resource<Bucket>, WasmStr)| {
        store.data_mut().keep.clear();
        let steps = Steps { vtable, user: store.data().user() };
        let owned = owned(&store, &bucket, &key);
        Box::new(async move {
            let (name, key) = owned?;
            let cas = steps.cas(name, key).await?;
            Ok((push_cas(store.data_mut(), cas),))
        })
    })?;
    l.func_wrap("[method]cas.current", |mut store: Store<'_>, (this,): (Resource<Cas>,)| {
        let ctx = store.data_mut();
        ctx.keep.clear();
        let value = ctx.table.get(&this)?.value.clone();
        Ok((Result::<Value, Error>::Ok(value.map(|bytes| lend_shared(bytes, ctx))),))
    })?;
    l.func_wrap_async("swap", move |mut store: Store<'_>, (this, value): (Resource<Cas>, WasmList<u8>)| {
        store.data_mut().keep.clear();
        let steps = Steps { vtable, user: store.data().user() };
        let value = value.as_le_slice(&store).to_vec();
        let cas = store.data_mut().table.delete(this);
        Box::new(async move {
            let Cas { store: name, key, etag, .. } = cas?;
            Ok((match steps.write(&name, &key, etag.as_deref(), &value).await? {
                Ok(()) => Ok(()),
                Err(error) if error.code == Code::Aborted => {
                    let cas = steps.cas(name, key).await?;
                    Err(push_cas(store.data_mut(), cas).map_or_else(CasError::StoreError, CasError::CasFailed))
                }
                Err(error) => Err(CasError::StoreError(error.into())),
            },))
        })
    })
}

/// As [`ForeignBytes::lend`], for bytes that a handle keeps too.
fn lend_shared(bytes: Arc<ForeignBytes>, ctx: &mut Ctx) -> &'static [u8] {
    let slice: *const [u8] = bytes.as_slice();
    ctx.keep.push(Box::new(bytes));
    // SAFETY: `keep` holds the bytes until the instance's next call or its end.
    unsafe { &*slice }
}
