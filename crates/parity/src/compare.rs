//! When a result counts as PyTorch's: the tolerances, the one table of exceptions from them, and
//! the comparison itself.

use crate::value::{Element, Recorded, Value};

/// How far apart two numbers may lie: `|ours - theirs| <= absolute + relative * |theirs|`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Part that grows with PyTorch's number.
    pub relative: f64,
    /// Part that does not.
    pub absolute: f64,
}

impl Tolerance {
    /// For the results of a function in this element type. Integers and bools are exact.
    pub fn forward(element: Element) -> Self {
        let (relative, absolute) = match element {
            Element::F16 | Element::Complex32 => (1e-3, 1e-5),
            Element::BF16 => (1.6e-2, 1e-5),
            Element::F32 | Element::Complex64 => (1.3e-5, 1e-5),
            Element::F64 | Element::Complex128 => (1e-7, 1e-7),
            _ => (0.0, 0.0),
        };
        Self { relative, absolute }
    }

    /// For what the generator draws: the numbers are the same, only their last bits may differ.
    pub fn random(element: Element) -> Self {
        match element {
            Element::F32 | Element::Complex64 => Self { relative: 1e-6, absolute: 1e-6 },
            other => Self::forward(other),
        }
    }

    /// For learning rates, which are made of few operations on doubles and may be small.
    pub fn rate() -> Self {
        Self { relative: 1e-9, absolute: 1e-15 }
    }

    /// Both parts times `factor`.
    pub fn times(self, factor: f64) -> Self {
        Self { relative: self.relative * factor, absolute: self.absolute * factor }
    }
}

/// Which numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Results of a call.
    Forward,
    /// Gradients: ten times the tolerance.
    Gradient,
    /// Numbers drawn by the generator.
    Random,
    /// Learning rates and momenta.
    Rate,
}

/// Subjects that need more room: name, factor for results, factor for gradients, reason.
pub const EXCEPTIONS: &[(&str, f64, f64, &str)] = &[
    (
        "logcumsumexp",
        1.0,
        30.0,
        "exponentials of differences of numbers near 10000, of which f32 keeps three decimals: the recorded \
         gradients are 2.2e-3 off those in f64, ours 2.1e-4",
    ),
    ("matrix_exp", 40.0, 4.0, NORMS_OF_MATRICES),
    ("polygamma.polygamma_n_0", 2.0, 2.0, NEAR_A_POLE),
    ("polygamma.polygamma_n_1", 2.0, 2.0, NEAR_A_POLE),
    ("polygamma.polygamma_n_2", 2.0, 2.0, NEAR_A_POLE),
    ("polygamma.polygamma_n_3", 2.0, 2.0, NEAR_A_POLE),
    ("polygamma.polygamma_n_4", 2.0, 2.0, NEAR_A_POLE),
    ("special.polygamma.special_polygamma_n_0", 2.0, 2.0, NEAR_A_POLE),
];

const NEAR_A_POLE: &str = "the sine of πx beside a pole of the trigamma function, rounded to f32: the recorded number is 2.0e-5 off, ours is right";

const NORMS_OF_MATRICES: &str = "small elements beside large ones: PyTorch's error in f32 goes with the norm of the matrix, ours are right to the last digit";

/// The tolerance for one subject.
pub fn tolerance(subject: &str, what: What, element: Element) -> Tolerance {
    let exception = EXCEPTIONS.iter().find(|e| e.0 == subject);
    let (forward, gradient) = exception.map_or((1.0, 1.0), |e| (e.1, e.2));
    match what {
        What::Forward => Tolerance::forward(element).times(forward),
        What::Gradient => Tolerance::forward(element).times(10.0 * gradient),
        What::Random => Tolerance::random(element).times(forward),
        What::Rate => Tolerance::rate().times(forward),
    }
}

/// A tensor's numbers in row-major order, as wide as the comparison needs.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Numbers {
    Integers(Vec<i64>),
    Reals(Vec<f64>),
    Complexes(Vec<[f64; 2]>),
}

/// A tensor taken apart for comparison.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Plain {
    pub element: Element,
    pub shape: Vec<usize>,
    pub numbers: Numbers,
}

impl From<&Recorded> for Plain {
    fn from(t: &Recorded) -> Self {
        Self { element: t.element, shape: t.shape.clone(), numbers: Numbers::from_bytes(t.element, &t.bytes) }
    }
}

fn words<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks.iter().map(|&c| read(c)).collect()
}

fn pairs(reals: Vec<f64>) -> Numbers {
    Numbers::Complexes(reals.as_chunks::<2>().0.to_vec())
}

impl Numbers {
    /// Reads little-endian elements.
    pub fn from_bytes(element: Element, bytes: &[u8]) -> Self {
        let half = |b: &[u8]| words(b, |w| half::f16::from_le_bytes(w).to_f64());
        let single = |b: &[u8]| words(b, |w| f64::from(f32::from_le_bytes(w)));
        let double = |b: &[u8]| words(b, f64::from_le_bytes);
        match element {
            Element::Bool | Element::U8 => Self::Integers(bytes.iter().map(|&b| i64::from(b)).collect()),
            Element::I8 => Self::Integers(words(bytes, |w| i64::from(i8::from_le_bytes(w)))),
            Element::U16 => Self::Integers(words(bytes, |w| i64::from(u16::from_le_bytes(w)))),
            Element::I16 => Self::Integers(words(bytes, |w| i64::from(i16::from_le_bytes(w)))),
            Element::I32 => Self::Integers(words(bytes, |w| i64::from(i32::from_le_bytes(w)))),
            Element::I64 => Self::Integers(words(bytes, i64::from_le_bytes)),
            Element::F16 => Self::Reals(half(bytes)),
            Element::BF16 => Self::Reals(words(bytes, |w| half::bf16::from_le_bytes(w).to_f64())),
            Element::F32 => Self::Reals(single(bytes)),
            Element::F64 => Self::Reals(double(bytes)),
            Element::Complex32 => pairs(half(bytes)),
            Element::Complex64 => pairs(single(bytes)),
            Element::Complex128 => pairs(double(bytes)),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Integers(v) => v.len(),
            Self::Reals(v) => v.len(),
            Self::Complexes(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Numbers `i` and `j` change places.
    pub fn swap(&mut self, i: usize, j: usize) {
        match self {
            Self::Integers(v) => v.swap(i, j),
            Self::Reals(v) => v.swap(i, j),
            Self::Complexes(v) => v.swap(i, j),
        }
    }

    /// Whether every number is zero.
    pub fn all_zero(&self) -> bool {
        match self {
            Self::Integers(v) => v.iter().all(|&x| x == 0),
            Self::Reals(v) => v.iter().all(|&x| x == 0.0),
            Self::Complexes(v) => v.iter().all(|&[re, im]| re == 0.0 && im == 0.0),
        }
    }
}

/// Compares two values in structure and in number. `tolerance` tells how far numbers of an element
/// type may lie apart.
///
/// # Errors
///
/// A sentence that names the place and the first number that differs.
pub fn same(
    ours: &Value<Plain>,
    theirs: &Value<Recorded>,
    tolerance: &dyn Fn(Element) -> Tolerance,
) -> Result<(), String> {
    compare_at("output", ours, theirs, tolerance)
}

fn compare_at(
    place: &str,
    ours: &Value<Plain>,
    theirs: &Value<Recorded>,
    tolerance: &dyn Fn(Element) -> Tolerance,
) -> Result<(), String> {
    let number = |ours: f64, theirs: f64| {
        if near(ours, theirs, tolerance(Element::F32)) {
            Ok(())
        } else {
            Err(format!("{place}: ours is {ours}, PyTorch's {theirs}"))
        }
    };
    let exact = |equal: bool| {
        if equal { Ok(()) } else { Err(format!("{place}: ours is {ours:?}, PyTorch's {theirs:?}")) }
    };
    if let (Some(a), Some(b)) = (ours.items(), theirs.items()) {
        if a.len() != b.len() {
            return Err(format!("{place}: ours has {} parts, PyTorch's {}", a.len(), b.len()));
        }
        let mut pairs = a.iter().zip(b).enumerate();
        return pairs.try_for_each(|(i, (a, b))| compare_at(&format!("{place}[{i}]"), a, b, tolerance));
    }
    match (ours, theirs) {
        (Value::Dict(a), Value::Dict(b)) if a.iter().map(|a| &a.0).eq(b.iter().map(|b| &b.0)) => {
            let mut pairs = a.iter().zip(b);
            pairs.try_for_each(|((name, a), (_, b))| compare_at(&format!("{place}.{name}"), a, b, tolerance))
        }
        (Value::Tensor(a), Value::Tensor(b)) => {
            same_tensor(a, &Plain::from(b), tolerance(b.element)).map_err(|e| format!("{place}: {e}"))
        }
        (Value::Bool(a), Value::Bool(b)) => exact(a == b),
        (Value::Int(a), Value::Int(b)) => exact(a == b),
        (Value::Float(a), Value::Float(b)) => number(*a, *b),
        (Value::Complex(ar, ai), Value::Complex(br, bi)) => {
            number(*ar, *br)?;
            number(*ai, *bi)
        }
        (Value::Str(a), Value::Str(b)) | (Value::Dtype(a), Value::Dtype(b)) => exact(a == b),
        (Value::None, Value::None) => Ok(()),
        _ => Err(format!("{place}: ours is {}, PyTorch's {}", ours.kind(), theirs.kind())),
    }
}

/// Compares two tensors: element type and shape exactly, numbers within `tolerance`.
///
/// # Errors
///
/// A sentence about the first difference.
pub fn same_tensor(ours: &Plain, theirs: &Plain, tolerance: Tolerance) -> Result<(), String> {
    if ours.shape != theirs.shape {
        return Err(format!("our shape is {:?}, PyTorch's {:?}", ours.shape, theirs.shape));
    }
    if ours.element != theirs.element {
        let (a, b) = (ours.element.name(), theirs.element.name());
        return Err(format!("our dtype is {a}, PyTorch's {b}"));
    }
    let shape = &theirs.shape;
    match (&ours.numbers, &theirs.numbers) {
        (Numbers::Integers(a), Numbers::Integers(b)) => report(shape, a, b, |a, b| a == b),
        (Numbers::Reals(a), Numbers::Reals(b)) => report(shape, a, b, |&a, &b| near(a, b, tolerance)),
        (Numbers::Complexes(a), Numbers::Complexes(b)) => report(shape, a, b, |&a, &b| near_complex(a, b, tolerance)),
        _ => Err("numbers of different kinds".into()),
    }
}

fn report<T: std::fmt::Debug>(
    shape: &[usize],
    ours: &[T],
    theirs: &[T],
    equal: impl Fn(&T, &T) -> bool,
) -> Result<(), String> {
    if ours.len() != theirs.len() {
        return Err(format!("we have {} numbers, PyTorch {}", ours.len(), theirs.len()));
    }
    let differ = |&i: &usize| !equal(&ours[i], &theirs[i]);
    let Some(first) = (0..ours.len()).find(differ) else {
        return Ok(());
    };
    let count = (first..ours.len()).filter(differ).count();
    let mut index = vec![0; shape.len()];
    let mut rest = first;
    for (i, &n) in index.iter_mut().zip(shape).rev() {
        *i = rest % n;
        rest /= n;
    }
    Err(format!(
        "{count} of {} differ, first at {index:?}: ours is {:?}, PyTorch's {:?}",
        ours.len(),
        ours[first],
        theirs[first]
    ))
}

fn near(ours: f64, theirs: f64, tolerance: Tolerance) -> bool {
    // Equality covers the infinities, for which the difference is NaN.
    ours == theirs
        || (ours.is_nan() && theirs.is_nan())
        || (theirs.is_finite() && (ours - theirs).abs() <= tolerance.absolute + tolerance.relative * theirs.abs())
}

fn near_complex(ours: [f64; 2], theirs: [f64; 2], tolerance: Tolerance) -> bool {
    let nan = |z: [f64; 2]| z[0].is_nan() || z[1].is_nan();
    let off = (ours[0] - theirs[0]).hypot(ours[1] - theirs[1]);
    let size = theirs[0].hypot(theirs[1]);
    ours == theirs
        || (nan(ours) && nan(theirs))
        || (size.is_finite() && off <= tolerance.absolute + tolerance.relative * size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reals(shape: &[usize], numbers: &[f64]) -> Plain {
        let numbers = Numbers::Reals(numbers.to_vec());
        Plain { element: Element::F32, shape: shape.to_vec(), numbers }
    }

    const T: Tolerance = Tolerance { relative: 1e-2, absolute: 1e-3 };

    #[test]
    fn the_first_difference_is_named() {
        let message = same_tensor(&reals(&[2, 2], &[1.0, 2.0, 3.5, 4.5]), &reals(&[2, 2], &[1.0, 2.0, 3.0, 4.0]), T)
            .expect_err("they differ");
        assert_eq!(message, "2 of 4 differ, first at [1, 0]: ours is 3.5, PyTorch's 3.0");
    }

    #[test]
    fn nan_and_infinities() {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        let pair = |a: f64, b: f64| same_tensor(&reals(&[], &[a]), &reals(&[], &[b]), T).is_ok();
        assert!(pair(nan, nan) && pair(inf, inf) && pair(-inf, -inf));
        assert!(!pair(nan, 1.0) && !pair(1.0, nan) && !pair(inf, -inf));
        assert!(!pair(1e30, inf) && !pair(inf, 1e30));
    }

    #[test]
    fn tolerance_grows_with_the_expected_number() {
        let pair = |a: f64, b: f64| same_tensor(&reals(&[], &[a]), &reals(&[], &[b]), T).is_ok();
        assert!(pair(100.9, 100.0) && !pair(101.1, 100.0));
        assert!(pair(0.0009, 0.0) && !pair(0.0011, 0.0));
    }

    #[test]
    fn shape_and_dtype_are_exact() {
        assert!(same_tensor(&reals(&[1], &[1.0]), &reals(&[], &[1.0]), T).is_err());
        let double = Plain { element: Element::F64, ..reals(&[], &[1.0]) };
        assert!(same_tensor(&double, &reals(&[], &[1.0]), T).is_err());
    }

    #[test]
    fn bytes_of_every_width_are_read() {
        let read = |element, bytes: &[u8]| Numbers::from_bytes(element, bytes);
        assert_eq!(read(Element::I16, &[0xfe, 0xff, 3, 0]), Numbers::Integers(vec![-2, 3]));
        assert_eq!(read(Element::F16, &[0x00, 0x3e]), Numbers::Reals(vec![1.5]));
        assert_eq!(read(Element::BF16, &[0xc0, 0x3f]), Numbers::Reals(vec![1.5]));
        let bytes: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(read(Element::F32, &bytes), Numbers::Reals(vec![1.5, -2.0]));
        assert_eq!(read(Element::Complex64, &bytes), Numbers::Complexes(vec![[1.5, -2.0]]));
        assert_eq!(read(Element::U8, &[255]), Numbers::Integers(vec![255]));
    }
}
