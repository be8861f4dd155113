//! The kernel of a step by a formula: block by block, each instruction a loop over numbers that stay in the first-level
//! cache. What is read of a list is read where it lies, and registers that are no longer needed are used again, so that
//! few numbers are moved beside those that are computed.

use super::{Element, Piece, Real, for_pieces, simd};
use crate::cpu::{Dst, Src};
use crate::ops::{PointwiseStep, StepInstruction};

/// Numbers that an instruction makes at a time: so few that all of a formula stay in the first-level cache.
const BLOCK: usize = 128;

/// Numbers of a register, at the begin of a line of the cache: what lies across two costs twice.
#[derive(Clone)]
#[repr(align(64))]
struct Block<C>([C; BLOCK]);

/// Where the numbers of a register are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// In a list, as they are.
    List(usize),
    /// In a block of their own.
    Block(usize),
}

/// The places of a formula's registers, and how many blocks these need; lists are read where they lie if they are `wide`,
/// stored in what is computed in.
fn places(formula: &[StepInstruction], stores: &[(u16, u16)], wide: bool) -> (Vec<Place>, usize) {
    // The last instruction that reads a register; behind all of them it is stored.
    let (mut last, stored): (Vec<usize>, usize) = ((0..formula.len()).collect(), formula.len());
    for (made, instruction) in formula.iter().enumerate() {
        instruction.operands().0.iter().for_each(|r| last[usize::from(*r)] = made);
    }
    stores.iter().for_each(|(_, r)| last[usize::from(*r)] = stored);
    let (mut places, mut free, mut blocks) = (Vec::with_capacity(formula.len()), Vec::new(), 0);
    for (made, instruction) in formula.iter().enumerate() {
        places.push(match instruction {
            StepInstruction::Load { list } if wide && last[made] < stored => Place::List(usize::from(*list)),
            _ => Place::Block(free.pop().unwrap_or_else(|| {
                blocks += 1;
                blocks - 1
            })),
        });
        // Only now: an instruction does not write what it reads.
        for (register, place) in places.iter().enumerate() {
            if let (true, Place::Block(block)) = (last[register] == made, place) {
                free.push(*block);
            }
        }
    }
    (places, blocks)
}

impl PointwiseStep {
    pub(super) fn go<T: Element>(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) {
        let numbers: Vec<T::Wide> = self.numbers.iter().map(|x| T::Wide::of(*x)).collect();
        let mut stored = numbers.clone();
        stored.chunks_mut(BLOCK).for_each(T::round);
        let grads = &inputs[..outputs.len() / self.lists];
        let row = numbers.len() / grads.len();
        let (places, count) = places(&self.formula, &self.stores, T::as_wide(&[]).is_some());
        for_pieces(grads, outputs, |pieces: Vec<Piece<'_, T>>| {
            let empty = || Box::new(Block([T::Wide::of(0.0); BLOCK]));
            let (mut blocks, mut made): (Vec<_>, _) = ((0..count).map(|_| empty()).collect(), empty());
            for Piece { param, grad, mut targets } in pieces {
                let row = param * row..(param + 1) * row;
                let numbers = [&numbers[row.clone()], &stored[row]];
                for at in (0..grad.len()).step_by(BLOCK) {
                    let range = at..grad.len().min(at + BLOCK);
                    simd(
                        #[inline(always)]
                        || {
                            let list = |list: usize| match list {
                                0 => &grad[range.clone()],
                                list => &targets[list - 1][range.clone()],
                            };
                            for (instruction, place) in self.formula.iter().zip(&places) {
                                let Place::Block(block) = *place else { continue };
                                // Beside those that are read; it takes its place among them when it is done.
                                let to = &mut made.0[..range.len()];
                                let read = |register: u16| match places[usize::from(register)] {
                                    Place::List(from) => T::as_wide(list(from)).unwrap_or_default(),
                                    Place::Block(block) => &blocks[block].0[..range.len()],
                                };
                                if let StepInstruction::Load { list: from } = *instruction {
                                    T::load(list(usize::from(from)), to);
                                } else {
                                    compute(*instruction, numbers, read, to);
                                    T::round(to);
                                }
                                std::mem::swap(&mut blocks[block], &mut made);
                            }
                        },
                    );
                    for (list, register) in self.stores.iter() {
                        if let Place::Block(block) = places[usize::from(*register)] {
                            let to = &mut targets[usize::from(*list) - 1][range.clone()];
                            T::store(&blocks[block].0[..range.len()], to);
                        }
                    }
                }
            }
        });
    }
}

/// What `instruction` makes of the registers that `r` gives, with numbers as they are and rounded as they would be stored:
/// PyTorch adds these. A load has its place elsewhere.
#[inline(always)]
fn compute<'a, C: Real>(
    instruction: StepInstruction,
    [numbers, stored]: [&[C]; 2],
    r: impl Fn(u16) -> &'a [C],
    to: &mut [C],
) {
    use StepInstruction::*;
    let (n, zero) = (|n: u16| numbers[usize::from(n)], C::of(0.0));
    match instruction {
        Load { .. } => {}
        Neg { x } => one(r(x), to, |x| -x),
        Abs { x } => one(r(x), to, C::abs),
        Sign { x } => one(r(x), to, |x| C::of(f64::from(i8::from(x > zero) - i8::from(x < zero)))),
        Sqrt { x } => one(r(x), to, C::sqrt),
        Reciprocal { x } => one(r(x), to, |x| C::of(1.0) / x),
        Add { a, b } => two(r(a), r(b), to, |a, b| a + b),
        Sub { a, b } => two(r(a), r(b), to, |a, b| a - b),
        Mul { a, b } => two(r(a), r(b), to, |a, b| a * b),
        Div { a, b } => two(r(a), r(b), to, |a, b| a / b),
        Maximum { a, b } => two(r(a), r(b), to, |a, b| if a > b || a.is_nan() { a } else { b }),
        AddNumber { x, number } => with(stored[usize::from(number)], r(x), to, |x, number| x + number),
        MulNumber { x, number } => with(n(number), r(x), to, |x, number| x * number),
        DivNumber { x, number } => with(n(number), r(x), to, |x, number| x / number),
        Clamp { x, min, max } => {
            let (min, max) = (n(min), n(max));
            one(r(x), to, move |x| {
                let x = if x < min { min } else { x };
                if x > max { max } else { x }
            });
        }
        AddScaled { x, a, number } => {
            let number = stored[usize::from(number)];
            two(r(x), r(a), to, move |x, a| x + number * a);
        }
        Addcmul { x, a, b, number } => {
            let number = n(number);
            three([r(x), r(a), r(b)], to, move |x, a, b| x + number * a * b);
        }
        Addcdiv { x, a, b, number } => {
            let number = n(number);
            three([r(x), r(a), r(b)], to, move |x, a, b| x + number * a / b);
        }
        Lerp { x, end, number } => {
            let (number, rest) = (n(number), C::of(1.0) - n(number));
            // From the nearer end, so that both ends are met.
            if number.abs() < C::of(0.5) {
                two(r(x), r(end), to, move |x, end| x + number * (end - x));
            } else {
                two(r(x), r(end), to, move |x, end| end - (end - x) * rest);
            }
        }
        BySign { x, negative, zero: middle, positive } => {
            let (negative, middle, positive) = (n(negative), n(middle), n(positive));
            one(r(x), to, move |x| {
                let low = if x < zero { negative } else { middle };
                if x > zero { positive } else { low }
            });
        }
        ClearNegative { x, on } => two(r(x), r(on), to, move |x, on| if on < zero { zero } else { x }),
        Choose { a, b, number } => to.copy_from_slice(r(if n(number) > zero { a } else { b })),
    }
}

// Loops over numbers: of zipped slices the making is a call here.
#[inline(always)]
fn one<C: Real>(x: &[C], to: &mut [C], f: impl Fn(C) -> C) {
    let n = to.len();
    let x = &x[..n];
    for i in 0..n {
        to[i] = f(x[i]);
    }
}

#[inline(always)]
fn with<C: Real>(number: C, x: &[C], to: &mut [C], f: impl Fn(C, C) -> C) {
    one(x, to, |x| f(x, number));
}

#[inline(always)]
fn two<C: Real>(a: &[C], b: &[C], to: &mut [C], f: impl Fn(C, C) -> C) {
    let n = to.len();
    let (a, b) = (&a[..n], &b[..n]);
    for i in 0..n {
        to[i] = f(a[i], b[i]);
    }
}

#[inline(always)]
fn three<C: Real>([x, a, b]: [&[C]; 3], to: &mut [C], f: impl Fn(C, C, C) -> C) {
    let n = to.len();
    let (x, a, b) = (&x[..n], &a[..n], &b[..n]);
    for i in 0..n {
        to[i] = f(x[i], a[i], b[i]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Result, Tensor, dispatch_update};
    use std::f64::consts::PI;

    type Op = fn(&Tensor, &Tensor) -> Result<Tensor>;

    /// By itself each instruction is the op of its name, to the bit, also in halves, and in a block's rest.
    #[test]
    fn instructions_are_ops() -> Result<()> {
        use StepInstruction::*;
        let table: [(StepInstruction, Op); 21] = [
            (Neg { x: 0 }, |g, _| g.neg()),
            (Abs { x: 0 }, |g, _| g.abs()),
            (Sign { x: 0 }, |g, _| g.sign()),
            (Sqrt { x: 0 }, |g, _| g.sqrt()),
            (Reciprocal { x: 0 }, |g, _| g.reciprocal()),
            (Add { a: 0, b: 1 }, |g, p| g.add(p)),
            (Sub { a: 0, b: 1 }, |g, p| g.sub(p)),
            (Mul { a: 0, b: 1 }, |g, p| g.mul(p)),
            (Div { a: 0, b: 1 }, |g, p| g.div(p)),
            (Maximum { a: 0, b: 1 }, |g, p| g.maximum(p)),
            (AddNumber { x: 0, number: 0 }, |g, _| g.add(PI)),
            (MulNumber { x: 0, number: 0 }, |g, _| g.mul(PI)),
            (DivNumber { x: 0, number: 0 }, |g, _| g.div(PI)),
            (Clamp { x: 0, min: 1, max: 0 }, |g, _| g.clamp(-0.25, PI)),
            (AddScaled { x: 0, a: 1, number: 0 }, |g, p| {
                let stored = g.full_like(PI)?.select(0, 0)?.item::<f64>()?;
                g.addcmul(p, p.ones_like()?, stored)
            }),
            (Addcmul { x: 0, a: 1, b: 0, number: 0 }, |g, p| g.addcmul(p, g, PI)),
            (Addcdiv { x: 0, a: 1, b: 0, number: 0 }, |g, p| g.addcdiv(p, g, PI)),
            (Lerp { x: 0, end: 1, number: 1 }, |g, p| g.lerp(p, -0.25)),
            (Lerp { x: 0, end: 1, number: 0 }, |g, p| g.lerp(p, PI)),
            (BySign { x: 0, negative: 0, zero: 1, positive: 2 }, |g, _| {
                g.full_like(-0.25)?.masked_fill(&g.lt(0.0)?, PI)?.masked_fill(&g.gt(0.0)?, 9.0)
            }),
            (ClearNegative { x: 1, on: 0 }, |g, p| p.masked_fill(&g.lt(0.0)?, 0.0)),
        ];
        for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
            let mut values: Vec<f64> = (0..300).map(|i| f64::from(i - 150) / 7.0).collect();
            values[..4].copy_from_slice(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0]);
            let grad = Tensor::from_vec(values.clone(), 300)?.to_dtype(dtype)?;
            values.rotate_left(37);
            let before = Tensor::from_vec(values, 300)?.to_dtype(dtype)?;
            for (instruction, op) in table {
                let param = before.copy()?;
                let step = PointwiseStep {
                    formula: [Load { list: 0 }, Load { list: 1 }, instruction].into(),
                    stores: [(1, 2)].into(),
                    lists: 1,
                    numbers: [PI, -0.25, 9.0].into(),
                };
                dispatch_update("step", step, &[&grad], &[&param])?;
                let bits = |t: &Tensor| t.to_dtype(DType::F64)?.to_vec::<f64>();
                for (i, (found, right)) in bits(&param)?.into_iter().zip(bits(&op(&grad, &before)?)?).enumerate() {
                    let same = found.to_bits() == right.to_bits() || found.is_nan() && right.is_nan();
                    assert!(same, "{instruction:?} in {dtype}, element {i}: {found} where {right} is right");
                }
            }
        }
        Ok(())
    }

    /// Blocks are used again, but never while somebody reads them; what is stored was loaded before anything is written.
    #[test]
    fn registers_share_blocks() -> Result<()> {
        use StepInstruction::*;
        let chain = |length: u16| (2..length).map(|i| Add { a: i - 1, b: i - 2 });
        let formula: Vec<_> = [Load { list: 0 }, Load { list: 1 }].into_iter().chain(chain(50)).collect();
        assert_eq!(places(&formula, &[(1, 49)], true).1, 3);
        assert_eq!(places(&formula, &[(1, 49)], false).1, 3);
        assert_eq!(places(&formula, &[(1, 2), (1, 49)], true).1, 4);
        for dtype in [DType::F32, DType::BF16] {
            let full = |value: f64| Tensor::full(300, value).dtype(dtype).build();
            let (grad, param, state) = (full(1.0)?, full(2.0)?, full(3.0)?);
            // Lists change places, and what nobody reads is in nobody's way.
            let step = PointwiseStep {
                formula: [Load { list: 1 }, Load { list: 2 }, Neg { x: 0 }, Add { a: 0, b: 1 }, Neg { x: 3 }].into(),
                stores: [(2, 0), (1, 1)].into(),
                lists: 2,
                numbers: [].into(),
            };
            dispatch_update("step", step, &[&grad], &[&param, &state])?;
            assert!(param.equal(&full(3.0)?)? && state.equal(&full(2.0)?)?, "{dtype}");
        }
        Ok(())
    }

    #[test]
    fn each_parameter_has_its_own_numbers() -> Result<()> {
        let (grads, params) = ([Tensor::ones(2).build()?, Tensor::ones(3).build()?], [2, 3].map(|n| Tensor::ones(n)));
        let params = params.into_iter().map(|p| p.build()).collect::<Result<Vec<_>>>()?;
        use StepInstruction::*;
        let choose = Choose { a: 1, b: 2, number: 1 };
        let step = PointwiseStep {
            formula: [Load { list: 0 }, Load { list: 1 }, MulNumber { x: 0, number: 0 }, choose].into(),
            stores: [(1, 3)].into(),
            lists: 1,
            numbers: [5.0, 1.0, 7.0, -1.0].into(),
        };
        let run =
            |step: PointwiseStep| dispatch_update("step", step, &[&grads[0], &grads[1]], &[&params[0], &params[1]]);
        run(step.clone())?;
        assert_eq!(params[0].to_vec::<f32>()?, [1.0, 1.0]);
        assert_eq!(params[1].to_vec::<f32>()?, [7.0, 7.0, 7.0]);
        for (wrong, said) in [
            (PointwiseStep { numbers: [1.0; 3].into(), ..step.clone() }, "of two lengths"),
            (PointwiseStep { numbers: [1.0; 2].into(), ..step.clone() }, "names what is not there"),
            (PointwiseStep { formula: [Abs { x: 0 }].into(), ..step.clone() }, "names what is not there"),
            (PointwiseStep { formula: [Load { list: 2 }].into(), ..step.clone() }, "names what is not there"),
            (PointwiseStep { stores: [(0, 0)].into(), ..step.clone() }, "is to be written into list 0"),
            (PointwiseStep { stores: [(1, 4)].into(), ..step.clone() }, "register 4"),
            (PointwiseStep { lists: 0, ..step }, "on 0 lists"),
        ] {
            let fault = run(wrong).unwrap_err();
            assert!(fault.message().contains(said), "{fault}");
        }
        Ok(())
    }
}
