//! tandem:dapr/configuration-handler: updates of configuration.

use std::future::Future;
use std::pin::Pin;

use tandem_engine_core::ffi::{Header, Str, fence, slice};
use tandem_engine_core::instance::Instance;
use tandem_engine_core::job::{Exports, Job};
use tandem_engine_core::linker::Handler;
use wasmtime::Result;
use wasmtime::component::{ComponentType, Lift, Lower};

use super::{Call, Foreign, Texts, headers_of};
use crate::answers::RawSetting;
use crate::configuration::RawQuestion;

const NAME: &str = "tandem:dapr/configuration-handler@0.1.0";

pub const HANDLER: Handler = Handler { interface: NAME, functions: &["subscriptions", "handle"] };

/// `tdm_configuration_update`.
#[repr(C)]
pub struct RawUpdate {
    store: Str,
    id: Str,
    items: *const RawSetting,
    items_count: usize,
}

type TakenFn = unsafe extern "C" fn(Call, bool, Str);
type QuestionsFn = unsafe extern "C" fn(Call, *const RawQuestion, usize);

#[derive(ComponentType, Lower)]
#[component(record)]
struct Item {
    value: &'static str,
    version: &'static str,
    metadata: Vec<(&'static str, &'static str)>,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Update {
    store: &'static str,
    id: &'static str,
    items: Vec<(&'static str, Item)>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct Subscription {
    store: String,
    keys: Vec<String>,
    metadata: Vec<(String, String)>,
}

struct Handle {
    update: Foreign<*const RawUpdate>,
    answer: TakenFn,
    call: Foreign<Call>,
}

impl Job for Handle {
    fn run<'a>(self: Box<Self>, mut exports: Exports<'a>) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        Box::pin(async move {
            let handle = exports.function::<(Update,), (Result<(), String>,)>(NAME, "handle")?;
            let mut texts = Texts::new();
            // SAFETY: the update lives until done, `texts` as long as the arguments.
            let update = unsafe {
                let raw = &*self.update.0;
                let mut items = Vec::with_capacity(raw.items_count);
                for item in slice(raw.items, raw.items_count) {
                    items.push((
                        texts.text(item.key),
                        Item {
                            value: texts.text(item.value),
                            version: texts.text(item.version),
                            metadata: texts.pairs(item.metadata, item.metadata_count),
                        },
                    ));
                }
                Update { store: texts.text(raw.store), id: texts.text(raw.id), items }
            };
            let (taken,) = handle.call_async(&mut *exports.store, (update,)).await?;
            let why = taken.as_ref().err().map_or(Str::EMPTY, |why| Str::new(why.as_bytes()));
            // SAFETY: the C++ side keeps the function and `call` until done.
            unsafe { (self.answer)(self.call.0, taken.is_ok(), why) };
            Ok(())
        })
    }
}

struct Ask {
    answer: QuestionsFn,
    call: Foreign<Call>,
}

impl Job for Ask {
    fn run<'a>(self: Box<Self>, mut exports: Exports<'a>) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        Box::pin(async move {
            let ask = exports.function::<(), (Vec<Subscription>,)>(NAME, "subscriptions")?;
            let (all,) = ask.call_async(&mut *exports.store, ()).await?;
            let span = |text: &String| Str::new(text.as_bytes());
            let parts: Vec<(Vec<Str>, Vec<Header>)> =
                all.iter().map(|one| (one.keys.iter().map(span).collect(), headers_of(&one.metadata))).collect();
            let raw: Vec<RawQuestion> = all
                .iter()
                .zip(&parts)
                .map(|(one, (keys, metadata))| RawQuestion {
                    store: span(&one.store),
                    keys: keys.as_ptr(),
                    keys_count: keys.len(),
                    metadata: metadata.as_ptr(),
                    metadata_count: metadata.len(),
                })
                .collect();
            // SAFETY: as in Handle.
            unsafe { (self.answer)(self.call.0, raw.as_ptr(), raw.len()) };
            Ok(())
        })
    }
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_configuration_handle(
    instance: *mut Instance,
    update: *const RawUpdate,
    answer: TakenFn,
    call: Call,
) {
    fence((), || {
        let job = Handle { update: Foreign(update), answer, call: Foreign(call) };
        unsafe { &*instance }.start_job(Box::new(job), call);
    });
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_configuration_wishes(instance: *mut Instance, answer: QuestionsFn, call: Call) {
    fence((), || unsafe { &*instance }.start_job(Box::new(Ask { answer, call: Foreign(call) }), call));
}
