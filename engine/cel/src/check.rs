//! What cel-go refuses when it compiles a rule and the crate finds only when it evaluates: functions that are not there,
//! and operators on types for which they are not declared.
//!
//! `event`, and every name that nobody declared, has no known type, as in daprd: an event decides when it is there.

use std::fmt;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};

#[derive(Clone, Debug, PartialEq)]
enum Type {
    Dyn,
    /// Of the elements of an empty list: whatever is asked for.
    Free,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Null,
    Timestamp,
    Duration,
    Type,
    List(Box<Type>),
    Map(Box<Type>, Box<Type>),
}

use Type::{Bool, Bytes, Double, Duration, Dyn, Free, Int, Null, String as Text, Timestamp, Uint};

impl fmt::Display for Type {
    fn fmt(&self, into: &mut fmt::Formatter) -> fmt::Result {
        into.write_str(match self {
            Dyn | Free => "dyn",
            Bool => "bool",
            Int => "int",
            Uint => "uint",
            Double => "double",
            Text => "string",
            Bytes => "bytes",
            Null => "null",
            Timestamp => "google.protobuf.Timestamp",
            Duration => "google.protobuf.Duration",
            Type::Type => "type",
            Type::List(item) => return write!(into, "list({item})"),
            Type::Map(key, value) => return write!(into, "map({key}, {value})"),
        })
    }
}

fn list_of(item: Type) -> Type {
    Type::List(Box::new(item))
}

impl Type {
    fn is_dyn(&self) -> bool {
        matches!(self, Dyn | Free)
    }

    /// Whether a value of this type may stand where one of `other` does.
    fn fits(&self, other: &Type) -> bool {
        match (self, other) {
            (Dyn | Free, _) | (_, Dyn | Free) => true,
            (Null, Timestamp | Duration) | (Timestamp | Duration, Null) => true,
            (Type::List(a), Type::List(b)) => a.fits(b),
            (Type::Map(k, v), Type::Map(l, w)) => k.fits(l) && v.fits(w),
            _ => self == other,
        }
    }

    /// The type of what may be of either.
    fn join(self, other: Type) -> Type {
        match (self, other) {
            (Free, other) | (other, Free) => other,
            (Type::List(a), Type::List(b)) => list_of(a.join(*b)),
            (one, other) if one == other => one,
            _ => Dyn,
        }
    }
}

/// How deep the parts of a rule may be nested: an evaluation needs stack for each, and runs on a server's thread.
pub const MAX_DEPTH: usize = 128;

/// A rule's error, where it is and what it is.
type Fault = (u64, String);

/// Fails with cel-go's text of what is wrong.
pub fn check(expression: &IdedExpr, source: &SourceInfo) -> Result<(), String> {
    let mut names = Names::default();
    names.type_of(expression).map(drop).map_err(|(id, message)| explain(source, id, &message))
}

fn explain(source: &SourceInfo, id: u64, message: &str) -> String {
    let offset = source.offset_for(id).map_or(0, |(start, _)| start as usize);
    let mut before = 0;
    for (number, line) in source.source.split('\n').enumerate() {
        let length = line.chars().count();
        if offset <= before + length {
            let column = offset - before;
            let dots = ".".repeat(column);
            return format!("ERROR: <input>:{}:{}: {message}\n | {line}\n | {dots}^", number + 1, column + 1);
        }
        before += length + 1;
    }
    format!("ERROR: <input>: {message}")
}

/// The variables of the loops around an expression, innermost last.
#[derive(Default)]
struct Names {
    known: Vec<(String, Type)>,
    depth: usize,
}

impl Names {
    fn type_of(&mut self, expression: &IdedExpr) -> Result<Type, Fault> {
        if self.depth == MAX_DEPTH {
            return Err((expression.id, format!("nested deeper than {MAX_DEPTH}")));
        }
        self.depth += 1;
        let found = self.type_of_parts(expression);
        self.depth -= 1;
        found
    }

    fn type_of_parts(&mut self, expression: &IdedExpr) -> Result<Type, Fault> {
        match &expression.expr {
            Expr::Unspecified => Ok(Dyn),
            Expr::Literal(literal) => Ok(type_of_literal(literal)),
            Expr::Ident(name) => Ok(self.type_of_name(name)),
            Expr::Select(select) => {
                let operand = self.type_of(&select.operand)?;
                let selected = match operand {
                    Type::Map(_, value) => *value,
                    Dyn | Free => Dyn,
                    // The name of a type with dots in it.
                    Type::Type => Dyn,
                    other => return Err((expression.id, format!("type '{other}' does not support field selection"))),
                };
                Ok(if select.test { Bool } else { selected })
            }
            Expr::List(list) => {
                let mut item = Free;
                for element in &list.elements {
                    item = item.join(self.type_of(element)?);
                }
                Ok(list_of(item))
            }
            Expr::Map(map) => {
                let (mut key, mut value) = (Free, Free);
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        key = key.join(self.type_of(&entry.key)?);
                        value = value.join(self.type_of(&entry.value)?);
                    }
                }
                Ok(Type::Map(Box::new(key), Box::new(value)))
            }
            Expr::Struct(fields) => {
                Err((expression.id, format!("messages are not supported: '{}' is not known", fields.type_name)))
            }
            Expr::Call(call) => self.type_of_call(expression.id, call),
            Expr::Comprehension(comprehension) => self.type_of_loop(comprehension),
        }
    }

    fn type_of_name(&self, name: &str) -> Type {
        if let Some((_, known)) = self.known.iter().rev().find(|(known, _)| known == name) {
            return known.clone();
        }
        match name {
            "bool" | "bytes" | "double" | "int" | "list" | "map" | "null_type" | "string" | "type" | "uint" => {
                Type::Type
            }
            _ => Dyn,
        }
    }

    fn type_of_loop(&mut self, it: &ComprehensionExpr) -> Result<Type, Fault> {
        let item = match self.type_of(&it.iter_range)? {
            Type::List(item) => *item,
            Type::Map(key, _) => *key,
            Dyn | Free => Dyn,
            other => {
                let message = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                return Err((it.iter_range.id, message));
            }
        };
        let start = self.type_of(&it.accu_init)?;
        self.known.push((it.accu_var.clone(), start));
        let accumulator = self.known.len() - 1;
        self.known.push((it.iter_var.clone(), item));
        self.type_of(&it.loop_cond)?;
        let step = self.type_of(&it.loop_step)?;
        self.known.pop();
        self.known[accumulator].1 = step;
        let result = self.type_of(&it.result)?;
        self.known.pop();
        Ok(result)
    }

    fn type_of_call(&mut self, id: u64, call: &CallExpr) -> Result<Type, Fault> {
        if call.target.is_none() && matches!(call.func_name.as_str(), operators::LOGICAL_AND | operators::LOGICAL_OR) {
            for arg in &call.args {
                let found = self.type_of(arg)?;
                if !found.fits(&Bool) {
                    return Err((arg.id, format!("expected type 'bool' but found '{found}'")));
                }
            }
            return Ok(Bool);
        }
        let mut types = Vec::with_capacity(call.args.len() + 1);
        if let Some(target) = &call.target {
            if let Expr::Ident(name) = &target.expr
                && matches!(name.as_str(), "optional" | "cel" | "math" | "base64" | "strings")
                && !self.known.iter().any(|(known, _)| known == name)
            {
                return Err(undeclared(id, &format!("{name}.{}", call.func_name)));
            }
            types.push(self.type_of(target)?);
        }
        for arg in &call.args {
            types.push(self.type_of(arg)?);
        }
        let is_member = call.target.is_some();
        let result = if is_member { member(&call.func_name, &types) } else { global(&call.func_name, &types) };
        match result {
            Outcome::Is(found) => Ok(found),
            Outcome::Undeclared => Err(undeclared(id, &call.func_name)),
            Outcome::NoOverload => {
                let mut names: Vec<String> = types.iter().map(Type::to_string).collect();
                let target = if is_member { format!("{}.", names.remove(0)) } else { String::new() };
                let (name, names) = (&call.func_name, names.join(", "));
                Err((id, format!("found no matching overload for '{name}' applied to '{target}({names})'")))
            }
        }
    }
}

fn undeclared(id: u64, name: &str) -> Fault {
    (id, format!("undeclared reference to '{name}' (in container '')"))
}

fn type_of_literal(literal: &LiteralValue) -> Type {
    match literal {
        LiteralValue::Boolean(_) => Bool,
        LiteralValue::Bytes(_) => Bytes,
        LiteralValue::Double(_) => Double,
        LiteralValue::Int(_) => Int,
        LiteralValue::Null => Null,
        LiteralValue::String(_) => Text,
        LiteralValue::UInt(_) => Uint,
    }
}

enum Outcome {
    Is(Type),
    NoOverload,
    Undeclared,
}

/// Of overloads with the same number of arguments: the result of the one that fits, or of no known type when several do
/// that differ.
fn choose(types: &[Type], overloads: &[(&[Type], Type)]) -> Outcome {
    let mut result: Option<Type> = None;
    for (wanted, gives) in overloads {
        if wanted.len() == types.len() && wanted.iter().zip(types).all(|(want, have)| have.fits(want)) {
            result = Some(match result {
                Some(before) if before != *gives => Dyn,
                _ => gives.clone(),
            });
        }
    }
    result.map_or(Outcome::NoOverload, Outcome::Is)
}

fn global(name: &str, types: &[Type]) -> Outcome {
    let same = |list: &[Type], gives: Option<Type>| {
        let pairs: Vec<_> = list.iter().map(|one| [one.clone(), one.clone()]).collect();
        let of = |pair: &[Type; 2]| gives.clone().unwrap_or_else(|| pair[0].clone());
        choose(types, &pairs.iter().map(|pair| (pair.as_slice(), of(pair))).collect::<Vec<_>>())
    };
    let one_of = |list: &[Type], gives: Type| {
        choose(types, &list.iter().map(|one| (std::slice::from_ref(one), gives.clone())).collect::<Vec<_>>())
    };
    let any_list = || list_of(Dyn);
    let any_map = || Type::Map(Box::new(Dyn), Box::new(Dyn));
    match (name, types) {
        (operators::CONDITIONAL, [condition, one, other]) => {
            if !condition.fits(&Bool) || !one.fits(other) {
                return Outcome::NoOverload;
            }
            Outcome::Is(one.clone().join(other.clone()))
        }
        (operators::EQUALS | operators::NOT_EQUALS, [one, other]) => {
            if one.fits(other) {
                Outcome::Is(Bool)
            } else {
                Outcome::NoOverload
            }
        }
        (operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS, [_, _]) => {
            same(&[Bool, Int, Uint, Double, Text, Bytes, Timestamp, Duration], Some(Bool))
        }
        (operators::ADD, [Type::List(one), Type::List(other)]) => {
            if one.fits(other) {
                Outcome::Is(list_of(one.clone().join((**other).clone())))
            } else {
                Outcome::NoOverload
            }
        }
        (operators::ADD, [one, other]) => {
            let with_time = [
                ([Timestamp, Duration], Timestamp),
                ([Duration, Timestamp], Timestamp),
                ([Duration, Duration], Duration),
                ([any_list(), any_list()], any_list()),
            ];
            if [one, other].into_iter().all(Type::is_dyn) {
                return Outcome::Is(Dyn);
            }
            match same(&[Int, Uint, Double, Text, Bytes], None) {
                Outcome::NoOverload => choose(
                    types,
                    &with_time.iter().map(|(args, gives)| (args.as_slice(), gives.clone())).collect::<Vec<_>>(),
                ),
                found => found,
            }
        }
        (operators::SUBSTRACT, [one, other]) => {
            let with_time = [
                ([Timestamp, Timestamp], Duration),
                ([Timestamp, Duration], Timestamp),
                ([Duration, Duration], Duration),
            ];
            if [one, other].into_iter().all(Type::is_dyn) {
                return Outcome::Is(Dyn);
            }
            match same(&[Int, Uint, Double], None) {
                Outcome::NoOverload => choose(
                    types,
                    &with_time.iter().map(|(args, gives)| (args.as_slice(), gives.clone())).collect::<Vec<_>>(),
                ),
                found => found,
            }
        }
        (operators::MULTIPLY | operators::DIVIDE, [_, _]) => same(&[Int, Uint, Double], None),
        (operators::MODULO, [_, _]) => same(&[Int, Uint], None),
        (operators::NEGATE, [_]) => choose(types, &[(&[Int], Int), (&[Double], Double)]),
        (operators::LOGICAL_NOT | operators::NOT_STRICTLY_FALSE, [_]) => one_of(&[Bool], Bool),
        (operators::INDEX, [container, index]) => match container {
            Type::List(item) if index.fits(&Int) => Outcome::Is((**item).clone()),
            Type::Map(key, value) if index.fits(key) => Outcome::Is((**value).clone()),
            Dyn | Free => Outcome::Is(Dyn),
            _ => Outcome::NoOverload,
        },
        (operators::IN, [item, container]) => match container {
            Type::List(of) | Type::Map(of, _) if item.fits(of) => Outcome::Is(Bool),
            Dyn | Free => Outcome::Is(Bool),
            _ => Outcome::NoOverload,
        },
        ("dyn", [_]) => Outcome::Is(Dyn),
        ("type", [_]) => Outcome::Is(Type::Type),
        ("size", _) => one_of(&[Text, Bytes, any_list(), any_map()], Int),
        ("int", _) => one_of(&[Int, Uint, Double, Text, Timestamp, Duration], Int),
        ("uint", _) => one_of(&[Uint, Int, Double, Text], Uint),
        ("double", _) => one_of(&[Double, Int, Uint, Text], Double),
        ("bool", _) => one_of(&[Bool, Text], Bool),
        ("string", _) => one_of(&[Text, Bool, Int, Uint, Double, Bytes, Timestamp, Duration], Text),
        ("bytes", _) => one_of(&[Bytes, Text], Bytes),
        ("timestamp", _) => one_of(&[Timestamp, Text, Int], Timestamp),
        ("duration", _) => one_of(&[Duration, Text, Int], Duration),
        ("matches", _) => choose(types, &[(&[Text, Text], Bool)]),
        ("dyn", _) | ("type", _) => Outcome::NoOverload,
        ("contains" | "startsWith" | "endsWith", _) => Outcome::NoOverload,
        _ => Outcome::Undeclared,
    }
}

fn member(name: &str, types: &[Type]) -> Outcome {
    let any_map = Type::Map(Box::new(Dyn), Box::new(Dyn));
    match name {
        "size" => choose(types, &[(&[Text], Int), (&[Bytes], Int), (&[list_of(Dyn)], Int), (&[any_map], Int)]),
        "contains" | "startsWith" | "endsWith" | "matches" => choose(types, &[(&[Text, Text], Bool)]),
        "getHours" | "getMinutes" | "getSeconds" | "getMilliseconds" => {
            choose(types, &[(&[Timestamp], Int), (&[Timestamp, Text], Int), (&[Duration], Int)])
        }
        "getFullYear" | "getMonth" | "getDayOfYear" | "getDayOfMonth" | "getDate" | "getDayOfWeek" => {
            choose(types, &[(&[Timestamp], Int), (&[Timestamp, Text], Int)])
        }
        "int" | "uint" | "double" | "bool" | "string" | "bytes" | "timestamp" | "duration" | "dyn" | "type" => {
            Outcome::NoOverload
        }
        _ => Outcome::Undeclared,
    }
}
