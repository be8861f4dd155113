//! Inputs and attributes for the ops: such as go with an op often, but not always.

use super::Gen;
use flambeau_tensor::shape::{DimList, Strides};
use flambeau_tensor::*;

pub fn dims(g: &mut Gen) -> DimList {
    g.list(4, dim).into_iter().collect()
}

pub fn dim(g: &mut Gen) -> usize {
    if g.one_in(6) { g.u() } else { g.next() as usize % 3 }
}

pub fn shape(g: &mut Gen) -> Shape {
    g.shape().into_iter().collect()
}

pub fn layout(g: &mut Gen, x: &Tensor) -> Layout {
    match g.next() % 3 {
        0 => x.layout().clone(),
        1 => Layout::contiguous(shape(g)),
        _ => Layout { shape: g.list(3, Gen::u).into(), strides: Strides::from_vec(g.list(3, Gen::u)), offset: g.u() },
    }
}

/// Square matrices, mostly.
pub fn square(g: &mut Gen) -> Tensor {
    if g.one_in(6) {
        return float(g);
    }
    let (n, dtype) = (g.next() as usize % 5, g.pick(&[DType::F32, DType::F64, DType::Complex64, DType::Complex128]));
    let shape = if g.one_in(3) { vec![2, n, n] } else { vec![n, n] };
    g.tensor_of(&shape, dtype)
}

pub fn ctc(g: &mut Gen) -> (CtcLoss, Vec<Tensor>) {
    let (t, n, c, s) = (g.next() as usize % 4, g.next() as usize % 3, 1 + g.next() as usize % 3, g.next() as usize % 4);
    let (input_lengths, target_lengths) = ((0..n).map(|_| t).collect(), (0..n).map(|i| s.min(i + 1)).collect());
    let blank = if g.one_in(4) { g.u() } else { 0 };
    let (x, targets) = (g.tensor_of(&[t, n, c], DType::F32), g.index(&[n, s]));
    let op = CtcLoss { blank, input_lengths, target_lengths, zero_infinity: g.one_in(2) };
    (op, vec![x, targets])
}

pub fn attention(g: &mut Gen) -> (ScaledDotProductAttention, Vec<Tensor>) {
    let [l, s, e] = [g.next() as usize % 9, g.next() as usize % 9, g.next() as usize % 5];
    let heads = 1 + g.next() as usize % 3;
    let own = if g.one_in(4) { g.next() as usize % 3 } else { heads };
    let (q, k, v) = ([2, heads, l, e], [2, own, s, e], [2, own, s, e]);
    let mut inputs: Vec<Tensor> = [q, k, v].iter().map(|shape| g.tensor_of(shape, DType::F32)).collect();
    let mask = g.one_in(3);
    if mask {
        let mask = g.tensor_of(&[2, heads, l, s], DType::F32);
        inputs.push(if g.one_in(2) { mask.ne(0).unwrap() } else { mask });
    }
    let scale = g.pick(&[0.5, -1.0, 0.0, f64::NAN, f64::INFINITY]);
    (ScaledDotProductAttention { scale, causal: g.one_in(2), mask }, inputs)
}

pub fn samples(g: &mut Gen) -> (GridSample, Vec<Tensor>) {
    let rank = 2 + usize::from(g.one_in(3));
    let mut size = |n: usize| g.next() as usize % n;
    let (n, c) = (size(3), size(4));
    let mut x: Vec<usize> = [n, c].into_iter().chain((0..rank).map(|_| size(5))).collect();
    let mut grid: Vec<usize> = [n].into_iter().chain((0..rank).map(|_| size(5))).collect();
    grid.push(rank);
    if g.one_in(6) {
        x.pop();
    }
    if g.one_in(6) {
        grid[0] += 1;
    }
    let dtype = g.pick(&[DType::F32, DType::F64, DType::F32, DType::BF16, DType::I64]);
    let mode = g.pick(&[GridMode::Bilinear, GridMode::Nearest, GridMode::Bicubic]);
    let padding = g.pick(&[GridPadding::Zeros, GridPadding::Border, GridPadding::Reflection]);
    (GridSample { mode, padding, align_corners: g.one_in(2) }, vec![g.tensor_of(&x, dtype), g.tensor_of(&grid, dtype)])
}

pub fn resampled(g: &mut Gen) -> (Interpolate, Vec<Tensor>) {
    let rank = g.pick(&[1, 2, 2, 2, 3]);
    let mut size = |n: usize| g.next() as usize % n;
    let x: Vec<usize> = (0..rank + 2).map(|_| size(6)).collect();
    let sizes = (0..rank).map(|_| size(8)).collect();
    let (some, off) = (size(3) == 0, size(6) == 0);
    let factors: Vec<f64> =
        if some { (0..rank + usize::from(off)).map(|_| size(4) as f64 / 1.7).collect() } else { [].into() };
    use InterpolateMode as Mode;
    let modes =
        [Mode::Nearest, Mode::NearestExact, Mode::Linear, Mode::Linear, Mode::Bicubic, Mode::Lanczos, Mode::Area];
    let op = Interpolate {
        mode: g.pick(&modes),
        size: sizes,
        factors: factors.into(),
        align_corners: g.one_in(3),
        antialias: g.one_in(2),
    };
    let dtype = g.pick(&[DType::F32, DType::F64, DType::U8, DType::BF16, DType::I64, DType::Bool, DType::Complex64]);
    (op, vec![g.tensor_of(&x, dtype)])
}

pub fn recurrent(g: &mut Gen) -> (RnnLayer, Vec<Tensor>) {
    let mode = g.pick(&[RnnMode::RnnTanh, RnnMode::RnnRelu, RnnMode::Lstm, RnnMode::Gru]);
    let (hidden, n) = (g.next() as usize % 4, g.next() as usize % 4);
    let sizes: Vec<usize> = if g.one_in(4) { g.list(4, Gen::u) } else { vec![n, n, n.min(1)] };
    let rows = if g.one_in(4) { g.next() as usize % 4 } else { n + n + n.min(1) };
    let (gates, bias) = (mode.gates() * hidden, if g.one_in(5) { g.one_in(2) } else { mode == RnnMode::Gru });
    let mut shapes = vec![vec![rows, gates], vec![n, hidden], vec![gates, hidden]];
    if bias {
        shapes.push(vec![gates]);
    }
    if mode == RnnMode::Lstm {
        shapes.push(vec![n, hidden]);
    }
    let projection = g.one_in(6);
    if projection {
        shapes.push(vec![hidden, hidden]);
    }
    let inputs = shapes.iter().map(|shape| g.tensor_of(shape, DType::F32)).collect();
    let (batch_sizes, reverse) = (sizes.into(), g.one_in(2));
    (RnnLayer { mode, batch_sizes, reverse, bias, projection, saves: !g.one_in(4) }, inputs)
}

pub fn float(g: &mut Gen) -> Tensor {
    let shape = g.shape();
    let dtype = g.pick(&[DType::F32, DType::F32, DType::F64, DType::F16]);
    g.tensor_of(&shape, dtype)
}

/// `n` inputs, mostly alike.
pub fn like(g: &mut Gen, x: Tensor, n: usize) -> Vec<Tensor> {
    let mut all = vec![x];
    while all.len() < n {
        let next = if g.one_in(3) { g.other(&all[0]) } else { all[0].clone() };
        all.push(next);
    }
    all
}

pub fn windows(g: &mut Gen) -> Windows {
    if g.one_in(3) {
        return Windows::Adaptive { output: g.spatial() };
    }
    let ceil_mode = g.one_in(2);
    let (kernel, stride, dilation) = (g.spatial(), g.spatial(), g.spatial());
    let padding = if g.one_in(2) { 0.into() } else { g.spatial() };
    Windows::Sliding { kernel, stride, padding, dilation, ceil_mode }
}

pub fn conv(g: &mut Gen) -> Conv {
    let groups = if g.one_in(4) { g.u() } else { 1 };
    let (padding, end) = (g.spatial(), g.spatial());
    Conv { stride: g.spatial(), padding, end, dilation: g.spatial(), groups }
}

/// Inputs of a convolution, a tensor with a channel and two others of its rank.
pub fn signals(g: &mut Gen) -> [Tensor; 3] {
    let (rank, dtype) = (1 + g.next() as usize % 3, g.pick(&[DType::F32, DType::I32, DType::Complex64, DType::BF16]));
    [0; 3].map(|_| {
        let mut shape = vec![g.next() as usize % 3, 1 + g.next() as usize % 2];
        shape.extend((0..rank).map(|_| g.next() as usize % 4));
        g.tensor_of(&shape, dtype)
    })
}

/// The input of a norm, a parameter for its last dimensions and one for what comes before.
pub fn normed(g: &mut Gen, n: usize) -> (Tensor, Tensor, Tensor) {
    let x = float(g);
    let (lead, over) = x.shape().split_at(x.rank().saturating_sub(n));
    let stats = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let (lead, over) = (lead.to_vec(), over.to_vec());
    (g.tensor_of(&over, x.dtype()), g.tensor_of(&lead, stats), x)
}

pub fn by_channel(g: &mut Gen) -> (Tensor, Tensor) {
    let x = float(g);
    let channels = x.shape().get(1).copied().unwrap_or(1);
    (g.tensor_of(&[channels], x.dtype()), x)
}

/// Leaves one out now and then, or has one twice.
pub fn count(g: &mut Gen, mut inputs: Vec<Tensor>) -> Vec<Tensor> {
    match g.next() % 8 {
        0 if inputs.len() > 1 => drop(inputs.pop()),
        1 => inputs.push(inputs[0].clone()),
        _ => {}
    }
    inputs
}

pub fn indexed(g: &mut Gen) -> (DimList, Vec<Tensor>) {
    let (x, shape) = (g.tensor(), g.shape());
    let dims: DimList = if g.one_in(3) { dims(g) } else { DimList::from_slice(&[dim(g)]) };
    let mut inputs = vec![x];
    inputs.extend((0..dims.len()).map(|_| g.index(&shape)));
    (dims, count(g, inputs))
}

pub fn scalar(g: &mut Gen) -> ScalarOperand {
    g.pick(&[ScalarOperand::None, ScalarOperand::None, ScalarOperand::Left(2.into()), ScalarOperand::Right(1.5.into())])
}

pub fn index(g: &mut Gen) -> Tensor {
    let shape = g.shape();
    g.index(&shape)
}
