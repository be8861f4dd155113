//! The op set: every primitive op there is, one plain struct each, listed once.
//!
//! [`for_each_op!`](crate::for_each_op) is the list. From it come the [`Op`] enum and, in every crate, the matches that
//! lead from an `Op` to that crate's trait for it: shape inference here ([`Infer`], [`ViewOp`]), the
//! kernel in `cpu`, the derivative in `flambeau-autograd`. An op that lacks one of them does not compile.

pub use super::attributes::{Attribute, Attributes, HasAttributes, ToAttribute};
use crate::autocast::Policy;
use crate::custom::Custom;
use crate::layout::Layout;
use crate::ops::*;
use crate::shape::Shape;
use crate::{DType, Device, Result, Tensor, bail, ensure};
use smallvec::SmallVec;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};

/// What an op's output will be.
#[derive(Clone, Debug, PartialEq)]
pub struct Meta {
    /// Sizes.
    pub shape: Shape,
    /// Element type.
    pub dtype: DType,
}

/// What an op's outputs will be, one after another.
pub type Metas = SmallVec<[Meta; 1]>;
/// An op's outputs.
pub type Outputs = SmallVec<[Tensor; 2]>;

impl Meta {
    /// Shape and dtype as those of `x`.
    #[inline]
    pub fn like(x: &Tensor) -> Meta {
        Meta { shape: crate::shape::copied(x.shape()), dtype: x.dtype() }
    }

    /// Of `shape` and `dtype`.
    pub fn new(shape: impl Into<Shape>, dtype: DType) -> Meta {
        Meta { shape: shape.into(), dtype }
    }

    /// The same shape in another dtype.
    #[must_use]
    pub fn with_dtype(mut self, dtype: DType) -> Meta {
        self.dtype = dtype;
        self
    }

    /// As the only output.
    ///
    /// # Errors
    /// Never; it is a `Result` for the end of [`Infer::infer`].
    #[inline]
    pub fn one(self) -> Result<Metas> {
        let mut metas = Metas::new();
        metas.push(self);
        Ok(metas)
    }
}

/// What a computing op says of itself in the tensor crate.
pub trait Infer: Clone + Debug + Send + Sync + 'static {
    /// PyTorch's name.
    const NAME: &'static str;

    /// How many inputs it takes at least. More are the business of [`infer`](Infer::infer), which may count on these.
    const INPUTS: usize = 1;

    /// True where each output element comes from the input elements at its own place, once the inputs are
    /// broadcast to the output's shape: such an op may write into any layout, and in place.
    const ELEMENTWISE: bool = false;

    /// Shapes and dtypes of the outputs, or what is wrong with the inputs.
    ///
    /// # Errors
    /// What is wrong with the inputs.
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas>;

    /// What mixed precision does with the inputs: PyTorch's lists for the CPU.
    fn autocast(&self) -> Policy {
        Policy::Keep
    }

    /// Where a factory without inputs puts its output.
    fn device(&self) -> Option<Device> {
        None
    }

    /// A fused op's mathematics in other ops: its test, and its derivative of second order. `None` for a
    /// primitive.
    fn decompose(&self, _inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        None
    }
}

/// [`Infer::infer`] on as many inputs as it counts on.
#[inline(always)]
fn infer<O: Infer>(op: &O, inputs: &[&Tensor]) -> Result<Metas> {
    let (given, needed) = (inputs.len(), O::INPUTS);
    ensure!(given >= needed, Argument, O::NAME, "{given} inputs where {needed} are needed");
    op.infer(inputs)
}

/// What a view op says of itself: the same storage, another layout.
pub trait ViewOp: Clone + Debug + Send + Sync + 'static {
    /// PyTorch's name.
    const NAME: &'static str;

    /// The layout and dtype of the view of `x`, or what is wrong with the op or `x`.
    ///
    /// # Errors
    /// What is wrong with the op or `x`.
    fn layout(&self, x: &Tensor) -> Result<(Layout, DType)>;

    /// [`layout`](ViewOp::layout), which is checked to lie inside the storage: all that reads and writes trusts it.
    ///
    /// # Errors
    /// As [`layout`](ViewOp::layout), and where the view would leave the storage.
    fn view(&self, x: &Tensor) -> Result<(Layout, DType)> {
        let (mut layout, dtype) = self.layout(x)?;
        if layout.shape.contains(&0) {
            layout.offset = 0; // What has no first element needs no place for it.
        }
        check_inside(Self::NAME, &layout, dtype, x)?;
        Ok((layout, dtype))
    }
}

/// The list of all ops: calls `$callback! { kernels { … } large { … } views { … } }`. A large op is a kernel
/// of more than 64 bytes, which [`Op`] keeps in a box.
#[macro_export]
macro_rules! for_each_op {
    ($callback:ident) => {
        $callback! {
            kernels {
                // one tensor, element by element
                Cast, Neg, Abs, Sign, Exp, Exp2, Expm1, Log, Log2, Log10, Log1p, Sqrt, Rsqrt, Square, Reciprocal, Sin, Cos, Tan, Asin,
                Acos, Atan, Sinh, Cosh, Tanh, Asinh, Acosh, Atanh, Sigmoid, Relu, Erf, Erfc, Erfinv, Floor, Ceil, Round, Trunc, IsNan,
                IsInf, IsFinite, LogicalNot, Conj, Special,
                // two
                Add, Sub, Mul, Div, DivFloor, DivTrunc, Remainder, Fmod, Pow, Atan2, Maximum, Minimum, Eq, Ne, Lt, Le, Gt, Ge,
                LogicalAnd, LogicalOr, LogicalXor, BitwiseAnd, BitwiseOr, BitwiseXor, Gcd, NextAfter, SpecialPair,
                // three
                Where,
                // reductions
                Sum, Mean, Prod, Amax, Amin, MaxDim, MinDim, Argmax, Argmin, Any, All, CountNonzero, LogSumExp, Norm,
                // running reductions
                Cumsum, Cumprod, Logcumsumexp, Cummax, Cummin, Recurrence,
                // order
                Sort, Topk, Kthvalue,
                // matrix products
                Matmul, Linear,
                // linear algebra
                LuFactor, Solve, SolveTriangular, Det, Slogdet, Cholesky, Geqrf, HouseholderProduct, Qr, Eigh, Eig, Svd, Pinv,
                MatrixExp, LdlFactor, LdlSolve,
                // pooling, sampling
                MaxPoolBackward, GridSample, GridSampleBackward,
                // activation functions
                Gelu, Silu, Mish, Softplus, Elu, LeakyRelu, Hardtanh, Hardswish, Hardsigmoid, LogSigmoid, GeluBackward,
                SiluBackward, MishBackward, SoftplusBackward, EluBackward, LeakyReluBackward, HardtanhBackward,
                HardswishBackward, HardsigmoidBackward, LogSigmoidBackward, ReluBackward, TanhBackward, SigmoidBackward,
                // softmax and norms
                Softmax, LogSoftmax, SoftmaxBackward, LogSoftmaxBackward, LayerNorm, LayerNormBackward, RmsNorm, RmsNormBackward,
                BatchNorm, BatchNormBackward, GroupNorm, GroupNormBackward,
                // losses
                CtcLoss, CtcLossBackward,
                // attention and recurrent layers
                ScaledDotProductAttention, ScaledDotProductAttentionBackward, RnnLayer, RnnLayerBackward,
                // elements by number, joining, padding, bounds
                Embedding, Nonzero, Gather, Scatter, Cat, Flip, Clamp,
                // drawing
                Multinomial, Dropout,
                // optimizer steps
                SgdStep, AdamStep, PointwiseStep,
                // Fourier transforms
                Rfft, Irfft, Fft,
                // from device to device
                Transfer,
                // of somebody's own
                Custom,
            }
            large {
                // factories
                Full, Arange, Linspace, Random,
                // reductions
                VarMean,
                // convolution
                Conv, ConvInputGrad, ConvWeightGrad,
                // pooling
                MaxPool, AvgPool, AvgPoolBackward,
                // images in another size
                Interpolate, InterpolateBackward,
                // elements by number, padding
                Index, IndexPut, Pad,
                // views written back
                AsStridedScatter, AsStridedBackward,
            }
            views { Permute, Expand, Reshape, Slice, Diagonal, Unfold, AsStrided, ViewAsReal, ViewAsComplex, Detach, }
        }
    };
}

macro_rules! define_ops {
    (kernels { $($k:ident,)* } large { $($l:ident,)* } views { $($v:ident,)* }) => {
        /// Any op of the set. Two are equal where their kind and [attributes](Op::attributes) are.
        #[derive(Clone, Debug)]
        #[allow(missing_docs)]
        // A tag as wide as a word: an op is moved in words then, which costs less than a byte and the odd rest.
        #[repr(u64)]
        pub enum Op {
            $($k($k),)*
            $($l(Box<$l>),)*
            $($v($v),)*
        }

        $(impl From<$k> for Op { #[inline] fn from(op: $k) -> Op { Op::$k(op) } })*
        $(impl From<$l> for Op { #[inline] fn from(op: $l) -> Op { Op::$l(Box::new(op)) } })*
        $(impl From<$v> for Op { #[inline] fn from(op: $v) -> Op { Op::$v(op) } })*

        impl Op {
            /// PyTorch's name.
            #[inline]
            pub fn name(&self) -> &'static str {
                match self {
                    Op::Custom(op) => op.op().name(),
                    Op::Special(op) => op.function.name(),
                    Op::SpecialPair(op) => op.function.name(),
                    _ => Op::NAMES[self.number()],
                }
            }

            /// Its place in the list of all ops.
            #[inline]
            pub(crate) fn number(&self) -> usize {
                // SAFETY: an enum of `repr(u64)` begins with its tag, whatever its fields are.
                unsafe { *std::ptr::from_ref(self).cast::<u64>() as usize }
            }

            /// See [`Infer::ELEMENTWISE`].
            #[inline]
            pub fn is_elementwise(&self) -> bool {
                Op::ELEMENTWISE[self.number()]
            }

            const ELEMENTWISE: &'static [bool] = &[$(<$k as Infer>::ELEMENTWISE,)* $(<$l as Infer>::ELEMENTWISE,)* $({ let _ = <$v as ViewOp>::NAME; false },)*];

            /// See [`Infer::autocast`].
            pub fn autocast(&self) -> Policy {
                match self {
                    $(Op::$k(op) => op.autocast(),)*
                    $(Op::$l(op) => op.autocast(),)*
                    _ => Policy::Keep,
                }
            }

            /// What the outputs will be, for an op that computes; a view's meta for one that doesn't.
            ///
            /// # Errors
            /// Where there are too few inputs, or their shapes and dtypes are not for the op.
            pub fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
                match self {
                    $(Op::$k(op) => infer(op, inputs),)*
                    $(Op::$l(op) => infer(&**op, inputs),)*
                    $(Op::$v(op) => match inputs {
                        [] => bail!(Argument, self.name(), "no input where one is right"),
                        [x, ..] => op.view(x).and_then(|(layout, dtype)| Meta { shape: layout.shape, dtype }.one()),
                    },)*
                }
            }

            /// The view's layout, for an op that makes one.
            ///
            /// # Errors
            /// Where the view does not lie inside the storage of `x`.
            pub fn view_layout(&self, x: &Tensor) -> Option<Result<(Layout, DType)>> {
                match self {
                    $(Op::$v(op) => Some(op.view(x)),)*
                    _ => None,
                }
            }

            /// See [`Infer::device`].
            pub fn device(&self) -> Option<Device> {
                match self {
                    $(Op::$k(op) => op.device(),)*
                    $(Op::$l(op) => op.device(),)*
                    _ => None,
                }
            }

            /// See [`Infer::decompose`].
            ///
            /// # Errors
            /// Where the inputs are not for the op.
            pub fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
                match self {
                    $(Op::$k(op) => op.decompose(inputs),)*
                    $(Op::$l(op) => op.decompose(inputs),)*
                    _ => None,
                }
            }

            /// What the op is given beside its inputs, by name. For whoever writes a program down, exports, compares or
            /// hashes it; who works on an op matches on the op itself.
            ///
            /// ```
            /// use flambeau_tensor::{Cumsum, Op};
            ///
            /// let op = Op::from(Cumsum { dim: 1, reverse: false });
            /// let attributes = op.attributes();
            /// assert_eq!((attributes[0].0, attributes[0].1.as_i64()), ("dim", Some(1)));
            /// assert_eq!((attributes[1].0, attributes[1].1.as_bool()), ("reverse", Some(false)));
            /// assert!(op == op.clone());
            /// ```
            pub fn attributes(&self) -> Attributes {
                match self {
                    $(Op::$k(op) => op.attributes(),)*
                    $(Op::$l(op) => op.attributes(),)*
                    $(Op::$v(op) => op.attributes(),)*
                }
            }

            /// The names of all ops, in the order of the list.
            pub const NAMES: &'static [&'static str] = &[$(<$k as Infer>::NAME,)* $(<$l as Infer>::NAME,)* $(<$v as ViewOp>::NAME,)*];
        }
    };
}
for_each_op!(define_ops);

impl PartialEq for Op {
    fn eq(&self, other: &Op) -> bool {
        self.number() == other.number() && self.name() == other.name() && self.attributes() == other.attributes()
    }
}

impl std::cmp::Eq for Op {}

impl Hash for Op {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
        self.attributes().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Generator;

    #[test]
    fn attributes_are_listed_by_name() {
        let list = |op: Op| op.attributes().iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join("; ");
        assert_eq!(list(Relu.into()), "");
        assert_eq!(list(Cumsum { dim: 2, reverse: true }.into()), "dim=2; reverse=true");
        assert_eq!(list(Permute { order: [1, 0].as_slice().into() }.into()), "order=[1, 0]");
        let layout = Box::new(Layout::contiguous(Shape::from_slice(&[2, 3])));
        let text = list(AsStrided { layout }.into());
        assert_eq!(text, "layout={shape: [2, 3], strides: [3, 1], offset: 0}");
        let text = list(Add { scalar: ScalarOperand::Right(2.0.into()) }.into());
        assert_eq!(text, "scalar={kind: Right, number: 2.0}");
        let backward = LayerNormBackward {
            of: LayerNorm { dims: 1, eps: 0.5, weight: true, bias: false },
            needs: [true, false, true],
        };
        let text = list(backward.into());
        assert_eq!(text, "of={dims: 1, eps: 0.5, weight: true, bias: false}; needs=[true, false, true]");
        let uniform = Distribution::Uniform { from: 0.0, to: 1.0 };
        let generator = Generator::with_seed(1);
        let random = |generator: &Generator| {
            let (shape, dtype, device) = (Shape::from_slice(&[2]), DType::F32, Device::Cpu);
            Op::from(Random {
                distribution: uniform,
                generator: Some(generator.clone()),
                shape,
                dtype,
                device,
                strided: false,
            })
        };
        let text = list(random(&generator));
        assert!(
            text.starts_with("distribution={kind: Uniform, from: 0.0, to: 1.0}; generator=Generator(cpu)"),
            "{text}"
        );
        assert!(random(&generator) == random(&generator) && random(&generator) != random(&generator.fork()));
    }

    #[test]
    fn ops_are_equal_where_kind_and_attributes_are() {
        let cumsum = |dim| Op::from(Cumsum { dim, reverse: false });
        let hash = |op: Op| {
            let mut state = std::hash::DefaultHasher::new();
            op.hash(&mut state);
            state.finish()
        };
        assert!(cumsum(0) == cumsum(0) && hash(cumsum(0)) == hash(cumsum(0)));
        assert!(cumsum(0) != cumsum(1) && hash(cumsum(0)) != hash(cumsum(1)));
        assert!(cumsum(0) != Op::from(Cumprod { dim: 0, reverse: false }));
        // The same value, not an equal one.
        let slope = |slope| Op::from(LeakyRelu { slope });
        assert!(slope(f64::NAN) == slope(f64::NAN) && slope(0.0) != slope(-0.0));
    }

    #[test]
    fn an_op_is_cheap_to_move() {
        assert!(size_of::<Op>() <= 72, "{} bytes: is a new op large?", size_of::<Op>());
    }
}
