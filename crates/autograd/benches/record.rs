//! What recording one op costs, its node freed again: 16 `f32` elements.

use criterion::{Criterion, criterion_group, criterion_main};
use flambeau_autograd::Autograd;
use flambeau_tensor::Tensor;
use std::hint::black_box;

fn record(c: &mut Criterion) {
    let a = Tensor::ones([16]).build().unwrap().requires_grad_().unwrap();
    let b = Tensor::ones([16]).build().unwrap();
    let mut group = c.benchmark_group("record");
    group.bench_function("add 16", |bench| bench.iter(|| black_box(&a).add(&b).unwrap()));
    group.bench_function("mul 16", |bench| bench.iter(|| black_box(&a).mul(&b).unwrap()));
    group.bench_function("relu 16", |bench| bench.iter(|| black_box(&a).relu().unwrap()));
    group.bench_function("add and backward 16", |bench| {
        bench.iter(|| {
            black_box(&a).add(&b).unwrap().sum(..).unwrap().backward().unwrap();
            a.clear_grad();
        })
    });
    group.finish();
}

criterion_group!(benches, record);
criterion_main!(benches);
