//! Kernels of the ops that go element by element: each a closure on the lanes it is defined for.

use super::iter::{Input, map_slices, map1, map2, map3};
use super::lanes::{LaneKind, Truth};
use super::math::{Float, circular};
use super::{CpuKernel, Dst, Src};
use crate::ops::*;
use crate::{DType, Error, ErrorKind, Result, Scalar, bail};
use half::{bf16, f16};
use num_complex::Complex;

type C = Complex<f64>;

/// The lane of an op's result, where the inputs are to be converted to it first.
fn lane(out: &[Dst<'_>]) -> LaneKind {
    LaneKind::of(out[0].dtype())
}

macro_rules! unary {
    // The input is read as the output's lane. `Op { lane => closure, … }`
    ($($Op:ident { $($kind:ident $t:ty => $f:expr),+ $(,)? })*) => {$(
        impl CpuKernel for $Op {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                match lane(outputs) {
                    $(LaneKind::$kind => map1::<$t, $t>(&inputs[0], &mut outputs[0], $f),)+
                    #[allow(unreachable_patterns)]
                    _ => bail!(Unsupported, stringify!($Op), "no kernel for {}", inputs[0].dtype()),
                }
                Ok(())
            }
        }
    )*};
}

macro_rules! float {
    ($($Op:ident $method:ident $(, $complex:expr)?;)*) => {
        unary! { $($Op {
            F32 f32 => #[inline(always)] |x| Float::$method(x),
            F64 f64 => #[inline(always)] |x| Float::$method(x),
            $(C128 C => $complex)?
        })* }
    };
}

float! {
    Exp exp, |z| z.exp();
    Exp2 exp2, |z| (z * std::f64::consts::LN_2).exp();
    Expm1 expm1, |z| z.exp() - 1.0;
    Log ln, |z| z.ln();
    Log2 log2, |z| z.ln() / std::f64::consts::LN_2;
    Log10 log10, |z| z.ln() / std::f64::consts::LN_10;
    Log1p log1p, |z| (z + 1.0).ln();
    Asin asin, |z| z.asin();
    Acos acos, |z| z.acos();
    Atan atan, |z| z.atan();
    Sinh sinh, |z| z.sinh();
    Cosh cosh, |z| z.cosh();
    Tanh tanh, |z| z.tanh();
    Asinh asinh, |z| z.asinh();
    Acosh acosh, |z| z.acosh();
    Atanh atanh, |z| z.atanh();
    Sigmoid sigmoid, |z| 1.0 / (1.0 + (-z).exp());
    Erf erf;
    Erfc erfc;
    Erfinv erfinv;
}

/// Functions of an angle: a fast loop, and again where an argument is beyond what it is exact for.
macro_rules! circular {
    ($($Op:ident $fast:ident $any:ident;)*) => {$(
        impl CpuKernel for $Op {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                match lane(outputs) {
                    LaneKind::F32 => map_slices::<f32, f32>(&inputs[0], &mut outputs[0], #[inline(always)] |x, y| circular(x, y, Float::$fast, Float::$any)),
                    LaneKind::F64 => map_slices::<f64, f64>(&inputs[0], &mut outputs[0], #[inline(always)] |x, y| circular(x, y, Float::$fast, Float::$any)),
                    LaneKind::C128 => map1::<C, C>(&inputs[0], &mut outputs[0], |z| z.$fast()),
                    _ => bail!(Unsupported, stringify!($Op), "no kernel for {}", inputs[0].dtype()),
                }
                Ok(())
            }
        }
    )*};
}

circular! { Sin sin sin_any; Cos cos cos_any; Tan tan tan_any; }

unary! {
    Neg { F32 f32 => |x| -x, F64 f64 => |x| -x, I64 i64 => |x| x.wrapping_neg(), C128 C => |z| -z }
    Sign {
        F32 f32 => |x| (x > 0.0) as i32 as f32 - (x < 0.0) as i32 as f32,
        F64 f64 => |x| (x > 0.0) as i32 as f64 - (x < 0.0) as i32 as f64,
        I64 i64 => |x| x.signum(),
        Truth Truth => |x| x,
    }
    Sqrt { F32 f32 => |x| x.sqrt(), F64 f64 => |x| x.sqrt(), C128 C => |z| z.sqrt() }
    Rsqrt { F32 f32 => |x| 1.0 / x.sqrt(), F64 f64 => |x| 1.0 / x.sqrt(), C128 C => |z| 1.0 / z.sqrt() }
    Square { F32 f32 => |x| x * x, F64 f64 => |x| x * x, I64 i64 => |x| x.wrapping_mul(x), C128 C => |z| z * z, Truth Truth => |x| x }
    Reciprocal { F32 f32 => |x| 1.0 / x, F64 f64 => |x| 1.0 / x, C128 C => |z| 1.0 / z }
    Relu {
        // Comparisons that NaN fails let it pass.
        F32 f32 => |x| if x <= 0.0 { 0.0 } else { x },
        F64 f64 => |x| if x <= 0.0 { 0.0 } else { x },
        I64 i64 => |x| x.max(0),
        Truth Truth => |x| x,
    }
    Floor { F32 f32 => |x| x.floor(), F64 f64 => |x| x.floor(), I64 i64 => |x| x }
    Ceil { F32 f32 => |x| x.ceil(), F64 f64 => |x| x.ceil(), I64 i64 => |x| x }
    Round { F32 f32 => |x| x.round_ties_even(), F64 f64 => |x| x.round_ties_even(), I64 i64 => |x| x }
    Trunc { F32 f32 => |x| x.trunc(), F64 f64 => |x| x.trunc(), I64 i64 => |x| x }
    Conj { F32 f32 => |x| x, F64 f64 => |x| x, I64 i64 => |x| x, Truth Truth => |x| x, C128 C => |z| z.conj() }
}

impl CpuKernel for Abs {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, out) = (&inputs[0], &mut outputs[0]);
        match LaneKind::of(x.dtype()) {
            LaneKind::F32 => map1::<f32, f32>(x, out, |x| x.abs()),
            LaneKind::F64 => map1::<f64, f64>(x, out, |x| x.abs()),
            LaneKind::I64 => map1::<i64, i64>(x, out, |x| x.wrapping_abs()),
            LaneKind::C128 => map1::<C, f64>(x, out, |z| z.re.hypot(z.im)),
            LaneKind::Truth => map1::<Truth, Truth>(x, out, |x| x),
        }
        Ok(())
    }
}

macro_rules! to_truth {
    // Questions on a number; integers answer as the constant says.
    ($($Op:ident, |$x:ident| $f:expr, |$z:ident| $complex:expr, $int:literal;)*) => {$(
        impl CpuKernel for $Op {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                let (x, out) = (&inputs[0], &mut outputs[0]);
                match LaneKind::of(x.dtype()) {
                    LaneKind::F32 => map1::<f32, Truth>(x, out, |$x| Truth::from($f)),
                    LaneKind::F64 => map1::<f64, Truth>(x, out, |$x| Truth::from($f)),
                    LaneKind::C128 => map1::<C, Truth>(x, out, |$z| Truth::from($complex)),
                    LaneKind::I64 | LaneKind::Truth => map1::<i64, Truth>(x, out, |_| Truth::from($int)),
                }
                Ok(())
            }
        }
    )*};
}

to_truth! {
    IsNan, |x| x.is_nan(), |z| z.is_nan(), false;
    IsInf, |x| x.is_infinite(), |z| z.is_infinite(), false;
    IsFinite, |x| x.is_finite(), |z| z.is_finite(), true;
}

impl CpuKernel for LogicalNot {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        map1::<Truth, Truth>(&inputs[0], &mut outputs[0], |x| Truth::from(!x.get()));
        Ok(())
    }
}

impl CpuKernel for Cast {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (x, out) = (&inputs[0], &mut outputs[0]);
        match LaneKind::of(x.dtype()) {
            LaneKind::Truth => map1::<Truth, Truth>(x, out, |x| x),
            LaneKind::I64 => map1::<i64, i64>(x, out, |x| x),
            LaneKind::F32 => map1::<f32, f32>(x, out, |x| x),
            LaneKind::F64 => map1::<f64, f64>(x, out, |x| x),
            LaneKind::C128 => map1::<C, C>(x, out, |x| x),
        }
        Ok(())
    }
}

/// The operands of an op on two. A number is brought to the tensor's dtype; where that is half precision, a
/// factor or divisor is not (`exact`), as in PyTorch.
fn operands<'a>(scalar: ScalarOperand, inputs: &[Src<'a>], exact: bool) -> [Input<'a>; 2] {
    let number = |value| Input::Scalar(in_dtype(value, inputs[0].dtype(), exact));
    match scalar {
        ScalarOperand::None => [Input::Tensor(inputs[0]), Input::Tensor(inputs[1])],
        ScalarOperand::Left(value) => [number(value), Input::Tensor(inputs[0])],
        ScalarOperand::Right(value) => [Input::Tensor(inputs[0]), number(value)],
    }
}

/// The number as an element of `dtype` holds it; see [`operands`].
fn in_dtype(value: Scalar, dtype: DType, exact: bool) -> Scalar {
    match dtype {
        DType::U8 => (value.to_i64() as u8).into(),
        DType::I8 => (value.to_i64() as i8).into(),
        DType::I16 => (value.to_i64() as i16).into(),
        DType::I32 => (value.to_i64() as i32).into(),
        DType::F16 if !exact => f16::from_f32(value.to_f64() as f32).into(),
        DType::BF16 if !exact => bf16::from_f32(value.to_f64() as f32).into(),
        DType::Complex64 => Complex::new(value.to_c128().re as f32, value.to_c128().im as f32).into(),
        _ => value,
    }
}

macro_rules! binary {
    ($($Op:ident $exact:literal { $($kind:ident $t:ty => $f:expr),+ $(,)? })*) => {$(
        impl CpuKernel for $Op {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                let ([a, b], out) = (operands(self.scalar, inputs, $exact), &mut outputs[0]);
                match LaneKind::of(inputs[0].dtype()) {
                    $(LaneKind::$kind => map2::<$t, $t, $t>(a, b, out, $f),)+
                    #[allow(unreachable_patterns)]
                    _ => bail!(Unsupported, stringify!($Op), "no kernel for {}", inputs[0].dtype()),
                }
                Ok(())
            }
        }
    )*};
}

/// ⌊a / b⌋ as Python and PyTorch have it, from the exact remainder.
macro_rules! floor_div {
    ($a:expr, $b:expr) => {{
        let (a, b) = ($a, $b);
        let remainder = a % b;
        let quotient = (a - remainder) / b;
        let quotient = if remainder != 0.0 && (remainder < 0.0) != (b < 0.0) { quotient - 1.0 } else { quotient };
        let rounded = quotient.floor();
        let rounded = if quotient - rounded > 0.5 { rounded + 1.0 } else { rounded };
        let rounded = if quotient == 0.0 { (a / b) * 0.0 } else { rounded };
        if b == 0.0 { a / b } else { rounded }
    }};
}

macro_rules! floor_remainder {
    ($a:expr, $b:expr) => {{
        let (a, b) = ($a, $b);
        let r = a % b;
        if r != 0.0 && (r < 0.0) != (b < 0.0) { r + b } else { r }
    }};
}

/// Larger or smaller of two, NaN if either is.
macro_rules! extreme {
    ($a:expr, $b:expr, $less:tt) => {{
        let (a, b) = ($a, $b);
        let pick = if a $less b { a } else { b };
        if a.is_nan() { a } else { pick }
    }};
}

binary! {
    Add false {
        F32 f32 => |a, b| a + b, F64 f64 => |a, b| a + b, I64 i64 => |a, b| a.wrapping_add(b), C128 C => |a, b| a + b,
        Truth Truth => |a, b| Truth::from(a.get() | b.get()),
    }
    Sub false { F32 f32 => |a, b| a - b, F64 f64 => |a, b| a - b, I64 i64 => |a, b| a.wrapping_sub(b), C128 C => |a, b| a - b }
    Mul true {
        F32 f32 => |a, b| a * b, F64 f64 => |a, b| a * b, I64 i64 => |a, b| a.wrapping_mul(b), C128 C => |a, b| a * b,
        Truth Truth => |a, b| Truth::from(a.get() & b.get()),
    }
    Div true { F32 f32 => |a, b| a / b, F64 f64 => |a, b| a / b, C128 C => |a, b| a / b }
    Atan2 false { F32 f32 => #[inline(always)] |a, b| Float::atan2(a, b), F64 f64 => #[inline(always)] |a, b| Float::atan2(a, b) }
    Maximum false {
        F32 f32 => |a, b| extreme!(a, b, >), F64 f64 => |a, b| extreme!(a, b, >), I64 i64 => |a, b| a.max(b),
        Truth Truth => |a, b| Truth::from(a.get() | b.get()),
    }
    Minimum false {
        F32 f32 => |a, b| extreme!(a, b, <), F64 f64 => |a, b| extreme!(a, b, <), I64 i64 => |a, b| a.min(b),
        Truth Truth => |a, b| Truth::from(a.get() & b.get()),
    }
    BitwiseAnd false { I64 i64 => |a, b| a & b, Truth Truth => |a, b| Truth::from(a.get() & b.get()) }
    BitwiseOr false { I64 i64 => |a, b| a | b, Truth Truth => |a, b| Truth::from(a.get() | b.get()) }
    BitwiseXor false { I64 i64 => |a, b| a ^ b, Truth Truth => |a, b| Truth::from(a.get() ^ b.get()) }
}

impl CpuKernel for Pow {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        if let ScalarOperand::Right(exponent) = self.scalar {
            if inputs[0].dtype().is_int() && exponent.to_i64() < 0 {
                bail!(Argument, "pow", "integers have no power of {exponent}; cast to floating point")
            }
            if let Some(done) = short_power(exponent, inputs, outputs) {
                return done;
            }
        }
        let ([a, b], out) = (operands(self.scalar, inputs, false), &mut outputs[0]);
        match LaneKind::of(inputs[0].dtype()) {
            LaneKind::F32 => map2::<f32, f32, f32>(
                a,
                b,
                out,
                #[inline(always)]
                |a, b| Float::pow(a, b),
            ),
            LaneKind::F64 => map2::<f64, f64, f64>(
                a,
                b,
                out,
                #[inline(always)]
                |a, b| Float::pow(a, b),
            ),
            LaneKind::I64 => map2::<i64, i64, i64>(a, b, out, int_pow),
            LaneKind::C128 => map2::<C, C, C>(a, b, out, complex_pow),
            LaneKind::Truth => bail!(Unsupported, "pow", "no kernel for {}", inputs[0].dtype()),
        }
        Ok(())
    }
}

/// The power by a number that is a product, a root or a reciprocal; `None` for any other.
fn short_power(exponent: Scalar, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Option<Result<()>> {
    let dtype = inputs[0].dtype();
    let (exponent, float) = match exponent {
        Scalar::Complex(_) => return None,
        real => (real.to_f64(), dtype.is_float()),
    };
    Some(match exponent {
        1.0 => Cast { dtype }.run(inputs, outputs),
        2.0 => Square.run(inputs, outputs),
        3.0 => Cube.run(inputs, outputs),
        0.5 if float => Sqrt.run(inputs, outputs),
        -0.5 if float => Rsqrt.run(inputs, outputs),
        -1.0 if float => Reciprocal.run(inputs, outputs),
        -2.0 if float => InverseSquare.run(inputs, outputs),
        _ => return None,
    })
}

/// x³.
struct Cube;
/// 1 / x².
struct InverseSquare;

unary! {
    Cube {
        F32 f32 => |x| x * x * x, F64 f64 => |x| x * x * x, I64 i64 => |x| x.wrapping_mul(x).wrapping_mul(x),
        C128 C => |z| z * z * z,
    }
    InverseSquare { F32 f32 => |x| 1.0 / (x * x), F64 f64 => |x| 1.0 / (x * x) }
}

/// Integer division by zero is an error, as in PyTorch; the other ops here divide, too.
macro_rules! dividing {
    ($($Op:ident, $name:literal, $exact:literal, $float:expr, $float64:expr, $int:expr;)*) => {$(
        impl CpuKernel for $Op {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                let ([a, b], out) = (operands(self.scalar, inputs, $exact), &mut outputs[0]);
                match LaneKind::of(inputs[0].dtype()) {
                    LaneKind::F32 => map2::<f32, f32, f32>(a, b, out, $float),
                    LaneKind::F64 => map2::<f64, f64, f64>(a, b, out, $float64),
                    LaneKind::I64 | LaneKind::Truth => {
                        if has_zero(&b) {
                            bail!(Argument, $name, "integer division by zero")
                        }
                        map2::<i64, i64, i64>(a, b, out, $int)
                    }
                    LaneKind::C128 => bail!(Unsupported, $name, "no kernel for {}", inputs[0].dtype()),
                }
                Ok(())
            }
        }
    )*};
}

dividing! {
    DivFloor, "floor_divide", true, |a, b| floor_div!(a, b), |a, b| floor_div!(a, b), |a: i64, b: i64| {
        let (q, r) = (a.wrapping_div(b), a.wrapping_rem(b));
        if r != 0 && (r < 0) != (b < 0) { q - 1 } else { q }
    };
    DivTrunc, "div", true, |a: f32, b| (a / b).trunc(), |a: f64, b| (a / b).trunc(), |a: i64, b: i64| a.wrapping_div(b);
    Remainder, "remainder", false, |a, b| floor_remainder!(a, b), |a, b| floor_remainder!(a, b), |a: i64, b: i64| {
        let r = a.wrapping_rem(b);
        if r != 0 && (r < 0) != (b < 0) { r + b } else { r }
    };
    Fmod, "fmod", false, |a, b| a % b, |a, b| a % b, |a: i64, b: i64| a.wrapping_rem(b);
}

fn has_zero(x: &Input<'_>) -> bool {
    let x = match x {
        Input::Tensor(x) => x,
        Input::Scalar(value) => return value.to_i64() == 0,
    };
    macro_rules! any_zero {
        ($($dtype:ident => $t:ty),*) => {
            match x.dtype() {
                $(DType::$dtype => x.contiguous::<$t>().contains(&(0 as $t)),)*
                _ => false,
            }
        };
    }
    any_zero!(Bool => u8, U8 => u8, I8 => i8, I16 => i16, I32 => i32, I64 => i64)
}

/// Integer power by squaring, wrapping; a negative exponent leaves only ±1 and 0.
fn int_pow(base: i64, exponent: i64) -> i64 {
    if exponent < 0 {
        return match base {
            1 => 1,
            -1 => {
                if exponent % 2 == 0 {
                    1
                } else {
                    -1
                }
            }
            _ => 0,
        };
    }
    let (mut result, mut base, mut left) = (1i64, base, exponent);
    while left > 0 {
        if left & 1 == 1 {
            result = result.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        left >>= 1;
    }
    result
}

fn complex_pow(a: C, b: C) -> C {
    let zero = C::new(0.0, 0.0);
    if b == zero {
        C::new(1.0, 0.0)
    } else if a == zero {
        zero
    } else {
        a.powc(b)
    }
}

macro_rules! compare {
    ($($Op:ident, $op:tt $(, $complex:tt)?;)*) => {$(
        impl CpuKernel for $Op {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                let ([a, b], out) = (operands(self.scalar, inputs, false), &mut outputs[0]);
                match LaneKind::of(inputs[0].dtype()) {
                    LaneKind::F32 => map2::<f32, f32, Truth>(a, b, out, |a, b| Truth::from(a $op b)),
                    LaneKind::F64 => map2::<f64, f64, Truth>(a, b, out, |a, b| Truth::from(a $op b)),
                    LaneKind::I64 => map2::<i64, i64, Truth>(a, b, out, |a, b| Truth::from(a $op b)),
                    LaneKind::Truth => map2::<Truth, Truth, Truth>(a, b, out, |a, b| Truth::from(a.get() $op b.get())),
                    $(LaneKind::C128 => map2::<C, C, Truth>(a, b, out, |a, b| Truth::from(a $complex b)),)?
                    #[allow(unreachable_patterns)]
                    _ => bail!(Unsupported, stringify!($Op), "complex numbers have no order"),
                }
                Ok(())
            }
        }
    )*};
}

compare! { Eq, ==, ==; Ne, !=, !=; Lt, <; Le, <=; Gt, >; Ge, >=; }

macro_rules! logical {
    ($($Op:ident, $op:tt;)*) => {$(
        impl CpuKernel for $Op {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                let [a, b] = operands(self.scalar, inputs, false);
                map2::<Truth, Truth, Truth>(a, b, &mut outputs[0], |a, b| Truth::from(a.get() $op b.get()));
                Ok(())
            }
        }
    )*};
}

logical! { LogicalAnd, &; LogicalOr, |; LogicalXor, ^; }

impl CpuKernel for Where {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let (dtype, out) = (inputs[1].dtype(), &mut outputs[0]);
        let mut tensors = inputs.iter().map(Input::from);
        let mut next = |number: Option<Scalar>| match number {
            Some(value) => Ok(Input::Scalar(in_dtype(value, dtype, false))),
            None => tensors.next().ok_or_else(|| Error::new(ErrorKind::Argument, "where", "an operand is missing")),
        };
        let ins = [next(None)?, next(self.input)?, next(self.other)?];
        match LaneKind::of(dtype) {
            LaneKind::F32 => map3::<Truth, f32, f32, f32>(ins, out, |c, a, b| if c.get() { a } else { b }),
            LaneKind::F64 => map3::<Truth, f64, f64, f64>(ins, out, |c, a, b| if c.get() { a } else { b }),
            LaneKind::I64 => map3::<Truth, i64, i64, i64>(ins, out, |c, a, b| if c.get() { a } else { b }),
            LaneKind::C128 => map3::<Truth, C, C, C>(ins, out, |c, a, b| if c.get() { a } else { b }),
            LaneKind::Truth => map3::<Truth, Truth, Truth, Truth>(ins, out, |c, a, b| if c.get() { a } else { b }),
        }
        Ok(())
    }
}
