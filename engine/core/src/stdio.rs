//! A guest's standard streams: stdout and stderr cut into lines for the log; for a command, whose stdin and stdout are its
//! request and answer, the bodies of its call.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{InputStream, OutputStream, StreamResult};

use crate::ffi::Str;
use crate::http::body::{InStream, OutStream};
use crate::instance::Link;

/// A line longer than this is handed over in pieces.
const MAX_LINE: usize = 8 << 10;

/// One of the two streams. All copies write to the same line.
#[derive(Clone)]
pub struct LogStream {
    number: i32,
    link: Arc<Link>,
    line: Arc<Mutex<Vec<u8>>>,
}

impl LogStream {
    /// `number`: 1 for stdout, 2 for stderr.
    pub fn new(number: i32, link: Arc<Link>) -> LogStream {
        LogStream { number, link, line: Arc::default() }
    }

    fn push(&self, mut bytes: &[u8]) {
        let mut line = self.line.lock().expect("no panic while it is held");
        while !bytes.is_empty() {
            let room = MAX_LINE - line.len();
            let piece = &bytes[..bytes.len().min(room)];
            match piece.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    line.extend_from_slice(&piece[..end]);
                    self.emit(&mut line);
                    bytes = &bytes[end + 1..];
                }
                None => {
                    line.extend_from_slice(piece);
                    if line.len() == MAX_LINE {
                        self.emit(&mut line);
                    }
                    bytes = &bytes[piece.len()..];
                }
            }
        }
    }

    /// What stands without an end of line; called when a call is over.
    pub fn flush_line(&self) {
        let mut line = self.line.lock().expect("no panic while it is held");
        if !line.is_empty() {
            self.emit(&mut line);
        }
    }

    fn emit(&self, line: &mut Vec<u8>) {
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        self.link.log(self.number, Str::new(text));
        line.clear();
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A command's stdin: the body of its request. WASI 0.2 and preview 1 take the `p2` streams; the other ones are empty.
pub struct CallInput(pub Arc<Link>);

impl IsTerminal for CallInput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for CallInput {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(tokio::io::empty())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(InStream { body: self.0.request_body(), link: self.0.clone() })
    }
}

/// A command's stdout: the body of its answer.
pub struct CallOutput(pub Arc<Link>);

impl IsTerminal for CallOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for CallOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(OutStream { body: self.0.command_output(), link: self.0.clone() })
    }
}
