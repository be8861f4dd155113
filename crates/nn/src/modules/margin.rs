//! Losses with a margin, and likelihoods, as modules. They keep the options that the functions of
//! [`functional`](crate::functional) take.

use crate::functional::{self, Reduction, TripletMargin};
use crate::{Buffer, Call, Forward, Module, ModuleId, PairwiseDistance, Part};
use flambeau_tensor::{Result, Tensor, builder, ensure};

/// The type of one of several inputs.
macro_rules! each {
    ($x:ident) => {
        &Tensor
    };
}

macro_rules! losses {
    ($(
        $(#[$doc:meta])* $Name:ident, $Builder:ident { $($(#[$option_doc:meta])* $option:ident: $t:ty = $default:expr,)* }
        |$s:ident, $($x:ident),+| $forward:expr;
    )*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        pub struct $Name {
            $(#[module(skip)] $option: $t,)*
            #[module(skip)]
            reduction: Reduction,
            id: ModuleId,
        }

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {}
            options {
                $($(#[$option_doc])* $option: $t = $default,)*
                /// What becomes of the losses of all elements: their mean unless set.
                reduction: Reduction = Reduction::Mean,
            }
        }

        impl $Name {
            fn from_builder(b: $Builder) -> Result<Self> {
                Ok($Name { $($option: b.$option,)* reduction: b.reduction, id: ModuleId::new() })
            }
        }

        impl Forward<($(each!($x),)+)> for $Name {
            type Output = Tensor;

            #[track_caller]
            fn forward(&self, ($($x,)+): ($(each!($x),)+)) -> Result<Tensor> {
                let $s = self;
                $forward
            }
        }
    )*};
}

losses! {
    /// max(0, margin − y (x₁ − x₂)), as `torch.nn.MarginRankingLoss`.
    MarginRankingLoss, MarginRankingLossBuilder {
        /// The margin, 0 unless set.
        margin: f64 = 0.0,
    }
    |s, input1, input2, target| functional::margin_ranking_loss_with(input1, input2, target, s.margin, s.reduction);

    /// x where y is 1, max(0, margin − x) where it is −1, as `torch.nn.HingeEmbeddingLoss`.
    HingeEmbeddingLoss, HingeEmbeddingLossBuilder {
        /// The margin, 1 unless set.
        margin: f64 = 1.0,
    }
    |s, input, target| functional::hinge_embedding_loss_with(input, target, s.margin, s.reduction);

    /// 1 − cos(x₁, x₂) where y is 1, max(0, cos(x₁, x₂) − margin) where it is −1, as `torch.nn.CosineEmbeddingLoss`.
    CosineEmbeddingLoss, CosineEmbeddingLossBuilder {
        /// The margin, 0 unless set.
        margin: f64 = 0.0,
    }
    |s, input1, input2, target| functional::cosine_embedding_loss_with(input1, input2, target, s.margin, s.reduction);

    /// log(1 + exp(−y x)), as `torch.nn.SoftMarginLoss`.
    SoftMarginLoss, SoftMarginLossBuilder {}
    |s, input, target| functional::soft_margin_loss_with(input, target, s.reduction);

    /// Σ max(0, 1 − x_j + x_i) / C over target classes j and other classes i, as `torch.nn.MultiLabelMarginLoss`.
    MultiLabelMarginLoss, MultiLabelMarginLossBuilder {}
    |s, input, target| functional::multilabel_margin_loss_with(input, target, s.reduction);

    /// eˣ − y x for logarithms x of expected counts, as `torch.nn.PoissonNLLLoss`.
    PoissonNLLLoss, PoissonNLLLossBuilder {
        /// The input is of logarithms (the default).
        log_input: bool = true,
        /// With Stirling's term.
        full: bool = false,
        /// Added to the input before its logarithm is taken, 1e-8 unless set.
        eps: f64 = 1e-8,
    }
    |s, input, target| functional::poisson_nll_loss_with(input, target, s.log_input, s.full, s.eps, s.reduction);

    /// (log v + (x − y)² / v) / 2 for variances v, as `torch.nn.GaussianNLLLoss`.
    GaussianNLLLoss, GaussianNLLLossBuilder {
        /// With the constant log(2π) / 2.
        full: bool = false,
        /// What variances do not fall below, 1e-6 unless set.
        eps: f64 = 1e-6,
    }
    |s, input, target, var| functional::gaussian_nll_loss_with(input, target, var, s.full, s.eps, s.reduction);
}

/// max(0, d(anchor, positive) − d(anchor, negative) + margin) for distances d in the p-norm, as
/// `torch.nn.TripletMarginLoss` (Balntas et al. 2016). It is called with anchors, positives and negatives, `[N, D]`.
#[derive(Module)]
pub struct TripletMarginLoss {
    #[module(skip)]
    options: TripletMargin,
    id: ModuleId,
}

builder! {
    /// Options of [`TripletMarginLoss`].
    pub struct TripletMarginLossBuilder => TripletMarginLoss;
    new {}
    options {
        /// The margin, 1 unless set.
        margin: f64 = 1.0,
        /// The norm's order, 2 unless set.
        p: f64 = 2.0,
        /// Added to each difference, 1e-6 unless set.
        eps: f64 = 1e-6,
        /// Take the distance from positive to negative where it is the smaller one.
        swap: bool = false,
        /// What becomes of the losses of all samples: their mean unless set.
        reduction: Reduction = Reduction::Mean,
    }
}

impl TripletMarginLoss {
    fn from_builder(b: TripletMarginLossBuilder) -> Result<Self> {
        let TripletMarginLossBuilder { margin, p, eps, swap, reduction } = b;
        ensure!(margin > 0.0, Argument, "TripletMarginLoss", "margin = {margin} is not above 0");
        Ok(TripletMarginLoss { options: TripletMargin { margin, p, eps, swap, reduction }, id: ModuleId::new() })
    }
}

impl Forward<(&Tensor, &Tensor, &Tensor)> for TripletMarginLoss {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (anchor, positive, negative): (&Tensor, &Tensor, &Tensor)) -> Result<Tensor> {
        functional::triplet_margin_loss_with(anchor, positive, negative, self.options)
    }
}

/// [`TripletMarginLoss`] for any distance, a module of two inputs, as `torch.nn.TripletMarginWithDistanceLoss`.
///
/// ```
/// use flambeau_nn::{Call, PairwiseDistance, TripletMarginWithDistanceLoss};
/// use flambeau_tensor::Tensor;
///
/// let criterion = TripletMarginWithDistanceLoss::new(PairwiseDistance::new().p(1.0).build()?).margin(0.5);
/// let x = Tensor::zeros([4, 3]).build()?;
/// assert_eq!(criterion.call((&x, &x, &x))?.item::<f32>()?, 0.5);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
pub struct TripletMarginWithDistanceLoss<D = PairwiseDistance> {
    /// The distance of two tensors.
    pub distance_function: D,
    margin: f64,
    swap: bool,
    #[module(skip)]
    reduction: Reduction,
    id: ModuleId,
}

impl<D> TripletMarginWithDistanceLoss<D> {
    /// With the margin 1.
    pub fn new(distance_function: D) -> Self {
        let (swap, reduction, id) = (false, Reduction::Mean, ModuleId::new());
        TripletMarginWithDistanceLoss { distance_function, margin: 1.0, swap, reduction, id }
    }

    /// The margin, 1 unless set.
    #[must_use]
    pub fn margin(self, margin: f64) -> Self {
        TripletMarginWithDistanceLoss { margin, ..self }
    }

    /// Take the distance from positive to negative where it is the smaller one.
    #[must_use]
    pub fn swap(self, swap: bool) -> Self {
        TripletMarginWithDistanceLoss { swap, ..self }
    }

    /// What becomes of the losses of all samples: their mean unless set.
    #[must_use]
    pub fn reduction(self, reduction: Reduction) -> Self {
        TripletMarginWithDistanceLoss { reduction, ..self }
    }
}

impl<D: Part> Forward<(&Tensor, &Tensor, &Tensor)> for TripletMarginWithDistanceLoss<D>
where
    D: for<'a> Forward<(&'a Tensor, &'a Tensor), Output = Tensor>,
{
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (anchor, positive, negative): (&Tensor, &Tensor, &Tensor)) -> Result<Tensor> {
        let distance = |x: &Tensor, y: &Tensor| self.distance_function.call((x, y));
        let options = TripletMargin {
            margin: self.margin,
            swap: self.swap,
            reduction: self.reduction,
            ..TripletMargin::default()
        };
        functional::triplet_margin_with_distance_loss(anchor, positive, negative, distance, options)
    }
}

/// Σ max(0, margin − x_y + x_j)ᵖ / C over the classes j ≠ y, as `torch.nn.MultiMarginLoss`.
#[derive(Module)]
pub struct MultiMarginLoss {
    /// Factors of the classes' samples, `[C]`.
    pub weight: Option<Buffer>,
    p: u32,
    margin: f64,
    #[module(skip)]
    reduction: Reduction,
    id: ModuleId,
}

builder! {
    /// Options of [`MultiMarginLoss`].
    pub struct MultiMarginLossBuilder => MultiMarginLoss;
    new {}
    options {
        /// The power, 1 (unless set) or 2.
        p: u32 = 1,
        /// The margin, 1 unless set.
        margin: f64 = 1.0,
        /// Factors of the classes' samples, `[C]`.
        weight: ~into Option<Tensor> = None,
        /// What becomes of the losses of all samples: their mean unless set.
        reduction: Reduction = Reduction::Mean,
    }
}

impl MultiMarginLoss {
    fn from_builder(b: MultiMarginLossBuilder) -> Result<Self> {
        ensure!(matches!(b.p, 1 | 2), Argument, "MultiMarginLoss", "p = {} is neither 1 nor 2", b.p);
        let weight = b.weight.map(Buffer::new);
        Ok(MultiMarginLoss { weight, p: b.p, margin: b.margin, reduction: b.reduction, id: ModuleId::new() })
    }
}

impl Forward<(&Tensor, &Tensor)> for MultiMarginLoss {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (input, target): (&Tensor, &Tensor)) -> Result<Tensor> {
        let weight = self.weight.as_deref();
        functional::multi_margin_loss_with(input, target, self.p, self.margin, weight, self.reduction)
    }
}

/// −y log σ(x) − (1 − y) log σ(−x), the mean over classes, as `torch.nn.MultiLabelSoftMarginLoss`.
#[derive(Module)]
pub struct MultiLabelSoftMarginLoss {
    /// Factors of the classes' losses, `[C]`.
    pub weight: Option<Buffer>,
    #[module(skip)]
    reduction: Reduction,
    id: ModuleId,
}

builder! {
    /// Options of [`MultiLabelSoftMarginLoss`].
    pub struct MultiLabelSoftMarginLossBuilder => MultiLabelSoftMarginLoss;
    new {}
    options {
        /// Factors of the classes' losses, `[C]`.
        weight: ~into Option<Tensor> = None,
        /// What becomes of the losses of all samples: their mean unless set.
        reduction: Reduction = Reduction::Mean,
    }
}

impl MultiLabelSoftMarginLoss {
    fn from_builder(b: MultiLabelSoftMarginLossBuilder) -> Result<Self> {
        Ok(MultiLabelSoftMarginLoss { weight: b.weight.map(Buffer::new), reduction: b.reduction, id: ModuleId::new() })
    }
}

impl Forward<(&Tensor, &Tensor)> for MultiLabelSoftMarginLoss {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (input, target): (&Tensor, &Tensor)) -> Result<Tensor> {
        functional::multilabel_soft_margin_loss_with(input, target, self.weight.as_deref(), self.reduction)
    }
}
