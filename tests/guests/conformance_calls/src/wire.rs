//! The form of requests and answers: fields, each a length and so many bytes.
//!
//! The length is 32 bits, little-endian; all ones say that there is no value. A list is a field with the number of its
//! items in decimal, and the fields of each item after it. tests/conformance/wire.h is the other side. A body that does
//! not have this form is the suite's mistake and traps.

const NO_VALUE: u32 = u32::MAX;

pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(body: &'a [u8]) -> Self {
        Reader { rest: body }
    }

    pub fn optional_bytes(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_first_chunk().expect("a field is there");
        let length = u32::from_le_bytes(*length);
        if length == NO_VALUE {
            self.rest = rest;
            return None;
        }
        let (bytes, rest) = rest.split_at(length as usize);
        self.rest = rest;
        Some(bytes)
    }

    pub fn bytes(&mut self) -> &'a [u8] {
        self.optional_bytes().expect("a value is there")
    }

    pub fn optional_text(&mut self) -> Option<String> {
        self.optional_bytes().map(|bytes| String::from_utf8(bytes.to_vec()).expect("text is UTF-8"))
    }

    pub fn text(&mut self) -> String {
        self.optional_text().expect("a value is there")
    }

    pub fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count: usize = self.text().parse().expect("a list begins with its length");
        (0..count).map(|_| item(self)).collect()
    }
}

pub struct Writer {
    body: Vec<u8>,
}

impl Writer {
    pub fn new() -> Self {
        Writer { body: Vec::new() }
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.body.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.body.extend_from_slice(bytes);
    }

    pub fn optional_bytes(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bytes(bytes),
            None => self.body.extend_from_slice(&NO_VALUE.to_le_bytes()),
        }
    }

    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub fn optional_text(&mut self, text: Option<&str>) {
        self.optional_bytes(text.map(str::as_bytes));
    }

    pub fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        self.text(&items.len().to_string());
        for one in items {
            item(self, one);
        }
    }

    pub fn finish(self) -> Vec<u8> {
        self.body
    }
}
