//! What an order is.

use serde::{Deserialize, Serialize};

use crate::wasi::clocks::wall_clock;
use crate::wasi::random::random::get_random_u64;

/// What a customer sends.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wanted {
    item: String,
    quantity: u32,
    price_cents: u64,
}

impl Wanted {
    /// Why this cannot be ordered.
    pub fn check(&self) -> Result<(), String> {
        if self.item.is_empty()
            || self.item.len() > 64
            || self.item.contains("||")
            || self.item.contains(char::is_control)
        {
            return Err("item must be a name of 1 to 64 bytes".into());
        }
        if !(1..=1_000).contains(&self.quantity) {
            return Err("quantity must be 1 to 1000".into());
        }
        if !(1..=100_000_000).contains(&self.price_cents) {
            return Err("priceCents must be 1 to 100000000".into());
        }
        Ok(())
    }
}

/// What is stored and published.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub id: String,
    pub item: String,
    pub quantity: u32,
    price_cents: u64,
    total_cents: u64,
    /// Seconds since 1970, UTC.
    accepted_at: u64,
}

impl Order {
    /// An order that has been checked.
    pub fn new(wanted: Wanted) -> Self {
        Order {
            id: format!("{:016x}", get_random_u64()),
            total_cents: u64::from(wanted.quantity) * wanted.price_cents,
            item: wanted.item,
            quantity: wanted.quantity,
            price_cents: wanted.price_cents,
            accepted_at: wall_clock::now().seconds,
        }
    }

    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text and numbers become JSON")
    }
}
