//! Derivatives of picking along one dimension.

use super::index::zeros;
use super::{Forward, Grads, Rule, Saved, Saves};
use crate::node::backward_error;
use crate::vmap;
use crate::{Context, Function};
use flambeau_tensor::{Device, ErrorKind, Result, Tensor, dispatch, grad_enabled, ops::*};
use smallvec::smallvec;

impl Rule for Gather {
    const FORWARD: Forward = Forward::Linear;
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(1).meta(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.two(|| zeros(&s.meta(0)?, g)?.scatter_add(self.dim as isize, &s.input(1)?, g), || unreachable_index(g))
    }
}

/// An index is of integers: nothing asks for its gradient.
fn unreachable_index(g: &Tensor) -> Result<Tensor> {
    g.zeros_like()
}

impl Rule for Scatter {
    fn saves(&self, _: &[bool]) -> Saves {
        match self.reduce {
            None | Some(Reduce::Sum | Reduce::Mean) => Saves::NONE.input(1),
            Some(_) => Saves::NONE.inputs(3).output(0),
        }
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let (dim, index) = (self.dim as isize, s.input(1)?);
        let at_source = |t: &Tensor| t.gather(dim, &index);
        let (base, source) = match self.reduce {
            None => (g.scatter(dim, &index, 0)?, at_source(g)?),
            Some(Reduce::Sum) => (g.clone(), at_source(g)?),
            Some(Reduce::Mean) => {
                let share = g.div(&self.counts(g, &index)?)?;
                (share.clone(), at_source(&share)?)
            }
            Some(Reduce::Prod) => self.product(s, g, &index)?,
            Some(Reduce::Amax | Reduce::Amin) => self.extreme(s, g, &index)?,
        };
        // A base that did not count passes nothing where it was replaced.
        let base = if self.include_self || self.reduce.is_none() { base } else { base.scatter(dim, &index, 0)? };
        Ok(smallvec![if s.needs(0) { Some(base) } else { None }, None, if s.needs(2) { Some(source) } else { None }])
    }
}

/// The gradient of a product in which zeros met: right as a value, an error where it is differentiated, as in
/// PyTorch.
struct ZerosMet;

impl Function for ZerosMet {
    fn forward(&self, _: &mut Context<'_>, x: &Tensor) -> Result<Tensor> {
        Ok(x.clone())
    }
    fn backward(&self, _: &Context<'_>, _: &Tensor) -> Result<Tensor> {
        let message = "scatter_reduce: a product in which several zeros of the source meet has no second derivative";
        Err(backward_error(ErrorKind::NotDifferentiable, message.into()))
    }
}

trait Parts {
    fn counts(&self, g: &Tensor, index: &Tensor) -> Result<Tensor>;
    fn product(&self, s: &Saved<'_>, g: &Tensor, index: &Tensor) -> Result<(Tensor, Tensor)>;
    fn extreme(&self, s: &Saved<'_>, g: &Tensor, index: &Tensor) -> Result<(Tensor, Tensor)>;
}

impl Parts for Scatter {
    /// How many values met at each element.
    fn counts(&self, g: &Tensor, index: &Tensor) -> Result<Tensor> {
        let own = g.full_like(if self.include_self { 1 } else { 0 })?;
        let ones = Tensor::ones(index.shape()).dtype(g.dtype()).device(g.device()).build()?;
        own.scatter_add(self.dim as isize, index, &ones)?.clamp_min(1)
    }

    /// Each factor's gradient is the product of all others: the result over the factor, with zeros apart.
    fn product(&self, s: &Saved<'_>, g: &Tensor, index: &Tensor) -> Result<(Tensor, Tensor)> {
        let (dim, base, source, result) = (self.dim as isize, s.input(0)?, s.input(2)?, s.output(0)?);
        let again = |base: &Tensor, source: &Tensor| dispatch(*self, &[base, index, source]);
        let no_zero = base.masked_fill(&base.eq(0)?, 1)?;
        let of_base = g.mul(&again(&no_zero, &source)?)?.div(&no_zero)?;
        let zero = source.eq(0)?;
        let zeros_met =
            zeros_like(&base)?.scatter_add(dim, index, &zero.to_dtype(base.dtype())?)?.gather(dim, index)?;
        let only_zero = zero.logical_and(&zeros_met.eq(1)?)?;
        let without = again(&base, &source.masked_fill(&only_zero, 1)?)?;
        let through_zero = g.mul(&without)?.gather(dim, index)?;
        let through_rest = g.mul(&result)?.gather(dim, index)?.div(&source.masked_fill(&zero, 1)?)?;
        let of_source = through_zero.where_cond(&only_zero, &through_rest)?;
        // Two zeros that met have a mixed second derivative, which nothing above computes.
        let recorded = grad_enabled() && of_source.requires_grad() && of_source.device() != Device::Meta;
        let of_source = match recorded && vmap::any(&zeros_met.gt(1)?)? {
            true => ZerosMet.apply(&of_source)?,
            false => of_source,
        };
        Ok((of_base, of_source))
    }

    /// Those that equal the result share its gradient evenly.
    fn extreme(&self, s: &Saved<'_>, g: &Tensor, index: &Tensor) -> Result<(Tensor, Tensor)> {
        let (dim, base, source, result) = (self.dim as isize, s.input(0)?, s.input(2)?, s.output(0)?);
        let from_base = base.eq(&result)?.to_dtype(g.dtype())?;
        let from_source = source.eq(&result.gather(dim, index)?)?.to_dtype(g.dtype())?;
        let winners = from_base.scatter_add(dim, index, &from_source)?;
        let share = g.div(&winners)?;
        Ok((from_base.mul(&share)?, from_source.mul(&share.gather(dim, index)?)?))
    }
}

fn zeros_like(x: &Tensor) -> Result<Tensor> {
    Tensor::zeros(x.shape()).dtype(x.dtype()).device(x.device()).build()
}
