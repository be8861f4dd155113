//! What the builders of all families of networks share, and what their makers do to the layers of a fresh network.

use flambeau_nn::{Conv2d, Linear, Module, init};
use flambeau_tensor::Result;

/// Writes the builder of a family: `fixed` is what the function that names the network says, `options` is what its
/// caller may set. The builder's own `make(&self)` makes the network with its first values.
macro_rules! model_builder {
    (
        $(#[$meta:meta])*
        pub struct $Builder:ident => $Model:ty;
        fixed { $($fixed:ident: $fixed_ty:ty),* $(,)? }
        options { $($(#[$opt_meta:meta])* $opt:ident: $(~ $into:ident)? $opt_ty:ty = $default:expr),* $(,)? }
        $(then $after:ident)?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        #[must_use = "a builder makes nothing until `build()`"]
        pub struct $Builder {
            name: &'static str,
            num_classes: Option<usize>,
            weights: Option<&'static $crate::models::WeightsEntry>,
            weights_file: Option<std::path::PathBuf>,
            $($fixed: $fixed_ty,)*
            $($opt: $opt_ty,)*
        }

        #[allow(clippy::useless_conversion)]
        impl $Builder {
            fn of(name: &'static str $(, $fixed: $fixed_ty)*) -> Self {
                $Builder { name, num_classes: None, weights: None, weights_file: None, $($fixed,)* $($opt: $default,)* }
            }

            /// How many classes there are; those of the weights where there are some, else as many as torchvision's
            /// own weights tell apart.
            pub fn num_classes(mut self, num_classes: usize) -> Self {
                self.num_classes = Some(num_classes);
                self
            }

            /// With weights of torchvision's, read from the file that
            /// [`WeightsEntry::path`]($crate::models::WeightsEntry::path) tells. None unless set.
            pub fn weights(mut self, weights: &'static $crate::models::WeightsEntry) -> Self {
                self.weights = Some(weights);
                self
            }

            /// Where the file of the [`weights`](Self::weights) is, if not in `FLAMBEAU_HOME`.
            pub fn weights_file(mut self, path: impl Into<std::path::PathBuf>) -> Self {
                self.weights_file = Some(path.into());
                self
            }

            $(
                $(#[$opt_meta])*
                pub fn $opt(mut self, $opt: $crate::models::builder::model_builder!(@arg $($into)? $opt_ty)) -> Self {
                    self.$opt = $opt.into();
                    self
                }
            )*

            /// The classes asked for, those of the weights, or `default`.
            #[allow(dead_code)] // not every network tells classes apart
            fn classes(&self, default: usize) -> usize {
                let known = || self.weights.map(|weights| weights.categories().len()).filter(|classes| *classes > 0);
                self.num_classes.or_else(known).unwrap_or(default)
            }

            /// Makes it.
            ///
            /// # Errors
            /// Where the options do not go together, or the weights are of another network or their file is missing
            /// or damaged.
            #[track_caller]
            pub fn build(self) -> flambeau_tensor::Result<$Model> {
                let line = std::panic::Location::caller();
                let made = || {
                    match self.weights {
                        Some(weights) => weights.ensure_of(self.name)?,
                        None => flambeau_tensor::ensure!(
                            self.weights_file.is_none(),
                            Argument,
                            self.name,
                            "weights_file tells where weights are, but not which: set weights, too"
                        ),
                    }
                    #[allow(unused_mut)]
                    let mut model = self.make()?;
                    if let Some(weights) = self.weights {
                        weights.load_into(&model, self.weights_file.as_deref())?;
                    }
                    $(self.$after(&mut model);)?
                    Ok(model)
                };
                made().map_err(|e: flambeau_tensor::Error| e.located(line))
            }
        }

        impl flambeau_tensor::Build for $Builder {
            type Output = $Model;
            #[track_caller]
            fn build(self) -> flambeau_tensor::Result<$Model> {
                $Builder::build(self)
            }
        }
    };
    (@arg into $ty:ty) => { impl Into<$ty> };
    (@arg $ty:ty) => { $ty };
}
pub(crate) use model_builder;

/// Writes the functions that name the networks of a family: what is fixed in brackets, other defaults after it.
macro_rules! model_functions {
    ($Builder:ident: $($(#[$doc:meta])* $name:ident($($fixed:expr),* $(,)?) $(.$option:ident($value:expr))*;)*) => {$(
        $(#[$doc])*
        pub fn $name() -> $Builder {
            $Builder::of(stringify!($name), $($fixed),*)$(.$option($value))*
        }
    )*};
}
pub(crate) use model_functions;

/// `value`, or what it is nearest to that `divisor` divides, not more than a tenth below it; at least `divisor`.
pub(crate) fn make_divisible(value: f64, divisor: usize) -> usize {
    let nearest = ((value + divisor as f64 / 2.0) as usize / divisor * divisor).max(divisor);
    if (nearest as f64) < 0.9 * value { nearest + divisor } else { nearest }
}

/// Calls `f` with every convolution and linear layer of `model`, in the order in which they are listed.
#[track_caller]
pub(crate) fn fill(model: &dyn Module, f: impl Fn(Weighted<'_>) -> Result<()>) -> Result<()> {
    for module in model.modules() {
        if let Some(conv) = module.downcast_ref::<Conv2d>() {
            f(Weighted::Conv2d(conv))?;
        } else if let Some(linear) = module.downcast_ref::<Linear>() {
            f(Weighted::Linear(linear))?;
        }
    }
    Ok(())
}

/// A layer whose weight is drawn.
pub(crate) enum Weighted<'a> {
    /// a convolution
    Conv2d(&'a Conv2d),
    /// a linear layer
    Linear(&'a Linear),
}

impl Weighted<'_> {
    /// Its weight.
    pub(crate) fn weight(&self) -> &flambeau_tensor::Tensor {
        match self {
            Weighted::Conv2d(conv) => &conv.weight,
            Weighted::Linear(linear) => &linear.weight,
        }
    }

    /// Its bias, where it has one.
    pub(crate) fn bias(&self) -> Option<&flambeau_tensor::Tensor> {
        match self {
            Weighted::Conv2d(conv) => conv.bias.as_deref(),
            Weighted::Linear(linear) => linear.bias.as_deref(),
        }
    }

    /// Its bias becomes zero, where it has one.
    #[track_caller]
    pub(crate) fn without_bias(&self) -> Result<()> {
        self.bias().map_or(Ok(()), |bias| init::zeros_(bias).map(drop))
    }
}

/// What the mobile networks begin with: convolutions by their outputs (He et al. 2015), linear layers near zero,
/// biases zero.
#[track_caller]
pub(crate) fn fill_mobile(model: &dyn Module) -> Result<()> {
    fill(model, |layer| {
        match &layer {
            Weighted::Conv2d(conv) => {
                init::kaiming_normal_(&conv.weight, init::Fan::Out, init::Nonlinearity::default())?
            }
            Weighted::Linear(linear) => init::normal_(&linear.weight, 0.0, 0.01)?,
        };
        layer.without_bias()
    })
}
