//! Convolutions and pools of special values. Right values are PyTorch's (2.15).

use flambeau_tensor::shape::Spatial;
use flambeau_tensor::{
    AvgPoolOptions, BatchNormOptions, Conv, ConvInputGrad, ConvOptions, ConvTransposeOptions, ConvWeightGrad, DType,
    Device, Every, MaxPoolOptions, MemoryFormat, Result, Tensor, To, cat, dispatch, set_num_threads,
};

const INF: f32 = f32::INFINITY;

fn filled(shape: &[usize], value: f32) -> Tensor {
    Tensor::full(shape, value).build().unwrap()
}

fn floats(x: &Tensor) -> Vec<f32> {
    x.to_dtype(DType::F32).unwrap().to_vec().unwrap()
}

#[test]
fn every_second_element_of_a_kernel() {
    let some = |shape: [usize; 4]| {
        let n: usize = shape.iter().product();
        Tensor::from_vec((0..n).map(|i| ((i * 37 + 11) % 101) as f32 - 50.0).collect(), shape).unwrap()
    };
    let (x, wide) = (some([1, 3, 5, 5]), some([3, 3, 4, 4]));
    let w = wide.i((.., .., (..).every(2), (..).every(2))).unwrap();
    let right = x.conv2d(&w.copy().unwrap(), None, ConvOptions::new()).unwrap();
    assert_eq!(floats(&x.conv2d(&w, None, ConvOptions::new()).unwrap()), floats(&right));
}

#[test]
fn an_infinite_weight_meets_no_padding_where_a_convolution_is_transposed() {
    let (x, w) = (filled(&[1, 1, 4], 1.0), filled(&[1, 1, 3], INF));
    let run = |options| floats(&x.conv_transpose1d(&w, None, options).unwrap());
    assert_eq!(run(ConvTransposeOptions::new()), [INF; 6]);
    assert_eq!(run(ConvTransposeOptions::new().stride(2)), [INF; 9]);
    assert_eq!(run(ConvTransposeOptions::new().padding(1)), [INF; 4]);
    let gaps: Vec<f32> = (0..16).map(|i| if i % 4 == 3 { 0.0 } else { INF }).collect();
    assert_eq!(run(ConvTransposeOptions::new().stride(4).output_padding(1)), gaps);
    let square = filled(&[1, 1, 3, 3], 1.0);
    let y = square.conv_transpose2d(&filled(&[1, 1, 2, 2], INF), None, ConvTransposeOptions::new()).unwrap();
    assert_eq!(floats(&y), [INF; 16]);
    for dtype in [DType::F64, DType::F16] {
        let (x, w) = (x.to_dtype(dtype).unwrap(), w.to_dtype(dtype).unwrap());
        assert_eq!(floats(&x.conv_transpose1d(&w, None, ConvTransposeOptions::new()).unwrap()), [INF; 6], "{dtype}");
    }
    // Padding of a convolution is zeros that are multiplied.
    let y = floats(&x.conv1d(&w, None, ConvOptions::new().padding(1)).unwrap());
    assert!(y[0].is_nan() && y[1..3] == [INF; 2] && y[3].is_nan(), "{y:?}");
}

#[test]
fn transposed_convolution_rounds_the_sum_of_each_tap() {
    let half = |shape: &[usize], value: f32| filled(shape, value).to_dtype(DType::F16).unwrap();
    let (x, w, b) = (half(&[1, 8, 2], 0.3), half(&[8, 1, 1], 1.7), half(&[1], 1000.3));
    let y = x.conv_transpose1d(&w, Some(&b), ConvTransposeOptions::new()).unwrap();
    assert_eq!((floats(&y), y.dtype()), (vec![1004.5; 2], DType::F16));
    // Sums of the largest magnitude first: each is rounded to eleven digits; of bfloat16 the last one alone, to eight.
    let of = |v: &[f32], shape: [usize; 3], dtype| Tensor::from_slice(v, shape).unwrap().to_dtype(dtype).unwrap();
    for (dtype, large, right) in [(DType::F16, 2048.0, 2048.0), (DType::BF16, 256.0, 260.0)] {
        let (x, w) = (of(&[1.0; 4], [1, 1, 4], dtype), of(&[large, 1.0, 1.0, 1.0], [1, 1, 4], dtype));
        let y = floats(&x.conv_transpose1d(&w, None, ConvTransposeOptions::new()).unwrap());
        assert_eq!(y[3..], [right, 3.0, 2.0, 1.0], "{dtype}");
    }
    let half = |v: &[f32], shape: [usize; 3]| of(v, shape, DType::F16);
    // Where nothing is rounded it is the sum: with strides, dilation and groups.
    let numbers =
        |n: usize, shape: [usize; 3]| half(&(0..n).map(|i| (i * 5 % 7) as f32 - 3.0).collect::<Vec<_>>(), shape);
    let (x, w) = (numbers(20, [1, 4, 5]), numbers(24, [4, 2, 3]));
    let options = ConvTransposeOptions::new().stride(2).padding(1).dilation(2).groups(2usize);
    let wide = |x: &Tensor| x.to_dtype(DType::F32).unwrap();
    let right = wide(&x).conv_transpose1d(&wide(&w), None, options).unwrap();
    assert_eq!(floats(&x.conv_transpose1d(&w, None, options).unwrap()), floats(&right));
}

#[test]
fn means_of_int64_are_truncated() {
    let x = Tensor::arange(0, 9).build().unwrap().reshape([1, 3, 3]).unwrap();
    let mean = |x: &Tensor, options| x.avg_pool2d(options).unwrap().to_vec::<i64>().unwrap();
    assert_eq!(mean(&x, AvgPoolOptions::new(2)), [2]);
    assert_eq!(mean(&x.neg().unwrap(), AvgPoolOptions::new(2).stride(1)), [-2, -3, -5, -6]);
    let row = Tensor::from_slice(&[1i64, 2, 4], [1, 3]).unwrap();
    assert_eq!(row.avg_pool1d(2).unwrap().to_vec::<i64>().unwrap(), [1]);
    assert!(row.to_dtype(DType::I32).unwrap().avg_pool1d(2).is_err() && row.adaptive_avg_pool1d(2).is_err());
}

/// The strides that PyTorch 2.15 gives, and the values of rows.
#[test]
fn channels_last_is_kept() -> Result<()> {
    let rows = Tensor::randn([2, 3, 4, 5]).build()?;
    let x = rows.contiguous_in(MemoryFormat::ChannelsLast)?;
    assert!(x.is_contiguous_in(MemoryFormat::ChannelsLast) && !x.is_contiguous());
    assert_eq!(x.strides(), [60, 1, 15, 3]);
    let (weight, two) = (Tensor::randn([6, 3, 3, 3]).build()?, Tensor::randn([3, 4, 2, 2]).build()?);
    let channel = Tensor::randn([3, 1, 1]).build()?;
    type Made<'a> = Box<dyn Fn(&Tensor) -> Result<Tensor> + 'a>;
    let kept: Vec<(&str, Made)> = vec![
        ("relu", Box::new(|x| x.relu())),
        ("gelu", Box::new(|x| x.gelu())),
        ("add", Box::new(|x| x.add(&channel))),
        ("add", Box::new(|x| channel.add(x))),
        ("add", Box::new(|x| x.add(&rows))),
        ("gt", Box::new(|x| x.gt(0)?.to_dtype(DType::F32))),
        ("double", Box::new(|x| x.to_dtype(DType::F64))),
        ("where", Box::new(|x| x.where_cond(x.gt(0)?, 0))),
        ("clamp", Box::new(|x| x.clamp(0, 1))),
        ("zeros_like", Box::new(|x| x.zeros_like())),
        ("conv", Box::new(|x| x.conv2d(&weight, None, ConvOptions::new()))),
        ("conv_transpose", Box::new(|x| x.conv_transpose2d(&two, None, Default::default()))),
        ("max_pool", Box::new(|x| x.max_pool2d(2))),
        ("avg_pool", Box::new(|x| x.avg_pool2d(2))),
        ("adaptive", Box::new(|x| x.adaptive_avg_pool2d(2))),
        ("batch_norm", Box::new(|x| x.batch_norm(BatchNormOptions::new().training(true)))),
        ("group_norm", Box::new(|x| x.group_norm(3, None, None, 1e-5))),
        ("single elements", Box::new(|x| x.conv2d(weight.i((.., .., 1..2, 1..2))?, None, ConvOptions::new()))),
        ("depthwise", Box::new(|x| x.conv2d(weight.i((..3, 1..2))?, None, ConvOptions::new().groups(3)))),
        ("pad", Box::new(|x| x.pad(&[1, 1], 0))),
        ("cat", Box::new(|x| cat(&[x, x], 1))),
        ("copy", Box::new(|x| x.copy())),
        ("to", Box::new(|x| x.to(DType::F64))),
        ("max_pool's places", Box::new(|x| x.max_pool2d_with_indices(2)?.indices.to_dtype(DType::F32))),
        ("adaptive max", Box::new(|x| x.adaptive_max_pool2d(2))),
        ("local response", Box::new(|x| x.local_response_norm(2, 1e-4, 0.75, 1.0))),
        (
            "batch_norm by running statistics",
            Box::new(|x| {
                let (mean, var) = (Tensor::zeros([3]).build()?, Tensor::ones([3]).build()?);
                x.batch_norm(BatchNormOptions::new().running_mean(&mean).running_var(&var))
            }),
        ),
    ];
    for (name, f) in &kept {
        let (got, want) = (f(&x)?, f(&rows)?);
        assert!(got.is_contiguous_in(MemoryFormat::ChannelsLast), "{name}: {:?}", got.strides());
        assert!(!got.is_contiguous() && want.is_contiguous(), "{name}");
        // A batch's sums come in other blocks.
        let near =
            |a: &Tensor, b: &Tensor| -> Result<bool> { Ok(a.sub(b)?.abs()?.max_all()?.lt(1e-5)?.item::<bool>()?) };
        assert!(near(&got, &want)?, "{name}");
        // In one order and the other, and through views, the values are the same.
        assert!(near(&got.add(&want)?, &want.mul(2)?)? && near(&got.flatten(1, -1)?, &want.flatten(1, -1)?)?, "{name}");
    }
    for y in [x.softmax(1)?, x.cumsum(1)?, x.contiguous()?, rows.add(&x)?, x.sum_keepdim(1)?, rows.copy()?] {
        assert!(y.is_contiguous());
    }
    assert_eq!(x.relu_()?.strides(), [60, 1, 15, 3]);
    let deep = Tensor::zeros([2, 3, 4, 5, 2]).memory_format(MemoryFormat::ChannelsLast3d).build()?;
    assert_eq!((deep.strides(), deep.exp()?.strides()), (&[120, 1, 30, 6, 3][..], &[120, 1, 30, 6, 3][..]));
    assert!(deep.contiguous_in(MemoryFormat::ChannelsLast).is_err());
    // There and back, with what else may change on the way.
    let y = rows.to((DType::F64, MemoryFormat::ChannelsLast))?;
    assert_eq!((y.dtype(), y.strides()), (DType::F64, x.strides()));
    let back = y.to(To::new().memory_format(MemoryFormat::Contiguous).dtype(DType::F32))?;
    assert!(back.is_contiguous() && back.equal(&rows)?);
    assert!(rows.to(DType::F32)?.is(&rows) && rows.to(MemoryFormat::ChannelsLast3d).is_err());
    assert_eq!(rows.to((Device::Meta, MemoryFormat::ChannelsLast))?.strides(), x.strides());
    Ok(())
}

fn in_both_orders(shape: &[usize]) -> Result<(Tensor, Tensor)> {
    let rows = Tensor::randn(shape).build()?;
    Ok((rows.contiguous_in(format_of(shape))?, rows))
}

fn bits(x: &Tensor) -> Vec<u64> {
    x.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap().into_iter().map(f64::to_bits).collect()
}

/// Pools that compute in channels-last order give the bits of those in rows.
#[test]
fn pools_of_channels_last_images_are_those_of_rows() -> Result<()> {
    let (_, rows) = in_both_orders(&[2, 5, 9, 11])?;
    let special = [f32::NAN, INF, -INF].map(|x| Tensor::full([1], x).build().unwrap());
    let rows = cat(&[&rows.flatten(0, -1)?.narrow(0, 0, 987)?, &special[0], &special[1], &special[2]], 0)?
        .view([2, 5, 9, 11])?;
    let max = [
        MaxPoolOptions::new(2),
        MaxPoolOptions::new(3).stride(2).padding(1),
        MaxPoolOptions::new((2, 3)).dilation((3, 2)).stride(1).ceil_mode(true),
        MaxPoolOptions::new(5).stride(4).padding(2),
    ];
    let avg = [
        AvgPoolOptions::new(2),
        AvgPoolOptions::new(3).stride(2).padding(1),
        AvgPoolOptions::new((3, 2)).padding(1).count_include_pad(false).ceil_mode(true),
        AvgPoolOptions::new(3).divisor_override(Some(7)),
    ];
    for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16, DType::I16, DType::I64] {
        let rows = if dtype.is_float() {
            rows.to_dtype(dtype)?
        } else {
            rows.nan_to_num(Some(0.0), None, None)?.clamp(-9, 9)?.mul(3)?.to_dtype(dtype)?
        };
        let last = rows.contiguous_in(MemoryFormat::ChannelsLast)?;
        for options in &max {
            let (got, want) = (last.max_pool2d_with_indices(*options)?, rows.max_pool2d_with_indices(*options)?);
            assert!(got.values.is_contiguous_in(MemoryFormat::ChannelsLast), "{dtype} {options:?}");
            assert_eq!(bits(&got.values), bits(&want.values), "{dtype} {options:?}");
            assert_eq!(got.indices.to_vec::<i64>()?, want.indices.to_vec::<i64>()?, "{dtype} {options:?}");
        }
        if !dtype.is_float() {
            continue;
        }
        for options in &avg {
            let (got, want) = (last.avg_pool2d(*options)?, rows.avg_pool2d(*options)?);
            assert!(got.is_contiguous_in(MemoryFormat::ChannelsLast), "{dtype} {options:?}");
            assert_eq!(bits(&got), bits(&want), "{dtype} {options:?}");
        }
        for size in [1, 2, 4] {
            assert_eq!(
                bits(&last.adaptive_avg_pool2d(size)?),
                bits(&rows.adaptive_avg_pool2d(size)?),
                "{dtype} {size}"
            );
            assert_eq!(
                bits(&last.adaptive_max_pool2d(size)?),
                bits(&rows.adaptive_max_pool2d(size)?),
                "{dtype} {size}"
            );
        }
    }
    let (last, rows) = in_both_orders(&[2, 3, 5, 4, 6])?;
    assert_eq!(bits(&last.max_pool3d(2)?), bits(&rows.max_pool3d(2)?));
    assert_eq!(bits(&last.avg_pool3d(3)?), bits(&rows.avg_pool3d(3)?));
    assert!(last.avg_pool3d(2)?.is_contiguous_in(MemoryFormat::ChannelsLast3d));
    // No batch of images, though the strides could be those of one: three dimensions of four are pooled.
    let (last, rows) = in_both_orders(&[3, 4, 5, 6])?;
    assert_eq!(bits(&last.max_pool3d(2)?), bits(&rows.max_pool3d(2)?));
    assert_eq!(bits(&last.adaptive_avg_pool3d((1, 2, 2))?), bits(&rows.adaptive_avg_pool3d((1, 2, 2))?));
    Ok(())
}

/// Kernels of one element and those of each channel are computed in channels-last order; other convolutions are put in rows
/// and back.
#[test]
fn convolutions_of_channels_last_images_are_those_of_rows() -> Result<()> {
    let conv = |x: &Tensor, w: &Tensor, b: &Tensor, o: ConvOptions| match x.rank() {
        4 => x.conv2d(w, Some(b), o),
        _ => x.conv3d(w, Some(b), o),
    };
    let options = ConvOptions::new;
    let cases: [(&[usize], &[usize], ConvOptions); 9] = [
        (&[2, 7, 6, 5], &[4, 7, 1, 1], options()),
        (&[1, 64, 30, 31], &[80, 64, 1, 1], options()),
        (&[3, 4, 5, 4, 3], &[6, 4, 1, 1, 1], options()),
        (&[2, 33, 9, 8], &[33, 1, 3, 3], options().groups(33).padding(1)),
        (&[2, 16, 90, 70], &[16, 1, 5, 3], options().groups(16).stride((2, 3)).padding(2).dilation((1, 2))),
        (&[2, 5, 4, 6, 7], &[5, 1, 2, 3, 1], options().groups(5).stride((1, 2, 1)).padding(1)),
        // In rows.
        (&[2, 6, 9, 8], &[4, 3, 3, 3], options().groups(2)),
        (&[2, 6, 9, 8], &[8, 6, 1, 1], options().stride(2)),
        (&[2, 6, 9, 8], &[12, 1, 3, 3], options().groups(6)),
    ];
    for (shape, kernel, o) in cases {
        let (last, rows) = in_both_orders(shape)?;
        let (w, b) = (Tensor::randn(kernel).build()?, Tensor::randn([kernel[0]]).build()?);
        for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
            let (w, b) = (w.to_dtype(dtype)?, b.to_dtype(dtype)?);
            let (got, want) = (conv(&last.to_dtype(dtype)?, &w, &b, o)?, conv(&rows.to_dtype(dtype)?, &w, &b, o)?);
            assert!(got.is_contiguous_in(format_of(shape)) && !got.is_contiguous(), "{shape:?} {kernel:?} {dtype}");
            let digits = [(DType::F64, 1e-12), (DType::F32, 1e-4), (DType::F16, 2e-2), (DType::BF16, 0.15)];
            let near = digits.iter().find(|d| d.0 == dtype).map_or(0.0, |d| d.1);
            let (got, want) = (got.to_dtype(DType::F64)?, want.to_dtype(DType::F64)?);
            let off = got.sub(&want)?.abs()?.div(want.abs()?.add(1)?)?.max_all()?.item::<f64>()?;
            assert!(off < near, "{shape:?} {kernel:?} {dtype}: {off}");
        }
        // What is not finite reaches no further than its kernel.
        let holed = rows.clone();
        holed.flatten(0, -1)?.narrow(0, 3, 1)?.fill_(f32::INFINITY)?;
        let (got, want) = (conv(&holed.contiguous_in(format_of(shape))?, &w, &b, o)?, conv(&holed, &w, &b, o)?);
        assert_eq!(got.isfinite()?.to_vec::<bool>()?, want.isfinite()?.to_vec::<bool>()?, "{shape:?} {kernel:?}");
    }
    // A weight in channels-last order leads images in rows.
    let (last, rows) = in_both_orders(&[4, 3, 3, 2])?;
    let x = Tensor::randn([2, 3, 6, 7]).build()?;
    let (got, want) = (x.conv2d(&last, None, options())?, x.conv2d(&rows, None, options())?);
    assert!(got.is_contiguous_in(MemoryFormat::ChannelsLast) && want.is_contiguous() && got.equal(&want)?);
    Ok(())
}

fn format_of(shape: &[usize]) -> MemoryFormat {
    if shape.len() == 5 { MemoryFormat::ChannelsLast3d } else { MemoryFormat::ChannelsLast }
}

#[test]
fn group_norm_of_channels_last_images_is_that_of_rows() -> Result<()> {
    for (shape, groups) in [(&[3, 6, 6, 7][..], 3), (&[2, 64, 90, 8], 8), (&[2, 4, 4, 5, 6], 1), (&[5, 3, 2, 2], 3)] {
        let (last, rows) = in_both_orders(shape)?;
        let draw = || Tensor::randn([shape[1]]).dtype(DType::F64).build();
        let (weight, bias) = (draw()?, draw()?);
        let norm = |x: &Tensor| x.group_norm(groups, Some(&weight), Some(&bias), 1e-5);
        let (got, want) = (norm(&last.to_dtype(DType::F64)?)?, norm(&rows.to_dtype(DType::F64)?)?);
        assert_eq!(got.strides(), last.strides());
        let off = got.sub(&want)?.abs()?.max_all()?.item::<f64>()?;
        assert!(off < 1e-12, "{shape:?}: {off}");
        let half = |x: &Tensor| x.to_dtype(DType::BF16)?.group_norm(groups, None, None, 1e-5)?.to_dtype(DType::F32);
        let off = half(&last)?.sub(&half(&rows)?)?.abs()?.max_all()?.item::<f32>()?;
        assert!(off <= 1.0 / 64.0, "{shape:?}: {off}");
    }
    Ok(())
}

/// Results do not depend on the number of threads.
#[test]
fn channels_last_images_give_the_same_bits_on_any_number_of_threads() -> Result<()> {
    let (x, _) = in_both_orders(&[3, 32, 70, 60])?;
    let (w, d) = (Tensor::randn([48, 32, 1, 1]).build()?, Tensor::randn([32, 1, 3, 3]).build()?);
    let kernel = |w: &Tensor| ConvWeightGrad { conv: conv_of(w), kernel: (w.shape()[2], w.shape()[3]).into() };
    let size = |w: &Tensor| ConvInputGrad { conv: conv_of(w), size: (70, 60).into(), transposed: false };
    let run = |threads| -> Result<Vec<Vec<u64>>> {
        set_num_threads(threads);
        let mut all = vec![bits(&x.group_norm(4, None, None, 1e-5)?)];
        for w in [&w, &d] {
            let y = dispatch(conv_of(w), &[&x, w])?;
            all.push(bits(&dispatch(kernel(w), &[&x, &y])?));
            all.push(bits(&dispatch(size(w), &[&y, w])?));
            all.push(bits(&y));
        }
        Ok(all)
    };
    let (one, two) = (run(1)?, run(2)?);
    set_num_threads(0);
    assert!(one == two);
    Ok(())
}

/// Of a kernel with a channel each, or of one element.
fn conv_of(w: &Tensor) -> Conv {
    let groups = if w.shape()[1] == 1 { w.shape()[0] } else { 1 };
    let one = Spatial::from_slice(&[1]).unwrap();
    let pad = Spatial::from_slice(&[w.shape()[2] as isize / 2]).unwrap();
    Conv { stride: one, padding: pad, end: pad, dilation: one, groups }
}

/// Batch norm computes in channels-last order, by the sums of other blocks.
#[test]
fn batch_norm_of_channels_last_images_is_that_of_rows() -> Result<()> {
    for shape in [&[3, 5, 6, 7][..], &[2, 64, 9, 8], &[2, 3, 4, 5, 6], &[70, 2, 30, 3]] {
        let (last, rows) = in_both_orders(shape)?;
        let (last, rows) = (last.to_dtype(DType::F64)?, rows.to_dtype(DType::F64)?);
        let channels = shape[1];
        let draw = || Tensor::randn([channels]).dtype(DType::F64).build();
        let (weight, bias, mean, var) = (draw()?, draw()?, draw()?, draw()?.abs()?.add(0.5)?);
        for training in [true, false] {
            let run = |x: &Tensor| -> Result<[Tensor; 3]> {
                let (mean, var) = (mean.copy()?, var.copy()?);
                let options = BatchNormOptions::new().running_mean(&mean).running_var(&var).training(training);
                let y = x.batch_norm(options.weight(&weight).bias(&bias))?;
                Ok([y, mean, var])
            };
            let (got, want) = (run(&last)?, run(&rows)?);
            assert_eq!(got[0].strides(), last.strides());
            for (got, want) in got.iter().zip(&want) {
                assert!(got.allclose(want)?, "{shape:?}");
            }
        }
        let half = last.to_dtype(DType::BF16)?.batch_norm(BatchNormOptions::new().training(true))?;
        let want = rows.to_dtype(DType::BF16)?.batch_norm(BatchNormOptions::new().training(true))?;
        assert_eq!(half.strides(), last.strides());
        let off = half.to_dtype(DType::F32)?.sub(want.to_dtype(DType::F32)?)?.abs()?.max_all()?;
        assert!(off.item::<f32>()? <= 1.0 / 64.0, "{shape:?}");
    }
    Ok(())
}

/// As `torch.empty`, in every dtype, on every device and in every order; what has not been written is zero.
#[test]
fn empty_is_zero_until_it_is_written() -> Result<()> {
    let x = Tensor::empty([2, 3, 4, 5]).dtype(DType::I16).memory_format(MemoryFormat::ChannelsLast).build()?;
    assert_eq!((x.dtype(), x.strides(), x.any(..)?.item::<bool>()?), (DType::I16, &[60, 1, 15, 3][..], false));
    assert_eq!(x.empty_like()?.strides(), x.strides());
    assert_eq!(Tensor::empty([4]).device(Device::Meta).build()?.device(), Device::Meta);
    let error = Tensor::empty([2, -1]).build().unwrap_err().to_string();
    assert!(error.starts_with("empty: "), "{error}");
    assert!(Tensor::empty([1usize << 40, 1 << 40]).build().is_err());
    assert!(Tensor::empty([3]).memory_format(MemoryFormat::ChannelsLast).build().is_err());
    Ok(())
}

/// The numbers from -5 to 5, over and over in steps.
fn whole(shape: &[usize], step: i64) -> Result<Tensor> {
    let count = shape.iter().product::<usize>() as i64;
    Tensor::arange(0, count).build()?.mul(step)?.remainder(11)?.sub(5)?.reshape(shape)
}

/// Beside integers, which are summed by plain loops: samples of one output each, which are a product, and rows that are
/// parted by a stride of two.
#[test]
fn whole_numbers_are_summed_as_integers_are() -> Result<()> {
    let float = |x: &Tensor| x.to_dtype(DType::F32);
    for (x, w, stride, padding, groups) in [
        ([3, 5, 1, 1], [7, 5, 1, 1], 1usize, 0usize, 1usize),
        ([17, 40, 1, 1], [33, 40, 1, 1], 1, 0, 1),
        ([2, 6, 1, 1], [4, 3, 1, 1], 1, 0, 2),
        ([2, 4, 9, 12], [4, 1, 3, 3], 2, 1, 4),
        ([2, 4, 7, 13], [4, 1, 5, 5], 2, 2, 4),
        ([1, 3, 20, 2], [2, 3, 1, 1], 2, 0, 1),
        ([1, 2, 6, 150], [3, 2, 3, 3], 2, 0, 1),
    ] {
        let (features, options) = (w[0], || ConvOptions::new().stride(stride).padding(padding).groups(groups));
        let (x, w, bias) = (whole(&x, 7)?, whole(&w, 5)?, whole(&[features], 3)?);
        let right = x.conv2d(&w, Some(&bias), options())?;
        let y = float(&x)?.conv2d(&float(&w)?, Some(&float(&bias)?), options())?;
        assert_eq!(floats(&y), floats(&right), "{:?}", right.shape());
    }
    // A stride along one axis leaves gaps between rows of outputs that are a product otherwise.
    for (x, stride) in [([2, 3, 32, 1], [2, 1]), ([2, 3, 1, 1], [2, 1]), ([2, 3, 1, 1], [1, 1]), ([2, 3, 8, 8], [1, 1])]
    {
        let (x, w) = (whole(&x, 7)?, whole(&[3, 4, 1, 1], 5)?);
        let options = || ConvTransposeOptions::new().stride(stride).output_padding([stride[0] - 1, 0]);
        let right = x.conv_transpose2d(&w, None, options())?;
        let y = float(&x)?.conv_transpose2d(&float(&w)?, None, options())?;
        assert_eq!(floats(&y), floats(&right), "{:?}", right.shape());
    }
    Ok(())
}
