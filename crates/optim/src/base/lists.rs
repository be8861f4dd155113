//! Fused steps over lists: parameters of one dtype, device and kind go into one call.

use super::rows_of;
use flambeau_tensor::{DType, Device, Op, Result, Tensor, dispatch_update};

/// A parameter in a fused step.
pub(crate) struct Row<K> {
    /// What the op depends on beside dtype and device.
    pub key: K,
    pub grad: Tensor,
    /// The parameter, then its state.
    pub targets: Vec<Tensor>,
    /// Its own numbers of a formula.
    pub numbers: Vec<f64>,
}

impl<K: Copy + PartialEq> Row<K> {
    fn kind(&self) -> (DType, Device, K) {
        (self.grad.dtype(), self.grad.device(), self.key)
    }

    /// Seen in the order of memory, where the parameter lies so that it can be; its state lies as it does.
    fn in_memory_order(&mut self) -> Result<()> {
        if let Some(order) = rows_of(&self.targets[0]) {
            let like_it = self.targets.iter_mut().filter(|t| t.rank() == order.len());
            for t in like_it.chain([&mut self.grad]) {
                *t = t.permute(&order[..])?;
            }
        }
        Ok(())
    }
}

/// Runs the step that `op` gives for `rows` of one kind; `scalars` stand behind the gradients.
#[track_caller]
pub(crate) fn run<K: Copy + PartialEq>(
    name: &'static str,
    mut rows: Vec<Row<K>>,
    scalars: &[Tensor],
    op: impl Fn(&[Row<K>]) -> Op,
) -> Result<()> {
    while let Some(kind) = rows.first().map(Row::kind) {
        let (mut mine, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|r| r.kind() == kind);
        rows = others;
        mine.iter_mut().try_for_each(Row::in_memory_order)?;
        // What does not lie in rows then takes the step beside and is written back.
        let mut strided = Vec::new();
        for target in mine.iter_mut().flat_map(|r| &mut r.targets).filter(|t| !t.is_contiguous()) {
            let dense = target.contiguous()?;
            strided.push((std::mem::replace(target, dense.clone()), dense));
        }
        let inputs: Vec<&Tensor> = mine.iter().map(|r| &r.grad).chain(scalars).collect();
        let lists = mine[0].targets.len();
        let targets: Vec<&Tensor> = (0..lists).flat_map(|i| mine.iter().map(move |r| &r.targets[i])).collect();
        dispatch_update(name, op(&mine), &inputs, &targets)?;
        for (target, dense) in strided {
            target.copy_(&dense)?;
        }
    }
    Ok(())
}
