//! Attention in windows that shift, which the Swin transformers of images and videos share.

use flambeau_nn::{Call, Linear, Parameter, functional};
use flambeau_tensor::{Result, Tensor, cat};

/// For each pair of places in a window of these sides, which row of a table tells how they lie to each other,
/// `[places²]`.
#[track_caller]
pub(crate) fn relative_position_index(window: &[usize]) -> Result<Tensor> {
    let count: usize = window.iter().product();
    let place = |mut at: usize| -> Vec<usize> {
        let mut coordinates = vec![0; window.len()];
        for (coordinate, side) in coordinates.iter_mut().zip(window).rev() {
            (*coordinate, at) = (at % side, at / side);
        }
        coordinates
    };
    let places: Vec<Vec<usize>> = (0..count).map(place).collect();
    let row = |a: &[usize], b: &[usize]| {
        let along = a.iter().zip(b).zip(window);
        along.fold(0, |row, ((a, b), side)| row * (2 * side - 1) + a + side - 1 - b) as i64
    };
    let index: Vec<i64> = places.iter().flat_map(|a| places.iter().map(move |b| row(a, b))).collect();
    Tensor::from_vec(index, [count * count])
}

/// The rows of `table` that `index` names, `[1, heads, places, places]`.
#[track_caller]
pub(crate) fn relative_position_bias(table: &Tensor, index: &Tensor, places: usize) -> Result<Tensor> {
    let rows = table.index_select(0, index.flatten(0, -1)?)?;
    rows.reshape([places as isize, places as isize, -1])?.permute([2, 0, 1])?.contiguous()?.unsqueeze(0)
}

/// What the attention of all versions is made of: windows of frames, rows and columns.
pub(crate) struct Windows<'a> {
    pub(crate) window: [usize; 3],
    pub(crate) shift: [usize; 3],
    pub(crate) heads: usize,
    pub(crate) qkv: &'a Linear,
    pub(crate) proj: &'a Linear,
    /// `[1, heads, places, places]`
    pub(crate) bias: Tensor,
    /// By how much the cosine of query and key counts; the dot product counts where there is none.
    pub(crate) logit_scale: Option<&'a Parameter>,
    pub(crate) attention_dropout: f64,
    pub(crate) dropout: f64,
    pub(crate) training: bool,
}

impl Windows<'_> {
    /// Attention of `[N, T, H, W, C]` in windows, moved by `shift`.
    #[track_caller]
    pub(crate) fn attend(&self, input: &Tensor) -> Result<Tensor> {
        let [batch, t, h, w, channels] = *input.shape() else {
            flambeau_tensor::bail!(
                Shape,
                "SwinTransformer",
                "shape {:?} has no channels behind the places",
                input.shape()
            );
        };
        let ([wt, wh, ww], size) = (self.window, [t, h, w]);
        let full: [usize; 3] = std::array::from_fn(|i| size[i].next_multiple_of(self.window[i]));
        let more = |i: usize| (full[i] - size[i]) as isize;
        let x = input.pad(&[0, 0, 0, more(2), 0, more(1), 0, more(0)], 0.0)?;
        let shift: [usize; 3] = std::array::from_fn(|i| if self.window[i] >= full[i] { 0 } else { self.shift[i] });
        let shifted = shift.iter().any(|by| *by > 0);
        let by = |sign: isize| shift.map(|by| sign * by as isize);
        let x = if shifted { x.roll(by(-1), [1, 2, 3])? } else { x };
        let (n, places) = ([full[0] / wt, full[1] / wh, full[2] / ww], wt * wh * ww);
        let windows = n.iter().product::<usize>();
        let x = x.reshape([batch, n[0], wt, n[1], wh, n[2], ww, channels])?.permute([0, 1, 3, 5, 2, 4, 6, 7])?;
        let x = x.reshape([batch * windows, places, channels])?;

        let qkv = x.linear(&self.qkv.weight, self.qkv_bias()?.as_ref())?;
        let qkv = qkv.reshape([batch * windows, places, 3, self.heads, channels / self.heads])?;
        let qkv = qkv.permute([2, 0, 3, 1, 4])?;
        let (q, k, v) = (qkv.select(0, 0)?, qkv.select(0, 1)?, qkv.select(0, 2)?);
        let scores = match self.logit_scale {
            Some(scale) => {
                let cosine = q.normalize(2.0, -1, 1e-12)?.matmul(&k.normalize(2.0, -1, 1e-12)?.mt()?)?;
                cosine.mul(&scale.clamp_max(100f64.ln())?.exp()?)?
            }
            None => q.mul(((channels / self.heads) as f64).powf(-0.5))?.matmul(&k.mt()?)?,
        };
        let mut scores = scores.add(&self.bias)?;
        if shifted {
            let mask = self.mask(full, shift)?.to_dtype(x.dtype())?.to_device(x.device())?;
            let by_window = scores.reshape([batch, windows, self.heads, places, places])?;
            scores = by_window.add(&mask)?.reshape([batch * windows, self.heads, places, places])?;
        }
        let weights = functional::dropout(&scores.softmax(-1)?, self.attention_dropout, self.training)?;
        let x = weights.matmul(&v)?.transpose(1, 2)?.reshape([batch * windows, places, channels])?;
        let x = functional::dropout(&self.proj.call(&x)?, self.dropout, self.training)?;

        let x = x.reshape([batch, n[0], n[1], n[2], wt, wh, ww, channels])?.permute([0, 1, 4, 2, 5, 3, 6, 7])?;
        let x = x.reshape([batch, full[0], full[1], full[2], channels])?;
        let x = if shifted { x.roll(by(1), [1, 2, 3])? } else { x };
        x.narrow(1, 0, t)?.narrow(2, 0, h)?.narrow(3, 0, w)?.contiguous()
    }

    /// The bias of queries, keys and values; with cosines that of keys counts as zero.
    #[track_caller]
    fn qkv_bias(&self) -> Result<Option<Tensor>> {
        let Some(bias) = &self.qkv.bias else { return Ok(None) };
        if self.logit_scale.is_none() {
            return Ok(Some(bias.tensor().clone()));
        }
        let third = bias.numel() / 3;
        let (q, k, v) = (
            bias.narrow(0, 0, third)?,
            bias.narrow(0, third as isize, third)?,
            bias.narrow(0, 2 * third as isize, third)?,
        );
        Ok(Some(cat(&[q, k.zeros_like()?, v], 0)?))
    }

    /// What forbids places that only the shift made neighbours to attend to each other, `[1, windows, 1, places,
    /// places]`.
    #[track_caller]
    fn mask(&self, full: [usize; 3], shift: [usize; 3]) -> Result<Tensor> {
        let [wt, wh, ww] = self.window;
        let part = |i: usize, at: usize| match shift[i] {
            0 => 2,
            _ if at < full[i] - self.window[i] => 0,
            by if at < full[i] - by => 1,
            _ => 2,
        };
        let n = [full[0] / wt, full[1] / wh, full[2] / ww];
        let (windows, places) = (n.iter().product::<usize>(), wt * wh * ww);
        let mut mask = Vec::with_capacity(windows * places * places);
        for window in 0..windows {
            let first = [window / (n[1] * n[2]) * wt, window / n[2] % n[1] * wh, window % n[2] * ww];
            let region = |place: usize| {
                let inside = [place / (wh * ww), place / ww % wh, place % ww];
                (0..3).fold(0, |region, i| 3 * region + part(i, first[i] + inside[i]))
            };
            let regions: Vec<usize> = (0..places).map(region).collect();
            mask.extend(regions.iter().flat_map(|a| regions.iter().map(move |b| if a == b { 0f32 } else { -100.0 })));
        }
        Tensor::from_vec(mask, [1, windows, 1, places, places])
    }
}
