//! One layer of a recurrent network in one direction, all steps: fused, so that the weight is prepared once and the
//! gates are computed where they lie.
//!
//! What the input contributes to the gates of all steps is one product, and made outside. The batch is packed, as
//! PyTorch's `PackedSequence`: the rows of all steps after one another, with the number of sequences that have each
//! step; a padded batch has the same number everywhere.

use crate::autocast::Policy;
use crate::op::{Infer, Meta, Metas, Outputs};
use crate::{DType, Result, Tensor, bail, cat, ensure};
use std::sync::Arc;

/// What a step computes, by PyTorch's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RnnMode {
    /// h′ = tanh(gate).
    RnnTanh,
    /// h′ = max(gate, 0).
    RnnRelu,
    /// Hochreiter and Schmidhuber 1997, with gates i, f, g, o side by side.
    Lstm,
    /// Cho et al. 2014, with gates r, z, n side by side and the reset gate behind the product.
    Gru,
}

impl RnnMode {
    /// How many gates of the hidden size there are.
    pub fn gates(self) -> usize {
        match self {
            RnnMode::RnnTanh | RnnMode::RnnRelu => 1,
            RnnMode::Lstm => 4,
            RnnMode::Gru => 3,
        }
    }

    /// Whether each op of a step rounds its result to `dtype`, as PyTorch's do in half precision. Not so those of an LSTM
    /// without a projection in `bf16`, which are one kernel there (on processors with AVX-512): h and c are rounded after
    /// each step, and what the input contributes may come in `f32`.
    pub fn rounds(self, dtype: DType, projection: bool) -> bool {
        match dtype {
            DType::F16 => true,
            DType::BF16 => self != RnnMode::Lstm || projection,
            _ => false,
        }
    }
}

/// All steps of a layer in one direction. Inputs: what the input contributes to the gates `[Σ sizes, gates · H]`; h
/// before the first step `[N, P]`; the weight from h to the gates `[gates · H, P]`; the bias beside it `[gates · H]`,
/// where there is one; of an LSTM c before the first step `[N, H]`; and the weight of the projection `[P, H]`, where
/// there is one (else P is H).
///
/// Outputs: h of all steps `[Σ sizes, P]`; h of each sequence after its last step `[N, P]`; of an LSTM c after it
/// `[N, H]`; and where `saves`, what the gradient needs: of an LSTM i, f, g, o `[Σ sizes, 4 H]` and c of all steps
/// `[Σ sizes, H]`, of a GRU r, z, n and what h contributes to n.
#[derive(Clone, Debug)]
pub struct RnnLayer {
    /// What a step computes.
    pub mode: RnnMode,
    /// How many sequences have each step; never rising.
    pub batch_sizes: Arc<[usize]>,
    /// From the last step to the first.
    pub reverse: bool,
    /// There is a bias beside the weight: of a GRU, whose reset gate is applied behind it, and where each op of a step is
    /// rounded. (Elsewhere it may be part of what the input contributes.)
    pub bias: bool,
    /// There is a weight from the hidden state to its projection: of an LSTM alone.
    pub projection: bool,
    /// What the gradient needs is given, too.
    pub saves: bool,
}

/// The gradients through an [`RnnLayer`] that `saves`. Inputs: of the gradients of all h, the last h and the last c those
/// there are; all h; what else the layer saved; and the inputs of the layer but the first and the bias.
/// Outputs: the gradients of the layer's inputs.
#[derive(Clone, Debug)]
pub struct RnnLayerBackward {
    /// The layer.
    pub of: RnnLayer,
    /// Which of the three gradients are there.
    pub grads: [bool; 3],
}

/// The sizes of a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RnnSizes {
    /// Σ sizes.
    pub rows: usize,
    /// Sequences.
    pub n: usize,
    pub hidden: usize,
    /// The size of h.
    pub out: usize,
    /// Numbers of a row of gates.
    pub gates: usize,
}

/// The inputs of a layer behind the first, one by one.
struct Given<'a> {
    h: &'a Tensor,
    weight: &'a Tensor,
    bias: Option<&'a Tensor>,
    c: Option<&'a Tensor>,
    projection: Option<&'a Tensor>,
}

const NAME: &str = "rnn_layer";

impl RnnLayer {
    fn given<'a>(&self, inputs: &[&'a Tensor], bias: bool) -> Result<Given<'a>> {
        let lstm = self.mode == RnnMode::Lstm;
        let count = 2 + [bias, lstm, self.projection].iter().filter(|x| **x).count();
        ensure!(
            inputs.len() == count,
            Argument,
            NAME,
            "{} inputs behind the first where {count} are right",
            inputs.len()
        );
        let mut rest = inputs.iter().copied();
        let mut next = |there: bool| if there { rest.next() } else { None };
        match (next(true), next(true)) {
            (Some(h), Some(weight)) => {
                Ok(Given { h, weight, bias: next(bias), c: next(lstm), projection: next(self.projection) })
            }
            _ => bail!(Argument, NAME, "no state and weight"),
        }
    }

    /// The sizes, once all inputs are seen to fit.
    fn sizes(&self, rows: usize, like: &Tensor, given: &Given<'_>) -> Result<RnnSizes> {
        ensure!(like.dtype().is_float(), DType, NAME, "not defined for {}, only for floating point", like.dtype());
        ensure!(!self.projection || self.mode == RnnMode::Lstm, Argument, NAME, "a projection is an LSTM's");
        let sizes = &self.batch_sizes;
        let falls = sizes.windows(2).all(|pair| pair[1] <= pair[0]);
        let sum = sizes.iter().try_fold(0usize, |sum, size| sum.checked_add(*size));
        ensure!(
            !sizes.is_empty() && falls && sum == Some(rows),
            Argument,
            NAME,
            "batch sizes {sizes:?} for {rows} rows: there must be a step or more, sizes must not rise and must add up"
        );
        let (&[n, out], &[all, _]) = (given.h.shape(), given.weight.shape()) else {
            bail!(Shape, NAME, "a state {:?} and a weight {:?}", given.h.shape(), given.weight.shape())
        };
        let gates = self.mode.gates();
        let hidden = all / gates;
        ensure!(all == hidden * gates && all > 0, Shape, NAME, "{all} rows of the weight are not {gates} gates");
        let fits = |what: &str, t: &Tensor, right: &[usize]| {
            let (shape, dtype) = (t.shape(), t.dtype());
            ensure!(*shape == *right, Shape, NAME, "{what} has shape {shape:?} where {right:?} is right");
            ensure!(dtype == like.dtype(), DType, NAME, "{what} is {dtype}, the gates are {}", like.dtype());
            Ok(())
        };
        fits("h", given.h, &[sizes[0], if self.projection { out } else { hidden }])?;
        fits("the weight", given.weight, &[all, out])?;
        given.bias.map_or(Ok(()), |b| fits("the bias", b, &[all]))?;
        given.c.map_or(Ok(()), |c| fits("c", c, &[n, hidden]))?;
        given.projection.map_or(Ok(()), |w| fits("the projection", w, &[out, hidden]))?;
        Ok(RnnSizes { rows, n, hidden, out, gates: all })
    }

    /// How many outputs there are beside what is saved.
    pub fn states(&self) -> usize {
        if self.mode == RnnMode::Lstm { 3 } else { 2 }
    }

    /// How many outputs are saved, where any are.
    pub fn saved(&self) -> usize {
        match self.mode {
            RnnMode::RnnTanh | RnnMode::RnnRelu => 0,
            RnnMode::Lstm => 2,
            RnnMode::Gru => 1,
        }
    }

    /// Shapes of what is saved.
    fn saved_shapes(&self, s: &RnnSizes) -> Vec<[usize; 2]> {
        match self.mode {
            RnnMode::RnnTanh | RnnMode::RnnRelu => Vec::new(),
            RnnMode::Lstm => vec![[s.rows, s.gates], [s.rows, s.hidden]],
            RnnMode::Gru => vec![[s.rows, s.gates + s.hidden]],
        }
    }

    /// The steps in the order in which they are taken.
    pub(crate) fn order(&self) -> Vec<usize> {
        let steps = 0..self.batch_sizes.len();
        if self.reverse { steps.rev().collect() } else { steps.collect() }
    }

    /// The first row of each step.
    pub(crate) fn offsets(&self) -> Vec<usize> {
        let next = |end: &mut usize, size: &usize| Some(std::mem::replace(end, *end + size));
        self.batch_sizes.iter().scan(0, next).collect()
    }

    /// The step taken before step `t`, where there is one.
    pub(crate) fn before(&self, t: usize) -> Option<usize> {
        if self.reverse { Some(t + 1).filter(|t| *t < self.batch_sizes.len()) } else { t.checked_sub(1) }
    }
}

/// `len` rows of `t` from `start`.
fn rows(t: &Tensor, start: usize, len: usize) -> Result<Tensor> {
    if start == 0 && t.shape()[0] == len { Ok(t.clone()) } else { t.narrow(0, start as isize, len) }
}

/// `new` in place of the first rows of `old`.
fn first_rows(new: Tensor, old: &Tensor) -> Result<Tensor> {
    let (len, all) = (new.shape()[0], old.shape()[0]);
    if len == all { Ok(new) } else { cat(&[new, rows(old, len, all - len)?], 0) }
}

/// Steps in the order of the rows.
fn in_order(mut all: Vec<Tensor>, reverse: bool) -> Result<Tensor> {
    if reverse {
        all.reverse();
    }
    cat(&all, 0)
}

/// Gate `i` of those side by side in `all`.
fn gate(all: &Tensor, i: usize, size: usize) -> Result<Tensor> {
    all.narrow(1, (i * size) as isize, size)
}

/// What a step makes: h, c, and what is saved.
struct Step {
    h: Tensor,
    c: Option<Tensor>,
    gates: Option<Tensor>,
}

impl RnnLayer {
    /// One step in other ops.
    fn step(&self, gx: &Tensor, h: &Tensor, c: Option<&Tensor>, given: &Given<'_>) -> Result<Step> {
        let gh = h.linear(given.weight, given.bias)?;
        match (self.mode, c) {
            (RnnMode::RnnTanh, _) => Ok(Step { h: gx.add(&gh)?.tanh()?, c: None, gates: None }),
            (RnnMode::RnnRelu, _) => Ok(Step { h: gx.add(&gh)?.relu()?, c: None, gates: None }),
            (RnnMode::Lstm, Some(c)) => {
                let (all, size) = (gx.add(&gh)?, c.shape()[1]);
                let (i, f) = (gate(&all, 0, size)?.sigmoid()?, gate(&all, 1, size)?.sigmoid()?);
                let (g, o) = (gate(&all, 2, size)?.tanh()?, gate(&all, 3, size)?.sigmoid()?);
                let c = f.mul(c)?.add(&i.mul(&g)?)?;
                let h = o.mul(&c.tanh()?)?;
                let h = given.projection.map_or(Ok(h.clone()), |w| h.linear(w, None))?;
                let gates = if self.saves { Some(cat(&[i, f, g, o], 1)?) } else { None };
                Ok(Step { h, c: Some(c), gates })
            }
            (RnnMode::Gru, _) => {
                let size = h.shape()[1];
                let r = gate(gx, 0, size)?.add(&gate(&gh, 0, size)?)?.sigmoid()?;
                let z = gate(gx, 1, size)?.add(&gate(&gh, 1, size)?)?.sigmoid()?;
                let hn = gate(&gh, 2, size)?;
                let n = gate(gx, 2, size)?.add(&r.mul(&hn)?)?.tanh()?;
                let h = h.sub(&n)?.mul(&z)?.add(&n)?;
                let gates = if self.saves { Some(cat(&[r, z, n, hn], 1)?) } else { None };
                Ok(Step { h, c: None, gates })
            }
            (RnnMode::Lstm, None) => bail!(Argument, NAME, "an LSTM without c"),
        }
    }

    /// All steps in other ops.
    fn in_ops(&self, inputs: &[&Tensor]) -> Result<Outputs> {
        let given = self.given(&inputs[1..], self.bias)?;
        let all_gx = inputs[0].to_dtype(given.h.dtype())?;
        let offsets = self.offsets();
        let (mut h, mut c) = (given.h.clone(), given.c.cloned());
        let (mut all_h, mut all_gates, mut all_c) = (Vec::new(), Vec::new(), Vec::new());
        for t in self.order() {
            let size = self.batch_sizes[t];
            let gx = rows(&all_gx, offsets[t], size)?;
            let old = c.as_ref().map(|c| rows(c, 0, size)).transpose()?;
            let step = self.step(&gx, &rows(&h, 0, size)?, old.as_ref(), &given)?;
            all_h.push(step.h.clone());
            all_gates.extend(step.gates);
            h = first_rows(step.h, &h)?;
            if let (Some(new), Some(old)) = (step.c, &c) {
                all_c.push(new.clone());
                c = Some(first_rows(new, old)?);
            }
        }
        let mut outputs = Outputs::from_iter([in_order(all_h, self.reverse)?, h]);
        outputs.extend(c);
        if self.saves {
            let saved = [all_gates, all_c].into_iter().filter(|all| !all.is_empty());
            for all in saved {
                outputs.push(in_order(all, self.reverse)?);
            }
        }
        Ok(outputs)
    }
}

impl Infer for RnnLayer {
    const NAME: &'static str = NAME;
    const INPUTS: usize = 3;
    fn autocast(&self) -> Policy {
        Policy::Lower
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let x = inputs[0];
        let &[rows, gates] = x.shape() else { bail!(Shape, NAME, "gates of shape {:?}", x.shape()) };
        let given = self.given(&inputs[1..], self.bias)?;
        let h = given.h;
        let wide = x.dtype() == DType::F32 && h.dtype() == DType::BF16 && !self.mode.rounds(h.dtype(), self.projection);
        let s = self.sizes(rows, if wide { h } else { x }, &given)?;
        ensure!(gates == s.gates, Shape, NAME, "{gates} numbers for the gates, the weight has {} rows", s.gates);
        let meta = |shape: [usize; 2]| Meta::new(shape.as_slice(), h.dtype());
        let mut metas = Metas::from_iter([meta([rows, s.out]), meta([s.n, s.out])]);
        if self.mode == RnnMode::Lstm {
            metas.push(meta([s.n, s.hidden]));
        }
        if self.saves {
            metas.extend(self.saved_shapes(&s).into_iter().map(meta));
        }
        Ok(metas)
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        Some(self.in_ops(inputs))
    }
}

/// The inputs of a backward op, one by one.
struct Back<'a> {
    /// The gradients of all h, the last h and the last c.
    grads: [Option<&'a Tensor>; 3],
    y: &'a Tensor,
    saved: &'a [&'a Tensor],
    given: Given<'a>,
}

impl RnnLayerBackward {
    /// Where all h are among the inputs: the gradients stand before them, what was saved behind.
    pub(crate) fn place(&self) -> usize {
        self.grads.iter().filter(|there| **there).count()
    }

    fn back<'a>(&self, inputs: &'a [&'a Tensor]) -> Result<Back<'a>> {
        let (at, saved) = (self.place(), self.of.saved());
        let parts = inputs.split_at_checked(at).and_then(|(grads, rest)| Some((grads, rest.split_first()?)));
        let parts = parts.and_then(|(grads, (y, rest))| Some((grads, *y, rest.split_at_checked(saved)?)));
        let Some((grads, y, (saved, rest))) = parts else {
            bail!(Argument, Self::NAME, "{} inputs are too few", inputs.len())
        };
        let mut grads = grads.iter().copied();
        let grads = self.grads.map(|there| if there { grads.next() } else { None });
        Ok(Back { grads, y, saved, given: self.of.given(rest, false)? })
    }

    fn sizes(&self, back: &Back<'_>) -> Result<RnnSizes> {
        let &[rows, _] = back.y.shape() else { bail!(Shape, Self::NAME, "all h of shape {:?}", back.y.shape()) };
        let s = self.of.sizes(rows, back.y, &back.given)?;
        let shapes = [[rows, s.out], [s.n, s.out], [s.n, s.hidden]];
        let grads = back.grads.iter().copied().zip(shapes).filter_map(|(t, shape)| Some((t?, shape)));
        let saved = back.saved.iter().copied().zip(self.of.saved_shapes(&s));
        for (t, shape) in grads.chain(saved).chain([(back.y, shapes[0])]) {
            let fits = *t.shape() == shape && t.dtype() == back.y.dtype();
            ensure!(
                fits,
                Shape,
                Self::NAME,
                "{} {:?} where {} {shape:?} is right",
                t.dtype(),
                t.shape(),
                back.y.dtype()
            );
        }
        Ok(s)
    }

    /// The gradient of the gates by what the input contributes, and by what h does, through one step; and that of c.
    fn step(&self, [dh, dc, h, c]: [&Tensor; 4], gates: &Tensor, after: [&Tensor; 2]) -> Result<[Tensor; 3]> {
        let size = dc.shape()[1];
        let less = |x: &Tensor| x.neg()?.add(1.0); // 1 − x
        let by_sigmoid = |g: Tensor, y: &Tensor| g.mul(&y.mul(&less(y)?)?);
        let by_tanh = |g: Tensor, y: &Tensor| g.mul(&less(&y.square()?)?);
        match self.of.mode {
            RnnMode::RnnTanh => {
                let g = by_tanh(dh.clone(), after[0])?;
                Ok([g.clone(), g, dc.clone()])
            }
            RnnMode::RnnRelu => {
                let g = dh.mul(&after[0].gt(0.0)?.to_dtype(dh.dtype())?)?;
                Ok([g.clone(), g, dc.clone()])
            }
            RnnMode::Lstm => {
                let [i, f, g, o] = [0, 1, 2, 3].map(|k| gate(gates, k, size));
                let (i, f, g, o) = (i?, f?, g?, o?);
                let t = after[1].tanh()?;
                let d_o = by_sigmoid(dh.mul(&t)?, &o)?;
                let dc = dc.add(&by_tanh(dh.mul(&o)?, &t)?)?;
                let di = by_sigmoid(dc.mul(&g)?, &i)?;
                let df = by_sigmoid(dc.mul(c)?, &f)?;
                let dg = by_tanh(dc.mul(&i)?, &g)?;
                let all = cat(&[di, df, dg, d_o], 1)?;
                Ok([all.clone(), all, dc.mul(&f)?])
            }
            RnnMode::Gru => {
                let [r, z, n, hn] = [0, 1, 2, 3].map(|k| gate(gates, k, size));
                let (r, z, n, hn) = (r?, z?, n?, hn?);
                let dz = by_sigmoid(dh.mul(&h.sub(&n)?)?, &z)?;
                let dn = by_tanh(dh.mul(&less(&z)?)?, &n)?;
                let dr = by_sigmoid(dn.mul(&hn)?, &r)?;
                let by_h = cat(&[&dr, &dz, &dn.mul(&r)?], 1)?;
                Ok([cat(&[dr, dz, dn], 1)?, by_h, dc.clone()])
            }
        }
    }

    /// All steps backward in other ops.
    fn in_ops(&self, inputs: &[&Tensor]) -> Result<Outputs> {
        let back = self.back(inputs)?;
        let (s, of) = (self.sizes(&back)?, &self.of);
        let given = &back.given;
        let zeros = |width: usize| Tensor::zeros([s.n, width]).dtype(back.y.dtype()).device(back.y.device()).build();
        let mut dh = back.grads[1].map_or_else(|| zeros(s.out), |g| Ok(g.clone()))?;
        let mut dc = back.grads[2].map_or_else(|| zeros(s.hidden), |g| Ok(g.clone()))?;
        let offsets = of.offsets();
        // Rows of what a step began with, of all h or c and the state before the first.
        let begun = |all: &Tensor, first: &Tensor, t: usize| -> Result<Tensor> {
            let size = of.batch_sizes[t];
            let there = of.before(t).map_or(0, |b| of.batch_sizes[b].min(size));
            let old = rows(first, there, size - there)?;
            match of.before(t) {
                Some(b) if there > 0 => {
                    let new = rows(all, offsets[b], there)?;
                    if there == size { Ok(new) } else { cat(&[new, old], 0) }
                }
                _ => Ok(old),
            }
        };
        let (mut by_x, mut by_h, mut before, mut outer) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for t in of.order().into_iter().rev() {
            let size = of.batch_sizes[t];
            let of_step = |all: &Tensor| rows(all, offsets[t], size);
            let mut g = rows(&dh, 0, size)?;
            if let Some(gy) = back.grads[0] {
                g = g.add(&of_step(gy)?)?;
            }
            let (h, now) = (begun(back.y, given.h, t)?, of_step(back.y)?);
            let gates = back.saved.first().map_or_else(|| Ok(now.clone()), |all| of_step(all))?;
            let (c, new_c) = match (given.c, back.saved.get(1)) {
                (Some(first), Some(all)) => (begun(all, first, t)?, of_step(all)?),
                _ => (h.clone(), now.clone()),
            };
            let inner = match given.projection {
                Some(w) => {
                    let m = gate(&gates, 3, s.hidden)?.mul(&new_c.tanh()?)?;
                    outer.push((g.clone(), m));
                    g.matmul(w)?
                }
                None => g.clone(),
            };
            let [gx, gh, new_dc] = self.step([&inner, &rows(&dc, 0, size)?, &h, &c], &gates, [&now, &new_c])?;
            let mut new = gh.matmul(given.weight)?;
            if of.mode == RnnMode::Gru {
                new = new.add(&g.mul(&gate(&gates, 1, s.hidden)?)?)?;
            }
            dh = first_rows(new, &dh)?;
            dc = first_rows(new_dc, &dc)?;
            by_x.push(gx);
            by_h.push(gh);
            before.push(h);
        }
        let (gh, h) = (cat(&by_h, 0)?, cat(&before, 0)?);
        let mut outputs = Outputs::from_iter([in_order(by_x, !of.reverse)?, dh, gh.t()?.matmul(&h)?]);
        if of.bias {
            outputs.push(gh.sum([0])?);
        }
        if of.mode == RnnMode::Lstm {
            outputs.push(dc);
        }
        if of.projection {
            let (g, m): (Vec<Tensor>, Vec<Tensor>) = outer.into_iter().unzip();
            outputs.push(cat(&g, 0)?.t()?.matmul(&cat(&m, 0)?)?);
        }
        Ok(outputs)
    }
}

impl Infer for RnnLayerBackward {
    const NAME: &'static str = "rnn_layer_backward";
    const INPUTS: usize = 3;
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let lstm = self.of.mode == RnnMode::Lstm;
        ensure!(self.of.saves, Argument, Self::NAME, "the layer saved nothing");
        ensure!(self.place() > 0 && (lstm || !self.grads[2]), Argument, Self::NAME, "gradients {:?}", self.grads);
        let back = self.back(inputs)?;
        let s = self.sizes(&back)?;
        let meta = |shape: &[usize]| Meta::new(shape, back.y.dtype());
        let mut metas = Metas::from_iter([[s.rows, s.gates], [s.n, s.out], [s.gates, s.out]].iter().map(|s| meta(s)));
        if self.of.bias {
            metas.push(meta(&[s.gates]));
        }
        if lstm {
            metas.push(meta(&[s.n, s.hidden]));
        }
        if self.of.projection {
            metas.push(meta(&[s.out, s.hidden]));
        }
        Ok(metas)
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        Some(self.in_ops(inputs))
    }
}
