//! What one op costs beside its arithmetic: 16 `f32` elements, no gradient.

use criterion::{Criterion, criterion_group, criterion_main};
use flambeau_tensor::Tensor;
use std::hint::black_box;

fn dispatch(c: &mut Criterion) {
    let a = Tensor::ones([16]).build().unwrap();
    let b = Tensor::ones([16]).build().unwrap();
    let row = Tensor::ones([4, 4]).build().unwrap();
    let mut group = c.benchmark_group("dispatch");
    group.bench_function("add 16", |bench| bench.iter(|| black_box(&a).add(&b).unwrap()));
    group.bench_function("add scalar 16", |bench| bench.iter(|| black_box(&a).add(1.0).unwrap()));
    group.bench_function("relu 16", |bench| bench.iter(|| black_box(&a).relu().unwrap()));
    group.bench_function("add_ 16", |bench| bench.iter(|| black_box(&a).mul_(1.0).unwrap().version()));
    group.bench_function("reshape 4x4", |bench| bench.iter(|| black_box(&row).reshape([16]).unwrap()));
    group.bench_function("add transposed 4x4", |bench| {
        let t = row.t().unwrap();
        bench.iter(|| black_box(&row).add(&t).unwrap())
    });
    group.finish();
}

criterion_group!(benches, dispatch);
criterion_main!(benches);
