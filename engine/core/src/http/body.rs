//! The two buffers that every body goes through, and the WASI streams over them.
//!
//! [`BodyIn`] is filled by the C++ side and read by the guest; [`BodyOut`] the other way round. Each holds a bounded amount:
//! a guest that writes faster than its reader suspends, and the C++ side is asked for more only when the guest wants it.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{InputStream, OutputStream, StreamError, StreamResult};

use super::fields::Fields;
use crate::confined::Shared;
use crate::instance::Link;

/// What a guest may have written that has not left yet.
pub const OUT_CAPACITY: usize = 64 << 10;

/// What went wrong with a body, inside a wasi:io error.
#[derive(Debug)]
pub struct BodyError(pub &'static str);

impl std::fmt::Display for BodyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BodyError {}

/// How an incoming body ended.
#[derive(Clone)]
pub enum InEnd {
    Complete(Option<Fields>),
    Broken,
}

#[derive(Default)]
pub struct BodyIn {
    chunks: VecDeque<Bytes>,
    pub end: Option<InEnd>,
    waker: Option<Waker>,
    /// The guest waits and nobody has been asked for more yet.
    pub want: bool,
    asked: bool,
    /// The guest reads no more and waits only for the trailers.
    discard: bool,
}

impl BodyIn {
    pub fn push(&mut self, bytes: Bytes) {
        self.asked = false;
        if self.discard {
            self.want = true;
            return;
        }
        if !bytes.is_empty() {
            self.chunks.push_back(bytes);
        }
        self.wake();
    }

    /// The guest has read enough: what is there and what comes is thrown away.
    pub fn discard(&mut self) {
        self.discard = true;
        self.want = true;
        self.chunks.clear();
    }

    pub fn finish(&mut self, end: InEnd) {
        self.end.get_or_insert(end);
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// True once for each time that the guest ran out: the C++ side is to be asked.
    pub fn take_want(&mut self) -> bool {
        let ask = self.want && !self.asked && self.end.is_none();
        self.want = false;
        self.asked |= ask;
        ask
    }

    fn ready(&self) -> bool {
        !self.chunks.is_empty() || self.end.is_some()
    }

    fn read(&mut self, size: usize) -> Option<StreamResult<Bytes>> {
        match self.chunks.front_mut() {
            Some(front) => {
                let bytes = front.split_to(size.min(front.len()));
                if front.is_empty() {
                    self.chunks.pop_front();
                }
                Some(Ok(bytes))
            }
            None => match &self.end {
                Some(InEnd::Complete(_)) => Some(Err(StreamError::Closed)),
                Some(InEnd::Broken) => {
                    Some(Err(StreamError::LastOperationFailed(BodyError("the body broke off before its end").into())))
                }
                None => None,
            },
        }
    }
}

/// The guest's end of a [`BodyIn`]. The link is told when the guest wants more.
pub struct InStream {
    pub body: Shared<BodyIn>,
    pub link: Arc<Link>,
}

#[async_trait::async_trait]
impl Pollable for InStream {
    async fn ready(&mut self) {
        poll_fn(|cx| {
            let mut body = self.body.borrow();
            if body.ready() {
                return Poll::Ready(());
            }
            body.want = true;
            body.waker = Some(cx.waker().clone());
            drop(body);
            self.link.mark_dirty();
            Poll::Pending
        })
        .await;
    }
}

impl InputStream for InStream {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let mut body = self.body.borrow();
        match body.read(size) {
            Some(result) => result,
            None => {
                body.want = true;
                drop(body);
                self.link.mark_dirty();
                Ok(Bytes::new())
            }
        }
    }
}

/// How a guest ended the body it writes.
pub enum OutEnd {
    Finished(Option<Fields>),
    /// Dropped without finish, or shorter than its Content-Length said.
    Cut,
}

#[derive(Default)]
pub struct BodyOut {
    pub buffer: Vec<u8>,
    /// A piece is with the C++ side and not drained yet.
    pub in_flight: bool,
    pub end: Option<OutEnd>,
    /// Nobody wants the bytes any more.
    pub discard: bool,
    /// Content-Length, when the guest gave one.
    pub declared: Option<u64>,
    pub written: u64,
    /// The guest tried to write more than it had declared.
    overrun: bool,
    /// The answer to HEAD: its Content-Length speaks of a body that is not sent.
    pub head: bool,
    stream_taken: bool,
    waker: Option<Waker>,
}

impl BodyOut {
    pub fn reset(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        *self = BodyOut { buffer, ..BodyOut::default() };
    }

    pub fn take_stream(&mut self) -> bool {
        !std::mem::replace(&mut self.stream_taken, true)
    }

    fn room(&self) -> usize {
        if self.discard { OUT_CAPACITY } else { OUT_CAPACITY.saturating_sub(self.buffer.len()) }
    }

    /// Room again, or nobody there: a guest that waits goes on.
    pub fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// The guest's finish. With the wrong length the body is cut and the declared length comes back.
    pub fn finish(&mut self, trailers: Option<Fields>) -> Result<(), u64> {
        if let Some(declared) = self.declared
            && (self.overrun || (declared != self.written && !(self.head && self.written == 0)))
        {
            self.end = Some(OutEnd::Cut);
            return Err(declared);
        }
        self.end = Some(OutEnd::Finished(trailers));
        Ok(())
    }
}

/// A future that is over, for what has nothing to wait for: in a box it takes no memory.
struct Over;

impl Future for Over {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// The guest's end of a [`BodyOut`].
pub struct OutStream {
    pub body: Shared<BodyOut>,
    pub link: Arc<Link>,
}

#[async_trait::async_trait]
impl Pollable for OutStream {
    async fn ready(&mut self) {
        poll_fn(|cx| {
            let mut body = self.body.borrow();
            if body.room() > 0 || body.end.is_some() {
                return Poll::Ready(());
            }
            body.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl OutputStream for OutStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut body = self.body.borrow();
        if body.end.is_some() {
            return Err(StreamError::Closed);
        }
        if bytes.len() > body.room() {
            return Err(StreamError::trap("the guest wrote more than check-write allowed"));
        }
        let written = body.written + bytes.len() as u64;
        if body.declared.is_some_and(|declared| written > declared) {
            body.overrun = true;
            return Err(StreamError::LastOperationFailed(
                BodyError("the body is longer than its Content-Length").into(),
            ));
        }
        body.written = written;
        if !body.discard {
            body.buffer.extend_from_slice(&bytes);
            drop(body);
            self.link.mark_dirty();
        }
        Ok(())
    }

    /// Everything leaves at the end of the guest's slice anyway; a flush that is followed by finish costs nothing extra.
    fn flush(&mut self) -> StreamResult<()> {
        if self.body.borrow().end.is_some() { Err(StreamError::Closed) } else { Ok(()) }
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let body = self.body.borrow();
        if body.end.is_some() { Err(StreamError::Closed) } else { Ok(body.room()) }
    }

    /// The guest drops it: nothing is under way that would have to end first.
    fn cancel<'a, 'b>(&'a mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(Over)
    }
}
