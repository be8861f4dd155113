//! Kernels of the ops on two operands that go element by element: each a closure on the lanes it is defined for.

use super::iter::{Input, map1, map2};
use super::lanes::{LaneKind, Truth, by_dtype};
use super::math::{Float, complex};
use super::unary::unary;
use super::{CpuKernel, Dst, Src, halves};
use crate::ops::*;
use crate::{DType, Result, Scalar, bail};
use half::{bf16, f16};
use num_complex::Complex;

/// The operands of an op on two. A number takes the tensor's dtype; where that is half precision, a factor or
/// divisor stays as it is (`exact`), as in PyTorch.
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
        DType::U16 => (value.to_i64() as u16).into(),
        DType::U32 => (value.to_i64() as u32).into(),
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
    // `Op exact |a, b| { kind of number: what becomes of both }`; the kinds are those of `by_dtype!`.
    ($($Op:ident $exact:literal |$a:ident, $b:ident| { $($kind:ident $T:ident: $f:expr),+ $(,)? })*) => {$(
        impl CpuKernel for $Op {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                let ([x, y], out) = (operands(self.scalar, inputs, $exact), &mut outputs[0]);
                by_dtype!(stringify!($Op), inputs[0].dtype(), {
                    $($kind $T => map2::<$T, $T, $T>(x, y, out, #[inline(always)] |$a, $b| $f),)+
                });
                Ok(())
            }
        }
    )*};
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
    Add false |a, b| {
        real T: a + b, modular T: a.wrapping_add(b), complex T: a + b, truth T: Truth::from(a.get() | b.get())
    }
    Sub false |a, b| { real T: a - b, modular T: a.wrapping_sub(b), complex T: a - b }
    Mul true |a, b| {
        real T: a * b, modular T: a.wrapping_mul(b), complex T: a * b, truth T: Truth::from(a.get() & b.get())
    }
    Div true |a, b| { real T: a / b, wide_complex T: complex::div(a, b) }
    Atan2 false |a, b| { real T: Float::atan2(a, b) }
    Maximum false |a, b| { real T: extreme!(a, b, >), int T: a.max(b), truth T: Truth::from(a.get() | b.get()) }
    Minimum false |a, b| { real T: extreme!(a, b, <), int T: a.min(b), truth T: Truth::from(a.get() & b.get()) }
    BitwiseAnd false |a, b| { modular T: a & b, truth T: Truth::from(a.get() & b.get()) }
    BitwiseOr false |a, b| { modular T: a | b, truth T: Truth::from(a.get() | b.get()) }
    BitwiseXor false |a, b| { modular T: a ^ b, truth T: Truth::from(a.get() ^ b.get()) }
}

impl CpuKernel for Pow {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let dtype = inputs[0].dtype();
        if let ScalarOperand::Right(exponent) = self.scalar {
            if dtype.is_int() && exponent.to_i64() < 0 {
                bail!(Argument, "pow", "integers have no power of {exponent}; cast to floating point")
            }
            if dtype.is_int() {
                exponent.stored_as("pow", dtype)?;
            }
            if let Some(done) = short_power(exponent, inputs, outputs) {
                return done;
            }
            if dtype.is_complex() && exponent.is_zero() {
                // Also that of 0, which a tensor of zeros as exponents leaves undefined.
                let ([a, b], out) = (operands(self.scalar, inputs, false), &mut outputs[0]);
                by_dtype!("pow", dtype, { wide_complex T => map2::<T, T, T>(a, b, out, |_, _| Complex::new(1.0, 0.0)), });
                return Ok(());
            }
        }
        let ([a, b], out) = (operands(self.scalar, inputs, false), &mut outputs[0]);
        by_dtype!("pow", dtype, {
            real T => map2::<T, T, T>(a, b, out, #[inline(always)] |a, b| Float::pow(a, b)),
            whole T => map2::<T, T, T>(a, b, out, int_pow),
            wide_complex T => map2::<T, T, T>(a, b, out, complex::pow),
        });
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
        1.0 => Cast { dtype, rows: false }.run(inputs, outputs),
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
    Cube |x| { real T: x * x * x, modular T: x.wrapping_mul(x).wrapping_mul(x), complex T: x * x * x }
    InverseSquare |x| { real T: 1.0 / (x * x) }
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

/// Integer division by zero is an error, as in PyTorch; the other ops here divide, too.
macro_rules! dividing {
    ($($Op:ident, $name:literal, $exact:literal, $float:expr, $float64:expr, $int:expr $(, half: $half:expr)?;)*) => {$(
        impl CpuKernel for $Op {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                let ([a, b], out) = (operands(self.scalar, inputs, $exact), &mut outputs[0]);
                let dtype = inputs[0].dtype();
                if !dtype.is_float() && has_zero(&b)? {
                    bail!(Argument, $name, "integer division by zero")
                }
                match LaneKind::of(dtype) {
                    $(LaneKind::F32 if dtype != DType::F32 => map2::<f32, f32, f32>(a, b, out, ($half)(dtype)),)?
                    LaneKind::F32 => map2::<f32, f32, f32>(a, b, out, $float),
                    LaneKind::F64 => map2::<f64, f64, f64>(a, b, out, $float64),
                    LaneKind::I64 | LaneKind::Truth => map2::<i64, i64, i64>(a, b, out, $int),
                    _ => bail!(Unsupported, $name, "not defined for {dtype}"),
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
    DivTrunc, "div", true, |a: f32, b| (a / b).trunc(), |a: f64, b| (a / b).trunc(), |a: i64, b: i64| a.wrapping_div(b),
        // The quotient is one of the dtype before it is cut.
        half: |dtype| move |a: f32, b| halves::rounded(dtype, a / b).trunc();
    Remainder, "remainder", false, |a, b| floor_remainder!(a, b), |a, b| floor_remainder!(a, b), |a: i64, b: i64| {
        let r = a.wrapping_rem(b);
        if r != 0 && (r < 0) != (b < 0) { r + b } else { r }
    };
    Fmod, "fmod", false, |a, b| a % b, |a, b| a % b, |a: i64, b: i64| a.wrapping_rem(b);
}

impl CpuKernel for Gcd {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let ([x, y], out) = (operands(self.scalar, inputs, false), &mut outputs[0]);
        by_dtype!("gcd", inputs[0].dtype(), { whole T => map2::<T, T, T>(x, y, out, gcd), });
        Ok(())
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a as i64
}

/// The next `f32` or `f64` after x towards y.
macro_rules! next {
    ($t:ty, $x:expr, $y:expr) => {{
        let (x, y): ($t, $t) = ($x, $y);
        match x.partial_cmp(&y) {
            None => <$t>::NAN,
            Some(std::cmp::Ordering::Equal) => y,
            Some(std::cmp::Ordering::Less) => x.next_up(),
            Some(std::cmp::Ordering::Greater) => x.next_down(),
        }
    }};
}

impl CpuKernel for NextAfter {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        let ([x, y], out) = (operands(self.scalar, inputs, false), &mut outputs[0]);
        match inputs[0].dtype() {
            DType::F16 => map2::<f32, f32, f32>(x, y, out, |x, y| {
                next_half(x, y, |x| f16::from_f32(x).to_bits(), |bits| f16::from_bits(bits).to_f32())
            }),
            DType::BF16 => map2::<f32, f32, f32>(x, y, out, |x, y| {
                next_half(x, y, |x| bf16::from_f32(x).to_bits(), |bits| bf16::from_bits(bits).to_f32())
            }),
            DType::F32 => map2::<f32, f32, f32>(x, y, out, |x, y| next!(f32, x, y)),
            DType::F64 => map2::<f64, f64, f64>(x, y, out, |x, y| next!(f64, x, y)),
            dtype => bail!(Unsupported, "nextafter", "not defined for {dtype}"),
        }
        Ok(())
    }
}

/// The next number of half precision, whose bits count on as its size does.
fn next_half(x: f32, y: f32, bits: fn(f32) -> u16, number: fn(u16) -> f32) -> f32 {
    if x.is_nan() || y.is_nan() || x == y {
        return if x == y { y } else { f32::NAN };
    }
    let next = match (x == 0.0, y > x, x > 0.0) {
        (true, up, _) => 1 | if up { 0 } else { 1 << 15 },
        // Away from zero where both signs agree.
        (false, up, positive) if up == positive => bits(x) + 1,
        _ => bits(x) - 1,
    };
    number(next)
}

fn has_zero(x: &Input<'_>) -> Result<bool> {
    let x = match x {
        Input::Tensor(x) => x,
        Input::Scalar(value) => return Ok(value.to_i64() == 0),
        Input::Element(bits) => return Ok(bits[0] == 0),
    };
    by_dtype!("division", x.dtype(), {
        int T => Ok(x.contiguous::<T>().contains(&0)),
        truth T => Ok(x.contiguous::<u8>().contains(&0)),
    })
}

macro_rules! compare {
    // `Op |a, b| { kind of number: the answer }`; the other op is this one with its operands turned round.
    ($($Op:ident $(, turned $Turned:ident)? |$a:ident, $b:ident| { $($kind:ident $T:ident: $f:expr),+ $(,)? })*) => {$(
        impl CpuKernel for $Op {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                $Op::of(operands(self.scalar, inputs, false), inputs[0].dtype(), &mut outputs[0])
            }
        }

        impl $Op {
            fn of([x, y]: [Input<'_>; 2], dtype: DType, out: &mut Dst<'_>) -> Result<()> {
                by_dtype!(stringify!($Op), dtype, {
                    $($kind $T => map2::<$T, $T, Truth>(x, y, out, |$a, $b| Truth::from($f)),)+
                });
                Ok(())
            }
        }

        $(impl CpuKernel for $Turned {
            fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
                let [x, y] = operands(self.scalar, inputs, false);
                $Op::of([y, x], inputs[0].dtype(), &mut outputs[0])
            }
        })?
    )*};
}

compare! {
    Eq |a, b| { real T: a == b, modular T: a == b, complex T: a == b, truth T: a.get() == b.get() }
    Ne |a, b| { real T: a != b, modular T: a != b, complex T: a != b, truth T: a.get() != b.get() }
    Lt, turned Gt |a, b| { real T: a < b, int T: a < b, unsigned T: a < b, truth T: !a.get() & b.get() }
    Le, turned Ge |a, b| { real T: a <= b, int T: a <= b, unsigned T: a <= b, truth T: !a.get() | b.get() }
}

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
