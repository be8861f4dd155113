//! MViT: attention whose queries become fewer and wider from stage to stage ("Multiscale Vision Transformers", H. Fan et
//! al., 2021; "MViTv2: Improved Multiscale Vision Transformers for Classification and Detection", Y. Li et al., 2022).

use crate::models::builder::{Weighted, fill, model_builder, model_functions};
use crate::ops::{Activation, MLP, StochasticDepth, StochasticDepthMode};
use flambeau_nn::{
    Call, Conv3d, Dropout, Forward, Layer, LayerNorm, Linear, MaxPool3d, Module, Parameter, Sequential, init,
};
use flambeau_tensor::{InterpolateMode, InterpolateOptions, Result, Tensor, bail, cat, einsum, ensure, no_grad};

/// Frames, height and width.
type Size = [usize; 3];

/// Tokens pooled as the video that they are, the first of them (of the class) aside.
#[derive(Module)]
struct Pool {
    pool: Box<dyn Layer>,
    norm_act: Option<Sequential>,
}

impl Pool {
    /// `[N, heads, 1 + T · H · W, C]` (or without `heads`) and the size `[T, H, W]`.
    #[track_caller]
    fn pooled(&self, x: &Tensor, size: Size) -> Result<(Tensor, Size)> {
        let flat = x.rank() == 3;
        let x = if flat { x.unsqueeze(1)? } else { x.clone() };
        let [batch, heads, tokens, channels] = *x.shape() else {
            bail!(Shape, "MViT", "tokens of shape {:?}", x.shape())
        };
        let class = x.narrow(2, 0, 1)?;
        let [t, h, w] = size;
        let video = x.narrow(2, 1, tokens - 1)?.transpose(2, 3)?.reshape([batch * heads, channels, t, h, w])?;
        let video = self.pool.call(&video)?;
        let &[_, _, t, h, w] = video.shape() else { bail!(Shape, "MViT", "a video of shape {:?}", video.shape()) };
        let tokens = video.reshape([batch, heads, channels, t * h * w])?.transpose(2, 3)?;
        let x = cat(&[class, tokens], 2)?;
        let x = self.norm_act.as_ref().map_or(Ok(x.clone()), |layer| layer.call(&x))?;
        Ok((if flat { x.squeeze(1)? } else { x }, [t, h, w]))
    }
}

/// The row of a table for each of `queries` places against each of `keys`, `[queries, keys, C]`.
#[track_caller]
fn rows_of(table: &Tensor, queries: usize, keys: usize) -> Result<Tensor> {
    let most = 2 * queries.max(keys) - 1;
    let table = match table.shape()[0] == most {
        true => table.clone(),
        false => {
            let resized = InterpolateOptions::size([most]).mode(InterpolateMode::Linear);
            table.transpose(0, 1)?.unsqueeze(0)?.interpolate(resized)?.squeeze(0)?.transpose(0, 1)?
        }
    };
    let (by_query, by_key) = ((keys as f64 / queries as f64).max(1.0), (queries as f64 / keys as f64).max(1.0));
    let row =
        |q: usize, k: usize| (q as f32 * by_query as f32 - (k as f32 + (1.0 - keys as f32)) * by_key as f32) as i64;
    let at: Vec<i64> = (0..queries).flat_map(|q| (0..keys).map(move |k| row(q, k))).collect();
    let channels = table.shape()[1];
    table.index_select(0, Tensor::from_vec(at, [queries * keys])?)?.reshape([queries, keys, channels])
}

/// Scores `[N, heads, 1 + queries, 1 + keys]` of the queries `q` with what `tables` (of rows, columns and frames) add for
/// how queries and keys lie to each other.
#[track_caller]
fn with_distances(scores: &Tensor, q: &Tensor, tables: [&Tensor; 3], queries: Size, keys: Size) -> Result<Tensor> {
    let (batch, heads, channels) = (q.shape()[0], q.shape()[1], q.shape()[3]);
    let ([qt, qh, qw], [kt, kh, kw]) = (queries, keys);
    let q = q.narrow(2, 1, qt * qh * qw)?.reshape([batch, heads, qt, qh, qw, channels])?;
    let by = |equation: &str, table: &Tensor, n: usize, m: usize| einsum(equation, &[&q, &rows_of(table, n, m)?]);
    let of_h = by("bythwc,hkc->bythwk", tables[0], qh, kh)?.reshape([batch, heads, qt, qh, qw, 1, kh, 1])?;
    let of_w = by("bythwc,wkc->bythwk", tables[1], qw, kw)?.reshape([batch, heads, qt, qh, qw, 1, 1, kw])?;
    let of_t = by("bythwc,tkc->bythwk", tables[2], qt, kt)?.reshape([batch, heads, qt, qh, qw, kt, 1, 1])?;
    let all = of_h.add(&of_w)?.add(&of_t)?.reshape([batch, heads, qt * qh * qw, kt * kh * kw])?;
    scores.add(&all.pad(&[1, 0, 1, 0], 0.0)?)
}

/// A block's numbers.
#[derive(Clone, Copy, Debug)]
struct BlockConfig {
    heads: usize,
    from: usize,
    to: usize,
    pool_q: bool,
    stride_q: Size,
    stride_kv: Size,
}

/// Which version.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Version {
    One,
    Two,
}

#[derive(Module)]
struct MultiscaleAttention {
    rel_pos_h: Option<Parameter>,
    rel_pos_w: Option<Parameter>,
    rel_pos_t: Option<Parameter>,
    qkv: Linear,
    project: Sequential,
    pool_q: Option<Pool>,
    pool_k: Option<Pool>,
    pool_v: Option<Pool>,
    heads: usize,
}

#[track_caller]
fn norm(channels: usize) -> Result<LayerNorm> {
    LayerNorm::new(channels).eps(1e-6).build()
}

impl MultiscaleAttention {
    #[track_caller]
    fn new(c: BlockConfig, dim: usize, size: Size, version: Version, dropout: f64) -> Result<Self> {
        let each = dim / c.heads;
        let qkv = Linear::new(c.from, 3 * dim).build()?;
        let mut project = Sequential::of((Linear::new(dim, dim),))?;
        if dropout > 0.0 {
            project.push(Dropout::new(dropout).inplace(true))?;
        }
        let pool = |stride: Size| -> Result<Pool> {
            let conv = Conv3d::new(each, each, 3).stride(stride).padding(1).groups(each).bias(false).build()?;
            Ok(Pool { pool: Box::new(conv), norm_act: Some(Sequential::of((norm(each)?,))?) })
        };
        let pool_q = if c.pool_q { Some(pool(c.stride_q)?) } else { None };
        let (pool_k, pool_v) = (Some(pool(c.stride_kv)?), Some(pool(c.stride_kv)?));
        let table = |rows: usize| -> Result<Option<Parameter>> {
            if version == Version::One {
                return Ok(None);
            }
            let table = Tensor::zeros([rows, each]).build()?;
            init::trunc_normal_(&table, 0.0, 0.02, -2.0, 2.0)?;
            Parameter::new(table).map(Some)
        };
        let side = size[1].max(size[2]);
        let space = 2 * (side / c.stride_q[1]).max(side / c.stride_kv[1]) - 1;
        let (rel_pos_h, rel_pos_w, rel_pos_t) = (table(space)?, table(space)?, table(2 * size[0] - 1)?);
        let heads = c.heads;
        Ok(MultiscaleAttention { rel_pos_h, rel_pos_w, rel_pos_t, qkv, project, pool_q, pool_k, pool_v, heads })
    }

    #[track_caller]
    fn attend(&self, x: &Tensor, size: Size) -> Result<(Tensor, Size)> {
        let [batch, tokens, _] = *x.shape() else { bail!(Shape, "MViT", "tokens of shape {:?}", x.shape()) };
        let qkv = self.qkv.call(x)?;
        let dim = qkv.shape()[2] / 3;
        let qkv = qkv.reshape([batch, tokens, 3, self.heads, dim / self.heads])?.transpose(1, 3)?;
        let pooled = |pool: &Option<Pool>, i: isize| {
            let part = qkv.select(2, i)?;
            pool.as_ref().map_or(Ok((part.clone(), size)), |pool| pool.pooled(&part, size))
        };
        let ((k, keys), (v, _)) = (pooled(&self.pool_k, 1)?, pooled(&self.pool_v, 2)?);
        let (q, queries) = pooled(&self.pool_q, 0)?;
        let scale = 1.0 / ((dim / self.heads) as f64).sqrt();
        let mut scores = q.mul(scale)?.matmul(&k.mt()?)?;
        let tables = (&self.rel_pos_h, &self.rel_pos_w, &self.rel_pos_t);
        if let (Some(h), Some(w), Some(t)) = tables {
            scores = with_distances(&scores, &q, [h, w, t], queries, keys)?;
        }
        let mut x = scores.softmax(-1)?.matmul(&v)?;
        if self.rel_pos_h.is_some() {
            // What goes around the attention, the token of the class aside.
            let rest = q.shape()[2] - 1;
            x = cat(&[x.narrow(2, 0, 1)?, x.narrow(2, 1, rest)?.add(&q.narrow(2, 1, rest)?)?], 2)?;
        }
        let tokens = x.shape()[2];
        Ok((self.project.call(&x.transpose(1, 2)?.reshape([batch, tokens, dim])?)?, queries))
    }
}

#[derive(Module)]
struct MultiscaleBlock {
    pool_skip: Option<Pool>,
    norm1: LayerNorm,
    norm2: LayerNorm,
    attn: MultiscaleAttention,
    mlp: MLP,
    stochastic_depth: StochasticDepth,
    project: Option<Linear>,
    /// The wider tokens come out of the attention, not out of the perceptron.
    proj_after_attn: bool,
}

impl MultiscaleBlock {
    #[track_caller]
    fn new(c: BlockConfig, size: Size, version: Version, dropout: f64, depth_prob: f64) -> Result<Self> {
        let pool_skip = if c.stride_q.iter().product::<usize>() > 1 {
            let kernel = c.stride_q.map(|stride| if stride > 1 { stride + 1 } else { stride });
            let pool = MaxPool3d::new(kernel).stride(c.stride_q).padding(kernel.map(|side| side / 2)).build()?;
            Some(Pool { pool: Box::new(pool), norm_act: None })
        } else {
            None
        };
        let proj_after_attn = version == Version::Two;
        let dim = if proj_after_attn { c.to } else { c.from };
        let (norm1, norm2) = (norm(c.from)?, norm(dim)?);
        let attn = MultiscaleAttention::new(c, dim, size, version, dropout)?;
        let mlp = MLP::new(dim, [4 * dim, c.to]).activation_layer(Activation::Gelu).dropout(dropout).build()?;
        let stochastic_depth = StochasticDepth::new(depth_prob, StochasticDepthMode::Row);
        let project = if c.from != c.to { Some(Linear::new(c.from, c.to).build()?) } else { None };
        Ok(MultiscaleBlock { pool_skip, norm1, norm2, attn, mlp, stochastic_depth, project, proj_after_attn })
    }

    #[track_caller]
    fn step(&self, x: &Tensor, size: Size) -> Result<(Tensor, Size)> {
        let projected = |now: bool, x: &Tensor, normed: &Tensor| match &self.project {
            Some(project) if self.proj_after_attn == now => project.call(normed),
            _ => Ok(x.clone()),
        };
        let normed = self.norm1.call(x)?;
        let (attended, new_size) = self.attn.attend(&normed, size)?;
        let x = projected(true, x, &normed)?;
        let around = match &self.pool_skip {
            Some(pool) => pool.pooled(&x, size)?.0,
            None => x.clone(),
        };
        let x = around.add(&self.stochastic_depth.call(&attended)?)?;
        let normed = self.norm2.call(&x)?;
        let around = projected(false, &x, &normed)?;
        Ok((around.add(&self.stochastic_depth.call(&self.mlp.call(&normed)?)?)?, new_size))
    }
}

/// A token of the class before the others, and where each lies (in the first version).
#[derive(Module)]
struct PositionalEncoding {
    class_token: Parameter,
    spatial_pos: Option<Parameter>,
    temporal_pos: Option<Parameter>,
    class_pos: Option<Parameter>,
}

impl Forward<&Tensor> for PositionalEncoding {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, channels) = (x.shape()[0], x.shape()[2]);
        let class = self.class_token.reshape([1, 1, channels])?.expand([batch, 1, channels])?;
        let x = cat(&[&class, x], 1)?;
        let (Some(space), Some(time), Some(class)) = (&self.spatial_pos, &self.temporal_pos, &self.class_pos) else {
            return Ok(x);
        };
        let places = time.unsqueeze(1)?.add(&space.unsqueeze(0)?)?.reshape([-1, channels as isize])?;
        x.add(&cat(&[class.unsqueeze(0)?, places], 0)?.unsqueeze(0)?)
    }
}

/// A transformer for videos, as `torchvision.models.video.MViT`; made by [`mvit_v1_b`] and [`mvit_v2_s`]. It takes videos
/// `[N, 3, T, H, W]` of the size that it was made for and gives `[N, num_classes]`.
#[derive(Module)]
pub struct MViT {
    conv_proj: Conv3d,
    pos_encoding: PositionalEncoding,
    blocks: Vec<MultiscaleBlock>,
    norm: LayerNorm,
    /// What tells the classes apart.
    pub head: Sequential,
    #[module(skip)]
    size: Size,
}

impl Forward<&Tensor> for MViT {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.conv_proj.call(x)?;
        ensure!(
            x.rank() == 5 && x.shape()[2..] == self.size,
            Shape,
            "MViT",
            "the video has {:?} patches, the network was made for {:?}",
            x.shape().get(2..),
            self.size
        );
        let x = self.pos_encoding.call(&x.flatten(2, -1)?.transpose(1, 2)?)?;
        let step = |(x, size): (Tensor, Size), block: &MultiscaleBlock| block.step(&x, size);
        let (x, _) = self.blocks.iter().try_fold((x, self.size), step)?;
        self.head.call(&self.norm.call(&x)?.select(1, 0)?)
    }
}

model_builder! {
    /// An [`MViT`] about to be made.
    pub struct MViTBuilder => MViT;
    fixed { version: Version }
    options {
        /// Height and width of the frames; 224 by 224 unless set.
        spatial_size: (usize, usize) = (224, 224),
        /// The number of frames; 16 unless set.
        temporal_size: usize = 16,
        /// The probability of dropping a number before the last layer; 0.5 unless set.
        dropout: f64 = 0.5,
        /// The probability of dropping a number in a block; 0 unless set.
        attention_dropout: f64 = 0.0,
        /// The probability of leaving out the last block in training; earlier ones less. 0.2 unless set.
        stochastic_depth_prob: f64 = 0.2,
    }
}

impl MViTBuilder {
    /// The sixteen blocks: stages of 1, 2, 11 and 2, each of twice as many heads.
    fn blocks(&self) -> Vec<BlockConfig> {
        let stage = |i: usize| match i {
            0 => 0,
            1 | 2 => 1,
            3..=13 => 2,
            _ => 3,
        };
        let two = self.version == Version::Two;
        let block = |i: usize| {
            let s = stage(i);
            let first = i > 0 && stage(i - 1) < s;
            // The first version widens at the end of a stage, the second at the beginning.
            let (from, to) = match two {
                true => (stage(i.saturating_sub(1)), s),
                false => (s, stage((i + 1).min(15))),
            };
            let (q, kv) = (if first { 2 } else { 1 }, 8 >> s);
            BlockConfig {
                heads: 1 << s,
                from: 96 << from,
                to: 96 << to,
                pool_q: two || first,
                stride_q: [1, q, q],
                stride_kv: [1, kv, kv],
            }
        };
        (0..16).map(block).collect()
    }

    fn make(&self) -> Result<MViT> {
        let (height, width) = self.spatial_size;
        let mut size = [self.temporal_size / 2, height / 4, width / 4];
        ensure!(
            size[0] > 0 && size[1] >= 8 && size[2] >= 8,
            Argument,
            self.name,
            "{} frames of {height} by {width}: there must be 2 of 32 by 32 or more",
            self.temporal_size
        );
        let whole = size;
        let conv_proj = Conv3d::new(3, 96, [3, 7, 7]).stride([2, 4, 4]).padding([1, 3, 3]).build()?;
        let zeros = |shape: &[usize]| Parameter::new(Tensor::zeros(shape).build()?);
        let one = self.version == Version::One;
        let maybe = |shape: &[usize]| one.then(|| zeros(shape)).transpose();
        let pos_encoding = PositionalEncoding {
            class_token: zeros(&[96])?,
            spatial_pos: maybe(&[size[1] * size[2], 96])?,
            temporal_pos: maybe(&[size[0], 96])?,
            class_pos: maybe(&[96])?,
        };
        let mut blocks = Vec::new();
        for (i, config) in self.blocks().into_iter().enumerate() {
            let depth_prob = self.stochastic_depth_prob * i as f64 / 15.0;
            blocks.push(MultiscaleBlock::new(config, size, self.version, self.attention_dropout, depth_prob)?);
            size = [size[0], size[1] / config.stride_q[1], size[2] / config.stride_q[2]];
        }
        let model = MViT {
            conv_proj,
            pos_encoding,
            blocks,
            norm: norm(768)?,
            head: Sequential::of((Dropout::new(self.dropout).inplace(true), Linear::new(768, self.classes(400))))?,
            size: whole,
        };
        for (_, parameter) in model.pos_encoding.named_parameters() {
            no_grad(|| init::trunc_normal_(&parameter, 0.0, 0.02, -2.0, 2.0).map(drop))?;
        }
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

model_functions! { MViTBuilder:
    /// MViT-B, first version.
    mvit_v1_b(Version::One);
    /// MViT-S, second version.
    mvit_v2_s(Version::Two);
}
