//! Swin transformers: attention in windows that shift ("Swin Transformer: Hierarchical Vision Transformer using Shifted
//! Windows", Z. Liu et al., 2021; "Swin Transformer V2: Scaling Up Capacity and Resolution", 2022).

use super::vision_transformer::perceptron;
use crate::models::builder::{Weighted, fill, model_builder, model_functions};
use crate::models::windows::{Windows, relative_position_bias, relative_position_index};
use crate::ops::{MLP, Permute, StochasticDepth, StochasticDepthMode};
use flambeau_nn::{
    AdaptiveAvgPool2d, Buffer, Call, Conv2d, Flatten, Forward, LayerNorm, Linear, Mode, Module, Parameter, ReLU,
    Sequential, init,
};
use flambeau_tensor::{Result, Tensor, cat, ensure, no_grad};

/// Attention in shifted windows whose bias is a table.
#[derive(Module)]
struct ShiftedWindowAttention {
    relative_position_bias_table: Parameter,
    relative_position_index: Buffer,
    qkv: Linear,
    proj: Linear,
    #[module(skip)]
    shape: Shape,
    training: Mode,
}

/// Attention by cosines in shifted windows, whose bias a small network makes.
#[derive(Module)]
struct ShiftedWindowAttentionV2 {
    logit_scale: Parameter,
    relative_coords_table: Buffer,
    relative_position_index: Buffer,
    qkv: Linear,
    proj: Linear,
    cpb_mlp: Sequential,
    #[module(skip)]
    shape: Shape,
    training: Mode,
}

/// The numbers of an attention.
#[derive(Clone, Copy)]
struct Shape {
    dim: usize,
    heads: usize,
    window: [usize; 2],
    shift: [usize; 2],
    attention_dropout: f64,
    dropout: f64,
}

impl Shape {
    fn places(&self) -> usize {
        self.window[0] * self.window[1]
    }

    fn windows<'a>(&self, qkv: &'a Linear, proj: &'a Linear, bias: Tensor, training: &Mode) -> Windows<'a> {
        Windows {
            window: [1, self.window[0], self.window[1]],
            shift: [0, self.shift[0], self.shift[1]],
            heads: self.heads,
            qkv,
            proj,
            bias,
            logit_scale: None,
            attention_dropout: self.attention_dropout,
            dropout: self.dropout,
            training: training.is_training(),
        }
    }
}

/// Attention of images `[N, H, W, C]`: videos of one frame.
#[track_caller]
fn flat(windows: &Windows<'_>, x: &Tensor) -> Result<Tensor> {
    windows.attend(&x.unsqueeze(1)?)?.squeeze(1)
}

impl ShiftedWindowAttention {
    #[track_caller]
    fn new(shape: Shape) -> Result<Self> {
        let [wh, ww] = shape.window;
        let qkv = Linear::new(shape.dim, 3 * shape.dim).build()?;
        let proj = Linear::new(shape.dim, shape.dim).build()?;
        let table = Tensor::zeros([(2 * wh - 1) * (2 * ww - 1), shape.heads]).build()?;
        init::trunc_normal_(&table, 0.0, 0.02, -2.0, 2.0)?;
        Ok(ShiftedWindowAttention {
            relative_position_bias_table: Parameter::new(table)?,
            relative_position_index: Buffer::new(relative_position_index(&[wh, ww])?),
            qkv,
            proj,
            shape,
            training: Mode::new(),
        })
    }
}

impl Forward<&Tensor> for ShiftedWindowAttention {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (table, index) = (&self.relative_position_bias_table, &self.relative_position_index);
        let bias = relative_position_bias(table, index, self.shape.places())?;
        flat(&self.shape.windows(&self.qkv, &self.proj, bias, &self.training), x)
    }
}

impl ShiftedWindowAttentionV2 {
    #[track_caller]
    fn new(shape: Shape) -> Result<Self> {
        let [wh, ww] = shape.window;
        let qkv = Linear::new(shape.dim, 3 * shape.dim).build()?;
        let proj = Linear::new(shape.dim, shape.dim).build()?;
        let cpb_mlp = Sequential::of((
            Linear::new(2, 512),
            ReLU::new().inplace(true),
            Linear::new(512, shape.heads).bias(false),
        ))?;
        if let Some(bias) = &qkv.bias {
            no_grad(|| bias.narrow(0, shape.dim as isize, shape.dim)?.zero_().map(drop))?;
        }
        Ok(ShiftedWindowAttentionV2 {
            logit_scale: Parameter::new(Tensor::full([shape.heads, 1, 1], 10.0).build()?.log()?)?,
            relative_coords_table: Buffer::new(relative_coords_table(wh, ww)?),
            relative_position_index: Buffer::new(relative_position_index(&[wh, ww])?),
            qkv,
            proj,
            cpb_mlp,
            shape,
            training: Mode::new(),
        })
    }
}

/// How places lie to each other, on a logarithmic scale, `[1, 2 height − 1, 2 width − 1, 2]`.
#[track_caller]
fn relative_coords_table(height: usize, width: usize) -> Result<Tensor> {
    let scaled = |size: usize| {
        let reach = size as isize - 1;
        (-reach..=reach).map(move |at| {
            let x = at as f32 / reach as f32 * 8.0;
            if x == 0.0 { 0.0 } else { x.signum() * (x.abs() + 1.0).log2() / 3.0 }
        })
    };
    let table: Vec<f32> = scaled(height).flat_map(|y| scaled(width).flat_map(move |x| [y, x])).collect();
    Tensor::from_vec(table, [1, 2 * height - 1, 2 * width - 1, 2])
}

impl Forward<&Tensor> for ShiftedWindowAttentionV2 {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let table = self.cpb_mlp.call(&self.relative_coords_table)?.reshape([-1, self.shape.heads as isize])?;
        let bias = relative_position_bias(&table, &self.relative_position_index, self.shape.places())?;
        let windows = self.shape.windows(&self.qkv, &self.proj, bias.sigmoid()?.mul(16.0)?, &self.training);
        flat(&Windows { logit_scale: Some(&self.logit_scale), ..windows }, x)
    }
}

/// Attention in windows and a perceptron, each after a normalisation.
#[derive(Module)]
struct SwinTransformerBlock {
    norm1: LayerNorm,
    attn: ShiftedWindowAttention,
    stochastic_depth: StochasticDepth,
    norm2: LayerNorm,
    mlp: MLP,
}

/// Attention in windows and a perceptron, each before a normalisation.
#[derive(Module)]
struct SwinTransformerBlockV2 {
    norm1: LayerNorm,
    attn: ShiftedWindowAttentionV2,
    stochastic_depth: StochasticDepth,
    norm2: LayerNorm,
    mlp: MLP,
}

/// Writes how blocks are made and what they do.
macro_rules! swin_blocks {
    ($($Name:ident, $Attention:ident, $Shape:ty, |$norm:ident, $f:ident, $x:ident| $branch:expr;)*) => {$(
        impl $Name {
            #[track_caller]
            pub(crate) fn new(shape: $Shape, mlp_ratio: f64, depth_prob: f64) -> Result<Self> {
                Ok($Name {
                    norm1: LayerNorm::new(shape.dim).build()?,
                    attn: $Attention::new(shape)?,
                    stochastic_depth: StochasticDepth::new(depth_prob, StochasticDepthMode::Row),
                    norm2: LayerNorm::new(shape.dim).build()?,
                    mlp: perceptron(shape.dim, (shape.dim as f64 * mlp_ratio) as usize, shape.dropout)?,
                })
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                let x = { let ($norm, $f, $x) = (&self.norm1, &self.attn, x); x.add(&self.stochastic_depth.call(&$branch)?)? };
                let ($norm, $f, $x) = (&self.norm2, &self.mlp, &x);
                x.add(&self.stochastic_depth.call(&$branch)?)
            }
        }
    )*};
}
pub(crate) use swin_blocks;
swin_blocks! {
    SwinTransformerBlock, ShiftedWindowAttention, Shape, |norm, f, x| f.call(&norm.call(x)?)?;
    SwinTransformerBlockV2, ShiftedWindowAttentionV2, Shape, |norm, f, x| norm.call(&f.call(x)?)?;
}

macro_rules! mergings {
    ($($(#[$doc:meta])* $Name:ident, $width:literal, |$s:ident, $x:ident| $forward:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        pub(crate) struct $Name {
            reduction: Linear,
            norm: LayerNorm,
        }

        impl $Name {
            #[track_caller]
            pub(crate) fn new(dim: usize) -> Result<Self> {
                Ok($Name {
                    reduction: Linear::new(4 * dim, 2 * dim).bias(false).build()?,
                    norm: LayerNorm::new($width * dim).build()?,
                })
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                let ($s, $x) = (self, merged(x)?);
                $forward
            }
        }
    )*};
}
mergings! {
    /// Four neighbours become one of twice as many channels.
    PatchMerging, 4, |s, x| s.reduction.call(&s.norm.call(&x)?);
    /// The same, normalised afterwards.
    PatchMergingV2, 2, |s, x| s.norm.call(&s.reduction.call(&x)?);
}

/// Four neighbours of `[N, H, W, C]` side by side, `[N, ⌈H/2⌉, ⌈W/2⌉, 4 C]`.
#[track_caller]
fn merged(x: &Tensor) -> Result<Tensor> {
    let (height, width) = (x.size(-3)?, x.size(-2)?);
    let x = x.pad(&[0, 0, 0, (width % 2) as isize, 0, (height % 2) as isize], 0.0)?;
    let (height, width) = ((height + height % 2) as isize, (width + width % 2) as isize);
    let every_other = |y: isize, column: isize| x.slice(-3, y, height, 2)?.slice(-2, column, width, 2);
    cat(&[every_other(0, 0)?, every_other(1, 0)?, every_other(0, 1)?, every_other(1, 1)?], -1)
}

/// Stages of attention in shifted windows, as `torchvision.models.SwinTransformer`; made by [`swin_t`] and its fellows.
/// It takes images `[N, 3, H, W]` and gives `[N, num_classes]`.
#[derive(Module)]
pub struct SwinTransformer {
    features: Sequential,
    norm: LayerNorm,
    permute: Permute,
    avgpool: AdaptiveAvgPool2d,
    flatten: Flatten,
    /// What tells the classes apart.
    pub head: Linear,
}

impl Forward<&Tensor> for SwinTransformer {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.permute.call(&self.norm.call(&self.features.call(x)?)?)?;
        self.head.call(&self.flatten.call(&self.avgpool.call(&x)?)?)
    }
}

model_builder! {
    /// A [`SwinTransformer`] about to be made.
    pub struct SwinTransformerBuilder => SwinTransformer;
    fixed { second: bool, embed_dim: usize, depths: [usize; 4], num_heads: [usize; 4] }
    options {
        /// The hidden layer of a block's perceptron, in units of its width; 4 unless set.
        mlp_ratio: f64 = 4.0,
        /// The probability of dropping a number; 0 unless set.
        dropout: f64 = 0.0,
        /// The probability of dropping a weight of the attention; 0 unless set.
        attention_dropout: f64 = 0.0,
        /// The probability of leaving out the last block in training; earlier ones less. What the paper says unless set.
        stochastic_depth_prob: f64 = 0.2,
    }
}

impl SwinTransformerBuilder {
    fn make(&self) -> Result<SwinTransformer> {
        ensure!(
            self.mlp_ratio > 0.0 && self.mlp_ratio < 1e4,
            Argument,
            self.name,
            "mlp_ratio {} leaves no hidden layer, or too large a one",
            self.mlp_ratio
        );
        let window = if self.second { [8, 8] } else { [7, 7] };
        let mut features = Sequential::new();
        features.push(Sequential::of((
            Conv2d::new(3, self.embed_dim, 4).stride(4),
            Permute::new([0, 2, 3, 1]),
            LayerNorm::new(self.embed_dim),
        ))?)?;
        let (blocks, mut block): (usize, usize) = (self.depths.iter().sum(), 0);
        for (i, (&depth, &heads)) in self.depths.iter().zip(&self.num_heads).enumerate() {
            let (mut stage, dim) = (Sequential::new(), self.embed_dim << i);
            for k in 0..depth {
                let depth_prob = self.stochastic_depth_prob * block as f64 / (blocks as f64 - 1.0);
                let shift = if k % 2 == 0 { [0, 0] } else { window.map(|side| side / 2) };
                let (attention_dropout, dropout) = (self.attention_dropout, self.dropout);
                let shape = Shape { dim, heads, window, shift, attention_dropout, dropout };
                if self.second {
                    stage.push(SwinTransformerBlockV2::new(shape, self.mlp_ratio, depth_prob)?)?;
                } else {
                    stage.push(SwinTransformerBlock::new(shape, self.mlp_ratio, depth_prob)?)?;
                }
                block += 1;
            }
            features.push(stage)?;
            match (i + 1 < self.depths.len(), self.second) {
                (false, _) => {}
                (true, false) => drop(features.push(PatchMerging::new(dim)?)?),
                (true, true) => drop(features.push(PatchMergingV2::new(dim)?)?),
            }
        }
        let last = self.embed_dim << 3;
        let model = SwinTransformer {
            features,
            norm: LayerNorm::new(last).build()?,
            permute: Permute::new([0, 3, 1, 2]),
            avgpool: AdaptiveAvgPool2d::new(1),
            flatten: Flatten::new(),
            head: Linear::new(last, self.classes(1000)).build()?,
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

model_functions! { SwinTransformerBuilder:
    /// Swin-T.
    swin_t(false, 96, [2, 2, 6, 2], [3, 6, 12, 24]);
    /// Swin-S.
    swin_s(false, 96, [2, 2, 18, 2], [3, 6, 12, 24]).stochastic_depth_prob(0.3);
    /// Swin-B.
    swin_b(false, 128, [2, 2, 18, 2], [4, 8, 16, 32]).stochastic_depth_prob(0.5);
    /// Swin V2-T.
    swin_v2_t(true, 96, [2, 2, 6, 2], [3, 6, 12, 24]);
    /// Swin V2-S.
    swin_v2_s(true, 96, [2, 2, 18, 2], [3, 6, 12, 24]).stochastic_depth_prob(0.3);
    /// Swin V2-B.
    swin_v2_b(true, 128, [2, 2, 18, 2], [4, 8, 16, 32]).stochastic_depth_prob(0.5);
}
