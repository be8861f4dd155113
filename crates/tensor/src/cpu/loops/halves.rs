//! Conversions between `f32` and its halves: the one place for elementwise ops, products and pooling.
//!
//! Slices of `f16` are converted by the processor's instructions where it has them ([`widen`], [`narrow`]). The
//! functions for one number have no branches, so that loops around them become vector code. Values and rounding
//! (to the nearest, ties to even) are those of `half`; what is not a number becomes PyTorch's one, `0x7e00` or
//! `0x7fc0`. Source of the way to `f16`: F. Giesen, "float→half variants".

use super::par;
use crate::DType;
use half::{bf16, f16};

/// What is left of `x` in `dtype`, where that is of half precision.
#[inline(always)]
pub(crate) fn rounded(dtype: DType, x: f32) -> f32 {
    match dtype {
        DType::F16 => f16_to_f32(f32_to_f16(x)),
        DType::BF16 => bf16_to_f32(f32_to_bf16(x)),
        _ => x,
    }
}

/// Exactly, number by number; both slices have one length.
pub(crate) fn widen(from: &[f16], to: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if from.len() >= x86::WIDTH && x86::is_there() {
        // SAFETY: the machine has the instructions.
        return unsafe { x86::widen(from, to) };
    }
    par::simd(
        #[inline(always)]
        || {
            for (to, from) in to.iter_mut().zip(from) {
                *to = f16_to_f32(*from);
            }
        },
    );
}

/// To the nearest, number by number; both slices have one length.
pub(crate) fn narrow(from: &[f32], to: &mut [f16]) {
    #[cfg(target_arch = "x86_64")]
    if from.len() >= x86::WIDTH && x86::is_there() {
        // SAFETY: the machine has the instructions.
        return unsafe { x86::narrow(from, to) };
    }
    par::simd(
        #[inline(always)]
        || {
            for (to, from) in to.iter_mut().zip(from) {
                *to = f32_to_f16(*from);
            }
        },
    );
}

/// Conversion by the instructions of F16C. The last, partial register begins earlier, over what is done already.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use half::f16;
    use std::arch::x86_64::*;

    pub(in crate::cpu) const WIDTH: usize = 8;

    pub(in crate::cpu) fn is_there() -> bool {
        is_x86_feature_detected!("f16c") && is_x86_feature_detected!("avx")
    }

    /// Calls `f` with the start of each register, the last one so that it ends with the slice.
    #[inline(always)]
    fn starts(n: usize, mut f: impl FnMut(usize)) {
        (0..n / WIDTH).for_each(|i| f(i * WIDTH));
        if n % WIDTH > 0 {
            f(n - WIDTH);
        }
    }

    /// # Safety
    /// The machine has AVX and F16C.
    #[target_feature(enable = "avx,f16c")]
    pub(in crate::cpu) unsafe fn widen(from: &[f16], to: &mut [f32]) {
        assert!(from.len() == to.len() && from.len() >= WIDTH);
        let (src, dst) = (from.as_ptr(), to.as_mut_ptr());
        starts(
            from.len(),
            #[inline(always)]
            |i| {
                // SAFETY: eight numbers from `i` on lie inside both slices.
                unsafe { _mm256_storeu_ps(dst.add(i), _mm256_cvtph_ps(_mm_loadu_si128(src.add(i).cast()))) };
            },
        );
    }

    /// # Safety
    /// The machine has AVX and F16C.
    #[target_feature(enable = "avx,f16c")]
    pub(in crate::cpu) unsafe fn narrow(from: &[f32], to: &mut [f16]) {
        assert!(from.len() == to.len() && from.len() >= WIDTH);
        let (src, dst) = (from.as_ptr(), to.as_mut_ptr());
        let not_a_number = _mm256_set1_ps(f32::NAN);
        starts(
            from.len(),
            #[inline(always)]
            |i| {
                // SAFETY: eight numbers from `i` on lie inside both slices.
                unsafe {
                    let x = _mm256_loadu_ps(src.add(i));
                    // One form of what is not a number, with its sign.
                    let odd = _mm256_or_ps(not_a_number, _mm256_and_ps(x, _mm256_set1_ps(-0.0)));
                    let x = _mm256_blendv_ps(x, odd, _mm256_cmp_ps::<_CMP_UNORD_Q>(x, x));
                    let half = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(x);
                    _mm_storeu_si128(dst.add(i).cast(), half);
                }
            },
        );
    }
}

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
    fn slices_are_converted_as_their_numbers() {
        let all: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
        for halves in [&all[..], &all[..7], &all[5..16], &all[3..12]] {
            let mut wide = vec![0.0; halves.len()];
            widen(halves, &mut wide);
            let number = |x: f32| if x.is_nan() { 0 } else { x.to_bits() };
            assert!(wide.iter().zip(halves).all(|(x, h)| number(*x) == number(f16_to_f32(*h))));
            // Between two halves, and on them.
            for shift in [1.0, 1.0 + 1e-4, 1.0 + 4.8828125e-4] {
                let from: Vec<f32> = wide.iter().map(|x| x * shift).collect();
                let mut back = vec![f16::ZERO; from.len()];
                narrow(&from, &mut back);
                assert!(back.iter().zip(&from).all(|(h, x)| h.to_bits() == f32_to_f16(*x).to_bits()));
            }
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
