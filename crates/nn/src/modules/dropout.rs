//! Layers that drop at random while they train.

use crate::print::{py_bool, py_float};
use crate::{Forward, Mode, Module, functional};
use flambeau_tensor::{Result, Tensor, builder, ensure};

macro_rules! dropouts {
    ($($(#[$doc:meta])* $Name:ident, $Builder:ident, $function:ident, $name:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            p: f64,
            inplace: bool,
            mode: Mode,
        }

        builder! {
            #[doc = concat!("Options of [`", $name, "`].")]
            pub struct $Builder => $Name;
            new {
                p: f64,
            }
            options {
                /// Write into the input.
                inplace: bool = false,
            }
        }

        impl $Name {
            #[track_caller]
            fn from_builder(b: $Builder) -> Result<Self> {
                ensure!((0.0..=1.0).contains(&b.p), Argument, $name, "p = {} is not a probability", b.p);
                Ok($Name { p: b.p, inplace: b.inplace, mode: Mode::new() })
            }

            fn describe(&self) -> String {
                format!("p={}, inplace={}", py_float(self.p), py_bool(self.inplace))
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                if self.inplace && stringify!($function) == "dropout" {
                    return functional::dropout_(x, self.p, self.mode.is_training()).cloned();
                }
                let y = functional::$function(x, self.p, self.mode.is_training())?;
                if self.inplace && self.mode.is_training() { x.copy_(&y).cloned() } else { Ok(y) }
            }
        }
    )*};
}

dropouts! {
    /// While training, zeroes each element with probability `p` (PyTorch's default is 0.5) and divides the others by 1 − p, as
    /// `torch.nn.Dropout`; gives its input back in evaluation.
    ///
    /// ```
    /// use flambeau_nn::{Dropout, Call, Module};
    /// use flambeau_tensor::Tensor;
    ///
    /// let dropout = Dropout::new(0.25).build()?;
    /// dropout.eval();
    /// assert_eq!(dropout.call(&Tensor::ones(3).build()?)?.to_vec::<f32>()?, [1.0; 3]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    Dropout, DropoutBuilder, dropout, "Dropout";
    /// [`Dropout`] of whole channels of `[N, C, L]`, as `torch.nn.Dropout1d`.
    Dropout1d, Dropout1dBuilder, dropout1d, "Dropout1d";
    /// [`Dropout`] of whole channels of `[N, C, H, W]`, as `torch.nn.Dropout2d`.
    Dropout2d, Dropout2dBuilder, dropout2d, "Dropout2d";
    /// [`Dropout`] of whole channels of `[N, C, D, H, W]`, as `torch.nn.Dropout3d`.
    Dropout3d, Dropout3dBuilder, dropout3d, "Dropout3d";
    /// Dropout that keeps the mean and variance of what [`SELU`](crate::SELU) gives, as `torch.nn.AlphaDropout`
    /// (Klambauer et al., arXiv:1706.02515).
    AlphaDropout, AlphaDropoutBuilder, alpha_dropout, "AlphaDropout";
    /// [`AlphaDropout`] of whole channels of `[N, C, …]`, as `torch.nn.FeatureAlphaDropout`.
    FeatureAlphaDropout, FeatureAlphaDropoutBuilder, feature_alpha_dropout, "FeatureAlphaDropout";
}
