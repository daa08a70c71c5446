//! What a running guest carries: its WASI, its handles, its limits, and the way to its owner.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, Result};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::engine;
use crate::http::call::Call;
use crate::instance::Link;
use crate::sockets::Reach;
use crate::stdio::LogStream;

/// The data of a Wasmtime store. `user` pointers and events are in the [`Link`].
pub struct Ctx {
    pub(crate) wasi: Wasi,
    pub table: ResourceTable,
    pub(crate) limits: Limits,
    pub(crate) link: Arc<Link>,
    /// None: the guest has no sockets.
    pub(crate) reach: Option<Arc<Reach>>,
    pub(crate) call: Call,
    pub(crate) logs: [LogStream; 2],
    /// Foreign bytes that a host function is returning; they outlive the copy into the guest's memory.
    pub keep: Vec<Box<dyn Send>>,
    /// Bytes in the table that are the guest's own, for whoever bounds them.
    pub held_bytes: usize,
}

/// Components and preview 1 commands want WASI in different wrappings.
pub(crate) enum Wasi {
    P2(WasiCtx),
    P1(Box<WasiP1Ctx>),
}

impl Ctx {
    /// What the C++ side gave with tdm_instance_new().
    pub fn user(&self) -> *mut std::ffi::c_void {
        self.link.user()
    }

    /// The call is over: what was printed without an end of line is a line too, and carries this call's trace.
    pub(crate) fn flush_logs(&self) {
        for stream in &self.logs {
            stream.flush_line();
        }
    }

    pub(crate) fn p1(&mut self) -> &mut WasiP1Ctx {
        match &mut self.wasi {
            Wasi::P1(wasi) => wasi,
            Wasi::P2(_) => unreachable!("a preview 1 import is linked only into core modules"),
        }
    }
}

impl WasiView for Ctx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        match &mut self.wasi {
            Wasi::P2(ctx) => WasiCtxView { ctx, table: &mut self.table },
            Wasi::P1(_) => unreachable!("component imports are linked only into components"),
        }
    }
}

/// The linear memory of all instances of an engine together.
pub(crate) struct Budget {
    max_bytes: usize,
    used_bytes: AtomicUsize,
}

impl Budget {
    /// 0: no bound.
    pub fn new(max_bytes: u64) -> Budget {
        let max_bytes = if max_bytes == 0 { usize::MAX } else { max_bytes as usize };
        Budget { max_bytes, used_bytes: AtomicUsize::new(0) }
    }

    pub fn has_room(&self, bytes: usize) -> bool {
        self.used_bytes.load(Ordering::Relaxed).saturating_add(bytes) <= self.max_bytes
    }

    fn take(&self, bytes: usize) -> bool {
        let more = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.max_bytes);
        self.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Bounds on what one instance may grow to, over all of its memories and tables.
pub struct Limits {
    pub(crate) shared: Arc<engine::Shared>,
    pub max_memory_bytes: usize,
    pub max_table_elements: usize,
    pub memory_bytes: usize,
    pub table_elements: usize,
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let total = self.memory_bytes.saturating_sub(current).saturating_add(desired);
        if total > self.max_memory_bytes || maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        // A memory never shrinks.
        if !self.shared.budget.take(desired.saturating_sub(current)) {
            return Ok(false);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let total = self.table_elements.saturating_sub(current).saturating_add(desired);
        if total > self.max_table_elements || maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
    }
}

impl Drop for Limits {
    fn drop(&mut self) {
        self.shared.budget.give_back(self.memory_bytes);
    }
}
