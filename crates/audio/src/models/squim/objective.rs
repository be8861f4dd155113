//! What measures would say of speech: STOI, PESQ and SI-SDR without the clean signal.

use flambeau_nn::{
    Call, Conv1d, Conv2d, Forward, GRU, GroupNorm, LSTM, Linear, Module, PReLU, Parameter, RNN, Sequential,
    TransformerEncoderLayer,
};
use flambeau_tensor::{Result, Tensor, builder, cat, ensure};

const OP: &str = "SquimObjective";

/// The recurrent layers of [`SquimObjective`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SquimRnn {
    Rnn,
    #[default]
    Lstm,
    Gru,
}

enum Recurrent {
    Rnn(RNN),
    Lstm(LSTM),
    Gru(GRU),
}

one_of!(Recurrent: Rnn, Lstm, Gru);

/// A recurrent layer in both directions, brought back to as many features: `[batch, steps, features]`.
#[derive(Module)]
struct SingleRNN {
    rnn: Recurrent,
    proj: Linear,
}

macro_rules! both_directions {
    ($Layer:ident, $inputs:expr, $hidden:expr) => {
        $Layer::new($inputs, $hidden).batch_first(true).bidirectional(true).build()?
    };
}

impl SingleRNN {
    #[track_caller]
    fn new(kind: SquimRnn, inputs: usize, hidden: usize) -> Result<Self> {
        let rnn = match kind {
            SquimRnn::Rnn => Recurrent::Rnn(both_directions!(RNN, inputs, hidden)),
            SquimRnn::Lstm => Recurrent::Lstm(both_directions!(LSTM, inputs, hidden)),
            SquimRnn::Gru => Recurrent::Gru(both_directions!(GRU, inputs, hidden)),
        };
        Ok(SingleRNN { rnn, proj: Linear::new(2 * hidden, inputs).build()? })
    }
}

impl Forward<&Tensor> for SingleRNN {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let out = match &self.rnn {
            Recurrent::Rnn(rnn) => rnn.call(x)?.0,
            Recurrent::Lstm(rnn) => rnn.call(x)?.0,
            Recurrent::Gru(rnn) => rnn.call(x)?.0,
        };
        self.proj.call(&out)
    }
}

/// Recurrent layers within pieces and from piece to piece, in turns (Y. Luo et al., *Dual-path RNN*, 2020).
#[derive(Module)]
struct DPRNN {
    row_rnn: Vec<SingleRNN>,
    col_rnn: Vec<SingleRNN>,
    row_norm: Vec<GroupNorm>,
    col_norm: Vec<GroupNorm>,
    conv: Sequential,
    chunk: usize,
    stride: usize,
}

impl DPRNN {
    #[track_caller]
    fn new(b: &SquimObjectiveBuilder, stride: usize) -> Result<Self> {
        let (mut row_rnn, mut col_rnn, mut row_norm, mut col_norm) = (vec![], vec![], vec![], vec![]);
        for _ in 0..b.num_blocks {
            row_rnn.push(SingleRNN::new(b.rnn_type, b.feat_dim, b.hidden_dim)?);
            col_rnn.push(SingleRNN::new(b.rnn_type, b.feat_dim, b.hidden_dim)?);
            row_norm.push(GroupNorm::new(1, b.feat_dim).eps(1e-8).build()?);
            col_norm.push(GroupNorm::new(1, b.feat_dim).eps(1e-8).build()?);
        }
        let conv = Sequential::of((Conv2d::new(b.feat_dim, b.d_model, 1), PReLU::new()))?;
        Ok(DPRNN { row_rnn, col_rnn, row_norm, col_norm, conv, chunk: b.chunk_size, stride })
    }

    /// Pieces `[batch, features, chunk, pieces]` that overlap, and how many steps were put behind the end.
    #[track_caller]
    fn chunks(&self, x: &Tensor) -> Result<(Tensor, usize)> {
        let [batch, features, steps] = x.dims()?;
        let (chunk, stride) = (self.chunk, self.stride);
        let rest = chunk - (stride + steps % chunk) % chunk;
        let padded = x.pad(&[stride as isize, (rest + stride) as isize], 0.0)?;
        let kept = padded.shape()[2] - stride;
        let from =
            |start: usize| padded.narrow(2, start as isize, kept)?.reshape([batch, features, kept / chunk, chunk]);
        let both = cat(&[&from(0)?, &from(stride)?], 3)?;
        Ok((both.reshape([batch, features, 2 * (kept / chunk), chunk])?.transpose(2, 3)?, rest))
    }

    /// Steps `[batch, features, steps]` of pieces.
    #[track_caller]
    fn merged(&self, x: &Tensor, rest: usize) -> Result<Tensor> {
        let [batch, features, chunk, pieces] = x.dims()?;
        let pairs = x.transpose(2, 3)?.reshape([batch, features, pieces / 2, 2 * chunk])?;
        let steps = pieces / 2 * chunk;
        let part = |i: usize| pairs.narrow(3, (i * chunk) as isize, chunk)?.reshape([batch, features, steps]);
        let kept = steps - self.stride;
        let sum = part(0)?.narrow(2, self.stride as isize, kept)?.add(&part(1)?.narrow(2, 0, kept)?)?;
        sum.narrow(2, 0, kept - rest)
    }
}

impl Forward<&Tensor> for DPRNN {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (mut out, rest) = self.chunks(x)?;
        let [batch, features, chunk, pieces] = out.dims()?;
        let layers = self.row_rnn.iter().zip(&self.row_norm).zip(self.col_rnn.iter().zip(&self.col_norm));
        for ((row_rnn, row_norm), (col_rnn, col_norm)) in layers {
            let rows = out.permute([0, 3, 2, 1])?.reshape([batch * pieces, chunk, features])?;
            let rows = row_rnn.call(&rows)?.reshape([batch, pieces, chunk, features])?.permute([0, 3, 2, 1])?;
            out = out.add(&row_norm.call(&rows)?)?;
            let columns = out.permute([0, 2, 3, 1])?.reshape([batch * chunk, pieces, features])?;
            let columns = col_rnn.call(&columns)?.reshape([batch, chunk, pieces, features])?.permute([0, 3, 1, 2])?;
            out = out.add(&col_norm.call(&columns)?)?;
        }
        self.merged(&self.conv.call(&out)?, rest)?.transpose(1, 2)
    }
}

/// A mean over time by a softmax of what it is of.
#[derive(Module)]
struct AutoPool {
    alpha: Parameter,
}

impl Forward<&Tensor> for AutoPool {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.mul(&x.mul(&*self.alpha)?.softmax(1)?)?.sum(1)
    }
}

/// Brings numbers between two.
#[derive(Module)]
struct RangeSigmoid {
    low: f64,
    high: f64,
}

impl Forward<&Tensor> for RangeSigmoid {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.sigmoid()?.mul(self.high - self.low)?.add(self.low)
    }
}

/// What a narrow-band PESQ score is as a wide-band one, by ITU-T P.862.2.
fn wide_band(pesq: f64) -> f64 {
    0.999 + (4.999 - 0.999) / (1.0 + (-1.3669 * pesq + 3.8224).exp())
}

/// Attention, a mean over time, and two layers to a score, which lies between two numbers if at all.
#[track_caller]
fn branch(n: usize, heads: usize, range: Option<(f64, f64)>) -> Result<Sequential> {
    let attention = TransformerEncoderLayer::new(n, heads).dim_feedforward(4 * n).dropout(0.0).batch_first(true);
    let attention = attention.build()?;
    let pool = AutoPool { alpha: Parameter::new(Tensor::ones([1]).build()?)? };
    let mut score = Sequential::of((Linear::new(n, n), PReLU::new(), Linear::new(n, 1)))?;
    if let Some((low, high)) = range {
        score.push(RangeSigmoid { low, high })?;
    }
    Sequential::of((attention, pool, score))
}

#[derive(Module)]
struct Encoder {
    conv1d: Conv1d,
}

/// What STOI, PESQ (wide band) and SI-SDR (decibel) of speech `[batch, samples]` would be, `[batch]` each, as
/// `torchaudio.models.SquimObjective`. See A. Kumar et al., *TorchAudio-Squim*, 2023, arXiv:2304.01448.
///
/// ```
/// use flambeau_audio::models::SquimObjective;
/// use flambeau_nn::{Call, Module};
/// use flambeau_tensor::Tensor;
///
/// // A small one of the same form.
/// let model = SquimObjective::new().feat_dim(8).win_len(16).d_model(8).nhead(2).hidden_dim(8).build()?;
/// model.eval();
/// let (stoi, pesq, _) = model.call(&Tensor::randn([1, 4000]).build()?)?;
/// assert!((0.0..=1.0).contains(&stoi.item::<f32>()?) && (1.0..5.0).contains(&pesq.item::<f32>()?));
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
pub struct SquimObjective {
    encoder: Encoder,
    dprnn: DPRNN,
    branches: Vec<Sequential>,
    win_len: usize,
}

builder! {
    /// Options of [`SquimObjective`]; they begin as those of `squim_objective_base`.
    pub struct SquimObjectiveBuilder => SquimObjective;
    new {}
    options {
        /// Features of a window, 256 unless set.
        feat_dim: usize = 256,
        /// Samples of a window, 64 unless set; they are half a window apart.
        win_len: usize = 64,
        /// Numbers of a step in attention, 256 unless set.
        d_model: usize = 256,
        /// Heads of attention, 4 unless set.
        nhead: usize = 4,
        /// Numbers of a recurrent state, 256 unless set.
        hidden_dim: usize = 256,
        /// Recurrent layers within and between pieces, 2 of each unless set.
        num_blocks: usize = 2,
        /// What they are, LSTM unless set.
        rnn_type: SquimRnn = SquimRnn::Lstm,
        /// Windows of a piece, 71 unless set.
        chunk_size: usize = 71,
        /// Windows from one piece to the next, half a piece unless set.
        chunk_stride: ~into Option<usize> = None,
    }
}

impl SquimObjective {
    #[track_caller]
    fn from_builder(b: SquimObjectiveBuilder) -> Result<Self> {
        let stride = b.chunk_stride.unwrap_or(b.chunk_size / 2);
        ensure!(
            b.win_len >= 2 && b.chunk_size > 0 && stride <= b.chunk_size,
            Argument,
            OP,
            "win_len {} must be 2 at least, chunk_size {} 1, chunk_stride {stride} no longer than a piece",
            b.win_len,
            b.chunk_size
        );
        let conv1d = Conv1d::new(1, b.feat_dim, b.win_len).stride(b.win_len / 2).bias(false).build()?;
        let dprnn = DPRNN::new(&b, stride)?;
        let ranges = [Some((0.0, 1.0)), Some((1.0, wide_band(4.5))), None];
        let branches = ranges.into_iter().map(|range| branch(b.d_model, b.nhead, range)).collect::<Result<_>>()?;
        Ok(SquimObjective { encoder: Encoder { conv1d }, dprnn, branches, win_len: b.win_len })
    }
}

impl Forward<&Tensor> for SquimObjective {
    type Output = (Tensor, Tensor, Tensor);

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Self::Output> {
        ensure!(
            x.rank() == 2 && x.shape()[1] >= self.win_len,
            Shape,
            OP,
            "the input is [batch, samples] with {} samples at least, this is {:?}",
            self.win_len,
            x.shape()
        );
        let loudness = x.square()?.mean_keepdim(1)?.sqrt()?.mul(20.0)?;
        let windows = self.encoder.conv1d.call(&x.div(&loudness)?.unsqueeze(1)?)?.relu()?;
        let steps = self.dprnn.call(&windows)?;
        let score = |i: usize| self.branches[i].call(&steps)?.squeeze(1);
        Ok((score(0)?, score(1)?, score(2)?))
    }
}

/// The options of `torchaudio.models.squim_objective_base`.
pub fn squim_objective_base() -> SquimObjectiveBuilder {
    SquimObjective::new()
}
