//! What comes to a guest: events that the C++ side hands to its exports `tandem:dapr/…-handler` and those of
//! wasmCloud's and WASI's messaging.
//!
//! Each call is a [`Job`]: its arguments are spans of the C++ side that live until done, lowered into the guest's memory
//! without a copy in between; its answer goes to a C function inside the poll, before done.

mod binding;
mod configuration;
mod messaging;
mod topic;

use std::ffi::c_void;

use tandem_engine_core::ffi::{Error, Header, Str, slice};
use tandem_engine_core::linker::Linker;

use crate::link;

pub(crate) type Call = *mut c_void;

/// A pointer of the C++ side's that lives until done.
pub(crate) struct Foreign<T>(pub T);

// SAFETY: an instance and all that belongs to its call are used by one thread at a time (tandem_engine.h).
unsafe impl<T> Send for Foreign<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Foreign<T> {}

/// Text for the guest out of spans that live until done. What is no UTF-8 is mended in a copy, which this keeps.
pub(crate) struct Texts {
    mended: Vec<String>,
}

impl Texts {
    pub fn new() -> Texts {
        Texts { mended: Vec::new() }
    }

    /// # Safety
    /// The span lives until the result, and `self`, are used no more.
    pub unsafe fn text(&mut self, span: Str) -> &'static str {
        let bytes: &'static [u8] = unsafe { span.bytes() };
        match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(_) => {
                self.mended.push(String::from_utf8_lossy(bytes).into_owned());
                let text = self.mended.last().map_or("", String::as_str);
                // SAFETY: a string's bytes stay where they are when the string is moved; `self` keeps it.
                unsafe { std::mem::transmute::<&str, &'static str>(text) }
            }
        }
    }

    /// # Safety
    /// As [`Texts::text`].
    pub unsafe fn pairs(&mut self, pairs: *const Header, count: usize) -> Vec<(&'static str, &'static str)> {
        let pairs = unsafe { slice(pairs, count) };
        pairs.iter().map(|pair| unsafe { (self.text(pair.name), self.text(pair.value)) }).collect()
    }
}

/// Pairs of the guest as headers. They borrow.
pub(crate) fn headers_of(pairs: &[(String, String)]) -> Vec<Header> {
    pairs
        .iter()
        .map(|(name, value)| Header { name: Str::new(name.as_bytes()), value: Str::new(value.as_bytes()) })
        .collect()
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_wit_handlers_add(linker: *mut Linker) -> *mut Error {
    link("the handlers of events", || {
        let linker = unsafe { &mut *linker };
        linker.handle(topic::HANDLER);
        linker.handle(binding::HANDLER);
        linker.handle(configuration::HANDLER);
        messaging::HANDLERS.into_iter().for_each(|handler| linker.handle(handler));
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_utf8_is_mended() {
        let mut texts = Texts::new();
        let good = unsafe { texts.text(Str::new(b"good")) };
        let bad = unsafe { texts.text(Str::new(b"b\xffd")) };
        let moved = texts;
        assert_eq!((good, bad), ("good", "b\u{fffd}d"));
        assert_eq!(moved.mended.len(), 1);
    }
}
