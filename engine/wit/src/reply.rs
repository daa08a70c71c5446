//! `tdm_reply`: where the C++ side answers a call of the guest, in place or later.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use wasmtime::Result;

use crate::outcome::Outcome;

enum Slot {
    Waiting(Option<Waker>),
    Answered(Outcome),
    /// Taken, or nobody waits any more.
    Over,
}

/// `tdm_reply`. The C++ side holds one count, the guest's call the other.
pub struct Reply {
    slot: Mutex<Slot>,
}

impl Reply {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn answer(&self, outcome: Outcome) {
        let mut slot = self.slot();
        match &mut *slot {
            Slot::Waiting(waker) => {
                let waker = waker.take();
                *slot = Slot::Answered(outcome);
                drop(slot);
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            // `outcome` is released after the lock.
            Slot::Answered(_) | Slot::Over => drop(slot),
        }
    }
}

/// The C++ side's count of a reply, before it is handed over.
pub struct Ticket(Arc<Reply>);

impl Ticket {
    pub fn into_raw(self) -> *const Reply {
        Arc::into_raw(self.0)
    }
}

/// A call that the C++ side will answer.
pub struct Pending(Arc<Reply>);

impl Pending {
    fn take(&self) -> Option<Outcome> {
        let mut slot = self.0.slot();
        match std::mem::replace(&mut *slot, Slot::Over) {
            Slot::Answered(outcome) => Some(outcome),
            other => {
                *slot = other;
                None
            }
        }
    }
}

impl Future for Pending {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut slot = self.0.slot();
        match std::mem::replace(&mut *slot, Slot::Over) {
            Slot::Answered(outcome) => Poll::Ready(outcome),
            _ => {
                *slot = Slot::Waiting(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // What was answered and not taken is released after the lock.
        let left = std::mem::replace(&mut *self.0.slot(), Slot::Over);
        drop(left);
    }
}

pub enum Started {
    Now(Outcome),
    Later(Pending),
}

impl Started {
    pub async fn outcome(self) -> Outcome {
        match self {
            Started::Now(outcome) => outcome,
            Started::Later(pending) => pending.await,
        }
    }
}

/// Makes a reply, lets `call` hand it to the C++ side, and looks whether the answer is there already.
pub fn begin(call: impl FnOnce(Ticket) -> Result<()>) -> Result<Started> {
    let reply = Arc::new(Reply { slot: Mutex::new(Slot::Waiting(None)) });
    call(Ticket(reply.clone()))?;
    let pending = Pending(reply);
    Ok(match pending.take() {
        Some(outcome) => Started::Now(outcome),
        None => Started::Later(pending),
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::c_void;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::answers::{tdm_reply_done, tdm_reply_value};
    use crate::outcome::RawBytes;

    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    unsafe extern "C" fn count_release(owner: *mut c_void) {
        unsafe { &*owner.cast::<AtomicUsize>() }.fetch_add(1, Ordering::SeqCst);
    }

    fn bytes(text: &'static str, released: &AtomicUsize) -> RawBytes {
        let owner = std::ptr::from_ref(released).cast_mut().cast();
        RawBytes::new(text.as_bytes(), owner, Some(count_release))
    }

    fn poll(pending: &mut Pending, wakes: &Arc<Wakes>) -> Poll<Outcome> {
        let waker = Waker::from(wakes.clone());
        Pin::new(pending).poll(&mut Context::from_waker(&waker))
    }

    #[test]
    fn an_answer_in_place_is_there_at_once() {
        let released = AtomicUsize::new(0);
        let started = begin(|ticket| {
            unsafe { tdm_reply_value(ticket.into_raw(), &bytes("v", &released)) };
            Ok(())
        });
        let Ok(Started::Now(outcome)) = started else { panic!("the answer is there") };
        let value = outcome.value().ok().flatten().expect("a value");
        assert_eq!(value.as_slice(), b"v");
        assert_eq!(released.load(Ordering::SeqCst), 0);
        drop(value);
        assert_eq!(released.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_late_answer_wakes_the_guest() {
        let mut raw = std::ptr::null();
        let started = begin(|ticket| {
            raw = ticket.into_raw();
            Ok(())
        });
        let Ok(Started::Later(mut pending)) = started else { panic!("nothing is answered yet") };
        let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
        assert!(poll(&mut pending, &wakes).is_pending());
        unsafe { tdm_reply_done(raw) };
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
        let Poll::Ready(outcome) = poll(&mut pending, &wakes) else { panic!("it is answered") };
        assert!(outcome.done().is_ok());
    }

    #[test]
    fn an_answer_that_nobody_waits_for_is_released() {
        let released = AtomicUsize::new(0);
        let mut raw = std::ptr::null();
        let started = begin(|ticket| {
            raw = ticket.into_raw();
            Ok(())
        });
        drop(started);
        unsafe { tdm_reply_value(raw, &bytes("v", &released)) };
        assert_eq!(released.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn an_answer_that_is_not_taken_is_released() {
        let released = AtomicUsize::new(0);
        let mut raw = std::ptr::null();
        let started = begin(|ticket| {
            raw = ticket.into_raw();
            Ok(())
        });
        unsafe { tdm_reply_value(raw, &bytes("v", &released)) };
        assert_eq!(released.load(Ordering::SeqCst), 0);
        drop(started);
        assert_eq!(released.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn an_answer_of_another_kind_is_an_error() {
        let error = Outcome::Done.value().err().expect("an error");
        assert_eq!(error.code, crate::types::Code::Internal);
    }
}
