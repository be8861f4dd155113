//! Pools whose windows are laid out at random (Graham 2014, "Fractional Max-Pooling").

use crate::shape::Spatial;
use crate::{Result, Tensor, ValuesIndices, ensure, stack};

impl Tensor {
    /// The maximum of each of `output` windows of `kernel` elements, and where it is in its plane, of `[N, C, H, W]` or
    /// `[C, H, W]`: `torch.nn.functional.fractional_max_pool2d`. Where the windows begin is drawn for each plane, or
    /// made of `samples` `[N, C, 2]` from 0 to 1.
    ///
    /// # Errors
    /// Where the windows do not fit, or samples have another shape.
    #[track_caller]
    pub fn fractional_max_pool2d(
        &self,
        kernel: impl Into<Spatial>,
        output: impl Into<Spatial>,
        samples: Option<&Tensor>,
    ) -> Result<ValuesIndices> {
        self.fractional("fractional_max_pool2d", 2, kernel.into(), output.into(), samples)
    }

    /// [`fractional_max_pool2d`](Tensor::fractional_max_pool2d) of `[N, C, T, H, W]` or `[C, T, H, W]`:
    /// `torch.nn.functional.fractional_max_pool3d`; samples are `[N, C, 3]`.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn fractional_max_pool3d(
        &self,
        kernel: impl Into<Spatial>,
        output: impl Into<Spatial>,
        samples: Option<&Tensor>,
    ) -> Result<ValuesIndices> {
        self.fractional("fractional_max_pool3d", 3, kernel.into(), output.into(), samples)
    }

    #[track_caller]
    fn fractional(
        &self,
        op: &'static str,
        rank: usize,
        kernel: Spatial,
        output: Spatial,
        samples: Option<&Tensor>,
    ) -> Result<ValuesIndices> {
        crate::interpreters::autocast::in_full_precision!(x = self => x.fractional(op, rank, kernel, output, samples));
        ensure!(self.dtype().is_float(), DType, op, "not defined for {}", self.dtype());
        let batched = self.rank() == rank + 2;
        ensure!(batched || self.rank() == rank + 1, Shape, op, "the input has shape {:?}", self.shape());
        let x = if batched { self.clone() } else { self.unsqueeze(0)? };
        let (kernel, output) =
            (kernel.at_least(1, op, "kernel size", rank)?, output.at_least(1, op, "output size", rank)?);
        let sizes = x.shape()[2..].to_vec();
        for (i, (k, o)) in kernel.iter().zip(&output).enumerate() {
            let fits = o.checked_add(*k).is_some_and(|sum| sum - 1 <= sizes[i]);
            ensure!(fits, Shape, op, "{o} windows of {k} elements do not fit into {} of {sizes:?}", sizes[i]);
        }
        let planes = [x.size(0)?, x.size(1)?, rank];
        if planes[0] * planes[1] == 0 {
            // No plane has windows, whose kernels may be of any size.
            let shape: Vec<usize> = self.shape()[..self.rank() - rank].iter().copied().chain(output).collect();
            let values = self.narrow(0, 0, 0)?.reshape(shape.clone())?;
            let indices = Tensor::zeros(shape).dtype(crate::DType::I64).device(self.device()).build()?;
            return Ok(ValuesIndices { values, indices });
        }
        let drawn = match samples {
            // As in PyTorch there may be some for more samples than there are.
            Some(samples) if samples.rank() == 3 && samples.size(0)? > planes[0] => samples.narrow(0, 0, planes[0])?,
            Some(samples) => samples.clone(),
            None => Tensor::rand(planes).dtype(self.dtype()).device(self.device()).build()?,
        };
        ensure!(*drawn.shape() == planes, Shape, op, "samples of shape {:?}, not {planes:?}", drawn.shape());
        // Each dimension in its turn: elements of the windows' rows, then the greatest.
        let (mut values, mut places) = (x.clone(), None::<Tensor>);
        for i in 0..rank {
            // PyTorch's first number for a plane is for its width, of a volume for its depth.
            let number = if rank == 2 { 1 - i } else { i };
            let starts = starts(&drawn.select(-1, number as isize)?.detach(), sizes[i], output[i], kernel[i])?;
            (values, places) = windows(&values, places.as_ref(), &starts, i, sizes[i], kernel[i])?;
        }
        let Some(places) = places else { crate::bail!(Shape, op, "no dimension to pool") };
        let found = values.max_dim(-1)?;
        let indices = places.gather(-1, found.indices.unsqueeze(-1)?)?.squeeze(-1)?;
        let found = ValuesIndices { values: found.values, indices };
        if batched { Ok(found) } else { found.map(|x| x.squeeze(0)) }
    }
}

/// The first elements of `output` windows for each plane, `[N, C, output]`.
#[track_caller]
fn starts(sample: &Tensor, size: usize, output: usize, kernel: usize) -> Result<Tensor> {
    let last = (size - kernel) as i64;
    let all = Tensor::arange(0, output as i64).dtype(sample.dtype()).device(sample.device()).build()?;
    if output == 1 {
        return sample.unsqueeze(-1)?.mul(0)?.add(last)?.to_dtype(crate::DType::I64);
    }
    // In the dtype of the samples, half precision too.
    let alpha =
        Tensor::full((), last).dtype(sample.dtype()).device(sample.device()).build()?.div((output - 1) as i64)?;
    let sample = sample.unsqueeze(-1)?;
    let at = sample.add(&all)?.mul(&alpha)?.floor()?.sub(&sample.mul(&alpha)?.floor()?)?;
    // The last window ends where the plane does.
    at.masked_fill(&all.eq(output as i64 - 1)?, last)?.to_dtype(crate::DType::I64)
}

/// Dimension 2 + i of the planes cut into windows, whose elements are a last dimension; and their places in the plane.
#[track_caller]
fn windows(
    x: &Tensor,
    places: Option<&Tensor>,
    starts: &Tensor,
    i: usize,
    size: usize,
    kernel: usize,
) -> Result<(Tensor, Option<Tensor>)> {
    let dim = 2 + i as isize;
    let spread = |index: &Tensor| -> Result<Tensor> {
        let mut shape = x.shape().to_vec();
        shape[dim as usize] = index.size(-1)?;
        let mut view = vec![1; x.rank()];
        (view[0], view[1], view[dim as usize]) = (index.size(0)?, index.size(1)?, index.size(-1)?);
        index.reshape(view)?.expand(shape)
    };
    let (mut elements, mut found) = (Vec::new(), Vec::new());
    for k in 0..kernel {
        let index = spread(&starts.add(k as i64)?)?;
        elements.push(x.gather(dim, &index)?);
        found.push(match places {
            None => index,
            Some(places) => places.gather(dim, &index)?.mul(size as i64)?.add(&index)?,
        });
    }
    let rank = x.rank() as isize;
    let joined = |all: Vec<Tensor>| -> Result<Tensor> {
        let all = stack(&all, -1)?;
        // Windows of the dimensions before are there already: this one's elements come after theirs.
        if places.is_some() { all.flatten(rank - 1, rank) } else { Ok(all) }
    };
    Ok((joined(elements)?, Some(joined(found)?)))
}
