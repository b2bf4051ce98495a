//! The parts of the Protocol Buffers wire format that ONNX files use
//! (<https://protobuf.dev/programming-guides/encoding/>). This writer is smaller than code generated for all of ONNX.

/// A message as its encoded fields.
#[derive(Debug, Clone, Default)]
pub struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn tag(&mut self, field: u32, wire_type: u32) {
        self.varint(u64::from(field << 3 | wire_type));
    }

    /// A whole number; negative ones take ten bytes.
    pub fn int(mut self, field: u32, value: i64) -> Self {
        self.tag(field, 0);
        self.varint(value.cast_unsigned());
        self
    }

    /// A text, a message or raw bytes.
    pub fn bytes(mut self, field: u32, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.tag(field, 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    /// A message within this one.
    pub fn message(self, field: u32, value: Message) -> Self {
        self.bytes(field, value.0)
    }

    /// Adds a message to the repeated field `field` for each of `values`.
    pub fn messages(self, field: u32, values: impl IntoIterator<Item = Message>) -> Self {
        values.into_iter().fold(self, |message, value| message.message(field, value))
    }

    /// A list of whole numbers, packed.
    pub fn ints(self, field: u32, values: impl IntoIterator<Item = i64>) -> Self {
        let mut packed = Message::default();
        values.into_iter().for_each(|value| packed.varint(value.cast_unsigned()));
        self.bytes(field, packed.0)
    }

    /// The encoded message.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_encoded_as_the_specification_shows() {
        assert_eq!(Message::default().int(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().bytes(2, "testing").into_bytes(), b"\x12\x07testing");
        let inner = Message::default().int(1, 150);
        assert_eq!(Message::default().message(3, inner).into_bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(
            Message::default().ints(6, [3, 270, 86_942]).into_bytes(),
            [0x32, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05]
        );
        assert_eq!(Message::default().int(1, -2).into_bytes().len(), 11);
    }
}
