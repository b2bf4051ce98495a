//! Builds an ONNX graph node by node (<https://onnx.ai/onnx/repo-docs/IR.html>). Field numbers in comments are those of
//! `onnx.proto3`.

use crate::protobuf::Message;

/// Versions of the file format and of the two operator sets: the oldest with all operators that are used here. ONNX
/// Runtime reads them from version 1.20 (November 2024) on.
const IR_VERSION: i64 = 10;
const OPERATORS: i64 = 18;
const TREE_OPERATORS: i64 = 5;
/// The operator domain of tree ensembles.
pub const TREES: &str = "ai.onnx.ml";

const FLOAT: i64 = 1;
const UINT8: i64 = 2;
const INT64: i64 = 7;
const STRING: i64 = 8;
const DOUBLE: i64 = 11;

/// The name of a tensor in the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor(String);

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// `f32`
    Float,
    /// `f64`
    Double,
    /// `i64`
    Int,
    /// Text
    Text,
}

impl Element {
    fn number(self) -> i64 {
        match self {
            Element::Float => FLOAT,
            Element::Double => DOUBLE,
            Element::Int => INT64,
            Element::Text => STRING,
        }
    }
}

/// A named constant of a node.
#[derive(Debug, Clone)]
pub struct Attribute(Message);

/// `AttributeProto`: name 1, i 3, t 5, ints 8, type 20 (INT 2, TENSOR 4, INTS 7).
impl Attribute {
    /// A whole number.
    pub fn int(name: &str, value: i64) -> Self {
        Self(Message::default().bytes(1, name).int(3, value).int(20, 2))
    }
    /// Whole numbers.
    pub fn ints(name: &str, values: impl IntoIterator<Item = i64>) -> Self {
        Self(Message::default().bytes(1, name).ints(8, values).int(20, 7))
    }
    fn tensor(name: &str, value: Message) -> Self {
        Self(Message::default().bytes(1, name).message(5, value).int(20, 4))
    }
    /// Numbers of this type, `Float` or `Double`.
    pub fn numbers(name: &str, element: Element, values: &[f64]) -> Self {
        let shape = [values.len()];
        match element {
            Element::Float => {
                let raw: Vec<u8> = values.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect();
                Self::tensor(name, tensor("", FLOAT, &shape, &raw))
            }
            _ => Self::tensor(name, doubles("", &shape, values)),
        }
    }
    /// Small whole numbers.
    pub fn bytes(name: &str, values: &[u8]) -> Self {
        Self::tensor(name, tensor("", UINT8, &[values.len()], values))
    }
}

/// `TensorProto`: dims 1, data_type 2, name 8, raw_data 9 (little-endian).
fn tensor(name: &str, element: i64, shape: &[usize], raw: &[u8]) -> Message {
    let dims = shape.iter().map(|n| *n as i64);
    Message::default().ints(1, dims).int(2, element).bytes(8, name).bytes(9, raw)
}

fn doubles(name: &str, shape: &[usize], values: &[f64]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    tensor(name, DOUBLE, shape, &raw)
}

/// A graph that is being built. Methods that add a node return its output.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: Vec<Message>,
    constants: Vec<Message>,
    inputs: Vec<Message>,
    outputs: Vec<Message>,
    next: usize,
}

impl Graph {
    fn name(&mut self) -> String {
        self.next += 1;
        format!("t{}", self.next)
    }

    /// `ValueInfoProto`: name 1, type 2 (tensor_type 1: elem_type 1, shape 2: dim 1: dim_value 1, dim_param 2). The
    /// first dimension is the number of rows.
    fn value(name: &str, element: Element, columns: Option<usize>) -> Message {
        let rows = Message::default().bytes(2, "rows");
        let columns = columns.map(|n| Message::default().int(1, n as i64));
        let shape = Message::default().message(1, rows).messages(1, columns);
        let of = Message::default().int(1, element.number()).message(2, shape);
        Message::default().bytes(1, name).message(2, Message::default().message(1, of))
    }

    /// Adds an input of shape rows × `columns`.
    pub fn input(&mut self, name: &str, element: Element, columns: usize) -> Tensor {
        self.inputs.push(Self::value(name, element, Some(columns)));
        Tensor(name.to_owned())
    }

    /// Makes a tensor with one value per row an output of the graph with this name.
    pub fn output(&mut self, name: &str, element: Element, from: &Tensor) {
        self.push("", "Identity", &[from], name, &[]);
        self.outputs.push(Self::value(name, element, None));
    }

    /// `NodeProto`: input 1, output 2, name 3, op_type 4, attribute 5, domain 7.
    fn push(&mut self, domain: &str, operator: &str, inputs: &[&Tensor], output: &str, attributes: &[Attribute]) {
        let node = inputs.iter().fold(Message::default(), |node, input| node.bytes(1, &input.0));
        let node = node.bytes(2, output).bytes(3, output).bytes(4, operator);
        self.nodes.push(node.messages(5, attributes.iter().map(|a| a.0.clone())).bytes(7, domain));
    }

    /// Adds a node of the default operator set.
    pub fn node(&mut self, operator: &str, inputs: &[&Tensor], attributes: &[Attribute]) -> Tensor {
        self.node_of("", operator, inputs, attributes)
    }

    /// Adds a node of the operator set `domain`.
    pub fn node_of(&mut self, domain: &str, operator: &str, inputs: &[&Tensor], attributes: &[Attribute]) -> Tensor {
        let name = self.name();
        self.push(domain, operator, inputs, &name, attributes);
        Tensor(name)
    }

    /// Adds a constant of this shape in double precision.
    pub fn doubles(&mut self, shape: &[usize], values: &[f64]) -> Tensor {
        let name = self.name();
        self.constants.push(doubles(&name, shape, values));
        Tensor(name)
    }

    /// Adds a constant of this shape in single precision.
    pub fn floats(&mut self, shape: &[usize], values: &[f32]) -> Tensor {
        let name = self.name();
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constants.push(tensor(&name, FLOAT, shape, &raw));
        Tensor(name)
    }

    /// Adds a one-dimensional constant of 64-bit integers.
    pub fn ints(&mut self, values: &[i64]) -> Tensor {
        let name = self.name();
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constants.push(tensor(&name, INT64, &[values.len()], &raw));
        Tensor(name)
    }

    /// Adds a scalar text as a constant. `TensorProto` has texts in string_data 6.
    pub fn text(&mut self, value: &str) -> Tensor {
        let name = self.name();
        self.constants.push(Message::default().int(2, STRING).bytes(6, value).bytes(8, &name));
        Tensor(name)
    }

    /// Adds a scalar in double precision, which broadcasts to any shape.
    pub fn number(&mut self, value: f64) -> Tensor {
        self.doubles(&[], &[value])
    }

    /// The same tensor with elements of this type.
    pub fn cast(&mut self, from: &Tensor, to: Element) -> Tensor {
        self.node("Cast", &[from], &[Attribute::int("to", to.number())])
    }

    /// The encoded file. `ModelProto`: ir_version 1, producer_name 2, producer_version 3, graph 7, opset_import 8
    /// (domain 1, version 2), metadata_props 14 (key 1, value 2). `GraphProto`: node 1, name 2, initializer 5, input
    /// 11, output 12.
    pub fn into_file(self, name: &str, metadata: &[(&str, String)]) -> Vec<u8> {
        let graph = Message::default()
            .messages(1, self.nodes)
            .bytes(2, name)
            .messages(5, self.constants)
            .messages(11, self.inputs)
            .messages(12, self.outputs);
        let operators = |domain: &str, version| Message::default().bytes(1, domain).int(2, version);
        let metadata = metadata.iter().map(|(key, value)| Message::default().bytes(1, key).bytes(2, value));
        Message::default()
            .int(1, IR_VERSION)
            .bytes(2, "provost")
            .bytes(3, env!("CARGO_PKG_VERSION"))
            .message(7, graph)
            .message(8, operators("", OPERATORS))
            .message(8, operators(TREES, TREE_OPERATORS))
            .messages(14, metadata)
            .into_bytes()
    }
}
