//! The one static library of the engine: every `extern "C"` function of `include/` comes from the crates below.

pub use tandem_engine_cel::*;
pub use tandem_engine_core::*;
pub use tandem_engine_wit::*;
