//! wasi:config: names and values that are given to the app when it is linked, and what the C++ side has beside them.
//!
//! The drafts differ in the names of the interface and of its error type, and in nothing that a program sees. A name that
//! was given is answered at once; for others the C++ side is asked, which may suspend the guest.

use std::ffi::c_void;
use std::future::ready;
use std::sync::Arc;

use tandem_engine_core::ctx::Ctx;
use tandem_engine_core::ffi::Str;
use tandem_engine_core::linker::Linker;
use wasmtime::component::{ComponentType, Lower, WasmStr};
use wasmtime::{Result, StoreContextMut};

use crate::call::{Spans, Store, failed};
use crate::outcome::{Outcome, Pairs};
use crate::reply::{Reply, Started, begin};
use crate::types;

/// Every published draft that guests import: Wasmtime's and wasmCloud's, two older ones of wasmCloud's, and Spin's.
const NAMES: [&str; 4] = [
    "wasi:config/store@0.2.0-rc.1",
    "wasi:config/store@0.2.0-draft",
    "wasi:config/runtime@0.2.0-draft",
    "wasi:config/store@0.2.0-draft-2024-09-27",
];

/// `tdm_config_vtable`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Vtable {
    get: unsafe extern "C" fn(*mut c_void, Str, *const Reply),
    get_all: unsafe extern "C" fn(*mut c_void, *const Reply),
}

#[derive(ComponentType, Lower)]
#[component(variant)]
#[allow(dead_code, reason = "the interface wants both")]
enum Error {
    #[component(name = "upstream")]
    Upstream(String),
    #[component(name = "io")]
    Io(String),
}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Error {
        Error::Upstream(error.message)
    }
}

type Value = Result<Option<String>, Error>;
type All = Result<Pairs, Error>;

fn value(outcome: Outcome) -> Value {
    Ok(outcome.value()?.map(|value| value.text()))
}

/// What was given comes over what the C++ side has under the same name.
fn together(given: &Pairs, outcome: Outcome) -> All {
    let mut all = outcome.pairs()?;
    all.retain(|(name, _)| !given.iter().any(|(other, _)| other == name));
    all.extend(given.iter().cloned());
    Ok(all)
}

pub fn add(linker: &mut Linker, pairs: Pairs, more: Option<Vtable>) -> Result<()> {
    let pairs = Arc::new(pairs);
    for name in NAMES {
        match more {
            None => add_given(linker, name, &pairs)?,
            Some(vtable) => add_both(linker, name, &pairs, vtable)?,
        }
        linker.serve(name);
    }
    Ok(())
}

/// The last one of a name counts.
fn find(pairs: &Pairs, key: &str) -> Option<String> {
    pairs.iter().rev().find(|(name, _)| *name == key).map(|(_, value)| value.clone())
}

fn add_given(linker: &mut Linker, name: &str, pairs: &Arc<Pairs>) -> Result<()> {
    let mut l = linker.component.instance(name)?;
    let all = pairs.clone();
    l.func_wrap("get", move |store: StoreContextMut<'_, Ctx>, (key,): (WasmStr,)| {
        let key = key.to_str(&store)?;
        Ok((Value::Ok(find(&all, &key)),))
    })?;
    let all = pairs.clone();
    l.func_wrap("get-all", move |_: StoreContextMut<'_, Ctx>, (): ()| Ok((All::Ok(all.to_vec()),)))
}

fn add_both(linker: &mut Linker, name: &str, pairs: &Arc<Pairs>, vtable: Vtable) -> Result<()> {
    let mut l = linker.component.instance(name)?;
    let given = pairs.clone();
    l.func_wrap_async("get", move |mut store: Store<'_>, (key,): (WasmStr,)| {
        store.data_mut().keep.clear();
        let found = match key.to_str(&store) {
            Ok(key) => find(&given, &key),
            Err(trap) => return failed(trap),
        };
        if found.is_some() {
            return Box::new(ready(Ok((Value::Ok(found),))));
        }
        let started = begin(|ticket| {
            let mut spans = Spans::new(&store);
            // SAFETY: the span lives until the function has returned.
            unsafe { (vtable.get)(store.data().user(), spans.text(&key)?, ticket.into_raw()) };
            Ok(())
        });
        match started {
            Err(trap) => failed(trap),
            Ok(Started::Now(outcome)) => Box::new(ready(Ok((value(outcome),)))),
            Ok(Started::Later(pending)) => Box::new(async move { Ok((value(pending.await),)) }),
        }
    })?;
    let given = pairs.clone();
    l.func_wrap_async("get-all", move |mut store: Store<'_>, (): ()| {
        store.data_mut().keep.clear();
        let given = given.clone();
        let started = begin(|ticket| {
            // SAFETY: nothing is handed over.
            unsafe { (vtable.get_all)(store.data().user(), ticket.into_raw()) };
            Ok(())
        });
        match started {
            Err(trap) => failed(trap),
            Ok(started) => Box::new(async move { Ok((together(&given, started.outcome().await),)) }),
        }
    })
}
