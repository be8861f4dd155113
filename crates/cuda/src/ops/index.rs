//! Elements by number: `kernels/index.cu`.

use super::by_lane::{ByLane, by_lane};
use super::elementwise::{Operand, copy_raw, grid};
use super::host::on_host;
use super::packed::Temporary;
use super::places::{Dim, MOST, Places, collapse};
use super::{CudaKernel, Lane, number};
use crate::backend::{address_of, gpu_of};
use crate::context::Gpu;
use crate::driver::check;
use crate::kernels::{INDEX, Kernel};
use crate::stream::{Queue, Task, queue};
use cudarc::driver::sys;
use flambeau_tensor::backend::{Ran, Work};
use flambeau_tensor::layout::contiguous_strides;
use flambeau_tensor::{DType, Embedding, Gather, Index, IndexPut, Nonzero, Reduce, Result, Scatter, Tensor};

/// As kernels have it: `Index`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Entries {
    out: u64,
    input: u64,
    index: [u64; MOST],
    size: [i64; MOST],
    step: [i64; MOST],
    dim: [i64; MOST],
    mail: u64,
    owner: u64,
    n: i64,
    picks: i64,
    rest: i64,
    count: i32,
    wrap: i32,
    call: u32,
    dtype: i32,
    in_dtype: i32,
    places: Places,
}

/// As kernels have it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Line {
    out: u64,
    input: u64,
    index: u64,
    mail: u64,
    owner: u64,
    seen: u64,
    n: i64,
    length: i64,
    size: i64,
    step: [i64; 3],
    dim: i64,
    dtype: i32,
    reduce: i32,
    include_self: i32,
    call: u32,
    in_dtype: i32,
    places: Places,
}

/// As kernels have it: `Nonzero`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Found {
    out: u64,
    input: u64,
    n: i64,
    count: i64,
    rank: i32,
    size: [i64; MOST],
}

macro_rules! kernels {
    (words { $($WORDS:ident $words:literal)* } one { $($ONE:ident $one:literal)* }) => {
        $(static $WORDS: [(usize, Kernel); 5] = [
            (1, Kernel::new(&INDEX, concat!($words, "_1"))),
            (2, Kernel::new(&INDEX, concat!($words, "_2"))),
            (4, Kernel::new(&INDEX, concat!($words, "_4"))),
            (8, Kernel::new(&INDEX, concat!($words, "_8"))),
            (16, Kernel::new(&INDEX, concat!($words, "_16"))),
        ];)*
        $(static $ONE: Kernel = Kernel::new(&INDEX, $one);)*
        #[cfg(test)]
        fn all() -> Vec<&'static str> {
            let mut names = vec![$($ONE.name),*];
            $(names.extend($WORDS.iter().map(|(_, k)| k.name));)*
            names
        }
    };
}

kernels! {
    words { READ "index_read" WRITE "index_write" GATHER "gather" SCATTER "scatter" }
    one { CLAIM "index_claim" SCATTER_CLAIM "scatter_claim" NONZERO "nonzero" }
}

by_lane! {
    INDEX [""]
    ADD "index_add" [F32 F64 I64];
    SCATTER_REDUCE "scatter_reduce" [F32 F64 I64];
}

fn of_word(kernels: &'static [(usize, Kernel); 5], dtype: DType) -> Option<&'static Kernel> {
    kernels.iter().find(|(size, _)| *size == dtype.size()).map(|(_, kernel)| kernel)
}

/// Queues what `f` queues, with an op's operands written down.
fn queued(work: &Work<'_>, f: impl FnOnce(&'static Gpu, &Queue, &mut Temporary) -> Result<()>) -> Result<Ran> {
    let out = work.outputs[0];
    let task = Task::of(work);
    let (gpu, mut temporary) = (gpu_of(out)?, Temporary::default());
    queue(gpu, &task, |queue| f(gpu, queue, &mut temporary))?;
    Ok(Ran::Queued)
}

/// So many bytes of zeros.
fn zeros(gpu: &'static Gpu, queue: &Queue, temporary: &mut Temporary, bytes: usize) -> Result<u64> {
    let address = temporary.bytes(gpu, bytes)?;
    // SAFETY: so many bytes, which are kept as long as they are used.
    unsafe { check("cuda", sys::cuMemsetD8Async(address, 0, bytes, queue.handle()))? };
    Ok(address)
}

/// Where sums are made: in the output, or in single precision where that is of half.
struct Sums<'a>(Operand<'a>);

impl<'a> Sums<'a> {
    fn of(gpu: &'static Gpu, temporary: &mut Temporary, out: &'a Tensor) -> Result<Sums<'a>> {
        let own = Operand::of(out)?;
        if !own.dtype.is_half() {
            return Ok(Sums(own));
        }
        Ok(Sums(Operand { address: temporary.bytes(gpu, out.numel() * 4)?, dtype: DType::F32, ..own }))
    }

    /// # Safety
    /// As [`copy_raw`].
    unsafe fn store(&self, gpu: &Gpu, queue: &Queue, out: &Tensor) -> Result<()> {
        let own = Operand::of(out)?;
        if own.address != self.0.address {
            // SAFETY: the caller's word.
            unsafe { copy_raw(gpu, queue, own, self.0)? };
        }
        Ok(())
    }
}

/// The walk over what an index names in a tensor: each element's place there but for what the index adds, its entry of
/// the index, and its place in the picked elements, which lie in rows. The dimensions of an entry are the inner ones
/// where `entries_outside`, else the order is that of the picked elements.
fn walk(shape: &[usize], strides: &[usize], dims: &[usize], index: &[usize], entries_outside: bool) -> Vec<Dim> {
    let lead = if dims.windows(2).all(|pair| pair[1] == pair[0] + 1) { dims[0] } else { 0 };
    let rest: Vec<usize> = (0..shape.len()).filter(|d| !dims.contains(d)).collect();
    // Of the picked elements: sizes in their order, and where each comes from.
    let sizes: Vec<usize> = rest[..lead]
        .iter()
        .map(|d| shape[*d])
        .chain(index.iter().copied())
        .chain(rest[lead..].iter().map(|d| shape[*d]))
        .collect();
    let (along, picks) = (contiguous_strides(&sizes), contiguous_strides(index));
    let of_rest =
        |i: usize, at: usize| Dim { size: shape[rest[i]], strides: [strides[rest[i]] as i64, 0, along[at] as i64, 0] };
    let outer: Vec<Dim> = (0..lead).map(|i| of_rest(i, i)).collect();
    let entries: Vec<Dim> = (0..index.len())
        .map(|i| Dim { size: index[i], strides: [0, picks[i] as i64, along[lead + i] as i64, 0] })
        .collect();
    let inner: Vec<Dim> = (lead..rest.len()).map(|i| of_rest(i, index.len() + i)).collect();
    let all = if entries_outside { [entries, outer, inner] } else { [outer, entries, inner] };
    collapse(all.concat().into_iter())
}

/// An index op's parameters.
struct Plan<'a> {
    x: &'a Tensor,
    index: &'a [&'a Tensor],
    dims: &'a [usize],
    wrap: bool,
}

impl Plan<'_> {
    /// `strides`: those of the tensor that is indexed.
    fn entries(
        &self,
        work: &Work<'_>,
        (gpu, queue, temporary): (&'static Gpu, &Queue, &mut Temporary),
        strides: &[usize],
        walk: &[Dim],
    ) -> Result<Entries> {
        let picks = self.index[0].numel();
        let n: usize = walk.iter().map(|d| d.size).product();
        let (mail, call) = gpu.mailbox.of(gpu, work.op.name(), work.at)?;
        let mut entries = Entries {
            out: 0,
            input: 0,
            index: [0; MOST],
            size: [0; MOST],
            step: [0; MOST],
            dim: [0; MOST],
            mail,
            owner: 0,
            n: n as i64,
            picks: picks as i64,
            rest: (n / picks.max(1)) as i64,
            count: self.dims.len() as i32,
            wrap: i32::from(self.wrap),
            call,
            dtype: number(self.x.dtype()),
            in_dtype: number(self.x.dtype()),
            places: Places::new(walk)?,
        };
        for (k, (index, d)) in self.index.iter().zip(self.dims).enumerate() {
            entries.index[k] = temporary.rows(gpu, queue, index)?;
            (entries.size[k], entries.step[k], entries.dim[k]) =
                (self.x.shape()[*d] as i64, strides[*d] as i64, *d as i64);
        }
        Ok(entries)
    }

    fn fits(&self, walk: &[Dim]) -> bool {
        self.dims.len() <= MOST && walk.len() <= MOST
    }

    /// Is there nothing to pick from, where something is asked for? That is the host's to tell.
    fn is_void(&self) -> bool {
        self.dims.iter().any(|d| self.x.shape()[*d] == 0)
    }

    fn read(&self, work: &Work<'_>) -> Result<Ran> {
        let (x, out) = (self.x, work.outputs[0]);
        let walk = walk(x.shape(), x.strides(), self.dims, self.index[0].shape(), false);
        let kernel = of_word(&READ, x.dtype()).filter(|_| self.fits(&walk));
        let Some(kernel) = kernel.filter(|_| !self.is_void()) else { return on_host(work) };
        if out.numel() == 0 {
            return on_host(work);
        }
        queued(work, |gpu, queue, temporary| {
            let mut params = self.entries(work, (gpu, queue, temporary), x.strides(), &walk)?;
            (params.out, params.input) = (address_of(out)?, address_of(x)?);
            // SAFETY: `Entries` is the kernel's parameter; operands are as large as their shapes say (the contract of
            // `Backend::run`), and wrong numbers lead nowhere.
            unsafe { kernel.launch(gpu, queue, grid(out.numel())?, 256, &params) }
        })
    }
}

impl CudaKernel for Index {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let (x, index) = (work.inputs[0], &work.inputs[1..]);
        Plan { x, index, dims: &self.dims, wrap: self.wrap }.read(work)
    }
}

impl CudaKernel for Embedding {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        Plan { x: work.inputs[0], index: &work.inputs[1..], dims: &[0], wrap: false }.read(work)
    }
}

impl CudaKernel for IndexPut {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let (x, source, out) = (work.inputs[0], work.inputs[1], work.outputs[0]);
        let plan = Plan { x, index: &work.inputs[2..], dims: &self.dims, wrap: self.wrap };
        let strides = contiguous_strides(x.shape());
        let walk = walk(x.shape(), &strides, &self.dims, plan.index[0].shape(), self.accumulate);
        let dtype = x.dtype();
        let kernel = if self.accumulate { ADD.of(dtype).map(|[kernel]| kernel) } else { of_word(&WRITE, dtype) };
        let kernel = kernel.filter(|_| plan.fits(&walk) && !plan.is_void() && source.numel() > 0);
        let Some(kernel) = kernel else { return on_host(work) };
        queued(work, |gpu, queue, temporary| {
            let sums = if self.accumulate { Sums::of(gpu, temporary, out)? } else { Sums(Operand::of(out)?) };
            // SAFETY: both are as large as the shape, and stay while what is queued uses them.
            unsafe { copy_raw(gpu, queue, sums.0, Operand::of(x)?)? };
            let mut params = plan.entries(work, (gpu, queue, temporary), &strides, &walk)?;
            (params.out, params.input) = (sums.0.address, temporary.rows(gpu, queue, source)?);
            params.dtype = number(sums.0.dtype);
            // SAFETY: `Entries` is the kernel's parameter; operands are as large as their shapes say (the contract of
            // `Backend::run`), and wrong numbers lead nowhere.
            unsafe {
                if self.accumulate {
                    kernel.launch(gpu, queue, grid(params.rest as usize)?, 256, &params)?;
                    return sums.store(gpu, queue, out);
                }
                params.owner = zeros(gpu, queue, temporary, x.numel() * 8)?;
                CLAIM.launch(gpu, queue, grid(params.n as usize)?, 256, &params)?;
                kernel.launch(gpu, queue, grid(params.n as usize)?, 256, &params)
            }
        })
    }
}

/// The dimensions of an index as operands have them: the indexed tensor without the one that is picked along, the index,
/// the other tensor.
fn lines(
    work: &Work<'_>,
    strides: [&[usize]; 3],
    index: &Tensor,
    dim: usize,
    whole: bool,
) -> Result<Option<(Line, Vec<Dim>)>> {
    let dims = (0..index.rank()).filter(|d| whole || *d != dim).map(|d| {
        let of = |k: usize| strides[k][d] as i64;
        Dim { size: index.shape()[d], strides: [if d == dim { 0 } else { of(0) }, of(1), of(2), 0] }
    });
    let dims = collapse(dims);
    if dims.len() > MOST {
        return Ok(None);
    }
    let gpu = gpu_of(work.outputs[0])?;
    let (mail, call) = gpu.mailbox.of(gpu, work.op.name(), work.at)?;
    let line = Line {
        out: 0,
        input: 0,
        index: address_of(index)?,
        mail,
        owner: 0,
        seen: 0,
        n: dims.iter().map(|d| d.size).product::<usize>() as i64,
        length: index.shape()[dim] as i64,
        size: work.inputs[0].shape()[dim] as i64,
        step: std::array::from_fn(|k| strides[k][dim] as i64),
        dim: dim as i64,
        dtype: number(work.outputs[0].dtype()),
        reduce: 0,
        include_self: 0,
        call,
        in_dtype: number(work.outputs[0].dtype()),
        places: Places::new(&dims)?,
    };
    Ok(Some((line, dims)))
}

impl CudaKernel for Gather {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let ([x, index], [out]) = (work.inputs, work.outputs) else { return Ok(Ran::Lacking) };
        let kernel = of_word(&GATHER, x.dtype()).filter(|_| out.numel() > 0 && x.numel() > 0);
        let Some(kernel) = kernel else { return on_host(work) };
        let strides = [x.strides(), index.strides(), out.strides()];
        let Some((mut params, _)) = lines(work, strides, index, self.dim, true)? else { return on_host(work) };
        (params.out, params.input) = (address_of(out)?, address_of(x)?);
        queued(work, |gpu, queue, _| {
            // SAFETY: `Line` is the kernel's parameter; operands are as large as their shapes say (the contract of
            // `Backend::run`), and wrong numbers lead nowhere.
            unsafe { kernel.launch(gpu, queue, grid(out.numel())?, 256, &params) }
        })
    }
}

impl CudaKernel for Scatter {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let ([base, index, source], [out]) = (work.inputs, work.outputs) else { return Ok(Ran::Lacking) };
        let dtype = out.dtype();
        let kernel = if self.reduce.is_some() {
            SCATTER_REDUCE.of(dtype).map(|[kernel]| kernel)
        } else {
            of_word(&SCATTER, dtype)
        };
        let kernel = kernel.filter(|_| index.numel() > 0 && out.numel() > 0);
        let Some(kernel) = kernel else { return on_host(work) };
        let strides = [out.strides(), index.strides(), source.strides()];
        let found = lines(work, strides, index, self.dim, self.reduce.is_none())?;
        let Some((mut params, _)) = found else { return on_host(work) };
        params.input = address_of(source)?;
        params.include_self = i32::from(self.include_self);
        params.reduce = match self.reduce {
            None | Some(Reduce::Sum) => 0,
            Some(Reduce::Prod) => 1,
            Some(Reduce::Mean) => 2,
            Some(Reduce::Amax) => 3,
            Some(Reduce::Amin) => 4,
        };
        let counts = !self.include_self || self.reduce == Some(Reduce::Mean);
        queued(work, |gpu, queue, temporary| {
            // SAFETY: as above; the copy's operands are as large as the shape.
            unsafe {
                let sums = if self.reduce.is_some() { Sums::of(gpu, temporary, out)? } else { Sums(Operand::of(out)?) };
                (params.out, params.dtype) = (sums.0.address, number(sums.0.dtype));
                copy_raw(gpu, queue, sums.0, Operand::of(base)?)?;
                if self.reduce.is_some() {
                    if counts {
                        params.seen = zeros(gpu, queue, temporary, out.numel() * 4)?;
                    }
                    kernel.launch(gpu, queue, grid(params.n as usize)?, 256, &params)?;
                    return sums.store(gpu, queue, out);
                }
                params.owner = zeros(gpu, queue, temporary, out.numel() * 8)?;
                SCATTER_CLAIM.launch(gpu, queue, grid(params.n as usize)?, 256, &params)?;
                kernel.launch(gpu, queue, grid(params.n as usize)?, 256, &params)
            }
        })
    }
}

impl CudaKernel for Nonzero {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let ([x], [out]) = (work.inputs, work.outputs) else { return Ok(Ran::Lacking) };
        if out.numel() == 0 {
            return Ok(Ran::Queued);
        }
        if x.rank() > MOST {
            return on_host(work);
        }
        queued(work, |gpu, queue, temporary| {
            let mut params = Found {
                out: address_of(out)?,
                input: temporary.rows(gpu, queue, x)?,
                n: x.numel() as i64,
                count: self.count as i64,
                rank: x.rank() as i32,
                size: [1; MOST],
            };
            params.size.iter_mut().zip(x.shape()).for_each(|(to, size)| *to = *size as i64);
            // SAFETY: `Found` is the kernel's parameter; no more places are written than the output has.
            unsafe { NONZERO.launch(gpu, queue, [1; 3], 256, &params) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_that_is_named_is_in_its_archive() {
        let text = INDEX.text().unwrap();
        all().iter().for_each(|name| assert!(text.contains(&format!(".entry {name}(")), "{name}"));
    }

    #[test]
    fn walks_follow_the_picked_elements() {
        // [2, 3, 4] picked along dimension 1 by five numbers: [2, 5, 4].
        let dim = |size, x, entry, out| Dim { size, strides: [x, entry, out, 0] };
        let all = [dim(4, 1, 0, 1), dim(5, 0, 1, 4), dim(2, 12, 0, 20)];
        assert_eq!(walk(&[2, 3, 4], &[12, 4, 1], &[1], &[5], false), all);
        let outside = [dim(4, 1, 0, 1), dim(2, 12, 0, 20), dim(5, 0, 1, 4)];
        assert_eq!(walk(&[2, 3, 4], &[12, 4, 1], &[1], &[5], true), outside);
    }
}
