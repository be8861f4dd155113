//! Swin transformers for videos ("Video Swin Transformer", Z. Liu et al., 2022).

use crate::models::builder::{Weighted, fill, model_builder, model_functions};
use crate::models::classification::swin_transformer::{PatchMerging, swin_blocks};
use crate::models::classification::vision_transformer::perceptron;
use crate::models::windows::{Windows, relative_position_bias, relative_position_index};
use crate::ops::{MLP, StochasticDepth, StochasticDepthMode};
use flambeau_nn::{
    AdaptiveAvgPool3d, Buffer, Call, Conv3d, Dropout, Forward, LayerNorm, Linear, Mode, Module, Parameter, Sequential,
    init,
};
use flambeau_tensor::{Result, Tensor, bail, ensure};

/// The numbers of an attention.
#[derive(Clone, Copy)]
struct Shape {
    dim: usize,
    heads: usize,
    shift: bool,
    attention_dropout: f64,
    dropout: f64,
}

/// Frames, rows and columns of a window.
const WINDOW: [usize; 3] = [8, 7, 7];

/// Attention in shifted windows of frames, rows and columns, whose bias is a table.
#[derive(Module)]
struct ShiftedWindowAttention3d {
    relative_position_bias_table: Parameter,
    relative_position_index: Buffer,
    qkv: Linear,
    proj: Linear,
    #[module(skip)]
    shape: Shape,
    training: Mode,
}

impl ShiftedWindowAttention3d {
    #[track_caller]
    fn new(shape: Shape) -> Result<Self> {
        let qkv = Linear::new(shape.dim, 3 * shape.dim).build()?;
        let proj = Linear::new(shape.dim, shape.dim).build()?;
        let rows: usize = WINDOW.iter().map(|side| 2 * side - 1).product();
        let table = Tensor::zeros([rows, shape.heads]).build()?;
        init::trunc_normal_(&table, 0.0, 0.02, -2.0, 2.0)?;
        let places: usize = WINDOW.iter().product();
        Ok(ShiftedWindowAttention3d {
            relative_position_bias_table: Parameter::new(table)?,
            relative_position_index: Buffer::new(relative_position_index(&WINDOW)?.reshape([places, places])?),
            qkv,
            proj,
            shape,
            training: Mode::new(),
        })
    }
}

impl Forward<&Tensor> for ShiftedWindowAttention3d {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [_, t, h, w, _] = *x.shape() else { bail!(Shape, "SwinTransformer3d", "places of shape {:?}", x.shape()) };
        // A window is not larger than the video, and takes the first rows of the table then.
        let size = [t, h, w];
        let window: [usize; 3] = std::array::from_fn(|i| WINDOW[i].min(size[i]));
        let moved = |i: usize| if self.shape.shift && size[i] > WINDOW[i] { WINDOW[i] / 2 } else { 0 };
        let places: usize = window.iter().product();
        let index = self.relative_position_index.narrow(0, 0, places)?.narrow(1, 0, places)?.contiguous()?;
        Windows {
            window,
            shift: std::array::from_fn(moved),
            heads: self.shape.heads,
            qkv: &self.qkv,
            proj: &self.proj,
            bias: relative_position_bias(&self.relative_position_bias_table, &index, places)?,
            logit_scale: None,
            attention_dropout: self.shape.attention_dropout,
            dropout: self.shape.dropout,
            training: self.training.is_training(),
        }
        .attend(x)
    }
}

/// Attention in windows and a perceptron, each after a normalisation.
#[derive(Module)]
struct SwinTransformerBlock {
    norm1: LayerNorm,
    attn: ShiftedWindowAttention3d,
    stochastic_depth: StochasticDepth,
    norm2: LayerNorm,
    mlp: MLP,
}
swin_blocks! { SwinTransformerBlock, ShiftedWindowAttention3d, Shape, |norm, f, x| f.call(&norm.call(x)?)?; }

/// Patches of two frames, four rows and four columns as numbers, channels last.
#[derive(Module)]
struct PatchEmbed3d {
    proj: Conv3d,
    norm: LayerNorm,
}

impl Forward<&Tensor> for PatchEmbed3d {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [_, _, t, h, w] = *x.shape() else { bail!(Shape, "SwinTransformer3d", "a video of shape {:?}", x.shape()) };
        let more = |size: usize, side: usize| (size.next_multiple_of(side) - size) as isize;
        let x = x.pad(&[0, more(w, 4), 0, more(h, 4), 0, more(t, 2)], 0.0)?;
        self.norm.call(&self.proj.call(&x)?.permute([0, 2, 3, 4, 1])?)
    }
}

/// Stages of attention in shifted windows, as `torchvision.models.video.SwinTransformer3d`; made by [`swin3d_t`] and its
/// fellows. It takes videos `[N, 3, T, H, W]` and gives `[N, num_classes]`.
#[derive(Module)]
pub struct SwinTransformer3d {
    patch_embed: PatchEmbed3d,
    pos_drop: Dropout,
    features: Sequential,
    norm: LayerNorm,
    avgpool: AdaptiveAvgPool3d,
    /// What tells the classes apart.
    pub head: Linear,
}

impl Forward<&Tensor> for SwinTransformer3d {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.features.call(&self.pos_drop.call(&self.patch_embed.call(x)?)?)?;
        let x = self.norm.call(&x)?.permute([0, 4, 1, 2, 3])?;
        self.head.call(&self.avgpool.call(&x)?.flatten(1, -1)?)
    }
}

model_builder! {
    /// A [`SwinTransformer3d`] about to be made.
    pub struct SwinTransformer3dBuilder => SwinTransformer3d;
    fixed { embed_dim: usize, depths: [usize; 4], num_heads: [usize; 4] }
    options {
        /// The hidden layer of a block's perceptron, in units of its width; 4 unless set.
        mlp_ratio: f64 = 4.0,
        /// The probability of dropping a number; 0 unless set.
        dropout: f64 = 0.0,
        /// The probability of dropping a weight of the attention; 0 unless set.
        attention_dropout: f64 = 0.0,
        /// The probability of leaving out the last block in training; earlier ones less. 0.1 unless set.
        stochastic_depth_prob: f64 = 0.1,
    }
}

impl SwinTransformer3dBuilder {
    fn make(&self) -> Result<SwinTransformer3d> {
        let ratio = self.mlp_ratio;
        ensure!(
            ratio > 0.0 && ratio < 1e4,
            Argument,
            self.name,
            "mlp_ratio {ratio} leaves no hidden layer, or too large a one"
        );
        let patch_embed = PatchEmbed3d {
            proj: Conv3d::new(3, self.embed_dim, [2, 4, 4]).stride([2, 4, 4]).build()?,
            norm: LayerNorm::new(self.embed_dim).build()?,
        };
        let mut features = Sequential::new();
        let (blocks, mut block): (usize, usize) = (self.depths.iter().sum(), 0);
        for (i, (&depth, &heads)) in self.depths.iter().zip(&self.num_heads).enumerate() {
            let (mut stage, dim) = (Sequential::new(), self.embed_dim << i);
            for k in 0..depth {
                let depth_prob = self.stochastic_depth_prob * block as f64 / (blocks as f64 - 1.0);
                let (attention_dropout, dropout) = (self.attention_dropout, self.dropout);
                let shape = Shape { dim, heads, shift: k % 2 == 1, attention_dropout, dropout };
                stage.push(SwinTransformerBlock::new(shape, ratio, depth_prob)?)?;
                block += 1;
            }
            features.push(stage)?;
            if i + 1 < self.depths.len() {
                features.push(PatchMerging::new(dim)?)?;
            }
        }
        let last = self.embed_dim << 3;
        let model = SwinTransformer3d {
            patch_embed,
            pos_drop: Dropout::new(self.dropout).build()?,
            features,
            norm: LayerNorm::new(last).build()?,
            avgpool: AdaptiveAvgPool3d::new(1),
            head: Linear::new(last, self.classes(400)).build()?,
        };
        fill(&model, |layer| {
            if let Weighted::Linear(linear) = &layer {
                init::trunc_normal_(&linear.weight, 0.0, 0.02, -2.0, 2.0)?;
                layer.without_bias()?;
            }
            Ok(())
        })?;
        Ok(model)
    }
}

model_functions! { SwinTransformer3dBuilder:
    /// Swin-T for videos.
    swin3d_t(96, [2, 2, 6, 2], [3, 6, 12, 24]);
    /// Swin-S for videos.
    swin3d_s(96, [2, 2, 18, 2], [3, 6, 12, 24]);
    /// Swin-B for videos.
    swin3d_b(128, [2, 2, 18, 2], [4, 8, 16, 32]);
}
