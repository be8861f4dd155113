//! The norms: against known numbers, against their decompositions, and their derivatives against finite
//! differences.

mod common;

use common::{check, close, kernel_is_decomposition, sample, seeded, values};
use flambeau_autograd::{Autograd, GradOptions, grad_with};
use flambeau_tensor::{
    AvgPoolOptions, BatchNormOptions, ConvOptions, ConvTransposeOptions, DType, ErrorKind, MaxPoolOptions,
    MemoryFormat, Result, Tensor, ops::*,
};

fn p(seed: u64, n: usize) -> Tensor {
    seeded(seed, &[n], 0.3, 1.5)
}

#[test]
fn layer_norm_by_hand() {
    // Row 0: mean 2, variance 2/3; row 1: mean 0, variance 6.
    let x = Tensor::from_vec(vec![1.0, 2.0, 3.0, -3.0, 0.0, 3.0], [2, 3]).unwrap();
    let (w, b) = (Tensor::from_vec(vec![1.0, 2.0, 4.0], 3).unwrap(), Tensor::from_vec(vec![0.0, 1.0, 0.0], 3).unwrap());
    let (a, c) = (1.5f64.sqrt(), 1.5f64.sqrt());
    close("plain", &values(&x.layer_norm([3], None, None, 0.0).unwrap()), &[-a, 0.0, a, -c, 0.0, c], 1e-12);
    close(
        "affine",
        &values(&x.layer_norm([3], Some(&w), Some(&b), 0.0).unwrap()),
        &[-a, 1.0, 4.0 * a, -c, 1.0, 4.0 * c],
        1e-12,
    );
    // Root mean squares: √(14/3), √6.
    let (r, s) = ((14.0f64 / 3.0).sqrt(), 6f64.sqrt());
    close(
        "rms",
        &values(&x.rms_norm([3], Some(&w), Some(0.0)).unwrap()),
        &[1.0 / r, 4.0 / r, 12.0 / r, -3.0 / s, 0.0, 12.0 / s],
        1e-12,
    );
}

#[test]
fn batch_norm_moves_the_running_statistics() {
    // Channel 0: 1, 3, mean 2, unbiased variance 2; channel 1: 0, 8, mean 4, unbiased variance 32.
    let x = Tensor::from_vec(vec![1.0f32, 0.0, 3.0, 8.0], [2, 2]).unwrap();
    let (mean, variance) = (Tensor::zeros([2]).build().unwrap(), Tensor::ones([2]).build().unwrap());
    let y = x
        .batch_norm(BatchNormOptions::new().running_mean(&mean).running_var(&variance).training(true).eps(0.0))
        .unwrap();
    close("normalised", &values(&y), &[-1.0, -1.0, 1.0, 1.0], 1e-6);
    close("mean", &values(&mean), &[0.2, 0.4], 1e-6);
    close("variance", &values(&variance), &[1.1, 4.1], 1e-6);
    let y = x.batch_norm(BatchNormOptions::new().running_mean(&mean).running_var(&variance).eps(0.0)).unwrap();
    let (a, b) = (1.1f64.sqrt(), 4.1f64.sqrt());
    close("by the running ones", &values(&y), &[0.8 / a, -0.4 / b, 2.8 / a, 7.6 / b], 1e-6);
    close("which stay", &values(&mean), &[0.2, 0.4], 1e-6);
}

#[test]
fn instance_norm_is_batch_norm_of_each_sample() {
    let x = sample(&[3, 2, 5], -2.0, 2.0);
    let y = x.instance_norm(BatchNormOptions::new().weight(&p(1, 2)).bias(&p(2, 2)).training(true)).unwrap();
    for i in 0..3 {
        let alone = x
            .narrow(0, i, 1)
            .unwrap()
            .batch_norm(BatchNormOptions::new().weight(&p(1, 2)).bias(&p(2, 2)).training(true))
            .unwrap();
        close("sample", &values(&y.narrow(0, i, 1).unwrap()), &values(&alone), 1e-12);
    }
    let mean = Tensor::zeros([2]).dtype(DType::F64).build().unwrap();
    x.instance_norm(BatchNormOptions::new().running_mean(&mean).training(true).momentum(0.5)).unwrap();
    let expected = values(&x.sum([0, 2]).unwrap().mul(0.5 / 15.0).unwrap());
    close("running mean", &values(&mean), &expected, 1e-12);
}

#[test]
fn derivatives() {
    let x = sample(&[3, 4, 2], -2.0, 2.0);
    check("layer_norm", |t| t[0].layer_norm([2], None, None, 1e-2), &[x.clone()]);
    let over = seeded(1, &[4, 2], 0.3, 1.5);
    check(
        "layer_norm, affine",
        |t| t[0].layer_norm([4, 2], Some(&t[1]), Some(&t[2]), 1e-2),
        &[x.clone(), over.clone(), over.clone()],
    );
    check("layer_norm, all", |t| t[0].layer_norm([4], Some(&t[1]), None, 1e-2), &[seeded(3, &[4], -1.0, 1.0), p(1, 4)]);
    check(
        "layer_norm, bias",
        |t| t[0].layer_norm([2], None, Some(&t[1]), 1e-2),
        &[x.transpose(0, 1).unwrap(), p(1, 2)],
    );
    check("rms_norm", |t| t[0].rms_norm([4, 2], Some(&t[1]), Some(1e-2)), &[x.clone(), over]);
    check("rms_norm, plain", |t| t[0].rms_norm([2], None, Some(1e-2)), &[x.clone()]);
    for training in [true, false] {
        let (mean, variance) = (seeded(4, &[4], -0.5, 0.5), p(5, 4));
        let running = (!training).then_some((&mean, &variance));
        let norm = |t: &[Tensor], w: Option<&Tensor>, b: Option<&Tensor>| {
            t[0].batch_norm(
                BatchNormOptions::new()
                    .running_mean(running.map(|r| r.0))
                    .running_var(running.map(|r| r.1))
                    .weight(w)
                    .bias(b)
                    .training(training)
                    .eps(1e-2),
            )
        };
        check("batch_norm", |t| norm(t, None, None), &[x.clone()]);
        check("batch_norm, affine", |t| norm(t, Some(&t[1]), Some(&t[2])), &[x.clone(), p(1, 4), p(2, 4)]);
        check("batch_norm, weight", |t| norm(t, Some(&t[1]), None), &[sample(&[5, 4], -2.0, 2.0), p(1, 4)]);
        check("batch_norm, planes", |t| norm(t, Some(&t[1]), None), &[sample(&[2, 4, 17], -2.0, 2.0), p(1, 4)]);
    }
    check("group_norm", |t| t[0].group_norm(2, Some(&t[1]), Some(&t[2]), 1e-2), &[x.clone(), p(1, 4), p(2, 4)]);
    check("group_norm, plain", |t| t[0].group_norm(1, None, None, 1e-2), &[x.clone()]);
    check(
        "instance_norm",
        |t| t[0].instance_norm(BatchNormOptions::new().weight(&t[1]).training(true).eps(1e-2)),
        &[x, p(1, 4)],
    );
}

#[test]
fn kernels_are_their_decompositions() {
    for (weight, bias) in [(true, true), (true, false), (false, true), (false, false)] {
        let given = |shape: &[usize]| -> Vec<Tensor> {
            let all = [(weight, seeded(1, shape, 0.3, 1.5)), (bias, seeded(2, shape, -1.0, 1.0))];
            all.into_iter().filter(|a| a.0).map(|a| a.1).collect()
        };
        // Rows of more than one vector, of more than one task.
        for (shape, dims) in [(vec![5, 3, 37], 1), (vec![5, 3, 13], 2), (vec![7], 1), (vec![40, 3000], 1)] {
            let (x, over) = (sample(&shape, -2.0, 2.0), shape[shape.len() - dims..].to_vec());
            let op = LayerNorm { dims, eps: 1e-3, weight, bias };
            kernel_is_decomposition(op, &[vec![x.clone()], given(&over)].concat());
            if !bias {
                kernel_is_decomposition(RmsNorm { dims, eps: 1e-3, weight }, &[vec![x.clone()], given(&over)].concat());
            }
        }
        // Planes, planes of several blocks, and rows of channels.
        for shape in [vec![3, 4, 33], vec![2, 2, 150, 130], vec![9, 4], vec![300, 4, 3]] {
            let (x, c) = (sample(&shape, -2.0, 2.0), shape[1]);
            kernel_is_decomposition(
                BatchNorm { training: true, eps: 1e-3, weight, bias },
                &[vec![x.clone()], given(&[c])].concat(),
            );
            let running = vec![x.clone(), seeded(3, &[c], -1.0, 1.0), p(4, c)];
            kernel_is_decomposition(
                BatchNorm { training: false, eps: 1e-3, weight, bias },
                &[running, given(&[c])].concat(),
            );
            for groups in [1, 2, c] {
                kernel_is_decomposition(
                    GroupNorm { groups, eps: 1e-3, weight, bias },
                    &[vec![x.clone()], given(&[c])].concat(),
                );
            }
        }
    }
}

/// The backward kernel against its decomposition, in `f64`, for every choice of wanted gradients.
fn backward_is_decomposition(make: impl Fn([bool; 3]) -> flambeau_tensor::Op, inputs: &[Tensor]) {
    for needs in
        [[true, true, true], [true, false, false], [false, true, true], [false, true, false], [true, false, true]]
    {
        let op = make(needs);
        let refs: Vec<&Tensor> = inputs.iter().collect();
        let (ours, theirs) = (
            flambeau_tensor::dispatch::dispatch_all(op.clone(), &refs).unwrap(),
            op.decompose(&refs).unwrap().unwrap(),
        );
        assert_eq!(ours.len(), theirs.len());
        for (a, b) in ours.iter().zip(&theirs) {
            assert_eq!(a.shape(), b.shape(), "{op:?}");
            close(&format!("{op:?}"), &values(a), &values(b), 1e-9);
        }
    }
}

#[test]
fn backward_kernels_are_their_decompositions() {
    let run =
        |op: flambeau_tensor::Op, inputs: &[&Tensor]| flambeau_tensor::dispatch::dispatch_all(op, inputs).unwrap();
    for weight in [true, false] {
        for (shape, dims) in [(vec![5, 3, 37], 1), (vec![5, 3, 13], 2), (vec![40, 3000], 1)] {
            let (x, g, over) =
                (sample(&shape, -2.0, 2.0), seeded(6, &shape, -1.0, 1.0), shape[shape.len() - dims..].to_vec());
            let w: Vec<Tensor> = weight.then(|| seeded(1, &over, 0.3, 1.5)).into_iter().collect();
            let inputs: Vec<&Tensor> = [&x].into_iter().chain(&w).collect();
            let of = LayerNorm { dims, eps: 1e-3, weight, bias: false };
            let stats = run(of.into(), &inputs);
            let given = [vec![g.clone(), x.clone(), stats[1].clone(), stats[2].clone()], w.clone()].concat();
            backward_is_decomposition(|needs| LayerNormBackward { of, needs }.into(), &given);
            let of = RmsNorm { dims, eps: 1e-3, weight };
            let stats = run(of.into(), &inputs);
            let given = [vec![g.clone(), x.clone(), stats[1].clone()], w].concat();
            backward_is_decomposition(|needs| RmsNormBackward { of, needs: [needs[0], needs[1]] }.into(), &given);
        }
        for shape in [vec![3, 4, 33], vec![2, 2, 150, 130], vec![9, 4], vec![300, 4, 3]] {
            let (x, g, c) = (sample(&shape, -2.0, 2.0), seeded(6, &shape, -1.0, 1.0), shape[1]);
            let w: Vec<Tensor> = weight.then(|| p(1, c)).into_iter().collect();
            let inputs: Vec<&Tensor> = [&x].into_iter().chain(&w).collect();
            for training in [true, false] {
                let of = BatchNorm { training, eps: 1e-3, weight, bias: false };
                let stats = run(BatchNorm { training: true, ..of }.into(), &inputs);
                let given = [vec![g.clone(), x.clone(), stats[1].clone(), stats[2].clone()], w.clone()].concat();
                backward_is_decomposition(|needs| BatchNormBackward { of, needs }.into(), &given);
            }
            let of = GroupNorm { groups: 2, eps: 1e-3, weight, bias: false };
            let stats = run(of.into(), &inputs);
            let given = [vec![g.clone(), x.clone(), stats[1].clone(), stats[2].clone()], w].concat();
            backward_is_decomposition(|needs| GroupNormBackward { of, needs }.into(), &given);
        }
    }
}

#[test]
fn nothing_in_nothing_out() {
    let x = Tensor::zeros([0, 3]).build().unwrap();
    assert_eq!(x.layer_norm([3], None, None, 1e-5).unwrap().shape(), [0, 3]);
    assert_eq!(x.batch_norm(BatchNormOptions::new().training(true)).unwrap().shape(), [0, 3]);
    assert_eq!(Tensor::zeros([2, 4, 0]).build().unwrap().group_norm(2, None, None, 1e-5).unwrap().shape(), [2, 4, 0]);
    assert_eq!(Tensor::zeros([2, 0]).build().unwrap().layer_norm([0], None, None, 1e-5).unwrap().shape(), [2, 0]);
}

#[test]
fn faults_are_named() {
    let x = Tensor::zeros([2, 3]).build().unwrap();
    let two = Tensor::ones([2]).build().unwrap();
    let message = x.layer_norm([2], None, None, 1e-5).unwrap_err().to_string();
    assert!(
        message.starts_with("layer_norm: normalized_shape [2] is not the end of the input's shape [2, 3]"),
        "{message}"
    );
    assert_eq!(x.layer_norm([3], Some(&two), None, 1e-5).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(
        x.batch_norm(BatchNormOptions::new().running_mean(&two).training(true)).unwrap_err().kind(),
        ErrorKind::Shape
    );
    assert_eq!(x.batch_norm(BatchNormOptions::new()).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(
        x.narrow(0, 0, 1).unwrap().batch_norm(BatchNormOptions::new().training(true)).unwrap_err().kind(),
        ErrorKind::Argument
    );
    assert_eq!(x.group_norm(2, None, None, 1e-5).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(x.to_dtype(DType::I64).unwrap().layer_norm([3], None, None, 1e-5).unwrap_err().kind(), ErrorKind::DType);
}

/// Whatever the size of a number, what lies at the mean comes to zero.
#[test]
fn a_constant_group_is_zero_to_the_bit() {
    let x = Tensor::from_slice(&[1e4f32, -1e4, 3e4, 5.0, 1.0, -6e4], [2, 3, 1]).unwrap();
    let y = x.expand([2, 3, 4]).unwrap().group_norm(3, None, None, 1e-5).unwrap();
    assert_eq!(y.to_vec::<f32>().unwrap(), [0.0; 24]);
    let rows = x.select(0, 0).unwrap().t().unwrap().expand([4, 3]).unwrap();
    let y = rows.batch_norm(BatchNormOptions::new().training(true)).unwrap();
    assert_eq!(y.to_vec::<f32>().unwrap(), [0.0; 12]);
}

/// The gradients of norms and pools through images in channels-last order: those of rows, in the order of the input
/// where the gradient that comes lies so, too (PyTorch 2.15).
#[test]
fn gradients_in_channels_last_order_are_those_of_rows() -> Result<()> {
    type Made = fn(&Tensor, &[&Tensor; 2]) -> Result<Tensor>;
    let cases: [(&str, Made); 11] = [
        ("batch_norm", |x, &[w, b]| x.batch_norm(BatchNormOptions::new().weight(w).bias(b).training(true))),
        ("batch_norm by running statistics", |x, &[w, b]| {
            let (mean, var) =
                (Tensor::full([5], 0.3).dtype(DType::F64).build()?, Tensor::full([5], 1.5).dtype(DType::F64).build()?);
            x.batch_norm(BatchNormOptions::new().running_mean(&mean).running_var(&var).weight(w).bias(b))
        }),
        ("max_pool", |x, &[w, _]| x.max_pool2d(MaxPoolOptions::new(3).stride(2).padding(1))?.mul(&w.view([5, 1, 1])?)),
        ("max_pool of overlapping windows", |x, &[w, _]| {
            x.max_pool2d(MaxPoolOptions::new(3).stride(1))?.mul(&w.view([5, 1, 1])?)
        }),
        ("avg_pool", |x, &[w, _]| x.avg_pool2d(AvgPoolOptions::new(3).stride(2).padding(1))?.mul(&w.view([5, 1, 1])?)),
        ("adaptive", |x, &[w, _]| x.adaptive_avg_pool2d((3, 2))?.mul(&w.view([5, 1, 1])?)),
        ("group_norm", |x, &[w, b]| x.group_norm(5, Some(w), Some(b), 1e-5)),
        ("a group of all channels", |x, &[w, b]| x.group_norm(1, Some(w), Some(b), 1e-5)),
        ("convolution of single elements", |x, &[w, b]| {
            x.conv2d(&w.mul(&b.exp()?.view([5, 1])?)?.view([5, 5, 1, 1])?, Some(b), ConvOptions::new())
        }),
        ("depthwise convolution", |x, &[w, b]| {
            let weight = w.view([5, 1, 1, 1])?.mul(&seeded(9, &[5, 1, 3, 2], -1.0, 1.0))?;
            x.conv2d(&weight, Some(b), ConvOptions::new().groups(5).stride((2, 1)).padding((1, 2)).dilation((1, 2)))
        }),
        ("transposed depthwise convolution", |x, &[w, b]| {
            let weight = w.view([5, 1, 1, 1])?.mul(&seeded(9, &[5, 1, 2, 3], -1.0, 1.0))?;
            x.conv_transpose2d(&weight, Some(b), ConvTransposeOptions::new().groups(5).stride(2).padding(1))
        }),
    ];
    let (w, b) = (p(3, 5).requires_grad_()?, p(4, 5).requires_grad_()?);
    for (name, f) in cases {
        let rows = seeded(7, &[3, 5, 6, 7], -2.0, 2.0).requires_grad_()?;
        let last = rows.detach().contiguous_in(MemoryFormat::ChannelsLast)?.detach().requires_grad_()?;
        let (y, z) = (f(&last, &[&w, &b])?, f(&rows, &[&w, &b])?);
        assert_eq!(y.strides(), y.contiguous_in(MemoryFormat::ChannelsLast)?.strides(), "{name}");
        let g = seeded(11, y.shape(), -1.0, 1.0);
        let through = |y: &Tensor, x: &Tensor, g: Tensor| {
            let options = GradOptions::new().grad_outputs(vec![Some(g)]).allow_unused(true);
            grad_with(&[y], &[x, &w, &b], GradOptions { retain_graph: Some(true), ..options })
        };
        let want = through(&z, &rows, g.clone())?;
        for g in [g.contiguous_in(MemoryFormat::ChannelsLast)?, g.clone()] {
            let in_order = g.is_contiguous_in(MemoryFormat::ChannelsLast);
            let got = through(&y, &last, g)?;
            for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                let (Some(got), Some(want)) = (got, want) else {
                    assert_eq!(got.is_none(), want.is_none());
                    continue;
                };
                close(&format!("{name} {i}"), &values(got), &values(want), 1e-10);
            }
            if in_order {
                assert_eq!(got[0].as_ref().unwrap().strides(), last.strides(), "{name}");
            }
        }
    }
    Ok(())
}
