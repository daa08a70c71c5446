use std::time::{Duration, Instant};

use crate::rules::{Event, RuleError, Rules};

const EVENT: &[u8] = include_bytes!("../tests/event.json");

fn compile(rules: &[&str]) -> Result<Rules, RuleError> {
    Rules::compile(rules.iter().map(|rule| rule.as_bytes()))
}

fn find(rules: &[&str], event: &str) -> Result<Option<usize>, String> {
    compile(rules).unwrap().find(&Event::Json(event.as_bytes())).map_err(|failed| failed.message)
}

fn outcome(rule: &str) -> &'static str {
    match compile(&[rule]).map(|rules| rules.find(&Event::Json(EVENT))) {
        Err(_) => "refused",
        Ok(Ok(Some(_))) => "true",
        Ok(Ok(None)) => "false",
        Ok(Err(failed)) if failed.message.ends_with("was not a boolean") => "value",
        Ok(Err(_)) => "error",
    }
}

#[test]
fn rules_have_the_results_of_cel_go() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in include_str!("../tests/cel_go.txt").lines().filter(|line| !line.starts_with('#')) {
        let (wanted, rule) = line.split_once('\t').unwrap();
        count += 1;
        if outcome(rule) != wanted {
            wrong.push(format!("{rule}: {}, not {wanted}", outcome(rule)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 400, "{count}");
}

#[test]
fn the_first_rule_that_matches_counts() {
    let rules = ["event.n > 2", "event.n > 1", ""];
    assert_eq!(find(&rules, r#"{"n": 3}"#), Ok(Some(0)));
    assert_eq!(find(&rules, r#"{"n": 2}"#), Ok(Some(1)));
    assert_eq!(find(&rules, r#"{"n": 1}"#), Ok(Some(2)));
    assert_eq!(find(&rules[..2], r#"{"n": 1}"#), Ok(None));
    assert_eq!(find(&[], "{}"), Ok(None));
}

#[test]
fn an_event_is_not_read_before_a_rule_needs_it() {
    assert_eq!(find(&["  ", "event.n > 1"], "no JSON"), Ok(Some(0)));
    let failed = find(&["true"], "no JSON").unwrap_err();
    assert!(failed.starts_with("the event: "), "{failed}");
}

#[test]
fn an_error_names_its_rule() {
    assert_eq!(compile(&["true", "event.type = 'x'"]).err().unwrap().rule, 1);
    let failed = compile(&["false", "event.nope == 1"]).unwrap().find(&Event::Json(b"{}")).unwrap_err();
    assert_eq!((failed.rule, failed.message.as_str()), (1, "No such key: nope"));
}

#[test]
fn a_refusal_says_where() {
    let refused = |rule| compile(&[rule]).err().unwrap().message;
    assert_eq!(
        refused("event.type.lower() == 'x'"),
        "ERROR: <input>:1:17: undeclared reference to 'lower' (in container '')\n \
         | event.type.lower() == 'x'\n | ................^"
    );
    assert_eq!(
        refused("true &&\n 1 == 'x'"),
        "ERROR: <input>:2:4: found no matching overload for '_==_' applied to '(int, string)'\n |  1 == 'x'\n | ...^"
    );
    assert!(refused("optional.of(1).hasValue()").contains("undeclared reference to 'optional.of'"));
    assert!(refused("Order{total: 1} == 1").contains("messages are not supported"));
}

#[test]
fn a_text_is_what_event_is() {
    let rules = compile(&["event == 'plain'", "event.contains('x')"]).unwrap();
    assert_eq!(rules.find(&Event::Text(b"plain")).unwrap(), Some(0));
    assert_eq!(rules.find(&Event::Text(b"axb")).unwrap(), Some(1));
    assert!(compile(&["event.type == 'x'"]).unwrap().find(&Event::Text(b"x")).is_err());
}

#[test]
fn bytes_that_are_no_utf8_are_replaced() {
    let rules = compile(&["event.a == '\u{fffd}'"]).unwrap();
    assert_eq!(rules.find(&Event::Json(b"{\"a\":\"\xff\"}")).unwrap(), Some(0));
}

#[test]
fn rules_have_limits() {
    let long = format!("event.a == '{}'", "x".repeat(5000));
    assert!(compile(&[&long]).err().unwrap().message.contains("longer than 4096 bytes"));
    let many = vec![""; 1001];
    assert_eq!(compile(&many).err().unwrap().rule, 1000);
    let deep = format!("{}true{}", "(".repeat(1000), ")".repeat(1000));
    assert!(compile(&[&deep]).is_err());
    let nots = format!("{}true", "!".repeat(2000));
    assert!(matches!(outcome(&nots), "true" | "refused"));
    let selects = format!("event{} == 1", ".a".repeat(1000));
    assert!(compile(&[&selects]).err().unwrap().message.contains("nested deeper than 128"));
    let calls = format!("[true]{} == []", ".map(a, a)".repeat(200));
    assert!(compile(&[&calls]).err().unwrap().message.contains("nested deeper than 128"));
    let document = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    assert!(find(&["event[0] == 1"], &document).unwrap_err().contains("recursion limit"));
}

#[test]
fn a_loop_that_takes_too_long_ends() {
    let list = format!("{{\"l\":[{}1]}}", "1,".repeat(20_000));
    for rule in [
        "event.l.all(a, event.l.all(b, event.l.all(c, a == b || c == 1.0)))",
        "event.l.exists(a, event.l.map(b, event.l.filter(c, c == b)).size() == 5)",
        "event.l.exists_one(a, event.l.exists_one(b, a + b == 3.0))",
        "event.l.map(a, event.l.map(b, event.l)).size() == 1",
        "event.l.all(a, event.l.all(b, event.l.all(c, a == c))) || true",
    ] {
        let started = Instant::now();
        let failed = find(&[rule], &list).unwrap_err();
        assert!(failed.contains("the evaluation takes more than 100 ms"), "{rule}: {failed}");
        assert!(started.elapsed() < Duration::from_secs(10), "{rule}: {:?}", started.elapsed());
    }
}

#[test]
fn a_sum_does_not_grow_without_end() {
    let doubling = "['xxxxxxxxxxxxxxxx']".to_owned() + &".map(a, a + a)".repeat(20) + " == []";
    assert!(find(&[&doubling], "{}").unwrap_err().contains("a sum of more than 65536 bytes"));
    let lists = "[[1, 2, 3, 4]]".to_owned() + &".map(a, a + a)".repeat(20) + " == []";
    assert!(find(&[&lists], "{}").unwrap_err().contains("a sum of more than 65536 bytes"));
}

#[test]
fn a_large_value_is_not_copied_where_it_is_repeated() {
    let document = format!("{{\"a\":\"{}\",\"l\":[{}1]}}", "\\n".repeat(1 << 20), "1,".repeat(1 << 18));
    let rule = format!("[{}event].size() > 500", "event, ".repeat(500));
    assert_eq!(find(&[&rule], &document), Ok(Some(0)));
    let rule = format!("[{}event.a].size() > 300", "event.a, ".repeat(300));
    assert_eq!(find(&[&rule], &document), Ok(Some(0)));
}
