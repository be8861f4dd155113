//! Stand-in.
pub(crate) trait Float: Copy {
    fn exp(self) -> Self; fn exp2(self) -> Self; fn expm1(self) -> Self; fn ln(self) -> Self; fn log2(self) -> Self; fn log10(self) -> Self; fn log1p(self) -> Self;
    fn sin(self) -> Self; fn cos(self) -> Self; fn tan(self) -> Self; fn asin(self) -> Self; fn acos(self) -> Self; fn atan(self) -> Self; fn sinh(self) -> Self; fn cosh(self) -> Self; fn tanh(self) -> Self;
    fn asinh(self) -> Self; fn acosh(self) -> Self; fn atanh(self) -> Self; fn sigmoid(self) -> Self; fn erf(self) -> Self; fn erfc(self) -> Self; fn erfinv(self) -> Self;
    fn atan2(self, x: Self) -> Self; fn pow(self, y: Self) -> Self;
}
macro_rules! f { ($($t:ident),*) => {$(impl Float for $t {
    fn exp(self) -> Self { $t::exp(self) } fn exp2(self) -> Self { $t::exp2(self) } fn expm1(self) -> Self { $t::exp_m1(self) } fn ln(self) -> Self { $t::ln(self) } fn log2(self) -> Self { $t::log2(self) } fn log10(self) -> Self { $t::log10(self) } fn log1p(self) -> Self { $t::ln_1p(self) }
    fn sin(self) -> Self { $t::sin(self) } fn cos(self) -> Self { $t::cos(self) } fn tan(self) -> Self { $t::tan(self) } fn asin(self) -> Self { $t::asin(self) } fn acos(self) -> Self { $t::acos(self) } fn atan(self) -> Self { $t::atan(self) } fn sinh(self) -> Self { $t::sinh(self) } fn cosh(self) -> Self { $t::cosh(self) } fn tanh(self) -> Self { $t::tanh(self) }
    fn asinh(self) -> Self { $t::asinh(self) } fn acosh(self) -> Self { $t::acosh(self) } fn atanh(self) -> Self { $t::atanh(self) } fn sigmoid(self) -> Self { 1.0 / (1.0 + (-self).exp()) }
    fn erf(self) -> Self { self.tanh() } fn erfc(self) -> Self { 1.0 - self.tanh() } fn erfinv(self) -> Self { self.atanh() }
    fn atan2(self, x: Self) -> Self { $t::atan2(self, x) } fn pow(self, y: Self) -> Self { $t::powf(self, y) }
})*} }
f!(f32, f64);
