//! S3D: inception blocks that go over space, then over time ("Rethinking Spatiotemporal Feature Learning: Speed-Accuracy
//! Trade-offs in Video Classification", S. Xie et al., 2018).

use crate::models::builder::{model_builder, model_functions};
use crate::ops::{Conv3dNormActivation, chains};
use flambeau_nn::{AvgPool3d, BatchNorm3d, Call, Conv3d, Dropout, Forward, MaxPool3d, Module, ReLU, Sequential};
use flambeau_tensor::{Result, Tensor, cat};

chains! {
    /// A convolution over space, then one over time.
    TemporalSeparableConv
}

/// A convolution without a bias, normalised, then ReLU.
#[track_caller]
fn conv(from: usize, to: usize, kernel: [usize; 3], stride: [usize; 3]) -> Result<Conv3dNormActivation> {
    let padding = kernel.map(|side| side / 2);
    let chain = Sequential::of((
        Conv3d::new(from, to, kernel).stride(stride).padding(padding).bias(false),
        BatchNorm3d::new(to).eps(0.001).momentum(0.001),
        ReLU::new().inplace(true),
    ))?;
    Ok(Conv3dNormActivation::from_chain(chain))
}

#[track_caller]
fn pointwise(from: usize, to: usize) -> Result<Conv3dNormActivation> {
    conv(from, to, [1; 3], [1; 3])
}

#[track_caller]
fn separable(from: usize, to: usize, kernel: usize, stride: usize) -> Result<TemporalSeparableConv> {
    let chain = Sequential::of((
        conv(from, to, [1, kernel, kernel], [1, stride, stride])?,
        conv(to, to, [kernel, 1, 1], [stride, 1, 1])?,
    ))?;
    Ok(TemporalSeparableConv::from_chain(chain))
}

/// Four branches side by side.
#[derive(Module)]
struct SepInceptionBlock3D {
    branch0: Conv3dNormActivation,
    branch1: Sequential,
    branch2: Sequential,
    branch3: Sequential,
}

impl SepInceptionBlock3D {
    /// Channels of the branches: the first, two of the second, two of the third, the fourth.
    #[track_caller]
    fn new(from: usize, widths: [usize; 6]) -> Result<Self> {
        let [b0, b1_mid, b1, b2_mid, b2, b3] = widths;
        let branch = |mid: usize, to: usize| Sequential::of((pointwise(from, mid)?, separable(mid, to, 3, 1)?));
        Ok(SepInceptionBlock3D {
            branch0: pointwise(from, b0)?,
            branch1: branch(b1_mid, b1)?,
            branch2: branch(b2_mid, b2)?,
            branch3: Sequential::of((MaxPool3d::new(3).stride(1).padding(1), pointwise(from, b3)?))?,
        })
    }
}

impl Forward<&Tensor> for SepInceptionBlock3D {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let branches = [self.branch0.call(x)?, self.branch1.call(x)?, self.branch2.call(x)?, self.branch3.call(x)?];
        cat(&branches, 1)
    }
}

/// S3D, as `torchvision.models.video.S3D`; made by [`s3d`]. It takes videos `[N, 3, T, H, W]` of 14 frames and 224 pixels or
/// more and gives `[N, num_classes]`.
#[derive(Module)]
pub struct S3D {
    features: Sequential,
    avgpool: AvgPool3d,
    classifier: Sequential,
}

impl Forward<&Tensor> for S3D {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.classifier.call(&self.avgpool.call(&self.features.call(x)?)?)?.mean([2, 3, 4])
    }
}

model_builder! {
    /// An [`S3D`] about to be made.
    pub struct S3DBuilder => S3D;
    fixed {}
    options {
        /// The probability of dropping a number before the last layer; 0.2 unless set.
        dropout: f64 = 0.2,
    }
}

impl S3DBuilder {
    fn make(&self) -> Result<S3D> {
        let halved = || MaxPool3d::new([1, 3, 3]).stride([1, 2, 2]).padding([0, 1, 1]);
        let mut features = Sequential::new();
        features.push(separable(3, 64, 7, 2)?)?.push(halved())?.push(pointwise(64, 64)?)?;
        features.push(separable(64, 192, 3, 1)?)?.push(halved())?;
        let block = SepInceptionBlock3D::new;
        features.push(block(192, [64, 96, 128, 16, 32, 32])?)?;
        features.push(block(256, [128, 128, 192, 32, 96, 64])?)?;
        features.push(MaxPool3d::new(3).stride(2).padding(1))?;
        features.push(block(480, [192, 96, 208, 16, 48, 64])?)?;
        features.push(block(512, [160, 112, 224, 24, 64, 64])?)?;
        features.push(block(512, [128, 128, 256, 24, 64, 64])?)?;
        features.push(block(512, [112, 144, 288, 32, 64, 64])?)?;
        features.push(block(528, [256, 160, 320, 32, 128, 128])?)?;
        features.push(MaxPool3d::new(2).stride(2))?;
        features.push(block(832, [256, 160, 320, 32, 128, 128])?)?;
        features.push(block(832, [384, 192, 384, 48, 128, 128])?)?;
        Ok(S3D {
            features,
            avgpool: AvgPool3d::new([2, 7, 7]).stride(1).build()?,
            classifier: Sequential::of((Dropout::new(self.dropout), Conv3d::new(1024, self.classes(400), 1)))?,
        })
    }
}

model_functions! { S3DBuilder:
    /// S3D.
    s3d();
}
