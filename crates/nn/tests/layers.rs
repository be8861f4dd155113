//! What single layers compute where a person can check it, and what they refuse.

#[allow(dead_code)] // other tests use the rest
mod common;

use common::{input, mark, near};
use flambeau_autograd::Autograd;
use flambeau_nn::*;
use flambeau_tensor::{DType, Device, ErrorKind, PadMode, Padding, Result, Tensor, no_grad};

fn tensor(values: &[f32], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape).unwrap()
}

fn close(tensor: &Tensor, expected: &[f32]) {
    let values = tensor.detach().to_vec::<f32>().unwrap();
    let near = values.len() == expected.len() && values.iter().zip(expected).all(|(v, e)| (v - e).abs() < 1e-4);
    assert!(near, "{values:?} where {expected:?} is right");
}

#[test]
fn batch_norm_counts_and_averages() -> Result<()> {
    let norm = BatchNorm1d::new(2).build()?;
    let x = tensor(&[1.0, 2.0, 3.0, 6.0], &[2, 2]);
    close(&norm.call(&x)?, &[-1.0, -1.0, 1.0, 1.0]);
    let buffer = |b: &Option<Buffer>| b.as_ref().unwrap().tensor().clone();
    close(&buffer(&norm.running_mean), &[0.2, 0.4]);
    close(&buffer(&norm.running_var), &[1.1, 1.7]);
    assert_eq!(buffer(&norm.num_batches_tracked).item::<i64>()?, 1);
    norm.eval();
    close(&norm.call(&x)?, &[0.762_767, 1.227_132, 2.669_69, 4.294_96]);
    assert_eq!(buffer(&norm.num_batches_tracked).item::<i64>()?, 1, "evaluation counts nothing");
    norm.reset_running_stats()?;
    close(&buffer(&norm.running_var), &[1.0, 1.0]);
    Ok(())
}

#[test]
fn batch_norm_without_momentum_averages_over_all_batches() -> Result<()> {
    let norm = BatchNorm1d::new(1).momentum(None).build()?;
    for base in [0.0, 4.0, 8.0] {
        norm.call(&tensor(&[base, base + 2.0], &[2, 1]))?;
    }
    close(norm.running_mean.as_ref().unwrap(), &[5.0]);
    close(norm.running_var.as_ref().unwrap(), &[2.0]);
    Ok(())
}

#[test]
fn batch_norm_without_statistics_uses_the_batch_in_evaluation_too() -> Result<()> {
    let norm = BatchNorm1d::new(1).track_running_stats(false).affine(false).build()?;
    norm.eval();
    assert!(norm.state_dict().is_empty());
    close(&norm.call(&tensor(&[1.0, 5.0], &[2, 1]))?, &[-1.0, 1.0]);
    Ok(())
}

#[test]
fn an_old_checkpoint_has_no_count_of_batches() -> Result<()> {
    let norm = BatchNorm2d::new(3).build()?;
    let mut state = norm.state_dict();
    assert_eq!(
        state.names().collect::<Vec<_>>(),
        ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    );
    state.remove("num_batches_tracked");
    norm.load_state_dict(&state)
}

#[test]
fn batch_norm_refuses_other_shapes() {
    let norm = BatchNorm2d::new(3).build().unwrap();
    let fault = norm.call(&Tensor::zeros([2, 3]).build().unwrap()).unwrap_err();
    assert!(fault.message().contains("[2, 3] is not [N, C, H, W]"), "{fault}");
    let fault = norm.call(&Tensor::zeros([2, 4, 1, 1]).build().unwrap()).unwrap_err();
    assert!(fault.message().contains("has 4 channels, 3 are normalised"), "{fault}");
}

#[test]
fn the_padding_row_is_zero_and_stays_so() -> Result<()> {
    let words = Embedding::new(4, 2).padding_idx(-1).build()?;
    assert_eq!(words.weight.to_vec::<f32>()?[6..], [0.0, 0.0]);
    let indices = Tensor::from_slice(&[3i64, 1, 3, 1], [2, 2])?;
    let out = words.call(&indices)?;
    assert_eq!(out.shape(), [2, 2, 2]);
    out.sum(..)?.backward()?;
    assert_eq!(words.weight.grad().unwrap().to_vec::<f32>()?, [0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(words.call(&Tensor::from_slice(&[4i64], 1)?).unwrap_err().kind(), ErrorKind::Index);
    assert!(Embedding::new(4, 2).padding_idx(4).build().is_err());
    Ok(())
}

#[test]
fn rows_that_are_too_long_are_shortened_when_used() -> Result<()> {
    let mut words = Embedding::new(2, 2).max_norm(1.0).build()?;
    words.weight = Parameter::new(tensor(&[3.0, 4.0, 30.0, 40.0], &[2, 2]))?;
    close(&words.call(&Tensor::from_slice(&[0i64], 1)?)?, &[0.6, 0.8]);
    close(&words.weight, &[0.6, 0.8, 30.0, 40.0]);
    let frozen = Embedding::from_pretrained(tensor(&[1.0, 2.0], &[1, 2]), true)?;
    assert!(!frozen.weight.requires_grad());
    Ok(())
}

#[test]
fn dropout_drops_and_scales() -> Result<()> {
    let x = Tensor::ones(10_000).build()?;
    let values = Dropout::new(0.2).build()?.call(&x)?.to_vec::<f32>()?;
    let dropped = values.iter().filter(|v| **v == 0.0).count();
    assert!((1800..2200).contains(&dropped), "{dropped} of 10000 were dropped");
    assert!(values.iter().all(|v| *v == 0.0 || *v == 1.25));
    assert_eq!(Dropout::new(1.0).build()?.call(&x)?.sum(..)?.item::<f32>()?, 0.0);
    let in_place = Dropout::new(1.0).inplace(true).build()?;
    assert!(in_place.call(&x)?.is(&x), "the input itself");
    assert_eq!(x.sum(..)?.item::<f32>()?, 0.0);
    Ok(())
}

#[test]
fn channels_are_dropped_whole() -> Result<()> {
    for (layer, shape) in [
        (Box::new(Dropout2d::new(0.5).build()?) as Box<dyn Layer>, &[4usize, 50, 3, 3][..]),
        (Box::new(Dropout1d::new(0.5).build()?), &[50, 9]),
    ] {
        let y = layer.call(&Tensor::ones(shape).build()?)?.to_vec::<f32>()?;
        assert!(y.chunks(9).all(|c| c.iter().all(|v| *v == c[0])));
        assert!(y.contains(&0.0) && y.contains(&2.0));
    }
    assert!(Dropout1d::new(0.5).build()?.call(&Tensor::ones(3).build()?).is_err());
    Ok(())
}

#[test]
fn padding_modes_of_convolutions() -> Result<()> {
    let x = tensor(&[1.0, 2.0, 3.0, 4.0], &[1, 1, 4]);
    let sums = |conv: Conv1dBuilder| -> Result<Tensor> {
        let conv = conv.bias(false).build()?;
        init::ones_(&conv.weight)?;
        conv.call(&x)
    };
    close(&sums(Conv1d::new(1, 1, 3).padding(1))?, &[3.0, 6.0, 9.0, 7.0]);
    close(&sums(Conv1d::new(1, 1, 3).padding(1).padding_mode(PadMode::Circular))?, &[7.0, 6.0, 9.0, 8.0]);
    close(&sums(Conv1d::new(1, 1, 3).padding(1).padding_mode(PadMode::Replicate))?, &[4.0, 6.0, 9.0, 11.0]);
    // Of two elements around, the odd one stands behind.
    close(&sums(Conv1d::new(1, 1, 2).padding(Padding::Same).padding_mode(PadMode::Reflect))?, &[3.0, 5.0, 7.0, 7.0]);
    Ok(())
}

#[test]
fn convolutions_that_cannot_be_are_refused_when_built() {
    let refused = |conv: Conv2dBuilder| conv.build().map(drop).unwrap_err().message().to_string();
    assert!(refused(Conv2d::new(3, 4, 3).groups(2)).contains("in_channels = 3 does not split into 2 groups"));
    assert!(refused(Conv2d::new(2, 4, 3).groups(0)).contains("at least 1"));
    assert!(refused(Conv2d::new(2, 4, 3).stride(2).padding(Padding::Same)).contains("stride 1"));
    assert!(refused(Conv2d::new(2, 4, (3, 3, 3))).contains("kernel_size"));
    assert!(refused(Conv2d::new(2, 4, 0)).contains("kernel_size"));
    assert!(refused(Conv2d::new(2, 4, 3).stride(0)).contains("stride"));
}

#[test]
fn relu_in_place_writes_its_input() -> Result<()> {
    let x = tensor(&[-1.0, 2.0], &[2]);
    assert!(ReLU::new().inplace(true).call(&x)?.is(&x));
    close(&x, &[0.0, 2.0]);
    Ok(())
}

#[test]
fn flattening_there_and_back() -> Result<()> {
    let model = Sequential::of((Flatten::new(), Unflatten::new(1, [2, -1]), Identity::new()))?;
    assert_eq!(model.call(&Tensor::zeros([5, 3, 4]).build()?)?.shape(), [5, 2, 6]);
    Ok(())
}

#[test]
fn a_model_larger_than_memory_is_measured_on_the_meta_device() -> Result<()> {
    let n = 1 << 20;
    let model =
        Sequential::of((Linear::new(n, n).device(Device::Meta), ReLU::new(), Linear::new(n, 10).device(Device::Meta)))?;
    assert_eq!(model.num_parameters(), n * n + n + 10 * n + 10);
    assert_eq!(model.call(&Tensor::zeros([7, n]).device(Device::Meta).build()?)?.shape(), [7, 10]);
    Ok(())
}

#[test]
fn parameters_of_another_dtype() -> Result<()> {
    let layer = Linear::new(3, 2).dtype(DType::F64).build()?;
    let y = layer.call(&Tensor::zeros([1, 3]).dtype(DType::F64).build()?)?;
    assert_eq!(y.dtype(), DType::F64);
    assert!(layer.call(&Tensor::zeros([1, 3]).build()?).is_err(), "dtypes must be one");
    Ok(())
}

#[test]
fn long_rows_are_shortened_in_any_precision() -> Result<()> {
    let short = functional::EmbeddingOptions::new().max_norm(1.0);
    let rows = tensor(&[300.0, 400.0, 0.3, 0.4, 3e4, 4e4], &[3, 2]);
    for (dtype, tolerance) in [(DType::F16, 2e-3), (DType::BF16, 8e-3), (DType::F32, 1e-6), (DType::F64, 1e-6)] {
        let weight = rows.to_dtype(dtype)?;
        let indices = Tensor::from_slice(&[0i64, 1, 2, 0], 4)?;
        let out = functional::embedding_with(&indices, &weight, short)?.to_dtype(DType::F64)?;
        let values = out.to_vec::<f64>()?;
        for (v, right) in values.iter().zip([0.6, 0.8, 0.3, 0.4, 0.6, 0.8, 0.6, 0.8]) {
            assert!((v - right).abs() < tolerance, "{values:?} of {dtype}");
        }
    }
    // A strided table, and the norm that is the largest element.
    let weight = tensor(&[3.0, 0.3, 1.0, 4.0, 0.4, -2.0], &[2, 3]).t()?;
    let indices = Tensor::from_slice(&[0u8, 2], 2)?;
    functional::embedding_with(&indices, &weight, short.norm_type(f64::INFINITY))?;
    close(&weight.contiguous()?, &[0.75, 1.0, 0.3, 0.4, 0.5, -1.0]);
    Ok(())
}

#[test]
fn a_bad_index_shortens_nothing() -> Result<()> {
    let table = Embedding::new(3, 2).max_norm(1.0).build()?;
    flambeau_nn::init::constant_(&table.weight, 5.0)?;
    for bad in [3i64, -1] {
        let fault = table.call(&Tensor::from_slice(&[0, bad], 2)?).unwrap_err();
        assert_eq!(fault.kind(), ErrorKind::Index, "{fault}");
    }
    let index = Tensor::from_slice(&[0i64], 1)?;
    let short = functional::EmbeddingOptions::new().max_norm(1.0);
    assert!(functional::embedding_with(&index, &table.weight, short.padding_idx(7)).is_err());
    close(&table.weight, &[5.0; 6]);
    Ok(())
}

/// The values of `torch.nn.functional.embedding` and `embedding_bag` with `scale_grad_by_freq`.
#[test]
fn gradients_of_rows_by_how_often_they_are_named() -> Result<()> {
    let indices = Tensor::from_slice(&[1i64, 2, 2, 0, 2], 5)?;
    let table = Embedding::new(4, 1).scale_grad_by_freq(true).build()?;
    assert_eq!(format!("{table:?}"), "Embedding(4, 1, scale_grad_by_freq=True)");
    let by = tensor(&[1.0, 2.0, 4.0, 8.0, 6.0], &[5, 1]);
    table.call(&indices)?.mul(&by)?.sum(..)?.backward()?;
    close(&table.weight.grad().expect("a gradient"), &[8.0, 1.0, 4.0, 0.0]);
    let bag = EmbeddingBag::new(4, 1).scale_grad_by_freq(true).build()?;
    assert_eq!(format!("{bag:?}"), "EmbeddingBag(4, 1, scale_grad_by_freq=True, mode='mean')");
    let offsets = Tensor::from_slice(&[0i64, 3], 2)?;
    bag.call((&indices, &offsets))?.mul(&tensor(&[3.0, 4.0], &[2, 1]))?.sum(..)?.backward()?;
    close(&bag.weight.grad().expect("a gradient"), &[2.0, 1.0, 4.0 / 3.0, 0.0]);
    // Neither a sparse gradient nor that of a maximum is scaled.
    let sparse = Embedding::new(4, 1).scale_grad_by_freq(true).sparse(true).build()?;
    assert_eq!(sparse.call(&indices).unwrap_err().kind(), ErrorKind::Unsupported);
    let most = EmbeddingBag::new(4, 1).scale_grad_by_freq(true).mode(flambeau_tensor::BagMode::Max).build()?;
    assert_eq!(most.call((&indices, &offsets)).unwrap_err().kind(), ErrorKind::Unsupported);
    Ok(())
}

/// A chain in place of a builder, and what it is made for at once.
#[test]
fn activations_are_made_alike() -> Result<()> {
    let x = tensor(&[-1.0, 1.0], &[2]);
    close(&ReLU::new().call(&x)?, &[0.0, 1.0]);
    close(&GELU::new().call(&x)?, &[-0.158_655, 0.841_345]);
    close(&GELU::new().approximate(Approximate::Tanh).call(&x)?, &[-0.158_808, 0.841_192]);
    close(&LeakyReLU::new().negative_slope(0.5).call(&x)?, &[-0.5, 1.0]);
    assert_eq!(Flatten::new().start_dim(0).call(&Tensor::zeros([2, 3]).build()?)?.shape(), [6]);
    Ok(())
}

#[test]
fn errors_of_builders_have_the_users_line() {
    let at = |line: u32, fault: flambeau_tensor::Error| {
        let location = fault.location().expect("a line");
        assert_eq!((location.file(), location.line()), (file!(), line), "{fault}");
    };
    at(line!(), Dropout::new(1.5).build().unwrap_err());
    at(line!(), Conv2d::new(3, 4, 3).groups(2).build().unwrap_err());
    at(line!(), Embedding::new(3, 4).padding_idx(3).build().unwrap_err());
    at(line!(), GroupNorm::new(2, 3).build().unwrap_err());
    at(line!(), Sequential::of((ReLU::new(), MaxPool2d::new(0))).unwrap_err());
    at(line!(), Sequential::of(vec![Dropout::new(2.0)]).unwrap_err());
}

#[test]
fn classes_of_an_adaptive_softmax() -> Result<()> {
    let softmax = AdaptiveLogSoftmaxWithLoss::new(4, 12, [2, 5]).div_value(2.0).build()?;
    let x = Tensor::randn([6, 4]).build()?;
    let all = softmax.log_prob(&x)?;
    let sums: Vec<f32> = all.exp()?.sum(1)?.detach().to_vec()?;
    assert!(sums.iter().all(|s| (s - 1.0).abs() < 1e-5), "{sums:?} are sums of probabilities");
    assert_eq!(softmax.predict(&x)?.to_vec::<i64>()?, all.argmax(1)?.to_vec::<i64>()?);

    let target = Tensor::from_slice(&[0i64, 1, 2, 4, 5, 11], 6)?;
    let out = softmax.call((&x, &target))?;
    let right: Vec<f32> = all.gather(1, &target.unsqueeze(1)?)?.squeeze(1)?.detach().to_vec()?;
    close(&out.output, &right);
    close(&out.loss, &[-right.iter().sum::<f32>() / 6.0]);

    let fault = softmax.call((&x, &target.add(1)?)).unwrap_err();
    assert!(fault.message().contains("classes between 1 and 12, there are 0 to 11"), "{fault}");
    let fault = softmax.call((&x, &target.narrow(0, 0, 2)?)).unwrap_err();
    assert!(fault.message().contains("integers [6] are right"), "{fault}");
    for cutoffs in [vec![], vec![0], vec![3, 3], vec![4, 2], vec![12]] {
        let fault = AdaptiveLogSoftmaxWithLoss::new(4, 12, cutoffs).build().unwrap_err();
        assert!(fault.message().contains("do not rise from at least 1 to below the 12 classes"), "{fault}");
    }
    Ok(())
}

#[test]
fn bags_say_what_they_are_made_of() -> Result<()> {
    let bags = EmbeddingBag::new(5, 2).mode(flambeau_tensor::BagMode::Max).build()?;
    let list = Tensor::from_slice(&[1i64, 2, 4], 3)?;
    let fault = bags.call(&list).unwrap_err();
    assert!(fault.message().contains("a matrix of bags, or a list with `offsets`"), "{fault}");
    let weights = Tensor::ones(3).build()?;
    let offsets = Tensor::from_slice(&[0i64, 1], 2)?;
    let fault = bags.call((&list, Some(&offsets), Some(&weights))).unwrap_err();
    assert!(fault.message().contains("weights of samples go with the sum only"), "{fault}");
    assert!(bags.call((&list, &offsets.add(1)?)).is_err());
    Ok(())
}

#[test]
fn an_image_gets_another_size_in_one_way() {
    let fault = Upsample::new().build().unwrap_err();
    assert!(fault.message().contains("neither size nor scale_factor is set"), "{fault}");
    let fault = Upsample::new().size(3).scale_factor(2.0).build().unwrap_err();
    assert!(fault.message().contains("both set"), "{fault}");
}

#[test]
fn slopes_of_a_randomised_relu() -> Result<()> {
    let relu = RReLU::new().lower(0.25).upper(0.5).build()?;
    let x = tensor(&[-4.0, 4.0, 0.0, -8.0], &[4]).requires_grad_()?;
    let y = relu.call(&x)?;
    y.sum(..)?.backward()?;
    let (y, slopes) = (y.detach().to_vec::<f32>()?, x.grad().unwrap().to_vec::<f32>()?);
    assert!(slopes[1] == 1.0 && [0, 2, 3].iter().all(|i| (0.25..=0.5).contains(&slopes[*i])), "{slopes:?}");
    assert_eq!(y, [-4.0 * slopes[0], 4.0, 0.0, -8.0 * slopes[3]]);
    relu.eval();
    close(&relu.call(&x)?, &[-1.5, 4.0, 0.0, -3.0]);
    assert!(RReLU::new().lower(1.0).upper(0.5).build().is_err());
    Ok(())
}

/// The mark of what is left in x, and of the gradient of what it was made from.
fn over<M: Layer + std::fmt::Debug>(layer: M, times: f64) -> Result<[f64; 2]> {
    let x = input(&[3, 4]).requires_grad_()?;
    let w = x.mul(times)?;
    let y = layer.call(&w)?;
    assert!(y.is(&w) || y.storage().is(w.storage()), "{layer:?}");
    y.mul(&input(&[3, 4]))?.sum(..)?.backward()?;
    Ok([mark(&w), mark(&x.grad().expect("a gradient"))])
}

#[test]
fn activations_write_over_their_input_where_asked() -> Result<()> {
    near("LeakyReLU", &over(LeakyReLU::new().negative_slope(0.3).inplace(true), 1.0)?, &[-0.900327, -0.900327]);
    near("ELU", &over(ELU::new().alpha(0.5).inplace(true), 1.0)?, &[-0.879886, -0.763961]);
    near("CELU", &over(CELU::new().alpha(0.5).inplace(true), 1.0)?, &[-0.905546, -0.659554]);
    let hardtanh = Hardtanh::new().min_val(-0.5).max_val(0.7).inplace(true);
    assert_eq!(format!("{hardtanh:?}"), "Hardtanh(min_val=-0.5, max_val=0.7, inplace=True)");
    near("Hardtanh", &over(hardtanh, 1.0)?, &[-0.719182, -0.127013]);
    near("ReLU6", &over(ReLU6::new().inplace(true), 8.0)?, &[-3.869221, -3.690288]);
    near("Threshold", &over(Threshold::new(0.25, 3.0).inplace(true), 1.0)?, &[-0.589529, -0.552414]);
    let rrelu = RReLU::new().lower(0.05).upper(0.9).inplace(true).build()?;
    over(RReLU::new().inplace(true).build()?, 1.0)?;
    over(Dropout::new(0.5).inplace(true).build()?, 1.0)?;
    over(AlphaDropout::new(0.5).inplace(true).build()?, 1.0)?;
    rrelu.eval();
    assert_eq!(format!("{rrelu:?}"), "RReLU(lower=0.05, upper=0.9, inplace=True)");
    near("RReLU", &over(rrelu, 1.0)?, &[-1.027018, -1.027018]);
    assert_eq!(format!("{:?}", Hardswish::new().inplace(true)), "Hardswish()");
    assert_eq!(format!("{:?}", LeakyReLU::new().inplace(true)), "LeakyReLU(negative_slope=0.01, inplace=True)");
    let (dropout, x) = (Dropout2d::new(1.0).inplace(true).build()?, Tensor::ones([2, 3, 4, 4]).build()?);
    dropout.call(&x)?;
    assert_eq!(mark(&x), 0.0);
    Ok(())
}

#[test]
fn pools_of_infinite_norms_are_pools_of_the_extremes() -> Result<()> {
    fn pooled<M: Layer>(pool: M, shape: &[usize]) -> Result<[f64; 2]> {
        let x = input(shape).requires_grad_()?;
        let y = pool.call(&x)?;
        let slopes: Vec<f32> = (0..y.numel()).map(|i| (i as f32).cos()).collect();
        y.mul(&Tensor::from_vec(slopes, y.shape())?)?.sum(..)?.backward()?;
        Ok([mark(&y), mark(&x.grad().expect("a gradient"))])
    }
    let (most, least) = (f64::INFINITY, f64::NEG_INFINITY);
    let (line, plane) =
        (|p| LPPool1d::new(p, 3).stride(2).ceil_mode(true).build(), |p| LPPool2d::new(p, (3, 2)).build());
    let space = |p| LPPool3d::new(p, 2).build();
    near("1d", &pooled(line(most)?, &[2, 3, 7])?, &[-0.461643, -4.445716]);
    near("2d", &pooled(plane(most)?, &[2, 3, 7, 6])?, &[-0.343738, -14.279857]);
    near("3d", &pooled(space(most)?, &[1, 2, 4, 4, 4])?, &[0.715328, -4.700402]);
    near("least 1d", &pooled(line(least)?, &[2, 3, 7])?, &[-0.052001, -2.814034]);
    near("least 2d", &pooled(plane(least)?, &[2, 3, 7, 6])?, &[-0.143527, -5.498196]);
    near("least 3d", &pooled(space(least)?, &[1, 2, 4, 4, 4])?, &[-0.102116, 1.603814]);
    assert!(input(&[2, 3, 7]).lp_pool1d(0.0, 2).is_err() && input(&[2, 3, 7]).lp_pool1d(f64::NAN, 2).is_err());
    Ok(())
}

#[test]
fn layers_that_are_told_the_size_of_their_output() -> Result<()> {
    let layer = ConvTranspose2d::new(2, 3, 3).stride((2, 3)).padding(1).output_padding(1).build()?;
    no_grad(|| {
        layer.weight.copy_(&input(&[2, 3, 3, 3]))?;
        layer.bias.as_ref().expect("a bias").copy_(&input(&[3])).map(drop)
    })?;
    let x = input(&[1, 2, 3, 3]);
    let y = layer.forward_to_size(&x, (5, 9))?;
    assert_eq!(y.shape(), [1, 3, 5, 9]);
    near("to a size", &[mark(&y)], &[-2.520317]);
    assert_eq!(layer.forward_to_size(&x.squeeze(0)?, (6, 7))?.shape(), [3, 6, 7]);
    let fault = layer.forward_to_size(&x, (5, 10)).unwrap_err();
    assert!(fault.message().contains("planes [3, 3] do not become [5, 10]: dimension 1 may be 7 to 9"), "{fault}");
    assert!(
        layer.forward_to_size(&x, (isize::MAX, isize::MIN)).is_err() && layer.forward_to_size(&input(&[3]), 5).is_err()
    );

    let pooled = AdaptiveMaxPool2d::new((2, 3)).forward_with_indices(&input(&[1, 2, 5, 4]))?;
    assert_eq!(pooled.indices.to_vec::<i64>()?, [9, 6, 3, 17, 14, 14, 5, 5, 11, 16, 14, 19]);
    let right = [0.6, 0.8, 1.0, 0.8, 1.0, 1.0, 1.0, 1.0, 0.6, 1.0, 0.4, 0.8];
    assert!(pooled.values.to_vec::<f32>()?.iter().zip(right).all(|(a, b)| (a - b).abs() < 1e-6));
    Ok(())
}

#[test]
fn tables_of_given_vectors() -> Result<()> {
    let rows = input(&[4, 3]);
    let words = Embedding::new(4, 3).weight(rows.clone()).freeze(true).padding_idx(-1).build()?;
    assert_eq!(format!("{words:?}"), "Embedding(4, 3, padding_idx=3)");
    assert!(words.weight.equal(&rows)? && !words.weight.requires_grad());
    assert!(Embedding::new(4, 3).weight(rows.clone()).build()?.weight.requires_grad());
    assert!(!Embedding::new(4, 3).freeze(true).build()?.weight.requires_grad());
    let bag = EmbeddingBag::new(4, 3).weight(rows.clone()).freeze(true).build()?;
    assert!(bag.weight.equal(&rows)? && !bag.weight.requires_grad());
    let fault = Embedding::new(5, 3).weight(rows).build().unwrap_err();
    assert!(fault.message().contains("the weight is [4, 3], a table of 5 rows is [5, 3]"), "{fault}");
    Ok(())
}
