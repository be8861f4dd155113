//! Ops of one's own: [`CustomOp`], which any crate may implement.
//!
//! Such an op passes the dispatcher like every other one, as [`Op::Custom`](crate::Op::Custom): it is recorded and differentiated,
//! traced, profiled, autocast and printed under its own name, and runs on the devices that it knows.

use crate::autocast::Policy;
use crate::backend::{Ran, Work};
use crate::cpu::{Dst, Src, check_room};
use crate::dtype::Stored;
use crate::op::{Attributes, Infer, Meta, Metas, Outputs, ToAttribute};
use crate::tensor::stored_as;
use crate::{DType, Generator, Result, Tensor, dispatch, dispatch_all, ensure};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// An op of one's own. The struct holds its attributes.
///
/// What it must say is its name and what comes out of which inputs ([`infer`](CustomOp::infer)), and how it is
/// computed: by a kernel for the CPU ([`cpu`](CustomOp::cpu)), one for another device ([`device`](CustomOp::device)),
/// or in other ops ([`decompose`](CustomOp::decompose)), which serve every device that has no kernel. It has a
/// derivative by its decomposition, or by [`vjp`](CustomOp::vjp); forward mode follows from either.
///
/// Similar to `torch.library.custom_op`.
///
/// ```
/// use flambeau_tensor::custom::{CpuInput, CpuKernel, CpuOutput, CustomOp};
/// use flambeau_tensor::op::{Meta, Metas, Outputs};
/// use flambeau_tensor::{Result, Tensor, tensor};
///
/// /// x · sigmoid(βx).
/// #[derive(Debug)]
/// struct Swish {
///     beta: f32,
/// }
///
/// impl CustomOp for Swish {
///     fn name(&self) -> &'static str {
///         "mine::swish"
///     }
///     fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
///         Meta::like(inputs[0]).one()
///     }
///     fn cpu(&self) -> Option<&dyn CpuKernel> {
///         Some(self)
///     }
///     fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
///         let x = inputs[0];
///         let y = x.mul(self.beta).and_then(|bx| x.mul(&bx.sigmoid()?));
///         Some(y.map(|y| Outputs::from_iter([y])))
///     }
/// }
///
/// impl CpuKernel for Swish {
///     fn run(&self, inputs: &[CpuInput<'_>], outputs: &mut [CpuOutput<'_>]) -> Result<()> {
///         let x = inputs[0].rows::<f32>()?;
///         for (y, x) in outputs[0].rows::<f32>()?.iter_mut().zip(&x[..]) {
///             *y = x / (1.0 + (-self.beta * x).exp());
///         }
///         Ok(())
///     }
/// }
///
/// let y = Swish { beta: 2.0 }.call(&[&tensor!([0.0, 1.0])])?;
/// assert_eq!(y.to_vec::<f32>()?, [0.0, 1.0 / (1.0 + (-2.0f32).exp())]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub trait CustomOp: fmt::Debug + Send + Sync + 'static {
    /// What it is called in errors, prints and profiles; with the name of its crate in front of it, best.
    fn name(&self) -> &'static str;

    /// Shapes and dtypes of the outputs.
    ///
    /// # Errors
    /// What is wrong with the inputs.
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas>;

    /// Its kernel for the CPU, where it has one.
    fn cpu(&self) -> Option<&dyn CpuKernel> {
        None
    }

    /// Queues it on another device than the CPU, if it has a kernel for it.
    ///
    /// # Safety
    /// `work` is as [`Work`] says, and its storages are locked, as for [`Backend::run`](crate::backend::Backend::run).
    ///
    /// # Errors
    /// Where it cannot be queued.
    unsafe fn device(&self, _work: Work<'_>) -> Result<Ran> {
        Ok(Ran::Lacking)
    }

    /// The same in other ops.
    fn decompose(&self, _inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        None
    }

    /// The gradients of the inputs from those of the outputs (`None` for an output that was not used), in tensor ops,
    /// so that there are second derivatives, too. `None` where an input has no gradient. Where this is not stated, the
    /// decomposition is differentiated.
    fn vjp(
        &self,
        _inputs: &[&Tensor],
        _outputs: &[&Tensor],
        _grads: &[Option<Tensor>],
    ) -> Option<Result<Vec<Option<Tensor>>>> {
        None
    }

    /// What it is given beside its inputs: its fields, which [`attributes!`](crate::attributes) lists. By these two calls
    /// are told apart; unless stated, by how the struct prints.
    fn attributes(&self) -> Attributes {
        vec![("value", format!("{self:?}").to_attribute())]
    }

    /// What [`autocast`](crate::autocast::autocast) does with its inputs.
    fn autocast(&self) -> Policy {
        Policy::Keep
    }

    /// Does it leave dimensions in front alone: where each input has one more there, are the outputs those of its
    /// slices, one behind the other? Then a `vmap` hands it all samples at once; else it runs by its decomposition, or
    /// sample by sample.
    fn batches(&self) -> bool {
        false
    }

    /// The generator it was given to draw from; the default one of its device unless stated.
    fn generator(&self) -> Option<&Generator> {
        None
    }

    /// Does it draw random numbers? Then a `vmap` asks what it is to do with them.
    fn is_random(&self) -> bool {
        false
    }

    /// Runs it on `inputs`; it must have one output.
    ///
    /// # Errors
    /// Where the inputs do not fit, it has no kernel for their device and no decomposition, or it fails.
    #[track_caller]
    fn call(self, inputs: &[&Tensor]) -> Result<Tensor>
    where
        Self: Sized,
    {
        dispatch(Custom::new(self), inputs)
    }

    /// Runs it on `inputs`.
    ///
    /// # Errors
    /// As [`call`](CustomOp::call).
    #[track_caller]
    fn call_all(self, inputs: &[&Tensor]) -> Result<Outputs>
    where
        Self: Sized,
    {
        dispatch_all(Custom::new(self).into(), inputs)
    }
}

/// How the CPU computes a [`CustomOp`].
pub trait CpuKernel {
    /// Reads the inputs and fills all outputs, which are as [`infer`](CustomOp::infer) said.
    ///
    /// # Errors
    /// Where it fails; nobody sees the outputs then.
    fn run(&self, inputs: &[CpuInput<'_>], outputs: &mut [CpuOutput<'_>]) -> Result<()>;
}

/// An input of a [`CpuKernel`].
pub struct CpuInput<'a>(Src<'a>);

impl<'a> CpuInput<'a> {
    /// Its sizes.
    pub fn shape(&self) -> &'a [usize] {
        self.0.shape()
    }

    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        self.0.dtype()
    }

    /// The elements in row-major order, copied where they do not lie so. `T` is the stored form: `u8` for `bool`.
    ///
    /// # Errors
    /// Where `T` does not store the dtype.
    #[track_caller]
    pub fn rows<T: Stored>(&self) -> Result<Cow<'a, [T]>> {
        check_stored::<T>(self.dtype())?;
        Ok(self.0.contiguous())
    }
}

/// An output of a [`CpuKernel`].
pub struct CpuOutput<'a>(Dst<'a>);

impl CpuOutput<'_> {
    /// Its sizes.
    pub fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        self.0.dtype()
    }

    /// The elements in row-major order, of any value as yet. `T` is the stored form: `u8` for `bool`.
    ///
    /// # Errors
    /// Where `T` does not store the dtype.
    #[track_caller]
    pub fn rows<T: Stored>(&mut self) -> Result<&mut [T]> {
        check_stored::<T>(self.dtype())?;
        Ok(self.0.slice())
    }
}

#[track_caller]
fn check_stored<T: Stored>(dtype: DType) -> Result<()> {
    let stored = std::any::type_name::<T>();
    ensure!(stored_as::<T>(dtype), DType, "rows", "the elements are {dtype}, not {stored}");
    Ok(())
}

/// A [`CustomOp`] as the dispatcher has it.
#[derive(Clone)]
pub struct Custom(Arc<dyn CustomOp>);

impl Custom {
    /// `op`, ready to be dispatched.
    pub fn new(op: impl CustomOp) -> Custom {
        Custom(Arc::new(op))
    }

    /// The op.
    pub fn op(&self) -> &dyn CustomOp {
        &*self.0
    }

    /// By its kernel for the CPU, if it has one.
    pub(crate) fn run_on_cpu<'a>(&self, inputs: &[Src<'a>], outputs: impl Iterator<Item = Dst<'a>>) -> Result<Ran> {
        let Some(kernel) = self.0.cpu() else { return Ok(Ran::Lacking) };
        check_room(self.0.name(), inputs)?;
        let inputs: Vec<CpuInput<'_>> = inputs.iter().map(|src| CpuInput(*src)).collect();
        kernel.run(&inputs, &mut outputs.map(CpuOutput).collect::<Vec<_>>())?;
        Ok(Ran::Queued)
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Infer for Custom {
    const NAME: &'static str = "custom";
    const INPUTS: usize = 0;

    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        self.0.infer(inputs)
    }

    fn autocast(&self) -> Policy {
        self.0.autocast()
    }

    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        let outputs = self.0.decompose(inputs)?;
        Some(outputs.and_then(|outputs| {
            let (metas, name) = (self.0.infer(inputs)?, self.0.name());
            let made: Metas = outputs.iter().map(Meta::like).collect();
            ensure!(made == metas, Shape, name, "the decomposition gives {made:?} where `infer` promises {metas:?}");
            Ok(outputs)
        }))
    }
}
