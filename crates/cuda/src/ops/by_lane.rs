//! The kernels of a function by what they compute in: `FAMILY.cu` instantiates a template for each lane, and for each way
//! of sharing out the work, and [`by_lane!`] names them all in one line.

use super::Lane;
use crate::kernels::Kernel;
use flambeau_tensor::DType;

/// `N` kernels for each lane that a function is computed in.
pub(super) struct ByLane<const N: usize>(pub &'static [(Lane, [Kernel; N])]);

impl<const N: usize> ByLane<N> {
    /// Those of a lane; `None` where there are none.
    pub fn get(&self, lane: Option<Lane>) -> Option<&'static [Kernel; N]> {
        self.0.iter().find(|(l, _)| Some(*l) == lane).map(|(_, kernels)| kernels)
    }

    /// Those that a dtype is computed by.
    pub fn of(&self, dtype: DType) -> Option<&'static [Kernel; N]> {
        self.get(Lane::of(dtype))
    }

    /// Fails where one is not in the family's PTX.
    #[cfg(test)]
    pub fn assert_in(&self, text: &str) {
        for kernel in self.0.iter().flat_map(|(_, kernels)| kernels) {
            assert!(text.contains(&format!(".entry {}(", kernel.name)), "{} is not in its archive", kernel.name);
        }
    }
}

/// `by_lane! { FAMILY ["_form" …] NAME "function" [Lane …]; … }`: a static `NAME` of the kernels that are called
/// `function`, the lane's suffix and the form, and a test that all are in the family's archive.
macro_rules! by_lane {
    ($Family:ident $forms:tt $($NAME:ident $name:literal $lanes:tt;)*) => {
        $(static $NAME: ByLane<{ by_lane!(@count $forms) }> = by_lane!(@table $Family $forms $name $lanes);)*

        #[test]
        fn every_kernel_by_lane_is_in_its_archive() {
            let text = $Family.text().unwrap();
            $($NAME.assert_in(&text);)*
        }
    };
    (@count [$($each:tt)*]) => { [$(stringify!($each)),*].len() };
    (@table $Family:ident $forms:tt $name:literal [$($lane:ident)*]) => {{
        static KERNELS: [(Lane, [Kernel; by_lane!(@count $forms)]); by_lane!(@count [$($lane)*])] =
            [$((Lane::$lane, by_lane!(@kernels $Family $forms $name $lane))),*];
        ByLane(&KERNELS)
    }};
    (@kernels $Family:ident [$($form:literal)*] $name:literal $lane:tt) => {
        [$(Kernel::new(&$Family, concat!($name, by_lane!(@suffix $lane), $form))),*]
    };
    (@suffix F32) => { "_f32" };
    (@suffix F64) => { "_f64" };
    (@suffix I64) => { "_i64" };
    (@suffix Truth) => { "_bool" };
}
pub(super) use by_lane;
