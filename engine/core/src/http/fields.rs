//! Header fields as a guest holds them.

use smallvec::SmallVec;
use wasmtime::bail;

use super::types::HeaderError;
use crate::ffi::{Header, Str};

/// Names and values of one `fields` resource together. A guest that goes over it traps.
const MAX_FIELDS_BYTES: usize = 128 << 10;

/// The names that belong to the connection, not to the message: a guest may not set them.
const FORBIDDEN: [&str; 9] = [
    "connection",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// A list of names (in lower case, as HTTP/2 has them) and values, in order.
#[derive(Clone, Default)]
pub struct Fields {
    entries: Vec<(String, Vec<u8>)>,
    bytes: usize,
    immutable: bool,
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn is_value(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7f))
}

impl Fields {
    /// A message's own fields, which the guest may read and copy.
    pub fn received(headers: &[Header]) -> Fields {
        let mut fields = Fields { entries: Vec::with_capacity(headers.len()), bytes: 0, immutable: true };
        for header in headers {
            // SAFETY: the caller's spans live for this call.
            let (name, value) = unsafe { (header.name.bytes(), header.value.bytes()) };
            let mut name = String::from_utf8_lossy(name).into_owned();
            name.make_ascii_lowercase();
            fields.bytes += name.len() + value.len();
            fields.entries.push((name, value.to_vec()));
        }
        fields
    }

    /// The same fields, for reading only.
    pub fn read_only(&self) -> Fields {
        Fields { immutable: true, ..self.clone() }
    }

    /// The same fields, for changing.
    pub fn copy(&self) -> Fields {
        Fields { immutable: false, ..self.clone() }
    }

    pub fn get(&self, name: &str) -> Vec<Vec<u8>> {
        self.matching(name).cloned().collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.matching(name).next().is_some()
    }

    fn matching<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Vec<u8>> {
        self.entries.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The outer error ends the guest, the inner one is the guest's to handle.
    pub fn append(&mut self, name: &str, value: &[u8]) -> wasmtime::Result<Result<(), HeaderError>> {
        if self.immutable {
            return Ok(Err(HeaderError::Immutable));
        }
        if !is_name(name) || !is_value(value) {
            return Ok(Err(HeaderError::InvalidSyntax));
        }
        let name = name.to_ascii_lowercase();
        if FORBIDDEN.contains(&name.as_str()) {
            return Ok(Err(HeaderError::Forbidden));
        }
        self.bytes += name.len() + value.len();
        if self.bytes > MAX_FIELDS_BYTES {
            bail!("the guest's header fields are larger than {} KiB", MAX_FIELDS_BYTES >> 10);
        }
        self.entries.push((name, value.to_vec()));
        Ok(Ok(()))
    }

    pub fn delete(&mut self, name: &str) -> Result<(), HeaderError> {
        if self.immutable {
            return Err(HeaderError::Immutable);
        }
        if !is_name(name) {
            return Err(HeaderError::InvalidSyntax);
        }
        if FORBIDDEN.iter().any(|forbidden| forbidden.eq_ignore_ascii_case(name)) {
            return Err(HeaderError::Forbidden);
        }
        let bytes = &mut self.bytes;
        self.entries.retain(|(key, value)| {
            let keep = !key.eq_ignore_ascii_case(name);
            if !keep {
                *bytes -= key.len() + value.len();
            }
            keep
        });
        Ok(())
    }

    pub fn set(&mut self, name: &str, values: &[Vec<u8>]) -> wasmtime::Result<Result<(), HeaderError>> {
        if values.iter().any(|value| !is_value(value)) {
            return Ok(Err(HeaderError::InvalidSyntax));
        }
        if let Err(error) = self.delete(name) {
            return Ok(Err(error));
        }
        for value in values {
            if let Err(error) = self.append(name, value)? {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    pub fn entries(&self) -> &[(String, Vec<u8>)] {
        &self.entries
    }

    /// The value of Content-Length, when there is one. Two that differ, or one that is no number, are an error.
    pub fn content_length(&self) -> Result<Option<u64>, ()> {
        let mut found = None;
        for value in self.matching("content-length") {
            let text = std::str::from_utf8(value).map_err(|_| ())?;
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(());
            }
            let length = text.parse::<u64>().map_err(|_| ())?;
            if found.is_some_and(|found| found != length) {
                return Err(());
            }
            found = Some(length);
        }
        Ok(found)
    }

    /// Spans for the C++ side, without the fields that `leave_out` names. They live as long as `self` does.
    pub fn spans(&self, leave_out: &str) -> SmallVec<[Header; 8]> {
        self.entries
            .iter()
            .filter(|(name, _)| name != leave_out)
            .map(|(name, value)| Header { name: Str::new(name.as_bytes()), value: Str::new(value) })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_case_and_bad_ones_are_refused() {
        let mut fields = Fields::default();
        assert_eq!(fields.append("X-One", b"1").unwrap(), Ok(()));
        assert_eq!(fields.append("x-one", b"2").unwrap(), Ok(()));
        assert_eq!(fields.get("X-ONE"), vec![b"1".to_vec(), b"2".to_vec()]);
        assert_eq!(fields.append("bad name", b"1").unwrap(), Err(HeaderError::InvalidSyntax));
        assert_eq!(fields.append("ok", b"a\r\nb: c").unwrap(), Err(HeaderError::InvalidSyntax));
        assert_eq!(fields.append("Connection", b"close").unwrap(), Err(HeaderError::Forbidden));
        assert_eq!(fields.set("x-one", &[b"3".to_vec()]).unwrap(), Ok(()));
        assert_eq!(fields.get("x-one"), vec![b"3".to_vec()]);
        assert_eq!(fields.read_only().delete("x-one"), Err(HeaderError::Immutable));
        assert_eq!(fields.read_only().copy().delete("x-one"), Ok(()));
    }

    #[test]
    fn content_length_is_one_number_or_nothing() {
        let mut fields = Fields::default();
        assert_eq!(fields.content_length(), Ok(None));
        fields.append("content-length", b"7").unwrap().unwrap();
        assert_eq!(fields.content_length(), Ok(Some(7)));
        fields.append("content-length", b"8").unwrap().unwrap();
        assert_eq!(fields.content_length(), Err(()));
        fields.set("content-length", &[b"-1".to_vec()]).unwrap().unwrap();
        assert_eq!(fields.content_length(), Err(()));
    }

    #[test]
    fn too_many_bytes_end_the_guest() {
        let mut fields = Fields::default();
        let value = vec![b'a'; 64 << 10];
        assert!(fields.append("a", &value).is_ok());
        assert!(fields.append("b", &value).is_err());
    }
}
