//! JSON read for what it is: `serde` would take an array for a structure, its fields by their order, and an object for a
//! word. What a published schema refuses is refused here, too.

use core::fmt;
use core::marker::PhantomData;
use core::ops::RangeInclusive;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IntoDeserializer, MapAccess, Unexpected, Visitor};

/// What `serde` derives for a type under `#[serde(remote = "Self")]`, to be called by a stricter reader.
pub(crate) trait Derived: Sized {
    fn derived<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// Makes the derived readers strict: `strict!(object: Client)` or `strict!(word: Mode)`.
macro_rules! strict {
    ($shape:ident: $($name:ty),+) => { $(
        impl crate::wire::Derived for $name {
            fn derived<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$name>::deserialize(deserializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::wire::$shape(deserializer)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                <$name>::serialize(self, serializer)
            }
        }
    )+ };
}
pub(crate) use strict;

/// Reads an object, and nothing else.
pub(crate) fn object<'de, T: Derived, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Derived> Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::derived(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_map(Object(PhantomData))
}

/// Reads what may be left out, but is no `null` where it stands.
pub(crate) fn some<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads one of a few words, and nothing else.
pub(crate) fn word<'de, T: Derived, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Word<T>(PhantomData<T>);

    impl<T: Derived> Visitor<'_> for Word<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            T::derived(text.into_deserializer())
        }
    }

    deserializer.deserialize_str(Word(PhantomData))
}

/// Reads a whole number within bounds.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D, bounds: RangeInclusive<u64>) -> Result<u64, D::Error> {
    struct Number(RangeInclusive<u64>);

    impl Visitor<'_> for Number {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a whole number from {} to {}", self.0.start(), self.0.end())
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
            if self.0.contains(&number) {
                Ok(number)
            } else {
                Err(E::invalid_value(Unexpected::Unsigned(number), &self))
            }
        }
    }

    deserializer.deserialize_u64(Number(bounds))
}
