//! The log: the latest uses, newest first, as one value in Dapr's state.

use serde::{Deserialize, Serialize};

use crate::tandem::dapr::state::{self, Concurrency, GetOptions, SetOptions};
use crate::tandem::dapr::types::{Code, Error};

const STORE: &str = "statestore";
const KEY: &str = "log";
/// Uses that are kept.
const KEPT: usize = 100;
/// How often a write is tried when others come in between. One of those always succeeds.
const ATTEMPTS: usize = 50;

/// One picture that was made gray, as `grayscale` tells of it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Use {
    id: String,
    /// Milliseconds since 1970, UTC.
    at: u64,
    format: String,
    width: u32,
    height: u32,
    input_bytes: u64,
    output_bytes: u64,
    millis: f64,
}

impl Use {
    /// Whether its texts are as short as they should be: the whole log is one value.
    pub fn is_sound(&self) -> bool {
        self.id.len() <= 32 && self.format.len() <= 8
    }
}

/// How the app heard of a use.
#[derive(Clone, Copy)]
pub enum Way {
    Call,
    Event,
}

#[derive(Serialize, Deserialize)]
pub struct Entry {
    #[serde(flatten)]
    what: Use,
    call: bool,
    event: bool,
}

/// The entries, newest first.
pub fn read() -> Result<Vec<Entry>, String> {
    Ok(load().map_err(in_words)?.0)
}

/// Notes that a use was heard of this way. The same news may come again: it changes nothing.
pub fn note(what: Use, way: Way) -> Result<(), String> {
    for _ in 0..ATTEMPTS {
        let (mut entries, etag) = load().map_err(in_words)?;
        add(&mut entries, what.clone(), way);
        match store(&entries, etag) {
            Err(Error { code: Code::Aborted, .. }) => continue,
            done => return done.map_err(in_words),
        }
    }
    Err(format!("{ATTEMPTS} times somebody else was faster"))
}

fn add(entries: &mut Vec<Entry>, what: Use, way: Way) {
    let at = match entries.iter().position(|entry| entry.what.id == what.id) {
        Some(at) => at,
        None => {
            let at = entries.partition_point(|entry| entry.what.at > what.at);
            entries.insert(at, Entry { what, call: false, event: false });
            at
        }
    };
    match way {
        Way::Call => entries[at].call = true,
        Way::Event => entries[at].event = true,
    }
    entries.truncate(KEPT);
}

/// The entries with the version of the value.
fn load() -> Result<(Vec<Entry>, Option<String>), Error> {
    let options = GetOptions { consistency: None, metadata: vec![] };
    match state::get_item(STORE, KEY, &options)? {
        None => Ok((vec![], None)),
        Some(item) => match serde_json::from_slice(&item.value) {
            Ok(entries) => Ok((entries, item.etag)),
            Err(error) => Err(Error {
                code: Code::DataLoss,
                reason: String::new(),
                message: format!("the value of \"{KEY}\" is no log: {error}"),
            }),
        },
    }
}

/// Writes, if nobody has since it was read.
fn store(entries: &[Entry], etag: Option<String>) -> Result<(), Error> {
    let options = SetOptions {
        etag,
        concurrency: Some(Concurrency::FirstWrite),
        consistency: None,
        ttl_seconds: None,
        content_type: Some("application/json".into()),
        metadata: vec![],
    };
    state::set_item(STORE, KEY, &serde_json::to_vec(entries).expect("entries become JSON"), &options)
}

fn in_words(error: Error) -> String {
    eprintln!("{}: {}", error.reason, error.message);
    error.message
}
