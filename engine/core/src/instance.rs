//! A running copy of a program: one future that lives as long as the instance and is polled by its worker.
//!
//! Nothing is spawned and nothing is boxed for a request. The future starts the guest, waits for a call, runs it, and waits
//! for the next one; [`Link`] is what it shares with the C++ side. What the guest produced leaves at the end of each poll,
//! so that an answer written in several steps is one event, and no callback runs while the state is borrowed.

use std::cell::{Cell, RefCell, RefMut};
use std::ffi::c_void;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use wasmtime::component::{Resource, TypedFunc};
use wasmtime::{Store, UpdateDeadline, bail};

use crate::confined::{Confined, Shared};
use crate::core_module::{self, CoreCall};
use crate::ctx::Ctx;
use crate::ffi::{Error, ErrorKind, Header, Str, panic_text};
use crate::http::body::{BodyIn, BodyOut};
use crate::http::call::{Answer, Foreign, IncomingRequest, Request, Response, ResponseOutparam, flush_answer};
use crate::http::exchange::{Exchange, Timeouts};
use crate::http::fields::Fields;
use crate::job::{Export, Exports, Found, Job};
use crate::program::{Entry, Inner, Program};
use crate::waker::InstanceWaker;

type User = *mut c_void;

/// `tdm_instance_events`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Events {
    wake: unsafe extern "C" fn(User),
    release_waker: unsafe extern "C" fn(User),
    log: unsafe extern "C" fn(User, i32, Str),
    answer: unsafe extern "C" fn(User, User, u16, *const Header, usize, Str, bool),
    answer_error: unsafe extern "C" fn(User, User, Str),
    answer_body: unsafe extern "C" fn(User, User, Str),
    answer_end: unsafe extern "C" fn(User, User, *const Header, usize),
    answer_cut: unsafe extern "C" fn(User, User),
    want_body: unsafe extern "C" fn(User, User),
    done: unsafe extern "C" fn(User, User, i32, bool, *const Error),
    http_send: unsafe extern "C" fn(User, *const Exchange, *const Request, *const Timeouts),
    http_body: unsafe extern "C" fn(User, *const Exchange, Str),
    http_body_end: unsafe extern "C" fn(User, *const Exchange, bool, *const Header, usize),
    http_want_body: unsafe extern "C" fn(User, *const Exchange),
    http_cancel: unsafe extern "C" fn(User, *const Exchange),
}

/// `enum tdm_outcome`.
const RETURNED: i32 = 1;
const FAILED: i32 = 2;

/// `enum tdm_poll`.
const PENDING: i32 = 1;
const IDLE: i32 = 2;
pub(crate) const DEAD: i32 = 3;

/// Calls between two looks at how many handles a guest holds: a leak grows over many calls, and counting walks them all.
const COUNT_HANDLES_EVERY: u64 = 64;

/// Times that one poll looks again because the C++ side answered in place, before others get their turn.
const MAX_ROUNDS: usize = 64;

/// What the guest's side and the C++ side of an instance share.
pub struct Link {
    events: Events,
    user: User,
    waker: Arc<InstanceWaker>,
    state: Confined<State>,
    /// Something may have to leave at the end of the poll.
    dirty: AtomicBool,
    /// The guest's time slice is over.
    yielded: AtomicBool,
    pub(crate) memory_bytes: AtomicU64,
    pub(crate) resources: AtomicUsize,
}

// SAFETY: `user` and `call` are only handed back to the C++ side, on the thread that polls the instance.
unsafe impl Send for Link {}
// SAFETY: as above.
unsafe impl Sync for Link {}

pub(crate) struct State {
    next: Option<Next>,
    call: User,
    running: bool,
    finished: Option<Finish>,
    pub(crate) answer: Answer,
    /// The body of the answer while a piece of it is handed over: `answer` is not here then, and the C++ side may say in
    /// place that the piece is drained or that nobody wants it.
    sending: Option<Shared<BodyOut>>,
    pub(crate) body: Shared<BodyIn>,
    /// A command's stdout.
    output: Shared<BodyOut>,
    /// The export and arguments of a core module's call, then its results.
    pub(crate) core: CoreCall,
    consumed: bool,
    pub(crate) discard: bool,
    exchanges: Vec<Arc<Exchange>>,
    idle: Option<Waker>,
}

// SAFETY: as for Link.
unsafe impl Send for State {}

impl State {
    /// The body of the answer, also while it is being flushed.
    pub(crate) fn answer_body(&self) -> Option<Shared<BodyOut>> {
        match &self.answer {
            Answer::Response(response) => response.body.clone(),
            _ => self.sending.clone(),
        }
    }
}

/// What an idle instance is given to do.
pub(crate) enum Next {
    Request(Foreign<Request>),
    Job(Box<dyn Job>),
}

enum Finish {
    Returned,
    Failed(Error),
}

impl Link {
    pub fn user(&self) -> User {
        self.user
    }

    pub(crate) fn state(&self) -> RefMut<'_, State> {
        self.state.borrow()
    }

    pub fn mark_dirty(&self) {
        self.dirty.store(true, Ordering::Relaxed);
    }

    /// Makes the owner poll again.
    pub fn wake(&self) {
        self.waker.fire();
    }

    pub fn request_body(&self) -> Shared<BodyIn> {
        self.state().body.clone()
    }

    /// Where a command's stdout goes; the same for all of its handles.
    pub fn command_output(&self) -> Shared<BodyOut> {
        self.state().output.clone()
    }

    /// A command answers from its first moment: 200, with what it writes to stdout.
    fn begin_command(&self) {
        let output = Shared::<BodyOut>::default();
        self.state().output = output.clone();
        self.set_answer(Answer::Response(Response {
            status: 200,
            headers: Fields::default(),
            body: Some(output),
            head: false,
            head_sent: false,
            over: false,
        }));
    }

    fn end_command(&self) {
        // Without a Content-Length there is nothing that finish could find wrong.
        let _ = self.state().output.borrow().finish(None);
        self.mark_dirty();
    }

    pub fn set_answer(&self, answer: Answer) {
        let mut state = self.state();
        if state.discard
            && let Answer::Response(Response { body: Some(body), .. }) = &answer
        {
            discard_body(body);
        }
        state.answer = answer;
        drop(state);
        self.mark_dirty();
    }

    /// True for the first consume of a call's request.
    pub fn take_consume(&self) -> bool {
        !std::mem::replace(&mut self.state().consumed, true)
    }

    pub fn add_exchange(&self, exchange: Arc<Exchange>) {
        self.state().exchanges.push(exchange);
        self.mark_dirty();
    }

    // The events. SAFETY for all: the C++ side keeps its functions and `user` valid for the life of the instance.

    pub fn log(&self, stream: i32, line: Str) {
        unsafe { (self.events.log)(self.user, stream, line) };
    }
    fn call(&self) -> User {
        self.state().call
    }
    /// A piece of this body is about to be handed over, and more will follow.
    pub fn begin_sending(&self, body: &Shared<BodyOut>) {
        self.state().sending.get_or_insert_with(|| body.clone());
    }
    pub fn answer(&self, status: u16, headers: &[Header], body: Str, whole: bool) {
        unsafe { (self.events.answer)(self.user, self.call(), status, headers.as_ptr(), headers.len(), body, whole) };
    }
    pub fn answer_error(&self, name: Str) {
        unsafe { (self.events.answer_error)(self.user, self.call(), name) };
    }
    pub fn answer_body(&self, piece: Str) {
        unsafe { (self.events.answer_body)(self.user, self.call(), piece) };
    }
    pub fn answer_end(&self, trailers: &[Header]) {
        unsafe { (self.events.answer_end)(self.user, self.call(), trailers.as_ptr(), trailers.len()) };
    }
    pub fn answer_cut(&self) {
        unsafe { (self.events.answer_cut)(self.user, self.call()) };
    }
    pub fn http_send(&self, exchange: *const Exchange, request: &Request, timeouts: &Timeouts) {
        unsafe { (self.events.http_send)(self.user, exchange, request, timeouts) };
    }
    pub fn http_body(&self, exchange: *const Exchange, piece: Str) {
        unsafe { (self.events.http_body)(self.user, exchange, piece) };
    }
    pub fn http_body_end(&self, exchange: *const Exchange, complete: bool, trailers: &[Header]) {
        unsafe { (self.events.http_body_end)(self.user, exchange, complete, trailers.as_ptr(), trailers.len()) };
    }
    pub fn http_want_body(&self, exchange: *const Exchange) {
        unsafe { (self.events.http_want_body)(self.user, exchange) };
    }
    pub fn http_cancel(&self, exchange: *const Exchange) {
        unsafe { (self.events.http_cancel)(self.user, exchange) };
    }

    /// Lets everything leave that can. Called between polls of the guest, never during one.
    fn flush(&self) {
        if self.dirty.swap(false, Ordering::Relaxed) {
            self.flush_exchanges();
            let mut answer = std::mem::take(&mut self.state().answer);
            flush_answer(self, &mut answer, false, false);
            let (want, call) = {
                let mut state = self.state();
                state.answer = answer;
                state.sending = None;
                let want = state.body.borrow().take_want();
                (want, state.call)
            };
            if want {
                // SAFETY: as for all events.
                unsafe { (self.events.want_body)(self.user, call) };
            }
        }
        let finished = self.state().finished.take();
        if let Some(finish) = finished {
            self.finish(finish);
        }
    }

    fn flush_exchanges(&self) {
        let exchanges = std::mem::take(&mut self.state().exchanges);
        if exchanges.is_empty() {
            return;
        }
        let kept: Vec<Arc<Exchange>> = exchanges.into_iter().filter(|exchange| exchange.flush(self)).collect();
        let mut state = self.state();
        let added = std::mem::replace(&mut state.exchanges, kept);
        state.exchanges.extend(added);
    }

    /// The end of a call: the last of the answer, then done.
    fn finish(&self, finish: Finish) {
        let mut answer = std::mem::take(&mut self.state().answer);
        let trapped = matches!(finish, Finish::Failed(_));
        let answered = flush_answer(self, &mut answer, true, trapped);
        let call = {
            let mut state = self.state();
            state.running = false;
            state.sending = None;
            state.call
        };
        let (outcome, error) = match &finish {
            Finish::Returned => (RETURNED, std::ptr::null()),
            Finish::Failed(error) => (FAILED, error as *const Error),
        };
        // SAFETY: as for all events.
        unsafe { (self.events.done)(self.user, call, outcome, answered, error) };
    }
}

/// The client has gone: a guest that waits for room in the answer goes on.
pub(crate) fn discard_body(body: &Shared<BodyOut>) {
    let mut body = body.borrow();
    body.discard = true;
    body.buffer.clear();
    body.wake();
}

/// `tdm_instance`. Shared references only: the C++ side may call in while it is called from a poll.
pub struct Instance {
    /// Ends only when the instance is dead. Borrowed for the length of a poll.
    driver: RefCell<Option<Pin<Box<dyn Future<Output = Error>>>>>,
    link: Arc<Link>,
    waker: Waker,
    program: Arc<Inner>,
    /// The last poll ended in the middle of the guest's work, and nothing of it has left yet.
    held: Cell<bool>,
}

impl Instance {
    pub(crate) fn new(program: &Program, events: Events, user: User, waker: User) -> Result<Instance, Error> {
        let inner = program.inner.clone();
        if !inner.engine.budget.has_room(inner.start_bytes.load(Ordering::Relaxed)) {
            return Err(Error::new(ErrorKind::Limit, "the memory of all guests together is used up: try again later"));
        }
        let waker = Arc::new(InstanceWaker::new(waker, events.wake, events.release_waker));
        let link = Arc::new(Link {
            events,
            user,
            waker: waker.clone(),
            state: Confined::new(State {
                next: None,
                call: std::ptr::null_mut(),
                running: false,
                finished: None,
                answer: Answer::None,
                sending: None,
                body: Shared::default(),
                output: Shared::default(),
                core: CoreCall::default(),
                consumed: false,
                discard: false,
                exchanges: Vec::new(),
                idle: None,
            }),
            dirty: AtomicBool::new(false),
            yielded: AtomicBool::new(false),
            memory_bytes: AtomicU64::new(0),
            resources: AtomicUsize::new(0),
        });
        let ctx = inner.new_ctx(link.clone()).map_err(|error| Error::from_wasmtime(&error))?;
        let mut store = Store::new(&inner.engine.wasmtime, ctx);
        store.limiter(|ctx| &mut ctx.limits);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            store.data().link.yielded.store(true, Ordering::Relaxed);
            Ok(UpdateDeadline::Yield(1))
        });
        let driver = drive(inner.clone(), store, link.clone());
        Ok(Instance {
            driver: RefCell::new(Some(Box::pin(driver))),
            link,
            waker: waker.into(),
            program: inner,
            held: Cell::new(false),
        })
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    pub(crate) fn start(&self, request: Foreign<Request>, body: BodyIn, call: User) {
        self.begin(Next::Request(request), body, call);
    }

    /// Gives an idle instance a call of an export that is not wasi:http's; for programs that have it.
    pub fn start_job(&self, job: Box<dyn Job>, call: User) {
        self.begin(Next::Job(job), BodyIn::default(), call);
    }

    fn begin(&self, next: Next, body: BodyIn, call: User) {
        let mut state = self.link.state();
        state.next = Some(next);
        state.call = call;
        state.answer = Answer::None;
        match Arc::get_mut(&mut state.body) {
            Some(spare) => *spare = Confined::new(body),
            None => state.body = Arc::new(Confined::new(body)),
        }
        state.consumed = false;
        state.discard = false;
        if let Some(waker) = state.idle.take() {
            drop(state);
            waker.wake();
        }
    }

    pub(crate) fn poll(&self) -> i32 {
        let Ok(mut slot) = self.driver.try_borrow_mut() else { return PENDING };
        let Some(driver) = slot.as_mut() else { return DEAD };
        let _entered = self.program.engine.tokio.enter();
        let mut context = Context::from_waker(&self.waker);
        for _ in 0..MAX_ROUNDS {
            self.link.waker.begin();
            let polled = catch_unwind(AssertUnwindSafe(|| driver.as_mut().poll(&mut context)))
                .unwrap_or_else(|panic| Poll::Ready(Error::new(ErrorKind::Panic, panic_text(panic))));
            if let Poll::Ready(error) = polled {
                *slot = None;
                let mut state = self.link.state();
                if state.finished.is_none() && (state.running || state.next.take().is_some()) {
                    state.finished = Some(Finish::Failed(error));
                }
                drop(state);
                self.link.mark_dirty();
                self.link.flush();
                return DEAD;
            }
            let yielded = self.link.yielded.swap(false, Ordering::Relaxed);
            // A slice that ends between an answer's head and its end would make two writes of one: what is there leaves
            // at the end of the next slice at the latest.
            let hold = yielded && !self.held.get();
            self.held.set(hold);
            if !hold {
                self.link.flush();
            }
            if yielded {
                self.link.waker.reschedule();
                return PENDING;
            }
            if self.link.waker.rest() {
                // A command's call is its whole life; the future ends with it, in this poll or the next.
                return if self.link.state().running || self.link.state().next.is_some() { PENDING } else { IDLE };
            }
        }
        self.link.waker.reschedule();
        PENDING
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _entered = self.program.engine.tokio.enter();
        let driver = self.driver.get_mut().take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(driver)));
        self.link.flush_exchanges();
    }
}

/// Starts the guest and runs its calls, one after the other, until something kills it.
async fn drive(program: Arc<Inner>, mut store: Store<Ctx>, link: Arc<Link>) -> Error {
    let result = match &program.entry {
        Entry::Serve(pre, http, exports) => serve(&mut store, &link, pre, *http, exports, &program.start_bytes).await,
        Entry::Command(pre, index) => run_command(&mut store, &link, pre, *index).await,
        Entry::P1(pre) => run_p1(&mut store, &link, pre).await,
        Entry::Core(pre) => core_module::serve(&mut store, &link, pre).await,
    };
    store.data().flush_logs();
    match result {
        Ok(()) => Error::new(ErrorKind::Engine, "the instance is over"),
        Err(error) => Error::from_wasmtime(&error),
    }
}

async fn serve(
    store: &mut Store<Ctx>,
    link: &Arc<Link>,
    pre: &wasmtime::component::InstancePre<Ctx>,
    http: Option<wasmtime::component::ComponentExportIndex>,
    exports: &[Export],
    start_bytes: &AtomicUsize,
) -> wasmtime::Result<()> {
    let instance = pre.instantiate_async(&mut *store).await?;
    start_bytes.store(store.data().limits.memory_bytes, Ordering::Relaxed);
    type Handle = TypedFunc<(Resource<IncomingRequest>, Resource<ResponseOutparam>), ()>;
    let handle: Option<Handle> = match http {
        Some(index) => Some(instance.get_typed_func(&mut *store, &index)?),
        None => None,
    };
    let mut found: Found = exports.iter().map(|_| None).collect();
    loop {
        match next_call(link).await {
            Next::Request(request) => {
                let Some(handle) = handle else { bail!("the guest does not export wasi:http/incoming-handler") };
                let arguments = {
                    let ctx = store.data_mut();
                    ctx.call.begin(request);
                    ctx.call.open_handles()
                };
                store.set_epoch_deadline(1);
                handle.call_async(&mut *store, arguments).await?;
            }
            Next::Job(job) => {
                store.data_mut().call.begin_job();
                store.set_epoch_deadline(1);
                job.run(Exports { store, instance: &instance, exports, found: &mut found }).await?;
            }
        }
        end_call(store, link);
    }
}

pub(crate) fn end_call(store: &mut Store<Ctx>, link: &Arc<Link>) {
    let ctx = store.data_mut();
    ctx.call.end();
    ctx.keep.clear();
    ctx.flush_logs();
    link.memory_bytes.store(ctx.limits.memory_bytes as u64, Ordering::Relaxed);
    if ctx.call.number.is_multiple_of(COUNT_HANDLES_EVERY) {
        link.resources.store(ctx.table.iter_mut().count() + ctx.call.open_handle_count(), Ordering::Relaxed);
    }
    link.state().finished = Some(Finish::Returned);
    link.mark_dirty();
}

async fn run_command(
    store: &mut Store<Ctx>,
    link: &Arc<Link>,
    pre: &wasmtime::component::InstancePre<Ctx>,
    index: wasmtime::component::ComponentExportIndex,
) -> wasmtime::Result<()> {
    let _request = next_call(link).await;
    link.begin_command();
    let instance = pre.instantiate_async(&mut *store).await?;
    let run = instance.get_typed_func::<(), (Result<(), ()>,)>(&mut *store, &index)?;
    let ended = match run.call_async(&mut *store, ()).await {
        Ok((Ok(()),)) => Ok(()),
        Ok((Err(()),)) => Err(wasmtime_wasi::I32Exit(1).into()),
        Err(error) => Err(error),
    };
    command_ended(store, link, ended)
}

async fn run_p1(store: &mut Store<Ctx>, link: &Arc<Link>, pre: &wasmtime::InstancePre<Ctx>) -> wasmtime::Result<()> {
    let _request = next_call(link).await;
    link.begin_command();
    let instance = pre.instantiate_async(&mut *store).await?;
    let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
    let ended = start.call_async(&mut *store, ()).await;
    command_ended(store, link, ended)
}

/// An exit with status 0 is a return.
fn command_ended(store: &mut Store<Ctx>, link: &Arc<Link>, ended: wasmtime::Result<()>) -> wasmtime::Result<()> {
    match ended {
        Err(error) if error.downcast_ref::<wasmtime_wasi::I32Exit>().is_none_or(|exit| exit.0 != 0) => Err(error),
        _ => {
            link.end_command();
            end_call(store, link);
            Ok(())
        }
    }
}

pub(crate) async fn next_call(link: &Arc<Link>) -> Next {
    poll_fn(|cx| {
        let mut state = link.state();
        // The end of the call before is told first.
        if state.finished.is_none()
            && let Some(next) = state.next.take()
        {
            state.running = true;
            return Poll::Ready(next);
        }
        state.idle = Some(cx.waker().clone());
        Poll::Pending
    })
    .await
}
