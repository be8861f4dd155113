//! Modules that are a function and what else it is given.

/// Modules that call a function with what they were made with.
macro_rules! calls {
    ($($(#[$doc:meta])* $Name:ident { $($field:ident : $Type:ty),* }, |$this:ident, $x:ident| $call:expr;)*) => {$(
        $(#[$doc])*
        #[derive(flambeau_nn::Module)]
        pub struct $Name {
            $($field: $Type,)*
        }

        impl $Name {
            #[doc = concat!("As `torchaudio.transforms.", stringify!($Name), "`.")]
            #[allow(clippy::new_without_default)]
            pub fn new($($field: $Type),*) -> Self {
                $Name { $($field),* }
            }
        }

        impl flambeau_nn::Forward<&flambeau_tensor::Tensor> for $Name {
            type Output = flambeau_tensor::Tensor;

            #[track_caller]
            fn forward(&self, $x: &flambeau_tensor::Tensor) -> flambeau_tensor::Result<flambeau_tensor::Tensor> {
                let $this = self;
                $call
            }
        }
    )*};
}

pub(super) use calls;
