//! Attributes of ops: what an op is given beside its inputs, by name and as values, for whoever writes a program down,
//! exports it, compares or hashes it.
//!
//! [`attributes_of_ops!`] lists the fields of each op's struct once. A field that is not listed, and an op that is not,
//! do not compile.

use crate::custom::Custom;
use crate::layout::Layout;
use crate::ops::*;
use crate::random::Generator;
use crate::shape::Spatial;
use crate::{DType, Device, Scalar};
use smallvec::{Array, SmallVec};
use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The value of an attribute. Two are equal where they are the same value: a NaN equals itself, a zero not the negative
/// one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Attribute {
    /// What was not given.
    None,
    /// A truth value or a number.
    Number(Scalar),
    /// A dtype.
    DType(DType),
    /// A device.
    Device(Device),
    /// A name: one of several ways to do it.
    Name(Cow<'static, str>),
    /// Several values.
    List(Vec<Attribute>),
    /// Attributes in an attribute.
    Fields(Attributes),
    /// The generator that random numbers come from. Two are equal where they are handles on one state.
    Generator(Generator),
}

/// An op's attributes with their names, in the order of its fields.
pub type Attributes = Vec<(&'static str, Attribute)>;

impl Attribute {
    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Attribute::Number(Scalar::Bool(yes)) => Some(*yes),
            _ => None,
        }
    }

    /// The integer, if it is one.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Attribute::Number(Scalar::Int(n)) => Some(*n),
            _ => None,
        }
    }

    /// The real number, if it is a number and not complex.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Attribute::Number(Scalar::Bool(_) | Scalar::Complex(_)) => None,
            Attribute::Number(number) => Some(number.to_f64()),
            _ => None,
        }
    }

    /// The integers, if it is a list of nothing else.
    pub fn as_ints(&self) -> Option<Vec<i64>> {
        match self {
            Attribute::List(all) => all.iter().map(Attribute::as_i64).collect(),
            _ => None,
        }
    }
}

/// The numbers of a scalar, bit by bit, behind which kind it is.
fn bits(x: Scalar) -> (u8, u64, u64) {
    match x {
        Scalar::Bool(yes) => (0, u64::from(yes), 0),
        Scalar::Int(n) => (1, n as u64, 0),
        Scalar::UInt(n) => (2, n, 0),
        Scalar::Float(x) => (3, x.to_bits(), 0),
        Scalar::Complex(z) => (4, z.re.to_bits(), z.im.to_bits()),
    }
}

impl PartialEq for Attribute {
    fn eq(&self, other: &Attribute) -> bool {
        use Attribute as A;
        match (self, other) {
            (A::None, A::None) => true,
            (A::Number(a), A::Number(b)) => bits(*a) == bits(*b),
            (A::DType(a), A::DType(b)) => a == b,
            (A::Device(a), A::Device(b)) => a == b,
            (A::Name(a), A::Name(b)) => a == b,
            (A::List(a), A::List(b)) => a == b,
            (A::Fields(a), A::Fields(b)) => a == b,
            (A::Generator(a), A::Generator(b)) => a.same_as(b),
            _ => false,
        }
    }
}

impl std::cmp::Eq for Attribute {}

impl Hash for Attribute {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Attribute::None => {}
            Attribute::Number(x) => bits(*x).hash(state),
            Attribute::DType(dtype) => dtype.hash(state),
            Attribute::Device(device) => device.hash(state),
            Attribute::Name(name) => name.hash(state),
            Attribute::List(all) => all.hash(state),
            Attribute::Fields(all) => all.hash(state),
            // Its state may change, and its place is not the value's.
            Attribute::Generator(generator) => generator.device().hash(state),
        }
    }
}

/// As in Python: `None`, `2.0`, `float32`, `[1, 2]`; fields as `{name: value}`.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T>(
            f: &mut fmt::Formatter<'_>,
            all: &[T],
            one: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
        ) -> fmt::Result {
            all.iter().enumerate().try_for_each(|(i, x)| {
                if i > 0 {
                    f.write_str(", ")?;
                }
                one(f, x)
            })
        }
        match self {
            Attribute::None => f.write_str("None"),
            Attribute::Number(Scalar::Float(x)) => write!(f, "{x:?}"),
            Attribute::Number(x) => write!(f, "{x}"),
            Attribute::DType(dtype) => write!(f, "{dtype}"),
            Attribute::Device(device) => write!(f, "{device}"),
            Attribute::Name(name) => f.write_str(name),
            Attribute::List(all) => {
                f.write_str("[")?;
                list(f, all, |f, x| write!(f, "{x}"))?;
                f.write_str("]")
            }
            Attribute::Fields(all) => {
                f.write_str("{")?;
                list(f, all, |f, (name, x)| write!(f, "{name}: {x}"))?;
                f.write_str("}")
            }
            Attribute::Generator(generator) => write!(f, "Generator({})", generator.device()),
        }
    }
}

/// What can be the value of an attribute.
pub trait ToAttribute {
    /// As such.
    fn to_attribute(&self) -> Attribute;
}

/// What has attributes: every op.
pub trait HasAttributes {
    /// All of them.
    fn attributes(&self) -> Attributes;
}

/// The fields of a struct as [`Attributes`], for a [`CustomOp`](crate::custom::CustomOp). One that is left out does not
/// compile.
///
/// ```
/// use flambeau_tensor::op::{Attribute, Attributes, ToAttribute};
///
/// struct Swish {
///     beta: f64,
/// }
/// let attributes = flambeau_tensor::attributes!(Swish { beta } = Swish { beta: 1.5 });
/// assert_eq!(attributes, [("beta", 1.5.to_attribute())]);
/// ```
#[macro_export]
macro_rules! attributes {
    ($Type:ident { $($field:ident),* } = $value:expr) => {{
        let $Type { $($field),* } = &$value;
        let all: $crate::op::Attributes = vec![$((stringify!($field), $crate::op::ToAttribute::to_attribute($field)),)*];
        all
    }};
}

macro_rules! numbers {
    ($($t:ty => |$x:ident| $scalar:expr;)*) => {$(
        impl ToAttribute for $t {
            fn to_attribute(&self) -> Attribute {
                let $x = *self;
                Attribute::Number($scalar)
            }
        }
    )*};
}
numbers! {
    bool => |x| Scalar::Bool(x);
    i32 => |x| Scalar::Int(x.into());
    i64 => |x| Scalar::Int(x);
    isize => |x| Scalar::Int(x as i64);
    u16 => |x| Scalar::Int(x.into());
    u32 => |x| Scalar::Int(x.into());
    u64 => |x| i64::try_from(x).map_or(Scalar::UInt(x), Scalar::Int);
    usize => |x| i64::try_from(x).map_or(Scalar::UInt(x as u64), Scalar::Int);
    f32 => |x| Scalar::Float(x.into());
    f64 => |x| Scalar::Float(x);
    Scalar => |x| x;
}

impl ToAttribute for DType {
    fn to_attribute(&self) -> Attribute {
        Attribute::DType(*self)
    }
}

impl ToAttribute for Device {
    fn to_attribute(&self) -> Attribute {
        Attribute::Device(*self)
    }
}

impl ToAttribute for &'static str {
    fn to_attribute(&self) -> Attribute {
        Attribute::Name((*self).into())
    }
}

impl ToAttribute for String {
    fn to_attribute(&self) -> Attribute {
        Attribute::Name(self.clone().into())
    }
}

impl ToAttribute for Generator {
    fn to_attribute(&self) -> Attribute {
        Attribute::Generator(self.clone())
    }
}

impl ToAttribute for Spatial {
    fn to_attribute(&self) -> Attribute {
        list(self.given())
    }
}

impl<T: ToAttribute> ToAttribute for Option<T> {
    fn to_attribute(&self) -> Attribute {
        self.as_ref().map_or(Attribute::None, T::to_attribute)
    }
}

impl<T: ToAttribute> ToAttribute for Box<T> {
    fn to_attribute(&self) -> Attribute {
        (**self).to_attribute()
    }
}

fn list<T: ToAttribute>(all: &[T]) -> Attribute {
    Attribute::List(all.iter().map(T::to_attribute).collect())
}

impl<T: ToAttribute> ToAttribute for Vec<T> {
    fn to_attribute(&self) -> Attribute {
        list(self)
    }
}

impl<T: ToAttribute> ToAttribute for Arc<[T]> {
    fn to_attribute(&self) -> Attribute {
        list(self)
    }
}

impl<T: ToAttribute, const N: usize> ToAttribute for [T; N] {
    fn to_attribute(&self) -> Attribute {
        list(self)
    }
}

impl<A: Array> ToAttribute for SmallVec<A>
where
    A::Item: ToAttribute,
{
    fn to_attribute(&self) -> Attribute {
        list(self)
    }
}

impl<A: ToAttribute, B: ToAttribute> ToAttribute for (A, B) {
    fn to_attribute(&self) -> Attribute {
        Attribute::List(vec![self.0.to_attribute(), self.1.to_attribute()])
    }
}

/// Structs and enums among attributes: a struct has its fields, a variant its name, with its fields behind it if it has
/// some.
macro_rules! values {
    ($(struct $Type:ident { $($field:ident),* })*) => {$(
        impl ToAttribute for $Type {
            fn to_attribute(&self) -> Attribute {
                Attribute::Fields($crate::attributes!($Type { $($field),* } = *self))
            }
        }
    )*};
    ($(enum $Type:ident { $($Variant:ident $({ $($field:ident),* })? $(($inner:ident))?),* })*) => {$(
        impl ToAttribute for $Type {
            fn to_attribute(&self) -> Attribute {
                match self {
                    $($Type::$Variant $({ $($field),* })? $(($inner))? => {
                        let name = Attribute::Name(stringify!($Variant).into());
                        let mut fields: Attributes = vec![
                            $($((stringify!($field), $field.to_attribute()),)*)?
                            $((stringify!($inner), $inner.to_attribute()))?
                        ];
                        if fields.is_empty() {
                            return name;
                        }
                        fields.insert(0, ("kind", name));
                        Attribute::Fields(fields)
                    })*
                }
            }
        }
    )*};
}
values! {
    struct Layout { shape, strides, offset }
    struct StepScalars { lr, grad_scale, found_inf }
}
values! {
    enum ScalarOperand { None, Left(number), Right(number) }
    enum Windows { Sliding { kernel, stride, padding, dilation, ceil_mode }, Adaptive { output } }
    enum Distribution {
        Uniform { from, to }, Normal { mean, std }, Bernoulli { p }, Integers { low, high }, Permutation,
        Exponential { lambda }, Geometric { p }, Cauchy { median, sigma }, LogNormal { mean, std }
    }
    enum Pick { Place(place), Median, NanMedian, Mode }
    enum GridMode { Bilinear, Nearest, Bicubic }
    enum InterpolateMode { Nearest, NearestExact, Linear, Bicubic, Area, Lanczos }
    enum GridPadding { Zeros, Border, Reflection }
    enum RnnMode { RnnTanh, RnnRelu, Lstm, Gru }
    enum StepInstruction {
        Load { list }, Neg { x }, Abs { x }, Sign { x }, Sqrt { x }, Reciprocal { x }, Add { a, b }, Sub { a, b }, Mul { a, b },
        Div { a, b }, Maximum { a, b }, AddNumber { x, number }, MulNumber { x, number }, DivNumber { x, number },
        Clamp { x, min, max }, AddScaled { x, a, number }, Addcmul { x, a, b, number }, Addcdiv { x, a, b, number },
        Lerp { x, end, number }, BySign { x, negative, zero, positive }, ClearNegative { x, on }, Choose { a, b, number }
    }
    enum Reduce { Sum, Prod, Mean, Amax, Amin }
}

impl ToAttribute for SpecialFunction {
    fn to_attribute(&self) -> Attribute {
        match self {
            SpecialFunction::Polygamma(n) => {
                Attribute::Fields(vec![("kind", self.name().to_attribute()), ("n", n.to_attribute())])
            }
            _ => self.name().to_attribute(),
        }
    }
}

impl ToAttribute for SpecialPairFunction {
    fn to_attribute(&self) -> Attribute {
        self.name().to_attribute()
    }
}

/// All ops, by their fields: several that have the same ones, those that have none, and those that wrap another op and
/// have its attributes.
macro_rules! attributes_of_ops {
    (structs { $($($Op:ident),+ => $fields:tt;)* } without { $($Unit:ident)* } wrappers { $($Wrapper:ident)* }) => {
        $(attributes_of_ops!(@ $($Op),+; $fields);)*
        $(attributes_of_ops!(@ $Unit; {});)*
        $(
            impl HasAttributes for $Wrapper {
                fn attributes(&self) -> Attributes {
                    self.0.attributes()
                }
            }
        )*
    };
    (@ $($Op:ident),+; $fields:tt) => { $(attributes_of_ops!(@one $Op $fields);)+ };
    (@one $Op:ident $fields:tt) => {
        impl HasAttributes for $Op {
            fn attributes(&self) -> Attributes {
                $crate::attributes!($Op $fields = *self)
            }
        }

        impl ToAttribute for $Op {
            fn to_attribute(&self) -> Attribute {
                Attribute::Fields(self.attributes())
            }
        }
    };
}
attributes_of_ops! {
    structs {
        Cast => { dtype, rows };
        Special, SpecialPair => { function };
        Add, Sub, Mul, Div, DivFloor, DivTrunc, Remainder, Fmod, Pow, Atan2, Maximum, Minimum, Eq, Ne, Lt, Le, Gt,
        Ge, LogicalAnd, LogicalOr, LogicalXor, BitwiseAnd, BitwiseOr, BitwiseXor, Gcd, NextAfter
            => { scalar };
        Where => { input, other };
        Sum => { dims, dtype };
        Mean, Amax, Amin, Any, All, CountNonzero, LogSumExp, Flip => { dims };
        Prod => { dim, dtype };
        MaxDim, MinDim, Argmax, Argmin, Logcumsumexp, Cummax, Cummin, Softmax, LogSoftmax, SoftmaxBackward,
        LogSoftmaxBackward, Gather
            => { dim };
        Norm => { dims, ord };
        Cumsum, Cumprod, Recurrence => { dim, reverse };
        Sort => { descending, stable };
        Topk => { k, largest };
        Kthvalue => { pick, shared };
        LuFactor => { pivot, check };
        Solve => { op, check };
        SolveTriangular => { upper, unitriangular, whole };
        Cholesky => { upper, check };
        Qr => { complete };
        Eigh => { upper };
        Svd => { full_matrices };
        Pinv => { atol, rtol };
        LdlFactor => { hermitian, check };
        LdlSolve => { hermitian };
        MaxPoolBackward => { size };
        Gelu => { tanh };
        Softplus => { beta, threshold };
        Elu => { alpha, scale, input_scale };
        LeakyRelu => { slope };
        Hardtanh, Clamp => { min, max };
        LayerNorm => { dims, eps, weight, bias };
        LayerNormBackward, RmsNormBackward, BatchNormBackward, GroupNormBackward => { of, needs };
        RmsNorm => { dims, eps, weight };
        BatchNorm => { training, eps, weight, bias };
        GroupNorm => { groups, eps, weight, bias };
        GridSample => { mode, padding, align_corners };
        GridSampleBackward => { of, grads };
        CtcLoss => { blank, input_lengths, target_lengths, zero_infinity };
        CtcLossBackward, ScaledDotProductAttentionBackward => { of };
        ScaledDotProductAttention => { scale, causal, mask };
        RnnLayer => { mode, batch_sizes, reverse, bias, projection, saves };
        RnnLayerBackward => { of, grads };
        Embedding => { padding };
        Nonzero => { count };
        Scatter => { dim, reduce, include_self };
        Cat => { dim, sizes };
        Multinomial => { samples, replacement, generator };
        Dropout => { p, generator };
        SgdStep => { lr, momentum, dampening, weight_decay, nesterov, maximize, first, scalars };
        AdamStep => { lr, beta1, beta2, eps, weight_decay, decoupled, amsgrad, maximize, step, scalars };
        PointwiseStep => { formula, stores, lists, numbers };
        Irfft => { n };
        Fft => { inverse };
        Transfer => { from, to, non_blocking };
        Full => { value, shape, dtype, device };
        Arange => { start, step, len, dtype, device };
        Linspace => { start, end, len, dtype, device };
        Random => { distribution, generator, shape, dtype, device, strided };
        VarMean => { dims, correction, root };
        Conv => { stride, padding, end, dilation, groups };
        ConvInputGrad => { conv, size, transposed };
        ConvWeightGrad => { conv, kernel };
        MaxPool => { windows };
        AvgPool => { windows, count_include_pad, divisor_override };
        AvgPoolBackward => { pool, size };
        Interpolate => { mode, size, factors, align_corners, antialias };
        InterpolateBackward => { of, size };
        Index => { op, dims, wrap };
        IndexPut => { op, dims, wrap, accumulate };
        Pad => { pads, value };
        AsStridedScatter, AsStridedBackward => { base, view };
        Permute => { order };
        Expand, Reshape => { shape };
        Slice => { dim, start, len, step };
        Diagonal => { offset, dim1, dim2 };
        Unfold => { dim, size, step };
        AsStrided => { layout };
    }
    without {
        Neg Abs Sign Exp Exp2 Expm1 Log Log2 Log10 Log1p Sqrt Rsqrt Square Reciprocal Sin Cos Tan Asin Acos Atan
        Sinh Cosh Tanh Asinh Acosh Atanh Sigmoid Relu Erf Erfc Erfinv Floor Ceil Round Trunc IsNan IsInf IsFinite
        LogicalNot Conj Matmul Linear Det Slogdet Geqrf HouseholderProduct Eig MatrixExp Silu Mish Hardswish
        Hardsigmoid LogSigmoid ReluBackward TanhBackward SigmoidBackward Rfft ViewAsReal ViewAsComplex Detach
    }
    wrappers {
        GeluBackward SiluBackward MishBackward SoftplusBackward EluBackward LeakyReluBackward HardtanhBackward
        HardswishBackward HardsigmoidBackward LogSigmoidBackward
    }
}

impl HasAttributes for Custom {
    fn attributes(&self) -> Attributes {
        self.op().attributes()
    }
}
