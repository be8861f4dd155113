//! Single ops.

use crate::case::{Case, call, derive, ids, leaf, randn};
use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::Module;
use candle_nn::loss::cross_entropy;
use candle_nn::ops::{layer_norm_slow, sigmoid, softmax, softmax_last_dim};
use flambeau_bench_worker::Kind;

const N: usize = 10_000_000;
const SIDE: usize = 4096;
const ROWS: (usize, usize) = (4096, 1024);
const MILLION: usize = 1_000_000;

/// Ten small ops, one behind the other.
fn chain(a: &Tensor) -> Result<Tensor> {
    let mut x = (a + 1.0)?;
    for _ in 0..3 {
        x = (x.mul(a)?.tanh()? + a)?;
    }
    Ok(x)
}

fn add(name: &'static str, n: usize) -> Case {
    Case::new(name, move || {
        let (a, b) = (randn(n)?, randn(n)?);
        call([n], move || a.add(&b))
    })
}

pub(super) fn dispatch() -> Vec<Case> {
    vec![
        add("add_1", 1),
        add("add_1000", 1000),
        Case::new("chain10_32", || {
            let a = randn(32)?;
            call([32], move || chain(&a))
        }),
        Case::new("chain10_32_backward", || {
            let a = leaf(32)?;
            derive(vec![a.clone()], move || chain(&a))
        }),
        Case::new("start_to_first_matmul", || {
            let (a, b) = (randn((64, 64))?, randn((64, 64))?);
            call([64, 64], move || a.matmul(&b))
        })
        .kind(Kind::Process),
    ]
}

/// An op of normally distributed numbers.
fn unary(name: &'static str, f: impl Fn(&Tensor) -> Result<Tensor> + Copy + 'static) -> Case {
    Case::new(name, move || {
        let a = randn(N)?;
        call([N], move || f(&a))
    })
}

/// The sum of two tensors of `dtype`.
fn add_of(name: &'static str, dtype: DType) -> Case {
    Case::new(name, move || {
        let a = randn(N)?.abs()?.to_dtype(dtype)?;
        let b = a.copy()?;
        call([N], move || a.add(&b))
    })
}

fn mul_broadcast(name: &'static str, other: &'static [usize]) -> Case {
    Case::new(name, move || {
        let (a, b) = (randn((10_000, 1000))?, randn(other)?);
        call([10_000, 1000], move || a.broadcast_mul(&b))
    })
}

pub(super) fn elementwise() -> Vec<Case> {
    vec![
        add("add", N),
        mul_broadcast("mul_broadcast_row", &[1000]),
        mul_broadcast("mul_broadcast_col", &[10_000, 1]),
        unary("exp", |a| a.exp()),
        Case::new("log", || {
            let a = (randn(N)?.abs()? + 0.1)?;
            call([N], move || a.log())
        }),
        unary("sin", |a| a.sin()),
        unary("tanh", |a| a.tanh()),
        unary("gelu", |a| a.gelu_erf()),
        unary("sigmoid", sigmoid),
        unary("relu", |a| a.relu()),
        Case::new("pow2_5", || {
            let a = randn(N)?.abs()?;
            call([N], move || a.powf(2.5))
        }),
        Case::new("where", || {
            let (a, b) = (randn(N)?, randn(N)?);
            let condition = a.gt(0.0)?;
            call([N], move || condition.where_cond(&a, &b))
        }),
        Case::new("masked_fill", || {
            let (a, zero) = (randn(N)?, Tensor::new(0f32, &Device::Cpu)?);
            let mask = a.gt(0.0)?;
            call([N], move || mask.where_cond(&zero.broadcast_as(N)?, &a))
        }),
        Case::new("add_transposed", || {
            let (a, b) = (randn((SIDE, SIDE))?, randn((SIDE, SIDE))?.t()?);
            call([SIDE, SIDE], move || a.add(&b))
        }),
        unary("cast_bf16", |a| a.to_dtype(DType::BF16)),
        add_of("add_bf16", DType::BF16),
        add_of("add_u8", DType::U8),
        add_of("add_i32", DType::I32),
        Case::new("u8_to_f32_div", || {
            let a = Tensor::ones(N, DType::U8, &Device::Cpu)?;
            call([N], move || a.to_dtype(DType::F32)? / 255.0)
        }),
        Case::new("transpose_copy", || {
            let a = randn((SIDE, SIDE))?.t()?;
            call([SIDE, SIDE], move || a.contiguous())
        }),
        Case::new("cat", || {
            let a = randn(N / 2)?;
            call([N], move || Tensor::cat(&[&a, &a], 0))
        }),
    ]
}

/// An op of 4096 rows of 1024 numbers.
fn of_rows<const R: usize>(
    name: &'static str,
    shape: [usize; R],
    f: impl Fn(&Tensor) -> Result<Tensor> + Copy + 'static,
) -> Case {
    Case::new(name, move || {
        let a = randn(ROWS)?;
        call(shape, move || f(&a))
    })
}

pub(super) fn rows() -> Vec<Case> {
    const ALL: [usize; 2] = [ROWS.0, ROWS.1];
    vec![
        of_rows("sum_all", [], |a| a.sum_all()),
        of_rows("sum_dim0", [ROWS.1], |a| a.sum(0)),
        of_rows("sum_dim1", [ROWS.0], |a| a.sum(1)),
        of_rows("max_all", [], |a| a.max_all()),
        of_rows("argmax_dim1", [ROWS.0], |a| a.argmax(1)),
        of_rows("var_dim1", [ROWS.0], |a| a.var(1)),
        of_rows("cumsum", ALL, |a| a.cumsum(1)),
        of_rows("softmax", ALL, softmax_last_dim),
        Case::new("softmax_train", || {
            let (a, weight) = (leaf(ROWS)?, randn(ROWS)?);
            // The op for the last dimension has no derivative.
            derive(vec![a.clone()], move || softmax(&a, D::Minus1)?.mul(&weight))
        }),
        Case::new("layer_norm", || {
            let (a, ones, zeros) = (randn(ROWS)?, Tensor::ones(ROWS.1, DType::F32, &Device::Cpu)?, randn(ROWS.1)?);
            let norm = candle_nn::LayerNorm::new(ones, zeros, 1e-5);
            call(ALL, move || norm.forward(&a))
        }),
        Case::new("layer_norm_train", || {
            let (a, weight, scale, shift) = (leaf(ROWS)?, randn(ROWS)?, leaf(ROWS.1)?, leaf(ROWS.1)?);
            let leaves = vec![scale.clone(), shift.clone(), a.clone()];
            // As above.
            derive(leaves, move || layer_norm_slow(&a, &scale, &shift, 1e-5)?.mul(&weight))
        }),
        Case::new("rms_norm", || {
            let (a, norm) = (randn(ROWS)?, candle_nn::RmsNorm::new(randn(ROWS.1)?, 1e-6));
            call(ALL, move || norm.forward(&a))
        }),
        Case::new("cross_entropy_train", || {
            let (a, classes) = (leaf(ROWS)?, ids(ROWS.1 as u32, ROWS.0)?);
            derive(vec![a.clone()], move || cross_entropy(&a, &classes))
        }),
    ]
}

pub(super) fn indexing() -> Vec<Case> {
    const WORDS: (usize, usize) = (50_000, 256);
    vec![
        Case::new("embedding", || {
            let (weight, rows) = (randn(WORDS)?, ids(50_000, 8192)?);
            call([8192, 256], move || weight.embedding(&rows))
        }),
        Case::new("embedding_train", || {
            let (weight, rows) = (leaf(WORDS)?, ids(50_000, 8192)?);
            derive(vec![weight.clone()], move || weight.embedding(&rows))
        }),
        Case::new("gather", || {
            let (a, index) = (randn(ROWS)?, ids(1024, (4096, 256))?);
            call([4096, 256], move || a.gather(&index, 1))
        }),
        Case::new("scatter_add", || {
            let (a, index, source) = (randn(ROWS)?, ids(1024, (4096, 256))?, randn((4096, 256))?);
            call([4096, 1024], move || a.scatter_add(&index, &source, 1))
        }),
        Case::new("index_select", || {
            let (a, rows) = (randn(ROWS)?, ids(4096, 2048)?);
            call([2048, 1024], move || a.index_select(&rows, 0))
        }),
        Case::new("sort_1m", || {
            let a = randn(MILLION)?;
            call([MILLION], move || Ok(a.sort_last_dim(true)?.0))
        }),
        Case::new("randn_1m", || call([MILLION], || randn(MILLION))),
    ]
}

/// `[m, k]` by `[k, n]`.
fn product(name: &'static str, [m, k, n]: [usize; 3]) -> Case {
    Case::new(name, move || {
        let (a, b) = (randn((m, k))?, randn((k, n))?);
        call([m, n], move || a.matmul(&b))
    })
}

/// 1024³ with the operands that lie transposed.
fn transposed(name: &'static str, left: bool, right: bool) -> Case {
    const N: usize = 1024;
    Case::new(name, move || {
        let square = |transposed: bool| if transposed { randn((N, N))?.t() } else { randn((N, N)) };
        let (a, b) = (square(left)?, square(right)?);
        call([N, N], move || a.matmul(&b))
    })
}

pub(super) fn matmul() -> Vec<Case> {
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
            let (a, x) = (randn((4096, 4096))?, randn(4096)?);
            call([4096], move || a.mv(&x))
        }),
        Case::new("bmm_32_128_64_128", || {
            let (a, b) = (randn((32, 128, 64))?, randn((32, 64, 128))?);
            call([32, 128, 128], move || a.matmul(&b))
        }),
        Case::new("matmul_f64_512", || {
            let (a, b) = (randn((512, 512))?.to_dtype(DType::F64)?, randn((512, 512))?.to_dtype(DType::F64)?);
            call([512, 512], move || a.matmul(&b))
        }),
    ]
}
