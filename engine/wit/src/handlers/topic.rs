//! tandem:dapr/topic-handler: events of topics.

use std::future::Future;
use std::pin::Pin;

use tandem_engine_core::ffi::{Header, Str, fence};
use tandem_engine_core::instance::Instance;
use tandem_engine_core::job::{Exports, Job};
use tandem_engine_core::linker::Handler;
use wasmtime::Result;
use wasmtime::component::{ComponentType, Lift, Lower};

use super::messaging::{WasiMessage, WasmcloudMessage};
use super::{Call, Foreign, Texts, headers_of};

const NAME: &str = "tandem:dapr/topic-handler@0.1.0";

pub const HANDLER: Handler = Handler { interface: NAME, functions: &["subscriptions", "handle"] };

/// `tdm_topic_event`.
#[repr(C)]
pub struct RawEvent {
    pub(super) pubsub: Str,
    pub(super) topic: Str,
    pub(super) route: Str,
    pub(super) id: Str,
    pub(super) source: Str,
    pub(super) event_type: Str,
    pub(super) spec_version: Str,
    pub(super) data_content_type: Str,
    pub(super) data: Str,
    pub(super) attributes: *const Header,
    pub(super) attributes_count: usize,
    metadata: *const Header,
    metadata_count: usize,
}

/// `tdm_topic_subscription`.
#[repr(C)]
pub struct RawSubscription {
    pubsub: Str,
    topic: Str,
    dead_letter_topic: Str,
    metadata: *const Header,
    metadata_count: usize,
}

type VerdictFn = unsafe extern "C" fn(Call, i32, Str);
type SubscriptionsFn = unsafe extern "C" fn(Call, *const RawSubscription, usize);

#[derive(ComponentType, Lower)]
#[component(record)]
struct Event {
    pubsub: &'static str,
    topic: &'static str,
    route: &'static str,
    id: &'static str,
    source: &'static str,
    #[component(name = "type")]
    event_type: &'static str,
    #[component(name = "spec-version")]
    spec_version: &'static str,
    #[component(name = "data-content-type")]
    data_content_type: &'static str,
    data: &'static [u8],
    attributes: Vec<(&'static str, &'static str)>,
    metadata: Vec<(&'static str, &'static str)>,
}

/// `enum tdm_topic_export`.
const DAPR: i32 = 1;
const WASMCLOUD: i32 = 2;

/// `enum tdm_verdict`.
pub const SUCCESS: i32 = 0;
pub const RETRY: i32 = 1;

/// Where the guest's answer goes.
pub struct Answering {
    answer: VerdictFn,
    call: Foreign<Call>,
}

impl Answering {
    pub fn tell(&self, verdict: i32, why: Str) {
        // SAFETY: the C++ side keeps the function and `call` until done.
        unsafe { (self.answer)(self.call.0, verdict, why) };
    }
}

/// `enum tdm_verdict`, as the guest says it.
#[derive(Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "guests make them")]
enum Verdict {
    #[component(name = "success")]
    Success,
    #[component(name = "retry")]
    Retry,
    #[component(name = "drop")]
    Drop,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct Subscription {
    pubsub: String,
    topic: String,
    #[component(name = "dead-letter-topic")]
    dead_letter_topic: Option<String>,
    metadata: Vec<(String, String)>,
}

struct Handle {
    event: Foreign<*const RawEvent>,
    answering: Answering,
}

impl Job for Handle {
    fn run<'a>(self: Box<Self>, mut exports: Exports<'a>) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        Box::pin(async move {
            let handle = exports.function::<(Event,), (Verdict,)>(NAME, "handle")?;
            let mut texts = Texts::new();
            // SAFETY: the event lives until done, `texts` as long as the arguments.
            let event = unsafe {
                let raw = &*self.event.0;
                Event {
                    pubsub: texts.text(raw.pubsub),
                    topic: texts.text(raw.topic),
                    route: texts.text(raw.route),
                    id: texts.text(raw.id),
                    source: texts.text(raw.source),
                    event_type: texts.text(raw.event_type),
                    spec_version: texts.text(raw.spec_version),
                    data_content_type: texts.text(raw.data_content_type),
                    data: raw.data.bytes(),
                    attributes: texts.pairs(raw.attributes, raw.attributes_count),
                    metadata: texts.pairs(raw.metadata, raw.metadata_count),
                }
            };
            let (verdict,) = handle.call_async(&mut *exports.store, (event,)).await?;
            self.answering.tell(verdict as i32, Str::EMPTY);
            Ok(())
        })
    }
}

struct Ask {
    answer: SubscriptionsFn,
    call: Foreign<Call>,
}

impl Job for Ask {
    fn run<'a>(self: Box<Self>, mut exports: Exports<'a>) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        Box::pin(async move {
            let ask = exports.function::<(), (Vec<Subscription>,)>(NAME, "subscriptions")?;
            let (all,) = ask.call_async(&mut *exports.store, ()).await?;
            let metadata: Vec<Vec<Header>> = all.iter().map(|one| headers_of(&one.metadata)).collect();
            let optional = |text: &Option<String>| text.as_ref().map_or(Str::EMPTY, |text| Str::new(text.as_bytes()));
            let raw: Vec<RawSubscription> = all
                .iter()
                .zip(&metadata)
                .map(|(one, metadata)| RawSubscription {
                    pubsub: Str::new(one.pubsub.as_bytes()),
                    topic: Str::new(one.topic.as_bytes()),
                    dead_letter_topic: optional(&one.dead_letter_topic),
                    metadata: metadata.as_ptr(),
                    metadata_count: metadata.len(),
                })
                .collect();
            // SAFETY: the C++ side keeps the function and `call` until done.
            unsafe { (self.answer)(self.call.0, raw.as_ptr(), raw.len()) };
            Ok(())
        })
    }
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_topic_handle(
    instance: *mut Instance,
    export: i32,
    event: *const RawEvent,
    answer: VerdictFn,
    call: Call,
) {
    fence((), || {
        let (event, answering) = (Foreign(event), Answering { answer, call: Foreign(call) });
        let job: Box<dyn Job> = match export {
            DAPR => Box::new(Handle { event, answering }),
            WASMCLOUD => Box::new(WasmcloudMessage { event, answering }),
            _ => Box::new(WasiMessage { event, answering }),
        };
        unsafe { &*instance }.start_job(job, call);
    });
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_topic_subscriptions(instance: *mut Instance, answer: SubscriptionsFn, call: Call) {
    fence((), || unsafe { &*instance }.start_job(Box::new(Ask { answer, call: Foreign(call) }), call));
}
