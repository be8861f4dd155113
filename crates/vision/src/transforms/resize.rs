//! Resizing: the transform and the function; how pixels are mixed is in [`resample`](super::resample).

use super::Forward;
use super::functional::height_width;
use super::kinds::{InterpolationMode, Size, boolean};
use super::resample::{Axis, resample};
use flambeau_nn::Module;
use flambeau_tensor::{Result, Tensor, builder, ensure, grad_enabled};

/// The image in another size, as `torchvision.transforms.Resize`: one number is the length of the shorter
/// side, two are height and width.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::transforms::{Forward, Resize};
///
/// let image = Tensor::rand([3, 20, 40]).build()?;
/// assert_eq!(Resize::new(10).build()?.forward(&image)?.shape(), [3, 10, 20]);
/// assert_eq!(Resize::new([8, 8]).build()?.forward(&image)?.shape(), [3, 8, 8]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
#[module(extra_repr = "Resize::describe")]
pub struct Resize {
    size: Size,
    interpolation: InterpolationMode,
    max_size: Option<usize>,
    antialias: bool,
}

builder! {
    /// Options of [`Resize`].
    pub struct ResizeBuilder => Resize;
    new {
        /// The length of the shorter side, or height and width.
        size: ~into Size,
    }
    options {
        /// How pixels are mixed. `Bilinear` unless set.
        interpolation: InterpolationMode = InterpolationMode::Bilinear,
        /// The most that the longer side may get, where `size` is one number. No limit unless set.
        max_size: ~into Option<usize> = None,
        /// Let every pixel of a larger image count, as PIL does. True unless set; `Nearest` knows no difference.
        antialias: bool = true,
    }
}

impl Resize {
    #[track_caller]
    fn from_builder(b: ResizeBuilder) -> Result<Self> {
        let ResizeBuilder { size, interpolation, max_size, antialias } = b;
        let (h, w) = size.square();
        ensure!(h > 0 && w > 0, Argument, "Resize", "a size of {h}×{w} has no pixels");
        if let Some(most) = max_size {
            let Size::One(n) = size else {
                flambeau_tensor::bail!(Argument, "Resize", "max_size is for a size that is one number, not for {h}×{w}")
            };
            ensure!(n < most, Argument, "Resize", "max_size = {most} is not above the {n} of the shorter side");
        }
        ensure!(
            antialias || interpolation != InterpolationMode::Lanczos,
            Argument,
            "Resize",
            "Lanczos interpolation comes with antialias only"
        );
        Ok(Resize { size, interpolation, max_size, antialias })
    }

    fn describe(&self) -> String {
        let size = match self.size {
            Size::One(n) => n.to_string(),
            Size::Both(h, w) => format!("[{h}, {w}]"),
        };
        let max_size = self.max_size.map_or("None".to_string(), |n| n.to_string());
        format!(
            "size={size}, interpolation={}, max_size={max_size}, antialias={}",
            self.interpolation.python(),
            boolean(self.antialias)
        )
    }

    /// The size for an image of `h` × `w`.
    fn output(&self, h: usize, w: usize) -> (usize, usize) {
        let Size::One(n) = self.size else { return self.size.square() };
        let (mut short, mut long) = (n, (n as u128 * h.max(w) as u128 / h.min(w).max(1) as u128) as usize);
        if let Some(most) = self.max_size.filter(|most| long > *most) {
            (short, long) = ((most as u128 * short as u128 / long as u128) as usize, most);
        }
        if w <= h { (long, short) } else { (short, long) }
    }
}

impl Forward for Resize {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (h, w) = height_width("Resize", x)?;
        let (height, width) = self.output(h, w);
        resize(x, height, width, self.interpolation, self.antialias)
    }
}

/// The image in `height` × `width` pixels; itself where it has them already. Follows
/// `torchvision.transforms.v2.functional.resize`, `u8` included, which is mixed in 16-bit integers.
///
/// # Errors
/// Where it is no image or an empty one, or its gradient is recorded, which ends here.
#[track_caller]
pub fn resize(
    image: &Tensor,
    height: usize,
    width: usize,
    interpolation: InterpolationMode,
    antialias: bool,
) -> Result<Tensor> {
    let (h, w) = height_width("resize", image)?;
    if (h, w) == (height, width) {
        return Ok(image.clone());
    }
    ensure!(
        image.numel() > 0 && height > 0 && width > 0,
        Shape,
        "resize",
        "shape {:?} to {height}×{width}: there are no pixels",
        image.shape()
    );
    ensure!(
        !(image.requires_grad() && grad_enabled()),
        NotDifferentiable,
        "resize",
        "resizing records no gradient; `detach` the image, or use `no_grad`"
    );
    let axis = |from, to| Axis::new(from, to, interpolation, antialias, image.dtype());
    resample(image, &axis(h, height), &axis(w, width))
}

#[cfg(test)]
mod tests;
