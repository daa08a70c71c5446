//! wasi:config: names and values that are given to the app when it is linked.
//!
//! The drafts differ in the names of the interface and of its error type, and in nothing that a program sees.

use std::sync::Arc;

use tandem_engine_core::ctx::Ctx;
use tandem_engine_core::linker::Linker;
use wasmtime::component::{ComponentType, Lower, WasmStr};
use wasmtime::{Result, StoreContextMut};

use crate::outcome::Pairs;

/// Every published draft that guests import: Wasmtime's and wasmCloud's, two older ones of wasmCloud's, and Spin's.
const NAMES: [&str; 4] = [
    "wasi:config/store@0.2.0-rc.1",
    "wasi:config/store@0.2.0-draft",
    "wasi:config/runtime@0.2.0-draft",
    "wasi:config/store@0.2.0-draft-2024-09-27",
];

/// Never given: the values are in memory.
#[derive(ComponentType, Lower)]
#[component(variant)]
#[allow(dead_code, reason = "the interface wants it")]
enum Error {
    #[component(name = "upstream")]
    Upstream(String),
    #[component(name = "io")]
    Io(String),
}

pub fn add(linker: &mut Linker, pairs: Pairs) -> Result<()> {
    let pairs = Arc::new(pairs);
    for name in NAMES {
        let mut l = linker.component.instance(name)?;
        let all = pairs.clone();
        l.func_wrap("get", move |store: StoreContextMut<'_, Ctx>, (key,): (WasmStr,)| {
            let key = key.to_str(&store)?;
            // The last one of a name counts.
            let found = all.iter().rev().find(|(name, _)| *name == key).map(|(_, value)| value.clone());
            Ok((Result::<_, Error>::Ok(found),))
        })?;
        let all = pairs.clone();
        l.func_wrap("get-all", move |_: StoreContextMut<'_, Ctx>, (): ()| {
            Ok((Result::<Pairs, Error>::Ok(all.to_vec()),))
        })?;
        linker.serve(name);
    }
    Ok(())
}
