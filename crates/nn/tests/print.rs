//! What layers print, beside what PyTorch 2.15 prints for the same.

use flambeau_nn::*;
use flambeau_tensor::{PadMode, Padding, Result};

fn prints(module: &impl std::fmt::Debug, text: &str) {
    assert_eq!(format!("{module:?}"), text);
}

#[test]
fn layers_print_as_in_pytorch() -> Result<()> {
    prints(&Linear::new(1, 64).build()?, "Linear(in_features=1, out_features=64, bias=True)");
    prints(
        &Conv2d::new(3, 64, 7).stride(2).padding(3).bias(false).build()?,
        "Conv2d(3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False)",
    );
    prints(
        &Conv1d::new(4, 6, 5).groups(2).padding(Padding::Same).build()?,
        "Conv1d(4, 6, kernel_size=(5,), stride=(1,), padding=same, groups=2)",
    );
    prints(
        &Conv2d::new(2, 2, (1, 3)).padding((0, 1)).dilation(2).padding_mode(PadMode::Reflect).build()?,
        "Conv2d(2, 2, kernel_size=(1, 3), stride=(1, 1), padding=(0, 1), dilation=(2, 2), padding_mode=reflect)",
    );
    prints(
        &ConvTranspose2d::new(3, 4, 2).stride(2).output_padding(1).dilation(2).build()?,
        "ConvTranspose2d(3, 4, kernel_size=(2, 2), stride=(2, 2), dilation=(2, 2), output_padding=(1, 1))",
    );
    prints(
        &BatchNorm2d::new(64).build()?,
        "BatchNorm2d(64, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)",
    );
    prints(
        &BatchNorm1d::new(3).momentum(None).affine(false).build()?,
        "BatchNorm1d(3, eps=1e-05, momentum=None, affine=False, bias=False, track_running_stats=True)",
    );
    prints(
        &InstanceNorm1d::new(3).build()?,
        "InstanceNorm1d(3, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)",
    );
    prints(&GroupNorm::new(2, 4).build()?, "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)");
    prints(&LayerNorm::new([3, 4]).build()?, "LayerNorm((3, 4), eps=1e-05, elementwise_affine=True, bias=True)");
    prints(&LayerNorm::new(3).bias(false).build()?, "LayerNorm((3,), eps=1e-05, elementwise_affine=True, bias=False)");
    prints(&RMSNorm::new(3).build()?, "RMSNorm((3,), eps=None, elementwise_affine=True)");
    prints(&Embedding::new(3, 4).padding_idx(0).build()?, "Embedding(3, 4, padding_idx=0)");
    prints(&Embedding::new(3, 4).max_norm(1.5).build()?, "Embedding(3, 4, max_norm=1.5)");
    prints(&Dropout::new(0.5).build()?, "Dropout(p=0.5, inplace=False)");
    prints(&Dropout2d::new(0.25).build()?, "Dropout2d(p=0.25, inplace=False)");
    prints(&Flatten::new().build()?, "Flatten(start_dim=1, end_dim=-1)");
    prints(&Unflatten::new(1, [2, 3]), "Unflatten(dim=1, unflattened_size=(2, 3))");
    prints(&Identity::new(), "Identity()");
    Ok(())
}

#[test]
fn pools_print_as_in_pytorch() -> Result<()> {
    prints(
        &MaxPool2d::new(3).stride(2).padding(1).build()?,
        "MaxPool2d(kernel_size=3, stride=2, padding=1, dilation=1, ceil_mode=False)",
    );
    prints(
        &MaxPool2d::new((3, 2)).build()?,
        "MaxPool2d(kernel_size=(3, 2), stride=(3, 2), padding=0, dilation=1, ceil_mode=False)",
    );
    prints(&AvgPool1d::new(3).stride(2).build()?, "AvgPool1d(kernel_size=(3,), stride=(2,), padding=(0,))");
    prints(&AvgPool2d::new((2, 3)).stride(1).build()?, "AvgPool2d(kernel_size=(2, 3), stride=1, padding=0)");
    prints(&AdaptiveAvgPool2d::new((1, 1)), "AdaptiveAvgPool2d(output_size=(1, 1))");
    prints(&AdaptiveAvgPool2d::new((-1, 3)), "AdaptiveAvgPool2d(output_size=(None, 3))");
    prints(&AdaptiveMaxPool1d::new(3), "AdaptiveMaxPool1d(output_size=3)");
    Ok(())
}

#[test]
fn activations_print_as_in_pytorch() -> Result<()> {
    prints(&ReLU::new(), "ReLU()");
    prints(&ReLU::new().inplace(true), "ReLU(inplace=True)");
    prints(&GELU::new().build()?, "GELU(approximate='none')");
    prints(&GELU::new().approximate(Approximate::Tanh).build()?, "GELU(approximate='tanh')");
    prints(&LeakyReLU::new().negative_slope(0.2).build()?, "LeakyReLU(negative_slope=0.2)");
    prints(&ELU::new().build()?, "ELU(alpha=1.0)");
    prints(&Softplus::new().build()?, "Softplus(beta=1.0, threshold=20.0)");
    prints(&GLU::new().build()?, "GLU(dim=-1)");
    prints(&PReLU::new().build()?, "PReLU(num_parameters=1)");
    prints(&SiLU::new(), "SiLU()");
    prints(&Softmax::new(-1), "Softmax(dim=-1)");
    prints(&LogSoftmax::new(1), "LogSoftmax(dim=1)");
    prints(&ReLU6::new(), "ReLU6()");
    Ok(())
}

#[test]
fn a_deep_tree_prints_as_in_pytorch() -> Result<()> {
    let inner =
        Sequential::of((GELU::new(), Dropout::new(0.5), Embedding::new(3, 4).padding_idx(0), LayerNorm::new([3, 4])))?;
    let model = Sequential::of((
        Conv2d::new(3, 64, 7).stride(2).padding(3).bias(false),
        BatchNorm2d::new(64),
        ReLU::new(),
        inner,
    ))?;
    prints(
        &model,
        "\
Sequential(
  (0): Conv2d(3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False)
  (1): BatchNorm2d(64, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
  (2): ReLU()
  (3): Sequential(
    (0): GELU(approximate='none')
    (1): Dropout(p=0.5, inplace=False)
    (2): Embedding(3, 4, padding_idx=0)
    (3): LayerNorm((3, 4), eps=1e-05, elementwise_affine=True, bias=True)
  )
)",
    );
    Ok(())
}
