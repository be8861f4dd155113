//! Single ops.

use crate::case::{Case, beside, call, derive, device, ids, leaf, randn, tracking, wanted};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{LayerNormConfig, RmsNormConfig};
use burn::tensor::activation::{gelu, relu, sigmoid, softmax};
use burn::tensor::module::embedding;
use burn::tensor::{DType, IndexingUpdateOp, Int, IntDType, Tensor};
use flambeau_bench_worker::Kind;

const N: usize = 10_000_000;
const SIDE: usize = 4096;
const ROWS: [usize; 2] = [4096, 1024];
const MILLION: usize = 1_000_000;

/// Ten small ops, one behind the other.
fn chain(a: &Tensor<1>) -> Tensor<1> {
    let mut x = a.clone() + 1.0;
    for _ in 0..3 {
        x = (x * a.clone()).tanh() + a.clone();
    }
    x
}

fn add(name: &'static str, n: usize) -> Case {
    Case::new(name, move || {
        let (a, b) = (randn([n]), randn([n]));
        call([n], move || a.clone() + b.clone())
    })
}

pub(super) fn dispatch() -> Vec<Case> {
    vec![
        add("add_1", 1),
        add("add_1000", 1000),
        Case::new("chain10_32", || {
            let a = randn([32]);
            call([32], move || chain(&a))
        }),
        Case::new("chain10_32_backward", || {
            let a = leaf([32]);
            derive(vec![wanted(&a)], move || chain(&a))
        }),
        Case::new("start_to_first_matmul", || {
            let (a, b) = (randn([64, 64]), randn([64, 64]));
            call([64, 64], move || a.clone().matmul(b.clone()))
        })
        .kind(Kind::Process),
    ]
}

/// An op of normally distributed numbers.
fn unary(name: &'static str, f: fn(Tensor<1>) -> Tensor<1>) -> Case {
    Case::new(name, move || {
        let a = randn([N]);
        call([N], move || f(a.clone()))
    })
}

fn mul_broadcast(name: &'static str, other: [usize; 2]) -> Case {
    Case::new(name, move || {
        let (a, b) = (randn([10_000, 1000]), randn(other));
        call([10_000, 1000], move || a.clone() * b.clone())
    })
}

/// The sum of two tensors of integers.
fn add_of(name: &'static str, dtype: IntDType) -> Case {
    Case::new(name, move || {
        let a = ids(5, [N], &device()).cast(dtype);
        let b = ids(5, [N], &device()).cast(dtype);
        call([N], move || a.clone() + b.clone())
    })
}

pub(super) fn elementwise() -> Vec<Case> {
    vec![
        add("add", N),
        Case::new("add_inplace", || {
            // What nobody else holds is written over.
            let (mut sum, b) = (Some(randn([N])), randn([N]));
            Ok(Box::new(move || {
                sum = sum.take().map(|sum| sum + b.clone());
                Ok(())
            }))
        }),
        mul_broadcast("mul_broadcast_row", [1, 1000]),
        mul_broadcast("mul_broadcast_col", [10_000, 1]),
        unary("exp", |a| a.exp()),
        Case::new("log", || {
            let a = randn([N]).abs() + 0.1;
            call([N], move || a.clone().log())
        }),
        unary("sin", |a| a.sin()),
        unary("tanh", |a| a.tanh()),
        unary("gelu", gelu),
        unary("sigmoid", sigmoid),
        unary("relu", relu),
        Case::new("pow2_5", || {
            let a = randn([N]).abs();
            call([N], move || a.clone().powf_scalar(2.5))
        }),
        Case::new("where", || {
            let (a, b) = (randn([N]), randn([N]));
            let condition = a.clone().greater_scalar(0.0);
            call([N], move || b.clone().mask_where(condition.clone(), a.clone()))
        }),
        Case::new("masked_fill", || {
            let a = randn([N]);
            let mask = a.clone().greater_scalar(0.0);
            call([N], move || a.clone().mask_fill(mask.clone(), 0.0))
        }),
        Case::new("add_transposed", || {
            let (a, b) = (randn([SIDE, SIDE]), randn([SIDE, SIDE]).transpose());
            call([SIDE, SIDE], move || a.clone() + b.clone())
        }),
        unary("cast_bf16", |a| a.cast(DType::BF16)),
        Case::new("add_bf16", || {
            let (a, b) = (randn([N]).cast(DType::BF16), randn([N]).cast(DType::BF16));
            call([N], move || a.clone() + b.clone())
        }),
        add_of("add_u8", IntDType::U8),
        add_of("add_i32", IntDType::I32),
        Case::new("u8_to_f32_div", || {
            let a = Tensor::<1, Int>::ones([N], &device()).cast(IntDType::U8);
            call([N], move || a.clone().float() / 255.0)
        }),
        Case::new("cat", || {
            let a = randn([N / 2]);
            call([N], move || Tensor::cat(vec![a.clone(), a.clone()], 0))
        }),
    ]
}

pub(super) fn rows() -> Vec<Case> {
    const OF_COLUMNS: [usize; 2] = [1, ROWS[1]];
    const OF_ROWS: [usize; 2] = [ROWS[0], 1];
    fn of_rows<const D: usize>(name: &'static str, shape: [usize; D], f: fn(Tensor<2>) -> Tensor<D>) -> Case {
        Case::new(name, move || {
            let a = randn(ROWS);
            call(shape, move || f(a.clone()))
        })
    }
    vec![
        of_rows("sum_all", [1], |a| a.sum()),
        of_rows("sum_dim0", OF_COLUMNS, |a| a.sum_dim(0)),
        of_rows("sum_dim1", OF_ROWS, |a| a.sum_dim(1)),
        of_rows("max_all", [1], |a| a.max()),
        Case::new("argmax_dim1", || {
            let a = randn(ROWS);
            call(OF_ROWS, move || a.clone().argmax(1))
        }),
        of_rows("var_dim1", OF_ROWS, |a| a.var(1)),
        of_rows("cumsum", ROWS, |a| a.cumsum(1)),
        of_rows("softmax", ROWS, |a| softmax(a, 1)),
        Case::new("softmax_train", || {
            let (a, weight) = (leaf(ROWS), beside(ROWS));
            derive(vec![wanted(&a)], move || softmax(a.clone(), 1) * weight.clone())
        }),
        Case::new("layer_norm", || {
            let (a, norm) = (randn(ROWS), LayerNormConfig::new(ROWS[1]).init(&device()));
            call(ROWS, move || norm.forward(a.clone()))
        }),
        Case::new("layer_norm_train", || {
            let (a, weight, norm) = (leaf(ROWS), beside(ROWS), LayerNormConfig::new(ROWS[1]).init(&tracking()));
            let bias = norm.beta.as_ref().ok_or("a norm without a bias")?.val();
            let leaves = vec![wanted(&norm.gamma.val()), wanted(&bias), wanted(&a)];
            derive(leaves, move || norm.forward(a.clone()) * weight.clone())
        }),
        Case::new("rms_norm", || {
            let (a, norm) = (randn(ROWS), RmsNormConfig::new(ROWS[1]).init(&device()));
            call(ROWS, move || norm.forward(a.clone()))
        }),
        Case::new("cross_entropy_train", || {
            let (a, classes) = (leaf(ROWS), ids(ROWS[1] as i64, [ROWS[0]], &tracking()));
            let loss = CrossEntropyLossConfig::new().init(&tracking());
            derive(vec![wanted(&a)], move || loss.forward(a.clone(), classes.clone()))
        }),
    ]
}

pub(super) fn indexing() -> Vec<Case> {
    const WORDS: [usize; 2] = [50_000, 256];
    vec![
        Case::new("embedding", || {
            let (weight, rows) = (randn(WORDS), ids(50_000, [1, 8192], &device()));
            call([1, 8192, 256], move || embedding(weight.clone(), rows.clone()))
        }),
        Case::new("embedding_train", || {
            let (weight, rows) = (leaf(WORDS), ids(50_000, [1, 8192], &tracking()));
            derive(vec![wanted(&weight)], move || embedding(weight.clone(), rows.clone()))
        }),
        Case::new("gather", || {
            let (a, index) = (randn(ROWS), ids(1024, [4096, 256], &device()));
            call([4096, 256], move || a.clone().gather(1, index.clone()))
        }),
        Case::new("scatter_add", || {
            let (a, index, source) = (randn(ROWS), ids(1024, [4096, 256], &device()), randn([4096, 256]));
            call(ROWS, move || a.clone().scatter(1, index.clone(), source.clone(), IndexingUpdateOp::Add))
        }),
        Case::new("index_select", || {
            let (a, rows) = (randn(ROWS), ids(4096, [2048], &device()));
            call([2048, 1024], move || a.clone().select(0, rows.clone()))
        }),
        Case::new("sort_1m", || {
            let a = randn([MILLION]);
            call([MILLION], move || a.clone().sort_with_indices(0).0)
        }),
        Case::new("topk_1m_100", || {
            let a = randn([MILLION]);
            call([100], move || a.clone().topk_with_indices(100, 0).0)
        }),
        Case::new("randn_1m", || call([MILLION], || randn([MILLION]))),
    ]
}

/// `[m, k]` by `[k, n]`.
fn product(name: &'static str, [m, k, n]: [usize; 3]) -> Case {
    Case::new(name, move || {
        let (a, b) = (randn([m, k]), randn([k, n]));
        call([m, n], move || a.clone().matmul(b.clone()))
    })
}

/// 1024³ with the operands that lie transposed.
fn transposed(name: &'static str, left: bool, right: bool) -> Case {
    const N: usize = 1024;
    Case::new(name, move || {
        let square = |transposed: bool| if transposed { randn([N, N]).transpose() } else { randn([N, N]) };
        let (a, b) = (square(left), square(right));
        call([N, N], move || a.clone().matmul(b.clone()))
    })
}

/// Square matrices of another dtype.
fn product_of(name: &'static str, n: usize, dtype: DType) -> Case {
    Case::new(name, move || {
        let (a, b) = (randn([n, n]).cast(dtype), randn([n, n]).cast(dtype));
        call([n, n], move || a.clone().matmul(b.clone()))
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
            let (a, x) = (randn([4096, 4096]), randn([4096, 1]));
            call([4096, 1], move || a.clone().matmul(x.clone()))
        }),
        Case::new("bmm_32_128_64_128", || {
            let (a, b) = (randn([32, 128, 64]), randn([32, 64, 128]));
            call([32, 128, 128], move || a.clone().matmul(b.clone()))
        }),
        product_of("matmul_bf16_1024", 1024, DType::BF16),
        product_of("matmul_f64_512", 512, DType::F64),
        Case::new("matmul_i32_512", || {
            let square = || ids(20, [512, 512], &device()).cast(IntDType::I32);
            let (a, b) = (square(), square());
            call([512, 512], move || a.clone().matmul(b.clone()))
        }),
        Case::new("matmul_i8_i32_512", || {
            let square = || (ids(256, [512, 512], &device()) - 128).cast(IntDType::I8);
            let (a, b) = (square(), square());
            call([512, 512], move || a.clone().cast(IntDType::I32).matmul(b.clone().cast(IntDType::I32)))
        }),
    ]
}
