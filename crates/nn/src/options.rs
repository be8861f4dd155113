//! Options of functions: what has a default in PyTorch, set by a chain.

/// Writes the struct of a function's options: its fields, `new()` with PyTorch's defaults, and a method of the name of
/// each field. `~into` before a type makes the argument `impl Into<type>`.
macro_rules! options {
    (
        $(#[$meta:meta])*
        pub struct $Name:ident $(<$lifetime:lifetime>)? {
            $($(#[$doc:meta])* $field:ident: $(~ $into:ident)? $t:ty = $default:expr,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        pub struct $Name $(<$lifetime>)? {
            $($(#[$doc])* pub $field: $t,)*
        }

        #[allow(clippy::useless_conversion)]
        impl $(<$lifetime>)? $Name $(<$lifetime>)? {
            /// PyTorch's defaults.
            pub fn new() -> Self {
                $Name { $($field: $default,)* }
            }

            $(
                $(#[$doc])*
                #[must_use]
                pub fn $field(mut self, $field: options!(@arg $($into)? $t)) -> Self {
                    self.$field = $field.into();
                    self
                }
            )*
        }

        impl $(<$lifetime>)? Default for $Name $(<$lifetime>)? {
            fn default() -> Self {
                Self::new()
            }
        }
    };
    (@arg into $t:ty) => { impl Into<$t> };
    (@arg $t:ty) => { $t };
}
pub(crate) use options;
