//! What the C++ side answers a call with: bytes that stay where they are until they are in the guest's memory, and the
//! kinds of answers.

use std::ffi::c_void;

use tandem_engine_core::ctx::Ctx;
use tandem_engine_core::ffi::Str;

use crate::types::Error;

/// `tdm_bytes`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RawBytes {
    ptr: *const u8,
    len: usize,
    owner: *mut c_void,
    release: Option<unsafe extern "C" fn(*mut c_void)>,
}

impl RawBytes {
    #[cfg(test)]
    pub fn new(bytes: &[u8], owner: *mut c_void, release: Option<unsafe extern "C" fn(*mut c_void)>) -> RawBytes {
        RawBytes { ptr: bytes.as_ptr(), len: bytes.len(), owner, release }
    }
}

/// Bytes of the C++ side, given back when dropped.
pub struct ForeignBytes(RawBytes);

// SAFETY: the header says that `release` may be called on any thread that has the instance or the answer.
unsafe impl Send for ForeignBytes {}
// SAFETY: the bytes do not change while they are held.
unsafe impl Sync for ForeignBytes {}

impl ForeignBytes {
    /// # Safety
    /// `raw` is what the header says of tdm_bytes, and is not used again.
    pub unsafe fn new(raw: RawBytes) -> ForeignBytes {
        ForeignBytes(raw)
    }

    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: the owner keeps the bytes until release.
        unsafe { Str { ptr: self.0.ptr, len: self.0.len }.bytes() }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.as_slice()).into_owned()
    }

    /// The bytes as a result that is lowered right after the host function has returned it. `ctx.keep` holds the owner
    /// until the instance's next call or its end: long enough, because nothing else can look at the slice.
    pub fn lend(self, ctx: &mut Ctx) -> &'static [u8] {
        // SAFETY: see above; the owner moves to the heap, the bytes stay where they are.
        let bytes = unsafe { Str { ptr: self.0.ptr, len: self.0.len }.bytes() };
        if self.0.release.is_some() {
            ctx.keep.push(Box::new(self));
        }
        bytes
    }
}

impl Drop for ForeignBytes {
    fn drop(&mut self) {
        if let Some(release) = self.0.release {
            // SAFETY: once, as the header says.
            unsafe { release(self.0.owner) };
        }
    }
}

pub type Pairs = Vec<(String, String)>;

pub struct Item {
    pub value: ForeignBytes,
    pub etag: Option<String>,
    pub metadata: Pairs,
}

pub struct BulkItem {
    pub key: String,
    pub item: Result<Option<Item>, Error>,
}

/// A page of keys. None: it is the last.
pub struct Keys {
    pub keys: Vec<String>,
    pub next: Option<(String, u64)>,
}

pub struct FailedEntry {
    pub entry_id: String,
    pub error: Error,
}

/// What an output binding gave back.
pub struct BindingAnswer {
    pub data: Option<ForeignBytes>,
    pub metadata: Pairs,
}

/// A key of a configuration and what it has.
pub struct Setting {
    pub key: String,
    pub value: String,
    pub version: String,
    pub metadata: Pairs,
}

pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: ForeignBytes,
}

/// What the C++ side answered.
pub enum Outcome {
    Error(Error),
    Done,
    Value(Option<ForeignBytes>),
    Item(Option<Item>),
    Items(Vec<BulkItem>),
    Keys(Keys),
    Failures(Vec<FailedEntry>),
    Response(Box<Response>),
    BindingAnswer(BindingAnswer),
    /// A failed call of a binding, and what the binding says of it.
    BindingFailure(Error, Pairs),
    Pairs(Pairs),
    Groups(Vec<(String, Pairs)>),
    Settings(Vec<Setting>),
}

impl Outcome {
    fn other_kind<T>(self) -> Result<T, Error> {
        match self {
            Outcome::Error(error) => Err(error),
            _ => Err(Error::internal("the host answered a call with the answer to another one")),
        }
    }

    pub fn done(self) -> Result<(), Error> {
        match self {
            Outcome::Done => Ok(()),
            other => other.other_kind(),
        }
    }

    pub fn value(self) -> Result<Option<ForeignBytes>, Error> {
        match self {
            Outcome::Value(it) => Ok(it),
            other => other.other_kind(),
        }
    }

    pub fn item(self) -> Result<Option<Item>, Error> {
        match self {
            Outcome::Item(it) => Ok(it),
            other => other.other_kind(),
        }
    }

    pub fn items(self) -> Result<Vec<BulkItem>, Error> {
        match self {
            Outcome::Items(it) => Ok(it),
            other => other.other_kind(),
        }
    }

    pub fn keys(self) -> Result<Keys, Error> {
        match self {
            Outcome::Keys(it) => Ok(it),
            other => other.other_kind(),
        }
    }

    pub fn failures(self) -> Result<Vec<FailedEntry>, Error> {
        match self {
            Outcome::Failures(it) => Ok(it),
            other => other.other_kind(),
        }
    }

    pub fn response(self) -> Result<Response, Error> {
        match self {
            Outcome::Response(response) => Ok(*response),
            other => other.other_kind(),
        }
    }

    pub fn binding_answer(self) -> Result<BindingAnswer, (Error, Pairs)> {
        match self {
            Outcome::BindingAnswer(answer) => Ok(answer),
            Outcome::BindingFailure(error, metadata) => Err((error, metadata)),
            other => other.other_kind().map_err(|error| (error, Pairs::new())),
        }
    }

    pub fn pairs(self) -> Result<Pairs, Error> {
        match self {
            Outcome::Pairs(it) => Ok(it),
            other => other.other_kind(),
        }
    }

    pub fn groups(self) -> Result<Vec<(String, Pairs)>, Error> {
        match self {
            Outcome::Groups(it) => Ok(it),
            other => other.other_kind(),
        }
    }

    pub fn settings(self) -> Result<Vec<Setting>, Error> {
        match self {
            Outcome::Settings(it) => Ok(it),
            other => other.other_kind(),
        }
    }
}
