//! tandem:dapr/types: what every interface of the package shares.

use wasmtime::component::{ComponentType, Lower};

/// The interface has types only; it is recorded as served, and there is nothing to define.
pub const NAME: &str = "tandem:dapr/types@0.1.0";

/// gRPC's canonical codes without `ok`, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub enum Code {
    #[component(name = "cancelled")]
    Cancelled,
    #[component(name = "unknown")]
    Unknown,
    #[component(name = "invalid-argument")]
    InvalidArgument,
    #[component(name = "deadline-exceeded")]
    DeadlineExceeded,
    #[component(name = "not-found")]
    NotFound,
    #[component(name = "already-exists")]
    AlreadyExists,
    #[component(name = "permission-denied")]
    PermissionDenied,
    #[component(name = "resource-exhausted")]
    ResourceExhausted,
    #[component(name = "failed-precondition")]
    FailedPrecondition,
    #[component(name = "aborted")]
    Aborted,
    #[component(name = "out-of-range")]
    OutOfRange,
    #[component(name = "unimplemented")]
    Unimplemented,
    #[component(name = "internal")]
    Internal,
    #[component(name = "unavailable")]
    Unavailable,
    #[component(name = "data-loss")]
    DataLoss,
    #[component(name = "unauthenticated")]
    Unauthenticated,
}

const CODES: [Code; 16] = [
    Code::Cancelled,
    Code::Unknown,
    Code::InvalidArgument,
    Code::DeadlineExceeded,
    Code::NotFound,
    Code::AlreadyExists,
    Code::PermissionDenied,
    Code::ResourceExhausted,
    Code::FailedPrecondition,
    Code::Aborted,
    Code::OutOfRange,
    Code::Unimplemented,
    Code::Internal,
    Code::Unavailable,
    Code::DataLoss,
    Code::Unauthenticated,
];

#[derive(Clone, Debug, ComponentType, Lower)]
#[component(record)]
pub struct Error {
    pub code: Code,
    pub reason: String,
    pub message: String,
}

impl Error {
    /// `code` is gRPC's number.
    pub fn new(code: i32, reason: String, message: String) -> Error {
        let index = usize::try_from(code).ok().and_then(|code| code.checked_sub(1));
        let code = index.and_then(|index| CODES.get(index)).copied().unwrap_or(Code::Unknown);
        Error { code, reason, message }
    }

    pub fn internal(message: &str) -> Error {
        Error { code: Code::Internal, reason: String::new(), message: message.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_grpcs_numbers() {
        let code = |number| Error::new(number, String::new(), String::new()).code;
        assert_eq!(code(1), Code::Cancelled);
        assert_eq!(code(5), Code::NotFound);
        assert_eq!(code(10), Code::Aborted);
        assert_eq!(code(16), Code::Unauthenticated);
        assert_eq!(code(0), Code::Unknown);
        assert_eq!(code(17), Code::Unknown);
        assert_eq!(code(-3), Code::Unknown);
    }
}
