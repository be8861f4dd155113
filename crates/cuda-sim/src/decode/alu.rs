//! Functions of each lane on its own, found once when a kernel is read.

use super::{Mods, arithmetic, floats, logic};
use crate::types::{Lane, Lanes, Ty, each};
use half::{bf16, f16};

/// A function of registers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fun {
    One(fn(&Lanes) -> Lanes),
    Two(fn(&Lanes, &Lanes) -> Lanes),
    Three(fn(&Lanes, &Lanes, &Lanes) -> Lanes),
    Four(fn(&Lanes, &Lanes, &Lanes, &Lanes) -> Lanes),
}

/// A function with what is done to what goes in and comes out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alu {
    pub fun: Fun,
    /// Numbers of 32 bits below the normal ones count as zero.
    pub ftz: bool,
    /// What comes out is held in 0 to 1.
    pub sat: bool,
}

macro_rules! one {
    ($t:ty, |$x:ident| $e:expr) => {
        $crate::decode::alu::Fun::One(|a| {
            $crate::types::each(|l| {
                let $x = <$t as $crate::types::Lane>::of(a[l]);
                $crate::types::Lane::bits($e)
            })
        })
    };
}
macro_rules! two {
    ($t:ty, |$x:ident, $y:ident| $e:expr) => {
        two!($t, $t, |$x, $y| $e)
    };
    ($t:ty, $u:ty, |$x:ident, $y:ident| $e:expr) => {
        $crate::decode::alu::Fun::Two(|a, b| {
            $crate::types::each(|l| {
                let ($x, $y) = (<$t as $crate::types::Lane>::of(a[l]), <$u as $crate::types::Lane>::of(b[l]));
                $crate::types::Lane::bits($e)
            })
        })
    };
}
macro_rules! three {
    ($t:ty, $u:ty, $v:ty, |$x:ident, $y:ident, $z:ident| $e:expr) => {
        $crate::decode::alu::Fun::Three(|a, b, c| {
            $crate::types::each(|l| {
                let ($x, $y) = (<$t as $crate::types::Lane>::of(a[l]), <$u as $crate::types::Lane>::of(b[l]));
                let $z = <$v as $crate::types::Lane>::of(c[l]);
                $crate::types::Lane::bits($e)
            })
        })
    };
}
macro_rules! four {
    ($t:ty, |$x:ident, $y:ident, $z:ident, $w:ident| $e:expr) => {
        $crate::decode::alu::Fun::Four(|a, b, c, d| {
            $crate::types::each(|l| {
                let ($x, $y) = (<$t as $crate::types::Lane>::of(a[l]), <$t as $crate::types::Lane>::of(b[l]));
                let ($z, $w) = (<u32 as $crate::types::Lane>::of(c[l]), <u32 as $crate::types::Lane>::of(d[l]));
                $crate::types::Lane::bits($e)
            })
        })
    };
}
/// `$e` for the integer type `T` that a [`Ty`] stands for; `None` for others.
macro_rules! for_integer {
    ($ty:expr, $T:ident => $e:expr) => {
        match $ty {
            Ty::U16 | Ty::B16 => {
                type $T = u16;
                Some($e)
            }
            Ty::S16 => {
                type $T = i16;
                Some($e)
            }
            Ty::U32 | Ty::B32 => {
                type $T = u32;
                Some($e)
            }
            Ty::S32 => {
                type $T = i32;
                Some($e)
            }
            Ty::U64 | Ty::B64 => {
                type $T = u64;
                Some($e)
            }
            Ty::S64 => {
                type $T = i64;
                Some($e)
            }
            _ => None,
        }
    };
}
/// The same for integers of 16, 32 and 64 bits without a sign.
macro_rules! for_bits {
    ($ty:expr, $T:ident => $e:expr) => {
        match $ty.size() {
            2 => { type $T = u16; Some($e) }
            4 => { type $T = u32; Some($e) }
            8 => { type $T = u64; Some($e) }
            _ => None,
        }
    };
}
pub(crate) use {for_bits, for_integer, four, one, three, two};

/// The function called `name`.
pub(crate) fn decode(name: &str, mods: &mut Mods<'_>, args: usize) -> Result<Alu, String> {
    let ftz = mods.take("ftz");
    let integer_sat = mods.take("sat");
    let ty = match name {
        "slct" | "set" => return mods.unknown(),
        _ => mods.ty()?,
    };
    let floating = ty.is_float() || matches!(ty, Ty::F16x2 | Ty::BF16x2);
    let fun = if integer_sat && !floating {
        logic::saturating(name, ty)
    } else if floating && !matches!(name, "selp") {
        floats::decode(name, ty, mods)
    } else {
        arithmetic::decode(name, ty, mods).or_else(|| logic::decode(name, ty, mods))
    };
    let Some(fun) = fun else { return mods.unknown() };
    let takes = match fun {
        Fun::One(_) => 1,
        Fun::Two(_) => 2,
        Fun::Three(_) => 3,
        Fun::Four(_) => 4,
    };
    // The approximations of 64 bits flush by themselves.
    let flushes = ty == Ty::F32 || ty == Ty::F64 && matches!(name, "rcp" | "rsqrt");
    if args != takes + 1 || ftz && !flushes || integer_sat && floating && ty != Ty::F32 {
        return mods.unknown();
    }
    Ok(Alu { fun, ftz: ftz && ty == Ty::F32, sat: integer_sat && floating })
}

/// Numbers below the normal ones, of 32 bits, as zero with their sign.
pub(crate) fn flush(bits: u64) -> u64 {
    if bits & 0x7f80_0000 == 0 { bits & 0x8000_0000 } else { bits }
}

/// Held in 0 to 1; NaN gives 0.
pub(crate) fn saturate(bits: u64) -> u64 {
    let x = f32::of(bits);
    if x.is_nan() { 0 } else { x.clamp(0.0, 1.0).bits() & 0x7fff_ffff }
}

impl Alu {
    pub fn finish(&self, mut lanes: Lanes) -> Lanes {
        if self.ftz {
            lanes = each(|l| flush(lanes[l]));
        }
        if self.sat {
            lanes = each(|l| saturate(lanes[l]));
        }
        lanes
    }
}

/// How a comparison joins with a predicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    And,
    Or,
    Xor,
}

/// `setp`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compare {
    pub fun: fn(&Lanes, &Lanes) -> Lanes,
    pub join: Option<Join>,
    pub ftz: bool,
}

fn ordering<T: Lane + PartialOrd>(how: &str) -> Option<fn(&Lanes, &Lanes) -> Lanes> {
    macro_rules! cmp {
        (|$x:ident, $y:ident| $e:expr) => {
            Some(|a, b| {
                each(|l| {
                    let ($x, $y) = (T::of(a[l]), T::of(b[l]));
                    u64::from($e)
                })
            })
        };
    }
    match how {
        "eq" => cmp!(|x, y| x == y),
        // Not equal is false where one is NaN.
        "ne" => cmp!(|x, y| x < y || x > y),
        "lt" | "lo" => cmp!(|x, y| x < y),
        "le" | "ls" => cmp!(|x, y| x <= y),
        "gt" | "hi" => cmp!(|x, y| x > y),
        "ge" | "hs" => cmp!(|x, y| x >= y),
        "equ" => cmp!(|x, y| !(x < y || x > y)),
        "neu" => cmp!(|x, y| x != y),
        "ltu" => cmp!(|x, y| !(x >= y)),
        "leu" => cmp!(|x, y| !(x > y)),
        "gtu" => cmp!(|x, y| !(x <= y)),
        "geu" => cmp!(|x, y| !(x < y)),
        "num" => cmp!(|x, y| x.partial_cmp(&y).is_some()),
        "nan" => cmp!(|x, y| x.partial_cmp(&y).is_none()),
        _ => None,
    }
}

pub(crate) fn compare(mods: &mut Mods<'_>) -> Result<Compare, String> {
    let ftz = mods.take("ftz");
    let join = mods.any(&["and", "or", "xor"]).map(|join| match join {
        "and" => Join::And,
        "or" => Join::Or,
        _ => Join::Xor,
    });
    let (integer, floating) = (
        &["eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs"],
        &["equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"],
    );
    let how = mods.any(integer).or_else(|| mods.any(floating));
    let ty = mods.ty()?;
    let Some(how) = how.filter(|how| ty.is_float() || !floating.contains(how)) else { return mods.unknown() };
    let unsigned = matches!(how, "lo" | "ls" | "hi" | "hs");
    let fun = match ty {
        Ty::F32 => ordering::<f32>(how),
        Ty::F64 => ordering::<f64>(how),
        Ty::F16 => ordering::<f16>(how),
        Ty::BF16 => ordering::<bf16>(how),
        _ if unsigned => for_bits!(ty, T => ordering::<T>(how)).flatten(),
        _ => for_integer!(ty, T => ordering::<T>(how)).flatten(),
    };
    match fun {
        Some(fun) => Ok(Compare { fun, join, ftz }),
        None => mods.unknown(),
    }
}

/// An instruction that takes or leaves a carry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carry {
    pub what: Sum,
    pub ty: Ty,
    pub takes: bool,
    pub leaves: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sum {
    Add,
    Sub,
    /// A product added: its low or its high half.
    Mad {
        high: bool,
    },
}

pub(crate) fn carry(base: &str, mods: &mut Mods<'_>) -> Result<Carry, String> {
    let half = mods.any(&["lo", "hi"]);
    let what = match (base, half) {
        ("add" | "addc", None) => Sum::Add,
        ("sub" | "subc", None) => Sum::Sub,
        ("mad" | "madc", Some(half)) => Sum::Mad { high: half == "hi" },
        _ => return mods.unknown(),
    };
    let (leaves, ty) = (mods.take("cc"), mods.ty()?);
    if !matches!(ty.bits(), 32 | 64) || ty.is_float() {
        return mods.unknown();
    }
    Ok(Carry { what, ty, takes: base.ends_with('c'), leaves })
}

impl Carry {
    /// What comes out, and the carry.
    pub fn run(&self, a: u64, b: u64, c: u64, carry: bool) -> (u64, bool) {
        let (ty, carry) = (self.ty, u128::from(carry && self.takes));
        let wide = |x: u64| u128::from(ty.cut(x));
        let (sum, bits) = (|x: u128, y: u128| x + y + carry, ty.bits());
        match self.what {
            Sum::Add => {
                let sum = sum(wide(a), wide(b));
                (ty.cut(sum as u64), sum >> bits != 0)
            }
            Sum::Sub => {
                let taken = wide(b) + carry;
                (ty.cut(wide(a).wrapping_sub(taken) as u64), wide(a) < taken)
            }
            Sum::Mad { high } => {
                let product = ty.integer(a).wrapping_mul(ty.integer(b)) as u128;
                let half = if high { product >> bits } else { product };
                let sum = sum(wide(half as u64), wide(c));
                (ty.cut(sum as u64), sum >> bits != 0)
            }
        }
    }
}
