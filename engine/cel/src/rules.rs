//! The routing rules of one subscription, compiled.

use std::sync::Arc;

use cel::Context;
use cel::common::ast::IdedExpr;
use cel::common::types::CelBool;
use regex::Regex;

use crate::{check, event, guarded};

/// Bytes of one rule.
pub const MAX_RULE: usize = 4096;
/// Rules of one subscription.
pub const MAX_RULES: usize = 1000;
/// Bytes of an event that rules look at.
pub const MAX_EVENT: usize = 16 << 20;

/// What the variable `event` is.
pub enum Event<'a> {
    /// A JSON document.
    Json(&'a [u8]),
    /// A text: what daprd gives the rules of a bulk subscription to raw payloads.
    Text(&'a [u8]),
}

impl<'a> Event<'a> {
    fn bytes(&self) -> &'a [u8] {
        match self {
            Event::Json(bytes) | Event::Text(bytes) => bytes,
        }
    }
}

struct Rule {
    text: String,
    expression: IdedExpr,
    patterns: Arc<[Regex]>,
}

/// Which rule it is about, counted from 0, and what is wrong.
#[derive(Debug)]
pub struct RuleError {
    pub rule: usize,
    pub message: String,
}

#[derive(Default)]
pub struct Rules {
    /// None: everything matches.
    rules: Vec<Option<Rule>>,
}

impl Rules {
    /// An empty rule matches everything. Fails at the first one that is wrong.
    pub fn compile<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Result<Rules, RuleError> {
        let mut rules = Vec::new();
        for (place, text) in texts.enumerate() {
            let failed = |message| RuleError { rule: place, message };
            if place >= MAX_RULES {
                return Err(failed(format!("more than {MAX_RULES} rules")));
            }
            rules.push(Rule::compile(text).map_err(failed)?);
        }
        Ok(Rules { rules })
    }

    /// The first rule that the event matches. Fails when one before it cannot be evaluated, or is neither true nor false.
    pub fn find(&self, event: &Event) -> Result<Option<usize>, RuleError> {
        let Some(first) = self.rules.first() else { return Ok(None) };
        if first.is_none() {
            return Ok(Some(0));
        }
        let failed = |rule, message| RuleError { rule, message };
        if event.bytes().len() > MAX_EVENT {
            return Err(failed(0, format!("the event has more than {MAX_EVENT} bytes")));
        }
        let document = String::from_utf8_lossy(event.bytes());
        let value = match event {
            Event::Json(_) => event::parse(&document).map_err(|e| failed(0, format!("the event: {e}")))?,
            Event::Text(_) => event::text(&document),
        };
        let mut context = Context::with_env(guarded::ENV.clone());
        context.add_variable_as_val("event", value);
        let running = guarded::Running::start();
        for (place, rule) in self.rules.iter().enumerate() {
            let Some(rule) = rule else { return Ok(Some(place)) };
            let result = running
                .evaluate(&rule.expression, &rule.patterns, &context)
                .map_err(|e| failed(place, e.to_string()))?;
            match result.downcast_ref::<CelBool>() {
                Some(matched) if *matched.inner() => return Ok(Some(place)),
                Some(_) => {}
                None => {
                    let text = &rule.text;
                    return Err(failed(place, format!("the result of match expression {text} was not a boolean")));
                }
            }
        }
        Ok(None)
    }
}

impl Rule {
    fn compile(text: &[u8]) -> Result<Option<Rule>, String> {
        let text = std::str::from_utf8(text).map_err(|_| "not valid UTF-8".to_owned())?.trim();
        if text.is_empty() {
            return Ok(None);
        }
        if text.len() > MAX_RULE {
            return Err(format!("longer than {MAX_RULE} bytes"));
        }
        let program = guarded::ENV.compile(text).map_err(|e| e.to_string())?;
        check::check(program.expression(), program.source_info())?;
        let mut expression = program.expression().clone();
        let mut patterns = Vec::new();
        guarded::rewrite(&mut expression, &mut patterns);
        Ok(Some(Rule { text: text.to_owned(), expression, patterns: patterns.into() }))
    }
}
