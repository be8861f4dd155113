//! What drops parts of a network at random while it trains.

use flambeau_tensor::{MaxPoolOptions, Result, Tensor, ensure};

/// What is dropped together by [`stochastic_depth`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StochasticDepthMode {
    /// all samples of a batch
    Batch,
    /// each sample by itself
    Row,
}
flambeau_nn::plain_parts!(StochasticDepthMode);

#[track_caller]
fn check(op: &'static str, p: f64) -> Result<()> {
    ensure!((0.0..=1.0).contains(&p), Argument, op, "p = {p} is not a probability");
    Ok(())
}

/// The input set to zero with probability `p` while `training`, and scaled up where it is not. Follows
/// `torchvision.ops.stochastic_depth` ("Deep Networks with Stochastic Depth", G. Huang et al., 2016).
///
/// # Errors
/// Where `p` is no probability, or the input has no dimensions.
#[track_caller]
pub fn stochastic_depth(x: &Tensor, p: f64, mode: StochasticDepthMode, training: bool) -> Result<Tensor> {
    check("stochastic_depth", p)?;
    if !training || p == 0.0 {
        return Ok(x.clone());
    }
    let mut shape = vec![1; x.rank()];
    if let (StochasticDepthMode::Row, [first, ..]) = (mode, &mut shape[..]) {
        *first = x.shape()[0];
    }
    let survival = 1.0 - p;
    let noise = Tensor::zeros(shape).dtype(x.dtype()).device(x.device()).build()?;
    noise.bernoulli_(survival)?;
    if survival > 0.0 {
        noise.div_(survival)?;
    }
    x.mul(&noise)
}

/// Squares of `block_size` pixels of an input `[N, C, H, W]` set to zero while `training`, a share `p` of all pixels, and
/// the rest scaled up. Follows `torchvision.ops.drop_block2d` (G. Ghiasi et al., 2018).
///
/// # Errors
/// Where `p` is no probability, the input has other dimensions, or the block is of even size.
#[track_caller]
pub fn drop_block2d(x: &Tensor, p: f64, block_size: usize, training: bool) -> Result<Tensor> {
    drop_block("drop_block2d", x, 2, p, block_size, training)
}

/// [`drop_block2d`] for volumes `[N, C, D, H, W]`: `torchvision.ops.drop_block3d`.
///
/// # Errors
/// As [`drop_block2d`].
#[track_caller]
pub fn drop_block3d(x: &Tensor, p: f64, block_size: usize, training: bool) -> Result<Tensor> {
    drop_block("drop_block3d", x, 3, p, block_size, training)
}

#[track_caller]
fn drop_block(op: &'static str, x: &Tensor, dims: usize, p: f64, block: usize, training: bool) -> Result<Tensor> {
    check(op, p)?;
    let shape = x.shape();
    ensure!(shape.len() == dims + 2, Shape, op, "shape {shape:?} has not {} dimensions", dims + 2);
    if !training || p == 0.0 {
        return Ok(x.clone());
    }
    let sides = &shape[2..];
    let block = sides.iter().fold(block, |least, side| least.min(*side));
    ensure!(block % 2 == 1, Argument, op, "a block of {block} pixels: its size is odd");
    let mut places = shape.to_vec();
    places[2..].iter_mut().for_each(|side| *side -= block - 1);
    let product = |sides: &[usize]| sides.iter().map(|side| *side as f64).product::<f64>();
    let gamma = p * product(sides) / ((block as f64).powi(dims as i32) * product(&places[2..]));
    let noise = Tensor::zeros(places).dtype(x.dtype()).device(x.device()).build()?;
    noise.bernoulli_(gamma.min(1.0))?;
    let half = (block / 2) as isize;
    let noise = noise.pad(&vec![half; 2 * dims], 0.0)?;
    let options = MaxPoolOptions::new(block).stride(1).padding(block / 2);
    let noise = if dims == 2 { noise.max_pool2d(options)? } else { noise.max_pool3d(options)? };
    let noise = noise.rsub(1.0)?;
    let scale = noise.sum(..)?.add(1e-6)?.reciprocal()?.mul(noise.numel() as f64)?;
    x.mul(&noise)?.mul(&scale)
}
