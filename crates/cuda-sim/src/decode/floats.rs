//! Arithmetic of floating-point numbers.
//!
//! Approximations (`.approx`) are the host's functions, which are better: compare what comes of them with a tolerance.

use super::Mods;
use super::alu::{Fun, one, three, two};
use crate::types::{Lane, Ty};
use half::{bf16, f16};

/// `x` plus a rest that is smaller than its last place, as the number of 32 bits next to it that keeps in its last bit
/// that something was lost: rounding that once more gives what rounding once would have.
pub(crate) fn to_odd(x: f64, rest: f64) -> f32 {
    let near = x as f32;
    if !near.is_finite() && x.is_finite() || near.is_nan() || x.is_infinite() {
        return if x.is_nan() || x.is_infinite() { near } else { f32::MAX.copysign(near) };
    }
    let lost = (x - f64::from(near)) + rest;
    if lost == 0.0 {
        return near;
    }
    // Toward zero, then the last bit set.
    let beyond = (lost < 0.0) == (near > 0.0) && near != 0.0;
    let bits = if near == 0.0 { 0 } else { near.to_bits() - u32::from(beyond) };
    let odd = f32::from_bits(bits | 1);
    if near == 0.0 && lost < 0.0 { -odd } else { odd }
}

/// The product and what is added, and what the sum lost: exact.
fn fma_parts(x: f32, y: f32, z: f32) -> (f64, f64) {
    sum_parts(f64::from(x) * f64::from(y), f64::from(z))
}

fn sum_parts(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    if !sum.is_finite() {
        return (sum, 0.0);
    }
    let other = sum - a;
    (sum, (a - (sum - other)) + (b - other))
}

/// Where a result between two numbers goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Zero,
    Down,
    Up,
}

/// `x` plus a rest that is smaller than its last place, rounded in a direction.
pub(crate) fn directed(x: f64, rest: f64, to: Direction) -> f32 {
    let near = x as f32;
    if x.is_nan() || x.is_infinite() {
        return near;
    }
    let lost = if near.is_infinite() { -f64::from(near.signum()) } else { (x - f64::from(near)) + rest };
    let down = match to {
        Direction::Down => true,
        Direction::Up => false,
        Direction::Zero => x > 0.0,
    };
    if lost < 0.0 && down {
        near.next_down()
    } else if lost > 0.0 && !down {
        near.next_up()
    } else {
        near
    }
}

/// The smaller, as PTX has it: a NaN gives way to a number, and -0 lies below +0.
macro_rules! least {
    ($x:expr, $y:expr) => {
        match ($x, $y) {
            (x, y) if x.is_nan() => {
                if y.is_nan() {
                    canonical(y)
                } else {
                    y
                }
            }
            (x, y) if y.is_nan() => x,
            (x, y) if x == y => {
                if x.is_sign_negative() {
                    x
                } else {
                    y
                }
            }
            (x, y) => {
                if x < y {
                    x
                } else {
                    y
                }
            }
        }
    };
}
macro_rules! greatest {
    ($x:expr, $y:expr) => {
        match ($x, $y) {
            (x, y) if x.is_nan() => {
                if y.is_nan() {
                    canonical(y)
                } else {
                    y
                }
            }
            (x, y) if y.is_nan() => x,
            (x, y) if x == y => {
                if x.is_sign_negative() {
                    y
                } else {
                    x
                }
            }
            (x, y) => {
                if x > y {
                    x
                } else {
                    y
                }
            }
        }
    };
}

trait Canonical {
    /// The NaN that the machine gives.
    const NAN: Self;
}
impl Canonical for f32 {
    const NAN: f32 = f32::from_bits(0x7fff_ffff);
}
impl Canonical for f64 {
    const NAN: f64 = f64::from_bits(0x7fff_ffff_ffff_ffff);
}
impl Canonical for f16 {
    const NAN: f16 = f16::from_bits(0x7fff);
}
impl Canonical for bf16 {
    const NAN: bf16 = bf16::from_bits(0x7fff);
}
fn canonical<T: Canonical>(_: T) -> T {
    T::NAN
}

/// Numbers of 16 bits compute in 32, which rounds twice to what rounding once gives; a product with a sum keeps what it
/// lost.
trait Half: Lane + Canonical {
    fn wide(self) -> f32;
    fn narrow(x: f32) -> Self;
    fn fma(self, y: Self, z: Self) -> Self {
        let (sum, rest) = fma_parts(self.wide(), y.wide(), z.wide());
        Self::narrow(to_odd(sum, rest))
    }
}
impl Half for f16 {
    fn wide(self) -> f32 {
        self.to_f32()
    }
    fn narrow(x: f32) -> f16 {
        f16::from_f32(x)
    }
}
impl Half for bf16 {
    fn wide(self) -> f32 {
        self.to_f32()
    }
    fn narrow(x: f32) -> bf16 {
        bf16::from_f32(x)
    }
}

fn pair1<T: Half>(x: u32, f: impl Fn(T) -> T) -> u32 {
    (f(T::of((x & 0xffff).into())).bits() | f(T::of((x >> 16).into())).bits() << 16) as u32
}
fn pair2<T: Half>(x: u32, y: u32, f: impl Fn(T, T) -> T) -> u32 {
    let at = |x: u32, i: u32| T::of((x >> (16 * i) & 0xffff).into());
    (f(at(x, 0), at(y, 0)).bits() | f(at(x, 1), at(y, 1)).bits() << 16) as u32
}
fn pair3<T: Half>(x: u32, y: u32, z: u32, f: impl Fn(T, T, T) -> T) -> u32 {
    let at = |x: u32, i: u32| T::of((x >> (16 * i) & 0xffff).into());
    (f(at(x, 0), at(y, 0), at(z, 0)).bits() | f(at(x, 1), at(y, 1), at(z, 1)).bits() << 16) as u32
}

pub(super) fn decode(name: &str, ty: Ty, mods: &mut Mods<'_>) -> Option<Fun> {
    match ty {
        Ty::F32 => single(name, mods),
        Ty::F64 => double(name, mods),
        Ty::F16 => half::<f16>(name, mods),
        Ty::BF16 => half::<bf16>(name, mods),
        Ty::F16x2 => halves::<f16>(name, mods),
        Ty::BF16x2 => halves::<bf16>(name, mods),
        _ => None,
    }
}

fn single(name: &str, mods: &mut Mods<'_>) -> Option<Fun> {
    use Direction::{Down, Up, Zero};
    let rounding = mods.any(&["rn", "rz", "rm", "rp", "approx", "full"]);
    // What is exact or approximate has no other rounding.
    let plain = matches!(rounding, None | Some("rn" | "approx" | "full"));
    let nan = mods.take("NaN");
    macro_rules! rounded {
        (|$($x:ident),*| $near:expr, $parts:expr) => {
            match rounding {
                None | Some("rn") => rounded!(@ |$($x),*| $near),
                Some("rz") => rounded!(@ |$($x),*| { let (s, r) = $parts; directed(s, r, Zero) }),
                Some("rm") => rounded!(@ |$($x),*| { let (s, r) = $parts; directed(s, r, Down) }),
                Some("rp") => rounded!(@ |$($x),*| { let (s, r) = $parts; directed(s, r, Up) }),
                _ => return None,
            }
        };
        (@ |$x:ident, $y:ident| $e:expr) => { two!(f32, |$x, $y| $e) };
        (@ |$x:ident, $y:ident, $z:ident| $e:expr) => { three!(f32, f32, f32, |$x, $y, $z| $e) };
    }
    Some(match name {
        "add" => rounded!(|x, y| x + y, sum_parts(f64::from(x), f64::from(y))),
        "sub" => rounded!(|x, y| x - y, sum_parts(f64::from(x), -f64::from(y))),
        "mul" => rounded!(|x, y| x * y, (f64::from(x) * f64::from(y), 0.0)),
        "fma" | "mad" => rounded!(|x, y, z| x.mul_add(y, z), fma_parts(x, y, z)),
        _ if !plain => return None,
        "div" => two!(f32, |x, y| x / y),
        "rcp" => one!(f32, |x| 1.0 / x),
        "sqrt" => one!(f32, |x| x.sqrt()),
        "rsqrt" => one!(f32, |x| (1.0 / f64::from(x).sqrt()) as f32),
        "ex2" => one!(f32, |x| f64::from(x).exp2() as f32),
        "lg2" => one!(f32, |x| f64::from(x).log2() as f32),
        "sin" => one!(f32, |x| f64::from(x).sin() as f32),
        "cos" => one!(f32, |x| f64::from(x).cos() as f32),
        "tanh" => one!(f32, |x| f64::from(x).tanh() as f32),
        "neg" => one!(f32, |x| -x),
        "abs" => one!(f32, |x| x.abs()),
        // The sign of the first.
        "copysign" => two!(f32, |x, y| y.copysign(x)),
        "min" if nan => two!(f32, |x, y| if x.is_nan() || y.is_nan() { <f32 as Canonical>::NAN } else { least!(x, y) }),
        "max" if nan => {
            two!(f32, |x, y| if x.is_nan() || y.is_nan() { <f32 as Canonical>::NAN } else { greatest!(x, y) })
        }
        "min" => two!(f32, |x, y| least!(x, y)),
        "max" => two!(f32, |x, y| greatest!(x, y)),
        _ => return None,
    })
}

fn double(name: &str, mods: &mut Mods<'_>) -> Option<Fun> {
    let rounding = mods.any(&["rn", "rz", "rm", "rp", "approx"]);
    if !matches!(rounding, None | Some("rn")) && !matches!((name, rounding), ("rcp" | "rsqrt", Some("approx"))) {
        return None;
    }
    Some(match name {
        "add" => two!(f64, |x, y| x + y),
        "sub" => two!(f64, |x, y| x - y),
        "mul" => two!(f64, |x, y| x * y),
        "fma" | "mad" => three!(f64, f64, f64, |x, y, z| x.mul_add(y, z)),
        "div" => two!(f64, |x, y| x / y),
        // The approximations know the high half of the word alone, and take numbers below the normal ones for zero.
        "rcp" if rounding == Some("approx") => one!(f64, |x| coarse(1.0 / normal(x))),
        "rsqrt" if rounding == Some("approx") => one!(f64, |x| coarse(1.0 / normal(x).sqrt())),
        "rcp" => one!(f64, |x| 1.0 / x),
        "sqrt" => one!(f64, |x| x.sqrt()),
        "neg" => one!(f64, |x| -x),
        "abs" => one!(f64, |x| x.abs()),
        "copysign" => two!(f64, |x, y| y.copysign(x)),
        "min" => two!(f64, |x, y| least!(x, y)),
        "max" => two!(f64, |x, y| greatest!(x, y)),
        _ => return None,
    })
}

fn coarse(x: f64) -> f64 {
    normal(f64::from_bits(x.to_bits() & !0xffff_ffff))
}

fn normal(x: f64) -> f64 {
    if x.is_subnormal() { 0f64.copysign(x) } else { x }
}

fn half<T: Half>(name: &str, mods: &mut Mods<'_>) -> Option<Fun> {
    if mods.any(&["rn", "approx"]).is_none() && matches!(name, "fma" | "tanh" | "ex2") {
        return None;
    }
    let nan = mods.take("NaN");
    Some(match name {
        "add" => two!(T, |x, y| T::narrow(x.wide() + y.wide())),
        "sub" => two!(T, |x, y| T::narrow(x.wide() - y.wide())),
        "mul" => two!(T, |x, y| T::narrow(x.wide() * y.wide())),
        "fma" if mods.take("relu") => three!(T, T, T, |x, y, z| T::narrow(greatest!(x.fma(y, z).wide(), 0f32))),
        "fma" => three!(T, T, T, |x, y, z| x.fma(y, z)),
        "neg" => one!(T, |x| T::of(x.bits() ^ 0x8000)),
        "abs" => one!(T, |x| T::of(x.bits() & 0x7fff)),
        "min" if nan => two!(T, |x, y| if x.wide().is_nan() || y.wide().is_nan() {
            T::NAN
        } else {
            T::narrow(least!(x.wide(), y.wide()))
        }),
        "max" if nan => two!(T, |x, y| if x.wide().is_nan() || y.wide().is_nan() {
            T::NAN
        } else {
            T::narrow(greatest!(x.wide(), y.wide()))
        }),
        "min" => two!(T, |x, y| T::narrow(least!(x.wide(), y.wide()))),
        "max" => two!(T, |x, y| T::narrow(greatest!(x.wide(), y.wide()))),
        "tanh" => one!(T, |x| T::narrow(x.wide().tanh())),
        "ex2" => one!(T, |x| T::narrow(x.wide().exp2())),
        _ => return None,
    })
}

fn halves<T: Half>(name: &str, mods: &mut Mods<'_>) -> Option<Fun> {
    mods.any(&["rn", "approx"]);
    let nan = mods.take("NaN");
    Some(match name {
        "add" => two!(u32, |x, y| pair2::<T>(x, y, |x, y| T::narrow(x.wide() + y.wide()))),
        "sub" => two!(u32, |x, y| pair2::<T>(x, y, |x, y| T::narrow(x.wide() - y.wide()))),
        "mul" => two!(u32, |x, y| pair2::<T>(x, y, |x, y| T::narrow(x.wide() * y.wide()))),
        "fma" => three!(u32, u32, u32, |x, y, z| pair3::<T>(x, y, z, |x, y, z| x.fma(y, z))),
        "neg" => one!(u32, |x| x ^ 0x8000_8000),
        "abs" => one!(u32, |x| x & 0x7fff_7fff),
        "min" if !nan => two!(u32, |x, y| pair2::<T>(x, y, |x, y| T::narrow(least!(x.wide(), y.wide())))),
        "max" if !nan => two!(u32, |x, y| pair2::<T>(x, y, |x, y| T::narrow(greatest!(x.wide(), y.wide())))),
        "tanh" => one!(u32, |x| pair1::<T>(x, |x| T::narrow(x.wide().tanh()))),
        "ex2" => one!(u32, |x| pair1::<T>(x, |x| T::narrow(x.wide().exp2()))),
        _ => return None,
    })
}
