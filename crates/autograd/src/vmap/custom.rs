//! Custom functions inside of a `vmap`. Their forward runs on handles, unrecorded; a node on the tape of what the handles
//! stand for has the function's own backward, run on handles again.

use super::level::{Level, innermost, spread};
use super::{Randomness, run};
use crate::forward;
use crate::function::{Custom, Kept};
use crate::meta::{GradMeta, set_edge};
use crate::node::{Edge, Edges, Kind, Node, SavedTensors, Slot};
use crate::record::edge_of;
use crate::rules::Grads;
use flambeau_tensor::op::Meta;
use flambeau_tensor::{Result, Tensor, grad_enabled};
use std::panic::Location;
use std::sync::Arc;

/// Is what `x` stands for on a tape, or moving, further out?
pub(crate) fn matters_outside(x: &Tensor) -> bool {
    let samples = GradMeta::get(x).map(|meta| meta.samples.lock().clone()).unwrap_or_default();
    samples.iter().any(|(_, value)| value.requires_grad() || forward::moves(value) || matters_outside(value))
}

/// A custom function on all samples.
struct Batched {
    function: Arc<dyn Custom>,
    size: usize,
    /// Which inputs, outputs and saved tensors differ between the samples.
    inputs: Vec<bool>,
    outputs: Vec<bool>,
    saved: Vec<bool>,
}

impl Custom for Batched {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn output_of(&self, i: usize) -> Option<usize> {
        self.function.output_of(i)
    }

    fn backward(&self, kept: Kept<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        run(self.size, Randomness::Error, |level: &Level| {
            let handle = |x: Tensor, batched: bool| if batched { level.handle(x) } else { Ok(x) };
            let saved = self.saved.iter().enumerate().map(|(i, batched)| handle((kept.get)(i)?, *batched));
            let saved = saved.collect::<Result<Vec<_>>>()?;
            let get = |i: usize| Ok(saved[i].clone());
            let grads = grads.iter().zip(&self.outputs);
            let grads = grads.map(|(g, batched)| g.clone().map(|g| handle(g, *batched)).transpose());
            let grads = grads.collect::<Result<Vec<_>>>()?;
            let made = self.function.backward(Kept { get: &get, place: kept.place }, &grads)?;
            let whole = |(grad, batched): (Option<Tensor>, &bool)| {
                let Some(grad) = grad else { return Ok(None) };
                let samples = level.samples(&grad);
                Ok(Some(match (samples, batched) {
                    (Some(all), true) => all,
                    (None, true) => spread(&grad, self.size)?,
                    // What all share gets the sum over all of them.
                    (Some(all), false) => all.sum(0)?,
                    (None, false) => grad.mul(self.size as f64)?,
                }))
            };
            made.into_iter().zip(&self.inputs).map(whole).collect()
        })
    }
}

/// Records `function`, which made `outputs` of `inputs`, on the tapes of what they stand for, and gives these their
/// tangents.
pub(crate) fn custom(
    function: Arc<dyn Custom>,
    inputs: Vec<Tensor>,
    outputs: &[Tensor],
    saved: Vec<Tensor>,
    at: &'static Location<'static>,
) -> Result<()> {
    let Some(level) = innermost(&inputs) else { return Ok(()) };
    let values = |list: &[Tensor]| -> (Vec<Tensor>, Vec<bool>) {
        let value = |x: &Tensor| level.samples(x).map_or((x.clone(), false), |value| (value, true));
        list.iter().map(value).unzip()
    };
    let ((inputs, in_batched), (outputs, out_batched)) = (values(&inputs), values(outputs));
    let (saved, saved_batched) = values(&saved);
    let custom: Arc<dyn Custom> = Arc::new(Batched {
        function: function.clone(),
        size: level.size,
        inputs: in_batched,
        outputs: out_batched,
        saved: saved_batched,
    });
    let tracked = |t: &Tensor| t.requires_grad() && t.dtype().is_differentiable();
    let recording = grad_enabled() && inputs.iter().any(tracked);
    let refs: Vec<&Tensor> = inputs.iter().collect();
    let seen = forward::seen(&refs)?;
    if recording || !seen.is_empty() {
        let edges: Edges = inputs.iter().map(|t| if tracked(t) { edge_of(t) } else { Edge::None }).collect();
        let mut kept = SavedTensors::default();
        for (i, tensor) in saved.iter().enumerate() {
            match function.output_of(i) {
                Some(nr) => kept.keep(Slot::Output(nr as u32), outputs[nr].detach()),
                None => kept.keep(Slot::Input(i as u32), tensor.clone()),
            }
        }
        let metas = outputs.iter().map(Meta::like).collect();
        let node = Node::new(Kind::Custom(custom.clone()), edges, metas, Some(kept), at);
        for (nr, out) in (0..).zip(&outputs) {
            if recording && out.dtype().is_differentiable() {
                set_edge(out, node.clone(), nr);
            }
        }
        forward::custom(&seen, &node, &refs, &outputs)?;
    }
    // For the `vmap`s further out.
    self::custom(custom, inputs, &outputs, saved, at)
}
