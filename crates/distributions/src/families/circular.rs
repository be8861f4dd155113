//! A family on angles: von Mises.

use crate::expr::{X, x};
use crate::util::{extended, valid};
use crate::{Constraint, Constraint::*, Distribution};
use flambeau_tensor::{DType, Result, Tensor, no_grad, special};
use std::f64::consts::PI;

family! {
    /// The normal distribution's kin on the circle, around the angle `loc`: `torch.distributions.VonMises`. Angles are in
    /// radians, samples from −π to π.
    VonMises { loc: Real, concentration: Positive }
}

impl Distribution for VonMises {
    itself!(VonMises: loc, concentration);
    fn support(&self) -> Constraint {
        Real
    }
    /// By rejection from a wrapped Cauchy distribution (Best & Fisher, "Efficient simulation of the von Mises
    /// distribution", 1979), in double precision.
    fn sample(&self, shape: &[usize]) -> Result<Tensor> {
        no_grad(|| {
            let shape = extended(self, shape);
            let (loc, kappa) = (x(&self.loc).to_dtype(DType::F64), x(&self.concentration).to_dtype(DType::F64));
            let tau = 1.0 + (1.0 + 4.0 * kappa.square()).sqrt();
            let rho = (&tau - (2.0 * &tau).sqrt()) / (2.0 * &kappa);
            let r = (1.0 + rho.square()) / (2.0 * rho);
            let r = (1.0 / &kappa + &kappa).where_cond(&kappa.lt(1e-5), r);
            let mut angle = Tensor::zeros(&shape[..]).dtype(DType::F64).device(self.loc.device()).build()?;
            // So concentrated that all angles round to 0; where it is no number, neither is what is drawn.
            let mut done = r.gt(1.0).logical_not().expand(&shape).get()?;
            let nothing = kappa.isnan();
            while !done.all(..)?.item::<bool>()? {
                let u =
                    Tensor::rand([&[3], &shape[..]].concat()).dtype(DType::F64).device(self.loc.device()).build()?;
                let (u1, u2, u3) = (x(&u.select(0, 0)?), x(&u.select(0, 1)?), x(&u.select(0, 2)?));
                let z = (PI * u1).cos();
                let f = (1.0 + &r * &z) / (&r + z);
                let c = &kappa * (&r - &f);
                let accept = (&c * (2.0 - &c) - &u2).gt(0.0).or(&((&c / u2).log() + 1.0 - &c).ge(0.0));
                angle = ((u3 - 0.5).sign() * f.acos()).where_cond(&accept, x(&angle)).get()?;
                done = x(&done).or(&accept).get()?;
            }
            let turned = x(&angle).masked_fill(&nothing, f64::NAN) + PI + loc;
            (turned.then(|t| t.remainder(2.0 * PI)) - PI).to_dtype(self.loc.dtype()).get()
        })
    }
    fn log_prob(&self, value: &Tensor) -> Result<Tensor> {
        let ([loc, kappa], v) = (self.parameters(), valid(self, value)?);
        let log_i0 = kappa.then(special::i0e).log() + &kappa;
        (&kappa * (v - loc).cos() - (2.0 * PI).ln() - log_i0).get()
    }
    fn mean(&self) -> Result<Tensor> {
        Ok(self.loc.clone())
    }
    fn mode(&self) -> Result<Tensor> {
        Ok(self.loc.clone())
    }
    /// Of the circle: 1 − I₁ / I₀.
    fn variance(&self) -> Result<Tensor> {
        let kappa: X = x(&self.concentration);
        (1.0 - kappa.then(special::i1e) / kappa.then(special::i0e)).get()
    }
}
