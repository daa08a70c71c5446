//! wasi:http 0.2, lean: plain buffers, one event for the common answer, streaming only when a body needs it.
//!
//! - [`types`]: the WIT types; [`fields`]: header fields; [`body`]: the two buffers every body goes through;
//! - [`call`]: the request that a guest answers; [`exchange`]: a guest's own request;
//! - [`bind`]: the host functions.

pub mod bind;
pub mod body;
pub mod call;
pub mod exchange;
pub mod fields;
pub mod types;
