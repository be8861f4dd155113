//! In-place forms of what is put together from several ops: the result is computed, and written over the tensor.

use crate::ops::{Bound, Cast, Operand, Reduce};
use crate::{Result, Scalar, Tensor, dispatch_into, ensure};

impl Tensor {
    /// Writes a result over this tensor, whose shape and dtype it must fit.
    #[track_caller]
    fn overwrite(&self, op: &'static str, result: &Tensor) -> Result<&Tensor> {
        ensure!(
            result.shape() == self.shape(),
            Shape,
            op,
            "a result of shape {:?} does not fit the tensor's {:?}",
            result.shape(),
            self.shape()
        );
        ensure!(
            result.dtype().category() <= self.dtype().category(),
            DType,
            op,
            "a {} result cannot be written into a {} tensor",
            result.dtype(),
            self.dtype()
        );
        dispatch_into(op, Cast { dtype: self.dtype(), rows: false }, &[result], self)?;
        Ok(self)
    }
}

macro_rules! in_place {
    ($($name:ident $(<$life:lifetime>)? ($($argument:ident: $t:ty),*) of $method:ident;)*) => {
        impl Tensor {
            $(
                #[doc = concat!("[`", stringify!($method), "`](Tensor::", stringify!($method), ") in place.")]
                ///
                /// # Errors
                #[doc = concat!("As [`", stringify!($method), "`](Tensor::", stringify!($method), "), and where the result does not fit the tensor's shape or dtype.")]
                #[track_caller]
                pub fn $name$(<$life>)?(&self, $($argument: $t),*) -> Result<&Tensor> {
                    let result = self.$method($($argument),*)?;
                    self.overwrite(stringify!($name), &result)
                }
            )*
        }
    };
}

in_place! {
    abs_() of abs;
    bitwise_not_() of bitwise_not;
    deg2rad_() of deg2rad;
    frac_() of frac;
    logical_not_() of logical_not;
    logit_(eps: Option<f64>) of logit;
    mvlgamma_(p: u32) of mvlgamma;
    nan_to_num_(nan: Option<f64>, posinf: Option<f64>, neginf: Option<f64>) of nan_to_num;
    rad2deg_() of rad2deg;
    sgn_() of sgn;
    sinc_() of sinc;

    bitwise_left_shift_<'a>(other: impl Into<Operand<'a>>) of bitwise_left_shift;
    bitwise_right_shift_<'a>(other: impl Into<Operand<'a>>) of bitwise_right_shift;
    copysign_<'a>(other: impl Into<Operand<'a>>) of copysign;
    eq_<'a>(other: impl Into<Operand<'a>>) of eq;
    float_power_<'a>(exponent: impl Into<Operand<'a>>) of float_power;
    ge_<'a>(other: impl Into<Operand<'a>>) of ge;
    gt_<'a>(other: impl Into<Operand<'a>>) of gt;
    heaviside_(values: impl AsRef<Tensor>) of heaviside;
    hypot_<'a>(other: impl Into<Operand<'a>>) of hypot;
    igamma_<'a>(other: impl Into<Operand<'a>>) of igamma;
    igammac_<'a>(other: impl Into<Operand<'a>>) of igammac;
    lcm_<'a>(other: impl Into<Operand<'a>>) of lcm;
    ldexp_<'a>(other: impl Into<Operand<'a>>) of ldexp;
    le_<'a>(other: impl Into<Operand<'a>>) of le;
    logical_and_<'a>(other: impl Into<Operand<'a>>) of logical_and;
    logical_or_<'a>(other: impl Into<Operand<'a>>) of logical_or;
    logical_xor_<'a>(other: impl Into<Operand<'a>>) of logical_xor;
    lt_<'a>(other: impl Into<Operand<'a>>) of lt;
    ne_<'a>(other: impl Into<Operand<'a>>) of ne;
    xlogy_<'a>(other: impl Into<Operand<'a>>) of xlogy;

    addcdiv_(a: impl AsRef<Tensor>, b: impl AsRef<Tensor>, value: impl Into<Scalar>) of addcdiv;
    addcmul_(a: impl AsRef<Tensor>, b: impl AsRef<Tensor>, value: impl Into<Scalar>) of addcmul;
    lerp_<'a>(end: impl AsRef<Tensor>, weight: impl Into<Operand<'a>>) of lerp;
    clamp_max_<'a>(max: impl Into<Bound<'a>>) of clamp_max;
    clamp_min_<'a>(min: impl Into<Bound<'a>>) of clamp_min;

    addbmm_(a: impl AsRef<Tensor>, b: impl AsRef<Tensor>, beta: impl Into<Scalar>, alpha: impl Into<Scalar>) of addbmm;
    addmm_(a: impl AsRef<Tensor>, b: impl AsRef<Tensor>, beta: impl Into<Scalar>, alpha: impl Into<Scalar>) of addmm;
    addmv_(a: impl AsRef<Tensor>, v: impl AsRef<Tensor>, beta: impl Into<Scalar>, alpha: impl Into<Scalar>) of addmv;
    addr_(v: impl AsRef<Tensor>, w: impl AsRef<Tensor>, beta: impl Into<Scalar>, alpha: impl Into<Scalar>) of addr;
    baddbmm_(a: impl AsRef<Tensor>, b: impl AsRef<Tensor>, beta: impl Into<Scalar>, alpha: impl Into<Scalar>) of baddbmm;

    cumprod_(dim: isize) of cumprod;
    cumsum_(dim: isize) of cumsum;
    renorm_(p: f64, dim: isize, maxnorm: f64) of renorm;
    tril_(diagonal: isize) of tril;
    triu_(diagonal: isize) of triu;

    index_add_(dim: isize, index: impl AsRef<Tensor>, source: impl AsRef<Tensor>, alpha: impl Into<Scalar>) of index_add;
    index_copy_(dim: isize, index: impl AsRef<Tensor>, source: impl AsRef<Tensor>) of index_copy;
    index_fill_<'a>(dim: isize, index: impl AsRef<Tensor>, value: impl Into<Operand<'a>>) of index_fill;
    index_reduce_(dim: isize, index: impl AsRef<Tensor>, source: impl AsRef<Tensor>, reduce: Reduce, include_self: bool)
        of index_reduce;
    masked_scatter_(mask: impl AsRef<Tensor>, source: impl AsRef<Tensor>) of masked_scatter;
    put_(index: impl AsRef<Tensor>, source: impl AsRef<Tensor>, accumulate: bool) of put;
    scatter_reduce_<'a>(
        dim: isize,
        index: impl AsRef<Tensor>,
        source: impl Into<Operand<'a>>,
        reduce: Reduce,
        include_self: bool
    ) of scatter_reduce;
}
