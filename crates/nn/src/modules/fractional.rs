//! Pools whose windows are laid out at random.

use super::resample::OutputSize;
use crate::{Buffer, Forward, Module, ModuleId};
use flambeau_tensor::shape::Spatial;
use flambeau_tensor::{Result, Tensor, ValuesIndices, bail, builder, ensure};

macro_rules! pools {
    ($($(#[$doc:meta])* $Name:ident, $Builder:ident, $function:ident, $rank:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        pub struct $Name {
            #[module(skip)]
            kernel_size: Spatial,
            #[module(skip)]
            output_size: Option<Spatial>,
            #[module(skip)]
            output_ratio: Option<Vec<f64>>,
            #[module(name = "_random_samples")]
            samples: Option<Buffer>,
            id: ModuleId,
        }

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {
                kernel_size: ~into Spatial,
            }
            options {
                /// The size of a plane of the output, where no ratio is given.
                output_size: ~into OutputSize = OutputSize(None),
                /// The size of the output by that of the input, between 0 and 1, for each dimension; where no size is given.
                output_ratio: ~into Option<Vec<f64>> = None,
                /// Where the windows begin, from 0 to 1, `[N, C, dimensions]`, instead of a draw; a buffer, `_random_samples`.
                random_samples: ~into Option<Tensor> = None,
            }
        }

        impl $Name {
            #[track_caller]
            fn from_builder(b: $Builder) -> Result<Self> {
                let (name, ratio) = (stringify!($Name), b.output_ratio);
                super::pool::check(name, $rank, [("kernel_size", Some(b.kernel_size), 1), ("output_size", b.output_size.0, 1)])?;
                ensure!(b.output_size.0.is_some() != ratio.is_some(), Argument, name, "one of output_size and output_ratio is needed");
                if let Some(ratio) = &ratio {
                    let fits = ratio.len() == $rank && ratio.iter().all(|r| *r > 0.0 && *r < 1.0);
                    ensure!(fits, Argument, name, "output_ratio {ratio:?} is not one number between 0 and 1 for each dimension");
                }
                let id = ModuleId::new();
                Ok($Name { kernel_size: b.kernel_size, output_size: b.output_size.0, output_ratio: ratio, samples: b.random_samples.map(Buffer::new), id })
            }

            /// The pooled tensor and the place of each element in its plane: PyTorch's `return_indices`.
            ///
            /// # Errors
            /// Where the windows do not fit.
            #[track_caller]
            pub fn forward_with_indices(&self, x: &Tensor) -> Result<ValuesIndices> {
                let output = match (&self.output_size, &self.output_ratio) {
                    (Some(size), _) => *size,
                    (None, Some(ratio)) if x.rank() >= $rank => {
                        let planes = &x.shape()[x.rank() - $rank..];
                        let sizes: Vec<isize> = planes.iter().zip(ratio).map(|(n, r)| (*n as f64 * r) as isize).collect();
                        Spatial::from_slice(&sizes)?
                    }
                    _ => bail!(Shape, stringify!($Name), "the input {:?} has too few dimensions", x.shape()),
                };
                x.$function(self.kernel_size, output, self.samples.as_deref())
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                Ok(self.forward_with_indices(x)?.values)
            }
        }
    )*};
}

pools! {
    /// The maximum of each of so many windows of `[N, C, H, W]`, which are laid out at random, as
    /// `torch.nn.FractionalMaxPool2d` (Graham, arXiv:1412.6071).
    FractionalMaxPool2d, FractionalMaxPool2dBuilder, fractional_max_pool2d, 2;
    /// The maximum of each of so many windows of `[N, C, T, H, W]`, which are laid out at random, as
    /// `torch.nn.FractionalMaxPool3d`.
    FractionalMaxPool3d, FractionalMaxPool3dBuilder, fractional_max_pool3d, 3;
}
