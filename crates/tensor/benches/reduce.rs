//! Reductions over all dimensions, the last, the first, and those of batch normalisation; small ones for
//! what a call costs.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flambeau_tensor::{Result, Tensor};
use std::hint::black_box;

type Reduction = (&'static str, fn(&Tensor, &[isize]) -> Result<Tensor>);

const REDUCTIONS: [Reduction; 7] = [
    ("sum", |x, d| x.sum(d)),
    ("mean", |x, d| x.mean(d)),
    ("amax", |x, d| x.amax(d)),
    ("var", |x, d| x.var(d, 1.0)),
    ("norm", |x, d| x.norm(2.0, d)),
    ("logsumexp", |x, d| x.logsumexp(d)),
    ("argmax", |x, d| if d.len() == 1 { x.argmax(d[0]) } else { x.argmax_all() }),
];

const SHAPES: [(&[usize], &[isize], &str); 10] = [
    (&[10], &[0], "10 all"),
    (&[32, 10], &[1], "32x10 last"),
    (&[1000], &[0], "1000 all"),
    (&[1 << 20], &[0], "1M all"),
    (&[1 << 24], &[0], "16M all"),
    (&[4096, 1024], &[1], "4096x1024 last"),
    (&[4096, 1024], &[0], "4096x1024 first"),
    (&[1 << 20, 4], &[1], "1Mx4 last"),
    (&[1 << 20, 4], &[0], "1Mx4 first"),
    (&[32, 64, 28, 28], &[0, 2, 3], "32x64x28x28 (0, 2, 3)"),
];

fn reductions(c: &mut Criterion) {
    for (shape, dims, what) in SHAPES {
        let x = Tensor::randn(shape).build().expect("random numbers");
        let mut group = c.benchmark_group(format!("reduce {what}"));
        group.throughput(Throughput::Elements(x.numel() as u64)).sample_size(20);
        for (name, f) in REDUCTIONS {
            if name == "argmax" && dims.len() > 1 {
                continue;
            }
            group.bench_function(name, |b| b.iter(|| f(black_box(&x), dims).expect("a reduction")));
        }
    }
}

criterion_group!(benches, reductions);
criterion_main!(benches);
