//! Bits: logic, shifts, fields, bytes; and choices.

use super::Mods;
use super::alu::{Fun, for_bits, for_integer, four, one, three, two};
use crate::types::Ty;

/// `add.sat.s32` and `sub.sat.s32`.
pub(super) fn saturating(name: &str, ty: Ty) -> Option<Fun> {
    match (name, ty) {
        ("add", Ty::S32) => Some(two!(i32, |x, y| x.saturating_add(y))),
        ("sub", Ty::S32) => Some(two!(i32, |x, y| x.saturating_sub(y))),
        _ => None,
    }
}

/// So many low bits.
fn ones(count: u32) -> u64 {
    if count >= 64 { !0 } else { (1 << count) - 1 }
}

fn field(x: u64, width: u32, signed: bool, position: u32, length: u32) -> u64 {
    let (position, length) = (position & 0xff, length & 0xff);
    let bits = x.checked_shr(position).unwrap_or(0) & ones(length);
    if !signed || length == 0 {
        return bits;
    }
    // The sign is the field's highest bit, or the word's where the field goes beyond.
    let top = (position + length - 1).min(width - 1);
    let negative = x >> top & 1 == 1;
    let known = (top + 1).saturating_sub(position);
    if negative { bits | !ones(known) } else { bits & ones(known) }
}

fn bytes(x: u32, y: u32, selector: u32) -> u32 {
    let all = u64::from(x) | u64::from(y) << 32;
    (0..4).fold(0, |out, i| {
        let choice = selector >> (4 * i) & 15;
        let byte = (all >> (8 * (choice & 7))) as u8;
        let byte = if choice & 8 == 0 { byte } else { ((byte as i8) >> 7) as u8 };
        out | u32::from(byte) << (8 * i)
    })
}

pub(super) fn decode(name: &str, ty: Ty, mods: &mut Mods<'_>) -> Option<Fun> {
    match name {
        "and" | "or" | "xor" | "not" if ty == Ty::Pred => Some(match name {
            "and" => two!(bool, |x, y| x & y),
            "or" => two!(bool, |x, y| x | y),
            "xor" => two!(bool, |x, y| x ^ y),
            _ => one!(bool, |x| !x),
        }),
        "and" => for_bits!(ty, T => two!(T, |x, y| x & y)),
        "or" => for_bits!(ty, T => two!(T, |x, y| x | y)),
        "xor" => for_bits!(ty, T => two!(T, |x, y| x ^ y)),
        "not" => for_bits!(ty, T => one!(T, |x| !x)),
        "cnot" => for_bits!(ty, T => one!(T, |x| T::from(x == 0))),
        "lop3" => None,
        "shl" => for_bits!(ty, T => two!(T, u32, |x, n| x.checked_shl(n).unwrap_or(0))),
        // Beyond the width: the sign, or nothing.
        "shr" => {
            for_integer!(ty, T => two!(T, u32, |x, n| x.checked_shr(n).unwrap_or(x >> (T::BITS - 1) >> 1)))
        }
        "shf" => {
            let (left, wrap) = (mods.any(&["l", "r"])? == "l", mods.any(&["wrap", "clamp"])? == "wrap");
            Some(match (left, wrap) {
                (true, true) => {
                    three!(u32, u32, u32, |lo, hi, n| ((u64::from(hi) << 32 | u64::from(lo)) << (n & 31) >> 32) as u32)
                }
                (true, false) => three!(u32, u32, u32, |lo, hi, n| (u128::from(u64::from(hi) << 32 | u64::from(lo))
                    << n.min(32)
                    >> 32) as u32),
                (false, true) => {
                    three!(u32, u32, u32, |lo, hi, n| ((u64::from(hi) << 32 | u64::from(lo)) >> (n & 31)) as u32)
                }
                (false, false) => {
                    three!(u32, u32, u32, |lo, hi, n| ((u64::from(hi) << 32 | u64::from(lo)) >> n.min(32)) as u32)
                }
            })
        }
        "selp" => Some(three!(u64, u64, bool, |x, y, p| if p { x } else { y })),
        "bfe" => match ty {
            Ty::U32 => Some(three!(u32, u32, u32, |x, p, n| field(x.into(), 32, false, p, n) as u32)),
            Ty::S32 => Some(three!(u32, u32, u32, |x, p, n| field(x.into(), 32, true, p, n) as u32)),
            Ty::U64 => Some(three!(u64, u32, u32, |x, p, n| field(x, 64, false, p, n))),
            Ty::S64 => Some(three!(u64, u32, u32, |x, p, n| field(x, 64, true, p, n))),
            _ => None,
        },
        "bfi" => for_bits!(ty, T => four!(T, |x, y, p, n| {
            let mask = ones(n & 0xff).checked_shl(p & 0xff).unwrap_or(0);
            (u64::from(y) & !mask | u64::from(x).checked_shl(p & 0xff).unwrap_or(0) & mask) as T
        })),
        "bmsk" => {
            let wraps = mods.any(&["wrap", "clamp"])? == "wrap";
            Some(if wraps {
                two!(u32, |p, n| (ones(n & 31) << (p & 31)) as u32)
            } else {
                two!(u32, |p, n| ones(n.min(32)).checked_shl(p.min(32)).unwrap_or(0) as u32)
            })
        }
        "clz" => for_bits!(ty, T => one!(T, |x| x.leading_zeros())),
        "popc" => for_bits!(ty, T => one!(T, |x| x.count_ones())),
        "brev" => for_bits!(ty, T => one!(T, |x| x.reverse_bits())),
        "bfind" => {
            let shift = mods.take("shiftamt");
            match (ty, shift) {
                (Ty::U32, false) => Some(one!(u32, |x| x.checked_ilog2().unwrap_or(!0))),
                (Ty::S32, false) => Some(one!(i32, |x| ((x ^ x >> 31) as u32).checked_ilog2().unwrap_or(!0))),
                (Ty::U64, false) => Some(one!(u64, |x| x.checked_ilog2().unwrap_or(!0))),
                (Ty::U32, true) => Some(one!(u32, |x| x.checked_ilog2().map_or(!0, |n| 31 - n))),
                _ => None,
            }
        }
        "prmt" => (ty == Ty::B32).then(|| three!(u32, u32, u32, |x, y, s| bytes(x, y, s))),
        "vshr" => {
            // Scalar video instruction in the one form that block sorts use: shift right, clamped or wrapped, add.
            let (_, _, wraps) = (mods.ty().ok()?, mods.ty().ok()?, mods.any(&["wrap", "clamp"])? == "wrap");
            let adds = mods.take("add");
            (ty == Ty::U32 && adds).then(|| {
                if wraps {
                    three!(u32, u32, u32, |x, n, z| (x >> (n & 31)).wrapping_add(z))
                } else {
                    three!(u32, u32, u32, |x, n, z| x.checked_shr(n).unwrap_or(0).wrapping_add(z))
                }
            })
        }
        _ => None,
    }
}
