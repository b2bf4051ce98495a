//! A reader of UBJSON (<https://ubjson.org>, draft 12) as XGBoost writes it; numbers are big-endian. The reader is
//! bounded: no input makes it recurse deeply or allocate more than a small multiple of the input's length.

const MAX_DEPTH: usize = 16;

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Null, true, false and characters, which are not used here.
    Other,
    Int(i64),
    Float(f64),
    Text(String),
    /// A typed list of integers.
    Ints(Vec<i64>),
    /// A typed list of f32.
    Floats(Vec<f32>),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
}

impl Value {
    /// The member at a path of names.
    pub fn at(&self, path: &[&str]) -> Result<&Value, String> {
        let mut value = self;
        for name in path {
            let Value::Object(members) = value else { return Err(format!("no object around {name}")) };
            value = &members.iter().find(|(n, _)| n == name).ok_or_else(|| format!("no member {name}"))?.1;
        }
        Ok(value)
    }

    pub fn text(&self, path: &[&str]) -> Result<&str, String> {
        match self.at(path)? {
            Value::Text(text) => Ok(text),
            _ => Err(format!("{} is not a text", path.join("."))),
        }
    }

    pub fn list(&self, path: &[&str]) -> Result<&[Value], String> {
        match self.at(path)? {
            Value::List(list) => Ok(list),
            _ => Err(format!("{} is not a list", path.join("."))),
        }
    }

    /// A list of integers, typed or not.
    pub fn ints(&self, path: &[&str]) -> Result<Vec<i64>, String> {
        let fault = || format!("{} is not a list of whole numbers", path.join("."));
        match self.at(path)? {
            Value::Ints(list) => Ok(list.clone()),
            Value::List(list) => {
                list.iter().map(|v| if let Value::Int(n) = v { Ok(*n) } else { Err(fault()) }).collect()
            }
            _ => Err(fault()),
        }
    }

    pub fn floats(&self, path: &[&str]) -> Result<&[f32], String> {
        match self.at(path)? {
            Value::Floats(list) => Ok(list),
            _ => Err(format!("{} is not a list of f32", path.join("."))),
        }
    }
}

/// Reads one value that takes all bytes.
pub fn read(bytes: &[u8]) -> Result<Value, String> {
    let mut reader = Reader { bytes, at: 0 };
    let value = reader.value(0)?;
    if reader.at != bytes.len() {
        return Err(format!("{} bytes behind the model", bytes.len() - reader.at));
    }
    Ok(value)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.bytes.len());
        let taken = end.map(|end| &self.bytes[self.at..end]).ok_or_else(|| format!("ends at byte {}", self.at))?;
        self.at += n;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.array::<1>()?[0])
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        let tag = self.byte()?;
        self.tagged(tag, depth)
    }

    fn tagged(&mut self, tag: u8, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH} at byte {}", self.at));
        }
        Ok(match tag {
            b'Z' | b'T' | b'F' => Value::Other,
            b'C' => {
                self.byte()?;
                Value::Other
            }
            b'd' => Value::Float(f64::from(f32::from_be_bytes(self.array()?))),
            b'D' => Value::Float(f64::from_be_bytes(self.array()?)),
            b'S' => Value::Text(self.text()?),
            b'[' => self.list(depth)?,
            b'{' => self.object(depth)?,
            tag => Value::Int(self.int(tag)?),
        })
    }

    fn int(&mut self, tag: u8) -> Result<i64, String> {
        Ok(match tag {
            b'i' => i64::from(i8::from_be_bytes(self.array()?)),
            b'U' => i64::from(self.byte()?),
            b'I' => i64::from(i16::from_be_bytes(self.array()?)),
            b'l' => i64::from(i32::from_be_bytes(self.array()?)),
            b'L' => i64::from_be_bytes(self.array()?),
            _ => return Err(format!("tag {tag:#04x} at byte {}", self.at)),
        })
    }

    /// Reads a length, which cannot be greater than the number of remaining bytes.
    fn length(&mut self) -> Result<usize, String> {
        let tag = self.byte()?;
        let n = self.int(tag)?;
        usize::try_from(n)
            .ok()
            .filter(|n| *n <= self.bytes.len() - self.at)
            .ok_or_else(|| format!("a length of {n} at byte {}", self.at))
    }

    fn text(&mut self) -> Result<String, String> {
        let n = self.length()?;
        String::from_utf8(self.take(n)?.to_vec()).map_err(|_| format!("not UTF-8 before byte {}", self.at))
    }

    fn list(&mut self, depth: usize) -> Result<Value, String> {
        let kind = if self.peek() == Some(b'$') {
            self.byte()?;
            Some(self.byte()?)
        } else {
            None
        };
        if self.peek() == Some(b'#') {
            self.byte()?;
            let n = self.length()?;
            return self.counted(kind, n, depth);
        }
        if kind.is_some() {
            return Err(format!("a typed list without a length at byte {}", self.at));
        }
        let mut items = Vec::new();
        while self.peek() != Some(b']') {
            items.push(self.value(depth + 1)?);
        }
        self.byte()?;
        Ok(Value::List(items))
    }

    fn counted(&mut self, kind: Option<u8>, n: usize, depth: usize) -> Result<Value, String> {
        match kind {
            None => Ok(Value::List((0..n).map(|_| self.value(depth + 1)).collect::<Result<_, _>>()?)),
            Some(b'd') => {
                let bytes = self.take(n.checked_mul(4).ok_or("a length that overflows")?)?;
                let float = |b: &[u8]| f32::from_be_bytes([b[0], b[1], b[2], b[3]]);
                Ok(Value::Floats(bytes.chunks_exact(4).map(float).collect()))
            }
            Some(tag @ (b'i' | b'U' | b'I' | b'l' | b'L')) => {
                Ok(Value::Ints((0..n).map(|_| self.int(tag)).collect::<Result<_, _>>()?))
            }
            Some(tag) => Err(format!("a list of type {tag:#04x} at byte {}", self.at)),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, String> {
        let mut members = Vec::new();
        while self.peek() != Some(b'}') {
            let name = self.text()?;
            members.push((name, self.value(depth + 1)?));
        }
        self.byte()?;
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_shape() {
        let bytes = b"{i\x01a[$d#i\x02\x3f\x80\x00\x00\xc0\x00\x00\x00i\x01b[i\x05I\x01\x00]i\x01c[$U#i\x02\x01\xffi\x01dSi\x02hi}";
        let v = read(bytes).unwrap();
        assert_eq!(v.floats(&["a"]).unwrap(), [1.0, -2.0]);
        assert_eq!(v.ints(&["b"]).unwrap(), [5, 256]);
        assert_eq!(v.ints(&["c"]).unwrap(), [1, 255]);
        assert_eq!(v.text(&["d"]).unwrap(), "hi");
        assert!(v.text(&["a"]).is_err() && v.at(&["d", "e"]).is_err() && v.list(&["x"]).is_err());
    }

    #[test]
    fn bounded() {
        assert!(read(&[b'['; 10_000]).unwrap_err().contains("nested deeper"));
        assert!(read(b"[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff").unwrap_err().contains("length"));
        assert!(read(b"[$Z#i\x7f").is_err());
        assert!(read(b"i\x01i").unwrap_err().contains("1 bytes behind"));
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(prop::sample::select(b"{}[]$#iUIlLdDSZTFCa\x00\x01\x02\xff".to_vec()), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
