//! A module linked for one app, with what that app is granted: environment, folders, addresses, bounds.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use wasmtime::component::{Component, ComponentExportIndex, InstancePre};
use wasmtime_wasi::{FsPerms, WasiCtx};

use crate::ctx::{Ctx, Limits, Wasi};
use crate::engine;
use crate::ffi::{Error, ErrorKind, Header, Str, fence, guard, slice};
use crate::http::bind::MAX_HANDLES;
use crate::http::call::Call;
use crate::instance::Link;
use crate::job::Export;
use crate::linker::{Linker, provides};
use crate::module::{CLI_RUN, Code, HTTP_HANDLER, Kind, Module};
use crate::sockets::{AllowAddressFn, AllowNameFn, Policy, Reach, grant};
use crate::stdio::{CallInput, CallOutput, LogStream};

/// `tdm_mount`.
#[repr(C)]
pub struct RawMount {
    host_path: Str,
    guest_path: Str,
    writable: bool,
}

/// `tdm_program_config`.
#[repr(C)]
pub struct RawConfig {
    env: *const Header,
    env_count: usize,
    args: *const Str,
    args_count: usize,
    mounts: *const RawMount,
    mounts_count: usize,
    max_memory_bytes: u64,
    max_table_elements: u64,
    allow_name: Option<AllowNameFn>,
    allow_address: Option<AllowAddressFn>,
    policy: *mut c_void,
}

struct Mount {
    host_path: String,
    guest_path: String,
    perms: FsPerms,
}

/// How an instance of the program starts and which export it runs.
pub(crate) enum Entry {
    /// The index of wasi:http/incoming-handler's `handle`, where there is one, and the other exports that are called.
    Serve(InstancePre<Ctx>, Option<ComponentExportIndex>, Vec<Export>),
    /// The index of wasi:cli/run's `run`.
    Command(InstancePre<Ctx>, ComponentExportIndex),
    P1(wasmtime::InstancePre<Ctx>),
    /// A core module whose exports are called by name.
    Core(wasmtime::InstancePre<Ctx>),
}

/// `tdm_program`.
pub struct Program {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub engine: Arc<engine::Shared>,
    pub entry: Entry,
    env: Vec<(String, String)>,
    args: Vec<String>,
    mounts: Vec<Mount>,
    max_memory_bytes: usize,
    max_table_elements: usize,
    /// Linear memory of a new instance; 0 before there was one.
    pub start_bytes: AtomicUsize,
    policy: Option<Policy>,
}

impl Program {
    unsafe fn new(module: &Module, linker: &Linker, raw: &RawConfig) -> Result<Program, Error> {
        let text = |s: Str| unsafe { s.text() };
        let env = unsafe { slice(raw.env, raw.env_count) }.iter().map(|h| (text(h.name), text(h.value))).collect();
        let args = unsafe { slice(raw.args, raw.args_count) }.iter().map(|arg| text(*arg)).collect();
        let mounts = unsafe { slice(raw.mounts, raw.mounts_count) }
            .iter()
            .map(|mount| Mount {
                host_path: text(mount.host_path),
                guest_path: text(mount.guest_path),
                perms: if mount.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly },
            })
            .collect();
        let inner = Inner {
            engine: module.engine.clone(),
            entry: entry(module, linker)?,
            env,
            args,
            mounts,
            max_memory_bytes: raw.max_memory_bytes as usize,
            max_table_elements: raw.max_table_elements as usize,
            start_bytes: AtomicUsize::new(0),
            policy: raw.allow_name.zip(raw.allow_address).map(|(allow_name, allow_address)| Policy {
                allow_name,
                allow_address,
                data: raw.policy,
            }),
        };
        // A mount that cannot be opened is said now, not at the first request.
        for mount in &inner.mounts {
            if let Err(error) = std::fs::read_dir(&mount.host_path) {
                return Err(Error::new(ErrorKind::Io, format!("cannot mount {}: {error}", mount.host_path)));
            }
        }
        Ok(Program { inner: Arc::new(inner) })
    }
}

fn entry(module: &Module, linker: &Linker) -> Result<Entry, Error> {
    let missing: Vec<String> =
        linker.missing(module).into_iter().map(|(kind, name)| format!("{kind} {name}")).collect();
    if !missing.is_empty() {
        return Err(Error::new(
            ErrorKind::Link,
            format!("the module imports what is not there: {}", missing.join(", ")),
        ));
    }
    let unlinked = |error: wasmtime::Error| {
        let kind = if format!("{error:#}").contains("exceed") { ErrorKind::Limit } else { ErrorKind::Link };
        Error::new(kind, format!("{error:#}"))
    };
    match (&module.code, module.kind) {
        (Code::Component(component), kind) => {
            let http = kind == Kind::Http;
            let exports = handler_exports(module, component, linker)?;
            if !http && kind != Kind::Command && exports.is_empty() {
                return Err(Error::new(
                    ErrorKind::Link,
                    "the component exports neither wasi:http/incoming-handler nor wasi:cli/run, nor a handler of events: \
                     there is nothing to run",
                ));
            }
            let pre = linker.component.instantiate_pre(component).map_err(unlinked)?;
            if http {
                let handle = function_of(module, component, |name| name.starts_with(HTTP_HANDLER), "handle")?;
                Ok(Entry::Serve(pre, Some(handle), exports))
            } else if !exports.is_empty() {
                Ok(Entry::Serve(pre, None, exports))
            } else {
                Ok(Entry::Command(pre, function_of(module, component, |name| name.starts_with(CLI_RUN), "run")?))
            }
        }
        (Code::Core(core), Kind::P1Command) => Ok(Entry::P1(linker.core.instantiate_pre(core).map_err(unlinked)?)),
        (Code::Core(core), Kind::Core) => Ok(Entry::Core(linker.core.instantiate_pre(core).map_err(unlinked)?)),
        (Code::Core(_), _) => Err(Error::new(ErrorKind::Link, "the core module is taken for a component")),
    }
}

/// The function of the exported interface whose name fits.
fn function_of(
    module: &Module,
    component: &Component,
    fits: impl Fn(&str) -> bool,
    function: &str,
) -> Result<ComponentExportIndex, Error> {
    let interface = module.names().into_iter().find(|(import, _, name)| !import && fits(name));
    let Some((_, _, interface)) = interface else {
        return Err(Error::new(ErrorKind::Link, format!("the module does not export an interface with {function}")));
    };
    component
        .get_export_index(None, &interface)
        .and_then(|index| component.get_export_index(Some(&index), function))
        .ok_or_else(|| Error::new(ErrorKind::Link, format!("the module does not export {interface}'s {function}")))
}

/// What the component exports of the linker's handlers.
fn handler_exports(module: &Module, component: &Component, linker: &Linker) -> Result<Vec<Export>, Error> {
    let mut exports = Vec::new();
    for handler in &linker.handlers {
        let fits = |name: &str| provides(handler.interface, name);
        if !module.names().iter().any(|(import, _, name)| !import && fits(name)) {
            continue;
        }
        for function in handler.functions {
            let index = function_of(module, component, fits, function)?;
            exports.push(Export { interface: handler.interface, function, index });
        }
    }
    Ok(exports)
}

impl Inner {
    /// What a new instance starts with.
    pub fn new_ctx(&self, link: Arc<Link>) -> wasmtime::Result<Ctx> {
        let mut wasi = WasiCtx::builder();
        wasi.envs(&self.env).args(&self.args);
        let stderr = LogStream::new(2, link.clone());
        let stdout = LogStream::new(1, link.clone());
        wasi.stderr(stderr.clone());
        match self.entry {
            Entry::Command(..) | Entry::P1(_) => wasi.stdin(CallInput(link.clone())).stdout(CallOutput(link.clone())),
            Entry::Serve(..) | Entry::Core(_) => wasi.stdout(stdout.clone()),
        };
        for mount in &self.mounts {
            wasi.preopened_dir(&mount.host_path, &mount.guest_path, mount.perms)?;
        }
        let reach = self.policy.map(Reach::new);
        grant(reach.as_ref(), &mut wasi);
        let wasi = match self.entry {
            Entry::P1(_) | Entry::Core(_) => Wasi::P1(Box::new(wasi.build_p1())),
            Entry::Serve(..) | Entry::Command(..) => Wasi::P2(wasi.build()),
        };
        let mut table = wasmtime::component::ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        let limits = Limits {
            shared: self.engine.clone(),
            max_memory_bytes: self.max_memory_bytes,
            max_table_elements: self.max_table_elements,
            memory_bytes: 0,
            table_elements: 0,
        };
        Ok(Ctx {
            wasi,
            table,
            limits,
            link,
            reach,
            call: Call::none(),
            logs: [stdout, stderr],
            keep: Vec::new(),
            held_bytes: 0,
        })
    }
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_program_new(
    module: *const Module,
    linker: *const Linker,
    config: *const RawConfig,
    out: *mut *mut Program,
) -> *mut Error {
    guard(|| unsafe {
        let program = Program::new(&*module, &*linker, &*config)?;
        *out = Box::into_raw(Box::new(program));
        Ok(())
    })
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_program_delete(program: *mut Program) {
    if !program.is_null() {
        fence((), || drop(unsafe { Box::from_raw(program) }));
    }
}
