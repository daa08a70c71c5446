//! `tdm_reply`: where the C++ side answers a call of the guest, in place or later, and the bytes that come back.

use std::ffi::c_void;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tandem_engine_core::ctx::Ctx;
use tandem_engine_core::ffi::{Header, Str, fence, slice};
use wasmtime::Result;

use crate::types::Error;

/// `tdm_bytes`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RawBytes {
    ptr: *const u8,
    len: usize,
    owner: *mut c_void,
    release: Option<unsafe extern "C" fn(*mut c_void)>,
}

/// Bytes of the C++ side, given back when dropped.
pub struct ForeignBytes(RawBytes);

// SAFETY: the header says that `release` may be called on any thread that has the instance or the answer.
unsafe impl Send for ForeignBytes {}
// SAFETY: the bytes do not change while they are held.
unsafe impl Sync for ForeignBytes {}

impl ForeignBytes {
    /// # Safety
    /// `raw` is what the header says of tdm_bytes, and is not used again.
    pub unsafe fn new(raw: RawBytes) -> ForeignBytes {
        ForeignBytes(raw)
    }

    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: the owner keeps the bytes until release.
        unsafe { Str { ptr: self.0.ptr, len: self.0.len }.bytes() }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.as_slice()).into_owned()
    }

    /// The bytes as a result that is lowered right after the host function has returned it. `ctx.keep` holds the owner
    /// until the instance's next call or its end: long enough, because nothing else can look at the slice.
    pub fn lend(self, ctx: &mut Ctx) -> &'static [u8] {
        // SAFETY: see above; the owner moves to the heap, the bytes stay where they are.
        let bytes = unsafe { Str { ptr: self.0.ptr, len: self.0.len }.bytes() };
        if self.0.release.is_some() {
            ctx.keep.push(Box::new(self));
        }
        bytes
    }
}

impl Drop for ForeignBytes {
    fn drop(&mut self) {
        if let Some(release) = self.0.release {
            // SAFETY: once, as the header says.
            unsafe { release(self.0.owner) };
        }
    }
}

pub type Pairs = Vec<(String, String)>;

pub struct Item {
    pub value: ForeignBytes,
    pub etag: Option<String>,
    pub metadata: Pairs,
}

pub struct BulkItem {
    pub key: String,
    pub item: Result<Option<Item>, Error>,
}

/// A page of keys. None: it is the last.
pub struct Keys {
    pub keys: Vec<String>,
    pub next: Option<(String, u64)>,
}

pub struct FailedEntry {
    pub entry_id: String,
    pub error: Error,
}

pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: ForeignBytes,
}

/// What the C++ side answered.
pub enum Outcome {
    Error(Error),
    Done,
    Value(Option<ForeignBytes>),
    Item(Option<Item>),
    Items(Vec<BulkItem>),
    Keys(Keys),
    Failures(Vec<FailedEntry>),
    Response(Box<Response>),
}

impl Outcome {
    fn other_kind<T>(self) -> Result<T, Error> {
        match self {
            Outcome::Error(error) => Err(error),
            _ => Err(Error::internal("the host answered a call with the answer to another one")),
        }
    }

    pub fn done(self) -> Result<(), Error> {
        match self {
            Outcome::Done => Ok(()),
            other => other.other_kind(),
        }
    }

    pub fn value(self) -> Result<Option<ForeignBytes>, Error> {
        match self {
            Outcome::Value(value) => Ok(value),
            other => other.other_kind(),
        }
    }

    pub fn item(self) -> Result<Option<Item>, Error> {
        match self {
            Outcome::Item(item) => Ok(item),
            other => other.other_kind(),
        }
    }

    pub fn items(self) -> Result<Vec<BulkItem>, Error> {
        match self {
            Outcome::Items(items) => Ok(items),
            other => other.other_kind(),
        }
    }

    pub fn keys(self) -> Result<Keys, Error> {
        match self {
            Outcome::Keys(keys) => Ok(keys),
            other => other.other_kind(),
        }
    }

    pub fn failures(self) -> Result<Vec<FailedEntry>, Error> {
        match self {
            Outcome::Failures(entries) => Ok(entries),
            other => other.other_kind(),
        }
    }

    pub fn response(self) -> Result<Response, Error> {
        match self {
            Outcome::Response(response) => Ok(*response),
            other => other.other_kind(),
        }
    }
}

enum Slot {
    Waiting(Option<Waker>),
    Answered(Outcome),
    /// Taken, or nobody waits any more.
    Over,
}

/// `tdm_reply`. The C++ side holds one count, the guest's call the other.
pub struct Reply {
    slot: Mutex<Slot>,
}

impl Reply {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn answer(&self, outcome: Outcome) {
        let mut slot = self.slot();
        match &mut *slot {
            Slot::Waiting(waker) => {
                let waker = waker.take();
                *slot = Slot::Answered(outcome);
                drop(slot);
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            // `outcome` is released after the lock.
            Slot::Answered(_) | Slot::Over => drop(slot),
        }
    }
}

/// The C++ side's count of a reply, before it is handed over.
pub struct Ticket(Arc<Reply>);

impl Ticket {
    pub fn into_raw(self) -> *const Reply {
        Arc::into_raw(self.0)
    }
}

/// A call that the C++ side will answer.
pub struct Pending(Arc<Reply>);

impl Pending {
    fn take(&self) -> Option<Outcome> {
        let mut slot = self.0.slot();
        match std::mem::replace(&mut *slot, Slot::Over) {
            Slot::Answered(outcome) => Some(outcome),
            other => {
                *slot = other;
                None
            }
        }
    }
}

impl Future for Pending {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut slot = self.0.slot();
        match std::mem::replace(&mut *slot, Slot::Over) {
            Slot::Answered(outcome) => Poll::Ready(outcome),
            _ => {
                *slot = Slot::Waiting(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // What was answered and not taken is released after the lock.
        let left = std::mem::replace(&mut *self.0.slot(), Slot::Over);
        drop(left);
    }
}

pub enum Started {
    Now(Outcome),
    Later(Pending),
}

impl Started {
    pub async fn outcome(self) -> Outcome {
        match self {
            Started::Now(outcome) => outcome,
            Started::Later(pending) => pending.await,
        }
    }
}

/// Makes a reply, lets `call` hand it to the C++ side, and looks whether the answer is there already.
pub fn begin(call: impl FnOnce(Ticket) -> Result<()>) -> Result<Started> {
    let reply = Arc::new(Reply { slot: Mutex::new(Slot::Waiting(None)) });
    call(Ticket(reply.clone()))?;
    let pending = Pending(reply);
    Ok(match pending.take() {
        Some(outcome) => Started::Now(outcome),
        None => Started::Later(pending),
    })
}

// ---- the C side --------------------------------------------------------------------------------------------------------

/// `tdm_item`.
#[repr(C)]
pub struct RawItem {
    value: RawBytes,
    etag: Str,
    metadata: *const Header,
    metadata_count: usize,
}

/// `tdm_bulk_item`.
#[repr(C)]
pub struct RawBulkItem {
    key: Str,
    found: bool,
    item: RawItem,
    error_code: i32,
    error_reason: Str,
    error_message: Str,
}

/// `tdm_failed_entry`.
#[repr(C)]
pub struct RawFailedEntry {
    entry_id: Str,
    error_code: i32,
    error_reason: Str,
    error_message: Str,
}

/// # Safety
/// For all functions below: the arguments are what tandem_wit.h says of them.
unsafe fn error(code: i32, reason: Str, message: Str) -> Error {
    unsafe { Error::new(code, reason.text(), message.text()) }
}

unsafe fn item(raw: &RawItem) -> Item {
    let metadata = unsafe { slice(raw.metadata, raw.metadata_count) };
    Item {
        value: unsafe { ForeignBytes::new(raw.value) },
        etag: (!raw.etag.ptr.is_null()).then(|| unsafe { raw.etag.text() }),
        metadata: metadata.iter().map(|pair| unsafe { (pair.name.text(), pair.value.text()) }).collect(),
    }
}

unsafe fn bulk_item(raw: &RawBulkItem) -> BulkItem {
    let found = || raw.found.then(|| unsafe { item(&raw.item) });
    let failed = || unsafe { error(raw.error_code, raw.error_reason, raw.error_message) };
    BulkItem { key: unsafe { raw.key.text() }, item: if raw.error_code == 0 { Ok(found()) } else { Err(failed()) } }
}

/// Takes the C++ side's count back and answers.
unsafe fn answer(reply: *const Reply, outcome: impl FnOnce() -> Outcome) {
    fence((), || {
        let reply = unsafe { Arc::from_raw(reply) };
        reply.answer(outcome());
    });
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_reply_error(reply: *const Reply, code: i32, reason: Str, message: Str) {
    unsafe { answer(reply, || Outcome::Error(error(code, reason, message))) };
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_reply_done(reply: *const Reply) {
    unsafe { answer(reply, || Outcome::Done) };
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_reply_value(reply: *const Reply, value: *const RawBytes) {
    unsafe { answer(reply, || Outcome::Value(value.as_ref().map(|raw| ForeignBytes::new(*raw)))) };
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_reply_item(reply: *const Reply, raw: *const RawItem) {
    unsafe { answer(reply, || Outcome::Item(raw.as_ref().map(|raw| item(raw)))) };
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_reply_items(reply: *const Reply, items: *const RawBulkItem, count: usize) {
    unsafe { answer(reply, || Outcome::Items(slice(items, count).iter().map(|raw| bulk_item(raw)).collect())) };
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_reply_keys(
    reply: *const Reply,
    keys: *const Str,
    count: usize,
    more: bool,
    last: Str,
    next: u64,
) {
    let outcome = || unsafe {
        let keys = slice(keys, count).iter().map(|key| key.text()).collect();
        Outcome::Keys(Keys { keys, next: more.then(|| (last.text(), next)) })
    };
    unsafe { answer(reply, outcome) };
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_reply_failures(reply: *const Reply, entries: *const RawFailedEntry, count: usize) {
    let failed = |raw: &RawFailedEntry| unsafe {
        FailedEntry { entry_id: raw.entry_id.text(), error: error(raw.error_code, raw.error_reason, raw.error_message) }
    };
    unsafe { answer(reply, || Outcome::Failures(slice(entries, count).iter().map(failed).collect())) };
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_reply_response(
    reply: *const Reply,
    status: u16,
    headers: *const Header,
    headers_count: usize,
    body: RawBytes,
) {
    let header = |header: &Header| unsafe { (header.name.text(), header.value.bytes().to_vec()) };
    let outcome = || unsafe {
        let body = ForeignBytes::new(body);
        let headers = slice(headers, headers_count).iter().map(header).collect();
        Outcome::Response(Box::new(Response { status, headers, body }))
    };
    unsafe { answer(reply, outcome) };
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    unsafe extern "C" fn count_release(owner: *mut c_void) {
        unsafe { &*owner.cast::<AtomicUsize>() }.fetch_add(1, Ordering::SeqCst);
    }

    fn bytes(text: &'static str, released: &AtomicUsize) -> RawBytes {
        let owner = std::ptr::from_ref(released).cast_mut().cast();
        RawBytes { ptr: text.as_ptr(), len: text.len(), owner, release: Some(count_release) }
    }

    fn poll(pending: &mut Pending, wakes: &Arc<Wakes>) -> Poll<Outcome> {
        let waker = Waker::from(wakes.clone());
        Pin::new(pending).poll(&mut Context::from_waker(&waker))
    }

    #[test]
    fn an_answer_in_place_is_there_at_once() {
        let released = AtomicUsize::new(0);
        let started = begin(|ticket| {
            unsafe { tdm_reply_value(ticket.into_raw(), &bytes("v", &released)) };
            Ok(())
        });
        let Ok(Started::Now(outcome)) = started else { panic!("the answer is there") };
        let value = outcome.value().ok().flatten().expect("a value");
        assert_eq!(value.as_slice(), b"v");
        assert_eq!(released.load(Ordering::SeqCst), 0);
        drop(value);
        assert_eq!(released.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_late_answer_wakes_the_guest() {
        let mut raw = std::ptr::null();
        let started = begin(|ticket| {
            raw = ticket.into_raw();
            Ok(())
        });
        let Ok(Started::Later(mut pending)) = started else { panic!("nothing is answered yet") };
        let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
        assert!(poll(&mut pending, &wakes).is_pending());
        unsafe { tdm_reply_done(raw) };
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
        let Poll::Ready(outcome) = poll(&mut pending, &wakes) else { panic!("it is answered") };
        assert!(outcome.done().is_ok());
    }

    #[test]
    fn an_answer_that_nobody_waits_for_is_released() {
        let released = AtomicUsize::new(0);
        let mut raw = std::ptr::null();
        let started = begin(|ticket| {
            raw = ticket.into_raw();
            Ok(())
        });
        drop(started);
        unsafe { tdm_reply_value(raw, &bytes("v", &released)) };
        assert_eq!(released.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn an_answer_that_is_not_taken_is_released() {
        let released = AtomicUsize::new(0);
        let mut raw = std::ptr::null();
        let started = begin(|ticket| {
            raw = ticket.into_raw();
            Ok(())
        });
        unsafe { tdm_reply_value(raw, &bytes("v", &released)) };
        assert_eq!(released.load(Ordering::SeqCst), 0);
        drop(started);
        assert_eq!(released.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn an_answer_of_another_kind_is_an_error() {
        let error = Outcome::Done.value().err().expect("an error");
        assert_eq!(error.code, crate::types::Code::Internal);
    }
}
