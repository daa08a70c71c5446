//! A value of an instance that guest and host share, never at the same time.
//!
//! Everything that belongs to an instance is used by one thread at a time (tandem_engine.h), which Rust cannot see: it wants
//! what a future holds to be `Send` and `Sync`. A lock would say so too, at the price of two atomic operations for each
//! of the dozens of looks that a call takes.

use std::cell::{RefCell, RefMut};
use std::sync::Arc;

#[derive(Default)]
pub struct Confined<T>(RefCell<T>);

// SAFETY: the owner of the instance uses it on one thread at a time and hands it over with a barrier, so no two threads
// meet at the cell. Wakers, which do fire from other threads, hold none of it.
unsafe impl<T: Send> Sync for Confined<T> {}

impl<T> Confined<T> {
    pub fn new(value: T) -> Confined<T> {
        Confined(RefCell::new(value))
    }

    /// Panics when it is borrowed already: a callback ran into the middle of its own caller.
    pub fn borrow(&self) -> RefMut<'_, T> {
        self.0.borrow_mut()
    }
}

/// One value with several handles of a guest to it.
pub type Shared<T> = Arc<Confined<T>>;
