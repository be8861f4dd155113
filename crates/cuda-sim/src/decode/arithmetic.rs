//! Arithmetic of integers.

use super::Mods;
use super::alu::{Fun, for_integer, one, three, two};
use crate::types::Ty;

/// What a machine gives for a division by zero is all ones, and the dividend as the rest.
trait Divide: Sized {
    fn divide(self, by: Self) -> Self;
    fn rest(self, by: Self) -> Self;
    /// The high half of the product.
    fn high(self, by: Self) -> Self;
    fn distance(self, from: Self, plus: u64) -> u64;
}

macro_rules! divide {
    ($($t:ty, $wide:ty;)*) => {$(
        impl Divide for $t {
            fn divide(self, by: Self) -> Self {
                if by == 0 { !0 } else { self.wrapping_div(by) }
            }
            fn rest(self, by: Self) -> Self {
                if by == 0 { self } else { self.wrapping_rem(by) }
            }
            fn high(self, by: Self) -> Self {
                ((self as $wide * by as $wide) >> <$t>::BITS) as $t
            }
            fn distance(self, from: Self, plus: u64) -> u64 {
                (self.abs_diff(from) as u64).wrapping_add(plus)
            }
        }
    )*};
}

divide! { u16, u32; i16, i32; u32, u64; i32, i64; u64, u128; i64, i128; }

pub(super) fn decode(name: &str, ty: Ty, mods: &mut Mods<'_>) -> Option<Fun> {
    match name {
        "add" => for_integer!(ty, T => two!(T, |x, y| x.wrapping_add(y))),
        "sub" => for_integer!(ty, T => two!(T, |x, y| x.wrapping_sub(y))),
        "mul" | "mad" => product(name, ty, mods),
        "mul24" | "mad24" => {
            let low = mods.take("lo");
            match (low, name, ty) {
                (true, "mul24", Ty::U32) => Some(two!(u32, |x, y| (x & 0xff_ffff).wrapping_mul(y & 0xff_ffff))),
                (true, "mul24", Ty::S32) => Some(two!(i32, |x, y| (x << 8 >> 8).wrapping_mul(y << 8 >> 8))),
                _ => None,
            }
        }
        "div" => for_integer!(ty, T => two!(T, |x, y| x.divide(y))),
        "rem" => for_integer!(ty, T => two!(T, |x, y| x.rest(y))),
        "min" => for_integer!(ty, T => two!(T, |x, y| x.min(y))),
        "max" => for_integer!(ty, T => two!(T, |x, y| x.max(y))),
        "neg" => for_integer!(ty, T => one!(T, |x| x.wrapping_neg())),
        "abs" => match ty {
            Ty::S16 => Some(one!(i16, |x| x.wrapping_abs())),
            Ty::S32 => Some(one!(i32, |x| x.wrapping_abs())),
            Ty::S64 => Some(one!(i64, |x| x.wrapping_abs())),
            _ => None,
        },
        "sad" => match ty {
            Ty::U32 => Some(three!(u32, u32, u64, |x, y, z| x.distance(y, z) as u32)),
            Ty::S32 => Some(three!(i32, i32, u64, |x, y, z| x.distance(y, z) as u32)),
            _ => None,
        },
        "dp4a" => dot(ty, mods),
        _ => None,
    }
}

/// `mul` and `mad`, of the low half, the high half, or both.
fn product(name: &str, ty: Ty, mods: &mut Mods<'_>) -> Option<Fun> {
    let add = name == "mad";
    match (mods.any(&["lo", "hi", "wide"])?, add) {
        ("lo", false) => for_integer!(ty, T => two!(T, |x, y| x.wrapping_mul(y))),
        ("lo", true) => for_integer!(ty, T => three!(T, T, T, |x, y, z| x.wrapping_mul(y).wrapping_add(z))),
        ("hi", false) => for_integer!(ty, T => two!(T, |x, y| x.high(y))),
        ("hi", true) => for_integer!(ty, T => three!(T, T, T, |x, y, z| x.high(y).wrapping_add(z))),
        (_, false) => match ty {
            Ty::U16 => Some(two!(u16, |x, y| u32::from(x) * u32::from(y))),
            Ty::S16 => Some(two!(i16, |x, y| i32::from(x) * i32::from(y))),
            Ty::U32 => Some(two!(u32, |x, y| u64::from(x) * u64::from(y))),
            Ty::S32 => Some(two!(i32, |x, y| i64::from(x) * i64::from(y))),
            _ => None,
        },
        (_, true) => match ty {
            Ty::U16 => Some(three!(u16, u16, u32, |x, y, z| (u32::from(x) * u32::from(y)).wrapping_add(z))),
            Ty::S16 => Some(three!(i16, i16, i32, |x, y, z| (i32::from(x) * i32::from(y)).wrapping_add(z))),
            Ty::U32 => Some(three!(u32, u32, u64, |x, y, z| (u64::from(x) * u64::from(y)).wrapping_add(z))),
            Ty::S32 => Some(three!(i32, i32, i64, |x, y, z| (i64::from(x) * i64::from(y)).wrapping_add(z))),
            _ => None,
        },
    }
}

/// `dp4a`: the dot product of four bytes, added.
fn dot(ty: Ty, mods: &mut Mods<'_>) -> Option<Fun> {
    match (ty, mods.ty().ok()?) {
        (Ty::U32, Ty::U32) => Some(three!(u32, u32, u32, |x, y, z| {
            let (x, y) = (x.to_le_bytes(), y.to_le_bytes());
            (0..4).fold(z, |sum, i| sum.wrapping_add(u32::from(x[i]) * u32::from(y[i])))
        })),
        (Ty::S32, Ty::S32) => Some(three!(u32, u32, i32, |x, y, z| {
            let (x, y) = (x.to_le_bytes(), y.to_le_bytes());
            (0..4).fold(z, |sum, i| sum.wrapping_add(i32::from(x[i] as i8) * i32::from(y[i] as i8)))
        })),
        _ => None,
    }
}
