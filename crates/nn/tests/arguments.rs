//! Arguments of any size: layers, functions and first values give an error, and do not stop, panic or take memory.

use flambeau_nn::*;
use flambeau_tensor::{Build, DType, Device, Result, Tensor};

const HUGE: [usize; 5] = [1 << 31, 1 << 40, 1 << 62, usize::MAX / 2, usize::MAX];

fn refused<B: Build<Output: Sized>>(what: &str, n: usize, builder: B) {
    assert!(builder.build().is_err(), "{what} of {n}");
}

#[test]
fn layers_larger_than_memory_are_errors() {
    for n in HUGE {
        refused("Linear", n, Linear::new(n, n));
        refused("Conv1d", n, Conv1d::new(n, n, 3));
        refused("Conv2d", n, Conv2d::new(4, n, (3usize, 1usize << 40)));
        refused("Conv3d", n, Conv3d::new(1, 1, 1usize << 40).groups(n));
        refused("ConvTranspose2d", n, ConvTranspose2d::new(n, n, 3));
        refused("Embedding", n, Embedding::new(n, n));
        refused("Embedding", n, Embedding::new(n, 1 << 40).padding_idx(isize::MIN));
        refused("LayerNorm", n, LayerNorm::new([n, n]));
        refused("RMSNorm", n, RMSNorm::new([n, 1 << 40]));
        refused("EmbeddingBag", n, EmbeddingBag::new(n, n));
        refused("Bilinear", n, Bilinear::new(n, n, 2));
        refused("Bilinear", n, Bilinear::new(0, n, 0));
        refused("AdaptiveLogSoftmaxWithLoss", n, AdaptiveLogSoftmaxWithLoss::new(n, n, [n - 1]));
        refused("LinearCrossEntropyLoss", n, LinearCrossEntropyLoss::new(n, 1 << 40).out_features([n, 2]));
        if n > 1 << 31 {
            refused("BatchNorm1d", n, BatchNorm1d::new(n));
            refused("GroupNorm", n, GroupNorm::new(n, n));
            refused("PReLU", n, PReLU::new().num_parameters(n));
        }
    }
    // Without memory they may be as large as can be counted.
    assert!(Linear::new(1 << 30, 1 << 30).device(Device::Meta).build().is_ok());
    assert!(Linear::new(1 << 40, 1 << 40).device(Device::Meta).build().is_err());
}

#[test]
fn options_beyond_all_sizes_are_errors() -> Result<()> {
    let x = Tensor::ones([1, 2, 4, 4]).build()?;
    for n in [isize::MIN, isize::MAX] {
        assert!(Softmax::new(n).call(&x).is_err());
        assert!(LogSoftmax::new(n).call(&x).is_err());
        assert!(GLU::new().dim(n).call(&x).is_err());
        assert!(Flatten::new().start_dim(n).call(&x).is_err());
        assert!(Flatten::new().end_dim(n).call(&x).is_err());
        assert!(Unflatten::new(n, [2, 2]).call(&x).is_err());
        assert!(Unflatten::new(1, [n, n]).call(&x).is_err());
        assert!(Unflatten::new(1, [n, -1]).call(&x).is_err());
    }
    for n in HUGE {
        assert!(PixelShuffle::new(n).call(&x).is_err());
        assert!(PixelUnshuffle::new(n).call(&x).is_err());
        assert!(ChannelShuffle::new(n).call(&x).is_err());
        assert!(Unfold::new(n).build().and_then(|unfold| unfold.call(&x)).is_err());
        assert!(Fold::new(n, 2).build().and_then(|fold| fold.call(&x.squeeze(0)?)).is_err());
        assert!(Upsample::new().size(n).build().and_then(|up| up.call(&x)).is_err());
        assert!(LPPool2d::new(2.0, n).build().and_then(|pool| pool.call(&x)).is_err());
        let places = x.to_dtype(DType::I64)?;
        assert!(MaxUnpool2d::new(2).stride(n).build().and_then(|pool| pool.call((&x, &places))).is_err());
        assert!(
            LocalResponseNorm::new(n)
                .build()
                .and_then(|norm| norm.call(&x))
                .map_or(true, |y| y.shape() == [1, 2, 4, 4])
        );
        assert_eq!(CrossMapLRN2d::new(n).build()?.call(&x)?.shape(), [1, 2, 4, 4]);
    }
    assert!(Upsample::new().scale_factor(1e18).build()?.call(&x).is_err());
    assert!(Upsample::new().scale_factor(f64::NAN).build().is_err());
    assert!(Upsample::new().scale_factor([]).build().is_err());
    assert!(functional::dropout(&x, f64::NAN, true).is_err());
    assert!(functional::group_norm(&x, usize::MAX, None, None, 1e-5).is_err());
    assert!(functional::layer_norm(&x, [usize::MAX, 2], None, None, 1e-5).is_err());
    Ok(())
}

#[test]
fn first_values_of_tensors_without_elements() -> Result<()> {
    let empty = Tensor::zeros([1usize << 20, 1 << 20, 0]).build()?;
    init::xavier_uniform_(&empty, 1.0)?;
    init::kaiming_normal_(&empty, init::Fan::Out, init::Nonlinearity::Relu)?;
    init::orthogonal_(&empty, 1.0)?;
    init::dirac_(&empty, 1 << 20)?;
    let turned = Tensor::zeros([0, 1usize << 31, 1 << 31]).build()?;
    init::dirac_(&turned, usize::MAX)?;
    assert_eq!(init::calculate_fan_in_and_fan_out(&turned)?, (1 << 62, 0));
    assert!(init::dirac_(&Tensor::zeros([4, 4, 3]).build()?, usize::MAX).is_err());
    Ok(())
}
