//! Values written to the places of a view, in a copy: what an in-place op through a view is to its base, and the
//! gradient of a view by strides.

use super::view::check_inside;
use crate::layout::Layout;
use crate::op::{Infer, Meta, Metas};
use crate::{Result, Tensor, dispatch, ensure};

/// A copy of the first input in which the second stands at a view's places: `torch.as_strided_scatter`.
/// The places are counted in the first input's own layout.
#[derive(Clone, Debug)]
pub struct AsStridedScatter {
    /// The first input's layout where its elements lie.
    pub base: Layout,
    /// The view's layout in the same storage.
    pub view: Layout,
}

/// The gradient of [`AsStrided`](crate::AsStrided): each element is added at its place in the storage, then the base's
/// layout reads what is there.
#[derive(Clone, Debug)]
pub struct AsStridedBackward {
    /// The layout of the tensor that was viewed.
    pub base: Layout,
    /// The view's layout in the same storage.
    pub view: Layout,
}

/// Layouts of one memory, with the shape that each must have.
fn check_layouts(op: &'static str, layouts: [(&Layout, &[usize]); 2]) -> Result<()> {
    for (layout, shape) in layouts {
        let right = layout.shape[..] == *shape && layout.strides.len() == shape.len() && layout.end().is_some();
        ensure!(right, Shape, op, "a tensor of shape {shape:?} does not lie as {layout:?} says");
    }
    Ok(())
}

impl Infer for AsStridedScatter {
    const NAME: &'static str = "as_strided_scatter";
    const INPUTS: usize = 2;
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        check_layouts(Self::NAME, [(&self.base, inputs[0].shape()), (&self.view, inputs[1].shape())])?;
        let (to, from) = (inputs[0].dtype(), inputs[1].dtype());
        ensure!(to == from, DType, Self::NAME, "a source of {from} does not go into a {to} tensor");
        Meta::like(inputs[0]).one()
    }
}

impl Infer for AsStridedBackward {
    const NAME: &'static str = "as_strided_backward";
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        check_layouts(Self::NAME, [(&self.base, &self.base.shape), (&self.view, inputs[0].shape())])?;
        Meta::new(self.base.shape.clone(), inputs[0].dtype()).one()
    }
}

impl Tensor {
    /// A copy of this tensor in which `source` stands at the places of `view`, both layouts of one storage.
    ///
    /// # Errors
    /// Where the layout is not inside this tensor, or `source` has another shape or dtype.
    #[track_caller]
    pub fn as_strided_scatter(&self, source: impl AsRef<Tensor>, view: &Layout) -> Result<Tensor> {
        let source = source.as_ref();
        check_inside("as_strided_scatter", view, self.dtype(), self)?;
        ensure!(
            *source.shape() == view.shape[..],
            Shape,
            "as_strided_scatter",
            "the source has shape {:?}, the view {:?}",
            source.shape(),
            &view.shape[..]
        );
        dispatch(AsStridedScatter { base: self.layout().clone(), view: view.clone() }, &[self, source])
    }
}
