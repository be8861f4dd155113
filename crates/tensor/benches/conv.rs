//! Convolution, forward and both gradients, with one thread and with all, on layers of small and middling
//! networks. Beside them stand `torch.conv2d` and `torch.ops.aten.convolution_backward` on the same sizes.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flambeau_tensor::dispatch::dispatch_all;
use flambeau_tensor::shape::Spatial;
use flambeau_tensor::{Op, Tensor, get_num_threads, ops::*, set_num_threads};
use std::hint::black_box;

/// Batch, channels in and out, the side of the image; kernels of 3 by 3 with a row of zeros around.
const LAYERS: [[usize; 4]; 6] =
    [[32, 1, 32, 8], [32, 32, 32, 8], [32, 32, 64, 4], [32, 64, 64, 4], [32, 16, 16, 28], [8, 64, 64, 56]];

fn randn(shape: &[usize]) -> Tensor {
    Tensor::randn(shape).build().unwrap()
}

fn layers(c: &mut Criterion) {
    let all = get_num_threads();
    let two = |n: usize| Spatial::from([n, n]);
    let conv = Conv { stride: two(1), padding: two(1), end: two(1), dilation: two(1), groups: 1 };
    for [batch, channels, features, side] in LAYERS {
        let (x, y) = (randn(&[batch, channels, side, side]), randn(&[batch, features, side, side]));
        let w = randn(&[features, channels, 3, 3]);
        let input = ConvInputGrad { conv, size: two(side), transposed: false };
        let weight = ConvWeightGrad { conv, kernel: two(3) };
        let mut group = c.benchmark_group("conv");
        group.throughput(Throughput::Elements((batch * channels * features * side * side * 9) as u64));
        group.sample_size(20);
        let size = format!("{batch}x{channels}x{side}x{side} to {features}");
        let directions: [(&str, Op, [&Tensor; 2]); 3] = [
            ("forward", conv.into(), [&x, &w]),
            ("input gradient", input.into(), [&y, &w]),
            ("weight gradient", weight.into(), [&x, &y]),
        ];
        for (direction, op, inputs) in directions {
            for threads in [1, all] {
                set_num_threads(threads);
                group.bench_function(format!("{size}, {direction}, threads {threads}"), |b| {
                    b.iter(|| dispatch_all(op.clone(), black_box(&inputs)).unwrap())
                });
            }
        }
    }
    set_num_threads(all);
}

criterion_group!(benches, layers);
criterion_main!(benches);
