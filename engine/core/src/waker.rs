//! The waker of an instance: from any thread to the worker that owns it.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Wake;

type User = *mut c_void;

/// Wakes the worker that owns the instance, at most once until it polls.
pub(crate) struct InstanceWaker {
    phase: AtomicU8,
    waker: User,
    wake: unsafe extern "C" fn(User),
    release: unsafe extern "C" fn(User),
}

// SAFETY: the header allows `wake` from any thread.
unsafe impl Send for InstanceWaker {}
// SAFETY: as above.
unsafe impl Sync for InstanceWaker {}

const RESTING: u8 = 0;
const POLLING: u8 = 1;
const POLL_AGAIN: u8 = 2;
const SCHEDULED: u8 = 3;

impl InstanceWaker {
    pub fn new(waker: User, wake: unsafe extern "C" fn(User), release: unsafe extern "C" fn(User)) -> InstanceWaker {
        InstanceWaker { phase: AtomicU8::new(RESTING), waker, wake, release }
    }

    pub fn fire(&self) {
        let mut phase = self.phase.load(Ordering::Acquire);
        loop {
            let next = match phase {
                RESTING => SCHEDULED,
                POLLING => POLL_AGAIN,
                _ => return,
            };
            match self.phase.compare_exchange_weak(phase, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) if next == SCHEDULED => {
                    // SAFETY: `waker` is valid until release, which drop does.
                    unsafe { (self.wake)(self.waker) };
                    return;
                }
                Ok(_) => return,
                Err(now) => phase = now,
            }
        }
    }

    /// A poll starts.
    pub fn begin(&self) {
        self.phase.store(POLLING, Ordering::Release);
    }

    /// True when nothing happened during the poll; false: poll again.
    pub fn rest(&self) -> bool {
        self.phase.compare_exchange(POLLING, RESTING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Leaves the thread to others and comes back.
    pub fn reschedule(&self) {
        self.phase.store(SCHEDULED, Ordering::Release);
        // SAFETY: as in fire().
        unsafe { (self.wake)(self.waker) };
    }
}

impl Wake for InstanceWaker {
    fn wake(self: Arc<Self>) {
        self.fire();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        self.fire();
    }
}

impl Drop for InstanceWaker {
    fn drop(&mut self) {
        // SAFETY: nobody can fire any more.
        unsafe { (self.release)(self.waker) };
    }
}
