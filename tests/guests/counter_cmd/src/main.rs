//! A WASI command: counts what comes on stdin and writes one JSON object to stdout, as a pure function does.
//!
//! An argument that is a number from 1 to 255 is the exit status after that, said on stderr.

use std::io::{Read, Write};
use std::process::ExitCode;

fn main() -> std::io::Result<ExitCode> {
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input)?;
    let lines = input.iter().filter(|byte| **byte == b'\n').count();
    let words = input.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{{\"lines\":{lines},\"words\":{words},\"bytes\":{}}}", input.len())?;
    stdout.flush()?;
    let status = std::env::args().nth(1).and_then(|argument| argument.parse::<u8>().ok()).unwrap_or(0);
    if status != 0 {
        eprintln!("asked to end with status {status}");
    }
    Ok(ExitCode::from(status))
}
