//! Averages of a model's weights over training: `torch.optim.swa_utils`.

use flambeau_autograd::no_grad;
use flambeau_nn::{BatchNorm1d, BatchNorm2d, BatchNorm3d, Buffer, Call, Calls, DynModule, Forward, Module};
use flambeau_tensor::{DType, Result, Tensor, bail, ensure};

/// How a new state goes into the average.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Averaging {
    /// All states count the same: stochastic weight averaging. Izmailov et al. 2018.
    Equal,
    /// The average keeps this part of itself, an exponential moving average. Polyak & Juditsky 1992.
    Exponential(f64),
}
flambeau_nn::plain_parts!(Averaging);

/// A model whose weights are the average of another one's over training: `torch.optim.swa_utils.AveragedModel`.
///
/// It is made of a second model of the same form, which the first update fills; its state dict has PyTorch's names.
///
/// ```
/// use flambeau_nn::{Call, Linear};
/// use flambeau_optim::swa_utils::AveragedModel;
/// use flambeau_tensor::Tensor;
///
/// let model = Linear::new(2, 1).build()?;
/// let average = AveragedModel::ema(Linear::new(2, 1).build()?, 0.9)?;
/// average.update_parameters(&model)?; // after each step of the optimizer
/// let x = Tensor::ones([1, 2]).build()?;
/// assert!(average.call(&x)?.equal(&model.call(&x)?)?);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
pub struct AveragedModel<M: Module> {
    /// The model with the averaged weights.
    pub module: M,
    /// How many states are in the average, `int64`.
    pub n_averaged: Buffer,
    averaging: Averaging,
    use_buffers: bool,
}

impl<M: Module> AveragedModel<M> {
    /// The equal average of all states, into `module`.
    ///
    /// # Errors
    /// Where memory runs out.
    pub fn new(module: M) -> Result<AveragedModel<M>> {
        let n_averaged = Buffer::new(Tensor::zeros(()).dtype(DType::I64).build()?);
        Ok(AveragedModel { module, n_averaged, averaging: Averaging::Equal, use_buffers: false })
    }

    /// The exponential moving average with `decay`, into `module`.
    ///
    /// # Errors
    /// Where `decay` is not in 0..=1.
    #[track_caller]
    pub fn ema(module: M, decay: f64) -> Result<AveragedModel<M>> {
        ensure!((0.0..=1.0).contains(&decay), Argument, "AveragedModel", "a decay of {decay} is not in 0..=1");
        Ok(AveragedModel { averaging: Averaging::Exponential(decay), ..AveragedModel::new(module)? })
    }

    /// Averages the buffers, too; else they are those of the last state.
    #[must_use]
    pub fn use_buffers(mut self, use_buffers: bool) -> Self {
        self.use_buffers = use_buffers;
        self
    }

    /// Takes the weights of `model` into the average; the first time they are copied.
    ///
    /// # Errors
    /// Where the two are not of one form; nothing is changed then.
    #[track_caller]
    pub fn update_parameters(&self, model: &impl Module) -> Result<()> {
        let pairs = |ours: Vec<(String, Tensor)>, theirs: Vec<(String, Tensor)>| {
            let fits = |((a, x), (b, y)): (&(String, Tensor), &(String, Tensor))| a == b && x.shape() == y.shape();
            let fit = ours.len() == theirs.len() && ours.iter().zip(&theirs).all(fits);
            ensure!(fit, Argument, "update_parameters", "the models have other parameters or buffers");
            Ok(ours.into_iter().zip(theirs).map(|((_, a), (_, b))| (a.detach(), b.detach())).collect::<Vec<_>>())
        };
        let parameters = pairs(self.module.named_parameters(), model.named_parameters())?;
        let buffers = pairs(self.module.named_buffers(), model.named_buffers())?;
        no_grad(|| {
            let seen = self.n_averaged.item::<i64>()?;
            let weight = match self.averaging {
                _ if seen == 0 => 1.0,
                Averaging::Equal => 1.0 / (seen as f64 + 1.0),
                Averaging::Exponential(decay) => 1.0 - decay,
            };
            let average = |(mine, new): &(Tensor, Tensor)| {
                let new = new.to_device(mine.device())?.to_dtype(mine.dtype())?;
                let new =
                    if weight == 1.0 || !mine.dtype().is_differentiable() { new } else { mine.lerp(&new, weight)? };
                mine.copy_(&new).map(drop)
            };
            parameters.iter().try_for_each(average)?;
            if self.use_buffers {
                buffers.iter().try_for_each(average)?;
            } else {
                buffers.iter().try_for_each(|(mine, new)| mine.copy_(&new.to_device(mine.device())?).map(drop))?;
            }
            self.n_averaged.add_(1).map(drop)
        })
    }
}

impl<I: Calls<M>, M: Forward<I>> Forward<I> for AveragedModel<M> {
    type Output = M::Output;
    fn forward(&self, x: I) -> Result<M::Output> {
        self.module.call(x)
    }
}

/// A batch norm's running mean and variance, and how far they move.
fn running(module: &DynModule) -> Option<(&Buffer, &Buffer, Option<f64>, Result<()>)> {
    macro_rules! of {
        ($($Norm:ident),*) => {
            $(if let Some(norm) = module.downcast_ref::<$Norm>() {
                let (mean, var) = (norm.running_mean.as_ref()?, norm.running_var.as_ref()?);
                return Some((mean, var, norm.momentum(), norm.reset_running_stats()));
            })*
        };
    }
    of!(BatchNorm1d, BatchNorm2d, BatchNorm3d);
    None
}

/// Makes the running statistics of all batch norms in `model` anew, as the average over `batches`:
/// `torch.optim.swa_utils.update_bn`. `forward` runs the model on a batch.
///
/// ```
/// use flambeau_nn::{BatchNorm1d, Call};
/// use flambeau_optim::swa_utils::update_bn;
/// use flambeau_tensor::tensor;
///
/// let model = BatchNorm1d::new(1).build()?;
/// let batches = [tensor!([[1.0], [3.0]]), tensor!([[5.0], [7.0]])];
/// update_bn(&model, batches.map(Ok), |x| model.call(&x).map(drop))?;
/// assert_eq!(model.running_mean.as_ref().unwrap().to_vec::<f32>()?, [4.0]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Those of the batches and of `forward`; where a layer's momentum is zero.
#[track_caller]
pub fn update_bn<X>(
    model: &impl Module,
    batches: impl IntoIterator<Item = Result<X>>,
    mut forward: impl FnMut(X) -> Result<()>,
) -> Result<()> {
    let mut norms = Vec::new();
    for (mean, var, momentum, reset) in model.modules().into_iter().filter_map(running) {
        reset?;
        ensure!(momentum != Some(0.0), Argument, "update_bn", "a layer with momentum 0 keeps no statistics");
        for buffer in [mean, var] {
            // A layer with a momentum sees each batch from zero, so that what it leaves is the batch's own part.
            norms.push((buffer.tensor().detach(), momentum, buffer.detach().zeros_like()?));
        }
    }
    if norms.is_empty() {
        return Ok(());
    }
    let training = model.is_training();
    model.train_mode(true);
    let seen = no_grad(|| {
        let mut seen = 0;
        for batch in batches {
            for (buffer, _, _) in norms.iter().filter(|(_, momentum, _)| momentum.is_some()) {
                buffer.zero_()?;
            }
            forward(batch?)?;
            seen += 1;
            for (buffer, momentum, sum) in &norms {
                if let Some(momentum) = momentum {
                    sum.add_(&buffer.div(*momentum)?)?;
                }
            }
        }
        if seen > 0 {
            for (buffer, _, sum) in norms.iter().filter(|(_, momentum, _)| momentum.is_some()) {
                buffer.copy_(&sum.div(f64::from(seen))?)?;
            }
        }
        Ok::<i32, flambeau_tensor::Error>(seen)
    });
    model.train_mode(training);
    match seen? {
        0 => bail!(Argument, "update_bn", "there are no batches"),
        _ => Ok(()),
    }
}
