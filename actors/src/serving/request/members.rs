//! The members of a request's body. Applications stay JSON text until they are read one by one, so that a long body takes little
//! more memory than its bytes.

use provost_domain::check::brief;
use provost_domain::limits;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Members of a body at most; an application has ten.
const MOST: usize = 100;

/// The members of the body's object, `applications` apart.
pub struct Members<'a> {
    pub applications: Option<Rows<'a>>,
    pub others: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// The list `applications`.
pub enum Rows<'a> {
    Texts(Vec<&'a str>),
    /// More than [`limits::PREDICT_ROWS`].
    TooMany,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an application, or an object with `applications`")
            }
            // Serde's own error would repeat the text, whatever its length.
            fn visit_str<E: Error>(self, _: &str) -> Result<Members<'de>, E> {
                Err(E::custom("a text was found where an object is expected"))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Members { applications: None, others: Vec::new() };
                while let Some(Name(name)) = map.next_key()? {
                    if members.others.len() == MOST {
                        return Err(A::Error::custom(format!("the object has more than {MOST} members")));
                    }
                    if name == "applications" {
                        if members.applications.replace(map.next_value()?).is_some() {
                            return Err(A::Error::custom("`applications` is there twice"));
                        }
                    } else if members.others.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom(format!("`{}` is there twice", brief(&name, 80))));
                    } else {
                        members.others.push((name, map.next_value()?));
                    }
                }
                Ok(members)
            }
        }
        reader.deserialize_any(Object)
    }
}

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Rows<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Items;
        impl<'de> Visitor<'de> for Items {
            type Value = Rows<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of applications")
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Rows<'de>, E> {
                Err(E::custom("a text was found where a list of applications is expected"))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Rows<'de>, A::Error> {
                let mut rows = Vec::new();
                while let Some(row) = items.next_element::<&RawValue>()? {
                    if rows.len() == limits::PREDICT_ROWS {
                        while items.next_element::<IgnoredAny>()?.is_some() {}
                        return Ok(Rows::TooMany);
                    }
                    rows.push(row.get());
                }
                Ok(Rows::Texts(rows))
            }
        }
        reader.deserialize_any(Items)
    }
}
