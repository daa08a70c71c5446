//! A JSON document as values of CEL, as cel-go has it of Go's `encoding/json`: every number is a double.
//!
//! Strings borrow the document where they hold no escapes. Lists, maps and strings with escapes are shared: a copy of
//! one is a count, so that an expression that repeats a large value costs nothing.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use cel::ExecutionError;
use cel::common::traits::{Adder, Comparer, Container, Indexer, Iterable, Sizer, Zeroer};
use cel::common::types::{CelBool, CelDouble, CelList, CelMap, CelMapKey, CelNull, CelString, Type};
use cel::common::value::{Builtin, BuiltinRef, CowVal, Val};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

type Value<'v> = Box<dyn Val + 'v>;

/// The document's value. Fails with what is wrong with it.
pub fn parse(document: &str) -> Result<Value<'_>, String> {
    let mut reader = serde_json::Deserializer::from_str(document);
    let value = Json.deserialize(&mut reader).map_err(|e| e.to_string())?;
    reader.end().map_err(|e| e.to_string())?;
    Ok(value)
}

/// Implements `Val` for a counted reference to a list, a map or a string: all that the inner value can, and a copy that
/// copies nothing.
macro_rules! shared {
    ($name:ident, $inner:ident, $kind:ident { $($ability:item)* }) => {
        #[derive(Clone, Debug)]
        struct $name<'v>(Arc<$inner<'v>>);

        impl<'v> Val for $name<'v> {
            fn get_type(&self) -> &Type {
                self.0.get_type()
            }

            fn cel_type() -> &'static Type {
                $inner::cel_type()
            }

            fn as_sizer(&self) -> Option<&dyn Sizer> {
                self.0.as_sizer()
            }

            fn as_zeroer(&self) -> Option<&dyn Zeroer> {
                self.0.as_zeroer()
            }

            fn as_adder<'b, 'w>(&'b self) -> Option<&'b (dyn Adder + 'w)>
            where
                Self: 'w,
            {
                self.0.as_adder()
            }

            fn equals(&self, other: &dyn Val) -> bool {
                self.0.equals(other)
            }

            fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
            where
                Self: 'w,
            {
                Box::new(self.clone())
            }

            fn as_builtin<'b, 'w>(&'b self) -> BuiltinRef<'b, 'w>
            where
                Self: 'w,
            {
                BuiltinRef::$kind(&self.0)
            }

            fn into_builtin<'w>(self: Box<Self>) -> Option<Builtin<'w>>
            where
                Self: 'w,
            {
                Some(Builtin::$kind(Arc::unwrap_or_clone(self.0)))
            }

            $($ability)*
        }
    };
}

/// What lists and maps can: be looked into and walked through.
macro_rules! shared_container {
    ($name:ident, $inner:ident, $kind:ident) => {
        shared!($name, $inner, $kind {
            fn as_container(&self) -> Option<&dyn Container> {
                self.0.as_container()
            }

            fn as_indexer<'b, 'w>(&'b self) -> Option<&'b (dyn Indexer + 'w)>
            where
                Self: 'w,
            {
                self.0.as_indexer()
            }

            fn into_indexer<'w>(self: Box<Self>) -> Option<Box<dyn Indexer + 'w>>
            where
                Self: 'w,
            {
                Some(self)
            }

            fn as_iterable<'b, 'w>(&'b self) -> Option<&'b (dyn Iterable + 'w)>
            where
                Self: 'w,
            {
                self.0.as_iterable()
            }
        });

        impl<'v> Indexer for $name<'v> {
            fn get<'b, 'w>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
            where
                Self: 'w,
            {
                self.0.get(index)
            }

            fn steal<'w>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'w>, ExecutionError>
            where
                Self: 'w,
            {
                Ok(self.0.get(index)?.into_owned())
            }
        }
    };
}

shared_container!(SharedList, CelList, List);
shared_container!(SharedMap, CelMap, Map);
shared!(SharedString, CelString, String {
    fn as_comparer(&self) -> Option<&dyn Comparer> {
        self.0.as_comparer()
    }
});

/// Reads any JSON value.
struct Json;

impl<'de> DeserializeSeed<'de> for Json {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value<'de>, D::Error> {
        reader.deserialize_any(Json)
    }
}

impl<'de> Visitor<'de> for Json {
    type Value = Value<'de>;

    fn expecting(&self, into: &mut fmt::Formatter) -> fmt::Result {
        into.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Box::new(CelNull))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Box::new(CelBool::from(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(Box::new(CelDouble::from(value as f64)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(Box::new(CelDouble::from(value as f64)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value<'de>, E> {
        Ok(Box::new(CelDouble::from(value)))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Value<'de>, E> {
        Ok(Box::new(CelString::from(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value<'de>, E> {
        Ok(Box::new(SharedString(Arc::new(CelString::from(value.to_owned())))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value<'de>, A::Error> {
        let mut list: Vec<Value<'de>> = Vec::new();
        while let Some(item) = items.next_element_seed(Json)? {
            list.push(item);
        }
        Ok(Box::new(SharedList(Arc::new(CelList::from(list)))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value<'de>, A::Error> {
        let mut map: HashMap<CelMapKey<'de>, Value<'de>> = HashMap::new();
        while let Some(Name(name)) = members.next_key()? {
            map.insert(CelMapKey::String(name), members.next_value_seed(Json)?);
        }
        Ok(Box::new(SharedMap(Arc::new(CelMap::from(map)))))
    }
}

/// The name of a member.
struct Name<'v>(CelString<'v>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, into: &mut fmt::Formatter) -> fmt::Result {
                into.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(CelString::from(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(CelString::from(name.to_owned())))
            }
        }
        reader.deserialize_str(Text)
    }
}

/// The document itself as a text.
pub fn text(document: &str) -> Value<'_> {
    Box::new(CelString::from(document))
}
