use crate::{compare, gpu, numbers, on_device, tolerance};
use flambeau_tensor::*;

const FLOATS: [DType; 4] = [DType::F32, DType::F64, DType::F16, DType::BF16];

/// What a norm's backward gives depends on sums of many products: so many times the dtype's own steps.
const SUMS: f64 = 20.0;

/// Compares all outputs of an op.
fn all_of(what: &str, op: impl Into<Op>, inputs: &[Tensor], factor: f64) {
    let (gpu, op) = (gpu(), op.into());
    // Statistics of halves are rounded as halves by one of the two, and not by the other.
    let half = inputs.iter().map(|x| x.dtype()).find(|d| d.is_half());
    let run = |x: &[Tensor]| dispatch_all(op.clone(), &x.iter().collect::<Vec<_>>());
    let wants = run(inputs).unwrap_or_else(|e| panic!("{what}: {}", e.message()));
    on_device(what, || {
        for (i, want) in wants.iter().enumerate() {
            let factor = match half {
                Some(dtype) if want.dtype() == DType::F32 => tolerance(dtype) / tolerance(DType::F32),
                _ => factor,
            };
            compare(&gpu, &format!("{what}, output {i}"), inputs, factor, |x| Ok(run(x)?[i].clone()));
        }
    });
}

#[test]
fn softmax_by_thread_warp_and_block() {
    for dtype in FLOATS {
        for (shape, dim) in
            [(&[3, 5][..], 1), (&[3, 40], 1), (&[2, 3000], 1), (&[4, 7, 40], 1), (&[37, 3, 5], 0), (&[6], 0)]
        {
            let (x, g) = (numbers(shape, dtype, 1), numbers(shape, dtype, 2));
            let y = x.softmax(dim as isize).unwrap();
            let log = x.log_softmax(dim as isize).unwrap();
            let what = |name: &str| format!("{name} {dtype} {shape:?} along {dim}");
            all_of(&what("softmax"), Softmax { dim }, &[x.clone()], 8.0);
            all_of(&what("log_softmax"), LogSoftmax { dim }, &[x.clone()], 8.0);
            all_of(&what("softmax_backward"), SoftmaxBackward { dim }, &[g.clone(), y], 8.0);
            all_of(&what("log_softmax_backward"), LogSoftmaxBackward { dim }, &[g, log], SUMS);
        }
    }
}

#[test]
fn norms_of_layers() {
    for dtype in FLOATS {
        for (shape, width) in [([5, 4, 7], 7), ([1, 2, 1100], 1100)] {
            if width > 1000 && dtype != DType::F32 {
                continue;
            }
            let (x, g) = (numbers(&shape, dtype, 1), numbers(&shape, dtype, 2));
            let (w, b) = (numbers(&[width], dtype, 3), numbers(&[width], dtype, 4));
            let what = |name: &str| format!("{name} {dtype} {shape:?}");
            let of = LayerNorm { dims: 1, eps: 1e-5, weight: true, bias: true };
            all_of(&what("layer_norm"), of, &[x.clone(), w.clone(), b.clone()], SUMS);
            all_of(&what("layer_norm"), LayerNorm { weight: false, bias: false, ..of }, &[x.clone()], SUMS);
            let saved = dispatch_all(of.into(), &[&x, &w, &b]).unwrap();
            let inputs = [g.clone(), x.clone(), saved[1].clone(), saved[2].clone(), w.clone()];
            all_of(&what("layer_norm_backward"), LayerNormBackward { of, needs: [true; 3] }, &inputs, SUMS);
            all_of(&what("of the weight"), LayerNormBackward { of, needs: [false, true, false] }, &inputs, SUMS);
            let of = RmsNorm { dims: 1, eps: 1e-5, weight: true };
            all_of(&what("rms_norm"), of, &[x.clone(), w.clone()], SUMS);
            let saved = dispatch_all(of.into(), &[&x, &w]).unwrap();
            let inputs = [g, x, saved[1].clone(), w];
            all_of(&what("rms_norm_backward"), RmsNormBackward { of, needs: [true; 2] }, &inputs, SUMS);
        }
    }
}

#[test]
fn norms_of_batches_and_groups() {
    for dtype in FLOATS {
        for shape in [&[4, 6, 3, 5][..], &[5, 6], &[1, 6, 600]] {
            if shape.len() == 3 && dtype != DType::F32 {
                continue;
            }
            let (x, g) = (numbers(shape, dtype, 1), numbers(shape, dtype, 2));
            let (w, b) = (numbers(&[6], dtype, 3), numbers(&[6], dtype, 4));
            let what = |name: &str| format!("{name} {dtype} {shape:?}");
            let of = BatchNorm { training: true, eps: 1e-5, weight: true, bias: true };
            all_of(&what("batch_norm"), of, &[x.clone(), w.clone(), b.clone()], SUMS);
            let saved = dispatch_all(of.into(), &[&x, &w, &b]).unwrap();
            let inputs = [g.clone(), x.clone(), saved[1].clone(), saved[2].clone(), w.clone()];
            all_of(&what("batch_norm_backward"), BatchNormBackward { of, needs: [true; 3] }, &inputs, SUMS);
            let of = BatchNorm { training: false, ..of };
            let inputs = [x.clone(), saved[1].clone(), saved[2].clone(), w.clone(), b.clone()];
            all_of(&what("batch_norm of a trained net"), of, &inputs, SUMS);
            let inputs = [g.clone(), x.clone(), saved[1].clone(), saved[2].clone(), w.clone()];
            all_of(&what("its backward"), BatchNormBackward { of, needs: [true; 3] }, &inputs, SUMS);
            let of = GroupNorm { groups: 3, eps: 1e-5, weight: true, bias: true };
            all_of(&what("group_norm"), of, &[x.clone(), w.clone(), b.clone()], SUMS);
            let saved = dispatch_all(of.into(), &[&x, &w, &b]).unwrap();
            // The CPU rounds means to the dtype of halves, as PyTorch holds them there: these are so already.
            let mean = saved[1].to_dtype(dtype).and_then(|mean| mean.to_dtype(saved[1].dtype())).unwrap();
            let inputs = [g, x, mean, saved[2].clone(), w];
            all_of(&what("group_norm_backward"), GroupNormBackward { of, needs: [true; 3] }, &inputs, SUMS);
        }
    }
}

#[test]
fn convolutions_of_one_to_three_dimensions() {
    let spatial = |values: &[isize]| shape::Spatial::from_slice(values).unwrap();
    let conv = |stride: &[isize], padding: &[isize], dilation: &[isize], groups| Conv {
        stride: spatial(stride),
        padding: spatial(padding),
        end: spatial(padding),
        dilation: spatial(dilation),
        groups,
    };
    let cases: &[(&[usize], &[usize], Conv)] = &[
        (&[2, 3, 8, 9], &[4, 3, 3, 3], conv(&[1, 1], &[1, 1], &[1, 1], 1)),
        (&[2, 4, 9, 7], &[6, 2, 3, 2], conv(&[2, 1], &[1, 0], &[1, 2], 2)),
        (&[2, 4, 20], &[4, 1, 5], conv(&[3], &[2], &[1], 4)),
        (&[1, 2, 4, 5, 6], &[3, 2, 2, 3, 2], conv(&[1, 2, 1], &[0, 1, 1], &[1, 1, 2], 1)),
        (&[3, 70, 3, 3], &[66, 70, 1, 1], conv(&[1, 1], &[0, 0], &[1, 1], 1)),
    ];
    for dtype in FLOATS {
        for (x, w, op) in cases.iter().take(if dtype == DType::F32 { 5 } else { 2 }) {
            let what = |name: &str| format!("{name} {dtype} {x:?} {w:?}");
            let (size, kernel) = (&x[2..], &w[2..]);
            let (size, kernel): (Vec<isize>, Vec<isize>) =
                (size.iter().map(|s| *s as isize).collect(), kernel.iter().map(|s| *s as isize).collect());
            let bias = numbers(&w[..1], dtype, 3);
            let (x, w) = (numbers(x, dtype, 1), numbers(w, dtype, 2));
            let y = dispatch(*op, &[&x, &w]).unwrap();
            let g = numbers(y.shape(), dtype, 4);
            let sums = if x.shape()[1] > 50 { 100.0 } else { SUMS };
            all_of(&what("conv"), *op, &[x.clone(), w.clone(), bias], sums);
            let input = ConvInputGrad { conv: *op, size: spatial(&size), transposed: false };
            all_of(&what("conv, of the input"), input, &[g.clone(), w], sums);
            let weight = ConvWeightGrad { conv: *op, kernel: spatial(&kernel) };
            all_of(&what("conv, of the weight"), weight, &[x, g], 100.0);
        }
    }
}

#[test]
fn pooling_of_windows_of_all_kinds() {
    let spatial = |values: &[isize]| shape::Spatial::from_slice(values).unwrap();
    let sliding =
        |kernel: &[isize], stride: &[isize], padding: &[isize], dilation: &[isize], ceil_mode| Windows::Sliding {
            kernel: spatial(kernel),
            stride: spatial(stride),
            padding: spatial(padding),
            dilation: spatial(dilation),
            ceil_mode,
        };
    let cases: &[(&[usize], Windows)] = &[
        (&[2, 3, 8, 8], sliding(&[2, 2], &[2, 2], &[0, 0], &[1, 1], false)),
        (&[2, 3, 9, 7], sliding(&[3, 2], &[2, 1], &[1, 1], &[1, 1], true)),
        (&[2, 40], sliding(&[3], &[1], &[1], &[1], false)),
        (&[1, 2, 4, 5, 6], sliding(&[2, 3, 2], &[2, 1, 2], &[1, 1, 0], &[1, 1, 1], false)),
        (&[2, 3, 7, 10], Windows::Adaptive { output: spatial(&[3, 4]) }),
    ];
    for dtype in FLOATS {
        for (shape, windows) in cases {
            let what = |name: &str| format!("{name} {dtype} {shape:?} {windows:?}");
            let size: Vec<isize> = shape[shape.len() - windows.rank()..].iter().map(|s| *s as isize).collect();
            let x = numbers(shape, dtype, 1);
            let out = dispatch_all(MaxPool { windows: *windows }.into(), &[&x]).unwrap();
            let g = numbers(out[0].shape(), dtype, 2);
            all_of(&what("max_pool"), MaxPool { windows: *windows }, &[x.clone()], 0.0);
            let backward = MaxPoolBackward { size: spatial(&size) };
            all_of(&what("max_pool_backward"), backward, &[g.clone(), out[1].clone()], 4.0);
            for (count_include_pad, divisor_override) in [(true, None), (false, None), (true, Some(3))] {
                let pool = AvgPool { windows: *windows, count_include_pad, divisor_override };
                all_of(&what("avg_pool"), pool, &[x.clone()], 4.0);
                let backward = AvgPoolBackward { pool, size: spatial(&size) };
                all_of(&what("avg_pool_backward"), backward, &[g.clone()], 4.0);
            }
        }
    }
    let dilated = MaxPool { windows: sliding(&[3, 2], &[1, 2], &[1, 1], &[2, 3], false) };
    all_of("max_pool with dilation", dilated, &[numbers(&[2, 9, 11], DType::F32, 3)], 0.0);
}
