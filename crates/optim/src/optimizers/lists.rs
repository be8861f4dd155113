//! Fused steps over lists: parameters of one dtype, device and kind go into one call.

use flambeau_tensor::{DType, Device, Op, Result, Tensor, dispatch_update};

/// A parameter in a fused step.
pub(super) struct Row<K> {
    /// What the op depends on beside dtype and device.
    pub key: K,
    pub grad: Tensor,
    /// The parameter, then its state.
    pub targets: Vec<Tensor>,
}

impl<K: Copy + PartialEq> Row<K> {
    fn kind(&self) -> (DType, Device, K) {
        (self.grad.dtype(), self.grad.device(), self.key)
    }
}

/// Runs the step that `op` gives for each kind of `rows`; `scalars` stand behind the gradients.
#[track_caller]
pub(super) fn run<K: Copy + PartialEq>(
    name: &'static str,
    mut rows: Vec<Row<K>>,
    scalars: &[Tensor],
    op: impl Fn(K) -> Op,
) -> Result<()> {
    while let Some(kind) = rows.first().map(Row::kind) {
        let (mut mine, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|r| r.kind() == kind);
        rows = others;
        // What does not lie in rows takes the step beside and is written back.
        let mut strided = Vec::new();
        for row in mine.iter_mut().filter(|r| !r.targets[0].is_contiguous()) {
            let dense = row.targets[0].contiguous()?;
            strided.push((std::mem::replace(&mut row.targets[0], dense.clone()), dense));
        }
        let inputs: Vec<&Tensor> = mine.iter().map(|r| &r.grad).chain(scalars).collect();
        let lists = mine[0].targets.len();
        let targets: Vec<&Tensor> = (0..lists).flat_map(|i| mine.iter().map(move |r| &r.targets[i])).collect();
        dispatch_update(name, op(kind.2), &inputs, &targets)?;
        for (param, dense) in strided {
            param.copy_(&dense)?;
        }
    }
    Ok(())
}
