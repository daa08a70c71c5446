//! tandem:dapr/binding-handler: events of input bindings.

use std::future::Future;
use std::pin::Pin;

use tandem_engine_core::ffi::{Header, Str, fence};
use tandem_engine_core::instance::Instance;
use tandem_engine_core::job::{Exports, Job};
use tandem_engine_core::linker::Handler;
use wasmtime::Result;
use wasmtime::component::{ComponentType, Lift};

use super::{Call, Foreign, Texts};

const NAME: &str = "tandem:dapr/binding-handler@0.1.0";

pub const HANDLER: Handler = Handler { interface: NAME, functions: &["bindings", "handle"] };

/// `tdm_binding_event`.
#[repr(C)]
pub struct RawEvent {
    binding: Str,
    data: Str,
    metadata: *const Header,
    metadata_count: usize,
}

/// `tdm_binding_response`.
#[repr(C)]
pub struct RawResponse {
    data: Str,
    to: *const Str,
    to_count: usize,
    parallel: bool,
}

type ResponseFn = unsafe extern "C" fn(Call, *const RawResponse, Str);
type NamesFn = unsafe extern "C" fn(Call, *const Str, usize);

type Parameters = (&'static str, &'static [u8], Vec<(&'static str, &'static str)>);

#[derive(Clone, Copy, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "guests make them")]
enum Order {
    #[component(name = "sequential")]
    Sequential,
    #[component(name = "parallel")]
    Parallel,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct Response {
    data: Vec<u8>,
    to: Vec<String>,
    order: Order,
}

fn spans(texts: &[String]) -> Vec<Str> {
    texts.iter().map(|text| Str::new(text.as_bytes())).collect()
}

struct Handle {
    event: Foreign<*const RawEvent>,
    answer: ResponseFn,
    call: Foreign<Call>,
}

impl Job for Handle {
    fn run<'a>(self: Box<Self>, mut exports: Exports<'a>) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        Box::pin(async move {
            let handle = exports.function::<Parameters, (Result<Response, String>,)>(NAME, "handle")?;
            let mut texts = Texts::new();
            // SAFETY: the event lives until done, `texts` as long as the arguments.
            let parameters = unsafe {
                let raw = &*self.event.0;
                (texts.text(raw.binding), raw.data.bytes(), texts.pairs(raw.metadata, raw.metadata_count))
            };
            let (response,) = handle.call_async(&mut *exports.store, parameters).await?;
            // SAFETY: the C++ side keeps the function and `call` until done.
            match response {
                Ok(response) => {
                    let to = spans(&response.to);
                    let raw = RawResponse {
                        data: Str::new(&response.data),
                        to: to.as_ptr(),
                        to_count: to.len(),
                        parallel: response.order == Order::Parallel,
                    };
                    unsafe { (self.answer)(self.call.0, &raw, Str::EMPTY) };
                }
                Err(why) => unsafe { (self.answer)(self.call.0, std::ptr::null(), Str::new(why.as_bytes())) },
            }
            Ok(())
        })
    }
}

struct Ask {
    answer: NamesFn,
    call: Foreign<Call>,
}

impl Job for Ask {
    fn run<'a>(self: Box<Self>, mut exports: Exports<'a>) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        Box::pin(async move {
            let ask = exports.function::<(), (Vec<String>,)>(NAME, "bindings")?;
            let (names,) = ask.call_async(&mut *exports.store, ()).await?;
            let raw = spans(&names);
            // SAFETY: as in Handle.
            unsafe { (self.answer)(self.call.0, raw.as_ptr(), raw.len()) };
            Ok(())
        })
    }
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_binding_handle(
    instance: *mut Instance,
    event: *const RawEvent,
    answer: ResponseFn,
    call: Call,
) {
    fence((), || {
        let job = Handle { event: Foreign(event), answer, call: Foreign(call) };
        unsafe { &*instance }.start_job(Box::new(job), call);
    });
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_binding_names(instance: *mut Instance, answer: NamesFn, call: Call) {
    fence((), || unsafe { &*instance }.start_job(Box::new(Ask { answer, call: Foreign(call) }), call));
}
