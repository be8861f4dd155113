//! Arguments of any size: layers, functions and first values give an error, and do not stop, panic or take memory.

use flambeau_nn::*;
use flambeau_tensor::{Build, Device, Result, Tensor};

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
