//! Elements by number. Where the numbers differ between the samples, the sample's own number is one more index.

use super::Batch;
use flambeau_tensor::dispatch::dispatch;
use flambeau_tensor::ops::{Embedding, Index, IndexPut};
use flambeau_tensor::{DType, Outputs, Result, Tensor, bail};
use smallvec::SmallVec;

/// Do the dimensions follow one another? If not, what is indexed stands first.
fn adjacent(dims: &[usize]) -> bool {
    dims.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

/// Where the index's dimensions stand in what is picked.
fn place(dims: &[usize]) -> usize {
    if adjacent(dims) { dims.first().copied().unwrap_or(0) } else { 0 }
}

/// The first `many` dimensions behind the first one of `x`, moved behind the `by` that follow.
fn moved_back(x: Tensor, many: usize, by: usize) -> Result<Tensor> {
    if by == 0 || many == 0 {
        return Ok(x);
    }
    let mut order: Vec<usize> = vec![0];
    order.extend(1 + many..1 + many + by);
    order.extend(1..1 + many);
    order.extend(1 + many + by..x.rank());
    x.permute(order)
}

/// The other way round.
fn moved_forward(x: Tensor, many: usize, by: usize) -> Result<Tensor> {
    if by == 0 || many == 0 {
        return Ok(x);
    }
    let mut order: Vec<usize> = vec![0];
    order.extend(1 + by..1 + by + many);
    order.extend(1..1 + by);
    order.extend(1 + many + by..x.rank());
    x.permute(order)
}

impl Batch<'_> {
    /// The indices, operands from `first` on, for all samples, with the samples' own numbers before them.
    fn numbered(&self, first: usize) -> Result<SmallVec<[Tensor; 4]>> {
        let indices =
            (first..self.operands.len()).map(|i| self.spread(i)).collect::<Result<SmallVec<[Tensor; 4]>>>()?;
        let Some(like) = indices.first() else { bail!(Argument, "vmap", "an index without index tensors") };
        let mut shape = vec![1; like.rank()];
        shape[0] = self.size;
        let own = Tensor::arange(0, self.size as i64).dtype(DType::I64).device(like.device()).build()?;
        let own = own.reshape(shape)?.expand(like.shape())?;
        Ok([own].into_iter().chain(indices).collect())
    }

    pub(super) fn index(&self, op: &Index) -> Result<Outputs> {
        let x = &self.operands[0];
        let (place, many) = (place(&op.dims), self.operands[1].rank());
        let shared = self.operands[1..].iter().all(|t| !t.batched);
        let made = if shared {
            let op = Index { dims: op.dims.iter().map(|d| d + 1).collect(), ..op.clone() };
            let inputs: SmallVec<[&Tensor; 4]> = self.operands.iter().map(|t| &t.value).collect();
            let made = dispatch(op.clone(), &inputs)?;
            // Picked from dimensions that are no neighbours, what is indexed stands before the samples, too.
            if adjacent(&op.dims) { made } else { made.movedim(many as isize, 0)? }
        } else if !x.batched {
            let indices =
                (1..self.operands.len()).map(|i| self.spread(i)).collect::<Result<SmallVec<[Tensor; 4]>>>()?;
            let inputs: SmallVec<[&Tensor; 4]> = [&x.value].into_iter().chain(&indices).collect();
            dispatch(op.clone(), &inputs)?.movedim(place as isize, 0)?
        } else {
            let indices = self.numbered(1)?;
            let op = Index { dims: [0].into_iter().chain(op.dims.iter().map(|d| d + 1)).collect(), ..op.clone() };
            let inputs: SmallVec<[&Tensor; 4]> = [&x.value].into_iter().chain(&indices).collect();
            moved_back(dispatch(op, &inputs)?, many, place)?
        };
        Ok(Outputs::from_iter([made]))
    }

    pub(super) fn index_put(&self, op: &IndexPut) -> Result<Outputs> {
        let (x, values) = (self.spread(0)?, self.spread(1)?);
        let (place, many) = (place(&op.dims), self.operands[2].rank());
        let made = if self.operands[2..].iter().all(|t| !t.batched) {
            let op = IndexPut { dims: op.dims.iter().map(|d| d + 1).collect(), ..op.clone() };
            let values = if adjacent(&op.dims) { values } else { values.movedim(0, many as isize)? };
            let indices = self.operands[2..].iter().map(|t| &t.value);
            let inputs: SmallVec<[&Tensor; 6]> = [&x, &values].into_iter().chain(indices).collect();
            dispatch(op, &inputs)?
        } else {
            let (indices, values) = (self.numbered(2)?, moved_forward(values, many, place)?);
            let op = IndexPut { dims: [0].into_iter().chain(op.dims.iter().map(|d| d + 1)).collect(), ..op.clone() };
            let inputs: SmallVec<[&Tensor; 6]> = [&x, &values].into_iter().chain(&indices).collect();
            dispatch(op, &inputs)?
        };
        Ok(Outputs::from_iter([made]))
    }

    pub(super) fn embedding(&self, op: &Embedding) -> Result<Outputs> {
        let weight = &self.operands[0];
        if !weight.batched {
            let made = dispatch(op.clone(), &[&weight.value, &self.operands[1].value])?;
            return Ok(Outputs::from_iter([made]));
        }
        // The row that gets no gradient is one without history.
        let rows = match op.padding {
            Some(padding) if weight.value.requires_grad() => {
                let numbers = Tensor::arange(0, weight.shape()[0] as i64).device(weight.value.device()).build()?;
                let padding = numbers.eq(padding as i64)?.unsqueeze(-1)?;
                weight.value.detach().where_cond(&padding, &weight.value)?
            }
            _ => weight.value.clone(),
        };
        let indices = self.numbered(1)?;
        let index = Index { op: "embedding", dims: [0, 1].into_iter().collect(), wrap: false };
        let inputs: SmallVec<[&Tensor; 4]> = [&rows].into_iter().chain(&indices).collect();
        Ok(Outputs::from_iter([dispatch(index, &inputs)?]))
    }
}
