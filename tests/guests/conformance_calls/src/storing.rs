//! The calls of `tandem:dapr/state`. Every one begins with the name of the store.

use crate::tandem::dapr::state::{self, Concurrency, Item, Operation};
use crate::tandem::dapr::types::Error;
use crate::wire::{Reader, Writer};
use crate::{metadata, write_error};

fn concurrency(from: &mut Reader) -> Option<Concurrency> {
    from.optional_text().map(|choice| match choice.as_str() {
        "first-write" => Concurrency::FirstWrite,
        "last-write" => Concurrency::LastWrite,
        other => panic!("{other} is no concurrency"),
    })
}

/// Key, value, ETag, concurrency, time to live, metadata.
fn set_entry(from: &mut Reader) -> state::SetEntry {
    state::SetEntry {
        key: from.text(),
        value: from.bytes().to_vec(),
        options: state::SetOptions {
            etag: from.optional_text(),
            concurrency: concurrency(from),
            consistency: None,
            ttl_seconds: from.optional_text().map(|seconds| seconds.parse().expect("a time to live is a number")),
            content_type: None,
            metadata: metadata(from),
        },
    }
}

/// Key, ETag, concurrency, metadata.
fn delete_entry(from: &mut Reader) -> state::DeleteEntry {
    state::DeleteEntry {
        key: from.text(),
        options: state::DeleteOptions {
            etag: from.optional_text(),
            concurrency: concurrency(from),
            consistency: None,
            metadata: metadata(from),
        },
    }
}

/// Value, ETag, the time when it expires.
fn write_item(item: Option<&Item>, to: &mut Writer) {
    to.optional_bytes(item.map(|item| item.value.as_slice()));
    to.optional_text(item.and_then(|item| item.etag.as_deref()));
    let expires =
        item.and_then(|item| item.metadata.iter().find(|(name, _)| name.eq_ignore_ascii_case("ttlExpireTime")));
    to.optional_text(expires.map(|(_, time)| time.as_str()));
}

pub fn get_item(from: &mut Reader, to: &mut Writer) -> Result<(), Error> {
    let (store, key) = (from.text(), from.text());
    let item = state::get_item(&store, &key, &state::GetOptions { consistency: None, metadata: vec![] })?;
    write_item(item.as_ref(), to);
    Ok(())
}

pub fn set(from: &mut Reader) -> Result<(), Error> {
    let (store, key) = (from.text(), from.text());
    state::set(&store, &key, from.bytes())
}

pub fn set_item(from: &mut Reader) -> Result<(), Error> {
    let store = from.text();
    let entry = set_entry(from);
    state::set_item(&store, &entry.key, &entry.value, &entry.options)
}

pub fn delete(from: &mut Reader) -> Result<(), Error> {
    let (store, key) = (from.text(), from.text());
    state::delete(&store, &key)
}

pub fn delete_item(from: &mut Reader) -> Result<(), Error> {
    let store = from.text();
    let entry = delete_entry(from);
    state::delete_item(&store, &entry.key, &entry.options)
}

/// Of each key: the key; the code, reason and message of its failure, or no code and the item.
pub fn get_many(from: &mut Reader, to: &mut Writer) -> Result<(), Error> {
    let store = from.text();
    let keys = from.list(Reader::text);
    to.list(&state::get_many(&store, &keys)?, |to, found| {
        to.text(&found.key);
        match &found.item {
            Ok(item) => {
                to.optional_text(None);
                write_item(item.as_ref(), to);
            }
            Err(error) => write_error(error, to),
        }
    });
    Ok(())
}

pub fn set_many(from: &mut Reader) -> Result<(), Error> {
    let store = from.text();
    state::set_many(&store, &from.list(set_entry))
}

pub fn delete_many(from: &mut Reader) -> Result<(), Error> {
    let store = from.text();
    state::delete_many(&store, &from.list(delete_entry))
}

pub fn transact(from: &mut Reader) -> Result<(), Error> {
    let store = from.text();
    let operations = from.list(|from| match from.text().as_str() {
        "upsert" => Operation::Upsert(set_entry(from)),
        "delete" => Operation::Delete(delete_entry(from)),
        other => panic!("{other} is no operation"),
    });
    state::transact(&store, &operations)
}
