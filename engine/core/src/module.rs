//! Compiled code: a component or a core module, what it is and what it asks for.

use std::sync::Arc;

use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::cache::{self, Entry};
use crate::compile;
use crate::engine::{self, Engine};
use crate::ffi::{Error, ErrorKind, Str, fence, guard};

/// `enum tdm_module_kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Kind {
    Http = 1,
    Command = 2,
    P1Command = 3,
    Library = 4,
    Core = 5,
}

#[derive(Clone)]
pub enum Code {
    Component(Component),
    Core(wasmtime::Module),
}

/// `tdm_module`.
pub struct Module {
    pub(crate) engine: Arc<engine::Shared>,
    pub(crate) code: Code,
    pub(crate) kind: Kind,
    was_cached: bool,
    cache_note: String,
}

pub const HTTP_HANDLER: &str = "wasi:http/incoming-handler@0.2";
pub const CLI_RUN: &str = "wasi:cli/run@0.2";

/// A component starts with the magic number, then version 0x0d in layer 1; a core module with version 1 in layer 0.
fn is_component(bytes: &[u8]) -> bool {
    bytes.get(..8) == Some(b"\0asm\x0d\0\x01\0")
}

fn kind_of(engine: &wasmtime::Engine, code: &Code) -> Kind {
    match code {
        Code::Component(component) => {
            let has =
                |prefix: &str| component.component_type().exports(engine).any(|(name, _)| name.starts_with(prefix));
            if has(HTTP_HANDLER) {
                Kind::Http
            } else if has(CLI_RUN) {
                Kind::Command
            } else {
                Kind::Library
            }
        }
        Code::Core(module) => {
            let start = module.get_export("_start").is_some();
            let p1 = module.imports().all(|import| import.module() == crate::linker::P1);
            if start && p1 { Kind::P1Command } else { Kind::Core }
        }
    }
}

impl Module {
    pub fn load(engine: &Engine, bytes: &[u8]) -> Result<Module, Error> {
        let shared = engine.shared.clone();
        let text;
        let wasm: &[u8] = if bytes.starts_with(b"\0asm") {
            bytes
        } else {
            text = wat::parse_bytes(bytes).map_err(|error| {
                Error::new(ErrorKind::Invalid, format!("neither WebAssembly nor its text form: {error}"))
            })?;
            &text
        };
        if wasmtime::Engine::detect_precompiled(wasm).is_some() {
            return Err(Error::new(
                ErrorKind::Invalid,
                "a compiled module (.cwasm) is not accepted: give the .wasm it was made from",
            ));
        }
        let component = is_component(wasm);
        let mut cache_note = String::new();
        let entry = shared.cache_folder.as_ref().and_then(|folder| match cache::check_folder(folder) {
            Ok(()) => Some(Entry::new(folder, &shared.wasmtime, wasm)),
            Err(note) => {
                cache_note = note;
                None
            }
        });
        if let Some(entry) = &entry
            && let Some(path) = entry.find()
        {
            // SAFETY: the folder is ours alone, the file is what we wrote by its checksum, and its name holds the
            // engine's version and settings.
            let loaded = unsafe { compile::load_file(&shared.wasmtime, path, component) };
            match loaded {
                Ok(code) => {
                    let kind = kind_of(&shared.wasmtime, &code);
                    return Ok(Module { engine: shared, code, kind, was_cached: true, cache_note });
                }
                Err(error) => {
                    entry.forget();
                    cache_note = format!("a cached module could not be read and is compiled anew: {error:#}");
                }
            }
        }
        let invalid = |error: wasmtime::Error| {
            let text = format!("{error:#}");
            let kind =
                if text.contains("exceeds") || text.contains("limit") { ErrorKind::Limit } else { ErrorKind::Invalid };
            Error::new(kind, text)
        };
        let compiled = shared.compiler.compile(wasm, component).map_err(invalid)?;
        if let Some(entry) = &entry
            && let Err(note) = entry.store(&compiled)
        {
            cache_note = note;
        }
        // Mapped like one that was found, so that this start holds no more memory than the next one.
        // SAFETY: as above.
        let mapped = entry
            .as_ref()
            .and_then(Entry::find)
            .and_then(|path| unsafe { compile::load_file(&shared.wasmtime, path, component).ok() });
        let code = match mapped {
            Some(code) => code,
            // SAFETY: it has just been compiled, with the same settings.
            None => unsafe { compile::load_bytes(&shared.wasmtime, &compiled, component) }.map_err(|error| {
                if let Some(entry) = &entry {
                    entry.forget();
                }
                invalid(error)
            })?,
        };
        let kind = kind_of(&shared.wasmtime, &code);
        Ok(Module { engine: shared, code, kind, was_cached: false, cache_note })
    }

    /// Every import and export: whether it is an import, the kind of thing, its name.
    pub fn names(&self) -> Vec<(bool, &'static str, String)> {
        let engine = &self.engine.wasmtime;
        let mut names = Vec::new();
        match &self.code {
            Code::Component(component) => {
                let ty = component.component_type();
                names.extend(ty.imports(engine).map(|(name, item)| (true, component_item(&item.ty), name.to_string())));
                names
                    .extend(ty.exports(engine).map(|(name, item)| (false, component_item(&item.ty), name.to_string())));
            }
            Code::Core(module) => {
                for import in module.imports() {
                    names.push((true, core_item(&import.ty()), format!("{}.{}", import.module(), import.name())));
                }
                names
                    .extend(module.exports().map(|export| (false, core_item(&export.ty()), export.name().to_string())));
            }
        }
        names
    }
}

fn component_item(item: &ComponentItem) -> &'static str {
    match item {
        ComponentItem::ComponentInstance(_) => "interface",
        ComponentItem::ComponentFunc(_) | ComponentItem::CoreFunc(_) => "function",
        ComponentItem::Module(_) => "module",
        ComponentItem::Component(_) => "component",
        ComponentItem::Type(_) | ComponentItem::Resource(_) => "type",
    }
}

fn core_item(ty: &wasmtime::ExternType) -> &'static str {
    match ty {
        wasmtime::ExternType::Func(_) => "function",
        wasmtime::ExternType::Memory(_) => "memory",
        wasmtime::ExternType::Table(_) => "table",
        wasmtime::ExternType::Global(_) => "global",
        wasmtime::ExternType::Tag(_) => "tag",
    }
}

pub type NameFn = unsafe extern "C" fn(*mut std::ffi::c_void, bool, Str, Str);

/// # Safety
/// Pointers are live as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_module_load(engine: *mut Engine, bytes: Str, out: *mut *mut Module) -> *mut Error {
    guard(|| {
        let module = Module::load(unsafe { &*engine }, unsafe { bytes.bytes() })?;
        unsafe { *out = Box::into_raw(Box::new(module)) };
        Ok(())
    })
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_module_delete(module: *mut Module) {
    if !module.is_null() {
        fence((), || drop(unsafe { Box::from_raw(module) }));
    }
}

/// # Safety
/// `module` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_module_get_kind(module: *const Module) -> i32 {
    unsafe { (*module).kind as i32 }
}

/// # Safety
/// `module` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_module_was_cached(module: *const Module) -> bool {
    unsafe { (*module).was_cached }
}

/// # Safety
/// `module` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_module_cache_note(module: *const Module) -> Str {
    Str::new(unsafe { (*module).cache_note.as_bytes() })
}

/// # Safety
/// `module` is live, `each` may be called with `user`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_module_each_name(module: *const Module, each: NameFn, user: *mut std::ffi::c_void) {
    let names = fence(Vec::new(), || unsafe { (*module).names() });
    for (is_import, kind, name) in names {
        unsafe { each(user, is_import, Str::new(kind.as_bytes()), Str::new(name.as_bytes())) };
    }
}
