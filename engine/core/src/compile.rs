//! Compiling, by an engine that ends with it.
//!
//! A compiler keeps its working memory, grown to the largest functions that it has seen, for as long as its engine lives:
//! a hundred megabytes after a JavaScript guest. An engine of its own gives that back; what it makes is code for the
//! serving engine, whose settings it shares in all that code depends on.

use wasmtime::{Config, InstanceAllocationStrategy};

use crate::module::Code;

/// What the compiling engines are made of: the serving engine's settings, without its slots for instances.
pub struct Compiler {
    config: Config,
}

impl Compiler {
    pub fn new(serving: &Config) -> Compiler {
        let mut config = serving.clone();
        config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        Compiler { config }
    }

    /// The file that [`load_file`] and [`load_bytes`] take.
    pub fn compile(&self, wasm: &[u8], component: bool) -> wasmtime::Result<Vec<u8>> {
        let engine = wasmtime::Engine::new(&self.config)?;
        if component { engine.precompile_component(wasm) } else { engine.precompile_module(wasm) }
    }
}

/// Maps compiled code: its pages are the file's, shared with other processes and given back when memory is short.
///
/// # Safety
/// The file is what [`Compiler::compile`] returned.
pub unsafe fn load_file(engine: &wasmtime::Engine, path: &std::path::Path, component: bool) -> wasmtime::Result<Code> {
    // SAFETY: as above.
    unsafe {
        if component {
            wasmtime::component::Component::deserialize_file(engine, path).map(Code::Component)
        } else {
            wasmtime::Module::deserialize_file(engine, path).map(Code::Core)
        }
    }
}

/// The same without a file.
///
/// # Safety
/// The bytes are what [`Compiler::compile`] returned.
pub unsafe fn load_bytes(engine: &wasmtime::Engine, bytes: &[u8], component: bool) -> wasmtime::Result<Code> {
    // SAFETY: as above.
    unsafe {
        if component {
            wasmtime::component::Component::deserialize(engine, bytes).map(Code::Component)
        } else {
            wasmtime::Module::deserialize(engine, bytes).map(Code::Core)
        }
    }
}
