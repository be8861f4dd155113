//! `cvt`: between numbers of all types.

use super::Mods;
use super::alu::flush;
use super::floats::{Direction, directed, to_odd};
use crate::types::{Lane, Ty};
use half::{bf16, f16};

/// How a number between two others goes to one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    Near,
    /// Near, halves away from zero.
    Away,
    To(Direction),
}

/// A conversion.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cvt {
    pub to: Ty,
    pub from: Ty,
    rounding: Rounding,
    /// To a whole number.
    whole: bool,
    sat: bool,
    ftz: bool,
    relu: bool,
}

pub(super) fn decode(mods: &mut Mods<'_>) -> Result<Cvt, String> {
    let (sat, ftz, relu) = (mods.take("sat"), mods.take("ftz"), mods.take("relu"));
    let rounding = mods.any(&["rn", "rz", "rm", "rp", "rna", "rni", "rzi", "rmi", "rpi"]);
    let whole = rounding.is_some_and(|r| r.ends_with('i'));
    let rounding = match rounding {
        Some("rz" | "rzi") => Rounding::To(Direction::Zero),
        Some("rm" | "rmi") => Rounding::To(Direction::Down),
        Some("rp" | "rpi") => Rounding::To(Direction::Up),
        Some("rna") => Rounding::Away,
        _ => Rounding::Near,
    };
    let (to, from) = (mods.ty()?, mods.ty()?);
    let packed = matches!(to, Ty::F16x2 | Ty::BF16x2);
    let narrow = matches!(to, Ty::F16 | Ty::BF16) || packed;
    let known = match rounding {
        Rounding::Away => to == Ty::TF32,
        Rounding::Near => true,
        Rounding::To(_) => whole || to == Ty::F32 || narrow || !to.is_float(),
    };
    if !known || packed && from != Ty::F32 || to == Ty::Pred || from == Ty::Pred || relu && !narrow {
        return mods.unknown();
    }
    Ok(Cvt { to, from, rounding, whole, sat, ftz, relu })
}

impl Cvt {
    /// Two numbers in one register: the first goes to the high half.
    pub fn is_packed(&self) -> bool {
        matches!(self.to, Ty::F16x2 | Ty::BF16x2)
    }

    pub fn run2(&self, high: u64, low: u64) -> u64 {
        let to = if self.to == Ty::F16x2 { Ty::F16 } else { Ty::BF16 };
        let one = Cvt { to, ..*self };
        one.run(high) << 16 | one.run(low)
    }

    pub fn run(&self, bits: u64) -> u64 {
        let (to, from) = (self.to, self.from);
        if !from.is_float() {
            let x = from.integer(bits);
            return if to.is_float() { self.narrow_integer(x) } else { self.integer(x) };
        }
        let bits = if self.ftz && from == Ty::F32 { flush(bits) } else { bits };
        let x = from.float(bits);
        if !to.is_float() {
            return self.to_integer(x);
        }
        if to == from && !self.whole && !self.sat {
            return bits;
        }
        let x = if self.whole { self.to_whole(x) } else { x };
        let x = if self.sat { if x.is_nan() { 0.0 } else { x.clamp(0.0, 1.0) } } else { x };
        let x = if self.relu && !(x > 0.0) && !x.is_nan() { 0.0 } else { x };
        let out = self.narrow(x, 0.0);
        if self.ftz && to == Ty::F32 { flush(out) } else { out }
    }

    fn to_whole(&self, x: f64) -> f64 {
        match self.rounding {
            Rounding::Near => x.round_ties_even(),
            Rounding::Away => x.round(),
            Rounding::To(Direction::Zero) => x.trunc(),
            Rounding::To(Direction::Down) => x.floor(),
            Rounding::To(Direction::Up) => x.ceil(),
        }
    }

    /// From a number that is exact but for a rest.
    fn narrow(&self, x: f64, rest: f64) -> u64 {
        match (self.to, self.rounding) {
            (Ty::F64, _) => x.bits(),
            (Ty::F32, Rounding::To(to)) => directed(x, rest, to).bits(),
            (Ty::F32, _) => (x as f32).bits(),
            (Ty::TF32, Rounding::To(_)) => (x as f32).bits() & !0x1fff,
            // Half of the last place is added to the magnitude.
            (Ty::TF32, _) if x.is_finite() => ((x as f32).bits() + 0x1000) & !0x1fff,
            (Ty::TF32, _) => (x as f32).bits(),
            (Ty::F16, Rounding::To(Direction::Zero)) => {
                let near = f16::from_f32(to_odd(x, rest));
                let back = near.to_f64().abs() > x.abs() && !x.is_infinite();
                near.bits() - u64::from(back)
            }
            (Ty::BF16, Rounding::To(Direction::Zero)) => {
                if x.is_nan() {
                    0x7fff
                } else {
                    (directed(x, rest, Direction::Zero).to_bits() >> 16).into()
                }
            }
            (Ty::F16, _) => {
                if x.is_nan() {
                    0x7fff
                } else {
                    f16::from_f32(to_odd(x, rest)).bits()
                }
            }
            (_, _) => {
                if x.is_nan() {
                    0x7fff
                } else {
                    bf16::from_f32(to_odd(x, rest)).bits()
                }
            }
        }
    }

    fn narrow_integer(&self, x: i128) -> u64 {
        match (self.to, self.rounding) {
            (Ty::F32, Rounding::Near) => (x as f32).bits(),
            (Ty::F64, Rounding::Near) => (x as f64).bits(),
            _ => {
                // A number of 64 bits is its head and a rest.
                let head = x as f64;
                self.narrow(head, (x - head as i128) as f64)
            }
        }
    }

    fn limits(&self) -> (i128, i128) {
        let bits = self.to.bits();
        if self.to.is_signed() { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) }
    }

    fn integer(&self, x: i128) -> u64 {
        let (low, high) = self.limits();
        self.in_register(if self.sat { x.clamp(low, high) } else { x })
    }

    /// A register wider than the type holds the sign.
    fn in_register(&self, x: i128) -> u64 {
        let bits = self.to.cut(x as u64);
        if self.to.is_signed() && self.to.bits() < 32 { Ty::B32.cut(self.to.integer(bits) as u64) } else { bits }
    }

    /// Held in the limits, always; NaN gives 0, for 64 bits the highest bit.
    fn to_integer(&self, x: f64) -> u64 {
        if x.is_nan() {
            return if self.to.bits() == 64 { 1 << 63 } else { 0 };
        }
        let (low, high) = self.limits();
        let whole = self.to_whole(x);
        let x = if whole >= high as f64 {
            high
        } else if whole <= low as f64 {
            low
        } else {
            whole as i128
        };
        self.in_register(x)
    }
}
