//! The calls of `tandem:dapr/pubsub`. Every one begins with the names of the pubsub and the topic.

use crate::tandem::dapr::pubsub::{self, Entry, PublishOptions};
use crate::tandem::dapr::types::Error;
use crate::wire::{Reader, Writer};
use crate::{metadata, write_error};

/// Media type, metadata.
fn options(from: &mut Reader) -> PublishOptions {
    PublishOptions { content_type: from.optional_text(), metadata: metadata(from) }
}

pub fn publish(from: &mut Reader) -> Result<(), Error> {
    let (pubsub, topic, data) = (from.text(), from.text(), from.bytes());
    pubsub::publish(&pubsub, &topic, data, &options(from))
}

/// Answers the entries that failed: id, code, reason, message.
pub fn publish_many(from: &mut Reader, to: &mut Writer) -> Result<(), Error> {
    let (pubsub, topic) = (from.text(), from.text());
    let entries =
        from.list(|from| Entry { entry_id: from.text(), data: from.bytes().to_vec(), options: options(from) });
    to.list(&pubsub::publish_many(&pubsub, &topic, &entries)?, |to, failed| {
        to.text(&failed.entry_id);
        write_error(&failed.error, to);
    });
    Ok(())
}
