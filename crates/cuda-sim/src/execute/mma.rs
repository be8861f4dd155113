//! Tensor cores: `ldmatrix` and `mma`, with the fragments as the manual lays them out.

use super::{Block, Warp};
use crate::fault::{Fault, FaultKind};
use crate::program::{Arg, Ins, Mma};
use crate::types::{Lane, Lanes, Ty, WARP, each};
use half::f16;

/// Which number of a fragment is which: `(row, column)` of number `i` of lane `l`.
fn place_a(shape: Mma, l: usize, i: usize) -> (usize, usize) {
    let (group, quad) = (l / 4, l % 4);
    match shape.ab {
        Ty::F64 => (group, quad),
        // One number a register.
        Ty::TF32 => (group + 8 * (i & 1), quad + 4 * (i >> 1)),
        // Two numbers a register.
        _ => (group + 8 * (i >> 1 & 1), quad * 2 + (i & 1) + 8 * (i >> 2)),
    }
}

fn place_b(shape: Mma, l: usize, i: usize) -> (usize, usize) {
    let (group, quad) = (l / 4, l % 4);
    match shape.ab {
        Ty::F64 => (quad, group),
        Ty::TF32 => (quad + 4 * i, group),
        _ => (quad * 2 + (i & 1) + 8 * (i >> 1), group),
    }
}

fn place_c(l: usize, i: usize) -> (usize, usize) {
    (l / 4 + 8 * (i >> 1), l % 4 * 2 + (i & 1))
}

/// The numbers of a fragment, lane by lane.
fn numbers(ty: Ty, registers: &[Lanes], l: usize) -> Vec<f64> {
    match ty {
        Ty::F16 | Ty::BF16 => {
            registers.iter().flat_map(|r| [r[l] & 0xffff, r[l] >> 16 & 0xffff]).map(|x| ty.float(x)).collect()
        }
        // The low bits of the mantissa are not looked at.
        Ty::TF32 => registers.iter().map(|r| ty.float(r[l] & 0xffff_e000)).collect(),
        _ => registers.iter().map(|r| ty.float(r[l])).collect(),
    }
}

impl Block<'_> {
    fn fragment(&self, warp: &Warp, arg: &Arg) -> Vec<Lanes> {
        match arg {
            Arg::Vector(parts) => parts.iter().map(|part| self.value(warp, part)).collect(),
            one => vec![self.value(warp, one)],
        }
    }

    pub(super) fn product(&mut self, warp: &mut Warp, ins: &Ins, shape: Mma) -> Result<(), Fault> {
        let [to, a, b, c] = &ins.args[..] else { return Err(Fault::new(FaultKind::Unknown, "operands of mma")) };
        let (a, b, c) = (self.fragment(warp, a), self.fragment(warp, b), self.fragment(warp, c));
        let (rows, packed) = (if shape.ab == Ty::F64 { 8 } else { 16 }, matches!(shape.ab, Ty::F16 | Ty::BF16));
        let per = |numbers: usize| numbers / WARP / if packed { 2 } else { 1 };
        let sums = rows * 8 / WARP / if shape.cd == Ty::F16 { 2 } else { 1 };
        if a.len() != per(rows * shape.k) || b.len() != per(8 * shape.k) || c.len() != sums {
            return Err(Fault::new(FaultKind::Unknown, "fragments of mma"));
        }
        self.counts.mma += 1;
        let (mut left, mut right, mut sum) = ([[0f64; 16]; 16], [[0f64; 8]; 16], [[0f64; 8]; 16]);
        for l in 0..WARP {
            for (i, x) in numbers(shape.ab, &a, l).into_iter().enumerate() {
                let (row, k) = place_a(shape, l, i);
                left[row][k] = x;
            }
            for (i, x) in numbers(shape.ab, &b, l).into_iter().enumerate() {
                let (k, column) = place_b(shape, l, i);
                right[k][column] = x;
            }
            for (i, x) in numbers(shape.cd, &c, l).into_iter().enumerate() {
                let (row, column) = place_c(l, i);
                sum[row][column] = x;
            }
        }
        for row in 0..rows {
            for column in 0..8 {
                for k in 0..shape.k {
                    let product = left[row][k] * right[k][column];
                    let next = sum[row][column] + product;
                    sum[row][column] = if shape.cd == Ty::F64 {
                        left[row][k].mul_add(right[k][column], sum[row][column])
                    } else {
                        f64::from(next as f32)
                    };
                }
            }
        }
        let bits = |l: usize, i: usize| {
            let (row, column) = place_c(l, i);
            match shape.cd {
                Ty::F64 => sum[row][column].bits(),
                Ty::F16 => f16::from_f64(sum[row][column]).bits(),
                _ => (sum[row][column] as f32).bits(),
            }
        };
        let Arg::Vector(to) = to else { return Err(Fault::new(FaultKind::Unknown, "operands of mma")) };
        for (i, part) in to.iter().enumerate() {
            let out = if shape.cd == Ty::F16 {
                each(|l| bits(l, 2 * i) | bits(l, 2 * i + 1) << 16)
            } else {
                each(|l| bits(l, i))
            };
            warp.put(part, &out, !0);
        }
        Ok(())
    }

    /// Matrices of 8 x 8 numbers of 16 bits: lane `8 m + r` knows where row `r` of matrix `m` is.
    pub(super) fn load_matrix(&mut self, warp: &mut Warp, ins: &Ins, transposed: bool) -> Result<(), Fault> {
        let (Arg::Vector(to), Arg::Address(base, offset)) = (&ins.args[0], &ins.args[1]) else {
            return Err(Fault::new(FaultKind::Unknown, "operands of ldmatrix"));
        };
        let rows = self.address(warp, *base, *offset);
        self.count_rows(&rows, to.len());
        for (m, part) in to.iter().enumerate() {
            let mut out = [0; WARP];
            for (l, out) in out.iter_mut().enumerate() {
                let (group, quad) = (l / 4, l % 4);
                *out = if transposed {
                    let mut halves = [0; 2];
                    for (i, half) in halves.iter_mut().enumerate() {
                        let word = self.word_of_row(warp, l, rows[8 * m + quad * 2 + i], group / 2)?;
                        *half = word >> (16 * (group % 2)) & 0xffff;
                    }
                    halves[0] | halves[1] << 16
                } else {
                    self.word_of_row(warp, l, rows[8 * m + group], quad)?
                };
            }
            warp.put(part, &out, !0);
        }
        Ok(())
    }
}
