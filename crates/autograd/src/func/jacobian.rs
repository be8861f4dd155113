//! Whole Jacobians and Hessians: products with every unit vector, all at once by `vmap`.

use super::{Randomness, VmapOptions, jvp, vjp, vmap_with};
use flambeau_tensor::{Result, Tensor, Tensors, bail, cat, ensure};

/// Options of [`jacrev_with`] and [`jacfwd_with`], with PyTorch's names and defaults.
#[derive(Clone, Debug, Default)]
pub struct JacobianOptions {
    /// At most so many rows (columns, forward) at once, for less memory; all.
    pub chunk_size: Option<usize>,
    /// What random ops do, where derivatives have any; they are an error.
    pub randomness: Randomness,
}

impl JacobianOptions {
    fn vmap(&self) -> VmapOptions {
        VmapOptions::new().chunk_size(self.chunk_size).randomness(self.randomness)
    }
}

/// What a function returns, with something for each of its tensors: of a tensor one, of a tuple a tuple, of a list a
/// list.
pub trait PerOutput: Tensors + Clone {
    /// One `T` for each tensor.
    type Of<T>;

    /// Put together from one `T` for each tensor, in order.
    ///
    /// # Errors
    /// What `next` returns.
    fn each<T>(&self, next: &mut impl FnMut() -> Result<T>) -> Result<Self::Of<T>>;
}

impl PerOutput for Tensor {
    type Of<T> = T;

    fn each<T>(&self, next: &mut impl FnMut() -> Result<T>) -> Result<T> {
        next()
    }
}

impl<P: PerOutput> PerOutput for Vec<P> {
    type Of<T> = Vec<P::Of<T>>;

    fn each<T>(&self, next: &mut impl FnMut() -> Result<T>) -> Result<Vec<P::Of<T>>> {
        self.iter().map(|part| part.each(next)).collect()
    }
}

macro_rules! tuples {
    ($(($($P:ident $i:tt),+))*) => {$(
        impl<$($P: PerOutput),+> PerOutput for ($($P,)+) {
            type Of<T> = ($($P::Of<T>,)+);

            fn each<T>(&self, next: &mut impl FnMut() -> Result<T>) -> Result<Self::Of<T>> {
                Ok(($(self.$i.each(next)?,)+))
            }
        }
    )*};
}
tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
}

/// Unit vectors in the space of all elements of `like` together: of each tensor its part, a dimension 0 counting them.
fn units<T: Tensors + Clone>(like: &T) -> Result<T> {
    let all: usize = like.tensors().iter().map(Tensor::numel).sum();
    let mut before = 0;
    like.clone().map_tensors(|x| {
        let (n, mut shape) = (x.numel(), x.layout().shape.clone());
        shape.insert(0, all);
        let eye = Tensor::eye(n).dtype(x.dtype()).device(x.device()).build()?;
        let none = |rows: usize| Tensor::zeros([rows, n]).dtype(x.dtype()).device(x.device()).build();
        let rows = cat(&[none(before)?, eye, none(all - before - n)?], 0)?;
        before += n;
        rows.reshape(shape)
    })
}

/// The Jacobian of `f` at `x` by reverse mode, row by row: `torch.func.jacrev`. For each output and each input a tensor
/// whose sizes are those of the output, then those of the input. Fast where there are fewer outputs than inputs.
///
/// ```
/// use flambeau_autograd::func::jacrev;
/// use flambeau_tensor::tensor;
///
/// let (a, b) = (tensor!([1.0, 2.0]), tensor!([3.0, 4.0]));
/// let (by_a, by_b) = jacrev(|(a, b)| a.square()?.mul(b), &(a, b))?;
/// assert_eq!(by_a.to_vec::<f32>()?, [6.0, 0.0, 0.0, 16.0]);
/// assert_eq!(by_b.to_vec::<f32>()?, [1.0, 0.0, 0.0, 4.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// As [`vjp`].
#[track_caller]
pub fn jacrev<I, O>(f: impl FnOnce(&I) -> Result<O>, x: &I) -> Result<O::Of<I>>
where
    I: Tensors + Clone + 'static,
    O: PerOutput + 'static,
{
    jacrev_with(f, x, &JacobianOptions::default())
}

/// [`jacrev`] with options: chunks, random numbers.
///
/// # Errors
/// As [`vjp`].
#[track_caller]
pub fn jacrev_with<I, O>(f: impl FnOnce(&I) -> Result<O>, x: &I, options: &JacobianOptions) -> Result<O::Of<I>>
where
    I: Tensors + Clone + 'static,
    O: PerOutput + 'static,
{
    let (y, back) = vjp(f, x)?;
    differentiable("jacrev", &y)?;
    let outputs = y.tensors();
    let all: usize = outputs.iter().map(Tensor::numel).sum();
    let rows = match all {
        0 => x.clone().map_tensors(|x| empty(0, x))?,
        _ => vmap_with(|unit| back(unit), &units(&y)?, &options.vmap())?,
    };
    let (mut outputs, mut before) = (outputs.iter(), 0);
    y.each(&mut || {
        let Some(y) = outputs.next() else { bail!(Argument, "jacrev", "more outputs than before") };
        let n = y.numel();
        let mut inputs = x.tensors().into_iter();
        let block = rows.clone().map_tensors(|rows| match inputs.next() {
            Some(x) => {
                let sizes = y.shape().iter().chain(x.shape()).copied().collect::<Vec<_>>();
                rows.narrow(0, before, n)?.reshape(sizes)
            }
            None => Ok(rows.clone()),
        })?;
        before += n as isize;
        Ok(block)
    })
}

/// The Jacobian of `f` at `x` by forward mode, column by column: `torch.func.jacfwd`. As [`jacrev`]; fast where there
/// are fewer inputs than outputs.
///
/// # Errors
/// As [`jvp`].
#[track_caller]
pub fn jacfwd<I, O>(f: impl Fn(&I) -> Result<O>, x: &I) -> Result<O::Of<I>>
where
    I: Tensors + Clone,
    O: PerOutput,
{
    jacfwd_with(f, x, &JacobianOptions::default())
}

/// [`jacfwd`] with options: chunks, random numbers.
///
/// # Errors
/// As [`jvp`].
#[track_caller]
pub fn jacfwd_with<I, O>(f: impl Fn(&I) -> Result<O>, x: &I, options: &JacobianOptions) -> Result<O::Of<I>>
where
    I: Tensors + Clone,
    O: PerOutput,
{
    let all: usize = x.tensors().iter().map(Tensor::numel).sum();
    let columns = match all {
        0 => f(x)?.map_tensors(|y| empty(0, y))?,
        _ => vmap_with(|unit| Ok(jvp(|x| f(x), x, unit)?.1), &units(x)?, &options.vmap())?,
    };
    differentiable("jacfwd", &columns)?;
    let mut outputs = columns.tensors().into_iter();
    columns.each(&mut || {
        let Some(columns) = outputs.next() else { bail!(Argument, "jacfwd", "more outputs than before") };
        let mut before = 0;
        x.clone().map_tensors(|x| {
            let n = x.numel();
            let sizes = columns.shape()[1..].iter().chain(x.shape()).copied().collect::<Vec<_>>();
            let block = columns.narrow(0, before, n)?.movedim(0, -1)?.reshape(sizes);
            before += n as isize;
            block
        })
    })
}

fn empty(rows: usize, like: &Tensor) -> Result<Tensor> {
    let mut shape = like.layout().shape.clone();
    shape.insert(0, rows);
    Tensor::zeros(shape).dtype(like.dtype()).device(like.device()).build()
}

fn differentiable(name: &'static str, outputs: &impl Tensors) -> Result<()> {
    for (i, y) in outputs.tensors().iter().enumerate() {
        ensure!(y.dtype().is_differentiable(), DType, name, "output {i} is {}, which has no derivatives", y.dtype());
    }
    Ok(())
}

/// The matrix of second derivatives of `f`, a function with one number as its value: `torch.func.hessian`, forward over
/// reverse. Of a tuple of inputs it is a tuple of tuples.
///
/// ```
/// use flambeau_autograd::func::hessian;
/// use flambeau_tensor::tensor;
///
/// let x = tensor!([1.0, 2.0]);
/// let h = hessian(|x| x.prod(0)?.square(), &x)?;
/// assert_eq!(h.shape(), [2, 2]);
/// assert_eq!(h.to_vec::<f32>()?, [8.0, 8.0, 8.0, 2.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// As [`jacfwd`] and [`jacrev`].
#[track_caller]
pub fn hessian<I: PerOutput + 'static>(f: impl Fn(&I) -> Result<Tensor>, x: &I) -> Result<I::Of<I>> {
    jacfwd(|x| jacrev(&f, x), x)
}
