//! Ops of ten million elements, and copies.

use crate::case::{Case, Work, call, randn};
use flambeau::cat;
use flambeau::prelude::*;

const N: usize = 10_000_000;
const SIDE: usize = 4096;

/// An op of normally distributed numbers, which it reads and writes once.
fn unary(name: &'static str, f: impl Fn(&Tensor) -> Result<Tensor> + Copy + 'static) -> Case {
    Case::new(name, move || {
        let a = randn(&[N])?;
        call(move || f(&a))
    })
    .bytes(8 * N)
}

/// An op of two tensors of these shapes.
fn binary(
    name: &'static str,
    shapes: [&'static [usize]; 2],
    f: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Copy + 'static,
) -> Case {
    let numbers: usize = shapes.iter().map(|shape| shape.iter().product::<usize>()).sum();
    Case::new(name, move || {
        let [a, b] = shapes.map(randn);
        let (a, b) = (a?, b?);
        call(move || f(&a, &b))
    })
    .bytes(4 * (N + numbers))
}

/// The sum of two tensors of `dtype`.
fn add_of(name: &'static str, dtype: DType) -> Case {
    Case::new(name, move || {
        let a = randn(&[N])?.abs()?.to_dtype(dtype)?;
        let b = a.copy()?;
        call(move || a.add(&b))
    })
    .bytes(3 * N * dtype.size())
}

fn add_transposed() -> Result<Work> {
    let (a, b) = (randn(&[SIDE, SIDE])?, randn(&[SIDE, SIDE])?.t()?);
    call(move || a.add(&b))
}

fn select() -> Result<Work> {
    let (a, b) = (randn(&[N])?, randn(&[N])?);
    let condition = a.gt(0.0)?;
    call(move || a.where_cond(&condition, &b))
}

fn masked_fill() -> Result<Work> {
    let a = randn(&[N])?;
    let mask = a.gt(0.0)?;
    call(move || a.masked_fill(&mask, 0.0))
}

fn mul_complex() -> Result<Work> {
    let a = randn(&[N / 2, 2])?.view_as_complex()?;
    call(move || a.mul(&a))
}

pub(super) fn cases() -> Vec<Case> {
    const ROWS: &[usize] = &[10_000, 1000];
    vec![
        binary("add", [&[N], &[N]], |a, b| a.add(b)),
        binary("add_inplace", [&[N], &[N]], |a, b| a.add_(b).cloned()),
        binary("mul_broadcast_row", [ROWS, &[1000]], |a, b| a.mul(b)),
        binary("mul_broadcast_col", [ROWS, &[10_000, 1]], |a, b| a.mul(b)),
        unary("exp", |a| a.exp()),
        Case::new("log", || {
            let a = randn(&[N])?.abs()?.add(0.1)?;
            call(move || a.log())
        })
        .bytes(8 * N),
        unary("sin", |a| a.sin()),
        unary("tanh", |a| a.tanh()),
        unary("gelu", |a| gelu(a)),
        unary("sigmoid", |a| a.sigmoid()),
        unary("relu", |a| a.relu()),
        Case::new("pow2_5", || {
            let a = randn(&[N])?.abs()?;
            call(move || a.pow(2.5))
        })
        .bytes(8 * N),
        Case::new("where", select).bytes(13 * N),
        Case::new("masked_fill", masked_fill).bytes(9 * N),
        Case::new("add_transposed", add_transposed).bytes(12 * SIDE * SIDE),
        unary("cast_bf16", |a| a.to_dtype(DType::BF16)).bytes(6 * N),
        add_of("add_bf16", DType::BF16),
        add_of("add_u8", DType::U8),
        add_of("add_i32", DType::I32),
        Case::new("mul_c64", mul_complex).bytes(8 * N),
        Case::new("u8_to_f32_div", || {
            let a = Tensor::ones([N]).dtype(DType::U8).build()?;
            call(move || a.to_dtype(DType::F32)?.div(255.0))
        })
        .bytes(13 * N),
        Case::new("transpose_copy", || {
            let a = randn(&[SIDE, SIDE])?.t()?;
            call(move || a.copy())
        })
        .bytes(8 * SIDE * SIDE),
        Case::new("cat", || {
            let a = randn(&[N / 2])?;
            call(move || cat(&[&a, &a], 0))
        })
        .bytes(8 * N),
    ]
}
