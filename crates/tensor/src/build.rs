//! The one pattern of constructors: what has no default is positional, the rest is a chain with
//! PyTorch's names and defaults, and [`Build::build`] checks it all and makes the thing.
//!
//! A builder is a plain struct written by [`builder!`](crate::builder). Two macros' worth of features
//! would come with a builder crate; this one costs no dependency and compiles in no time.

use crate::Result;

/// Something that can be made into an `Output`: a builder, or the thing itself. What takes parts
/// (`Sequential::of`, `Compose::of`) takes either.
pub trait Build {
    /// What it makes.
    type Output;
    /// Makes it.
    ///
    /// # Errors
    /// Where the options do not go together; the error has the caller's line.
    #[track_caller]
    fn build(self) -> Result<Self::Output>;
}

/// Writes a builder: its struct, `Target::new(positional…)`, one method for each option, and [`Build`]
/// for it and for the target. The target provides `fn from_builder(b: TargetBuilder) -> Result<Self>`.
///
/// `~into` before a type makes the argument `impl Into<type>`.
///
/// ```
/// use flambeau_tensor::{Build, Result, builder};
///
/// /// Multiplies.
/// #[derive(Debug)]
/// pub struct Scale { by: f64, bias: Option<f64> }
///
/// builder! {
///     /// Options of [`Scale`].
///     pub struct ScaleBuilder => Scale;
///     new { by: f64 }
///     options {
///         /// Added at the end.
///         bias: ~into Option<f64> = None,
///     }
/// }
///
/// impl Scale {
///     fn from_builder(b: ScaleBuilder) -> Result<Self> { Ok(Scale { by: b.by, bias: b.bias }) }
/// }
///
/// let scale = Scale::new(2.0).bias(1.0).build()?;
/// assert_eq!((scale.by, scale.bias), (2.0, Some(1.0)));
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[macro_export]
macro_rules! builder {
    (
        $(#[$meta:meta])*
        $vis:vis struct $Builder:ident => $Target:ident;
        new { $($(#[$req_meta:meta])* $req:ident : $(~ $req_into:ident)? $req_ty:ty),* $(,)? }
        options { $($(#[$opt_meta:meta])* $opt:ident : $(~ $opt_into:ident)? $opt_ty:ty = $default:expr),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        #[must_use = "a builder makes nothing until `build()`"]
        $vis struct $Builder {
            $(pub(crate) $req: $req_ty,)*
            $(pub(crate) $opt: $opt_ty,)*
        }

        #[allow(clippy::useless_conversion, clippy::new_ret_no_self, clippy::too_many_arguments)]
        impl $Target {
            /// Its builder; what has a default is set by the builder's methods.
            $vis fn new($($req: $crate::builder!(@arg $($req_into)? $req_ty)),*) -> $Builder {
                $Builder { $($req: $req.into(),)* $($opt: $default,)* }
            }
        }

        #[allow(clippy::useless_conversion)]
        impl $Builder {
            $(
                $(#[$opt_meta])*
                $vis fn $opt(mut self, $opt: $crate::builder!(@arg $($opt_into)? $opt_ty)) -> Self {
                    self.$opt = $opt.into();
                    self
                }
            )*

            /// Checks the options and makes it.
            ///
            /// # Errors
            /// Where they do not go together.
            #[track_caller]
            $vis fn build(self) -> $crate::Result<$Target> {
                let line = ::std::panic::Location::caller();
                $Target::from_builder(self).map_err(|e| e.located(line))
            }
        }

        impl $crate::Build for $Builder {
            type Output = $Target;
            #[track_caller]
            fn build(self) -> $crate::Result<$Target> {
                $Builder::build(self)
            }
        }
    };
    (@arg into $ty:ty) => { impl Into<$ty> };
    (@arg $ty:ty) => { $ty };
}

/// Writes the options of a function: a struct of public fields with PyTorch's names, `new()` with PyTorch's
/// defaults, and a method for each field, so that what is set stands in a chain. What a function cannot do
/// without is an argument of `new`.
///
/// `~into` before a type makes the argument `impl Into<type>`.
///
/// ```
/// use flambeau_tensor::options;
///
/// options! {
///     /// How to round.
///     #[derive(Clone, Copy, Debug)]
///     pub struct RoundOptions {
///         /// Digits behind the point.
///         decimals: i32 = 0,
///     }
/// }
///
/// assert_eq!(RoundOptions::new().decimals(2).decimals, 2);
/// ```
#[macro_export]
macro_rules! options {
    ($(
        $(#[$meta:meta])*
        $vis:vis struct $Options:ident $(<$life:lifetime>)? $(($($req:ident : $(~ $req_into:ident)? $req_ty:ty),+))? {
            $($(#[$field_meta:meta])* $field:ident : $(~ $into:ident)? $ty:ty = $default:expr),* $(,)?
        }
    )*) => {$(
        $(#[$meta])*
        #[must_use]
        $vis struct $Options $(<$life>)? {
            $($(#[doc = concat!("What `new` was given as `", stringify!($req), "`.")] pub $req: $req_ty,)+)?
            $($(#[$field_meta])* pub $field: $ty,)*
        }

        #[allow(clippy::useless_conversion, clippy::new_without_default)]
        impl $(<$life>)? $Options $(<$life>)? {
            /// PyTorch's defaults.
            $vis fn new($($($req: $crate::builder!(@arg $($req_into)? $req_ty)),+)?) -> Self {
                $Options { $($($req: $req.into(),)+)? $($field: $default,)* }
            }
            $(
                $(#[$field_meta])*
                $vis fn $field(mut self, $field: $crate::builder!(@arg $($into)? $ty)) -> Self {
                    self.$field = $field.into();
                    self
                }
            )*
        }

        $crate::options!(@default $Options $(<$life>)? $(($($req)+))?);
    )*};
    (@default $Options:ident $(<$life:lifetime>)?) => {
        impl $(<$life>)? Default for $Options $(<$life>)? {
            fn default() -> Self {
                $Options::new()
            }
        }
    };
    (@default $Options:ident $(<$life:lifetime>)? ($($req:ident)+)) => {};
}
