//! The C side of things: spans, errors, and the fence that no panic crosses.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A borrowed span of bytes, `tdm_str`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Str {
    pub ptr: *const u8,
    pub len: usize,
}

impl Str {
    pub const EMPTY: Str = Str { ptr: std::ptr::null(), len: 0 };

    pub fn new(bytes: &[u8]) -> Str {
        Str { ptr: bytes.as_ptr(), len: bytes.len() }
    }

    /// # Safety
    /// `ptr` points to `len` bytes that live for `'a`, or `len` is 0.
    pub unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(self.ptr, self.len) } }
    }

    /// # Safety
    /// As [`Str::bytes`].
    pub unsafe fn text(self) -> String {
        String::from_utf8_lossy(unsafe { self.bytes() }).into_owned()
    }
}

/// A name and a value, `tdm_header`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Header {
    pub name: Str,
    pub value: Str,
}

/// # Safety
/// `ptr` points to `len` values that live for `'a`, or `len` is 0.
pub unsafe fn slice<'a, T>(ptr: *const T, len: usize) -> &'a [T] {
    if len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(ptr, len) } }
}

/// `enum tdm_error_kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum ErrorKind {
    Invalid = 1,
    Link = 2,
    Limit = 3,
    Io = 4,
    Trap = 5,
    Exit = 6,
    Panic = 7,
    Engine = 8,
}

/// Frames of the guest that a trap's message names.
const MAX_FRAMES: usize = 6;

/// `tdm_error`.
#[derive(Debug)]
pub struct Error {
    pub kind: ErrorKind,
    pub message: String,
}

impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into() }
    }

    /// What a failed call or start means: a trap with its reason and the guest's frames, or what else went wrong.
    pub fn from_wasmtime(error: &wasmtime::Error) -> Error {
        if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
            return Error::new(ErrorKind::Exit, format!("the guest exited with status {}", exit.0));
        }
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return Error::new(ErrorKind::Limit, format!("no free instance slot: {error:#}"));
        }
        let kind = if error.is::<wasmtime::Trap>() { ErrorKind::Trap } else { ErrorKind::Engine };
        let mut message = error.root_cause().to_string();
        if let Some(trace) = error.downcast_ref::<wasmtime::WasmBacktrace>() {
            for (place, frame) in trace.frames().iter().take(MAX_FRAMES).enumerate() {
                message.push_str(if place == 0 { " in " } else { " < " });
                match frame.func_name() {
                    Some(name) => message.push_str(name),
                    None => message.push_str(&format!("function {}", frame.func_index())),
                }
            }
        }
        Error::new(kind, message)
    }
}

/// What a panic said.
pub fn panic_text(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast_ref::<&str>() {
        Some(text) => (*text).to_string(),
        None => panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "panic".into()),
    }
}

/// Runs an entry of the ABI; an error or a panic becomes the returned pointer.
pub fn guard(body: impl FnOnce() -> Result<(), Error>) -> *mut Error {
    let result = catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|panic| Err(Error::new(ErrorKind::Panic, panic_text(panic))));
    match result {
        Ok(()) => std::ptr::null_mut(),
        Err(error) => Box::into_raw(Box::new(error)),
    }
}

/// Runs an entry of the ABI that has no error to return; a panic gives `otherwise`.
pub fn fence<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

/// # Safety
/// `error` is null or came from this library and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_error_delete(error: *mut Error) {
    if !error.is_null() {
        drop(unsafe { Box::from_raw(error) });
    }
}

/// # Safety
/// `error` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_error_get_kind(error: *const Error) -> i32 {
    unsafe { (*error).kind as i32 }
}

/// # Safety
/// `error` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_error_get_message(error: *const Error) -> Str {
    Str::new(unsafe { (*error).message.as_bytes() })
}
