//! wasmcloud:messaging/consumer and wasi:messaging/{types,producer}: sending messages to topics.
//!
//! The draft of wasi:messaging is the one its repository ended with (topics are arguments of `send`). A client is a pubsub
//! of the app under its Dapr name; "" and "default" are the one that the C++ side chooses, which is where wasmCloud's
//! guests send. wasmCloud's `request` waits for a reply, which Dapr's pub/sub does not have: it fails and says so.

use tandem_engine_core::ctx::Ctx;
use tandem_engine_core::ffi::{Header, Str};
use tandem_engine_core::linker::Linker;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource, ResourceType, WasmList, WasmStr};
use wasmtime::{Result, StoreContextMut, bail};

use crate::call::{ABSENT, Spans, Store, failed, import};
use crate::outcome::{Outcome, Pairs};
use crate::pubsub::{RawEntry, Vtable};
use crate::reply::{Started, begin};
use crate::types::{self, Code};

const WASMCLOUD_TYPES: &str = "wasmcloud:messaging/types@0.2.0";
const WASMCLOUD_CONSUMER: &str = "wasmcloud:messaging/consumer@0.2.0";
const WASI_TYPES: &str = "wasi:messaging/types@0.2.0-draft";
const WASI_PRODUCER: &str = "wasi:messaging/producer@0.2.0-draft";

/// Data of the messages that one guest has not sent or dropped, in the host's memory.
const MAX_HELD_BYTES: usize = 16 << 20;

/// What bytes say that nobody has said anything about.
const BYTES: &str = "application/octet-stream";

#[derive(ComponentType, Lift)]
#[component(record)]
struct BrokerMessage {
    subject: WasmStr,
    body: WasmList<u8>,
    #[component(name = "reply-to")]
    reply_to: Option<WasmStr>,
}

/// Never given.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Reply {
    subject: String,
    body: Vec<u8>,
    #[component(name = "reply-to")]
    reply_to: Option<String>,
}

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
pub(crate) enum Error {
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "connection")]
    Connection(String),
    #[component(name = "permission-denied")]
    PermissionDenied(String),
    #[component(name = "other")]
    Other(String),
}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Error {
        match error.code {
            Code::DeadlineExceeded => Error::Timeout,
            Code::Unavailable => Error::Connection(error.message),
            Code::PermissionDenied => Error::PermissionDenied(error.message),
            _ => Error::Other(error.message),
        }
    }
}

impl Error {
    /// For the log.
    pub fn into_text(self) -> String {
        match self {
            Error::Timeout => "timeout".to_string(),
            Error::Connection(text) | Error::PermissionDenied(text) | Error::Other(text) => text,
        }
    }
}

/// Never given: every message takes metadata.
#[derive(ComponentType, Lower)]
#[component(variant)]
#[allow(dead_code, reason = "the interface wants it")]
enum MetadataError {
    #[component(name = "not-supported")]
    NotSupported,
    #[component(name = "invalid")]
    Invalid(Option<String>),
}

/// A pubsub of the app.
struct Client {
    pubsub: String,
}

pub(crate) struct Message {
    pub topic: Option<String>,
    pub content_type: Option<String>,
    pub data: Vec<u8>,
    pub metadata: Option<Pairs>,
}

impl Message {
    /// Puts a message into the guest's table.
    pub fn hand_in(self, ctx: &mut Ctx) -> Result<Resource<Message>> {
        hold(ctx, 0, self.data.len())?;
        Ok(ctx.table.push(self)?)
    }

    fn take(ctx: &mut Ctx, message: Resource<Message>) -> Result<Message> {
        let message = ctx.table.delete(message)?;
        ctx.held_bytes = ctx.held_bytes.saturating_sub(message.data.len());
        Ok(message)
    }
}

/// `more` bytes in place of `less` are held for the guest.
fn hold(ctx: &mut Ctx, less: usize, more: usize) -> Result<()> {
    let held = ctx.held_bytes.saturating_sub(less).saturating_add(more);
    if held > MAX_HELD_BYTES {
        bail!("the guest holds messages of more than {MAX_HELD_BYTES} bytes: send or drop them");
    }
    ctx.held_bytes = held;
    Ok(())
}

pub fn add(linker: &mut Linker, vtable: &Vtable) -> Result<()> {
    add_wasmcloud(&mut linker.component.instance(WASMCLOUD_CONSUMER)?, *vtable)?;
    add_types(&mut linker.component.instance(WASI_TYPES)?, *vtable)?;
    add_producer(&mut linker.component.instance(WASI_PRODUCER)?, *vtable)?;
    for name in [WASMCLOUD_TYPES, WASMCLOUD_CONSUMER, WASI_TYPES, WASI_PRODUCER] {
        linker.serve(name);
    }
    Ok(())
}

fn sent(_: &mut Ctx, outcome: Outcome) -> Result<(), String> {
    outcome.done().map_err(|error| error.message)
}

fn add_wasmcloud(l: &mut LinkerInstance<'_, Ctx>, vtable: Vtable) -> Result<()> {
    import(
        l,
        "publish",
        move |store, (message,): (BrokerMessage,), ticket| {
            let mut spans = Spans::new(store);
            let (topic, reply_to) = (spans.text(&message.subject)?, spans.optional(&message.reply_to)?);
            let entry = RawEntry {
                entry_id: reply_to,
                data: spans.bytes(&message.body),
                content_type: Str::new(BYTES.as_bytes()),
                metadata: std::ptr::null(),
                metadata_count: 0,
            };
            // SAFETY: the spans live until the function has returned.
            unsafe { (vtable.send)(store.data().user(), ABSENT, topic, &entry, ticket.into_raw()) };
            Ok(())
        },
        sent,
    )?;
    l.func_wrap("request", |_: StoreContextMut<'_, Ctx>, _: (WasmStr, WasmList<u8>, u32)| {
        let why = "wasmcloud:messaging's request is not supported: a message of Dapr's pub/sub has no reply";
        Ok((Result::<Reply, String>::Err(why.to_string()),))
    })
}

fn resource<T: Send + 'static>(
    l: &mut LinkerInstance<'_, Ctx>,
    name: &str,
    drop: fn(&mut Ctx, Resource<T>) -> Result<()>,
) -> Result<()> {
    l.resource(name, ResourceType::host::<T>(), move |mut store, rep| drop(store.data_mut(), Resource::new_own(rep)))
}

fn connected(ctx: &mut Ctx, outcome: Outcome) -> Result<Resource<Client>, Error> {
    let pubsub = outcome.value()?.map(|name| name.text()).unwrap_or_default();
    ctx.table
        .push(Client { pubsub })
        .map_err(|_| Error::Other("too many open handles: drop those that are not used".into()))
}

fn add_types(l: &mut LinkerInstance<'_, Ctx>, vtable: Vtable) -> Result<()> {
    type This = Resource<Message>;
    resource::<Client>(l, "client", |ctx, client| ctx.table.delete(client).map(drop).map_err(Into::into))?;
    resource::<Message>(l, "message", |ctx, message| Message::take(ctx, message).map(drop))?;
    import(
        l,
        "[static]client.connect",
        move |store, (name,): (WasmStr,), ticket| {
            let mut spans = Spans::new(store);
            // SAFETY: the span lives until the function has returned.
            unsafe { (vtable.find_pubsub)(store.data().user(), spans.text(&name)?, ticket.into_raw()) };
            Ok(())
        },
        connected,
    )?;
    l.func_wrap("[method]client.disconnect", |_: Store<'_>, _: (Resource<Client>,)| {
        Ok((Result::<(), Error>::Ok(()),))
    })?;
    l.func_wrap("[constructor]message", |mut store: Store<'_>, (data,): (Vec<u8>,)| {
        let message = Message { topic: None, content_type: None, data, metadata: None };
        Ok((message.hand_in(store.data_mut())?,))
    })?;
    l.func_wrap("[method]message.topic", |store: Store<'_>, (this,): (This,)| {
        Ok((store.data().table.get(&this)?.topic.clone(),))
    })?;
    l.func_wrap("[method]message.content-type", |store: Store<'_>, (this,): (This,)| {
        Ok((store.data().table.get(&this)?.content_type.clone(),))
    })?;
    l.func_wrap("[method]message.set-content-type", |mut store: Store<'_>, (this, value): (This, String)| {
        store.data_mut().table.get_mut(&this)?.content_type = Some(value);
        Ok((Result::<(), ()>::Ok(()),))
    })?;
    l.func_wrap("[method]message.data", |store: Store<'_>, (this,): (This,)| {
        Ok((store.data().table.get(&this)?.data.clone(),))
    })?;
    l.func_wrap("[method]message.set-data", |mut store: Store<'_>, (this, data): (This, Vec<u8>)| {
        let ctx = store.data_mut();
        let before = ctx.table.get(&this)?.data.len();
        hold(ctx, before, data.len())?;
        ctx.table.get_mut(&this)?.data = data;
        Ok(())
    })?;
    l.func_wrap("[method]message.metadata", |store: Store<'_>, (this,): (This,)| {
        Ok((store.data().table.get(&this)?.metadata.clone(),))
    })?;
    l.func_wrap("[method]message.add-metadata", |mut store: Store<'_>, (this, key, value): (This, String, String)| {
        let pairs = store.data_mut().table.get_mut(&this)?.metadata.get_or_insert_default();
        pairs.retain(|(name, _)| *name != key);
        pairs.push((key, value));
        Ok((Result::<(), MetadataError>::Ok(()),))
    })?;
    l.func_wrap("[method]message.set-metadata", |mut store: Store<'_>, (this, pairs): (This, Pairs)| {
        store.data_mut().table.get_mut(&this)?.metadata = Some(pairs);
        Ok((Result::<(), MetadataError>::Ok(()),))
    })?;
    l.func_wrap("[method]message.remove-metadata", |mut store: Store<'_>, (this, key): (This, String)| {
        if let Some(pairs) = &mut store.data_mut().table.get_mut(&this)?.metadata {
            pairs.retain(|(name, _)| *name != key);
        }
        Ok(())
    })
}

fn add_producer(l: &mut LinkerInstance<'_, Ctx>, vtable: Vtable) -> Result<()> {
    fn done(outcome: Outcome) -> Result<(), Error> {
        Ok(outcome.done()?)
    }
    type Parameters = (Resource<Client>, WasmStr, Resource<Message>);
    l.func_wrap_async("send", move |mut store: Store<'_>, (client, topic, message): Parameters| {
        store.data_mut().keep.clear();
        let message = match Message::take(store.data_mut(), message) {
            Ok(message) => message,
            Err(trap) => return failed(trap),
        };
        match begin(|ticket| send(vtable, &store, &client, &topic, &message, ticket)) {
            Err(trap) => failed(trap),
            Ok(Started::Now(outcome)) => Box::new(std::future::ready(Ok((done(outcome),)))),
            Ok(Started::Later(pending)) => Box::new(async move { Ok((done(pending.await),)) }),
        }
    })
}

fn send(
    vtable: Vtable,
    store: &Store<'_>,
    client: &Resource<Client>,
    topic: &WasmStr,
    message: &Message,
    ticket: crate::reply::Ticket,
) -> Result<()> {
    let mut spans = Spans::new(store);
    let pubsub = Str::new(store.data().table.get(client)?.pubsub.as_bytes());
    let pairs = message.metadata.as_deref().unwrap_or_default();
    let span = |text: &String| Str::new(text.as_bytes());
    let metadata: Vec<Header> =
        pairs.iter().map(|(name, value)| Header { name: span(name), value: span(value) }).collect();
    let entry = RawEntry {
        entry_id: ABSENT,
        data: Str::new(&message.data),
        content_type: message.content_type.as_ref().map_or(Str::new(BYTES.as_bytes()), span),
        metadata: metadata.as_ptr(),
        metadata_count: metadata.len(),
    };
    // SAFETY: the spans live until the function has returned.
    unsafe { (vtable.send)(store.data().user(), pubsub, spans.text(topic)?, &entry, ticket.into_raw()) };
    Ok(())
}
