//! `vmap`: a function of one sample, on all of them.

use super::Randomness;
use crate::record::{cut, install, without_ended};
use crate::vmap::{self, Level};
use flambeau_tensor::random::{default_generator_of, default_generators};
use flambeau_tensor::{Generator, Result, Tensor, Tensors, bail, cat, ensure, grad_enabled};

/// Which dimension counts the samples, of each argument or result: one number for all, or a list with one for each
/// part of a tuple, or one for each tensor. `None` stands for what all samples share.
///
/// ```
/// use flambeau_autograd::func::MappedDims;
///
/// let _all: MappedDims = 0.into();
/// let _each: MappedDims = [Some(0), None, Some(-1)].into();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedDims(Each);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Each {
    All(Option<isize>),
    Listed(Vec<Option<isize>>),
}

impl Default for MappedDims {
    fn default() -> Self {
        MappedDims(Each::All(Some(0)))
    }
}

impl From<isize> for MappedDims {
    fn from(dim: isize) -> Self {
        MappedDims(Each::All(Some(dim)))
    }
}

impl From<Option<isize>> for MappedDims {
    fn from(dim: Option<isize>) -> Self {
        MappedDims(Each::All(dim))
    }
}

impl<const N: usize> From<[Option<isize>; N]> for MappedDims {
    fn from(dims: [Option<isize>; N]) -> Self {
        MappedDims(Each::Listed(dims.to_vec()))
    }
}

impl<const N: usize> From<[isize; N]> for MappedDims {
    fn from(dims: [isize; N]) -> Self {
        MappedDims(Each::Listed(dims.iter().map(|d| Some(*d)).collect()))
    }
}

impl From<Vec<Option<isize>>> for MappedDims {
    fn from(dims: Vec<Option<isize>>) -> Self {
        MappedDims(Each::Listed(dims))
    }
}

impl MappedDims {
    /// One for each tensor of a value whose parts have `parts` tensors.
    fn resolve(&self, what: &str, parts: &[usize]) -> Result<Vec<Option<isize>>> {
        let count: usize = parts.iter().sum();
        match &self.0 {
            Each::All(dim) => Ok(vec![*dim; count]),
            Each::Listed(dims) if dims.len() == parts.len() => {
                Ok(dims.iter().zip(parts).flat_map(|(dim, count)| vec![*dim; *count]).collect())
            }
            Each::Listed(dims) if dims.len() == count => Ok(dims.clone()),
            Each::Listed(dims) => bail!(
                Argument,
                "vmap",
                "`{what}` has {} entries, where the value has {} parts and {count} tensors",
                dims.len(),
                parts.len()
            ),
        }
    }
}

/// Options of [`vmap_with`], with the names and defaults of `torch.vmap`.
#[derive(Clone, Debug, Default)]
pub struct VmapOptions {
    in_dims: MappedDims,
    out_dims: MappedDims,
    randomness: Randomness,
    chunk_size: Option<usize>,
}

impl VmapOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The dimension of each input that counts the samples; 0.
    #[must_use]
    pub fn in_dims(mut self, dims: impl Into<MappedDims>) -> Self {
        self.in_dims = dims.into();
        self
    }

    /// Where it is to stand in each output; 0. `None` is for an output that does not differ between the samples.
    #[must_use]
    pub fn out_dims(mut self, dims: impl Into<MappedDims>) -> Self {
        self.out_dims = dims.into();
        self
    }

    /// What random ops do; they are an error.
    #[must_use]
    pub fn randomness(mut self, randomness: Randomness) -> Self {
        self.randomness = randomness;
        self
    }

    /// At most so many samples at once, for less memory; all.
    #[must_use]
    pub fn chunk_size(mut self, samples: impl Into<Option<usize>>) -> Self {
        self.chunk_size = samples.into();
        self
    }
}

/// `f` of every sample of `inputs`, whose dimension 0 counts them, computed on all at once: `torch.vmap`. What `f`
/// captures is shared by all samples.
///
/// `f` sees one sample: its shapes have no dimension for them. It is called once, and each of its ops works on all
/// samples. What would look at values (`item`, `to_vec`, a mask as an index) is an error, and so is to write in place
/// what differs between the samples into a tensor that they share.
///
/// ```
/// use flambeau_autograd::func::vmap;
/// use flambeau_tensor::tensor;
///
/// let (a, b) = (tensor!([[1.0, 2.0], [3.0, 4.0]]), tensor!([[5.0, 6.0], [7.0, 8.0]]));
/// let dots = vmap(|(a, b)| a.dot(b), &(a, b))?;
/// assert_eq!(dots.to_vec::<f32>()?, [17.0, 53.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// What `f` returns; where inputs have different numbers of samples, or none has any; at what `f` may not do, as above,
/// with the line that does it.
#[track_caller]
pub fn vmap<I, O>(f: impl Fn(&I) -> Result<O>, inputs: &I) -> Result<O>
where
    I: Tensors + Clone,
    O: Tensors,
{
    vmap_with(f, inputs, &VmapOptions::default())
}

/// [`vmap`] with options: other dimensions, inputs that all samples share, random numbers, chunks.
///
/// ```
/// use flambeau_autograd::func::{VmapOptions, vmap_with};
/// use flambeau_tensor::tensor;
///
/// let (columns, shared) = (tensor!([[1.0, 2.0], [3.0, 4.0]]), tensor!([1.0, 10.0]));
/// let options = VmapOptions::new().in_dims([Some(1), None]);
/// let dots = vmap_with(|(x, w)| x.dot(w), &(columns, shared), &options)?;
/// assert_eq!(dots.to_vec::<f32>()?, [31.0, 42.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// As [`vmap`]; where a dimension does not exist, or a list of them fits neither the parts nor the tensors; where an
/// output differs between the samples and `out_dims` says that it does not.
#[track_caller]
pub fn vmap_with<I, O>(f: impl Fn(&I) -> Result<O>, inputs: &I, options: &VmapOptions) -> Result<O>
where
    I: Tensors + Clone,
    O: Tensors,
{
    let at = std::panic::Location::caller();
    run(f, inputs, options).map_err(|e| e.located(at))
}

fn run<I, O>(f: impl Fn(&I) -> Result<O>, inputs: &I, options: &VmapOptions) -> Result<O>
where
    I: Tensors + Clone,
    O: Tensors,
{
    install();
    let dims = options.in_dims.resolve("in_dims", &inputs.parts())?;
    let (mut values, mut size) = (Vec::with_capacity(dims.len()), None);
    for (i, (x, dim)) in inputs.tensors().into_iter().zip(dims).enumerate() {
        let Some(dim) = dim else {
            values.push((x, false));
            continue;
        };
        let rank = x.rank() as isize;
        ensure!(
            (-rank..rank).contains(&dim),
            Argument,
            "vmap",
            "input {i} of shape {:?} has no dimension {dim} to map over",
            x.shape()
        );
        let value = x.movedim(dim, 0)?;
        let samples = value.shape()[0];
        ensure!(
            *size.get_or_insert(samples) == samples,
            Argument,
            "vmap",
            "input {i} has {samples} samples, the ones before it have {}",
            size.unwrap_or_default()
        );
        values.push((value, true));
    }
    let Some(size) = size else { bail!(Argument, "vmap", "no input is mapped over: at least one must have samples") };
    let chunk = match options.chunk_size {
        Some(0) => bail!(Argument, "vmap", "a chunk of 0 samples gets nowhere"),
        Some(chunk) if chunk < size => chunk,
        _ => return once(&f, inputs, values, size, options),
    };
    let mut chunks = Vec::new();
    // Those of the inputs' devices among them, though nobody may have drawn there yet.
    values.iter().try_for_each(|(x, _)| default_generator_of(x.device()).map(drop))?;
    let generators = default_generators();
    let states: Vec<_> = generators.iter().map(Generator::get_state).collect();
    for start in (0..size).step_by(chunk) {
        if options.randomness == Randomness::Same {
            generators.iter().zip(&states).try_for_each(|(generator, state)| generator.set_state(state))?;
        }
        let many = chunk.min(size - start);
        let part = |(x, mapped): &(Tensor, bool)| match mapped {
            true => Ok((x.narrow(0, start as isize, many)?, true)),
            false => Ok((x.clone(), false)),
        };
        let values = values.iter().map(part).collect::<Result<Vec<_>>>()?;
        chunks.push(once(&f, inputs, values, many, options)?);
    }
    let lists: Vec<Vec<Tensor>> = chunks.iter().map(Tensors::tensors).collect();
    let Some(first) = chunks.into_iter().next() else { bail!(Argument, "vmap", "no chunk was run") };
    let dims = options.out_dims.resolve("out_dims", &first.parts())?;
    let mut i = 0;
    first.map_tensors(|out| {
        let (list, dim) = (lists.iter().filter_map(|list| list.get(i)).collect::<Vec<_>>(), dims[i]);
        i += 1;
        dim.map_or_else(|| Ok(out.clone()), |dim| cat(&list, dim))
    })
}

/// All samples at once: of each input the value, its dimension 0 counting the samples where it is mapped.
fn once<I, O>(
    f: &impl Fn(&I) -> Result<O>,
    inputs: &I,
    values: Vec<(Tensor, bool)>,
    size: usize,
    options: &VmapOptions,
) -> Result<O>
where
    I: Tensors + Clone,
    O: Tensors,
{
    let outputs = vmap::run(size, options.randomness, |level: &Level| -> Result<_> {
        let handle = |(x, mapped): (Tensor, bool)| if mapped { level.handle(x) } else { Ok(x) };
        let handles = values.into_iter().map(handle).collect::<Result<Vec<_>>>()?;
        let outputs = f(&super::with_tensors(inputs, handles)?)?;
        let dims = options.out_dims.resolve("out_dims", &outputs.parts())?;
        let mut results = Vec::with_capacity(dims.len());
        outputs.visit_tensors(&mut |out| results.push((level.samples(out), out.clone())));
        Ok((outputs, results.into_iter().zip(dims).collect::<Vec<_>>()))
    });
    let (outputs, results) = outputs?;
    let mut results = results.into_iter();
    let outputs = outputs.map_tensors(|out| match results.next() {
        Some(((Some(value), _), Some(dim))) => value.movedim(0, dim),
        Some(((None, shared), Some(dim))) => {
            let mut shape = shared.layout().shape.clone();
            shape.insert(0, size);
            shared.expand(shape)?.movedim(0, dim)
        }
        Some(((None, shared), None)) => Ok(shared),
        Some(((Some(_), _), None)) => bail!(
            Argument,
            "vmap",
            "an output of shape {:?} differs between the samples, and `out_dims` has no dimension for them",
            out.shape()
        ),
        None => Ok(out.clone()),
    })?;
    // What gradients inside recorded on the tapes outside leads nowhere by now.
    let mut ended = without_ended();
    outputs.map_tensors(|out| if grad_enabled() { ended(out) } else { cut(out) })
}
