//! Norms of layers, root mean squares, groups and batches: `kernels/norm.cu`.

use super::packed::Temporary;
use super::{CudaKernel, Lane, number};
use crate::backend::{address_of, gpu_of};
use crate::kernels::{Kernel, NORM};
use crate::stream::{Task, queue};
use flambeau_tensor::backend::{Ran, Work};
use flambeau_tensor::*;

/// As kernels have it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Norm {
    out: u64,
    first: u64,
    second: u64,
    x: u64,
    g: u64,
    weight: u64,
    bias: u64,
    mean: u64,
    spread: u64,
    rows: i64,
    width: i64,
    base: i64,
    segment: i64,
    step: i64,
    groups: i64,
    each: i64,
    inner: i64,
    eps: f64,
    dtype: i32,
    weight_dtype: i32,
    bias_dtype: i32,
    centred: i32,
    variance: i32,
    given: i32,
}

/// The kernels of a lane.
struct Kernels {
    forward: [Kernel; 2],
    backward: [Kernel; 2],
    parameters: Kernel,
    columns: Kernel,
}

macro_rules! kernels {
    ($lane:literal) => {
        Kernels {
            forward: [
                Kernel::new(&NORM, concat!("norm_", $lane, "_warp")),
                Kernel::new(&NORM, concat!("norm_", $lane, "_block")),
            ],
            backward: [
                Kernel::new(&NORM, concat!("norm_backward_", $lane, "_warp")),
                Kernel::new(&NORM, concat!("norm_backward_", $lane, "_block")),
            ],
            parameters: Kernel::new(&NORM, concat!("norm_parameters_", $lane, "_block")),
            columns: Kernel::new(&NORM, concat!("norm_parameters_", $lane, "_columns")),
        }
    };
}

static F32: Kernels = kernels!("f32");
static F64: Kernels = kernels!("f64");

/// Rows longer than this have a block each.
const LONG: usize = 1024;

/// What a norm is: rows of a tensor, and how parameters belong to them.
fn over(x: &Tensor, rows: usize, width: usize) -> Norm {
    let (width, x) = (width as i64, number(x.dtype()));
    Norm {
        rows: rows as i64,
        width,
        base: width,
        segment: width,
        step: width,
        groups: 1,
        each: width,
        inner: 1,
        dtype: x,
        ..Norm::default()
    }
}

/// Of the last `dims` dimensions.
fn layer(x: &Tensor, dims: usize) -> Norm {
    let width: usize = x.shape()[x.rank() - dims..].iter().product();
    Norm { variance: 0, ..over(x, x.numel().checked_div(width).unwrap_or(0), width) }
}

/// Of groups of channels of each sample.
fn groups(x: &Tensor, groups: usize) -> Norm {
    let (samples, channels) = (x.shape()[0], x.shape()[1]);
    let (each, inner) = (channels / groups.max(1), x.shape()[2..].iter().product::<usize>());
    let layout = over(x, samples * groups, each * inner);
    Norm { groups: groups as i64, each: each as i64, inner: inner as i64, variance: 1, ..layout }
}

/// Of each channel over all samples.
fn batch(x: &Tensor) -> Norm {
    let (samples, channels) = (x.shape()[0], x.shape()[1]);
    let inner: usize = x.shape()[2..].iter().product();
    Norm {
        base: inner as i64,
        segment: inner as i64,
        step: (channels * inner) as i64,
        groups: channels as i64,
        each: 1,
        inner: (samples * inner) as i64,
        variance: 1,
        ..over(x, channels, samples * inner)
    }
}

fn lane(x: &Tensor) -> &'static Kernels {
    if Lane::of(x.dtype()) == Some(Lane::F64) { &F64 } else { &F32 }
}

/// The operands of a norm beside x; mean and spread are of the lane's dtype.
#[derive(Default)]
struct Given<'a> {
    g: Option<&'a Tensor>,
    mean: Option<&'a Tensor>,
    spread: Option<&'a Tensor>,
    weight: Option<&'a Tensor>,
    bias: Option<&'a Tensor>,
}

/// Which of the kernels are to run.
enum Part<'a> {
    /// The result, and the statistics that it gives.
    Forward { mean: Option<&'a Tensor>, spread: Option<&'a Tensor> },
    /// The gradients that are asked for: of x, weight and bias.
    Backward([Option<&'a Tensor>; 3]),
}

fn run(work: &Work<'_>, x: &Tensor, layout: Norm, given: Given<'_>, part: Part<'_>) -> Result<Ran> {
    // Nothing in a row: means of nothing, which the decomposition knows.
    if x.numel() == 0 || work.outputs.is_empty() {
        return Ok(Ran::Lacking);
    }
    // Statistics that come from outside may be of half precision.
    let lane_dtype = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    if [given.mean, given.spread].into_iter().flatten().any(|t| t.dtype() != lane_dtype) {
        return Ok(Ran::Lacking);
    }
    let (gpu, kernels) = (gpu_of(x)?, lane(x));
    let task = Task::of(work);
    let mut temporary = Temporary::default();
    let to = |t: Option<&Tensor>| t.map_or(Ok(0), address_of);
    queue(gpu, &task, |queue| {
        let mut rows = |t: Option<&Tensor>| t.map_or(Ok(0), |t| temporary.rows(gpu, queue, t));
        let mut norm = Norm {
            x: rows(Some(x))?,
            g: rows(given.g)?,
            mean: rows(given.mean)?,
            spread: rows(given.spread)?,
            weight: rows(given.weight)?,
            bias: rows(given.bias)?,
            weight_dtype: given.weight.map_or(0, |t| number(t.dtype())),
            bias_dtype: given.bias.map_or(0, |t| number(t.dtype())),
            ..layout
        };
        let long = norm.width as usize > LONG;
        let blocks = |rows: i64| if long { rows as u32 } else { (rows as u64).div_ceil(8) as u32 };
        let grid = [blocks(norm.rows), 1, 1];
        match part {
            Part::Forward { mean, spread } => {
                norm.out = address_of(work.outputs[0])?;
                (norm.first, norm.second) = (to(mean)?, to(spread)?);
                // SAFETY: `Norm` is the kernel's parameter; operands are in rows and as large as their shapes say (the
                // contract of `Backend::run`).
                unsafe { kernels.forward[usize::from(long)].launch(gpu, queue, grid, 256, &norm) }
            }
            Part::Backward([gx, gw, gb]) => {
                if let Some(gx) = gx {
                    norm.out = address_of(gx)?;
                    // SAFETY: as above.
                    unsafe { kernels.backward[usize::from(long)].launch(gpu, queue, grid, 256, &norm)? };
                }
                if gw.is_none() && gb.is_none() {
                    return Ok(());
                }
                (norm.first, norm.second) = (to(gw)?, to(gb)?);
                norm.weight_dtype = gw.map_or(0, |t| number(t.dtype()));
                norm.bias_dtype = gb.map_or(0, |t| number(t.dtype()));
                let parameters = (norm.groups * norm.each) as u32;
                // Neighbours among parameters are neighbours in memory where each has one element in a row.
                let (kernel, blocks) = match norm.inner {
                    1 => (&kernels.columns, parameters.div_ceil(32)),
                    _ => (&kernels.parameters, parameters),
                };
                // SAFETY: as above.
                unsafe { kernel.launch(gpu, queue, [blocks, 1, 1], 256, &norm) }
            }
        }
    })?;
    Ok(Ran::Queued)
}

/// The outputs that are asked for.
fn asked<'a, const N: usize>(work: &Work<'a>, needs: [bool; N]) -> [Option<&'a Tensor>; 3] {
    let mut outputs = work.outputs.iter().copied();
    let mut all = [None; 3];
    for (to, need) in all.iter_mut().zip(needs) {
        *to = if need { outputs.next() } else { None };
    }
    all
}

/// Weight and bias behind the first `at` inputs.
fn parameters<'a>(work: &Work<'a>, at: usize, weight: bool, bias: bool) -> [Option<&'a Tensor>; 2] {
    let mut rest = work.inputs[at..].iter().copied();
    let weight = if weight { rest.next() } else { None };
    [weight, if bias { rest.next() } else { None }]
}

impl CudaKernel for LayerNorm {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let x = work.inputs[0];
        let [weight, bias] = parameters(work, 1, self.weight, self.bias);
        let layout = Norm { eps: self.eps, centred: 1, ..layer(x, self.dims) };
        let part = Part::Forward { mean: work.outputs.get(1).copied(), spread: work.outputs.get(2).copied() };
        run(work, x, layout, Given { weight, bias, ..Given::default() }, part)
    }
}

impl CudaKernel for LayerNormBackward {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let [g, x, mean, spread, ..] = *work.inputs else { return Ok(Ran::Lacking) };
        let weight = work.inputs.get(4).copied();
        let given = Given { g: Some(g), mean: Some(mean), spread: Some(spread), weight, bias: None };
        run(work, x, Norm { centred: 1, ..layer(x, self.of.dims) }, given, Part::Backward(asked(work, self.needs)))
    }
}

impl CudaKernel for RmsNorm {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let x = work.inputs[0];
        let [weight, bias] = parameters(work, 1, self.weight, false);
        let layout = Norm { eps: self.eps, ..layer(x, self.dims) };
        let part = Part::Forward { mean: None, spread: work.outputs.get(1).copied() };
        run(work, x, layout, Given { weight, bias, ..Given::default() }, part)
    }
}

impl CudaKernel for RmsNormBackward {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let [g, x, spread, ..] = *work.inputs else { return Ok(Ran::Lacking) };
        let weight = work.inputs.get(3).copied();
        let given = Given { g: Some(g), spread: Some(spread), weight, ..Given::default() };
        run(work, x, layer(x, self.of.dims), given, Part::Backward(asked(work, self.needs)))
    }
}

impl CudaKernel for GroupNorm {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let x = work.inputs[0];
        let [weight, bias] = parameters(work, 1, self.weight, self.bias);
        let layout = Norm { eps: self.eps, centred: 1, ..groups(x, self.groups) };
        let part = Part::Forward { mean: work.outputs.get(1).copied(), spread: work.outputs.get(2).copied() };
        run(work, x, layout, Given { weight, bias, ..Given::default() }, part)
    }
}

impl CudaKernel for GroupNormBackward {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let [g, x, mean, spread, ..] = *work.inputs else { return Ok(Ran::Lacking) };
        let weight = work.inputs.get(4).copied();
        let given = Given { g: Some(g), mean: Some(mean), spread: Some(spread), weight, bias: None };
        let layout = Norm { eps: self.of.eps, centred: 1, ..groups(x, self.of.groups) };
        run(work, x, layout, given, Part::Backward(asked(work, self.needs)))
    }
}

impl CudaKernel for BatchNorm {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let x = work.inputs[0];
        let layout = Norm { eps: self.eps, centred: 1, given: i32::from(!self.training), ..batch(x) };
        if self.training {
            let [weight, bias] = parameters(work, 1, self.weight, self.bias);
            let part = Part::Forward { mean: work.outputs.get(1).copied(), spread: work.outputs.get(2).copied() };
            return run(work, x, layout, Given { weight, bias, ..Given::default() }, part);
        }
        let [weight, bias] = parameters(work, 3, self.weight, self.bias);
        let given = Given { g: None, mean: Some(work.inputs[1]), spread: Some(work.inputs[2]), weight, bias };
        run(work, x, layout, given, Part::Forward { mean: None, spread: None })
    }
}

impl CudaKernel for BatchNormBackward {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let [g, x, mean, spread, ..] = *work.inputs else { return Ok(Ran::Lacking) };
        let weight = work.inputs.get(4).copied();
        let given = Given { g: Some(g), mean: Some(mean), spread: Some(spread), weight, bias: None };
        let layout = Norm { eps: self.of.eps, centred: 1, given: i32::from(!self.of.training), ..batch(x) };
        run(work, x, layout, given, Part::Backward(asked(work, self.needs)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_that_is_named_is_in_its_archive() {
        let text = NORM.text().unwrap();
        for lane in [&F32, &F64] {
            let rows = lane.forward.iter().chain(&lane.backward);
            for kernel in rows.chain([&lane.parameters, &lane.columns]) {
                assert!(text.contains(&format!(".entry {}(", kernel.name)), "{}", kernel.name);
            }
        }
    }
}
