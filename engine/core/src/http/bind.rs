//! The host functions of wasi:http/types and wasi:http/outgoing-handler.
//!
//! Written against the linker, not generated: arguments stay in the guest's memory until they are used, and nothing is
//! boxed that need not be. Every 0.2.x import finds them (the linker matches by semver).

use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceType, WasmList, WasmStr};
use wasmtime::{Result, StoreContextMut, bail};
use wasmtime_wasi_io::poll::{Pollable, subscribe};
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream};

use super::body::{BodyError, BodyIn, BodyOut, InEnd, InStream, OutEnd, OutStream};
use super::call::{Answer, IncomingRequest, Request, Response, ResponseOutparam};
use super::exchange::{Exchange, Hold, Outgoing, Timeouts};
use super::fields::Fields;
use super::types::{ErrorCode, HeaderError, Method, Scheme};
use crate::confined::Shared;
use crate::ctx::Ctx;

pub const TYPES: &str = "wasi:http/types@0.2.12";
pub const OUTGOING: &str = "wasi:http/outgoing-handler@0.2.12";

/// A guest that holds more handles than this leaks them.
pub const MAX_HANDLES: usize = 100_000;

struct OutgoingRequest {
    method: Method,
    scheme: Option<Scheme>,
    authority: Option<String>,
    target: Option<String>,
    headers: Fields,
    body: Option<Shared<BodyOut>>,
}

struct OutgoingResponse {
    status: u16,
    headers: Fields,
    body: Option<Shared<BodyOut>>,
    head: bool,
}

#[derive(Default)]
struct RequestOptions(Timeouts);

struct IncomingResponse {
    status: u16,
    headers: Fields,
    body: Option<(Shared<BodyIn>, Hold)>,
}

struct IncomingBody {
    body: Shared<BodyIn>,
    /// Keeps the exchange going; the body of the request that is being answered has none.
    _hold: Option<Hold>,
    stream_taken: bool,
}

struct FutureTrailers {
    stream: InStream,
    taken: bool,
    _hold: Option<Hold>,
}

#[async_trait::async_trait]
impl Pollable for FutureTrailers {
    async fn ready(&mut self) {
        self.stream.ready().await;
    }
}

struct FutureResponse {
    hold: Hold,
    taken: bool,
}

#[async_trait::async_trait]
impl Pollable for FutureResponse {
    async fn ready(&mut self) {
        self.hold.ready().await;
    }
}

struct OutgoingBody(Shared<BodyOut>);

impl Drop for OutgoingBody {
    /// Dropped without finish: what was written must not look complete.
    fn drop(&mut self) {
        let mut body = self.0.borrow();
        if body.end.is_none() {
            body.end = Some(OutEnd::Cut);
        }
    }
}

type Store<'a> = StoreContextMut<'a, Ctx>;
type Nothing = Result<(), ()>;

fn resource<T: Send + 'static>(linker: &mut LinkerInstance<'_, Ctx>, name: &str) -> Result<()> {
    linker.resource(name, ResourceType::host::<T>(), |mut store, rep| {
        let ctx = store.data_mut();
        ctx.table.delete(Resource::<T>::new_own(rep))?;
        ctx.link.mark_dirty();
        Ok(())
    })
}

/// The handles of a call, which are in no table.
fn call_resource<T: Send + 'static>(linker: &mut LinkerInstance<'_, Ctx>, name: &str) -> Result<()> {
    linker.resource(name, ResourceType::host::<T>(), |mut store, _| {
        store.data_mut().call.close_handle();
        Ok(())
    })
}

pub fn add_to_linker(linker: &mut Linker<Ctx>) -> Result<()> {
    let mut types = linker.instance(TYPES)?;
    resource::<Fields>(&mut types, "fields")?;
    call_resource::<IncomingRequest>(&mut types, "incoming-request")?;
    resource::<OutgoingRequest>(&mut types, "outgoing-request")?;
    resource::<RequestOptions>(&mut types, "request-options")?;
    call_resource::<ResponseOutparam>(&mut types, "response-outparam")?;
    resource::<IncomingResponse>(&mut types, "incoming-response")?;
    resource::<IncomingBody>(&mut types, "incoming-body")?;
    resource::<FutureTrailers>(&mut types, "future-trailers")?;
    resource::<OutgoingResponse>(&mut types, "outgoing-response")?;
    resource::<OutgoingBody>(&mut types, "outgoing-body")?;
    resource::<FutureResponse>(&mut types, "future-incoming-response")?;
    types.func_wrap("http-error-code", |store: Store, (error,): (Resource<wasmtime::Error>,)| {
        let error = store.data().table.get(&error)?;
        let code = error.downcast_ref::<BodyError>().map(|body| ErrorCode::InternalError(Some(body.to_string())));
        Ok((code,))
    })?;
    add_fields(&mut types)?;
    add_incoming_request(&mut types)?;
    add_outgoing_request(&mut types)?;
    add_options(&mut types)?;
    add_incoming_response(&mut types)?;
    add_outgoing_response(&mut types)?;
    let mut outgoing = linker.instance(OUTGOING)?;
    outgoing.func_wrap("handle", handle)
}

fn add_fields(l: &mut LinkerInstance<'_, Ctx>) -> Result<()> {
    l.func_wrap("[constructor]fields", |mut store: Store, (): ()| {
        Ok((store.data_mut().table.push(Fields::default())?,))
    })?;
    l.func_wrap("[static]fields.from-list", |mut store: Store, (entries,): (Vec<(WasmStr, WasmList<u8>)>,)| {
        let mut fields = Fields::default();
        for (name, value) in &entries {
            let name = name.to_str(&store)?;
            if let Err(error) = fields.append(&name, value.as_le_slice(&store))? {
                return Ok((Err(error),));
            }
        }
        Ok((Ok::<_, HeaderError>(store.data_mut().table.push(fields)?),))
    })?;
    l.func_wrap("[method]fields.get", |store: Store, (this, name): (Resource<Fields>, WasmStr)| {
        let name = name.to_str(&store)?;
        Ok((store.data().table.get(&this)?.get(&name),))
    })?;
    l.func_wrap("[method]fields.has", |store: Store, (this, name): (Resource<Fields>, WasmStr)| {
        let name = name.to_str(&store)?;
        Ok((store.data().table.get(&this)?.has(&name),))
    })?;
    l.func_wrap(
        "[method]fields.set",
        |mut store: Store, (this, name, values): (Resource<Fields>, String, Vec<Vec<u8>>)| {
            Ok((store.data_mut().table.get_mut(&this)?.set(&name, &values)?,))
        },
    )?;
    l.func_wrap("[method]fields.delete", |mut store: Store, (this, name): (Resource<Fields>, String)| {
        Ok((store.data_mut().table.get_mut(&this)?.delete(&name),))
    })?;
    l.func_wrap(
        "[method]fields.append",
        |mut store: Store, (this, name, value): (Resource<Fields>, String, Vec<u8>)| {
            Ok((store.data_mut().table.get_mut(&this)?.append(&name, &value)?,))
        },
    )?;
    l.func_wrap("[method]fields.entries", |store: Store, (this,): (Resource<Fields>,)| {
        Ok((store.data().table.get(&this)?.entries().to_vec(),))
    })?;
    l.func_wrap("[method]fields.clone", |mut store: Store, (this,): (Resource<Fields>,)| {
        let table = &mut store.data_mut().table;
        let copy = table.get(&this)?.copy();
        Ok((table.push(copy)?,))
    })
}

/// The running request, or a trap for a handle from an earlier call.
fn running<'a>(store: &'a Store<'_>, this: &Resource<IncomingRequest>) -> Result<&'a Request> {
    let call = &store.data().call;
    match call.request() {
        Some(request) if call.is_running(this) => Ok(request),
        _ => bail!("an incoming-request is used after its call has ended"),
    }
}

fn add_incoming_request(l: &mut LinkerInstance<'_, Ctx>) -> Result<()> {
    l.func_wrap("[method]incoming-request.method", |store: Store, (this,): (Resource<IncomingRequest>,)| {
        // SAFETY: the request lives while its call runs; `running` has looked.
        Ok((Method::parse(unsafe { running(&store, &this)?.method.bytes() }),))
    })?;
    l.func_wrap("[method]incoming-request.path-with-query", |store: Store, (this,): (Resource<IncomingRequest>,)| {
        // SAFETY: as above.
        Ok((Some(unsafe { running(&store, &this)?.target.text() }),))
    })?;
    l.func_wrap("[method]incoming-request.scheme", |store: Store, (this,): (Resource<IncomingRequest>,)| {
        // SAFETY: as above.
        Ok((Some(Scheme::parse(unsafe { running(&store, &this)?.scheme.bytes() })),))
    })?;
    l.func_wrap("[method]incoming-request.authority", |store: Store, (this,): (Resource<IncomingRequest>,)| {
        // SAFETY: as above.
        let authority = unsafe { running(&store, &this)?.authority.text() };
        Ok(((!authority.is_empty()).then_some(authority),))
    })?;
    l.func_wrap("[method]incoming-request.headers", |mut store: Store, (this,): (Resource<IncomingRequest>,)| {
        let request = running(&store, &this)?;
        // SAFETY: as above.
        let fields = Fields::received(unsafe { crate::ffi::slice(request.headers, request.headers_count) });
        Ok((store.data_mut().table.push(fields)?,))
    })?;
    l.func_wrap("[method]incoming-request.consume", |mut store: Store, (this,): (Resource<IncomingRequest>,)| {
        running(&store, &this)?;
        let ctx = store.data_mut();
        let body = ctx.link.request_body();
        if !ctx.link.take_consume() {
            return Ok((Err(()),));
        }
        Ok((Ok(ctx.table.push(IncomingBody { body, _hold: None, stream_taken: false })?),))
    })?;
    l.func_wrap("[method]incoming-body.stream", |mut store: Store, (this,): (Resource<IncomingBody>,)| {
        let ctx = store.data_mut();
        let incoming = ctx.table.get_mut(&this)?;
        if std::mem::replace(&mut incoming.stream_taken, true) {
            return Ok((Err(()),));
        }
        let stream: DynInputStream = Box::new(InStream { body: incoming.body.clone(), link: ctx.link.clone() });
        Ok((Ok(ctx.table.push(stream)?),))
    })?;
    l.func_wrap("[static]incoming-body.finish", |mut store: Store, (this,): (Resource<IncomingBody>,)| {
        let ctx = store.data_mut();
        let incoming = ctx.table.delete(this)?;
        incoming.body.borrow().discard();
        ctx.link.mark_dirty();
        let stream = InStream { body: incoming.body.clone(), link: ctx.link.clone() };
        Ok((ctx.table.push(FutureTrailers { stream, taken: false, _hold: incoming._hold.clone() })?,))
    })?;
    l.func_wrap("[method]future-trailers.subscribe", |mut store: Store, (this,): (Resource<FutureTrailers>,)| {
        Ok((subscribe(&mut store.data_mut().table, this)?,))
    })?;
    l.func_wrap("[method]future-trailers.get", |mut store: Store, (this,): (Resource<FutureTrailers>,)| {
        type Trailers = Result<Result<Option<Resource<Fields>>, ErrorCode>, ()>;
        let table = &mut store.data_mut().table;
        let future = table.get_mut(&this)?;
        let end = future.stream.body.borrow().end.clone();
        let Some(end) = end else { return Ok((None::<Trailers>,)) };
        if std::mem::replace(&mut future.taken, true) {
            return Ok((Some(Err(())),));
        }
        Ok((Some(Ok(match end {
            InEnd::Complete(None) => Ok(None),
            InEnd::Complete(Some(fields)) => Ok(Some(table.push(fields)?)),
            InEnd::Broken => Err(ErrorCode::ConnectionTerminated),
        })),))
    })
}

fn add_outgoing_request(l: &mut LinkerInstance<'_, Ctx>) -> Result<()> {
    type This = Resource<OutgoingRequest>;
    l.func_wrap("[constructor]outgoing-request", |mut store: Store, (headers,): (Resource<Fields>,)| {
        let table = &mut store.data_mut().table;
        let headers = table.delete(headers)?;
        let request =
            OutgoingRequest { method: Method::Get, scheme: None, authority: None, target: None, headers, body: None };
        Ok((table.push(request)?,))
    })?;
    l.func_wrap("[method]outgoing-request.body", |mut store: Store, (this,): (This,)| {
        let table = &mut store.data_mut().table;
        let request = table.get_mut(&this)?;
        let (None, Ok(declared)) = (&request.body, request.headers.content_length()) else { return Ok((Err(()),)) };
        let body = Shared::<BodyOut>::default();
        body.borrow().declared = declared;
        request.body = Some(body.clone());
        Ok((Ok(table.push(OutgoingBody(body))?),))
    })?;
    l.func_wrap("[method]outgoing-request.method", |store: Store, (this,): (This,)| {
        Ok((store.data().table.get(&this)?.method.clone(),))
    })?;
    l.func_wrap("[method]outgoing-request.set-method", |mut store: Store, (this, method): (This, Method)| {
        let token = |name: &String| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_!#$%&'*+.^`|~".contains(&b))
        };
        if matches!(&method, Method::Other(name) if !token(name)) {
            return Ok((Nothing::Err(()),));
        }
        store.data_mut().table.get_mut(&this)?.method = method;
        Ok((Nothing::Ok(()),))
    })?;
    l.func_wrap("[method]outgoing-request.path-with-query", |store: Store, (this,): (This,)| {
        Ok((store.data().table.get(&this)?.target.clone(),))
    })?;
    l.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store: Store, (this, target): (This, Option<String>)| {
            if target.as_ref().is_some_and(|target| target.bytes().any(|byte| byte <= b' ' || byte == 0x7f)) {
                return Ok((Nothing::Err(()),));
            }
            store.data_mut().table.get_mut(&this)?.target = target;
            Ok((Nothing::Ok(()),))
        },
    )?;
    l.func_wrap("[method]outgoing-request.scheme", |store: Store, (this,): (This,)| {
        Ok((store.data().table.get(&this)?.scheme.clone(),))
    })?;
    l.func_wrap("[method]outgoing-request.set-scheme", |mut store: Store, (this, scheme): (This, Option<Scheme>)| {
        store.data_mut().table.get_mut(&this)?.scheme = scheme;
        Ok((Nothing::Ok(()),))
    })?;
    l.func_wrap("[method]outgoing-request.authority", |store: Store, (this,): (This,)| {
        Ok((store.data().table.get(&this)?.authority.clone(),))
    })?;
    l.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store: Store, (this, authority): (This, Option<String>)| {
            let bad = |authority: &String| {
                authority.bytes().any(|byte| byte <= b' ' || byte == 0x7f || byte == b'/' || byte == b'@')
            };
            if authority.as_ref().is_some_and(bad) {
                return Ok((Nothing::Err(()),));
            }
            store.data_mut().table.get_mut(&this)?.authority = authority;
            Ok((Nothing::Ok(()),))
        },
    )?;
    l.func_wrap("[method]outgoing-request.headers", |mut store: Store, (this,): (This,)| {
        let table = &mut store.data_mut().table;
        let headers = table.get(&this)?.headers.read_only();
        Ok((table.push(headers)?,))
    })
}

fn add_options(l: &mut LinkerInstance<'_, Ctx>) -> Result<()> {
    type This = Resource<RequestOptions>;
    l.func_wrap("[constructor]request-options", |mut store: Store, (): ()| {
        Ok((store.data_mut().table.push(RequestOptions::default())?,))
    })?;
    let get: [(&str, fn(&Timeouts) -> u64); 3] = [
        ("[method]request-options.connect-timeout", |t| t.connect_ns),
        ("[method]request-options.first-byte-timeout", |t| t.first_byte_ns),
        ("[method]request-options.between-bytes-timeout", |t| t.between_bytes_ns),
    ];
    for (name, field) in get {
        l.func_wrap(name, move |store: Store, (this,): (This,)| {
            let value = field(&store.data().table.get(&this)?.0);
            Ok(((value > 0).then_some(value),))
        })?;
    }
    let set: [(&str, fn(&mut Timeouts) -> &mut u64); 3] = [
        ("[method]request-options.set-connect-timeout", |t| &mut t.connect_ns),
        ("[method]request-options.set-first-byte-timeout", |t| &mut t.first_byte_ns),
        ("[method]request-options.set-between-bytes-timeout", |t| &mut t.between_bytes_ns),
    ];
    for (name, field) in set {
        l.func_wrap(name, move |mut store: Store, (this, value): (This, Option<u64>)| {
            *field(&mut store.data_mut().table.get_mut(&this)?.0) = value.unwrap_or(0);
            Ok((Nothing::Ok(()),))
        })?;
    }
    Ok(())
}

fn add_incoming_response(l: &mut LinkerInstance<'_, Ctx>) -> Result<()> {
    type This = Resource<IncomingResponse>;
    l.func_wrap("[method]incoming-response.status", |store: Store, (this,): (This,)| {
        Ok((store.data().table.get(&this)?.status,))
    })?;
    l.func_wrap("[method]incoming-response.headers", |mut store: Store, (this,): (This,)| {
        let table = &mut store.data_mut().table;
        let headers = table.get(&this)?.headers.read_only();
        Ok((table.push(headers)?,))
    })?;
    l.func_wrap("[method]incoming-response.consume", |mut store: Store, (this,): (This,)| {
        let table = &mut store.data_mut().table;
        let Some((body, hold)) = table.get_mut(&this)?.body.take() else { return Ok((Err(()),)) };
        Ok((Ok(table.push(IncomingBody { body, _hold: Some(hold), stream_taken: false })?),))
    })?;
    type Future = Resource<FutureResponse>;
    l.func_wrap("[method]future-incoming-response.subscribe", |mut store: Store, (this,): (Future,)| {
        Ok((subscribe(&mut store.data_mut().table, this)?,))
    })?;
    l.func_wrap("[method]future-incoming-response.get", |mut store: Store, (this,): (Future,)| {
        type Got = Result<Result<Resource<IncomingResponse>, ErrorCode>, ()>;
        let table = &mut store.data_mut().table;
        let future = table.get_mut(&this)?;
        if future.taken {
            return Ok((Some(Got::Err(())),));
        }
        let Some(head) = future.hold.exchange().take_head() else { return Ok((None,)) };
        future.taken = true;
        let hold = future.hold.clone();
        Ok((Some(Got::Ok(match head {
            Err(code) => Err(code),
            Ok((status, headers)) => {
                let body = Some((hold.exchange().body.clone(), hold));
                Ok(table.push(IncomingResponse { status, headers, body })?)
            }
        })),))
    })
}

fn add_outgoing_response(l: &mut LinkerInstance<'_, Ctx>) -> Result<()> {
    type This = Resource<OutgoingResponse>;
    l.func_wrap("[constructor]outgoing-response", |mut store: Store, (headers,): (Resource<Fields>,)| {
        let ctx = store.data_mut();
        let headers = ctx.table.delete(headers)?;
        // SAFETY: the request lives while its call runs.
        let head = ctx.call.request().is_some_and(|request| unsafe { request.method.bytes() } == b"HEAD");
        Ok((ctx.table.push(OutgoingResponse { status: 200, headers, body: None, head })?,))
    })?;
    l.func_wrap("[method]outgoing-response.status-code", |store: Store, (this,): (This,)| {
        Ok((store.data().table.get(&this)?.status,))
    })?;
    l.func_wrap("[method]outgoing-response.set-status-code", |mut store: Store, (this, status): (This, u16)| {
        if !(100..=999).contains(&status) {
            return Ok((Nothing::Err(()),));
        }
        store.data_mut().table.get_mut(&this)?.status = status;
        Ok((Nothing::Ok(()),))
    })?;
    l.func_wrap("[method]outgoing-response.headers", |mut store: Store, (this,): (This,)| {
        let table = &mut store.data_mut().table;
        let headers = table.get(&this)?.headers.read_only();
        Ok((table.push(headers)?,))
    })?;
    l.func_wrap("[method]outgoing-response.body", |mut store: Store, (this,): (This,)| {
        let ctx = store.data_mut();
        let body = ctx.call.new_out();
        let response = ctx.table.get_mut(&this)?;
        let (None, Ok(declared)) = (&response.body, response.headers.content_length()) else { return Ok((Err(()),)) };
        {
            let mut body = body.borrow();
            body.declared = declared;
            body.head = response.head;
        }
        response.body = Some(body.clone());
        Ok((Ok(ctx.table.push(OutgoingBody(body))?),))
    })?;
    l.func_wrap("[method]outgoing-body.write", |mut store: Store, (this,): (Resource<OutgoingBody>,)| {
        let ctx = store.data_mut();
        let body = ctx.table.get(&this)?.0.clone();
        if !body.borrow().take_stream() {
            return Ok((Err(()),));
        }
        let stream: DynOutputStream = Box::new(OutStream { body, link: ctx.link.clone() });
        Ok((Ok(ctx.table.push(stream)?),))
    })?;
    l.func_wrap(
        "[static]outgoing-body.finish",
        |mut store: Store, (this, trailers): (Resource<OutgoingBody>, Option<Resource<Fields>>)| {
            let ctx = store.data_mut();
            let trailers = trailers.map(|trailers| ctx.table.delete(trailers)).transpose()?;
            let body = ctx.table.delete(this)?;
            ctx.link.mark_dirty();
            let finished = body.0.borrow().finish(trailers);
            Ok((finished.map_err(|declared| ErrorCode::HttpResponseBodySize(Some(declared))),))
        },
    )?;
    l.func_wrap(
        "[static]response-outparam.set",
        |mut store: Store,
         (param, response): (Resource<ResponseOutparam>, Result<Resource<OutgoingResponse>, ErrorCode>)| {
            let ctx = store.data_mut();
            ctx.call.close_handle();
            if !ctx.call.is_running(&param) {
                bail!("a response-outparam is used after its call has ended");
            }
            let answer = match response {
                Err(code) => Answer::Error(format!("{code:?}")),
                Ok(response) => {
                    let OutgoingResponse { status, headers, body, head } = ctx.table.delete(response)?;
                    Answer::Response(Response { status, headers, body, head, head_sent: false, over: false })
                }
            };
            ctx.link.set_answer(answer);
            Ok(())
        },
    )
}

type Handled = Result<Resource<FutureResponse>, ErrorCode>;

fn handle(
    mut store: Store,
    (request, options): (Resource<OutgoingRequest>, Option<Resource<RequestOptions>>),
) -> Result<(Handled,)> {
    let ctx = store.data_mut();
    let timeouts = options.map(|options| ctx.table.delete(options)).transpose()?.unwrap_or_default().0;
    let request = ctx.table.delete(request)?;
    let Some(authority) = request.authority.filter(|authority| !authority.is_empty()) else {
        return Ok((Err(ErrorCode::HttpRequestUriInvalid),));
    };
    let outgoing = Outgoing {
        method: request.method,
        scheme: request.scheme,
        authority,
        target: request.target.unwrap_or_else(|| "/".into()),
        headers: request.headers,
        timeouts,
    };
    let exchange = Exchange::new(ctx.link.clone(), outgoing, request.body);
    ctx.link.add_exchange(exchange.clone());
    let future = FutureResponse { hold: Hold::new(exchange), taken: false };
    Ok((Ok(ctx.table.push(future)?),))
}
