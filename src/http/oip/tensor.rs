//! Tensors of the Open Inference Protocol: their data as JSON and as little-endian bytes (the binary tensor data extension).

use provost_domain::check::brief;
use provost_domain::limits;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;

/// The element types that a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datatype {
    Fp32,
    Fp64,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Bool,
    Bytes,
}

const NAMES: [(&str, Datatype); 12] = [
    ("FP32", Datatype::Fp32),
    ("FP64", Datatype::Fp64),
    ("INT8", Datatype::Int8),
    ("INT16", Datatype::Int16),
    ("INT32", Datatype::Int32),
    ("INT64", Datatype::Int64),
    ("UINT8", Datatype::Uint8),
    ("UINT16", Datatype::Uint16),
    ("UINT32", Datatype::Uint32),
    ("UINT64", Datatype::Uint64),
    ("BOOL", Datatype::Bool),
    ("BYTES", Datatype::Bytes),
];

impl Datatype {
    /// # Errors
    /// Names the types that are allowed.
    pub fn parse(name: &str) -> Result<Self, String> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, datatype)| *datatype).ok_or_else(|| {
            let allowed: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            format!("datatype `{}` is not supported; allowed are {}", brief(name, 40), allowed.join(", "))
        })
    }

    fn name(self) -> &'static str {
        NAMES.iter().find(|(_, datatype)| *datatype == self).map_or("", |(name, _)| *name)
    }

    /// The least and the greatest element of a type of whole numbers, those of 64 bits to a double's precision; None for other types.
    fn range(self) -> Option<(f64, f64)> {
        Some(match self {
            Self::Int8 => (i8::MIN.into(), i8::MAX.into()),
            Self::Int16 => (i16::MIN.into(), i16::MAX.into()),
            Self::Int32 => (i32::MIN.into(), i32::MAX.into()),
            Self::Int64 => (i64::MIN as f64, i64::MAX as f64),
            Self::Uint8 => (0.0, u8::MAX.into()),
            Self::Uint16 => (0.0, u16::MAX.into()),
            Self::Uint32 => (0.0, u32::MAX.into()),
            Self::Uint64 => (0.0, u64::MAX as f64),
            Self::Bool => (0.0, 1.0),
            Self::Fp32 | Self::Fp64 | Self::Bytes => return None,
        })
    }

    /// Bytes of one element; None for BYTES, whose elements have their own lengths.
    fn size(self) -> Option<usize> {
        Some(match self {
            Self::Int8 | Self::Uint8 | Self::Bool => 1,
            Self::Int16 | Self::Uint16 => 2,
            Self::Fp32 | Self::Int32 | Self::Uint32 => 4,
            Self::Fp64 | Self::Int64 | Self::Uint64 => 8,
            Self::Bytes => return None,
        })
    }
}

/// The data of one tensor, flattened in row-major order.
#[derive(Debug, PartialEq)]
pub enum Elements {
    /// NaN is missing.
    Numbers(Vec<f64>),
    Texts(Vec<Vec<u8>>),
}

impl Elements {
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }
}

/// The error for a tensor with too many elements: an element takes up to twelve times its length in memory.
fn too_many() -> String {
    format!("more than {} elements, which is as many as a tensor may have", limits::PREDICT_ROWS)
}

/// Reads `count` little-endian elements. BYTES elements each follow their length, a little-endian `u32`.
///
/// # Errors
/// A length that is no multiple of the element's, another number of elements, an element that goes beyond the end, and one that
/// is longer than an application may be.
pub fn from_bytes(datatype: Datatype, mut bytes: &[u8], count: usize) -> Result<Elements, String> {
    let Some(size) = datatype.size() else {
        let mut texts = Vec::new();
        while !bytes.is_empty() {
            if texts.len() == count {
                return Err(format!("has more elements than the {count} of its shape"));
            }
            let (length, rest) = bytes.split_first_chunk::<4>().ok_or("an element's length is cut off")?;
            let (length, most) = (u32::from_le_bytes(*length) as usize, limits::PREDICT_ROW_BYTES);
            let (text, rest) = rest
                .split_at_checked(length)
                .ok_or_else(|| format!("an element of {length} bytes goes beyond the end of the data"))?;
            if length > most {
                return Err(format!("an element has {length} bytes; at most {most} are allowed"));
            }
            texts.push(text.to_vec());
            bytes = rest;
        }
        return Ok(Elements::Texts(texts));
    };
    if !bytes.len().is_multiple_of(size) {
        return Err(format!("{} bytes are no whole number of elements of {size} bytes", bytes.len()));
    }
    if bytes.len() / size != count {
        return Err(format!("has {} elements; its shape says {count}", bytes.len() / size));
    }
    Ok(Elements::Numbers(bytes.chunks_exact(size).map(|element| number(datatype, element)).collect()))
}

/// One element; `element` has the datatype's size.
fn number(datatype: Datatype, element: &[u8]) -> f64 {
    let mut wide = [0; 8];
    wide[..element.len()].copy_from_slice(element);
    let unsigned = u64::from_le_bytes(wide);
    match datatype {
        Datatype::Fp32 => f64::from(f32::from_bits(unsigned as u32)),
        Datatype::Fp64 => f64::from_bits(unsigned),
        Datatype::Int8 => f64::from(unsigned as u8 as i8),
        Datatype::Int16 => f64::from(unsigned as u16 as i16),
        Datatype::Int32 => f64::from(unsigned as u32 as i32),
        Datatype::Int64 => unsigned as i64 as f64,
        Datatype::Bool => f64::from(u8::from(unsigned != 0)),
        _ => unsigned as f64,
    }
}

/// Reads a JSON array of elements, nested by shape or flat. In numbers `null` is missing.
///
/// # Errors
/// If the value is not such an array, or has an element that the datatype does not have.
pub fn from_json(datatype: Datatype, text: &str) -> Result<Elements, String> {
    let wrong = |error: serde_json::Error| format!("data is not readable: {error}");
    Ok(match datatype {
        Datatype::Bytes => {
            let Flat(texts) = serde_json::from_str::<Flat<String>>(text).map_err(wrong)?;
            Elements::Texts(texts.into_iter().map(String::into_bytes).collect())
        }
        _ => {
            let Flat(numbers) = serde_json::from_str::<Flat<Number>>(text).map_err(wrong)?;
            let numbers: Vec<f64> = numbers.into_iter().map(|Number(value)| value).collect();
            if let Some((low, high)) = datatype.range() {
                let is_missing_or_fits = |v: &f64| v.is_nan() || (v.fract() == 0.0 && (low..=high).contains(v));
                if let Some(at) = numbers.iter().position(|v| !is_missing_or_fits(v)) {
                    return Err(format!("element {at} is {}, which {} does not have", numbers[at], datatype.name()));
                }
            }
            Elements::Numbers(numbers)
        }
    })
}

/// An array of `T` with any nesting, flattened.
struct Flat<T>(Vec<T>);

struct Number(f64);

/// An element, or an array of the same kind.
trait Element: Sized {
    fn number(_: f64) -> Option<Self> {
        None
    }
    fn text(_: &str) -> Option<Self> {
        None
    }
}

impl Element for Number {
    fn number(value: f64) -> Option<Self> {
        Some(Self(value))
    }
}

impl Element for String {
    fn text(value: &str) -> Option<Self> {
        Some(value.to_owned())
    }
}

impl<'de, T: Element> Deserialize<'de> for Flat<T> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Items<T>(Vec<T>);
        impl<'de, T: Element> Visitor<'de> for Items<T> {
            type Value = Vec<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of elements")
            }
            fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Vec<T>, A::Error> {
                while let Some(item) = items.next_element::<Item<T>>()? {
                    let more = if let Item::Many(values) = &item { values.len() } else { 1 };
                    if self.0.len() + more > limits::PREDICT_ROWS {
                        return Err(A::Error::custom(too_many()));
                    }
                    match item {
                        Item::One(value) => self.0.push(value),
                        Item::Many(values) => self.0.extend(values),
                    }
                }
                Ok(self.0)
            }
        }
        reader.deserialize_seq(Items(Vec::new())).map(Flat)
    }
}

enum Item<T> {
    One(T),
    Many(Vec<T>),
}

impl<'de, T: Element> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Any<T>(std::marker::PhantomData<T>);
        impl<T: Element> Any<T> {
            fn number<E: serde::de::Error>(value: f64) -> Result<Item<T>, E> {
                T::number(value).map(Item::One).ok_or_else(|| E::custom("a number stands where a text is expected"))
            }
        }
        impl<'de, T: Element> Visitor<'de> for Any<T> {
            type Value = Item<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an element of the tensor's datatype")
            }
            fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Item<T>, E> {
                Self::number(f64::from(u8::from(value)))
            }
            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Item<T>, E> {
                Self::number(value as f64)
            }
            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Item<T>, E> {
                Self::number(value as f64)
            }
            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Item<T>, E> {
                Self::number(value)
            }
            fn visit_unit<E: serde::de::Error>(self) -> Result<Item<T>, E> {
                Self::number(f64::NAN)
            }
            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Item<T>, E> {
                T::text(value).map(Item::One).ok_or_else(|| E::custom("a text stands where a number is expected"))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Item<T>, A::Error> {
                let Flat(values) = Flat::deserialize(serde::de::value::SeqAccessDeserializer::new(items))?;
                Ok(Item::Many(values))
            }
        }
        reader.deserialize_any(Any(std::marker::PhantomData))
    }
}

/// Little-endian bytes of FP64 elements.
pub fn doubles_to_bytes(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// BYTES elements, each after its length.
pub fn texts_to_bytes(values: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for value in values {
        // Texts in answers are single words, far below 4 GiB.
        bytes.extend((value.len() as u32).to_le_bytes());
        bytes.extend(value.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn numbers(elements: Elements) -> Vec<f64> {
        match elements {
            Elements::Numbers(values) => values,
            Elements::Texts(texts) => panic!("{texts:?}"),
        }
    }

    #[test]
    fn json_numbers_are_held_to_their_datatype() {
        let read = |name: &str, text: &str| from_json(Datatype::parse(name).unwrap(), text);
        for (name, text) in [
            ("INT8", "[-128, 127, null]"),
            ("UINT8", "[255, 7.0]"),
            ("BOOL", "[true, 0]"),
            ("UINT64", "[18446744073709551615]"),
            ("FP32", "[0.5, 1e30]"),
        ] {
            read(name, text).unwrap();
        }
        for (name, text, at) in [
            ("INT8", "[1, 300]", "element 1 is 300, which INT8 does not have"),
            ("UINT8", "[-1]", "element 0 is -1"),
            ("INT32", "[[1, 2], [3, 1.5]]", "element 3 is 1.5"),
            ("BOOL", "[7]", "element 0 is 7"),
            ("UINT64", "[36893488147419103232]", "element 0"),
        ] {
            let fault = read(name, text).unwrap_err();
            assert!(fault.contains(at), "{name} {text}: {fault}");
        }
    }

    #[test]
    fn little_endian_elements_of_each_type_are_read() {
        let read = |name: &str, bytes: &[u8]| {
            let datatype = Datatype::parse(name).unwrap();
            numbers(from_bytes(datatype, bytes, bytes.len() / datatype.size().unwrap()).unwrap())
        };
        assert_eq!(read("FP32", &[0.5f32.to_le_bytes(), (-2.0f32).to_le_bytes()].concat()), [0.5, -2.0]);
        assert_eq!(read("FP64", &0.1f64.to_le_bytes()), [0.1]);
        assert!(read("FP32", &f32::NAN.to_le_bytes())[0].is_nan());
        assert_eq!(read("INT8", &[0xff, 1]), [-1.0, 1.0]);
        assert_eq!(read("UINT8", &[0xff]), [255.0]);
        assert_eq!(read("INT16", &(-300i16).to_le_bytes()), [-300.0]);
        assert_eq!(read("INT32", &(-70_000i32).to_le_bytes()), [-70_000.0]);
        assert_eq!(read("INT64", &i64::MIN.to_le_bytes()), [i64::MIN as f64]);
        assert_eq!(read("UINT64", &u64::MAX.to_le_bytes()), [u64::MAX as f64]);
        assert_eq!(read("BOOL", &[0, 1]), [0.0, 1.0]);
        assert!(from_bytes(Datatype::Fp32, &[0; 5], 1).unwrap_err().contains("no whole number"));
        assert!(Datatype::parse("FP16").unwrap_err().contains("FP32, FP64"));
    }

    #[test]
    fn texts_follow_their_lengths_and_none_goes_beyond_the_end() {
        let bytes = texts_to_bytes(&["a", "", "ünï"]);
        let texts = vec![b"a".to_vec(), Vec::new(), "ünï".as_bytes().to_vec()];
        assert_eq!(from_bytes(Datatype::Bytes, &bytes, 3).unwrap(), Elements::Texts(texts));
        for cut in [1, 3, bytes.len() - 1] {
            assert!(from_bytes(Datatype::Bytes, &bytes[..cut], 3).is_err(), "{cut}");
        }
        assert!(from_bytes(Datatype::Bytes, &u32::MAX.to_le_bytes(), 1).unwrap_err().contains("beyond the end"));
    }

    #[test]
    fn a_text_is_no_longer_than_an_application_may_be() {
        let of = |length: usize| from_bytes(Datatype::Bytes, &texts_to_bytes(&["x".repeat(length).as_str()]), 1);
        assert_eq!(of(limits::PREDICT_ROW_BYTES).unwrap().len(), 1);
        assert_eq!(
            of(limits::PREDICT_ROW_BYTES + 1).unwrap_err(),
            "an element has 65537 bytes; at most 65536 are allowed"
        );
    }

    #[test]
    fn json_data_may_be_nested_and_null_is_missing() {
        let read = numbers(from_json(Datatype::Fp32, "[[0.5, null], [1], 2, true]").unwrap());
        assert_eq!((read[0], read[1].is_nan(), &read[2..]), (0.5, true, &[1.0, 2.0, 1.0][..]));
        let texts = from_json(Datatype::Bytes, r#"["a", ["b"]]"#).unwrap();
        assert_eq!(texts, Elements::Texts(vec![b"a".to_vec(), b"b".to_vec()]));
        for (datatype, text) in [(Datatype::Fp32, r#"["a"]"#), (Datatype::Bytes, "[1]"), (Datatype::Fp32, "{}")] {
            assert!(from_json(datatype, text).is_err(), "{text}");
        }
    }
}
