//! Products of matrices.

use crate::case::{Case, Work, call, ids, randn};
use flambeau::prelude::*;

/// `[m, k]` by `[k, n]`.
fn product(name: &'static str, [m, k, n]: [usize; 3]) -> Case {
    Case::new(name, move || {
        let (a, b) = (randn(&[m, k])?, randn(&[k, n])?);
        call(move || a.matmul(&b))
    })
    .flops(2 * m * k * n)
}

/// Square matrices of another dtype.
fn product_of(name: &'static str, n: usize, dtype: DType) -> Case {
    Case::new(name, move || {
        let square = || randn(&[n, n])?.mul(10.0)?.to_dtype(dtype);
        let (a, b) = (square()?, square()?);
        call(move || a.matmul(&b))
    })
}

/// 1024³ with the operands that lie transposed.
fn transposed(name: &'static str, left: bool, right: bool) -> Case {
    const N: usize = 1024;
    Case::new(name, move || {
        let square = |transposed: bool| if transposed { randn(&[N, N])?.t() } else { randn(&[N, N]) };
        let (a, b) = (square(left)?, square(right)?);
        call(move || a.matmul(&b))
    })
    .flops(2 * N * N * N)
}

fn batched() -> Result<Work> {
    let (a, b) = (randn(&[32, 128, 64])?, randn(&[32, 64, 128])?);
    call(move || a.bmm(&b))
}

/// Bytes whose products are summed as `i32`, which takes a cast here.
fn bytes() -> Result<Work> {
    let square = || ids(256, &[512, 512])?.sub(128)?.to_dtype(DType::I8);
    let (a, b) = (square()?, square()?);
    call(move || a.to_dtype(DType::I32)?.matmul(&b.to_dtype(DType::I32)?))
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        product("matmul_64", [64; 3]),
        product("matmul_256", [256; 3]),
        product("matmul_512", [512; 3]),
        product("matmul_1024", [1024; 3]),
        product("matmul_2048", [2048; 3]),
        product("matmul_64_784_512", [64, 784, 512]),
        transposed("matmul_1024_tn", true, false),
        transposed("matmul_1024_nt", false, true),
        transposed("matmul_1024_tt", true, true),
        Case::new("matvec_4096", || {
            let (a, x) = (randn(&[4096, 4096])?, randn(&[4096])?);
            call(move || a.mv(&x))
        })
        .bytes(4 * 4096 * 4096),
        Case::new("bmm_32_128_64_128", batched).flops(2 * 32 * 128 * 64 * 128),
        product_of("matmul_bf16_1024", 1024, DType::BF16),
        product_of("matmul_f64_512", 512, DType::F64),
        product_of("matmul_i32_512", 512, DType::I32),
        Case::new("matmul_i8_i32_512", bytes),
    ]
}
