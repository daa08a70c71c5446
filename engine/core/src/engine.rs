//! The engine: one Wasmtime configuration for all modules, the instance slots, the clock that makes guests give way.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmBacktraceDetails};

use crate::compile::Compiler;
use crate::ctx::Budget;
use crate::ffi::{Error, ErrorKind, Str, guard};

/// `tdm_engine_config`.
#[repr(C)]
pub struct EngineConfig {
    pub max_instances: u32,
    pub max_memory_bytes: u64,
    pub max_total_memory_bytes: u64,
    pub max_table_elements: u64,
    pub max_stack_bytes: u64,
    pub keep_resident_bytes: u64,
    pub tick_ms: u32,
    pub cache_folder: Str,
}

/// `tdm_engine`. Everything made from it holds the [`Shared`] inside alive.
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

pub struct Shared {
    pub(crate) wasmtime: wasmtime::Engine,
    /// Runs WASI's timers and sockets on one thread of its own; guests run on the workers that poll them.
    pub(crate) tokio: tokio::runtime::Runtime,
    pub(crate) compiler: Compiler,
    pub(crate) cache_folder: Option<PathBuf>,
    pub(crate) budget: Budget,
    stop: Arc<AtomicBool>,
    ticker: Option<JoinHandle<()>>,
}

/// An adapted component is several core instances: the adapter, its shims, and the module itself.
const CORE_INSTANCES_PER_COMPONENT: u32 = 8;
/// Core modules of a component that have a memory of their own; an adapter shares the main module's.
const MEMORIES_PER_COMPONENT: u32 = 2;
const TABLES_PER_COMPONENT: u32 = 8;
/// Room for Wasmtime's own records of an instance; large guests (Python) need about a megabyte.
const MAX_INSTANCE_RECORD_BYTES: usize = 2 << 20;
/// Idle slots that keep their memory image mapped, so that a new instance of the same module starts without page faults.
const WARM_SLOTS: u32 = 64;

impl Engine {
    pub fn new(config: &EngineConfig, cache_folder: Option<PathBuf>) -> Result<Engine, Error> {
        let instances = config.max_instances.max(1);
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(instances)
            .total_core_instances(instances.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
            .total_memories(instances.saturating_mul(MEMORIES_PER_COMPONENT))
            .total_tables(instances.saturating_mul(TABLES_PER_COMPONENT))
            .total_stacks(instances)
            .total_gc_heaps(instances)
            .max_core_instances_per_component(64)
            .max_memories_per_component(MEMORIES_PER_COMPONENT * 8)
            .max_tables_per_component(64)
            .max_component_instance_size(MAX_INSTANCE_RECORD_BYTES)
            .max_core_instance_size(MAX_INSTANCE_RECORD_BYTES)
            .max_memory_size(config.max_memory_bytes as usize)
            .table_elements(config.max_table_elements as usize)
            .max_unused_warm_slots(WARM_SLOTS)
            .linear_memory_keep_resident(config.keep_resident_bytes as usize)
            .table_keep_resident(64 << 10)
            .async_stack_keep_resident(16 << 10)
            .pagemap_scan(Enabled::Auto);

        let mut wasm = Config::new();
        wasm.allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
            .cranelift_opt_level(OptLevel::Speed)
            .epoch_interruption(true)
            .max_wasm_stack(config.max_stack_bytes as usize)
            .async_stack_size(config.max_stack_bytes as usize + (512 << 10))
            .wasm_backtrace_details(WasmBacktraceDetails::Disable)
            .wasm_component_model(true);
        let wasmtime = wasmtime::Engine::new(&wasm)
            .map_err(|error| Error::new(ErrorKind::Engine, format!("cannot set up the engine: {error:#}")))?;

        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("wasi")
            .enable_time()
            .enable_io()
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Io, format!("cannot start the thread for WASI's clocks: {error}"))
            })?;

        let stop = Arc::new(AtomicBool::new(false));
        let ticker = std::thread::Builder::new()
            .name("epoch".into())
            .spawn({
                let (stop, engine) = (stop.clone(), wasmtime.weak());
                let tick = Duration::from_millis(config.tick_ms.max(1).into());
                move || {
                    while !stop.load(Ordering::Relaxed) {
                        std::thread::park_timeout(tick);
                        match engine.upgrade() {
                            Some(engine) => engine.increment_epoch(),
                            None => return,
                        }
                    }
                }
            })
            .map_err(|error| Error::new(ErrorKind::Io, format!("cannot start the epoch thread: {error}")))?;

        Ok(Engine {
            shared: Arc::new(Shared {
                wasmtime,
                tokio,
                compiler: Compiler::new(&wasm),
                cache_folder,
                budget: Budget::new(config.max_total_memory_bytes),
                stop,
                ticker: Some(ticker),
            }),
        })
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(ticker) = self.ticker.take() {
            ticker.thread().unpark();
            let _ = ticker.join();
        }
    }
}

/// # Safety
/// `config` is readable, `out` writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_engine_new(config: *const EngineConfig, out: *mut *mut Engine) -> *mut Error {
    guard(|| {
        let config = unsafe { &*config };
        let folder = unsafe { config.cache_folder.text() };
        let folder = (!folder.is_empty()).then(|| PathBuf::from(folder));
        let engine = Engine::new(config, folder)?;
        unsafe { *out = Box::into_raw(Box::new(engine)) };
        Ok(())
    })
}

/// # Safety
/// `engine` is null or came from tdm_engine_new and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_engine_delete(engine: *mut Engine) {
    if !engine.is_null() {
        crate::ffi::fence((), || drop(unsafe { Box::from_raw(engine) }));
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn tdm_engine_version() -> Str {
    Str::new(WASMTIME_VERSION.as_bytes())
}

/// The version that Cargo.toml pins.
const WASMTIME_VERSION: &str = "48.0.8";

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_is_the_one_that_is_built() {
        let lock = include_str!("../../Cargo.lock");
        let pinned = format!("name = \"wasmtime\"\nversion = \"{}\"", super::WASMTIME_VERSION);
        assert!(lock.contains(&pinned), "engine.rs says {}", super::WASMTIME_VERSION);
    }
}
