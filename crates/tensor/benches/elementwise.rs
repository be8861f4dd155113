//! Ops on two operands: a number or a broadcast row beside a tensor, small (what an op costs beside its arithmetic)
//! and large, and each dtype on a million elements. Beside the large ones stands PyTorch's `torch.add(a, b)` and so
//! on with `torch.set_num_threads(1)`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flambeau_tensor::{DType, Result, Tensor, get_num_threads, set_num_threads};
use std::hint::black_box;

/// Numbers from 1 to 8.
fn digits(dtype: DType, shape: &[usize]) -> Tensor {
    Tensor::randint(1, 9, shape).build().unwrap().to_dtype(dtype).unwrap()
}

type Op = fn(&Tensor, &Tensor) -> Result<Tensor>;

/// With 16 elements: an op with a number is to take at most 1.3 times what `add` of two tensors takes, one that
/// broadcasts 2 times.
fn small(c: &mut Criterion) {
    let mut group = c.benchmark_group("small");
    let ops: &[(&str, Op)] = &[
        ("add", |x, y| x.add(y)),
        ("add 1.0", |x, _| x.add(1.0)),
        ("sub 1.0", |x, _| x.sub(1.0)),
        ("mul 1.5", |x, _| x.mul(1.5)),
        ("2.0 / x", |x, _| x.rdiv(2.0)),
        ("gt 0.5", |x, _| x.gt(0.5)),
        ("maximum 0.5", |x, _| x.maximum(0.5)),
        ("pow 2.0", |x, _| x.pow(2.0)),
        ("clamp", |x, _| x.clamp(0.0, 1.0)),
    ];
    let (x, y) = (digits(DType::F32, &[16]), digits(DType::F32, &[16]));
    for (name, op) in ops {
        group.bench_function(format!("{name}, 16"), |b| b.iter(|| op(black_box(&x), &y).unwrap()));
    }
    let mask = x.gt(4.0).unwrap();
    group.bench_function("masked_fill, 16", |b| b.iter(|| black_box(&x).masked_fill(&mask, 0.0).unwrap()));
    let x = digits(DType::F32, &[4, 16]);
    for other in [[4, 16], [1, 16], [4, 1], [1, 1]] {
        let y = digits(DType::F32, &other);
        group.bench_function(format!("add, 4x16 and {}x{}", other[0], other[1]), |b| {
            b.iter(|| black_box(&x).add(&y).unwrap())
        });
    }
    group.finish();
}

fn large(c: &mut Criterion) {
    let threads = get_num_threads();
    set_num_threads(1);
    let n = 1_000_000;
    let ops: &[(&str, Op)] = &[
        ("add", |x, y| x.add(y)),
        ("mul", |x, y| x.mul(y)),
        ("gt", |x, y| x.gt(y)),
        ("maximum", |x, y| x.maximum(y)),
        ("pow 2", |x, _| x.pow(2)),
        ("square", |x, _| x.square()),
        ("to float32", |x, _| x.to_dtype(DType::F32)),
    ];
    use DType::*;
    for dtype in [U8, I8, I16, I32, I64, F16, BF16, F32, F64, Complex64] {
        let mut group = c.benchmark_group(format!("million {dtype}"));
        group.throughput(Throughput::Elements(n as u64)).sample_size(20);
        let (x, y) = (digits(dtype, &[n]), digits(dtype, &[n]));
        for (name, op) in ops.iter().filter(|op| !dtype.is_complex() || ["add", "mul", "square"].contains(&op.0)) {
            group.bench_function(*name, |b| b.iter(|| op(black_box(&x), &y).unwrap()));
        }
        let mask = digits(U8, &[n]).gt(4).unwrap();
        group.bench_function("where", |b| b.iter(|| black_box(&x).where_cond(&mask, &y).unwrap()));
        group.finish();
    }
    let mut group = c.benchmark_group("broadcast");
    group.sample_size(20);
    for [x, y] in [[[256, 768], [1, 768]], [[256, 768], [256, 1]], [[100_000, 3], [1, 3]]] {
        let (a, b) = (digits(F32, &x), digits(F32, &y));
        group.bench_function(format!("{x:?} + {y:?}"), |bench| bench.iter(|| black_box(&a).add(&b).unwrap()));
    }
    group.finish();
    let mut group = c.benchmark_group("matmul 256");
    group.sample_size(20);
    for dtype in [U8, I16, I32, F16, F32] {
        let (a, b) = (digits(dtype, &[256, 256]), digits(dtype, &[256, 256]));
        group.bench_function(dtype.to_string(), |bench| bench.iter(|| black_box(&a).matmul(&b).unwrap()));
    }
    group.finish();
    set_num_threads(threads);
}

criterion_group!(benches, small, large);
criterion_main!(benches);
