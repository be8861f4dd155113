//! Softmax, norms and activation functions on sizes of real networks, forward and backward kernels.
//! Beside each stands PyTorch's name, so that a run of `torch.utils.benchmark` can be set against it.

use criterion::{Criterion, criterion_group, criterion_main};
use flambeau_tensor::dispatch::dispatch_all;
use flambeau_tensor::{Op, Tensor, ops::*};
use std::hint::black_box;

fn randn(shape: &[usize]) -> Tensor {
    Tensor::randn(shape).build().unwrap()
}

/// One op on the inputs it takes.
fn time(c: &mut Criterion, name: &str, op: impl Into<Op>, inputs: &[&Tensor]) {
    let op = op.into();
    c.bench_function(name, |b| b.iter(|| dispatch_all(op.clone(), black_box(inputs)).unwrap()));
}

fn run(op: impl Into<Op>, inputs: &[&Tensor]) -> Vec<Tensor> {
    dispatch_all(op.into(), inputs).unwrap().into_vec()
}

fn rows(c: &mut Criterion) {
    let (x, g) = (randn(&[2048, 1000]), randn(&[2048, 1000]));
    let y = x.softmax(1).unwrap();
    time(c, "softmax 2048x1000", Softmax { dim: 1 }, &[&x]);
    time(c, "softmax backward 2048x1000", SoftmaxBackward { dim: 1 }, &[&g, &y]);
    time(c, "log_softmax 2048x1000", LogSoftmax { dim: 1 }, &[&x]);
    time(c, "log_softmax backward 2048x1000", LogSoftmaxBackward { dim: 1 }, &[&g, &y]);
    let (x, g, w) = (randn(&[2048, 768]), randn(&[2048, 768]), randn(&[768]));
    let of = LayerNorm { dims: 1, eps: 1e-5, weight: true, bias: true };
    let stats = run(of, &[&x, &w, &w]);
    time(c, "layer_norm 2048x768", of, &[&x, &w, &w]);
    time(
        c,
        "layer_norm backward 2048x768",
        LayerNormBackward { of, needs: [true; 3] },
        &[&g, &x, &stats[1], &stats[2], &w],
    );
    time(c, "rms_norm 2048x768", RmsNorm { dims: 1, eps: 1e-5, weight: true }, &[&x, &w]);
}

fn planes(c: &mut Criterion) {
    for (name, shape) in
        [("32x64x56x56", vec![32, 64, 56, 56]), ("64x512x7x7", vec![64, 512, 7, 7]), ("256x1024", vec![256, 1024])]
    {
        let (x, g, w) = (randn(&shape), randn(&shape), randn(&shape[1..2]));
        let of = BatchNorm { training: true, eps: 1e-5, weight: true, bias: true };
        let stats = run(of, &[&x, &w, &w]);
        time(c, &format!("batch_norm {name}"), of, &[&x, &w, &w]);
        time(
            c,
            &format!("batch_norm backward {name}"),
            BatchNormBackward { of, needs: [true; 3] },
            &[&g, &x, &stats[1], &stats[2], &w],
        );
        let eval = BatchNorm { training: false, ..of };
        time(c, &format!("batch_norm eval {name}"), eval, &[&x, &stats[1], &stats[2], &w, &w]);
    }
    let (x, g, w) = (randn(&[32, 64, 56, 56]), randn(&[32, 64, 56, 56]), randn(&[64]));
    let of = GroupNorm { groups: 8, eps: 1e-5, weight: true, bias: true };
    let stats = run(of, &[&x, &w, &w]);
    time(c, "group_norm 32x64x56x56", of, &[&x, &w, &w]);
    time(
        c,
        "group_norm backward 32x64x56x56",
        GroupNormBackward { of, needs: [true; 3] },
        &[&g, &x, &stats[1], &stats[2], &w],
    );
}

fn activations(c: &mut Criterion) {
    let (x, g) = (randn(&[2_000_000]), randn(&[2_000_000]));
    time(c, "relu 2M", Relu, &[&x]);
    time(c, "relu backward 2M", ReluBackward, &[&g, &x]);
    time(c, "gelu 2M", Gelu { tanh: false }, &[&x]);
    time(c, "gelu backward 2M", GeluBackward(Gelu { tanh: false }), &[&g, &x]);
    time(c, "gelu tanh 2M", Gelu { tanh: true }, &[&x]);
    time(c, "gelu tanh backward 2M", GeluBackward(Gelu { tanh: true }), &[&g, &x]);
    time(c, "silu 2M", Silu, &[&x]);
    time(c, "silu backward 2M", SiluBackward(Silu), &[&g, &x]);
    time(c, "sigmoid 2M", Sigmoid, &[&x]);
    time(c, "tanh 2M", Tanh, &[&x]);
    time(c, "tanh backward 2M", TanhBackward, &[&g, &x]);
    time(c, "softplus 2M", Softplus { beta: 1.0, threshold: 20.0 }, &[&x]);
    time(c, "elu 2M", Elu { alpha: 1.0, scale: 1.0, input_scale: 1.0 }, &[&x]);
}

criterion_group!(benches, rows, planes, activations);
criterion_main!(benches);
