//! Ops on one tensor, element by element.

use crate::op::{Infer, Meta, Metas};
use crate::{DType, Result, Tensor, bail, dispatch, dispatch_into};

/// What an op makes of its input's dtype.
#[derive(Clone, Copy)]
enum Rule {
    /// integers and bool become the default dtype
    Float,
    /// as `Float`, complex numbers refused
    RealFloat,
    /// unchanged
    Same,
    /// unchanged, but bool becomes `int64`
    Whole,
    /// unchanged, bool refused
    Number,
    /// unchanged, complex refused
    Real,
    /// unchanged, bool and complex refused
    RealNumber,
    /// unchanged, but complex numbers become their parts' dtype; bool refused
    Magnitude,
    /// `bool`
    Truth,
}

fn infer(name: &'static str, rule: Rule, x: &Tensor) -> Result<Metas> {
    let dtype = x.dtype();
    let refused = match rule {
        Rule::Number | Rule::Magnitude => dtype == DType::Bool,
        Rule::RealNumber => dtype == DType::Bool || dtype.is_complex(),
        Rule::Real | Rule::RealFloat => dtype.is_complex(),
        _ => false,
    };
    if refused {
        bail!(DType, name, "not defined for {dtype}")
    }
    let out = match rule {
        Rule::Float | Rule::RealFloat => dtype.to_float(),
        Rule::Whole if dtype == DType::Bool => DType::I64,
        Rule::Whole | Rule::Same | Rule::Number | Rule::Real | Rule::RealNumber => dtype,
        Rule::Magnitude => dtype.to_real(),
        Rule::Truth => DType::Bool,
    };
    Meta::like(x).with_dtype(out).one()
}

macro_rules! unary {
    ($($(#[$doc:meta])* $Op:ident, $name:literal, $rule:ident, $method:ident $(, $in_place:ident)?;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $Op;

            impl Infer for $Op {
                const NAME: &'static str = $name;
                const ELEMENTWISE: bool = true;
                fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
                    infer($name, Rule::$rule, inputs[0])
                }
            }
        )*
        impl Tensor {
            $(
                $(#[$doc])*
                #[doc = concat!("\n\nFollows `torch.", $name, "`: same shape.\n\n# Errors\nWhere it is not defined for the dtype, or the system has no memory for the result.")]
                #[track_caller]
                pub fn $method(&self) -> Result<Tensor> {
                    dispatch($Op, &[self])
                }

                $(
                    #[doc = concat!("[`", stringify!($method), "`](Tensor::", stringify!($method), ") in place.\n\n# Errors\nAs [`", stringify!($method), "`](Tensor::", stringify!($method), "), and where the tensor does not hold such results or autograd forbids to write.")]
                    #[track_caller]
                    pub fn $in_place(&self) -> Result<&Tensor> {
                        dispatch_into(concat!($name, "_"), $Op, &[self], self)?;
                        Ok(self)
                    }
                )?
            )*
        }
    };
}

unary! {
    /// −x.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([1.0, -2.0]).neg()?.to_vec::<f32>()?, [-1.0, 2.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    Neg, "neg", Number, neg, neg_;
    /// |x|; of a complex number its magnitude, a real number.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([1.0, -2.0]).abs()?.to_vec::<f32>()?, [1.0, 2.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    Abs, "abs", Magnitude, abs;
    /// −1, 0 or 1; 0 for NaN.
    Sign, "sign", Real, sign, sign_;
    /// e to the x.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([0.0, 1.0]).exp()?.to_vec::<f32>()?, [1.0, std::f32::consts::E]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    Exp, "exp", Float, exp, exp_;
    /// 2 to the x.
    Exp2, "exp2", Float, exp2, exp2_;
    /// eˣ − 1, exact near 0.
    Expm1, "expm1", Float, expm1, expm1_;
    /// The natural logarithm.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([1.0, 0.0]).log()?.to_vec::<f32>()?, [0.0, f32::NEG_INFINITY]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    Log, "log", Float, log, log_;
    /// The logarithm to base 2.
    Log2, "log2", Float, log2, log2_;
    /// The logarithm to base 10.
    Log10, "log10", Float, log10, log10_;
    /// log(1 + x), exact near 0.
    Log1p, "log1p", Float, log1p, log1p_;
    /// The square root.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([4.0, 9.0]).sqrt()?.to_vec::<f32>()?, [2.0, 3.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    Sqrt, "sqrt", Float, sqrt, sqrt_;
    /// 1 / √x.
    Rsqrt, "rsqrt", Float, rsqrt, rsqrt_;
    /// x².
    Square, "square", Whole, square, square_;
    /// 1 / x.
    Reciprocal, "reciprocal", Float, reciprocal, reciprocal_;
    /// The sine of x in radians.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let x = tensor!([0.0, std::f32::consts::FRAC_PI_2]);
    /// assert_eq!(x.sin()?.to_vec::<f32>()?, [0.0, 1.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    Sin, "sin", Float, sin, sin_;
    /// The cosine of x in radians.
    Cos, "cos", Float, cos, cos_;
    /// The tangent of x in radians.
    Tan, "tan", Float, tan, tan_;
    /// The inverse sine, in radians.
    Asin, "asin", Float, asin, asin_;
    /// The inverse cosine, in radians.
    Acos, "acos", Float, acos, acos_;
    /// The inverse tangent, in radians.
    Atan, "atan", Float, atan, atan_;
    /// The hyperbolic sine.
    Sinh, "sinh", Float, sinh, sinh_;
    /// The hyperbolic cosine.
    Cosh, "cosh", Float, cosh, cosh_;
    /// The hyperbolic tangent.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([0.0, 40.0]).tanh()?.to_vec::<f32>()?, [0.0, 1.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    Tanh, "tanh", Float, tanh, tanh_;
    /// The inverse hyperbolic sine.
    Asinh, "asinh", Float, asinh, asinh_;
    /// The inverse hyperbolic cosine.
    Acosh, "acosh", Float, acosh, acosh_;
    /// The inverse hyperbolic tangent.
    Atanh, "atanh", Float, atanh, atanh_;
    /// 1 / (1 + e⁻ˣ).
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([0.0, 40.0]).sigmoid()?.to_vec::<f32>()?, [0.5, 1.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    Sigmoid, "sigmoid", Float, sigmoid, sigmoid_;
    /// max(x, 0).
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// assert_eq!(tensor!([-1.0, 2.0]).relu()?.to_vec::<f32>()?, [0.0, 2.0]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    Relu, "relu", RealNumber, relu, relu_;
    /// The error function.
    Erf, "erf", RealFloat, erf, erf_;
    /// 1 − erf(x), exact for large x.
    Erfc, "erfc", RealFloat, erfc, erfc_;
    /// The inverse of [`erf`](Tensor::erf).
    Erfinv, "erfinv", RealFloat, erfinv, erfinv_;
    /// The next integer below.
    Floor, "floor", Real, floor, floor_;
    /// The next integer above.
    Ceil, "ceil", Real, ceil, ceil_;
    /// The nearest integer, halves to the even one.
    Round, "round", Real, round, round_;
    /// The next integer towards zero.
    Trunc, "trunc", Real, trunc, trunc_;
    /// True where x is NaN.
    IsNan, "isnan", Truth, isnan;
    /// True where x is infinite.
    IsInf, "isinf", Truth, isinf;
    /// True where x is neither infinite nor NaN.
    IsFinite, "isfinite", Truth, isfinite;
    /// True where x is zero.
    LogicalNot, "logical_not", Truth, logical_not;
    /// The complex conjugate; a real number is its own.
    Conj, "conj_physical", Same, conj_physical, conj_physical_;
}

impl Tensor {
    /// The complex conjugate, as `torch.conj`; a real tensor is returned as it is.
    ///
    /// # Errors
    /// Where the system has no memory for the result.
    #[track_caller]
    pub fn conj(&self) -> Result<Tensor> {
        if self.dtype().is_complex() { self.conj_physical() } else { Ok(self.clone()) }
    }
}
