//! How a host function hands its arguments to a C table: spans of the guest's memory in, a reply back.

use std::borrow::Cow;
use std::future::{Future, ready};

use tandem_engine_core::ctx::Ctx;
use tandem_engine_core::ffi::{Header, Str};
use wasmtime::component::{ComponentNamedList, Lift, LinkerInstance, Lower, WasmList, WasmStr};
use wasmtime::{Result, StoreContextMut};

use crate::outcome::Outcome;
use crate::reply::{Started, Ticket, begin};

pub type Store<'a> = StoreContextMut<'a, Ctx>;

/// The absent string of tandem_wit.h.
pub const ABSENT: Str = Str::EMPTY;

/// Turns the arguments of one call into spans. They are valid while it lives: UTF-8 is read where it lies, other
/// encodings are translated into it.
pub struct Spans<'a, 'b> {
    store: &'a Store<'b>,
    translated: Vec<String>,
    pairs: Vec<Vec<Header>>,
}

impl<'a, 'b> Spans<'a, 'b> {
    pub fn new(store: &'a Store<'b>) -> Self {
        Spans { store, translated: Vec::new(), pairs: Vec::new() }
    }

    pub fn text(&mut self, text: &WasmStr) -> Result<Str> {
        Ok(match text.to_str(self.store)? {
            Cow::Borrowed(text) => Str::new(text.as_bytes()),
            Cow::Owned(text) => {
                // The bytes of a string stay where they are when the string is moved.
                let span = Str::new(text.as_bytes());
                self.translated.push(text);
                span
            }
        })
    }

    pub fn optional(&mut self, text: &Option<WasmStr>) -> Result<Str> {
        text.as_ref().map_or(Ok(ABSENT), |text| self.text(text))
    }

    pub fn bytes(&self, bytes: &WasmList<u8>) -> Str {
        Str::new(bytes.as_le_slice(self.store))
    }

    /// Where the pairs are and how many.
    pub fn metadata(&mut self, pairs: &[(WasmStr, WasmStr)]) -> Result<(*const Header, usize)> {
        self.keep_pairs(pairs, |spans, (name, value)| Ok(Header { name: spans.text(name)?, value: spans.text(value)? }))
    }

    pub fn headers(&mut self, pairs: &[(WasmStr, WasmList<u8>)]) -> Result<(*const Header, usize)> {
        self.keep_pairs(pairs, |spans, (name, value)| Ok(Header { name: spans.text(name)?, value: spans.bytes(value) }))
    }

    fn keep_pairs<T>(
        &mut self,
        pairs: &[T],
        span: impl Fn(&mut Self, &T) -> Result<Header>,
    ) -> Result<(*const Header, usize)> {
        if pairs.is_empty() {
            return Ok((std::ptr::null(), 0));
        }
        let headers = pairs.iter().map(|pair| span(self, pair)).collect::<Result<Vec<_>>>()?;
        let at = (headers.as_ptr(), headers.len());
        self.pairs.push(headers);
        Ok(at)
    }
}

/// Defines `name` as: `start` hands the arguments to the C++ side, `finish` turns its answer into the result.
///
/// An answer in place leaves the guest running: the future is ready when it is made, and holds only the result.
pub fn import<P, R, S>(
    linker: &mut LinkerInstance<'_, Ctx>,
    name: &str,
    start: S,
    finish: fn(&mut Ctx, Outcome) -> R,
) -> Result<()>
where
    P: ComponentNamedList + Lift + 'static,
    R: Lower + 'static,
    S: Fn(&Store<'_>, P, Ticket) -> Result<()> + Send + Sync + 'static,
{
    linker.func_wrap_async(name, move |mut store: Store<'_>, params: P| {
        store.data_mut().keep.clear();
        match begin(|ticket| start(&store, params, ticket)) {
            Err(trap) => failed(trap),
            Ok(Started::Now(outcome)) => Box::new(ready(Ok((finish(store.data_mut(), outcome),)))),
            Ok(Started::Later(pending)) => Box::new(async move {
                let outcome = pending.await;
                Ok((finish(store.data_mut(), outcome),))
            }),
        }
    })
}

/// A call whose arguments are no valid text: it traps.
pub fn failed<'a, R: Lower + 'static>(trap: wasmtime::Error) -> Box<dyn Future<Output = Result<(R,)>> + Send + 'a> {
    Box::new(ready(Err(trap)))
}
