//! The host functions that an app's modules may import: WASI 0.2, wasi:http, preview 1, and what is added to it.

use std::ffi::c_void;
use std::sync::Arc;

use wasmtime::component::Linker as ComponentLinker;
use wasmtime::component::types::ComponentItem;

use crate::ctx::Ctx;
use crate::engine::{self, Engine};
use crate::ffi::{Error, ErrorKind, Str, fence, guard};
use crate::http;
use crate::module::{Code, Module, NameFn};
use crate::sockets;
use crate::streams;

/// Interfaces of WASI 0.2 that every linker has; each stands for all of 0.2.x.
const WASI: [&str; 27] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// What a preview 1 command imports; wasmtime-wasi provides all of it.
pub(crate) const P1: &str = "wasi_snapshot_preview1";

/// An interface that components may export beside wasi:http's or instead of it, and the functions of it that are called.
#[derive(Clone, Copy)]
pub struct Handler {
    pub interface: &'static str,
    pub functions: &'static [&'static str],
}

/// `tdm_linker`.
pub struct Linker {
    pub(crate) engine: Arc<engine::Shared>,
    pub component: ComponentLinker<Ctx>,
    pub(crate) core: wasmtime::Linker<Ctx>,
    /// Names with versions, of what the linker provides to components.
    served: Vec<String>,
    /// Interfaces that the C++ side calls where a component exports them.
    pub(crate) handlers: Vec<Handler>,
    /// Functions that core::define() has added.
    pub(crate) core_served: Vec<(String, String)>,
}

impl Linker {
    pub fn new(engine: &Engine) -> Result<Linker, Error> {
        let shared = engine.shared.clone();
        let failed = |error: wasmtime::Error| Error::new(ErrorKind::Engine, format!("cannot link WASI: {error:#}"));
        let mut component = ComponentLinker::new(&shared.wasmtime);
        wasmtime_wasi::p2::add_to_linker_async(&mut component).map_err(failed)?;
        sockets::add_to_linker(&mut component).map_err(failed)?;
        streams::add_to_linker(&mut component).map_err(failed)?;
        http::bind::add_to_linker(&mut component).map_err(failed)?;
        let mut core = wasmtime::Linker::new(&shared.wasmtime);
        wasmtime_wasi::p1::add_to_linker_async(&mut core, Ctx::p1).map_err(failed)?;
        let mut served: Vec<String> = WASI.iter().map(|name| format!("{name}@0.2.12")).collect();
        served.extend([http::bind::TYPES.to_string(), http::bind::OUTGOING.to_string()]);
        Ok(Linker { engine: shared, component, core, served, handlers: Vec::new(), core_served: Vec::new() })
    }

    /// Records that `interface` ("tandem:dapr/state@0.1.0") has been added to `component`.
    pub fn serve(&mut self, interface: &str) {
        self.served.push(interface.to_string());
    }

    /// Components that export this interface are run for its sake.
    pub fn handle(&mut self, handler: Handler) {
        self.handlers.push(handler);
    }

    fn has_core(&self, module: &str, name: &str) -> bool {
        self.core_served.iter().any(|(served_module, served)| served_module == module && served == name)
    }

    /// The imports of `module` that nothing here provides: the kind of thing and its name.
    pub fn missing(&self, module: &Module) -> Vec<(&'static str, String)> {
        match &module.code {
            Code::Component(component) => component
                .component_type()
                .imports(&self.engine.wasmtime)
                .filter_map(|(name, item)| match item.ty {
                    ComponentItem::ComponentInstance(_) if self.served.iter().any(|served| provides(served, name)) => {
                        None
                    }
                    ComponentItem::Type(_) => None,
                    ComponentItem::ComponentInstance(_) => Some(("interface", name.to_string())),
                    _ => Some(("function", name.to_string())),
                })
                .collect(),
            Code::Core(module) => module
                .imports()
                .filter(|import| import.module() != P1 && !self.has_core(import.module(), import.name()))
                .map(|import| ("function", format!("{}.{}", import.module(), import.name())))
                .collect(),
        }
    }
}

/// Whether an import finds what is served under another version of the same name: the same 0.x, or the same major number;
/// versions with a pre-release part only match themselves.
pub(crate) fn provides(served: &str, import: &str) -> bool {
    if served == import {
        return true;
    }
    let (Some((name, have)), Some((wanted_name, want))) = (served.split_once('@'), import.split_once('@')) else {
        return false;
    };
    name == wanted_name && track(have).is_some() && track(have) == track(want)
}

fn track(version: &str) -> Option<(u64, u64)> {
    let mut parts = version.split('.').map(str::parse::<u64>);
    match (parts.next()?, parts.next()?, parts.next()?, parts.next()) {
        (Ok(0), Ok(minor), Ok(_), None) => Some((0, minor)),
        (Ok(major), Ok(_), Ok(_), None) => Some((major, 0)),
        _ => None,
    }
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_linker_new(engine: *mut Engine, out: *mut *mut Linker) -> *mut Error {
    guard(|| {
        let linker = Linker::new(unsafe { &*engine })?;
        unsafe { *out = Box::into_raw(Box::new(linker)) };
        Ok(())
    })
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_linker_delete(linker: *mut Linker) {
    if !linker.is_null() {
        fence((), || drop(unsafe { Box::from_raw(linker) }));
    }
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_linker_each_missing(
    linker: *const Linker,
    module: *const Module,
    each: NameFn,
    user: *mut c_void,
) {
    let missing = fence(Vec::new(), || unsafe { (*linker).missing(&*module) });
    for (kind, name) in missing {
        unsafe { each(user, true, Str::new(kind.as_bytes()), Str::new(name.as_bytes())) };
    }
}

#[cfg(test)]
mod tests {
    use super::provides;

    #[test]
    fn imports_match_by_semver() {
        assert!(provides("wasi:http/types@0.2.12", "wasi:http/types@0.2.0"));
        assert!(!provides("wasi:http/types@0.2.12", "wasi:http/types@0.3.0"));
        assert!(!provides("wasi:http/types@0.2.12", "wasi:http/other@0.2.12"));
        assert!(provides("a:b/c@1.0.0", "a:b/c@1.9.0"));
        assert!(!provides("wasi:keyvalue/store@0.2.0-draft", "wasi:keyvalue/store@0.2.0-draft2"));
        assert!(provides("wasi:keyvalue/store@0.2.0-draft", "wasi:keyvalue/store@0.2.0-draft"));
    }
}
