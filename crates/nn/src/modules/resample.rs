//! Layers that give images, signals and volumes another size.

use super::pool::given;
use crate::print::{py_float, py_tuple};
use crate::{Forward, Module, ModuleId, functional};
use flambeau_tensor::shape::Spatial;
use flambeau_tensor::{InterpolateMode, InterpolateOptions, Result, Tensor, builder, ensure};

/// The size of an output: a number, or one for each dimension; none where a factor gives it.
#[derive(Clone, Copy, Debug)]
pub struct OutputSize(pub(super) Option<Spatial>);

impl<S: Into<Spatial>> From<S> for OutputSize {
    fn from(size: S) -> Self {
        OutputSize(Some(size.into()))
    }
}

/// What a size is multiplied by: a number, or one for each dimension; none where the size is given.
#[derive(Clone, Debug, Default)]
pub struct ScaleFactor(Option<Vec<f64>>);

impl From<f64> for ScaleFactor {
    fn from(factor: f64) -> Self {
        ScaleFactor(Some(vec![factor]))
    }
}

impl From<(f64, f64)> for ScaleFactor {
    fn from((height, width): (f64, f64)) -> Self {
        ScaleFactor(Some(vec![height, width]))
    }
}

impl From<&[f64]> for ScaleFactor {
    fn from(factors: &[f64]) -> Self {
        ScaleFactor(Some(factors.to_vec()))
    }
}

impl<const N: usize> From<[f64; N]> for ScaleFactor {
    fn from(factors: [f64; N]) -> Self {
        ScaleFactor(Some(factors.to_vec()))
    }
}

/// The options of all layers here, checked.
#[track_caller]
fn options(
    name: &'static str,
    size: OutputSize,
    scale: ScaleFactor,
    mode: InterpolateMode,
) -> Result<InterpolateOptions> {
    let options = match (size.0, scale.0) {
        (Some(size), None) => InterpolateOptions::size(size),
        (None, Some(factors)) => {
            ensure!(
                (1..=3).contains(&factors.len()) && factors.iter().all(|f| *f > 0.0 && f.is_finite()),
                Argument,
                name,
                "scale_factor {factors:?} is not one to three positive numbers"
            );
            InterpolateOptions::scales(&factors)
        }
        (Some(_), Some(_)) => {
            flambeau_tensor::bail!(Argument, name, "size and scale_factor are both set; one is right")
        }
        (None, None) => flambeau_tensor::bail!(Argument, name, "neither size nor scale_factor is set"),
    };
    Ok(options.mode(mode))
}

/// As PyTorch prints them.
fn describe(o: &InterpolateOptions) -> String {
    let (size, dims) = match (&o.scale_factor, o.size) {
        (Some(factors), _) => match &factors[..] {
            [one] => (format!("scale_factor={}", py_float(*one)), 2),
            each => {
                let each: Vec<String> = each.iter().map(|f| py_float(*f)).collect();
                (format!("scale_factor={}", py_tuple(&each)), each.len())
            }
        },
        (None, Some(size)) => (
            format!("size={}", given(size)),
            match size.given() {
                [_] => 2,
                each => each.len(),
            },
        ),
        (None, None) => return String::new(),
    };
    let mode = match (o.mode, dims) {
        (InterpolateMode::Nearest, _) => "nearest",
        (InterpolateMode::NearestExact, _) => "nearest-exact",
        (InterpolateMode::Linear, 1) => "linear",
        (InterpolateMode::Linear, 3) => "trilinear",
        (InterpolateMode::Linear, _) => "bilinear",
        (InterpolateMode::Bicubic, _) => "bicubic",
        (InterpolateMode::Area, _) => "area",
        (InterpolateMode::Lanczos, _) => "lanczos",
    };
    format!("{size}, mode='{mode}'")
}

/// `[N, C, …]` with one to three dimensions behind in another size, as `torch.nn.Upsample`. PyTorch's modes `linear`,
/// `bilinear` and `trilinear` are one here.
///
/// ```
/// use flambeau_nn::{Call, Upsample};
/// use flambeau_tensor::{InterpolateMode, Tensor};
///
/// let twice = Upsample::new().scale_factor(2.0).mode(InterpolateMode::Linear).build()?;
/// assert_eq!(twice.call(&Tensor::randn([1, 3, 4, 5]).build()?)?.shape(), [1, 3, 8, 10]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
#[module(extra_repr = "Upsample::describe")]
pub struct Upsample {
    #[module(skip)]
    options: InterpolateOptions,
    id: ModuleId,
}

builder! {
    /// Options of [`Upsample`].
    pub struct UpsampleBuilder => Upsample;
    new {}
    options {
        /// The size of the output, where no factor is given.
        size: ~into OutputSize = OutputSize(None),
        /// What the input's size is multiplied by, where no size is given.
        scale_factor: ~into ScaleFactor = ScaleFactor(None),
        /// How; `Nearest` unless set.
        mode: InterpolateMode = InterpolateMode::Nearest,
        /// The centres of the corner elements stay where they are; for the linear and cubic modes.
        align_corners: bool = false,
        /// Computes with the sizes' quotient instead of `scale_factor`.
        recompute_scale_factor: bool = false,
    }
}

impl Upsample {
    #[track_caller]
    fn from_builder(b: UpsampleBuilder) -> Result<Self> {
        let options = options("Upsample", b.size, b.scale_factor, b.mode)?
            .align_corners(b.align_corners)
            .recompute_scale_factor(b.recompute_scale_factor);
        Ok(Upsample { options, id: ModuleId::new() })
    }

    fn describe(&self) -> String {
        describe(&self.options)
    }
}

impl Forward<&Tensor> for Upsample {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::interpolate(x, self.options.clone())
    }
}

macro_rules! images {
    ($($(#[$doc:meta])* $Name:ident, $Builder:ident, $mode:ident, $align_corners:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            #[module(skip)]
            options: InterpolateOptions,
            id: ModuleId,
        }

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {}
            options {
                /// The size of the output, where no factor is given.
                size: ~into OutputSize = OutputSize(None),
                /// What the input's size is multiplied by, where no size is given.
                scale_factor: ~into ScaleFactor = ScaleFactor(None),
            }
        }

        impl $Name {
            #[track_caller]
            fn from_builder(b: $Builder) -> Result<Self> {
                let options = options(stringify!($Name), b.size, b.scale_factor, InterpolateMode::$mode)?;
                Ok($Name { options: options.align_corners($align_corners), id: ModuleId::new() })
            }

            fn describe(&self) -> String {
                describe(&self.options)
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                functional::interpolate(x, self.options.clone())
            }
        }
    )*};
}

images! {
    /// An image `[N, C, H, W]` in another size, each element the one before it, as `torch.nn.UpsamplingNearest2d`.
    UpsamplingNearest2d, UpsamplingNearest2dBuilder, Nearest, false;
    /// An image `[N, C, H, W]` in another size, linear in both dimensions, its corners kept, as
    /// `torch.nn.UpsamplingBilinear2d`.
    UpsamplingBilinear2d, UpsamplingBilinear2dBuilder, Linear, true;
}
