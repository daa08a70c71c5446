//! The entries of `include/tandem_cel.h`, which says who owns what and which thread may call.

use tandem_engine_core::ffi::{Error, ErrorKind, Str, fence, guard, slice};

use crate::rules::{Event, RuleError, Rules};

const NO_RULE: usize = usize::MAX;

/// # Safety
/// `matches` points to `count` strings, `out` and `wrong` to places that can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_cel_rules_new(
    matches: *const Str,
    count: usize,
    out: *mut *mut Rules,
    wrong: *mut usize,
) -> *mut Error {
    guard(|| {
        unsafe { *wrong = NO_RULE };
        let texts = unsafe { slice(matches, count) };
        let rules = Rules::compile(texts.iter().map(|text| unsafe { text.bytes() }))
            .map_err(|failed| told(failed, ErrorKind::Invalid, wrong))?;
        unsafe { *out = Box::into_raw(Box::new(rules)) };
        Ok(())
    })
}

/// # Safety
/// `rules` is live, `found` and `wrong` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_cel_rules_find(
    rules: *const Rules,
    event: Str,
    is_text: bool,
    found: *mut usize,
    wrong: *mut usize,
) -> *mut Error {
    guard(|| {
        unsafe { *wrong = NO_RULE };
        let bytes = unsafe { event.bytes() };
        let event = if is_text { Event::Text(bytes) } else { Event::Json(bytes) };
        let place = unsafe { &*rules }.find(&event).map_err(|failed| told(failed, ErrorKind::Engine, wrong))?;
        unsafe { *found = place.unwrap_or(NO_RULE) };
        Ok(())
    })
}

/// # Safety
/// `rules` is null or came from `tdm_cel_rules_new` and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_cel_rules_delete(rules: *mut Rules) {
    if !rules.is_null() {
        fence((), || drop(unsafe { Box::from_raw(rules) }));
    }
}

fn told(failed: RuleError, kind: ErrorKind, wrong: *mut usize) -> Error {
    unsafe { *wrong = failed.rule };
    Error::new(kind, failed.message)
}
