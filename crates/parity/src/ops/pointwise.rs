//! Element by element: functions of one tensor, of two, of three, and casts.

use flambeau_tensor::{DType, Operand, Scalar, Tensor};

use super::Entry;
use crate::call::{Call, Outcome, Trouble, ok, unsupported};
use crate::value::Value;

/// A function of one tensor and nothing else.
macro_rules! unary {
    ($($name:literal => $method:ident,)*) => {
        pub(super) const UNARY: &[Entry] = &[$(($name, |c| ok(c.x()?.$method()?)),)*];
    };
}

unary! {
    "abs" => abs,
    "acos" => acos,
    "acosh" => acosh,
    "angle" => angle,
    "asin" => asin,
    "asinh" => asinh,
    "atan" => atan,
    "atanh" => atanh,
    "bitwise_not" => bitwise_not,
    "ceil" => ceil,
    "conj" => conj,
    "conj_physical" => conj_physical,
    "cos" => cos,
    "cosh" => cosh,
    "deg2rad" => deg2rad,
    "erf" => erf,
    "erfc" => erfc,
    "erfinv" => erfinv,
    "exp" => exp,
    "exp2" => exp2,
    "expm1" => expm1,
    "floor" => floor,
    "frac" => frac,
    "imag" => imag,
    "isfinite" => isfinite,
    "isinf" => isinf,
    "isnan" => isnan,
    "isneginf" => isneginf,
    "isposinf" => isposinf,
    "isreal" => isreal,
    "log" => log,
    "log10" => log10,
    "log1p" => log1p,
    "log2" => log2,
    "logical_not" => logical_not,
    "neg" => neg,
    "nn.functional.relu" => relu,
    "rad2deg" => rad2deg,
    "real" => real,
    "reciprocal" => reciprocal,
    "rsqrt" => rsqrt,
    "sgn" => sgn,
    "sigmoid" => sigmoid,
    "sign" => sign,
    "signbit" => signbit,
    "sin" => sin,
    "sinc" => sinc,
    "sinh" => sinh,
    "sqrt" => sqrt,
    "square" => square,
    "tan" => tan,
    "tanh" => tanh,
    "trunc" => trunc,
}

/// A function of a tensor and another tensor or a number.
macro_rules! binary {
    ($($name:literal => $method:ident,)*) => {
        pub(super) const BINARY: &[Entry] =
            &[$(($name, |c| ok(c.x()?.$method(c.operand(1, "other")?)?)),)*];
    };
}

binary! {
    "__radd__" => add,
    "__rand__" => bitwise_and,
    "__rdiv__" => rdiv,
    "__rmul__" => mul,
    "__ror__" => bitwise_or,
    "__rsub__" => rsub,
    "__rxor__" => bitwise_xor,
    "atan2" => atan2,
    "bitwise_and" => bitwise_and,
    "bitwise_left_shift" => bitwise_left_shift,
    "bitwise_or" => bitwise_or,
    "bitwise_right_shift" => bitwise_right_shift,
    "bitwise_xor" => bitwise_xor,
    "copysign" => copysign,
    "eq" => eq,
    "float_power" => float_power,
    "floor_divide" => floor_divide,
    "fmax" => fmax,
    "fmin" => fmin,
    "fmod" => fmod,
    "gcd" => gcd,
    "ge" => ge,
    "gt" => gt,
    "hypot" => hypot,
    "lcm" => lcm,
    "ldexp" => ldexp,
    "le" => le,
    "logaddexp" => logaddexp,
    "logaddexp2" => logaddexp2,
    "logical_and" => logical_and,
    "logical_or" => logical_or,
    "logical_xor" => logical_xor,
    "lt" => lt,
    "max.binary" => maximum,
    "maximum" => maximum,
    "min.binary" => minimum,
    "minimum" => minimum,
    "mul" => mul,
    "ne" => ne,
    "nextafter" => nextafter,
    "pow" => pow,
    "remainder" => remainder,
    "true_divide" => div,
    "xlogy" => xlogy,
}

pub(super) const OTHERS: &[Entry] = &[
    ("__rmod__", |c| ok(c.x()?.rremainder(c.operand(1, "other")?)?)),
    ("__rpow__", |c| ok(c.x()?.rpow(c.operand(1, "other")?)?)),
    ("add", |c| ok(c.x()?.add(scaled_other(c)?)?)),
    ("sub", |c| ok(c.x()?.sub(scaled_other(c)?)?)),
    ("rsub", |c| match c.scalar_opt(2, "alpha")? {
        None => ok(c.x()?.rsub(c.operand(1, "other")?)?),
        Some(alpha) => ok(c.x()?.mul(alpha)?.rsub(c.operand(1, "other")?)?),
    }),
    ("div", |c| match c.text_opt(usize::MAX, "rounding_mode")? {
        None => ok(c.x()?.div(c.operand(1, "other")?)?),
        Some("floor") => ok(c.x()?.floor_divide(c.operand(1, "other")?)?),
        Some("trunc") => ok(c.x()?.div_trunc(c.operand(1, "other")?)?),
        Some(mode) => unsupported(format!("rounding_mode {mode}")),
    }),
    ("addcdiv", |c| {
        let value = c.scalar_opt(usize::MAX, "value")?.unwrap_or(Scalar::Int(1));
        ok(c.x()?.addcdiv(c.tensor(1, "tensor1")?, c.tensor(2, "tensor2")?, value)?)
    }),
    ("addcmul", |c| {
        let value = c.scalar_opt(usize::MAX, "value")?.unwrap_or(Scalar::Int(1));
        ok(c.x()?.addcmul(c.tensor(1, "tensor1")?, c.tensor(2, "tensor2")?, value)?)
    }),
    ("complex", |c| ok(c.x()?.complex(c.tensor(1, "imag")?)?)),
    ("polar", |c| ok(c.x()?.polar(c.tensor(1, "angle")?)?)),
    ("heaviside", |c| ok(c.x()?.heaviside(c.tensor(1, "values")?)?)),
    ("frexp", |c| {
        let parts = c.x()?.frexp()?;
        ok((parts.mantissa, parts.exponent))
    }),
    ("logit", |c| ok(c.x()?.logit(c.float_opt(1, "eps")?)?)),
    ("nan_to_num", |c| {
        let (nan, posinf) = (c.float_opt(1, "nan")?, c.float_opt(2, "posinf")?);
        ok(c.x()?.nan_to_num(nan, posinf, c.float_opt(3, "neginf")?)?)
    }),
    ("lerp", |c| ok(c.x()?.lerp(c.tensor(1, "end")?, c.operand(2, "weight")?)?)),
    ("masked_fill", |c| ok(c.x()?.masked_fill(c.tensor(1, "mask")?, c.operand(2, "value")?)?)),
    ("where", |c| ok(c.x()?.where_cond(c.tensor(1, "condition")?, c.operand(2, "other")?)?)),
    ("round", |c| match c.int_or(1, "decimals", 0)? {
        0 => ok(c.x()?.round()?),
        decimals => ok(c.x()?.round_decimals(decimals as i32)?),
    }),
    ("fill", |c| ok(c.x()?.copy()?.fill_(c.scalar(1, "value")?)?.clone())),
    ("zero_", |c| ok(c.x()?.copy()?.zero_()?.clone())),
    ("positive", |c| ok(c.x()?.clone())),
    ("resolve_conj", |c| ok(c.x()?.clone())),
    ("resolve_neg", |c| ok(c.x()?.clone())),
    ("clone", |c| {
        let copy = c.x()?.copy()?;
        ordered(c, copy)
    }),
    ("contiguous", |c| match c.memory_format()? {
        Some(format) => ok(c.x()?.contiguous_in(format)?),
        None => ok(c.x()?.contiguous()?),
    }),
    ("item", |c| ok(c.x()?.scalar()?)),
    ("to", |c| {
        // `to(device, dtype, …)`, `to(dtype, …)` or `to(other, …)`. `non_blocking` and `copy`, which come after, do not
        // change what a CPU tensor holds.
        let x = c.x()?;
        let (dtype, after) = match c.get(1, "device") {
            Some(Value::Dtype(_)) => (c.dtype_opt(1, "device")?, 2),
            Some(Value::Tensor(other)) => (Some(other.dtype()), 2),
            Some(Value::Str(device) | Value::Device(device)) if device != "cpu" => {
                return unsupported(format!("device {device}"));
            }
            _ => (c.dtype_opt(2, "dtype")?, 3),
        };
        c.flag(after, "non_blocking", false)?;
        c.flag(after + 1, "copy", false)?;
        ordered(c, x.to_dtype(dtype.unwrap_or(x.dtype()))?)
    }),
    ("bfloat16", |c| cast(c, DType::BF16)),
    ("bool", |c| cast(c, DType::Bool)),
    ("byte", |c| cast(c, DType::U8)),
    ("cdouble", |c| cast(c, DType::Complex128)),
    ("cfloat", |c| cast(c, DType::Complex64)),
    ("char", |c| cast(c, DType::I8)),
    ("double", |c| cast(c, DType::F64)),
    ("float", |c| cast(c, DType::F32)),
    ("half", |c| cast(c, DType::F16)),
    ("int", |c| cast(c, DType::I32)),
    ("long", |c| cast(c, DType::I64)),
    ("short", |c| cast(c, DType::I16)),
];

fn cast(c: &Call, dtype: DType) -> Outcome {
    ordered(c, c.x()?.to_dtype(dtype)?)
}

/// In the order of memory that is asked for.
fn ordered(c: &Call, x: Tensor) -> Outcome {
    match c.memory_format()? {
        Some(format) => {
            let x = x.to(format)?;
            assert!(x.is_contiguous_in(format), "strides {:?} of {format:?}", x.strides());
            ok(x)
        }
        None => ok(x),
    }
}

/// The other operand of `add` and `sub`, times `alpha` where that is given.
fn scaled_other(c: &Call) -> Result<Operand<'_>, Trouble> {
    let other = c.operand(1, "other")?;
    match c.scalar_opt(2, "alpha")? {
        None => Ok(other),
        Some(alpha) => Ok(other.to_tensor(c.x()?)?.mul(alpha)?.into()),
    }
}
