//! What keeps an evaluation within limits: expressions are rewritten when they are compiled.
//!
//! Each step of a loop (`all`, `exists`, `exists_one`, `map`, `filter`) looks at the time that the evaluation has used; a
//! `+` does not make a value larger than [`MAX_SUM`]; the patterns of `matches()` that are literals are compiled once.
//! The functions that this puts in have names that no rule can write.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::common::traits::Container;
use cel::common::types::{self, CelBool, CelBytes, CelDouble, CelInt, CelList, CelMap, CelString};
use cel::common::value::CowVal;
use cel::{Context, Env, ExecutionError, Value};
use regex::Regex;

/// The processor time that one look at all rules of a subscription may take.
pub const MAX_TIME: Duration = Duration::from_millis(100);
/// Bytes of a text, elements of a list, that `+` makes at most.
pub const MAX_SUM: usize = 64 * 1024;

const TICK: &str = "@tick";
const SUM: &str = "@sum";
const MATCHES: &str = "@matches";
const HAS: &str = "@has";
const STRING: &str = "@string";

/// The standard library as cel-go has it without options, and the functions of this file.
pub static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib().with_optional_support(false);
    let any = || types::DYN_TYPE;
    env.add_overload(TICK, "tick", vec![any()], tick).expect("once");
    env.add_overload(SUM, "sum", vec![any(), any()], sum).expect("once");
    env.add_overload(MATCHES, "matches_compiled", vec![types::STRING_TYPE, types::INT_TYPE], matches_compiled)
        .expect("once");
    env.add_overload(HAS, "has", vec![any(), types::STRING_TYPE], has).expect("once");
    env.add_overload(STRING, "string", vec![any()], string).expect("once");
    // The last one counts.
    env.set_error_on_duplicate_map_keys(false);
    Arc::new(env)
});

struct Evaluation {
    patterns: Arc<[Regex]>,
    look_again: Instant,
    started_at: Duration,
    is_over: bool,
}

thread_local! {
    static CURRENT: RefCell<Option<Evaluation>> = const { RefCell::new(None) };
}

/// While it is there, its thread evaluates: the time runs.
pub struct Running;

impl Running {
    pub fn start() -> Running {
        let evaluation = Evaluation {
            patterns: Arc::new([]),
            look_again: Instant::now() + MAX_TIME,
            started_at: thread_time(),
            is_over: false,
        };
        CURRENT.with_borrow_mut(|current| *current = Some(evaluation));
        Running
    }

    /// Evaluates an expression; with `event` known to the context.
    ///
    /// That the time was over is an error also where the expression makes nothing of it, as `... || true` does.
    pub fn evaluate<'e, 'v>(
        &self,
        expression: &'e IdedExpr,
        patterns: &Arc<[Regex]>,
        context: &'e Context<'_, 'v>,
    ) -> Result<CowVal<'e, 'v>, ExecutionError> {
        self.use_patterns(patterns);
        let result = Value::resolve_val(expression, context);
        if CURRENT.with_borrow(|current| current.as_ref().is_some_and(|evaluation| evaluation.is_over)) {
            return Err(took_too_long());
        }
        result
    }

    fn use_patterns(&self, patterns: &Arc<[Regex]>) {
        CURRENT.with_borrow_mut(|current| {
            if let Some(evaluation) = current {
                evaluation.patterns = patterns.clone();
            }
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| *current = None);
    }
}

/// What the processor has done for this thread.
fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec that lives across the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

fn took_too_long() -> ExecutionError {
    over_limit(format!("the evaluation takes more than {} ms", MAX_TIME.as_millis()))
}

fn over_limit(message: String) -> ExecutionError {
    ExecutionError::function_error("limit", message)
}

/// Its argument; an error when the time is over.
fn tick<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    CURRENT.with_borrow_mut(|current| {
        let Some(evaluation) = current else { return Ok(()) };
        let now = Instant::now();
        if now < evaluation.look_again {
            return Ok(());
        }
        // The thread may have had the processor for a part of that only.
        match MAX_TIME.checked_sub(thread_time().saturating_sub(evaluation.started_at)) {
            Some(left) if !left.is_zero() => {
                evaluation.look_again = now + left;
                Ok(())
            }
            _ => {
                evaluation.is_over = true;
                Err(took_too_long())
            }
        }
    })?;
    Ok(args.remove(0))
}

fn size_of(value: &CowVal) -> usize {
    if let Some(text) = value.downcast_ref::<CelString>() {
        return text.inner().len();
    }
    if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        return bytes.inner().len();
    }
    value.downcast_ref::<CelList>().map_or(0, |list| list.inner().len())
}

fn sum<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [left, right] = args.as_slice() else { return Err(ExecutionError::invalid_argument_count(2, args.len())) };
    if size_of(left) + size_of(right) > MAX_SUM {
        return Err(over_limit(format!("a sum of more than {MAX_SUM} bytes or elements")));
    }
    let names = || vec![left.get_type().name().to_owned(), right.get_type().name().to_owned()];
    let no_overload = || ExecutionError::no_such_overload(operators::ADD, names());
    let result = left.as_adder().ok_or_else(no_overload)?.add(right.as_ref())?;
    Ok(CowVal::Owned(result.into_owned()))
}

fn matches_compiled<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = args.first().and_then(|arg| arg.downcast_ref::<CelString>());
    let place = args.get(1).and_then(|arg| arg.downcast_ref::<CelInt>());
    let found = CURRENT.with_borrow(|current| {
        let pattern = usize::try_from(*place?.inner()).ok()?;
        Some(current.as_ref()?.patterns.get(pattern)?.is_match(text?.inner()))
    });
    let found = found.ok_or_else(|| ExecutionError::function_error("matches", "no such pattern"))?;
    Ok(CowVal::owned(CelBool::from(found)))
}

/// As cel-go: what has no members has not this one either.
fn has<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [value, field] = args.as_slice() else { return Err(ExecutionError::invalid_argument_count(2, args.len())) };
    if value.downcast_ref::<CelList>().is_some() {
        return Err(ExecutionError::function_error("has", "unsupported index type 'string' in list"));
    }
    let found = match value.downcast_ref::<CelMap>() {
        Some(map) => map.contains(field.as_ref())?,
        None => false,
    };
    Ok(CowVal::owned(CelBool::from(found)))
}

fn string<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    if let Some(number) = args.first().and_then(|arg| arg.downcast_ref::<CelDouble>()) {
        return Ok(CowVal::owned(CelString::from(shortest(*number.inner()))));
    }
    match ENV.find_overload("string", &args) {
        Some(overload) => overload(args),
        None => {
            let names = args.iter().map(|arg| arg.get_type().name().to_owned()).collect();
            Err(ExecutionError::no_such_overload("string", names))
        }
    }
}

/// A number as Go's `strconv.FormatFloat(number, 'g', -1, 64)` writes it.
fn shortest(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= 6 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    format!("{number}")
}

/// Puts the limits into an expression and takes the literal patterns out of it. One that is not valid stays: it is an
/// error when it is evaluated.
pub fn rewrite(expression: &mut IdedExpr, patterns: &mut Vec<Regex>) {
    let id = expression.id;
    match &mut expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        Expr::List(list) => list.elements.iter_mut().for_each(|one| rewrite(one, patterns)),
        Expr::Map(map) => map.entries.iter_mut().for_each(|entry| rewrite_entry(&mut entry.expr, patterns)),
        Expr::Struct(fields) => fields.entries.iter_mut().for_each(|entry| rewrite_entry(&mut entry.expr, patterns)),
        Expr::Call(call) => rewrite_call(call, patterns),
        Expr::Comprehension(comprehension) => rewrite_loop(comprehension, patterns),
        Expr::Select(select) => {
            rewrite(&mut select.operand, patterns);
            if select.test {
                let field = LiteralValue::String(CelString::from(std::mem::take(&mut select.field)));
                let args = vec![std::mem::take(&mut *select.operand), IdedExpr { id, expr: Expr::Literal(field) }];
                expression.expr = Expr::Call(CallExpr { func_name: HAS.to_owned(), target: None, args });
            }
        }
    }
}

fn rewrite_entry(entry: &mut EntryExpr, patterns: &mut Vec<Regex>) {
    match entry {
        EntryExpr::StructField(field) => rewrite(&mut field.value, patterns),
        EntryExpr::MapEntry(entry) => {
            rewrite(&mut entry.key, patterns);
            rewrite(&mut entry.value, patterns);
        }
    }
}

fn rewrite_call(call: &mut CallExpr, patterns: &mut Vec<Regex>) {
    if let Some(target) = &mut call.target {
        rewrite(target, patterns);
    }
    call.args.iter_mut().for_each(|arg| rewrite(arg, patterns));
    match (call.func_name.as_str(), call.target.is_some(), call.args.len()) {
        (operators::ADD, false, 2) => call.func_name = SUM.to_owned(),
        ("string", false, 1) => call.func_name = STRING.to_owned(),
        ("matches", true, 1) | ("matches", false, 2) => take_pattern(call, patterns),
        _ => {}
    }
}

fn take_pattern(call: &mut CallExpr, patterns: &mut Vec<Regex>) {
    let Some(IdedExpr { id, expr: Expr::Literal(LiteralValue::String(pattern)) }) = call.args.last() else { return };
    let Ok(compiled) = Regex::new(pattern.inner()) else { return };
    let place = Expr::Literal(LiteralValue::Int(CelInt::from(patterns.len() as i64)));
    let place = IdedExpr { id: *id, expr: place };
    patterns.push(compiled);
    call.args.pop();
    call.args.extend(call.target.take().map(|target| *target));
    call.args.push(place);
    call.func_name = MATCHES.to_owned();
}

fn wrap(expression: &mut IdedExpr) {
    let id = expression.id;
    let args = vec![std::mem::take(expression)];
    *expression = IdedExpr { id, expr: Expr::Call(CallExpr { func_name: TICK.to_owned(), target: None, args }) };
}

/// The elements of `accumulator + [...]`, which is how `map` and `filter` build their result.
fn appended<'e>(step: &'e mut IdedExpr, accumulator: &str) -> Option<&'e mut Vec<IdedExpr>> {
    let Expr::Call(call) = &mut step.expr else { return None };
    if call.target.is_some() || call.func_name != operators::ADD {
        return None;
    }
    let [left, right] = call.args.as_mut_slice() else { return None };
    match (&left.expr, &mut right.expr) {
        (Expr::Ident(name), Expr::List(list)) if name == accumulator => Some(&mut list.elements),
        _ => None,
    }
}

/// What is looked at in each step must not hide that shape: the crate appends in place where it finds it.
fn rewrite_loop(it: &mut ComprehensionExpr, patterns: &mut Vec<Regex>) {
    rewrite(&mut it.iter_range, patterns);
    rewrite(&mut it.accu_init, patterns);
    rewrite(&mut it.result, patterns);
    let appends = matches!(it.loop_cond.expr, Expr::Literal(_));
    if appends && let Some(elements) = appended(&mut it.loop_step, &it.accu_var) {
        elements.iter_mut().for_each(|one| rewrite(one, patterns));
        elements.iter_mut().for_each(wrap);
        return;
    }
    if appends
        && let Expr::Call(call) = &mut it.loop_step.expr
        && call.func_name == operators::CONDITIONAL
        && let [guard, step, _] = call.args.as_mut_slice()
        && let Some(elements) = appended(step, &it.accu_var)
    {
        rewrite(guard, patterns);
        elements.iter_mut().for_each(|one| rewrite(one, patterns));
        wrap(guard);
        return;
    }
    rewrite(&mut it.loop_cond, patterns);
    rewrite(&mut it.loop_step, patterns);
    wrap(&mut it.loop_cond);
}
