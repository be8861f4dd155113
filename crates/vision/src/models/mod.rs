//! Networks, as `torchvision.models`: the same layers under the same names, with the same initial values from the same
//! seed, so that torchvision's weights load.
//!
//! ```
//! use flambeau_nn::{Call, Module};
//! use flambeau_tensor::Tensor;
//! use flambeau_vision::models::resnet18;
//!
//! let model = resnet18().num_classes(10).build()?;
//! model.eval();
//! assert_eq!(model.call(&Tensor::zeros([1, 3, 64, 64]).build()?)?.shape(), [1, 10]);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

mod resnet;
mod weights;

pub use resnet::{
    BasicBlock, Bottleneck, ResNet, ResNetBuilder, resnet18, resnet34, resnet50, resnet101, resnet152, resnext50_32x4d,
    resnext101_32x8d, resnext101_64x4d, wide_resnet50_2, wide_resnet101_2,
};
pub use weights::{
    ResNeXt50_32X4DWeights, ResNeXt101_32X8DWeights, ResNeXt101_64X4DWeights, ResNet18Weights, ResNet34Weights,
    ResNet50Weights, ResNet101Weights, ResNet152Weights, WeightsEntry, WideResNet50_2Weights, WideResNet101_2Weights,
};
