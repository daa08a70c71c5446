//! How many events an instance has seen, which, and how old they were.

use std::fmt::Write;

/// Ages in classes that are 3 % wide: below 32 µs one a microsecond, above it 32 to each doubling.
const CLASSES: usize = 32 * 40;

pub struct Counts {
    id: u64,
    count: u64,
    sum: u64,
    squares: u64,
    ages: Vec<u64>,
}

/// The digits that follow `mark`.
pub fn number(text: &[u8], mark: &[u8]) -> Option<u64> {
    let begins = |at: &usize| text[*at] == mark[0] && text[*at..].starts_with(mark);
    let at = (0..text.len()).find(begins)? + mark.len();
    let digits = text[at..].iter().take_while(|byte| byte.is_ascii_digit());
    let mut found = None;
    for digit in digits {
        found = Some(found.unwrap_or(0u64).wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
    }
    found
}

fn class(micros: u64) -> usize {
    if micros < 32 {
        return micros as usize;
    }
    let doublings = 63 - micros.leading_zeros() as usize - 5;
    ((doublings + 1) * 32 + ((micros >> doublings) as usize - 32)).min(CLASSES - 1)
}

impl Counts {
    /// `id` tells instances apart.
    pub fn new(id: u64) -> Self {
        Counts { id, count: 0, sum: 0, squares: 0, ages: vec![0; CLASSES] }
    }

    pub fn add(&mut self, number: u64, micros: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(number);
        self.squares = self.squares.wrapping_add(number.wrapping_mul(number));
        self.ages[class(micros)] += 1;
    }

    /// The sums are modulo 2^64; `ages` has [class, events] for each class that has some.
    pub fn json(&self) -> String {
        let mut json = format!(
            r#"{{"id":"{}","count":{},"sum":"{}","squares":"{}","ages":["#,
            self.id, self.count, self.sum, self.squares
        );
        let mut separator = "";
        for (class, events) in self.ages.iter().enumerate().filter(|(_, events)| **events > 0) {
            let _ = write!(json, "{separator}[{class},{events}]");
            separator = ",";
        }
        json.push_str("]}");
        json
    }
}
