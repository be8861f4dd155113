//! Layers that pad.

use crate::print::{py_float, py_tuple};
use crate::{Forward, Module, ModuleId, functional};
use flambeau_tensor::{PadMode, Result, Scalar, Tensor, builder, ensure};

/// How much is added (or, where negative, taken away) before and behind the last dimension, then the one before it, …;
/// or one number for all sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pads(Vec<isize>);

macro_rules! pads_from {
    ($($t:ty)*) => {$(
        impl From<$t> for Pads {
            fn from(all: $t) -> Pads {
                Pads(vec![all as isize])
            }
        }
    )*};
}
pads_from!(i32 isize usize);

impl<const N: usize> From<[isize; N]> for Pads {
    fn from(each: [isize; N]) -> Pads {
        Pads(each.to_vec())
    }
}

impl From<(isize, isize)> for Pads {
    fn from((before, behind): (isize, isize)) -> Pads {
        Pads(vec![before, behind])
    }
}

impl From<Vec<isize>> for Pads {
    fn from(each: Vec<isize>) -> Pads {
        Pads(each)
    }
}

impl Pads {
    /// Two numbers for each of `rank` dimensions.
    #[track_caller]
    fn sides(self, name: &'static str, rank: usize) -> Result<Vec<isize>> {
        let each = if let [all] = self.0[..] { vec![all; 2 * rank] } else { self.0 };
        ensure!(
            each.len() == 2 * rank,
            Argument,
            name,
            "{} numbers: it takes one, or {} (before and behind each dimension, the last one first)",
            each.len(),
            2 * rank
        );
        Ok(each)
    }
}

macro_rules! with_elements {
    ($($Name:ident, $Builder:ident, $rank:literal, $mode:ident, $what:literal;)*) => {$(
        #[doc = concat!($what, ", as `torch.nn.", stringify!($Name), "`.")]
        #[derive(Module)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            padding: Vec<isize>,
            id: ModuleId,
        }

        builder! {
            #[doc = concat!("Makes a [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new { padding: ~into Pads }
            options {}
        }

        impl $Name {
            fn from_builder(b: $Builder) -> Result<Self> {
                Ok($Name { padding: b.padding.sides(stringify!($Name), $rank)?, id: ModuleId::new() })
            }

            fn describe(&self) -> String {
                py_tuple(&self.padding)
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                ensure!(
                    x.rank() == $rank + 1 || x.rank() == $rank + 2,
                    Shape,
                    stringify!($Name),
                    "the input has shape {:?}; it takes {} or {} dimensions",
                    x.shape(),
                    $rank + 1,
                    $rank + 2
                );
                functional::pad_with(x, &self.padding, PadMode::$mode)
            }
        }
    )*};
}

with_elements! {
    ReflectionPad1d, ReflectionPad1dBuilder, 1, Reflect, "Reflects `[N, C, L]` at its ends";
    ReflectionPad2d, ReflectionPad2dBuilder, 2, Reflect, "Reflects `[N, C, H, W]` at its edges";
    ReflectionPad3d, ReflectionPad3dBuilder, 3, Reflect, "Reflects `[N, C, D, H, W]` at its faces";
    ReplicationPad1d, ReplicationPad1dBuilder, 1, Replicate, "Repeats the ends of `[N, C, L]`";
    ReplicationPad2d, ReplicationPad2dBuilder, 2, Replicate, "Repeats the edges of `[N, C, H, W]`";
    ReplicationPad3d, ReplicationPad3dBuilder, 3, Replicate, "Repeats the faces of `[N, C, D, H, W]`";
    CircularPad1d, CircularPad1dBuilder, 1, Circular, "Goes on with the other end of `[N, C, L]`";
    CircularPad2d, CircularPad2dBuilder, 2, Circular, "Goes on with the other edge of `[N, C, H, W]`";
    CircularPad3d, CircularPad3dBuilder, 3, Circular, "Goes on with the other face of `[N, C, D, H, W]`";
}

macro_rules! with_a_value {
    ($($Name:ident, $Builder:ident, $Zero:ident, $ZeroBuilder:ident, $rank:literal, $shape:literal;)*) => {$(
        #[doc = concat!("A value around the last dimensions of `", $shape, "`, as `torch.nn.", stringify!($Name), "`.")]
        #[derive(Module)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            padding: Vec<isize>,
            value: Scalar,
            id: ModuleId,
        }

        builder! {
            #[doc = concat!("Makes a [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new { padding: ~into Pads, value: ~into Scalar }
            options {}
        }

        impl $Name {
            fn from_builder(b: $Builder) -> Result<Self> {
                Ok($Name { padding: b.padding.sides(stringify!($Name), $rank)?, value: b.value, id: ModuleId::new() })
            }

            fn describe(&self) -> String {
                let value = match self.value {
                    Scalar::Float(value) => py_float(value),
                    whole => whole.to_f64().to_string(),
                };
                format!("padding={}, value={value}", py_tuple(&self.padding))
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                functional::pad(x, &self.padding, self.value)
            }
        }

        #[doc = concat!("Zeros around the last dimensions of `", $shape, "`, as `torch.nn.", stringify!($Zero), "`.")]
        #[derive(Module)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Zero {
            padding: Vec<isize>,
            id: ModuleId,
        }

        builder! {
            #[doc = concat!("Makes a [`", stringify!($Zero), "`].")]
            pub struct $ZeroBuilder => $Zero;
            new { padding: ~into Pads }
            options {}
        }

        impl $Zero {
            fn from_builder(b: $ZeroBuilder) -> Result<Self> {
                Ok($Zero { padding: b.padding.sides(stringify!($Zero), $rank)?, id: ModuleId::new() })
            }

            fn describe(&self) -> String {
                py_tuple(&self.padding)
            }
        }

        impl Forward<&Tensor> for $Zero {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                functional::pad(x, &self.padding, 0)
            }
        }
    )*};
}

with_a_value! {
    ConstantPad1d, ConstantPad1dBuilder, ZeroPad1d, ZeroPad1dBuilder, 1, "[N, C, L]";
    ConstantPad2d, ConstantPad2dBuilder, ZeroPad2d, ZeroPad2dBuilder, 2, "[N, C, H, W]";
    ConstantPad3d, ConstantPad3dBuilder, ZeroPad3d, ZeroPad3dBuilder, 3, "[N, C, D, H, W]";
}
