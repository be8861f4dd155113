//! The families, by what their values are.

/// Writes a family whose parameters are tensors of one shape: the struct, `new` with checks, and what its
/// `impl Distribution` says of itself in [`itself!`].
macro_rules! family {
    ($(#[$doc:meta])* $Name:ident { $($p:ident: $constraint:expr),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct $Name {
            $(#[doc = concat!("The parameter `", stringify!($p), "`, of the batch's shape.")] pub $p: flambeau_tensor::Tensor,)+
        }

        impl $Name {
            /// Of these parameters, numbers or tensors, whose shapes broadcast to the batch's.
            ///
            /// # Errors
            /// Where the shapes do not broadcast or a number is out of its range.
            #[track_caller]
            pub fn new<'a>($($p: impl Into<flambeau_tensor::Operand<'a>>),+) -> flambeau_tensor::Result<Self> {
                let [$($p),+] = $crate::util::broadcast_all([$($p.into()),+])?;
                $($crate::util::check_parameter(stringify!($Name), stringify!($p), &$p, &$constraint)?;)+
                Ok($Name { $($p),+ })
            }

            #[allow(dead_code)]
            fn parameters(&self) -> [$crate::expr::X; [$(stringify!($p)),+].len()] {
                [$($crate::expr::x(&self.$p)),+]
            }
        }
    };
}

/// What a family of [`family!`] says of itself in its `impl Distribution`.
macro_rules! itself {
    ($Name:ident: $first:ident $(, $p:ident)*) => {
        fn name(&self) -> &'static str {
            stringify!($Name)
        }
        fn batch_shape(&self) -> &[usize] {
            self.$first.shape()
        }
        fn as_any(&self) -> &dyn std::any::Any {
            self
        }
        fn expand(&self, shape: &[usize]) -> flambeau_tensor::Result<Box<dyn $crate::Distribution>> {
            Ok(Box::new($Name { $first: self.$first.expand(shape)? $(, $p: self.$p.expand(shape)?)* }))
        }
    };
}

/// What a family of vectors around a point says of itself in its `impl Distribution`.
macro_rules! vectors_around {
    ($Name:ident: $loc:ident) => {
        fn name(&self) -> &'static str {
            stringify!($Name)
        }
        fn batch_shape(&self) -> &[usize] {
            let shape = self.$loc.shape();
            &shape[..shape.len() - 1]
        }
        fn event_shape(&self) -> &[usize] {
            let shape = self.$loc.shape();
            &shape[shape.len() - 1..]
        }
        fn as_any(&self) -> &dyn std::any::Any {
            self
        }
        fn support(&self) -> $crate::Constraint {
            $crate::Constraint::real_vector()
        }
        fn has_rsample(&self) -> bool {
            true
        }
    };
}

mod bounded;
mod categorical;
mod circular;
mod counts;
mod matrices;
mod mixture;
mod multivariate;
mod positive;
mod real;
mod relaxed;
mod tails;
mod transformed;

pub use bounded::*;
pub use categorical::*;
pub use circular::*;
pub use counts::*;
pub use matrices::*;
pub use mixture::*;
pub use multivariate::*;
pub use positive::*;
pub use real::*;
pub use relaxed::*;
pub use tails::*;
pub use transformed::{LogisticNormal, TransformedDistribution};
