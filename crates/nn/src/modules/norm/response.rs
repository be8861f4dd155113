//! Layers that divide by the activity of neighbouring channels.

use crate::print::{py_float, py_number};
use crate::{Forward, Module, ModuleId, functional};
use flambeau_tensor::{Result, Tensor, builder, ensure};

macro_rules! responses {
    ($($(#[$doc:meta])* $Name:ident, $Builder:ident, $function:ident, $print:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            size: usize,
            alpha: f64,
            beta: f64,
            k: f64,
            id: ModuleId,
        }

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {
                size: usize,
            }
            options {
                /// The factor of the mean of squares, 1e-4 unless set.
                alpha: f64 = 1e-4,
                /// The exponent, 0.75 unless set.
                beta: f64 = 0.75,
                /// Added to the mean of squares, 1 unless set.
                k: f64 = 1.0,
            }
        }

        impl $Name {
            #[track_caller]
            fn from_builder(b: $Builder) -> Result<Self> {
                ensure!(b.size > 0, Argument, stringify!($Name), "size must be at least 1");
                Ok($Name { size: b.size, alpha: b.alpha, beta: b.beta, k: b.k, id: ModuleId::new() })
            }

            fn describe(&self) -> String {
                let (alpha, beta, k) = (py_float(self.alpha), py_float(self.beta), $print(self.k));
                format!("{}, alpha={alpha}, beta={beta}, k={k}", self.size)
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                functional::$function(x, self.size, self.alpha, self.beta, self.k)
            }
        }
    )*};
}

responses! {
    /// Each element of `[N, C, …]` divided by (k + α · the mean of squares of `size` channels around it)^β, as
    /// `torch.nn.LocalResponseNorm` (Krizhevsky et al. 2012).
    LocalResponseNorm, LocalResponseNormBuilder, local_response_norm, py_float;
    /// As [`LocalResponseNorm`], over the channels that `torch.nn.CrossMapLRN2d` sums for `[N, C, H, W]`: an odd number
    /// of them around each, and the first channel, which PyTorch never takes out of the sum. Its results are PyTorch's;
    /// its gradient is that of these results.
    CrossMapLRN2d, CrossMapLRN2dBuilder, cross_map_lrn2d, py_number;
}
