//! Losses as modules: `loss.call((&input, &target))`. They keep the options that the functions of
//! [`functional`](crate::functional) take.

use crate::functional::{self, Bce, BceWithLogits, CrossEntropy, Nll, Reduction};
use crate::print::{py_bool, py_float, py_tuple};
use crate::{Buffer, Call, Forward, Linear, Module, ModuleId};
use flambeau_tensor::{DType, Device, Result, Tensor, bail, builder, ensure};

macro_rules! losses {
    ($(
        $(#[$doc:meta])* $Name:ident, $Builder:ident {
            $($(#[$option_doc:meta])* $option:ident: $t:ty = $default:expr,)*
        }
        |$s:ident, $input:ident, $target:ident| $forward:expr;
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

        impl Forward<(&Tensor, &Tensor)> for $Name {
            type Output = Tensor;

            #[track_caller]
            fn forward(&self, ($input, $target): (&Tensor, &Tensor)) -> Result<Tensor> {
                let $s = self;
                $forward
            }
        }
    )*};
}

losses! {
    /// (x − y)², as `torch.nn.MSELoss`.
    MSELoss, MSELossBuilder {} |s, x, y| functional::mse_loss_with(x, y, s.reduction);
    /// |x − y|, as `torch.nn.L1Loss`.
    L1Loss, L1LossBuilder {} |s, x, y| functional::l1_loss_with(x, y, s.reduction);
    /// (x − y)² / 2β near 0, |x − y| − β / 2 from β on, as `torch.nn.SmoothL1Loss`.
    SmoothL1Loss, SmoothL1LossBuilder {
        /// Where the square ends, 1 unless set.
        beta: f64 = 1.0,
    }
    |s, x, y| functional::smooth_l1_loss_with(x, y, s.beta, s.reduction);
    /// (x − y)² / 2 near 0, δ (|x − y| − δ / 2) from δ on, as `torch.nn.HuberLoss`.
    HuberLoss, HuberLossBuilder {
        /// Where the square ends, 1 unless set.
        delta: f64 = 1.0,
    }
    |s, x, y| functional::huber_loss_with(x, y, s.delta, s.reduction);
    /// y (log y − x) for logarithms x of probabilities, as `torch.nn.KLDivLoss`.
    KLDivLoss, KLDivLossBuilder {
        /// The target is given as logarithms too.
        log_target: bool = false,
    }
    |s, x, y| functional::kl_div_with(x, y, s.log_target, s.reduction);
}

macro_rules! with_weight {
    ($($(#[$doc:meta])* $Name:ident, $Builder:ident { $($(#[$tensor_doc:meta])* $tensor:ident),* } |$s:ident, $x:ident, $y:ident| $forward:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        pub struct $Name {
            $($(#[$tensor_doc])* pub $tensor: Option<Buffer>,)*
            #[module(skip)]
            reduction: Reduction,
            id: ModuleId,
        }

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {}
            options {
                $($(#[$tensor_doc])* $tensor: ~into Option<Tensor> = None,)*
                /// What becomes of the losses of all elements: their mean unless set.
                reduction: Reduction = Reduction::Mean,
            }
        }

        impl $Name {
            fn from_builder(b: $Builder) -> Result<Self> {
                Ok($Name { $($tensor: b.$tensor.map(Buffer::new),)* reduction: b.reduction, id: ModuleId::new() })
            }
        }

        impl Forward<(&Tensor, &Tensor)> for $Name {
            type Output = Tensor;

            #[track_caller]
            fn forward(&self, ($x, $y): (&Tensor, &Tensor)) -> Result<Tensor> {
                let $s = self;
                $forward
            }
        }
    )*};
}

with_weight! {
    /// −y log x − (1 − y) log(1 − x) for probabilities x, as `torch.nn.BCELoss`.
    BCELoss, BCELossBuilder {
        /// Factors of the losses; broadcast to them.
        weight
    }
    |s, x, y| functional::binary_cross_entropy_with(x, y, Bce { weight: s.weight.as_deref(), reduction: s.reduction });
    /// [`BCELoss`] of σ(x), exact for large x, as `torch.nn.BCEWithLogitsLoss`.
    BCEWithLogitsLoss, BCEWithLogitsLossBuilder {
        /// Factors of the losses; broadcast to them.
        weight,
        /// Factors of what is lost where y is 1; broadcast to it.
        pos_weight
    }
    |s, x, y| functional::binary_cross_entropy_with_logits_with(x, y, BceWithLogits {
        weight: s.weight.as_deref(), pos_weight: s.pos_weight.as_deref(), reduction: s.reduction,
    });
}

/// −x at the right class, for logarithms `[N, C, …]` of probabilities and classes `[N, …]`, as
/// `torch.nn.NLLLoss`.
#[derive(Module)]
pub struct NLLLoss {
    /// Factors of the classes' losses, `[C]`.
    pub weight: Option<Buffer>,
    ignore_index: i64,
    #[module(skip)]
    reduction: Reduction,
    id: ModuleId,
}

builder! {
    /// Options of [`NLLLoss`].
    pub struct NLLLossBuilder => NLLLoss;
    new {}
    options {
        /// Factors of the classes' losses, `[C]`; the mean is weighted by them.
        weight: ~into Option<Tensor> = None,
        /// Places where the target is this number do not count; −100 unless set.
        ignore_index: i64 = -100,
        /// What becomes of the losses of all places: their mean unless set.
        reduction: Reduction = Reduction::Mean,
    }
}

impl NLLLoss {
    fn from_builder(b: NLLLossBuilder) -> Result<Self> {
        Ok(NLLLoss {
            weight: b.weight.map(Buffer::new),
            ignore_index: b.ignore_index,
            reduction: b.reduction,
            id: ModuleId::new(),
        })
    }
}

impl Forward<(&Tensor, &Tensor)> for NLLLoss {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (input, target): (&Tensor, &Tensor)) -> Result<Tensor> {
        let options =
            Nll { weight: self.weight.as_deref(), ignore_index: self.ignore_index, reduction: self.reduction };
        functional::nll_loss_with(input, target, options)
    }
}

/// −log softmax(x) at the right class, for `[N, C, …]` and classes `[N, …]`; or, for probabilities
/// `[N, C, …]`, the sum over all classes. As `torch.nn.CrossEntropyLoss`.
///
/// ```
/// use flambeau_nn::{Call, CrossEntropyLoss};
/// use flambeau_tensor::Tensor;
///
/// let criterion = CrossEntropyLoss::new().label_smoothing(0.1).build()?;
/// let loss = criterion.call((&Tensor::zeros([2, 4]).build()?, &Tensor::from_vec(vec![0i64, 3], 2)?))?;
/// assert!((loss.item::<f64>()? - 4f64.ln()).abs() < 1e-6);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
pub struct CrossEntropyLoss {
    /// Factors of the classes' losses, `[C]`.
    pub weight: Option<Buffer>,
    ignore_index: i64,
    #[module(skip)]
    reduction: Reduction,
    label_smoothing: f64,
    id: ModuleId,
}

builder! {
    /// Options of [`CrossEntropyLoss`].
    pub struct CrossEntropyLossBuilder => CrossEntropyLoss;
    new {}
    options {
        /// Factors of the classes' losses, `[C]`; the mean is weighted by them.
        weight: ~into Option<Tensor> = None,
        /// Places where the target is this number do not count; −100 unless set.
        ignore_index: i64 = -100,
        /// What becomes of the losses of all places: their mean unless set.
        reduction: Reduction = Reduction::Mean,
        /// How much of the target is spread over all classes, 0 unless set.
        label_smoothing: f64 = 0.0,
    }
}

impl CrossEntropyLoss {
    #[track_caller]
    fn from_builder(b: CrossEntropyLossBuilder) -> Result<Self> {
        let label_smoothing = b.label_smoothing;
        ensure!(
            (0.0..=1.0).contains(&label_smoothing),
            Argument,
            "CrossEntropyLoss",
            "label_smoothing = {label_smoothing} is not between 0 and 1"
        );
        let weight = b.weight.map(Buffer::new);
        Ok(CrossEntropyLoss {
            weight,
            ignore_index: b.ignore_index,
            reduction: b.reduction,
            label_smoothing,
            id: ModuleId::new(),
        })
    }
}

impl Forward<(&Tensor, &Tensor)> for CrossEntropyLoss {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (input, target): (&Tensor, &Tensor)) -> Result<Tensor> {
        let options = CrossEntropy {
            weight: self.weight.as_deref(),
            ignore_index: self.ignore_index,
            reduction: self.reduction,
            label_smoothing: self.label_smoothing,
        };
        functional::cross_entropy_with(input, target, options)
    }
}

/// [`CrossEntropyLoss`] of a linear layer of its own, as `torch.nn.LinearCrossEntropyLoss`: `[N, in_features]` and classes
/// `[N]` or, with `out_features` d…, `[N, d…]`; or `[in_features]` and one class.
#[derive(Module)]
#[module(extra_repr = "LinearCrossEntropyLoss::describe")]
pub struct LinearCrossEntropyLoss {
    /// Factors of the classes' losses, `[num_classes]`.
    pub weight: Option<Buffer>,
    /// To the logits, `[num_classes · d…, in_features]`.
    pub linear: Linear,
    num_classes: usize,
    #[module(skip)]
    out_features: Vec<usize>,
    #[module(skip)]
    reduction: Reduction,
    ignore_index: Option<i64>,
    label_smoothing: f64,
}

builder! {
    /// Options of [`LinearCrossEntropyLoss`].
    pub struct LinearCrossEntropyLossBuilder => LinearCrossEntropyLoss;
    new {
        in_features: usize,
        num_classes: usize,
    }
    options {
        /// The dimensions of a sample's classes; one class unless set.
        out_features: ~into Vec<usize> = Vec::new(),
        /// The layer has a bias.
        bias: bool = false,
        /// What becomes of the losses of all places: their mean unless set.
        reduction: Reduction = Reduction::Mean,
        /// Factors of the classes' losses, `[num_classes]`; the mean is weighted by them.
        weight: ~into Option<Tensor> = None,
        /// Places where the target is this number do not count; −100 unless set.
        ignore_index: ~into Option<i64> = None,
        /// How much of the target is spread over all classes, 0 unless set.
        label_smoothing: f64 = 0.0,
        /// The layer's dtype, float32 unless set.
        dtype: DType = DType::DEFAULT,
        /// Where the layer is, the CPU unless set.
        device: Device = Device::Cpu,
    }
}

impl LinearCrossEntropyLoss {
    #[track_caller]
    fn from_builder(b: LinearCrossEntropyLossBuilder) -> Result<Self> {
        const NAME: &str = "LinearCrossEntropyLoss";
        let (n, label_smoothing) = (b.num_classes, b.label_smoothing);
        ensure!(
            (0.0..=1.0).contains(&label_smoothing),
            Argument,
            NAME,
            "label_smoothing = {label_smoothing} is not between 0 and 1"
        );
        if let Some(weight) = &b.weight {
            ensure!(weight.shape() == [n], Shape, NAME, "the weight is {:?}, there are {n} classes", weight.shape());
        }
        let outputs = b.out_features.iter().try_fold(n, |n, d| n.checked_mul(*d));
        let Some(outputs) = outputs else { bail!(Argument, NAME, "{n} classes of {:?} are too many", b.out_features) };
        let linear = Linear::new(b.in_features, outputs).bias(b.bias).dtype(b.dtype).device(b.device).build()?;
        Ok(LinearCrossEntropyLoss {
            weight: b.weight.map(Buffer::new),
            linear,
            num_classes: n,
            out_features: b.out_features,
            reduction: b.reduction,
            ignore_index: b.ignore_index,
            label_smoothing,
        })
    }

    fn describe(&self) -> String {
        let reduction = match self.reduction {
            Reduction::None => "none",
            Reduction::Mean => "mean",
            Reduction::Sum => "sum",
            Reduction::BatchMean => "batchmean",
        };
        format!(
            "in_features={}, num_classes={}, out_features={}, bias={}, reduction={reduction}, ignore_index={}, \
             label_smoothing={}, options=None",
            self.linear.weight.shape().last().copied().unwrap_or(0),
            self.num_classes,
            py_tuple(&self.out_features),
            py_bool(self.linear.bias.is_some()),
            self.ignore_index.map_or("None".to_string(), |i| i.to_string()),
            py_float(self.label_smoothing),
        )
    }
}

impl Forward<(&Tensor, &Tensor)> for LinearCrossEntropyLoss {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (input, target): (&Tensor, &Tensor)) -> Result<Tensor> {
        let logits = self.linear.call(input)?;
        let shape: Vec<usize> = match input.shape() {
            [lead @ .., _] => lead.iter().chain([&self.num_classes]).chain(&self.out_features).copied().collect(),
            [] => Vec::new(),
        };
        let options = CrossEntropy {
            weight: self.weight.as_deref(),
            ignore_index: self.ignore_index.unwrap_or(-100),
            reduction: self.reduction,
            label_smoothing: self.label_smoothing,
        };
        functional::cross_entropy_with(logits.reshape(shape)?, target, options)
    }
}
