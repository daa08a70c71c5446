//! Guests in the text format against a store that is a hash map: what is suspended, what is copied, what is released, and
//! that every draft of wasi:keyvalue and wasi:config finds its functions.

mod client;

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Instant;

use client::{Host, IDLE, LENT, Mode, PENDING, Program};

/// The counter of lent values is the process's.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const STATE: &str = r#"
  (import "tandem:dapr/types@0.1.0" (instance $types
    (type $c0 (enum "cancelled" "unknown" "invalid-argument" "deadline-exceeded" "not-found" "already-exists"
      "permission-denied" "resource-exhausted" "failed-precondition" "aborted" "out-of-range" "unimplemented" "internal"
      "unavailable" "data-loss" "unauthenticated"))
    (export "code" (type $c (eq $c0)))
    (type $e0 (record (field "code" $c) (field "reason" string) (field "message" string)))
    (export "error" (type (eq $e0)))))
  (alias export $types "error" (type $dapr-error))
  (import "tandem:dapr/state@0.1.0" (instance $state
    (alias outer $guest $dapr-error (type $e0))
    (export "error" (type $e (eq $e0)))
    (export "get" (func (param "store" string) (param "key" string) (result (result (option (list u8)) (error $e)))))
    (export "set" (func (param "store" string) (param "key" string) (param "value" (list u8))
      (result (result (error $e)))))))
"#;

/// A command that imports tandem:dapr/state and what `imports` adds. `functions` are the lowered ones, as name, where it
/// is and its core type; `body` is the function `run`, with "s" at 16, "k" at 32, "copy" at 48, "none" at 64 and "error" at 80.
fn guest(imports: &str, functions: &[(&str, &str, &str)], body: &str) -> String {
    let mut all = vec![
        ("get", r#"(func $state "get")"#, "i32 i32 i32 i32 i32"),
        ("set", r#"(func $state "set")"#, "i32 i32 i32 i32 i32 i32 i32"),
    ];
    all.extend(functions);
    let lower = |(name, at, _): &(&str, &str, &str)| {
        format!(
            "(core func ${name} (canon lower {at} (memory (core memory $libc \"memory\")) (realloc (core func $libc \"realloc\"))))\n"
        )
    };
    let import =
        |(name, _, ty): &(&str, &str, &str)| format!("(import \"host\" \"{name}\" (func ${name} (param {ty})))\n");
    let export = |(name, ..): &(&str, &str, &str)| format!("(export \"{name}\" (func ${name}))\n");
    let lowers: String = all.iter().map(lower).collect();
    let core_imports: String = all.iter().map(import).collect();
    let exports: String = all.iter().map(export).collect();
    format!(
        r#"(component $guest {STATE} {imports}
  (core module $libc
    (memory (export "memory") 4)
    (global $next (mut i32) (i32.const 65536))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (if (i32.gt_u (global.get $next) (i32.const 200000)) (then (global.set $next (i32.const 65536))))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  {lowers}
  (core module $main
    (import "libc" "memory" (memory 4))
    {core_imports}
    (data (i32.const 16) "s") (data (i32.const 32) "k") (data (i32.const 48) "copy")
    (data (i32.const 64) "none") (data (i32.const 80) "error")
    {body})
  (core instance $main (instantiate $main (with "libc" (instance $libc)) (with "host" (instance {exports}))))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $cli (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $cli)))"#
    )
}

/// What comes back from a call of the shape result<option<list<u8>>, …> at 256 is written under "copy" or "error".
const WRITE_COPY: &str = r#"
    (func $copy
      (if (i32.load8_u (i32.const 256))
        (then (call $set (i32.const 16) (i32.const 1) (i32.const 80) (i32.const 5)
          (i32.load (i32.const 264)) (i32.load (i32.const 268)) (i32.const 512)))
        (else (if (i32.load8_u (i32.const 260))
          (then (call $set (i32.const 16) (i32.const 1) (i32.const 48) (i32.const 4)
            (i32.load (i32.const 264)) (i32.load (i32.const 268)) (i32.const 512)))
          (else (call $set (i32.const 16) (i32.const 1) (i32.const 48) (i32.const 4)
            (i32.const 64) (i32.const 4) (i32.const 512)))))))
"#;

fn copier() -> String {
    let body = r#"
    (func (export "run") (result i32)
      (call $get (i32.const 16) (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 256))
      (call $copy)
      (i32.const 0))"#;
    guest("", &[], &format!("{WRITE_COPY}{body}"))
}

fn load(text: &str, config: &[(&str, &str)]) -> Program {
    Program::new(text.as_bytes(), config).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_store_that_answers_in_place_does_not_suspend_the_guest() {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let program = load(&copier(), &[]);
    let host = Host::new(Mode::InPlace);
    host.put("k", "a value");
    assert_eq!(program.run(&host), 1);
    assert_eq!(host.wakes.load(Ordering::SeqCst), 0);
    assert_eq!(host.at("copy").as_deref(), Some("a value"));
    assert_eq!(*host.calls.borrow(), ["set s copy a value"]);
    assert_eq!(LENT.load(Ordering::SeqCst), 0);
}

#[test]
fn a_store_that_answers_later_wakes_the_guest() {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let program = load(&copier(), &[]);
    let host = Host::new(Mode::Later);
    host.put("k", "a value");
    let instance = program.start(&host);
    assert_eq!(instance.poll(), PENDING);
    assert_eq!(host.wakes.load(Ordering::SeqCst), 0);
    assert!(instance.host().give_answers());
    assert_eq!(host.wakes.load(Ordering::SeqCst), 1);
    assert_eq!(instance.poll(), PENDING);
    assert!(host.give_answers());
    assert_ne!(instance.poll(), PENDING);
    assert_eq!(host.at("copy").as_deref(), Some("a value"));
    drop(instance);
    assert_eq!(LENT.load(Ordering::SeqCst), 0);
}

#[test]
fn a_key_that_is_not_there_is_no_value() {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let program = load(&copier(), &[]);
    let host = Host::new(Mode::InPlace);
    program.run(&host);
    assert_eq!(host.at("copy").as_deref(), Some("none"));
}

#[test]
fn an_error_keeps_its_reason() {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // The name of the store is wrong for get, and right for what the guest writes about it.
    let text = copier().replace("(call $get (i32.const 16)", "(call $get (i32.const 32)");
    let program = load(&text, &[]);
    let host = Host::new(Mode::InPlace);
    program.run(&host);
    assert_eq!(host.at("error").as_deref(), Some("ERR_STATE_STORE_NOT_FOUND"));
}

#[test]
fn an_answer_after_the_instance_is_gone_is_released() {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let program = load(&copier(), &[]);
    let host = Host::new(Mode::Later);
    host.put("k", "a value");
    let instance = program.start(&host);
    assert_eq!(instance.poll(), PENDING);
    drop(instance);
    assert!(host.give_answers());
    assert_eq!(LENT.load(Ordering::SeqCst), 0);
    assert_eq!(host.wakes.load(Ordering::SeqCst), 0);
}

fn keyvalue(draft: &str, number: &str, more_atomics: &str) -> String {
    format!(
        r#"
  (import "wasi:keyvalue/store@{draft}" (instance $store
    (export "bucket" (type $b (sub resource)))
    (type $e0 (variant (case "no-such-store") (case "access-denied") (case "other" string)))
    (export "error" (type $e (eq $e0)))
    (export "open" (func (param "identifier" string) (result (result (own $b) (error $e)))))
    (export "[method]bucket.get" (func (param "self" (borrow $b)) (param "key" string)
      (result (result (option (list u8)) (error $e)))))))
  (alias export $store "bucket" (type $bucket))
  (alias export $store "error" (type $kv-error))
  (import "wasi:keyvalue/atomics@{draft}" (instance $atomics
    (alias outer $guest $bucket (type $b0))
    (export "bucket" (type $b (eq $b0)))
    (alias outer $guest $kv-error (type $e0))
    (export "error" (type $e (eq $e0)))
    {more_atomics}
    (export "increment" (func (param "bucket" (borrow $b)) (param "key" string) (param "delta" {number})
      (result (result {number} (error $e)))))))
"#
    )
}

const KEYVALUE: [(&str, &str, &str); 3] = [
    ("open", r#"(func $store "open")"#, "i32 i32 i32"),
    ("kvget", r#"(func $store "[method]bucket.get")"#, "i32 i32 i32 i32"),
    ("increment", r#"(func $atomics "increment")"#, "i32 i32 i32 i64 i32"),
];

/// Opens `bucket` (a place and a length), adds 5 to "k" and reads it.
fn counter(draft: &str, number: &str, bucket: &str) -> String {
    let body = format!(
        r#"
    (func (export "run") (result i32)
      (call $open {bucket} (i32.const 256))
      (if (i32.load8_u (i32.const 256)) (then (return (i32.const 1))))
      (i32.store (i32.const 128) (i32.load (i32.const 260)))
      (call $increment (i32.load (i32.const 128)) (i32.const 32) (i32.const 1) (i64.const 5) (i32.const 256))
      (if (i32.load8_u (i32.const 256))
        (then (call $set (i32.const 16) (i32.const 1) (i32.const 80) (i32.const 5)
          (i32.load (i32.const 268)) (i32.load (i32.const 272)) (i32.const 512)))
        (else
          (call $kvget (i32.load (i32.const 128)) (i32.const 32) (i32.const 1) (i32.const 256))
          (call $copy)))
      (i32.const 0))"#
    );
    guest(&keyvalue(draft, number, ""), &KEYVALUE, &format!("{WRITE_COPY}{body}"))
}

const DEFAULT: &str = "(i32.const 0) (i32.const 0)";

#[test]
fn both_drafts_of_keyvalue_count() {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    for (draft, number) in [("0.2.0-draft", "u64"), ("0.2.0-draft2", "s64")] {
        let program = load(&counter(draft, number, DEFAULT), &[]);
        for mode in [Mode::InPlace, Mode::Later] {
            let host = Host::new(mode);
            program.run(&host);
            assert_eq!(host.at("copy").as_deref(), Some("5"), "{draft}");
            program.run(&host);
            assert_eq!(host.at("copy").as_deref(), Some("10"), "{draft}");
            assert_eq!(LENT.load(Ordering::SeqCst), 0);
        }
    }
}

#[test]
fn a_lost_race_counts_again() {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let program = load(&counter("0.2.0-draft2", "s64", DEFAULT), &[]);
    let host = Host::new(Mode::Later);
    host.put("k", "100");
    let mut races = 0;
    *host.meanwhile.borrow_mut() = Some(Box::new(move |host| {
        races += 1;
        if races <= 2 {
            host.put("k", &format!("{}", 100 + races));
        }
    }));
    program.run(&host);
    assert_eq!(host.at("k").as_deref(), Some("107"));
    assert_eq!(*host.calls.borrow(), ["set-item s k 105", "set-item s k 106", "set-item s k 107", "set s copy 107"]);
}

#[test]
fn a_race_that_is_always_lost_ends_with_an_error() {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let program = load(&counter("0.2.0-draft", "u64", DEFAULT), &[]);
    let host = Host::new(Mode::InPlace);
    host.put("k", "1");
    *host.meanwhile.borrow_mut() = Some(Box::new(|host| host.put("k", "1")));
    program.run(&host);
    let error = host.at("error").expect("an error");
    assert!(error.contains("64 times"), "{error}");
}

#[test]
fn what_is_no_number_is_not_counted() {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let program = load(&counter("0.2.0-draft", "u64", DEFAULT), &[]);
    for (value, part) in [("seven", "not a number"), ("18446744073709551614", "fit"), ("-9", "fit")] {
        let host = Host::new(Mode::InPlace);
        host.put("k", value);
        program.run(&host);
        let error = host.at("error").expect("an error");
        assert!(error.contains(part), "{error}");
        assert_eq!(host.at("k").as_deref(), Some(value));
    }
}

#[test]
fn an_unknown_bucket_is_no_such_store() {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let body = r#"
    (func (export "run") (result i32)
      (call $open (i32.const 32) (i32.const 1) (i32.const 256))
      ;; an error, and the first case of it
      (if (i32.ne (i32.load8_u (i32.const 256)) (i32.const 1)) (then (return (i32.const 1))))
      (i32.load8_u (i32.const 260)))"#;
    let program = load(&guest(&keyvalue("0.2.0-draft", "u64", ""), &KEYVALUE, body), &[]);
    program.run(&Host::new(Mode::InPlace));
}

#[test]
fn a_failed_swap_gives_the_handle_of_the_next_one() {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let more = r#"
    (export "cas" (type $cas (sub resource)))
    (type $ce0 (variant (case "store-error" $e) (case "cas-failed" (own $cas))))
    (export "cas-error" (type $ce (eq $ce0)))
    (export "[static]cas.new" (func (param "bucket" (borrow $b)) (param "key" string)
      (result (result (own $cas) (error $e)))))
    (export "[method]cas.current" (func (param "self" (borrow $cas)) (result (result (option (list u8)) (error $e)))))
    (export "swap" (func (param "cas" (own $cas)) (param "value" (list u8)) (result (result (error $ce)))))"#;
    let mut functions = KEYVALUE.to_vec();
    functions.extend([
        ("cas", r#"(func $atomics "[static]cas.new")"#, "i32 i32 i32 i32"),
        ("current", r#"(func $atomics "[method]cas.current")"#, "i32 i32"),
        ("swap", r#"(func $atomics "swap")"#, "i32 i32 i32 i32"),
    ]);
    let body = r#"
    (func (export "run") (result i32)
      (call $open (i32.const 0) (i32.const 0) (i32.const 256))
      (if (i32.load8_u (i32.const 256)) (then (return (i32.const 1))))
      (call $cas (i32.load (i32.const 260)) (i32.const 32) (i32.const 1) (i32.const 256))
      (if (i32.load8_u (i32.const 256)) (then (return (i32.const 1))))
      ;; The first swap fails with the second case of its error: a new handle.
      (call $swap (i32.load (i32.const 260)) (i32.const 64) (i32.const 4) (i32.const 256))
      (if (i32.ne (i32.load8_u (i32.const 256)) (i32.const 1)) (then (return (i32.const 1))))
      (if (i32.ne (i32.load8_u (i32.const 260)) (i32.const 1)) (then (return (i32.const 1))))
      (i32.store (i32.const 128) (i32.load (i32.const 264)))
      (call $current (i32.load (i32.const 128)) (i32.const 256))
      (call $copy)
      (call $swap (i32.load (i32.const 128)) (i32.const 64) (i32.const 4) (i32.const 256))
      (i32.load8_u (i32.const 256)))"#;
    let text = guest(&keyvalue("0.2.0-draft2", "s64", more), &functions, &format!("{WRITE_COPY}{body}"));
    let program = load(&text, &[]);
    for mode in [Mode::InPlace, Mode::Later] {
        let host = Host::new(mode);
        host.put("k", "mine");
        let mut first = true;
        *host.meanwhile.borrow_mut() = Some(Box::new(move |host| {
            if std::mem::take(&mut first) {
                host.put("k", "theirs");
            }
        }));
        program.run(&host);
        assert_eq!(host.at("copy").as_deref(), Some("theirs"));
        assert_eq!(host.at("k").as_deref(), Some("none"));
        assert_eq!(LENT.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn every_draft_of_config_answers() {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let names = ["store@0.2.0-rc.1", "store@0.2.0-draft", "runtime@0.2.0-draft", "store@0.2.0-draft-2024-09-27"];
    for name in names {
        let imports = format!(
            r#"
  (import "wasi:config/{name}" (instance $config
    (type $e0 (variant (case "upstream" string) (case "io" string)))
    (export "error" (type $e (eq $e0)))
    (export "get" (func (param "key" string) (result (result (option string) (error $e)))))
    (export "get-all" (func (result (result (list (tuple string string)) (error $e)))))))
"#
        );
        let body = r#"
    (func (export "run") (result i32)
      (call $config (i32.const 48) (i32.const 4) (i32.const 256))
      (call $copy)
      (call $all (i32.const 256))
      ;; a list of three pairs
      (i32.ne (i32.load (i32.const 264)) (i32.const 3)))"#;
        let functions =
            [("config", r#"(func $config "get")"#, "i32 i32 i32"), ("all", r#"(func $config "get-all")"#, "i32")];
        let text = guest(&imports, &functions, &format!("{WRITE_COPY}{body}"));
        let program = load(&text, &[("copy", "first"), ("other", "x"), ("copy", "last")]);
        let host = Host::new(Mode::InPlace);
        program.run(&host);
        assert_eq!(host.at("copy").as_deref(), Some("last"), "{name}");
    }
}

#[test]
fn an_interface_that_nobody_has_is_named() {
    let text = copier().replace("tandem:dapr/state@0.1.0", "tandem:dapr/statues@0.1.0");
    let error = Program::new(text.as_bytes(), &[]).err().expect("an import is missing");
    assert!(error.contains("tandem:dapr/statues@0.1.0"), "{error}");
}

/// Prints what a get costs above the store: `cargo test --release -p tandem-engine-wit -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn cost_of_a_get_in_place() {
    const CALLS: u32 = 1_000_000;
    let loop_of = |count: u32| {
        let body = format!(
            r#"
    (func (export "run") (result i32)
      (local $left i32)
      (local.set $left (i32.const {count}))
      (loop $again
        (call $get (i32.const 16) (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 256))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $again (local.get $left)))
      (i32.const 0))"#
        );
        load(&guest("", &[], &body), &[])
    };
    let program = loop_of(CALLS);
    let host = Host::new(Mode::Fixed);
    let instance = program.start(&host);
    let begun = Instant::now();
    let mut polls = 1;
    while instance.poll() != IDLE {
        polls += 1;
        if host.ended.borrow().is_some() {
            break;
        }
    }
    let whole = begun.elapsed();
    println!("get in place: {} ns a call, {polls} polls (time slices)", whole.as_nanos() / u128::from(CALLS));
}
