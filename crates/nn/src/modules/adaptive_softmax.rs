//! [`AdaptiveLogSoftmaxWithLoss`], a softmax over very many classes, most of them rare.

use crate::{Call, Forward, Linear, Module, Sequential, Tensors};
use flambeau_tensor::{DType, Device, Result, Tensor, builder, cat, ensure, no_grad};

/// log softmax over very many classes, sorted by falling frequency, and the loss of the right ones, as
/// `torch.nn.AdaptiveLogSoftmaxWithLoss` (Grave et al., arXiv:1609.04309). The frequent classes, up to the first cutoff,
/// and the clusters of the others are the outputs of a head; the classes of a cluster are those of a tail of lower rank,
/// which is computed only for samples whose class is in it.
///
/// It is called with `[N, in_features]` and classes `[N]`, or `[in_features]` and one class.
///
/// ```
/// use flambeau_nn::{AdaptiveLogSoftmaxWithLoss, Call};
/// use flambeau_tensor::Tensor;
///
/// let softmax = AdaptiveLogSoftmaxWithLoss::new(16, 1000, [10, 100]).build()?;
/// let x = Tensor::randn([2, 16]).build()?;
/// let out = softmax.call((&x, &Tensor::from_vec(vec![3i64, 512], 2)?))?;
/// assert_eq!(out.output.shape(), [2]);
/// assert_eq!(softmax.log_prob(&x)?.shape(), [2, 1000]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
pub struct AdaptiveLogSoftmaxWithLoss {
    /// To the frequent classes and the clusters.
    pub head: Linear,
    /// Each to the classes of a cluster.
    pub tail: Vec<Sequential>,
    in_features: usize,
    #[module(skip)]
    cutoffs: Vec<usize>,
}

/// What [`AdaptiveLogSoftmaxWithLoss`] gives.
#[derive(Clone, Debug, Tensors)]
pub struct AdaptiveLogSoftmaxOutput {
    /// The logarithm of each right class's probability, `[N]`.
    pub output: Tensor,
    /// Minus the mean of it.
    pub loss: Tensor,
}

builder! {
    /// Options of [`AdaptiveLogSoftmaxWithLoss`].
    pub struct AdaptiveLogSoftmaxWithLossBuilder => AdaptiveLogSoftmaxWithLoss;
    new {
        in_features: usize,
        n_classes: usize,
        cutoffs: ~into Vec<usize>,
    }
    options {
        /// By how much the rank of each tail is below that of the one before, 4 unless set.
        div_value: f64 = 4.0,
        /// The head has a bias.
        head_bias: bool = false,
        /// The parameters' dtype, float32 unless set.
        dtype: DType = DType::DEFAULT,
        /// Where the parameters are, the CPU unless set.
        device: Device = Device::Cpu,
    }
}

const NAME: &str = "AdaptiveLogSoftmaxWithLoss";

impl AdaptiveLogSoftmaxWithLoss {
    #[track_caller]
    fn from_builder(b: AdaptiveLogSoftmaxWithLossBuilder) -> Result<Self> {
        let (mut cutoffs, n, input) = (b.cutoffs, b.n_classes, b.in_features);
        let rising = cutoffs.windows(2).all(|pair| pair[0] < pair[1]);
        ensure!(
            !cutoffs.is_empty() && rising && cutoffs[0] > 0 && cutoffs.last().is_some_and(|last| *last < n),
            Argument,
            NAME,
            "cutoffs {cutoffs:?} do not rise from at least 1 to below the {n} classes"
        );
        ensure!(b.div_value >= 1.0, Argument, NAME, "div_value = {} is below 1", b.div_value);
        cutoffs.push(n);
        let linear = |from: usize, to: usize| Linear::new(from, to).dtype(b.dtype).device(b.device);
        let head = linear(input, cutoffs[0].saturating_add(cutoffs.len() - 1)).bias(b.head_bias).build()?;
        let mut tail = Vec::with_capacity(cutoffs.len() - 1);
        let mut rank = input as f64;
        for cluster in cutoffs.windows(2) {
            rank /= b.div_value;
            let (rank, classes) = (rank as usize, cluster[1] - cluster[0]);
            tail.push(Sequential::of((linear(input, rank).bias(false), linear(rank, classes).bias(false)))?);
        }
        Ok(AdaptiveLogSoftmaxWithLoss { head, tail, in_features: input, cutoffs })
    }

    #[track_caller]
    fn batch(&self, x: &Tensor) -> Result<()> {
        let fits = x.rank() == 2 && x.shape()[1] == self.in_features;
        ensure!(fits, Shape, NAME, "the input {:?} is not [N, {}]", x.shape(), self.in_features);
        Ok(())
    }

    /// The logarithms of the probabilities of all classes for `[N, in_features]`: `[N, n_classes]`.
    ///
    /// # Errors
    /// Where the input has another shape.
    #[track_caller]
    pub fn log_prob(&self, x: &Tensor) -> Result<Tensor> {
        self.batch(x)?;
        self.all(x, &self.head.call(x)?)
    }

    /// The logarithms of all probabilities, given what the head makes of `x`.
    #[track_caller]
    fn all(&self, x: &Tensor, head: &Tensor) -> Result<Tensor> {
        let (head, frequent) = (head.log_softmax(1)?, self.cutoffs[0]);
        let mut parts = vec![head.narrow(1, 0, frequent)?];
        for (i, tail) in self.tail.iter().enumerate() {
            let cluster = head.narrow(1, (frequent + i) as isize, 1)?;
            parts.push(tail.call(x)?.log_softmax(1)?.add(&cluster)?);
        }
        cat(&parts, 1)
    }

    /// The most probable class of each of `[N, in_features]`: `[N]`. The tails are computed only where a cluster is the
    /// head's choice.
    ///
    /// # Errors
    /// Where the input has another shape.
    #[track_caller]
    pub fn predict(&self, x: &Tensor) -> Result<Tensor> {
        self.batch(x)?;
        no_grad(|| {
            let head = self.head.call(x)?;
            let best = head.argmax(1)?;
            let rare = best.ge(self.cutoffs[0] as i64)?.nonzero()?.reshape(-1)?;
            if rare.numel() == 0 {
                return Ok(best);
            }
            let among = self.all(&x.index_select(0, &rare)?, &head.index_select(0, &rare)?)?.argmax(1)?;
            best.index_copy(0, &rare, &among)
        })
    }
}

impl Forward<(&Tensor, &Tensor)> for AdaptiveLogSoftmaxWithLoss {
    type Output = AdaptiveLogSoftmaxOutput;

    #[track_caller]
    fn forward(&self, (x, target): (&Tensor, &Tensor)) -> Result<AdaptiveLogSoftmaxOutput> {
        if target.rank() == 0 && x.rank() == 1 {
            let one = self.forward((&x.unsqueeze(0)?, &target.unsqueeze(0)?))?;
            return Ok(AdaptiveLogSoftmaxOutput { output: one.output.squeeze(0)?, ..one });
        }
        self.batch(x)?;
        ensure!(
            target.rank() == 1 && target.shape()[0] == x.shape()[0] && target.dtype().is_int(),
            Shape,
            NAME,
            "the classes are {} {:?}, integers [{}] are right",
            target.dtype(),
            target.shape(),
            x.shape()[0]
        );
        let (frequent, last) = (self.cutoffs[0], self.cutoffs[self.cutoffs.len() - 1]);
        let target = &target.to_dtype(DType::I64)?;
        if target.numel() > 0 && target.device().has_data() {
            let (least, most) = (target.min_all()?.item::<i64>()?, target.max_all()?.item::<i64>()?);
            ensure!(
                least >= 0 && most < last as i64,
                Index,
                NAME,
                "classes between {least} and {most}, there are 0 to {}",
                last - 1
            );
        }
        // What the head is asked for: the class, or its cluster.
        let mut asked = target.clone();
        let mut output = Tensor::zeros(target.shape()).dtype(x.dtype()).device(x.device()).build()?;
        for (i, (tail, cluster)) in self.tail.iter().zip(self.cutoffs.windows(2)).enumerate() {
            let (low, high) = (cluster[0] as i64, cluster[1] as i64);
            let mask = target.ge(low)?.logical_and(&target.lt(high)?)?;
            let rows = mask.nonzero()?.reshape(-1)?;
            if rows.numel() == 0 {
                continue;
            }
            asked = asked.masked_fill(&mask, (frequent + i) as i64)?;
            let class = target.index_select(0, &rows)?.sub(low)?.unsqueeze(1)?;
            let within = tail.call(&x.index_select(0, &rows)?)?.log_softmax(1)?.gather(1, &class)?.squeeze(1)?;
            output = output.to_dtype(within.dtype())?.index_add(0, &rows, &within, 1)?;
        }
        let output = self.head.call(x)?.log_softmax(1)?.gather(1, &asked.unsqueeze(1)?)?.squeeze(1)?.add(&output)?;
        Ok(AdaptiveLogSoftmaxOutput { loss: output.mean(..)?.neg()?, output })
    }
}
