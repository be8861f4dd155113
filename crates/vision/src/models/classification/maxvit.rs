//! MaxViT: attention in windows and on grids ("MaxViT: Multi-Axis Vision Transformer", Z. Tu et al., 2022).

use crate::models::builder::{fill, model_builder, model_functions};
use crate::models::windows::{relative_position_bias, relative_position_index};
use crate::ops::{Activation, Conv2dNormActivation, Norm, SqueezeExcitation, StochasticDepth, StochasticDepthMode};
use flambeau_nn::{
    AdaptiveAvgPool2d, AvgPool2d, BatchNorm2d, Buffer, Call, Conv2d, Dropout, Flatten, Forward, GELU, Identity, Layer,
    LayerNorm, Linear, Module, ModuleId, Parameter, Sequential, Tanh, init,
};
use flambeau_tensor::{Result, Tensor, bail, ensure};

const NORM: Norm = Norm::Batch { eps: 1e-3, momentum: 0.01 };

fn dropped(probability: f64) -> StochasticDepth {
    StochasticDepth::new(probability, StochasticDepthMode::Row)
}

/// More channels, each convolved by itself and weighed, then few again.
#[derive(Module)]
struct MBConv {
    proj: Box<dyn Layer>,
    stochastic_depth: Box<dyn Layer>,
    layers: Sequential,
}

impl MBConv {
    #[track_caller]
    fn new(from: usize, to: usize, stride: usize, p: f64) -> Result<Self> {
        let around = Conv2d::new(from, to, 1);
        let proj: Box<dyn Layer> = match stride {
            1 if from == to => Box::new(Identity::new()),
            1 => Box::new(Sequential::of((around,))?),
            _ => Box::new(Sequential::of((AvgPool2d::new(3).stride(stride).padding(1), around))?),
        };
        let mid = 4 * to;
        let conv = |from, kernel| {
            let conv = Conv2dNormActivation::new(from, mid).kernel_size(kernel).norm_layer(NORM);
            conv.activation_layer(Activation::Gelu)
        };
        let layers = Sequential::new()
            .named("pre_norm", BatchNorm2d::new(from).eps(1e-3).momentum(0.01))?
            .named("conv_a", conv(from, 1))?
            .named("conv_b", conv(mid, 3).stride(stride).groups(mid))?
            .named("squeeze_excitation", SqueezeExcitation::new(mid, to / 4).activation(Activation::Silu))?
            .named("conv_c", Conv2d::new(mid, to, 1))?;
        let stochastic_depth: Box<dyn Layer> = if p > 0.0 { Box::new(dropped(p)) } else { Box::new(Identity::new()) };
        Ok(MBConv { proj, stochastic_depth, layers })
    }
}

impl Forward<&Tensor> for MBConv {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.proj.call(x)?.add(&self.stochastic_depth.call(&self.layers.call(x)?)?)
    }
}

/// Attention of `[N, windows, places, C]` among the places of each window, with a bias by how they lie to each other.
#[derive(Module)]
struct RelativePositionalMultiHeadAttention {
    relative_position_bias_table: Parameter,
    relative_position_index: Buffer,
    to_qkv: Linear,
    merge: Linear,
    heads: usize,
}

impl RelativePositionalMultiHeadAttention {
    #[track_caller]
    fn new(dim: usize, head_dim: usize, side: usize) -> Result<Self> {
        let to_qkv = Linear::new(dim, 3 * dim).build()?;
        let merge = Linear::new(dim, dim).build()?;
        let (heads, places) = (dim / head_dim, side * side);
        let table = Tensor::zeros([(2 * side - 1).pow(2), heads]).build()?;
        init::trunc_normal_(&table, 0.0, 0.02, -2.0, 2.0)?;
        Ok(RelativePositionalMultiHeadAttention {
            relative_position_bias_table: Parameter::new(table)?,
            relative_position_index: Buffer::new(relative_position_index(&[side, side])?.reshape([places, places])?),
            to_qkv,
            merge,
            heads,
        })
    }
}

impl Forward<&Tensor> for RelativePositionalMultiHeadAttention {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [batch, groups, places, dim] = *x.shape() else {
            bail!(Shape, "MaxVit", "shape {:?} is not [N, windows, places, C]", x.shape());
        };
        let (qkv, shape) = (self.to_qkv.call(x)?, [batch, groups, places, self.heads, dim / self.heads]);
        let part = |i: usize| qkv.narrow(-1, (i * dim) as isize, dim)?.reshape(shape)?.permute([0, 1, 3, 2, 4]);
        let (q, k, v) = (part(0)?, part(1)?.mul((dim as f64).powf(-0.5))?, part(2)?);
        let bias = relative_position_bias(&self.relative_position_bias_table, &self.relative_position_index, places)?;
        let weights = q.matmul(&k.mt()?)?.add(&bias)?.softmax(-1)?;
        let y = weights.matmul(&v)?.permute([0, 1, 3, 2, 4])?.reshape([batch, groups, places, dim])?;
        self.merge.call(&y)
    }
}

/// Two dimensions for one another.
#[derive(Module)]
struct SwapAxes {
    dims: (isize, isize),
    id: ModuleId,
}

impl Forward<&Tensor> for SwapAxes {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.transpose(self.dims.0, self.dims.1)
    }
}

/// `[N, C, H, W]` as `[N, windows, places, C]` with windows of `side` by `side`.
#[derive(Module)]
struct WindowPartition {
    id: ModuleId,
}

impl Forward<(&Tensor, usize)> for WindowPartition {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, (x, side): (&Tensor, usize)) -> Result<Tensor> {
        let [batch, channels, height, width] = *x.shape() else {
            bail!(Shape, "MaxVit", "shape {:?} is not [N, C, H, W]", x.shape());
        };
        let (rows, columns) = (height / side, width / side);
        ensure!(
            rows * side == height && columns * side == width,
            Shape,
            "MaxVit",
            "{height} by {width} places do not fall into windows of {side}"
        );
        let x = x.reshape([batch, channels, rows, side, columns, side])?.permute([0, 2, 4, 3, 5, 1])?;
        x.reshape([batch, rows * columns, side * side, channels])
    }
}

/// The inverse of [`WindowPartition`].
#[derive(Module)]
struct WindowDepartition {
    id: ModuleId,
}

impl Forward<(&Tensor, usize, usize, usize)> for WindowDepartition {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, (x, side, rows, columns): (&Tensor, usize, usize, usize)) -> Result<Tensor> {
        let (batch, channels) = (x.size(0)?, x.size(-1)?);
        let x = x.reshape([batch, rows, columns, side, side, channels])?.permute([0, 5, 1, 3, 2, 4])?;
        x.reshape([batch, channels, rows * side, columns * side])
    }
}

/// Attention in windows, or on grids of places that lie far apart, and a perceptron.
#[derive(Module)]
struct PartitionAttentionLayer {
    partition_op: WindowPartition,
    departition_op: WindowDepartition,
    partition_swap: Box<dyn Layer>,
    departition_swap: Box<dyn Layer>,
    attn_layer: Sequential,
    mlp_layer: Sequential,
    stochastic_dropout: StochasticDepth,
    side: usize,
    grid: (usize, usize),
}

impl PartitionAttentionLayer {
    #[track_caller]
    fn new(b: &MaxVitBuilder, dim: usize, on_grid: bool, grid: (usize, usize), p: f64) -> Result<Self> {
        let swap = || -> Box<dyn Layer> {
            if on_grid { Box::new(SwapAxes { dims: (-2, -3), id: ModuleId::new() }) } else { Box::new(Identity::new()) }
        };
        Ok(PartitionAttentionLayer {
            partition_op: WindowPartition { id: ModuleId::new() },
            departition_op: WindowDepartition { id: ModuleId::new() },
            partition_swap: swap(),
            departition_swap: swap(),
            attn_layer: Sequential::of((
                LayerNorm::new(dim),
                RelativePositionalMultiHeadAttention::new(dim, HEAD_DIM, PARTITION)?,
                Dropout::new(b.attention_dropout),
            ))?,
            mlp_layer: Sequential::of((
                LayerNorm::new(dim),
                Linear::new(dim, 4 * dim),
                GELU::new(),
                Linear::new(4 * dim, dim),
                Dropout::new(b.mlp_dropout),
            ))?,
            stochastic_dropout: dropped(p),
            side: if on_grid { grid.0 / PARTITION } else { PARTITION },
            grid,
        })
    }
}

impl Forward<&Tensor> for PartitionAttentionLayer {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ensure!(
            matches!(x.shape(), [_, _, h, w] if (*h, *w) == self.grid),
            Shape,
            "MaxVit",
            "a map of shape {:?} where it was made for {:?}: the images are not of its input_size",
            x.shape(),
            self.grid
        );
        let x = self.partition_swap.call(&self.partition_op.call((x, self.side))?)?;
        let x = x.add(&self.stochastic_dropout.call(&self.attn_layer.call(&x)?)?)?;
        let x = x.add(&self.stochastic_dropout.call(&self.mlp_layer.call(&x)?)?)?;
        let (rows, columns) = (self.grid.0 / self.side, self.grid.1 / self.side);
        self.departition_op.call((&self.departition_swap.call(&x)?, self.side, rows, columns))
    }
}

/// A convolution, attention in windows, attention on grids.
#[derive(Module)]
struct MaxVitLayer {
    layers: Sequential,
}

impl Forward<&Tensor> for MaxVitLayer {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.layers.call(x)
    }
}

/// Layers of one width, the first of which halves the map.
#[derive(Module)]
struct MaxVitBlock {
    layers: Vec<MaxVitLayer>,
}

impl Forward<&Tensor> for MaxVitBlock {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.layers.iter().try_fold(x.clone(), |x, layer| layer.call(&x))
    }
}

/// Convolutions and attention along two axes, as `torchvision.models.MaxVit`; made by [`maxvit_t`]. It takes images `[N,
/// 3, height, width]` of the size it was made for and gives `[N, num_classes]`.
#[derive(Module)]
pub struct MaxVit {
    stem: Sequential,
    blocks: Vec<MaxVitBlock>,
    /// What tells the classes apart.
    pub classifier: Sequential,
}

impl Forward<&Tensor> for MaxVit {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.blocks.iter().try_fold(self.stem.call(x)?, |x, block| block.call(&x))?;
        self.classifier.call(&x)
    }
}

/// The side of a window, and of a grid.
const PARTITION: usize = 7;
/// The channels of a head.
const HEAD_DIM: usize = 32;

model_builder! {
    /// A [`MaxVit`] about to be made.
    pub struct MaxVitBuilder => MaxVit;
    fixed { stem_channels: usize, channels: [usize; 4], layers: [usize; 4] }
    options {
        /// Height and width of the images: halved five times (upwards) a multiple of seven at every step. 224 by 224
        /// unless set.
        input_size: (usize, usize) = (224, 224),
        /// The probability of leaving out the last block in training; earlier ones less. 0.2 unless set.
        stochastic_depth_prob: f64 = 0.2,
        /// The probability of dropping a number after a perceptron; 0 unless set.
        mlp_dropout: f64 = 0.0,
        /// The probability of dropping a number after an attention; 0 unless set.
        attention_dropout: f64 = 0.0,
    }
}

impl MaxVitBuilder {
    fn layer(&self, from: usize, to: usize, stride: usize, grid: (usize, usize), p: f64) -> Result<MaxVitLayer> {
        let layers = Sequential::new()
            .named("MBconv", MBConv::new(from, to, stride, p)?)?
            .named("window_attention", PartitionAttentionLayer::new(self, to, false, grid, p)?)?
            .named("grid_attention", PartitionAttentionLayer::new(self, to, true, grid, p)?)?;
        Ok(MaxVitLayer { layers })
    }

    fn make(&self) -> Result<MaxVit> {
        let halved = |(height, width): (usize, usize)| (height.div_ceil(2), width.div_ceil(2));
        let stem = Conv2dNormActivation::new(3, self.stem_channels).stride(2).norm_layer(NORM).bias(false);
        let second = Conv2dNormActivation::new(self.stem_channels, self.stem_channels).norm_layer(Norm::None);
        let stem = Sequential::of((
            stem.activation_layer(Activation::Gelu),
            second.activation_layer(Activation::None).bias(true),
        ))?;
        let (total, mut at): (usize, usize) = (self.layers.iter().sum(), 0);
        let (mut blocks, mut from, mut grid) = (Vec::new(), self.stem_channels, halved(self.input_size));
        for (&to, &count) in self.channels.iter().zip(&self.layers) {
            grid = halved(grid);
            ensure!(
                grid.0 > 0 && grid.1 > 0 && grid.0.is_multiple_of(PARTITION) && grid.1.is_multiple_of(PARTITION),
                Argument,
                self.name,
                "images of {:?} make a map of {grid:?}, whose sides {PARTITION} does not divide",
                self.input_size
            );
            let mut layers = Vec::with_capacity(count);
            for i in 0..count {
                let p = self.stochastic_depth_prob * at as f64 / (total as f64 - 1.0);
                let (from, stride) = if i == 0 { (from, 2) } else { (to, 1) };
                layers.push(self.layer(from, to, stride, grid, p)?);
                at += 1;
            }
            blocks.push(MaxVitBlock { layers });
            from = to;
        }
        let classifier = Sequential::of((
            AdaptiveAvgPool2d::new(1),
            Flatten::new(),
            LayerNorm::new(from),
            Linear::new(from, from),
            Tanh::new(),
            Linear::new(from, self.classes(1000)).bias(false),
        ))?;
        let model = MaxVit { stem, blocks, classifier };
        fill(&model, |layer| {
            init::normal_(layer.weight(), 0.0, 0.02)?;
            layer.without_bias()
        })?;
        Ok(model)
    }
}

model_functions! { MaxVitBuilder:
    /// MaxViT-T.
    maxvit_t(64, [64, 128, 256, 512], [2, 2, 5, 2]);
}
