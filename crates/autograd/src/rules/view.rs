//! Derivatives of views: each sends the gradient back to where the elements came from.

use super::{Forward, Grads, Rule, Saved, Saves, no_gradient};
use crate::vmap;
use flambeau_tensor::shape::DimList;
use flambeau_tensor::{Result, Tensor, dispatch, no_grad, ops::*};
use smallvec::smallvec;

no_gradient!(Detach);

impl Rule for Permute {
    const FORWARD: Forward = Forward::Linear;
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let mut inverse: DimList = (0..self.order.len()).collect();
        self.order.iter().enumerate().for_each(|(place, d)| inverse[*d] = place);
        s.one(|| g.permute(inverse))
    }
}

impl Rule for Expand {
    const FORWARD: Forward = Forward::Linear;
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.meta(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| g.sum_to_size(&s.meta(0)?.shape))
    }
}

impl Rule for Reshape {
    const FORWARD: Forward = Forward::Linear;
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.meta(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| g.reshape(&s.meta(0)?.shape))
    }
}

/// Zeros of the input's shape in which `g` stands where `place` says: as an op on `g`, so that it can be
/// differentiated again.
fn placed(s: &Saved<'_>, g: &Tensor, place: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let meta = s.meta(0)?;
    let whole = vmap::apart(Tensor::zeros(&meta.shape).dtype(g.dtype()).device(g.device()).build()?, g)?;
    if g.requires_grad() && flambeau_tensor::grad_enabled() {
        let view = no_grad(|| place(&whole))?;
        return whole.as_strided_scatter(g, view.layout());
    }
    place(&whole)?.copy_(g)?;
    Ok(whole)
}

impl Rule for Slice {
    const FORWARD: Forward = Forward::Linear;
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.meta(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| placed(s, g, |whole| flambeau_tensor::dispatch_view(self.clone(), whole)))
    }
}

impl Rule for Diagonal {
    const FORWARD: Forward = Forward::Linear;
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.meta(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| placed(s, g, |whole| flambeau_tensor::dispatch_view(self.clone(), whole)))
    }
}

impl Rule for Unfold {
    const FORWARD: Forward = Forward::Linear;
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.meta(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        // Windows may share elements: they add up.
        let meta = s.meta(0)?;
        let whole = Tensor::zeros(&meta.shape).dtype(g.dtype()).device(flambeau_tensor::Device::Meta).build()?;
        let view = flambeau_tensor::dispatch_view(self.clone(), &whole)?.layout().clone();
        s.one(|| dispatch(AsStridedBackward { base: whole.layout().clone(), view }, &[g]))
    }
}

impl Rule for AsStrided {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| dispatch(AsStridedBackward { base: s.input_layout(0)?, view: (*self.layout).clone() }, &[g]))
    }
}

impl Rule for AsStridedBackward {
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        // g lies as the base; the view's elements are read from there.
        s.one(|| {
            let room = self.base.end().unwrap_or(0).max(self.view.end().unwrap_or(0));
            let memory = Tensor::zeros(room).dtype(g.dtype()).device(g.device()).build()?;
            let whole = memory.as_strided(&self.base.shape, &self.base.strides, self.base.offset)?;
            let filled = if self.base.may_overlap() {
                dispatch(AsStridedBackward { base: memory.layout().clone(), view: self.base.clone() }, &[g])?
            } else {
                memory.as_strided_scatter(g, whole.layout())?
            };
            filled.as_strided(&self.view.shape, &self.view.strides, self.view.offset)
        })
    }
}

impl Rule for AsStridedScatter {
    const FORWARD: Forward = Forward::Linear;
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        // g lies in rows; brought to where the base lay, the view's places are read or cleared.
        let room = self.base.end().unwrap_or(0).max(self.view.end().unwrap_or(0));
        let memory = Tensor::zeros(room).dtype(g.dtype()).device(g.device()).build()?;
        let spread = memory.as_strided_scatter(g, &self.base)?;
        let at_view = || spread.as_strided(&self.view.shape, &self.view.strides, self.view.offset);
        let base = if s.needs(0) {
            let hole = Tensor::zeros(&self.view.shape).dtype(g.dtype()).device(g.device()).build()?;
            let kept = spread.as_strided_scatter(&hole, &self.view)?;
            Some(kept.as_strided(&self.base.shape, &self.base.strides, self.base.offset)?)
        } else {
            None
        };
        let source = if s.needs(1) { Some(at_view()?) } else { None };
        Ok(smallvec![base, source])
    }
}

impl Rule for ViewAsReal {
    const FORWARD: Forward = Forward::Linear;
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| g.contiguous()?.view_as_complex())
    }
}

impl Rule for ViewAsComplex {
    const FORWARD: Forward = Forward::Linear;
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| g.view_as_real())
    }
}
