//! Order along the last dimension: `kernels/sort.cu`.

use super::host::on_host;
use super::packed::Temporary;
use super::{CudaKernel, Lane, number};
use crate::backend::{address_of, gpu_of};
use crate::context::Gpu;
use crate::kernels::{Kernel, SORT};
use crate::ops::elementwise::grid;
use crate::stream::{Queue, Task, queue};
use flambeau_tensor::backend::{Ran, Work};
use flambeau_tensor::*;

/// As kernels have it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Params {
    input: u64,
    keys: u64,
    places: u64,
    next_keys: u64,
    next_places: u64,
    values: u64,
    indices: u64,
    lines: i64,
    n: i64,
    slots: i64,
    pieces: i64,
    run: i64,
    k: i64,
    dtype: i32,
    size: i32,
    flip: i32,
}

/// Elements that a block sorts.
const PIECE: usize = 2048;

macro_rules! kernels {
    ($($NAME:ident $name:literal)*) => {
        $(static $NAME: Kernel = Kernel::new(&SORT, $name);)*
        #[cfg(test)]
        static ALL: &[&Kernel] = &[$(&$NAME),*];
    };
}

kernels! {
    PIECES "sort_pieces" JOIN "sort_join" TAKE "sort_take" PLACE "pick_place" MEDIAN "pick_median"
    NAN_MEDIAN "pick_nanmedian" MODE "pick_mode"
}

/// Sorts each line, from the largest down where `flip`, and has `last` take from it, by `threads` threads for each line.
fn run(work: &Work<'_>, flip: bool, k: usize, last: &Kernel, threads: usize) -> Result<Ran> {
    let ([x], [values, indices]) = (work.inputs, work.outputs) else { return Ok(Ran::Lacking) };
    let n = x.shape().last().copied().unwrap_or(1);
    // Places are counted in 32 bits.
    if Lane::of(x.dtype()).is_none() || n >= u32::MAX as usize {
        return on_host(work);
    }
    if values.numel() == 0 {
        return Ok(Ran::Queued);
    }
    let lines = x.numel() / n;
    let slots = n.next_power_of_two().min(PIECE);
    let pieces = n.div_ceil(slots);
    let gpu = gpu_of(x)?;
    let mut temporary = Temporary::default();
    let task = Task::of(work);
    queue(gpu, &task, |queue| {
        let mut params = Params {
            input: temporary.rows(gpu, queue, x)?,
            keys: temporary.bytes(gpu, x.numel() * 8)?,
            places: temporary.bytes(gpu, x.numel() * 4)?,
            next_keys: 0,
            next_places: 0,
            values: address_of(values)?,
            indices: address_of(indices)?,
            lines: lines as i64,
            n: n as i64,
            slots: slots as i64,
            pieces: pieces as i64,
            run: slots as i64,
            k: k as i64,
            dtype: number(x.dtype()),
            size: x.dtype().size() as i32,
            flip: flip.into(),
        };
        // SAFETY: operands are as large as their shapes say (the contract of `Backend::run`), and there is memory for the
        // keys and places of all elements, kept until what is queued was written down.
        unsafe {
            launch(&PIECES, gpu, queue, (lines * pieces).div_ceil(PIECE / slots) * 256, &params)?;
            if pieces > 1 {
                params.next_keys = temporary.bytes(gpu, x.numel() * 8)?;
                params.next_places = temporary.bytes(gpu, x.numel() * 4)?;
            }
            while (params.run as usize) < n {
                launch(&JOIN, gpu, queue, x.numel(), &params)?;
                std::mem::swap(&mut params.keys, &mut params.next_keys);
                std::mem::swap(&mut params.places, &mut params.next_places);
                params.run *= 2;
            }
            launch(last, gpu, queue, lines * threads, &params)
        }
    })?;
    Ok(Ran::Queued)
}

/// # Safety
/// As [`Kernel::launch`].
unsafe fn launch(kernel: &Kernel, gpu: &Gpu, queue: &Queue, threads: usize, params: &Params) -> Result<()> {
    // SAFETY: `Params` is the parameter of all kernels here; the caller vouches for what it leads to.
    unsafe { kernel.launch(gpu, queue, grid(threads)?, 256, params) }
}

impl CudaKernel for Sort {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let n = work.inputs[0].shape().last().copied().unwrap_or(1);
        run(work, self.descending, n, &TAKE, n)
    }
}

impl CudaKernel for Topk {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        run(work, self.largest, self.k, &TAKE, self.k)
    }
}

impl CudaKernel for Kthvalue {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let (k, kernel) = match self.pick {
            ops::Pick::Place(k) => (k, &PLACE),
            ops::Pick::Median => (0, &MEDIAN),
            ops::Pick::NanMedian => (0, &NAN_MEDIAN),
            ops::Pick::Mode => (0, &MODE),
        };
        run(work, false, k, kernel, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_that_is_named_is_in_its_archive() {
        let text = SORT.text().unwrap();
        ALL.iter().for_each(|k| assert!(text.contains(&format!(".entry {}(", k.name)), "{}", k.name));
    }
}
