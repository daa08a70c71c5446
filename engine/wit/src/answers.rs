//! The C entries by which the C++ side answers: `tdm_reply_…`.

use std::sync::Arc;

use tandem_engine_core::ffi::{Header, Str, fence, slice};

use crate::outcome::{
    BindingAnswer, BulkItem, FailedEntry, ForeignBytes, Item, Keys, Outcome, Pairs, RawBytes, Response, Setting,
};
use crate::reply::Reply;
use crate::types::Error;

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

/// `tdm_pair_group`.
#[repr(C)]
pub struct RawGroup {
    name: Str,
    pairs: *const Header,
    pairs_count: usize,
}

/// `tdm_setting`.
#[repr(C)]
pub struct RawSetting {
    pub(crate) key: Str,
    pub(crate) value: Str,
    pub(crate) version: Str,
    pub(crate) metadata: *const Header,
    pub(crate) metadata_count: usize,
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

pub(crate) unsafe fn pairs(pairs: *const Header, count: usize) -> Pairs {
    let pairs = unsafe { slice(pairs, count) };
    pairs.iter().map(|pair| unsafe { (pair.name.text(), pair.value.text()) }).collect()
}

unsafe fn item(raw: &RawItem) -> Item {
    Item {
        value: unsafe { ForeignBytes::new(raw.value) },
        etag: (!raw.etag.ptr.is_null()).then(|| unsafe { raw.etag.text() }),
        metadata: unsafe { pairs(raw.metadata, raw.metadata_count) },
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

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_reply_binding(
    reply: *const Reply,
    data: *const RawBytes,
    metadata: *const Header,
    metadata_count: usize,
) {
    let outcome = || unsafe {
        let data = data.as_ref().map(|raw| ForeignBytes::new(*raw));
        Outcome::BindingAnswer(BindingAnswer { data, metadata: pairs(metadata, metadata_count) })
    };
    unsafe { answer(reply, outcome) };
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_reply_binding_error(
    reply: *const Reply,
    code: i32,
    reason: Str,
    message: Str,
    metadata: *const Header,
    metadata_count: usize,
) {
    let outcome = || unsafe { Outcome::BindingFailure(error(code, reason, message), pairs(metadata, metadata_count)) };
    unsafe { answer(reply, outcome) };
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_reply_pairs(reply: *const Reply, all: *const Header, count: usize) {
    unsafe { answer(reply, || Outcome::Pairs(pairs(all, count))) };
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_reply_groups(reply: *const Reply, groups: *const RawGroup, count: usize) {
    let group = |raw: &RawGroup| unsafe { (raw.name.text(), pairs(raw.pairs, raw.pairs_count)) };
    unsafe { answer(reply, || Outcome::Groups(slice(groups, count).iter().map(group).collect())) };
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_reply_settings(reply: *const Reply, settings: *const RawSetting, count: usize) {
    let setting = |raw: &RawSetting| unsafe {
        Setting {
            key: raw.key.text(),
            value: raw.value.text(),
            version: raw.version.text(),
            metadata: pairs(raw.metadata, raw.metadata_count),
        }
    };
    unsafe { answer(reply, || Outcome::Settings(slice(settings, count).iter().map(setting).collect())) };
}
