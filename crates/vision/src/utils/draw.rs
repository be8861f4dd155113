//! Boxes, masks and key points on an image, to torchvision's pixels (the text of labels apart).

use super::canvas::{Canvas, Ink, Point, coordinates};
use super::color::Colors;
use super::font;
use crate::transforms::functional::to_dtype;
use flambeau_tensor::{Build, DType, Result, Tensor, ensure, no_grad, stack};

/// How much a filled box covers what is below, of 255.
const FILLED: u8 = 100;
/// The widest line, the largest radius.
const WIDEST: usize = 1 << 12;

macro_rules! drawing {
    ($Name:ident { $($(#[$doc:meta])* $option:ident: $t:ty,)* }) => {
        impl $Name {
            $(
                $(#[$doc])*
                pub fn $option(mut self, $option: impl Into<$t>) -> Self {
                    self.$option = $option.into();
                    self
                }
            )*

            /// Draws on a copy of the image.
            ///
            /// # Errors
            /// Where the image is neither `u8` nor floating point of a shape that can be drawn on, what is drawn has
            /// another shape or dtype than it takes, a coordinate is out of range, or a colour does not exist.
            #[track_caller]
            pub fn build(self) -> Result<Tensor> {
                no_grad(|| self.drawn())
            }
        }

        impl Build for $Name {
            type Output = Tensor;
            fn build(self) -> Result<Tensor> {
                $Name::build(self)
            }
        }
    };
}

/// An image with boxes. See [`draw_bounding_boxes`].
#[derive(Clone, Debug)]
#[must_use = "a builder makes nothing until `build()`"]
pub struct DrawBoundingBoxes {
    image: Tensor,
    boxes: Tensor,
    labels: Vec<String>,
    colors: Colors,
    fill: bool,
    width: usize,
    font_size: usize,
    label_colors: Colors,
    label_background_colors: Colors,
    fill_labels: bool,
}

/// Draws boxes on an image of 1 or 3 channels, `u8` or floating point in 0 to 1; the result has 3 channels. `boxes` is
/// `[N, 4]` (left, top, right, bottom) or `[N, 8]` (the four corners of rotated boxes, whose first side is dashed).
/// Follows `torchvision.utils.draw_bounding_boxes`; labels are in a font of this crate (5×7 pixels, times whole numbers).
///
/// ```
/// use flambeau_tensor::{DType, Tensor};
/// use flambeau_vision::utils::draw_bounding_boxes;
///
/// let image = Tensor::zeros([3, 40, 60]).dtype(DType::U8).build()?;
/// let boxes = Tensor::from_slice(&[5.0f32, 5.0, 50.0, 30.0], [1, 4])?;
/// let drawn = draw_bounding_boxes(&image, &boxes).labels(["coin 0.98"]).colors("red").width(2usize).build()?;
/// assert_eq!(drawn.shape(), [3, 40, 60]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub fn draw_bounding_boxes(image: &Tensor, boxes: &Tensor) -> DrawBoundingBoxes {
    DrawBoundingBoxes {
        image: image.clone(),
        boxes: boxes.clone(),
        labels: Vec::new(),
        colors: Colors::default(),
        fill: false,
        width: 1,
        font_size: 10,
        label_colors: Colors::default(),
        label_background_colors: Colors::default(),
        fill_labels: false,
    }
}

drawing!(DrawBoundingBoxes {
    /// The colours of the boxes: a palette's by turns unless set.
    colors: Colors,
    /// Fill the boxes, lightly. False unless set.
    fill: bool,
    /// How many pixels wide the edges are. 1 unless set.
    width: usize,
    /// The height of a line of labels in pixels, cut to a multiple of 10. 10 unless set.
    font_size: usize,
    /// The colours of the labels: those of the boxes unless set, or black with `fill_labels`.
    label_colors: Colors,
    /// The colours behind the labels, with `fill_labels`: those of the boxes unless set.
    label_background_colors: Colors,
    /// Fill what is behind the labels. False unless set.
    fill_labels: bool,
});

impl DrawBoundingBoxes {
    /// A text for each box.
    pub fn labels<S: Into<String>>(mut self, labels: impl IntoIterator<Item = S>) -> Self {
        self.labels = labels.into_iter().map(Into::into).collect();
        self
    }

    #[track_caller]
    fn drawn(self) -> Result<Tensor> {
        const OP: &str = "draw_bounding_boxes";
        let (image, n) = (self.image.clone(), self.boxes.shape().first().copied().unwrap_or(0));
        ensure!(
            matches!(*self.boxes.shape(), [_, 4 | 8]),
            Shape,
            OP,
            "boxes of shape {:?} are neither [N, 4] nor [N, 8]",
            self.boxes.shape()
        );
        let image = match *image.shape() {
            [1, h, w] => image.expand([3, h, w])?,
            _ => image,
        };
        if n == 0 {
            checked(OP, &image)?;
            return Ok(self.image.clone());
        }
        ensure!(
            self.labels.is_empty() || self.labels.len() == n,
            Argument,
            OP,
            "{} labels for {n} boxes",
            self.labels.len()
        );
        let colors = self.colors.each(OP, n)?;
        let label_colors = match (self.label_colors.given(), self.fill_labels) {
            (true, _) => self.label_colors.each(OP, n)?,
            (false, true) => vec![[0; 3]; n],
            (false, false) => colors.clone(),
        };
        let behind = if self.label_background_colors.given() {
            self.label_background_colors.each(OP, n)?
        } else {
            colors.clone()
        };
        let places = coordinates(OP, &self.boxes)?;
        let width = wide(OP, self.width)?;
        on(OP, &image, |canvas| {
            for (k, place) in places.chunks_exact(places.len() / n).enumerate() {
                self.one(canvas, place, width, colors[k])?;
                if let Some(label) = self.labels.get(k) {
                    self.label(canvas, (place[0] + width + 1, place[1] + width + 1), label, label_colors[k], behind[k]);
                }
            }
            Ok(())
        })
    }

    #[track_caller]
    fn one(&self, canvas: &mut Canvas, place: &[i64], width: i64, color: [u8; 3]) -> Result<()> {
        let edge = Ink { color, cover: 255, blend: self.fill };
        let inside = Ink { cover: FILLED, ..edge };
        let corners: Vec<Point> = place.as_chunks::<2>().0.iter().map(|p| (p[0], p[1])).collect();
        if let [from, to] = corners[..] {
            ensure!(
                from.0 <= to.0 && from.1 <= to.1,
                Argument,
                "draw_bounding_boxes",
                "a box from {from:?} to {to:?} is upside down: boxes are (left, top, right, bottom), see ops::box_convert"
            );
            if self.fill {
                canvas.fill(from, to, inside);
            }
            canvas.frame(from, to, width, edge);
            return Ok(());
        }
        dashed(canvas, corners[0], corners[1], width, edge);
        for i in 1..4 {
            canvas.line(corners[i], corners[(i + 1) % 4], width, edge);
        }
        if self.fill {
            canvas.polygon(&corners, inside);
        }
        Ok(())
    }

    fn label(&self, canvas: &mut Canvas, at: Point, text: &str, color: [u8; 3], behind: [u8; 3]) {
        let scale = (self.font_size.clamp(10, WIDEST) / 10) as i64;
        let ink = Ink { color, cover: 255, blend: self.fill };
        if self.fill_labels {
            let right = at.0 + text.chars().count() as i64 * font::ADVANCE * scale;
            canvas.fill((at.0 - 1, at.1 - 1), (right, at.1 + 8 * scale), Ink { color: behind, ..ink });
        }
        canvas.text(at, text, scale, ink);
    }
}

/// Five pixels of line, five without.
fn dashed(canvas: &mut Canvas, from: Point, to: Point, width: i64, ink: Ink) {
    const LONG: f64 = 5.0;
    let ((mut x, mut y), (ex, ey)) = ((from.0 as f64, from.1 as f64), (to.0 as f64, to.1 as f64));
    let (mut left, mut drawn) = (((ex - x).powi(2) + (ey - y).powi(2)).sqrt(), true);
    while left > 0.0 {
        let (step, angle) = (left.min(LONG), (ey - y).atan2(ex - x));
        let (nx, ny) = (x + angle.cos() * step, y + angle.sin() * step);
        if drawn {
            canvas.line((x as i64, y as i64), (nx as i64, ny as i64), width, ink);
        }
        (x, y, left, drawn) = (nx, ny, left - step, !drawn);
    }
}

/// An image with masks. See [`draw_segmentation_masks`].
#[derive(Clone, Debug)]
#[must_use = "a builder makes nothing until `build()`"]
pub struct DrawSegmentationMasks {
    image: Tensor,
    masks: Tensor,
    alpha: f64,
    colors: Colors,
}

/// Colours the pixels of masks (`bool`, `[N, H, W]` or `[H, W]`) on an image of 3 channels, `u8` or floating point in 0
/// to 1; where masks overlap it gets dark. Follows `torchvision.utils.draw_segmentation_masks`.
pub fn draw_segmentation_masks(image: &Tensor, masks: &Tensor) -> DrawSegmentationMasks {
    DrawSegmentationMasks { image: image.clone(), masks: masks.clone(), alpha: 0.8, colors: Colors::default() }
}

drawing!(DrawSegmentationMasks {
    /// How much the colours cover the image, 0 to 1. 0.8 unless set.
    alpha: f64,
    /// The colours of the masks: a palette's by turns unless set.
    colors: Colors,
});

impl DrawSegmentationMasks {
    #[track_caller]
    fn drawn(self) -> Result<Tensor> {
        const OP: &str = "draw_segmentation_masks";
        let (image, dtype) = (self.image.detach(), self.image.dtype());
        checked(OP, &image)?;
        let masks = if self.masks.rank() == 2 { self.masks.unsqueeze(0)? } else { self.masks.clone() };
        ensure!(masks.dtype() == DType::Bool, DType, OP, "masks are bool, these are {}", masks.dtype());
        ensure!(
            masks.rank() == 3 && masks.shape()[1..] == image.shape()[1..],
            Shape,
            OP,
            "masks of shape {:?} for an image of shape {:?}",
            masks.shape(),
            image.shape()
        );
        let n = masks.shape()[0];
        if masks.numel() == 0 {
            return Ok(self.image.clone());
        }
        let scale = if dtype == DType::U8 { 1.0 } else { 255.0 };
        let colors = self.colors.each(OP, n)?;
        let several = masks.to_dtype(DType::I64)?.sum(0)?.gt(1)?;
        let mut planes = Vec::with_capacity(3);
        for c in 0..3 {
            let mut plane = image.select(0, c as isize)?;
            for (k, color) in colors.iter().enumerate() {
                plane = plane.masked_fill(&masks.select(0, k as isize)?, f64::from(color[c]) / scale)?;
            }
            planes.push(plane.masked_fill(&several, 0.0)?);
        }
        let drawn = stack(&planes, 0)?;
        image.mul(1.0 - self.alpha)?.add(&drawn.mul(self.alpha)?)?.to_dtype(dtype)
    }
}

/// An image with key points. See [`draw_keypoints`].
#[derive(Clone, Debug)]
#[must_use = "a builder makes nothing until `build()`"]
pub struct DrawKeypoints {
    image: Tensor,
    keypoints: Tensor,
    connectivity: Vec<(usize, usize)>,
    colors: Option<super::Color>,
    radius: usize,
    width: usize,
    visibility: Option<Tensor>,
}

/// Draws key points (`[N, K, 2]`, x and y) as discs on an image of 3 channels, `u8` or floating point in 0 to 1, and white
/// lines between those that `connectivity` joins. Follows `torchvision.utils.draw_keypoints`, where points without a
/// colour are not drawn.
pub fn draw_keypoints(image: &Tensor, keypoints: &Tensor) -> DrawKeypoints {
    DrawKeypoints {
        image: image.clone(),
        keypoints: keypoints.clone(),
        connectivity: Vec::new(),
        colors: None,
        radius: 2,
        width: 3,
        visibility: None,
    }
}

drawing!(DrawKeypoints {
    /// Which points of an instance are joined by lines. None unless set.
    connectivity: Vec<(usize, usize)>,
    /// The radius of a point in pixels. 2 unless set.
    radius: usize,
    /// How many pixels wide the lines are. 3 unless set.
    width: usize,
});

impl DrawKeypoints {
    /// The colour of the points.
    pub fn colors(mut self, color: impl Into<super::Color>) -> Self {
        self.colors = Some(color.into());
        self
    }

    /// Which points are drawn, `[N, K]` or `[N, K, 1]`, true or not zero. All unless set.
    pub fn visibility(mut self, visibility: &Tensor) -> Self {
        self.visibility = Some(visibility.clone());
        self
    }

    #[track_caller]
    fn drawn(self) -> Result<Tensor> {
        const OP: &str = "draw_keypoints";
        let [n, count, 2] = *self.keypoints.shape() else {
            ensure!(false, Shape, OP, "key points of shape {:?} are not [N, K, 2]", self.keypoints.shape());
            return Ok(self.image);
        };
        let seen = match &self.visibility {
            None => vec![true; n * count],
            Some(seen) => {
                let shape = seen.shape();
                ensure!(
                    shape == [n, count] || shape == [n, count, 1],
                    Shape,
                    OP,
                    "visibility of shape {shape:?} for key points of shape {:?}",
                    self.keypoints.shape()
                );
                seen.detach().to_dtype(DType::Bool)?.to_vec::<bool>()?
            }
        };
        if let Some((a, b)) = self.connectivity.iter().find(|(a, b)| *a.max(b) >= count) {
            ensure!(false, Index, OP, "a line joins the points {a} and {b}, an instance has {count}");
        }
        let points = coordinates(OP, &self.keypoints)?;
        let color = self.colors.as_ref().map(|color| color.rgb()).transpose()?;
        let (radius, width) = (wide(OP, self.radius)?, wide(OP, self.width)?);
        let ink = |color| Ink { color, cover: 255, blend: false };
        on(OP, &self.image, |canvas| {
            for k in (0..n).take_while(|_| count > 0) {
                let point = |i: usize| (points[2 * (k * count + i)], points[2 * (k * count + i) + 1]);
                if let Some(color) = color {
                    (0..count).filter(|i| seen[k * count + i]).for_each(|i| canvas.disc(point(i), radius, ink(color)));
                }
                for (a, b) in &self.connectivity {
                    if width > 0 && seen[k * count + a] && seen[k * count + b] {
                        canvas.line(point(*a), point(*b), width, ink([255; 3]));
                    }
                }
            }
            Ok(())
        })
    }
}

/// Lets `draw` draw on a copy of the image as bytes, which comes back in its dtype.
#[track_caller]
fn on(op: &'static str, image: &Tensor, draw: impl FnOnce(&mut Canvas) -> Result<()>) -> Result<Tensor> {
    checked(op, image)?;
    let dtype = image.dtype();
    let bytes = if dtype == DType::U8 { image.clone() } else { to_dtype(image, DType::U8, true)? };
    let mut canvas = Canvas::of(&bytes)?;
    draw(&mut canvas)?;
    let drawn = canvas.into_tensor()?;
    if dtype == DType::U8 { Ok(drawn) } else { to_dtype(&drawn, dtype, true) }
}

#[track_caller]
fn checked(op: &'static str, image: &Tensor) -> Result<()> {
    let (dtype, shape) = (image.dtype(), image.shape());
    ensure!(dtype == DType::U8 || dtype.is_float(), DType, op, "an image is uint8 or floating point, this is {dtype}");
    ensure!(
        matches!(*shape, [3, _, _]),
        Shape,
        op,
        "an image of shape {shape:?} is not [3, H, W]: one image in colours"
    );
    Ok(())
}

#[track_caller]
fn wide(op: &'static str, width: usize) -> Result<i64> {
    ensure!(width <= WIDEST, Argument, op, "{width} pixels are too wide: {WIDEST} at most");
    Ok(width as i64)
}
