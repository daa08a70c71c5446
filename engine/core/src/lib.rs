//! Wasmtime as Tandem uses it: engine, modules, instances, limits, WASI and wasi:http behind the C ABI of
//! `include/tandem_engine.h`, which says who owns what and which thread may call.
//!
//! Nothing here knows Dapr; `tandem-engine-wit` adds Dapr's interfaces to a [`linker::Linker`].

pub mod cache;
pub mod compile;
mod confined;
pub mod core_module;
pub mod ctx;
pub mod engine;
pub mod ffi;
pub mod http;
pub mod instance;
mod instance_abi;
pub mod job;
pub mod linker;
pub mod module;
pub mod program;
mod sockets;
pub mod stdio;
mod streams;
mod waker;
