//! The body of `POST /predict`: one application, or many with options. Rows stay JSON text until they are read one by one, so
//! that a long body takes little more memory than its bytes, and a bad row costs no other row its answer.

use super::options::PredictOptions;
use crate::http::code::Code;
use crate::http::problem::Problem;
use provost_domain::check::brief;
use provost_domain::fields::Fields;
use provost_domain::{Fault, Faults, limits};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// Members of a body at most; an application has ten.
const MEMBERS: usize = 100;
/// The longest option, in bytes.
const OPTION_BYTES: usize = 1_000;

/// The rows of a request as JSON text, and the options that apply to all of them.
#[derive(Debug)]
pub struct PredictRequest<'a> {
    pub rows: Vec<&'a str>,
    /// The rows stand in `applications`; one application was the body otherwise.
    pub many: bool,
    pub options: PredictOptions,
}

impl<'a> PredictRequest<'a> {
    /// Reads a body. `query` are the options of the query, which apply to a body that is one application.
    ///
    /// # Errors
    /// 422 for a body that is no such object, with a fault for each bad option and for too many rows.
    pub fn read(body: &'a [u8], query: PredictOptions) -> Result<Self, Problem> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(Problem::invalid(
                "",
                "the body is empty; an application or an object with `applications` is needed",
            ));
        }
        let text =
            std::str::from_utf8(body).map_err(|e| Problem::invalid("", format!("the body is not UTF-8: {e}")))?;
        let members: Members<'a> =
            serde_json::from_str(text).map_err(|e| Problem::invalid("", format!("the body is not readable: {e}")))?;
        let Some(rows) = members.applications else {
            return Ok(Self { rows: vec![text.trim()], many: false, options: query });
        };
        let options = options(&members.others)?;
        let most = options.most_rows();
        let rows = match rows {
            Rows::Texts(rows) if (1..=most).contains(&rows.len()) => rows,
            Rows::Texts(rows) => return Err(wrong_number(&rows.len().to_string(), most, &options)),
            Rows::TooMany => return Err(wrong_number(&format!("more than {}", limits::PREDICT_ROWS), most, &options)),
        };
        Ok(Self { rows, many: true, options })
    }
}

fn wrong_number(given: &str, most: usize, options: &PredictOptions) -> Problem {
    let with = if options.is_costly() { " with `explain`, `similar` or `counterfactual`" } else { "" };
    let message = format!("`applications` has {given} items; 1 to {most} are allowed{with}");
    Problem { code: Code::InvalidRequest, ..Problem::invalid("/applications", message) }
}

/// The options of a body; unknown members are faults.
fn options(others: &[(Cow<'_, str>, &RawValue)]) -> Result<PredictOptions, Problem> {
    let mut long = Vec::new();
    let mut body = Map::new();
    for (name, text) in others {
        if text.get().len() > OPTION_BYTES {
            let pointer = format!("/{}", brief(name, 80));
            let message = format!("`{}` is longer than {OPTION_BYTES} bytes", brief(name, 80));
            long.push(Fault { pointer, message });
            continue;
        }
        // The text was checked when the body was read.
        body.insert(name.to_string(), serde_json::from_str(text.get()).unwrap_or_default());
    }
    if !long.is_empty() {
        return Err(Faults(long).into());
    }
    let body = Value::Object(body);
    let mut fields = Fields::new(&body, "a prediction request")?;
    let options = PredictOptions::from_fields(&mut fields);
    Ok(fields.finish(options)?)
}

/// The members of the body's object, `applications` apart.
struct Members<'a> {
    applications: Option<Rows<'a>>,
    others: Vec<(Cow<'a, str>, &'a RawValue)>,
}

enum Rows<'a> {
    Texts(Vec<&'a str>),
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
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Members { applications: None, others: Vec::new() };
                while let Some(Name(name)) = map.next_key()? {
                    if members.others.len() == MEMBERS {
                        return Err(A::Error::custom(format!("the object has more than {MEMBERS} members")));
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
        reader.deserialize_map(Object)
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
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Rows<'de>, A::Error> {
                let mut rows = Vec::new();
                while let Some(row) = items.next_element::<&RawValue>()? {
                    if rows.len() == limits::PREDICT_ROWS {
                        while items.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                        return Ok(Rows::TooMany);
                    }
                    rows.push(row.get());
                }
                Ok(Rows::Texts(rows))
            }
        }
        reader.deserialize_seq(Items)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn read(body: &Value) -> Result<(usize, bool, PredictOptions), Problem> {
        let text = body.to_string();
        let request = PredictRequest::read(text.as_bytes(), PredictOptions::default())?;
        Ok((request.rows.len(), request.many, request.options))
    }

    fn fault(body: &Value) -> (String, String) {
        let problem = read(body).unwrap_err();
        assert_eq!(problem.status, 422, "{problem}");
        (problem.errors[0].pointer.clone(), problem.errors[0].message.clone())
    }

    #[test]
    fn one_application_is_a_body_and_many_come_with_options() {
        let (rows, many, options) = read(&json!({"profile": {}, "program": {}})).unwrap();
        assert_eq!((rows, many, options), (1, false, PredictOptions::default()));
        let body = json!({"applications": [{"profile": {}}, 7], "explain": true, "coverage": 0.8});
        let (rows, many, options) = read(&body).unwrap();
        assert_eq!((rows, many), (2, true));
        assert_eq!((options.explain, options.coverage), (true, 0.8));
    }

    #[test]
    fn the_number_of_rows_is_bounded_and_less_with_costly_options() {
        let body = |rows: usize, explain: bool| json!({"applications": vec![json!({}); rows], "explain": explain});
        assert!(read(&body(10_000, false)).is_ok());
        assert_eq!(
            fault(&body(10_001, false)),
            ("/applications".to_owned(), "`applications` has more than 10000 items; 1 to 10000 are allowed".to_owned())
        );
        assert!(read(&body(100, true)).is_ok());
        assert!(fault(&body(101, true)).1.contains("1 to 100 are allowed with `explain`"));
        assert!(fault(&body(0, false)).1.contains("has 0 items"));
    }

    #[test]
    fn bad_options_are_faults_by_pointer_and_bad_documents_faults_of_the_body() {
        assert_eq!(fault(&json!({"applications": [{}], "explian": true})).0, "/explian");
        assert_eq!(fault(&json!({"applications": [{}], "coverage": 1.5})).0, "/coverage");
        assert_eq!(fault(&json!({"applications": [{}], "similar": 21})).0, "/similar");
        assert_eq!(fault(&json!({"applications": [{}], "model_id": "x".repeat(2000)})).0, "/model_id");
        assert_eq!(fault(&json!({"applications": {}})).0, "");
        assert_eq!(fault(&json!([])).0, "");
        let of = |text: &str| PredictRequest::read(text.as_bytes(), PredictOptions::default()).unwrap_err().detail;
        assert!(of(" ").contains("empty"));
        assert!(of(r#"{"applications": [], "applications": []}"#).contains("twice"));
        assert!(of("{").contains("not readable"));
    }
}
