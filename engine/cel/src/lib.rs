//! Routing rules in the Common Expression Language, behind the C ABI of `include/tandem_cel.h`.
//!
//! The language is that of cel-go as daprd uses it: one variable, `event`, and the standard library. Parsing and
//! evaluation are the crate `cel`; what is here makes its results those of cel-go ([`check`]: what cel-go refuses when it
//! compiles; [`event`]: every number of a JSON document is a double) and keeps an evaluation within limits ([`guarded`]).

mod abi;
mod check;
mod event;
mod guarded;
mod rules;
#[cfg(test)]
mod tests;

pub use abi::*;
