//! The value form of the recordings: everything that can stand as an argument or a result of a
//! PyTorch call, read from JSON. `Value` is generic over what a tensor is, because a recording
//! holds bytes and strides ([`Recorded`]) while a call holds live tensors.

use std::{fmt, sync::Arc};

use safetensors::SafeTensors;
use serde_json::{Map, Value as Json};

/// An element type as the recordings name it. `Complex32` is recorded (`chalf`) but is no dtype
/// of flambeau, which is why this is not `flambeau_tensor::DType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Element {
    Bool,
    U8,
    I8,
    I16,
    I32,
    I64,
    U16,
    F16,
    BF16,
    F32,
    F64,
    Complex32,
    Complex64,
    Complex128,
}

impl Element {
    const NAMES: [(&'static str, Element, usize); 14] = [
        ("bool", Element::Bool, 1),
        ("uint8", Element::U8, 1),
        ("int8", Element::I8, 1),
        ("int16", Element::I16, 2),
        ("int32", Element::I32, 4),
        ("int64", Element::I64, 8),
        ("uint16", Element::U16, 2),
        ("float16", Element::F16, 2),
        ("bfloat16", Element::BF16, 2),
        ("float32", Element::F32, 4),
        ("float64", Element::F64, 8),
        ("complex32", Element::Complex32, 4),
        ("complex64", Element::Complex64, 8),
        ("complex128", Element::Complex128, 16),
    ];

    /// The element type that PyTorch calls `name` (`float32`, `int64`, …).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|n| n.0 == name).map(|n| n.1)
    }

    /// PyTorch's name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|n| n.1 == self).map_or("?", |n| n.0)
    }

    /// Bytes in one element.
    pub fn size(self) -> usize {
        Self::NAMES.iter().find(|n| n.1 == self).map_or(1, |n| n.2)
    }

    /// Whether this is a real floating-point type.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::BF16 | Self::F32 | Self::F64)
    }
}

/// A tensor as recorded: its elements in row-major order, and how they were laid out.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Element type.
    pub element: Element,
    /// Sizes.
    pub shape: Vec<usize>,
    /// Strides in elements, where the original was not contiguous.
    pub stride: Option<Vec<usize>>,
    /// Whether the original required a gradient.
    pub requires_grad: bool,
    /// The elements, contiguous, little endian.
    pub bytes: Arc<[u8]>,
    /// What the tensor says it is, where it is one of `torchvision.tv_tensors`.
    pub tv: Option<Box<Tv>>,
}

/// What a tensor of `torchvision.tv_tensors` says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tv {
    /// `Image`, `Video`, `Mask`, `BoundingBoxes` or `KeyPoints`.
    pub kind: String,
    /// The format of boxes.
    pub format: Option<String>,
    /// Height and width of the image that boxes and points belong to.
    pub canvas_size: Option<(usize, usize)>,
    /// How boxes are cut.
    pub clamping_mode: Option<String>,
}

impl Recorded {
    /// Number of elements.
    pub fn numel(&self) -> usize {
        self.shape.iter().product()
    }

    /// The buffer that a view with the recorded strides looks into, or `None` where the tensor was
    /// contiguous. Places that no element maps to hold values that spoil any result that reads
    /// them (NaN, huge integers), so that ignoring a stride cannot pass by luck.
    pub fn strided_buffer(&self) -> Option<Vec<u8>> {
        let strides = self.stride.as_ref()?;
        let size = self.element.size();
        if self.numel() == 0 {
            return Some(Vec::new());
        }
        let last: usize = self.shape.iter().zip(strides).map(|(n, s)| (n - 1) * s).sum();
        let filler = match self.element {
            Element::Bool => 1,
            e if e.is_float() || e == Element::Complex64 || e == Element::Complex128 => 0xff,
            _ => 0x7d,
        };
        let mut buffer = vec![filler; (last + 1) * size];
        let mut index = vec![0usize; self.shape.len()];
        for element in self.bytes.chunks_exact(size) {
            let at: usize = index.iter().zip(strides).map(|(i, s)| i * s).sum();
            buffer[at * size..(at + 1) * size].copy_from_slice(element);
            for d in (0..index.len()).rev() {
                index[d] += 1;
                if index[d] < self.shape[d] {
                    break;
                }
                index[d] = 0;
            }
        }
        Some(buffer)
    }
}

/// One value of a recording.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Value<T> {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Complex(f64, f64),
    Str(String),
    Dtype(String),
    MemoryFormat(String),
    Layout(String),
    Device(String),
    Slice(Box<[Value<T>; 3]>),
    Ellipsis,
    /// A tuple.
    Seq(Vec<Value<T>>),
    /// A list. Only indexing (`x[[1, 2]]` is not `x[1, 2]`) tells it from a tuple.
    List(Vec<Value<T>>),
    Dict(Vec<(String, Value<T>)>),
    Tensor(T),
}

/// What is wrong with a recording, in words.
#[derive(Debug)]
pub struct Malformed(pub String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

fn malformed<T>(what: &str, json: &Json) -> Result<T, Malformed> {
    let mut text = json.to_string();
    if let Some((end, _)) = text.char_indices().nth(80) {
        text.truncate(end);
    }
    Err(Malformed(format!("{what}: {text}")))
}

impl<T> Value<T> {
    /// A word for this kind of value, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::None => "None",
            Value::Bool(_) => "a bool",
            Value::Int(_) => "an int",
            Value::Float(_) => "a float",
            Value::Complex(..) => "a complex",
            Value::Str(_) => "a str",
            Value::Dtype(_) => "a dtype",
            Value::MemoryFormat(_) => "a memory format",
            Value::Layout(_) => "a layout",
            Value::Device(_) => "a device",
            Value::Slice(_) => "a slice",
            Value::Ellipsis => "an ellipsis",
            Value::Seq(_) | Value::List(_) => "a sequence",
            Value::Dict(_) => "a dict",
            Value::Tensor(_) => "a tensor",
        }
    }

    /// What is in a tuple or list.
    pub fn items(&self) -> Option<&[Value<T>]> {
        match self {
            Value::Seq(items) | Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The tensors in it, in order.
    pub fn tensors(&self) -> Vec<&T> {
        let mut found = Vec::new();
        self.visit(&mut |t| found.push(t));
        found
    }

    fn visit<'a>(&'a self, see: &mut impl FnMut(&'a T)) {
        match self {
            Value::Tensor(t) => see(t),
            Value::Seq(items) | Value::List(items) => items.iter().for_each(|i| i.visit(see)),
            Value::Dict(items) => items.iter().for_each(|(_, i)| i.visit(see)),
            _ => {}
        }
    }

    /// The same value with every tensor replaced.
    pub fn map<U, E>(&self, make: &mut impl FnMut(&T) -> Result<U, E>) -> Result<Value<U>, E> {
        Ok(match self {
            Value::None => Value::None,
            Value::Bool(v) => Value::Bool(*v),
            Value::Int(v) => Value::Int(*v),
            Value::Float(v) => Value::Float(*v),
            Value::Complex(re, im) => Value::Complex(*re, *im),
            Value::Str(v) => Value::Str(v.clone()),
            Value::Dtype(v) => Value::Dtype(v.clone()),
            Value::MemoryFormat(v) => Value::MemoryFormat(v.clone()),
            Value::Layout(v) => Value::Layout(v.clone()),
            Value::Device(v) => Value::Device(v.clone()),
            Value::Slice(v) => Value::Slice(Box::new([v[0].map(make)?, v[1].map(make)?, v[2].map(make)?])),
            Value::Ellipsis => Value::Ellipsis,
            Value::Seq(v) => Value::Seq(v.iter().map(|i| i.map(make)).collect::<Result<_, _>>()?),
            Value::List(v) => Value::List(v.iter().map(|i| i.map(make)).collect::<Result<_, _>>()?),
            Value::Dict(v) => {
                Value::Dict(v.iter().map(|(k, i)| Ok((k.clone(), i.map(make)?))).collect::<Result<_, E>>()?)
            }
            Value::Tensor(t) => Value::Tensor(make(t)?),
        })
    }
}

impl Value<Recorded> {
    /// Reads a value; `data` holds the tensors that it names.
    pub fn parse(json: &Json, data: &SafeTensors<'_>) -> Result<Self, Malformed> {
        Ok(match json {
            Json::Null => Value::None,
            Json::Bool(v) => Value::Bool(*v),
            Json::Number(v) => match v.as_i64() {
                Some(v) => Value::Int(v),
                None => return malformed("an integer beyond 64 bits", json),
            },
            Json::String(v) => Value::Str(v.clone()),
            Json::Array(v) => Value::Seq(parse_all(v, data)?),
            Json::Object(fields) if fields.contains_key("t") => Value::Tensor(parse_tensor(json, fields, data)?),
            Json::Object(fields) => match fields.iter().next() {
                Some((tag, body)) if fields.len() == 1 => parse_tagged(json, tag, body, data)?,
                _ => return malformed("not a value", json),
            },
        })
    }
}

fn parse_all(items: &[Json], data: &SafeTensors<'_>) -> Result<Vec<Value<Recorded>>, Malformed> {
    items.iter().map(|i| Value::parse(i, data)).collect()
}

fn parse_tagged(json: &Json, tag: &str, body: &Json, data: &SafeTensors<'_>) -> Result<Value<Recorded>, Malformed> {
    Ok(match (tag, body) {
        ("f", Json::String(v)) => Value::Float(parse_float(v, json)?),
        ("c", Json::Array(v)) => match v.as_slice() {
            [Json::String(re), Json::String(im)] => Value::Complex(parse_float(re, json)?, parse_float(im, json)?),
            _ => return malformed("not a complex number", json),
        },
        ("dtype", Json::String(v)) => Value::Dtype(v.clone()),
        ("memory_format", Json::String(v)) => Value::MemoryFormat(v.clone()),
        ("layout", Json::String(v)) => Value::Layout(v.clone()),
        ("device", Json::String(v)) => Value::Device(v.clone()),
        // A function of torch, by its name.
        ("fn", Json::String(v)) => Value::Str(v.clone()),
        ("ellipsis", _) => Value::Ellipsis,
        ("slice", Json::Array(v)) => match <[_; 3]>::try_from(parse_all(v, data)?) {
            Ok(parts) => Value::Slice(Box::new(parts)),
            Err(_) => return malformed("not a slice", json),
        },
        ("tuple", Json::Array(v)) => Value::Seq(parse_all(v, data)?),
        ("list", Json::Array(v)) => Value::List(parse_all(v, data)?),
        ("dict", Json::Object(v)) => Value::Dict(
            v.iter().map(|(k, i)| Ok((k.clone(), Value::parse(i, data)?))).collect::<Result<_, Malformed>>()?,
        ),
        _ => return malformed("not a value", json),
    })
}

/// Python's `repr` of a float: Rust reads all of them, `nan` and `inf` included.
fn parse_float(text: &str, json: &Json) -> Result<f64, Malformed> {
    text.parse().or_else(|_| malformed("not a float", json))
}

fn parse_sizes(json: &Json, whole: &Json) -> Result<Vec<usize>, Malformed> {
    let size = |v: &Json| v.as_u64().and_then(|n| usize::try_from(n).ok());
    match json.as_array().and_then(|items| items.iter().map(size).collect()) {
        Some(sizes) => Ok(sizes),
        None => malformed("not a list of sizes", whole),
    }
}

fn parse_tensor(json: &Json, fields: &Map<String, Json>, data: &SafeTensors<'_>) -> Result<Recorded, Malformed> {
    let text = |key: &str| fields.get(key).and_then(Json::as_str).unwrap_or_default();
    let Some(element) = Element::from_name(text("dtype")) else {
        return malformed("unknown dtype", json);
    };
    let shape = parse_sizes(fields.get("shape").unwrap_or(&Json::Null), json)?;
    let stride = fields.get("stride").map(|s| parse_sizes(s, json)).transpose()?;
    if stride.as_ref().is_some_and(|s| s.len() != shape.len()) {
        return malformed("strides and shape differ in rank", json);
    }
    let Ok(view) = data.tensor(text("t")) else {
        return malformed("no such tensor in the safetensors file", json);
    };
    let numel = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    if numel.and_then(|n| n.checked_mul(element.size())) != Some(view.data().len()) {
        return malformed("the safetensors file holds another number of bytes", json);
    }
    Ok(Recorded {
        element,
        shape,
        stride,
        requires_grad: fields.get("rg").and_then(Json::as_bool).unwrap_or(false),
        bytes: view.data().into(),
        tv: parse_tv(json, fields)?,
    })
}

fn parse_tv(json: &Json, fields: &Map<String, Json>) -> Result<Option<Box<Tv>>, Malformed> {
    let text = |key: &str| fields.get(key).and_then(Json::as_str).map(str::to_owned);
    let Some(kind) = text("tv") else { return Ok(None) };
    let canvas_size = match fields.get("canvas_size") {
        None | Some(Json::Null) => None,
        Some(sizes) => match parse_sizes(sizes, json)?[..] {
            [height, width] => Some((height, width)),
            _ => return malformed("a canvas has two sizes", json),
        },
    };
    Ok(Some(Box::new(Tv { kind, format: text("format"), canvas_size, clamping_mode: text("clamping_mode") })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn f32s(values: &[f32]) -> Arc<[u8]> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    fn recorded(shape: &[usize], stride: Option<&[usize]>, values: &[f32]) -> Recorded {
        Recorded {
            element: Element::F32,
            shape: shape.to_vec(),
            stride: stride.map(<[usize]>::to_vec),
            requires_grad: false,
            bytes: f32s(values),
            tv: None,
        }
    }

    fn floats(bytes: &[u8]) -> Vec<f32> {
        bytes.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect()
    }

    #[test]
    fn a_transposed_tensor_is_laid_out_by_columns() {
        let t = recorded(&[2, 3], Some(&[1, 2]), &[1., 2., 3., 4., 5., 6.]);
        let buffer = t.strided_buffer().expect("it has strides");
        assert_eq!(floats(&buffer), [1., 4., 2., 5., 3., 6.]);
    }

    #[test]
    fn gaps_between_elements_spoil_results() {
        let t = recorded(&[3], Some(&[2]), &[1., 2., 3.]);
        let buffer = floats(&t.strided_buffer().expect("it has strides"));
        assert_eq!(buffer.len(), 5);
        assert!(buffer[1].is_nan() && buffer[3].is_nan());
        assert_eq!([buffer[0], buffer[2], buffer[4]], [1., 2., 3.]);
    }

    #[test]
    fn an_expanded_tensor_needs_one_element() {
        let t = recorded(&[2, 2], Some(&[0, 0]), &[7., 7., 7., 7.]);
        assert_eq!(floats(&t.strided_buffer().expect("it has strides")), [7.]);
    }

    fn parse(text: &str) -> Result<Value<Recorded>, Malformed> {
        let json: Json = serde_json::from_str(text).expect("the test's own JSON");
        let empty = *b"\x02\0\0\0\0\0\0\0{}";
        let data = SafeTensors::deserialize(&empty).expect("an empty file");
        Value::parse(&json, &data)
    }

    #[test]
    fn scalars_and_containers_parse() {
        let value =
            parse(r#"{"tuple":[null,true,-3,{"f":"-inf"},{"c":["1.5","nan"]},{"slice":[0,null,2]},{"ellipsis":1}]}"#)
                .expect("well formed");
        let Value::Seq(items) = value else { panic!("a tuple is a sequence") };
        assert!(matches!(items[0], Value::None));
        assert!(matches!(items[1], Value::Bool(true)));
        assert!(matches!(items[2], Value::Int(-3)));
        assert!(matches!(items[3], Value::Float(v) if v == f64::NEG_INFINITY));
        assert!(matches!(items[4], Value::Complex(re, im) if re == 1.5 && im.is_nan()));
        assert!(matches!(&items[5], Value::Slice(s) if matches!(s[1], Value::None)));
        assert!(matches!(items[6], Value::Ellipsis));
    }

    #[test]
    fn keyword_order_is_kept() {
        let Value::Dict(items) = parse(r#"{"dict":{"z":1,"a":2}}"#).expect("well formed") else { panic!("a dict") };
        assert_eq!([&items[0].0, &items[1].0], ["z", "a"]);
    }

    #[test]
    fn what_is_not_a_value_is_refused() {
        for bad in [
            r#"{"f":"one"}"#,
            r#"{"what":1}"#,
            r#"1.5"#,
            r#"{"t":"t0","dtype":"float32","shape":[1]}"#,
            r#"{"t":"t0","dtype":"float7","shape":[1]}"#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
