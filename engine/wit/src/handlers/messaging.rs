//! wasmcloud:messaging/handler and wasi:messaging/incoming-handler: the events of topics as messages.
//!
//! A message is the data of the event; its topic, media type and attributes go along where the interface has a place for
//! them. An error of the guest's is a retry.

use std::future::Future;
use std::pin::Pin;

use tandem_engine_core::ffi::Str;
use tandem_engine_core::job::{Exports, Job};
use tandem_engine_core::linker::Handler;
use wasmtime::Result;
use wasmtime::component::{ComponentType, Lower, Resource};

use super::topic::{Answering, RETRY, RawEvent, SUCCESS};
use super::{Foreign, Texts};
use crate::messaging::{Error, Message};

const WASMCLOUD: &str = "wasmcloud:messaging/handler@0.2.0";
const WASI: &str = "wasi:messaging/incoming-handler@0.2.0-draft";

pub const HANDLERS: [Handler; 2] = [
    Handler { interface: WASMCLOUD, functions: &["handle-message"] },
    Handler { interface: WASI, functions: &["handle"] },
];

#[derive(ComponentType, Lower)]
#[component(record)]
struct BrokerMessage {
    subject: &'static str,
    body: &'static [u8],
    #[component(name = "reply-to")]
    reply_to: Option<&'static str>,
}

fn tell(answering: &Answering, result: Result<(), String>) {
    match result {
        Ok(()) => answering.tell(SUCCESS, Str::EMPTY),
        Err(why) => answering.tell(RETRY, Str::new(why.as_bytes())),
    }
}

pub struct WasmcloudMessage {
    pub event: Foreign<*const RawEvent>,
    pub answering: Answering,
}

impl Job for WasmcloudMessage {
    fn run<'a>(self: Box<Self>, mut exports: Exports<'a>) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        Box::pin(async move {
            type Answer = (Result<(), String>,);
            let handle = exports.function::<(BrokerMessage,), Answer>(WASMCLOUD, "handle-message")?;
            let mut texts = Texts::new();
            // SAFETY: the event lives until done, `texts` as long as the arguments.
            let message = unsafe {
                let raw = &*self.event.0;
                BrokerMessage { subject: texts.text(raw.topic), body: raw.data.bytes(), reply_to: None }
            };
            let (result,) = handle.call_async(&mut *exports.store, (message,)).await?;
            tell(&self.answering, result);
            Ok(())
        })
    }
}

pub struct WasiMessage {
    pub event: Foreign<*const RawEvent>,
    pub answering: Answering,
}

impl Job for WasiMessage {
    fn run<'a>(self: Box<Self>, mut exports: Exports<'a>) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        Box::pin(async move {
            type Answer = (Result<(), Error>,);
            let handle = exports.function::<(Resource<Message>,), Answer>(WASI, "handle")?;
            // SAFETY: the event lives until done.
            let message = unsafe { message(&*self.event.0) };
            let message = message.hand_in(exports.store.data_mut())?;
            let (result,) = handle.call_async(&mut *exports.store, (message,)).await?;
            tell(&self.answering, result.map_err(Error::into_text));
            Ok(())
        })
    }
}

/// # Safety
/// The event's spans are readable.
unsafe fn message(raw: &RawEvent) -> Message {
    unsafe {
        let mut metadata = vec![
            ("id".to_string(), raw.id.text()),
            ("source".to_string(), raw.source.text()),
            ("type".to_string(), raw.event_type.text()),
        ];
        metadata.extend(crate::answers::pairs(raw.attributes, raw.attributes_count));
        let content_type = raw.data_content_type.text();
        Message {
            topic: Some(raw.topic.text()),
            content_type: (!content_type.is_empty()).then_some(content_type),
            data: raw.data.bytes().to_vec(),
            metadata: Some(metadata),
        }
    }
}
