//! An inference request of the Open Inference Protocol, as JSON or with binary tensor data behind the JSON.

use super::tensor::{self, Datatype, Elements};
use provost_domain::check::brief;
use provost_domain::json::longest_text;
use provost_domain::limits;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// Name of the tensor whose elements are applications as JSON.
pub const APPLICATION: &str = "application";

/// The outputs, in the order of an answer to a request that names none.
pub const OUTPUTS: [&str; 4] = ["probability", "probability_low", "probability_high", "predicted_outcome"];

/// The most tensors of one request: more than a model has columns.
const TENSORS: usize = 200;

/// The most dimensions of a shape; those that are allowed have two.
const DIMENSIONS: usize = 8;

/// A request that was read and checked, except for the names of its features.
#[derive(Debug)]
pub struct InferRequest {
    pub id: Option<String>,
    pub rows: Rows,
    pub outputs: Vec<Output>,
}

/// The form of the rows.
#[derive(Debug, PartialEq)]
pub enum Rows {
    /// A column of equal length for each named feature; NaN is missing.
    Features(Vec<(String, Vec<f64>)>),
    /// One application each, as JSON.
    Applications(Vec<Vec<u8>>),
}

/// An output that the client requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// One of [`OUTPUTS`].
    pub name: &'static str,
    /// Its data follow the JSON as bytes.
    pub binary: bool,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(borrow)]
    inputs: AtMost<InputTensor<'a>, TENSORS>,
    #[serde(default)]
    outputs: Option<AtMost<OutputTensor, { OUTPUTS.len() }>>,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Deserialize)]
struct InputTensor<'a> {
    name: String,
    shape: AtMost<u64, DIMENSIONS>,
    datatype: String,
    #[serde(default)]
    parameters: Parameters,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct OutputTensor {
    name: String,
    #[serde(default)]
    parameters: Parameters,
}

/// The parameters of the binary tensor data extension, for a request, an input or an output. Others are ignored.
#[derive(Deserialize, Default)]
struct Parameters {
    #[serde(default)]
    binary_data_size: Option<usize>,
    #[serde(default)]
    binary_data: Option<bool>,
    #[serde(default)]
    binary_data_output: Option<bool>,
}

/// A list of bounded length; further elements are not read.
struct AtMost<T, const N: usize>(Vec<T>);

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for AtMost<T, N> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Items<T, const N: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Items<T, N> {
            type Value = Vec<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {N} items")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
                let mut read = Vec::new();
                while let Some(item) = items.next_element()? {
                    if read.len() == N {
                        return Err(A::Error::custom(format!(
                            "a list has more than {N} items, which is as many as it may have"
                        )));
                    }
                    read.push(item);
                }
                Ok(read)
            }
        }
        reader.deserialize_seq(Items::<T, N>(PhantomData)).map(AtMost)
    }
}

impl InferRequest {
    /// Reads a body. `json_length` is the header `Inference-Header-Content-Length`: where the JSON ends and the binary data
    /// begin. `most` is the number of rows allowed.
    ///
    /// # Errors
    /// One sentence that names the tensor and what is allowed.
    pub fn read(body: &[u8], json_length: Option<usize>, most: usize) -> Result<Self, String> {
        let length = json_length.unwrap_or(body.len());
        let (json, mut binary) = body
            .split_at_checked(length)
            .ok_or_else(|| format!("Inference-Header-Content-Length is {length}; the body has {} bytes", body.len()))?;
        // Checked before a text is copied into a value or an error.
        let (longest, most_bytes) = (longest_text(json), limits::PREDICT_TEXT);
        if longest > most_bytes {
            return Err(format!("a text has {longest} bytes; at most {most_bytes} are allowed"));
        }
        let json = std::str::from_utf8(json).map_err(|error| format!("the request is not UTF-8: {error}"))?;
        let json = without_nan(json);
        let request: Body<'_> =
            serde_json::from_str(&json).map_err(|error| format!("the request is not readable: {error}"))?;
        if request.inputs.0.is_empty() {
            return Err(format!("inputs has 0 tensors; 1 to {TENSORS} are allowed"));
        }
        if request.id.as_ref().is_some_and(|id| !limits::fits(id, limits::INFER_ID)) {
            return Err(format!("id has more than {} characters", limits::INFER_ID));
        }
        let mut tensors = Vec::new();
        for input in request.inputs.0 {
            let name = brief(&input.name, 80).into_owned();
            let elements = input.elements(&mut binary, most).map_err(|why| format!("input `{name}`: {why}"))?;
            if tensors.iter().any(|(known, _)| *known == input.name) {
                return Err(format!("input `{name}` is there twice"));
            }
            tensors.push((input.name, elements));
        }
        if !binary.is_empty() {
            return Err(format!("{} bytes follow the data of the last input", binary.len()));
        }
        let by_default = request.parameters.binary_data_output.unwrap_or(false);
        Ok(Self {
            id: request.id,
            rows: rows(tensors)?,
            outputs: outputs(request.outputs.map(|outputs| outputs.0), by_default)?,
        })
    }
}

impl InputTensor<'_> {
    /// The tensor's data, from the JSON or from the front of `binary`.
    fn elements(&self, binary: &mut &[u8], most: usize) -> Result<Elements, String> {
        let rows = match self.shape.0[..] {
            [rows] | [rows, 1] => rows,
            _ => return Err(format!("shape is {:?}; [rows] or [rows, 1] is allowed", self.shape.0)),
        };
        if rows == 0 || rows > most as u64 {
            return Err(format!("shape has {rows} rows; 1 to {most} are allowed"));
        }
        let datatype = Datatype::parse(&self.datatype)?;
        let elements = match (self.parameters.binary_data_size, self.data) {
            (Some(size), None) => {
                let Some((data, rest)) = binary.split_at_checked(size) else {
                    return Err(format!("binary_data_size is {size}; {} bytes are left", binary.len()));
                };
                *binary = rest;
                tensor::from_bytes(datatype, data, rows as usize)?
            }
            (None, Some(data)) => tensor::from_json(datatype, data.get())?,
            (Some(_), Some(_)) => {
                return Err("has both data and binary_data_size; one of the two is allowed".to_owned());
            }
            (None, None) => return Err("has neither data nor binary_data_size".to_owned()),
        };
        if elements.len() as u64 != rows {
            return Err(format!("has {} elements; its shape says {rows}", elements.len()));
        }
        Ok(elements)
    }
}

/// Turns tensors into rows: one tensor of applications, or one tensor of numbers for each feature.
fn rows(tensors: Vec<(String, Elements)>) -> Result<Rows, String> {
    let mut columns: Vec<(String, Vec<f64>)> = Vec::new();
    let several = tensors.len() > 1;
    for (name, elements) in tensors {
        match elements {
            Elements::Texts(texts) if name == APPLICATION && !several => return Ok(Rows::Applications(texts)),
            Elements::Texts(_) if name == APPLICATION => {
                return Err(format!("input `{APPLICATION}` stands alone; no other input is allowed beside it"));
            }
            Elements::Texts(_) => {
                return Err(format!("input `{}` has the datatype BYTES; a number is needed", brief(&name, 80)));
            }
            Elements::Numbers(_) if name == APPLICATION => {
                return Err(format!("input `{APPLICATION}` has numbers; the datatype BYTES is needed"));
            }
            Elements::Numbers(values) => {
                if let Some((first, known)) = columns.first()
                    && known.len() != values.len()
                {
                    let (name, first) = (brief(&name, 80), brief(first, 80));
                    return Err(format!("input `{name}` has {} rows, input `{first}` {}", values.len(), known.len()));
                }
                columns.push((name, values));
            }
        }
    }
    Ok(Rows::Features(columns))
}

/// The requested outputs; all if none is named.
fn outputs(asked: Option<Vec<OutputTensor>>, by_default: bool) -> Result<Vec<Output>, String> {
    let asked = asked.unwrap_or_default();
    if asked.is_empty() {
        return Ok(OUTPUTS.map(|name| Output { name, binary: by_default }).to_vec());
    }
    let read = |output: OutputTensor| {
        let Some(name) = OUTPUTS.into_iter().find(|name| *name == output.name) else {
            let name = brief(&output.name, 80);
            return Err(format!("there is no output `{name}`; allowed are {}", OUTPUTS.join(", ")));
        };
        Ok(Output { name, binary: output.parameters.binary_data.unwrap_or(by_default) })
    };
    asked.into_iter().map(read).collect()
}

/// The text with `null` in place of each bare `NaN`, which JSON does not have but Python's writers use for missing numbers.
fn without_nan(json: &str) -> Cow<'_, str> {
    if !json.contains("NaN") {
        return Cow::Borrowed(json);
    }
    let (mut out, mut in_string, mut escaped) = (String::with_capacity(json.len() + 64), false, false);
    let mut rest = json.char_indices();
    while let Some((at, c)) = rest.next() {
        if !in_string && json[at..].starts_with("NaN") {
            out.push_str("null");
            rest.nth(1);
            continue;
        }
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
        out.push(c);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn read(body: &serde_json::Value) -> Result<InferRequest, String> {
        InferRequest::read(body.to_string().as_bytes(), None, 10)
    }

    fn tensor(name: &str, datatype: &str, data: serde_json::Value) -> serde_json::Value {
        let rows = data.as_array().unwrap().len();
        json!({"name": name, "shape": [rows], "datatype": datatype, "data": data})
    }

    #[test]
    fn features_and_applications_are_read_from_json() {
        let body = json!({"id": "7", "inputs": [
            tensor("a", "FP64", json!([0.5, null])), tensor("b", "INT32", json!([[1], [2]])),
        ]});
        let request = read(&body).unwrap();
        assert_eq!(request.id.as_deref(), Some("7"));
        let Rows::Features(columns) = &request.rows else { panic!("{request:?}") };
        assert_eq!((columns[0].0.as_str(), columns[0].1[0], columns[0].1[1].is_nan()), ("a", 0.5, true));
        assert_eq!(columns[1], ("b".to_owned(), vec![1.0, 2.0]));
        let names: Vec<&str> = request.outputs.iter().map(|output| output.name).collect();
        assert_eq!(names, OUTPUTS);
        let body = json!({"inputs": [tensor("application", "BYTES", json!(["{}"]))],
            "outputs": [{"name": "probability", "parameters": {"binary_data": true}}]});
        let request = read(&body).unwrap();
        assert_eq!(request.rows, Rows::Applications(vec![b"{}".to_vec()]));
        assert_eq!(request.outputs, [Output { name: "probability", binary: true }]);
    }

    #[test]
    fn binary_data_follow_the_json_in_the_order_of_the_inputs() {
        let json = json!({"parameters": {"binary_data_output": true}, "inputs": [
            {"name": "a", "shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": 8}},
            {"name": "b", "shape": [2], "datatype": "FP64", "data": [3, 4]},
            {"name": "c", "shape": [2], "datatype": "INT64", "parameters": {"binary_data_size": 16}},
        ]})
        .to_string();
        let mut body = json.clone().into_bytes();
        body.extend([1.0f32, 2.0].iter().flat_map(|x| x.to_le_bytes()));
        body.extend([5i64, 6].iter().flat_map(|x| x.to_le_bytes()));
        let request = InferRequest::read(&body, Some(json.len()), 10).unwrap();
        let column = |name: &str, values: [f64; 2]| (name.to_owned(), values.to_vec());
        let columns = vec![column("a", [1.0, 2.0]), column("b", [3.0, 4.0]), column("c", [5.0, 6.0])];
        assert_eq!(request.rows, Rows::Features(columns));
        assert!(request.outputs.iter().all(|output| output.binary));
        for (body, length, why) in [
            (&body[..body.len() - 1], json.len(), "bytes are left"),
            (&[&body[..], b"x"].concat(), json.len(), "follow the data"),
            (&body[..], body.len() + 1, "Inference-Header-Content-Length"),
        ] {
            let error = InferRequest::read(body, Some(length), 10).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn bare_nan_is_missing_but_not_within_a_text() {
        let body =
            br#"{"id": "NaN\"NaN", "inputs": [{"name": "a", "shape": [2], "datatype": "FP32", "data": [NaN, 1]}]}"#;
        let request = InferRequest::read(body, None, 10).unwrap();
        assert_eq!(request.id.as_deref(), Some("NaN\"NaN"));
        let Rows::Features(columns) = request.rows else { panic!() };
        assert!(columns[0].1[0].is_nan());
    }

    #[test]
    fn lists_end_where_they_are_too_long_and_no_error_repeats_them() {
        let long = |json: String| InferRequest::read(json.as_bytes(), None, 10).unwrap_err();
        let tensor = |shape: &str, data: &str| {
            format!(r#"{{"inputs": [{{"name": "a", "datatype": "FP32", "shape": [{shape}], "data": [{data}]}}]}}"#)
        };
        for (json, wanted) in [
            (tensor(&vec!["1"; 100_000].join(","), "1"), "more than 8 items"),
            (tensor("1", &vec!["1"; limits::PREDICT_ROWS + 1].join(",")), "more than 10000 elements"),
            (tensor("1", &format!("[{}]", vec!["1"; limits::PREDICT_ROWS + 1].join(","))), "more than 10000 elements"),
            (
                format!(r#"{{"inputs": [{}]}}"#, vec![r#"{"name":"","datatype":"","shape":[]}"#; 201].join(",")),
                "more than 200 items",
            ),
            (
                tensor("1", "1").replace(r#"{"inputs""#, &format!(r#"{{"id": "{}", "inputs""#, "x".repeat(1_001))),
                "id has more",
            ),
        ] {
            let error = long(json);
            assert!(error.contains(wanted) && error.len() < 300, "{error}");
        }
        let tensor = |datatype: &str, bytes: usize| {
            let shape = json!({"inputs": [{"name": "a", "shape": [1], "datatype": datatype,
                "parameters": {"binary_data_size": bytes}}]});
            let json = shape.to_string();
            let body = [json.as_bytes(), &vec![0; bytes]].concat();
            InferRequest::read(&body, Some(json.len()), 10).unwrap_err()
        };
        assert!(tensor("UINT8", 2).contains("2 elements; its shape says 1"));
        assert!(tensor("BYTES", 4 * 2).contains("more elements than the 1 of its shape"));
        // Each of these would be held in memory a second time: as an error's text, a name or an element.
        let text = "x".repeat(limits::PREDICT_TEXT + 1);
        for json in [
            json!({ "inputs": text }),
            json!({ "inputs": [{"name": text, "shape": [1], "datatype": "FP32", "data": [1]}] }),
            json!({ "inputs": [{"name": "a", "shape": [text], "datatype": "FP32", "data": [1]}] }),
            json!({ "inputs": [{"name": "application", "shape": [1], "datatype": "BYTES", "data": [text]}] }),
        ] {
            let error = read(&json).unwrap_err();
            assert_eq!(error, "a text has 393217 bytes; at most 393216 are allowed");
        }
        let fits = json!({ "inputs": [{"name": "application", "shape": [1], "datatype": "BYTES",
            "data": ["x".repeat(limits::PREDICT_TEXT)]}] });
        assert!(read(&fits).is_ok());
    }

    #[test]
    fn each_fault_names_the_tensor_and_what_is_allowed() {
        let one = |name: &str, datatype: &str, data| json!({"inputs": [tensor(name, datatype, data)]});
        for (body, wanted) in [
            (json!({"inputs": []}), "1 to 200"),
            (json!({}), "inputs"),
            (one("a", "FP16", json!([1])), "`FP16` is not supported"),
            (one("a", "BYTES", json!(["x"])), "a number is needed"),
            (one("application", "FP32", json!([1])), "BYTES is needed"),
            (one("a", "FP32", json!([])), "1 to 10"),
            (one("a", "FP32", json!(vec![1; 11])), "1 to 10"),
            (
                json!({"inputs": [{"name": "a", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}]}),
                "[rows, 1]",
            ),
            (json!({"inputs": [{"name": "a", "shape": [3], "datatype": "FP32", "data": [1]}]}), "its shape says 3"),
            (json!({"inputs": [{"name": "a", "shape": [1], "datatype": "FP32"}]}), "neither data nor"),
            (json!({"inputs": [tensor("a", "FP32", json!([1])), tensor("a", "FP32", json!([1]))]}), "twice"),
            (json!({"inputs": [tensor("a", "FP32", json!([1])), tensor("b", "FP32", json!([1, 2]))]}), "2 rows"),
            (json!({"inputs": [tensor("a", "FP32", json!([1]))], "outputs": [{"name": "p"}]}), "no output `p`"),
        ] {
            let error = read(&body).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
