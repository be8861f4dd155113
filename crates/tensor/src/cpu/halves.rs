//! Conversions between `f32` and its halves, without branches: loops around them become vector code.
//!
//! Values and rounding (to the nearest, ties to even) are those of `half`; what is not a number becomes
//! PyTorch's one, `0x7e00` or `0x7fc0`. Source of the way to `f16`: F. Giesen, "float→half variants".

use half::{bf16, f16};

/// Exactly.
#[inline(always)]
pub(crate) fn f16_to_f32(x: f16) -> f32 {
    let bits = u32::from(x.to_bits());
    let sign = (bits & 0x8000) << 16;
    let rest = (bits & 0x7fff) << 13;
    // The exponent's other bias, by a multiplication, which is right for subnormal numbers, too.
    let finite = (f32::from_bits(rest) * f32::from_bits(0x7780_0000)).to_bits();
    let bits = if bits & 0x7c00 == 0x7c00 { rest | 0x7f80_0000 } else { finite };
    f32::from_bits(sign | bits)
}

/// To the nearest.
#[inline(always)]
pub(crate) fn f32_to_f16(x: f32) -> f16 {
    const HALF: u32 = 0x3f00_0000;
    let bits = x.to_bits();
    let (sign, rest) = (bits >> 16 & 0x8000, bits & 0x7fff_ffff);
    // The other bias, and what rounds to even; a carry goes into the exponent.
    let normal = rest.wrapping_add(0xc800_0fff).wrapping_add(rest >> 13 & 1) >> 13;
    // The addition rounds at the place of a subnormal's last bit.
    let subnormal = (f32::from_bits(rest) + f32::from_bits(HALF)).to_bits().wrapping_sub(HALF);
    let beyond = if rest > 0x7f80_0000 { 0x7e00 } else { 0x7c00 };
    let small = if rest < 0x3880_0000 { subnormal } else { normal };
    let all = if rest >= 0x4780_0000 { beyond } else { small };
    f16::from_bits((sign | all) as u16)
}

/// Exactly.
#[inline(always)]
pub(crate) fn bf16_to_f32(x: bf16) -> f32 {
    f32::from_bits(u32::from(x.to_bits()) << 16)
}

/// To the nearest.
#[inline(always)]
pub(crate) fn f32_to_bf16(x: f32) -> bf16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff).wrapping_add(bits >> 16 & 1) >> 16;
    bf16::from_bits(if x.is_nan() { 0x7fc0 } else { rounded as u16 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_widens_as_it_should_and_comes_back() {
        for bits in 0..=u16::MAX {
            let (h, b) = (f16::from_bits(bits), bf16::from_bits(bits));
            assert!(f16_to_f32(h) == h.to_f32() || h.is_nan() && f16_to_f32(h).is_nan(), "{bits:#x}");
            assert!(bf16_to_f32(b) == b.to_f32() || b.is_nan() && bf16_to_f32(b).is_nan(), "{bits:#x}");
            assert!(f32_to_f16(h.to_f32()) == h || h.is_nan(), "{bits:#x}");
            assert!(f32_to_bf16(b.to_f32()) == b || b.is_nan(), "{bits:#x}");
        }
    }

    #[test]
    fn numbers_round_as_in_half() {
        // Every exponent; mantissas around each place where rounding turns, and a spread of others.
        let around = (0..1 << 23).step_by(1 << 11).flat_map(|m: u32| [m.wrapping_sub(1), m, m + 1]);
        let mantissas: Vec<u32> = around.chain((0..1 << 23).step_by(7919)).map(|m| m & 0x7f_ffff).collect();
        for top in 0..1u32 << 9 {
            for m in &mantissas {
                let x = f32::from_bits(top << 23 | m);
                let (h, b) = (f32_to_f16(x), f32_to_bf16(x));
                if x.is_nan() {
                    assert!(h.to_bits() & 0x7fff == 0x7e00 && b.to_bits() == 0x7fc0, "{:#x}", x.to_bits());
                } else {
                    assert_eq!(h.to_bits(), f16::from_f32(x).to_bits(), "{x:e} ({:#x})", x.to_bits());
                    assert_eq!(b.to_bits(), bf16::from_f32(x).to_bits(), "{x:e} ({:#x})", x.to_bits());
                }
            }
        }
    }
}
