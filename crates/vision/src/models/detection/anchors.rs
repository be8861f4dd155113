//! Boxes to begin with, at every place of every map.

use flambeau_nn::Module;
use flambeau_tensor::{Result, Tensor, bail, cat, ensure};

/// Anchors of several sizes and proportions at every place, as `torchvision.models.detection.anchor_utils.
/// AnchorGenerator`.
///
/// ```
/// use flambeau_vision::models::AnchorGenerator;
///
/// let anchors = AnchorGenerator::new(vec![vec![32.0], vec![64.0]], vec![vec![0.5, 1.0, 2.0]; 2])?;
/// assert_eq!(anchors.num_anchors_per_location(), [3, 3]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Module)]
pub struct AnchorGenerator {
    #[module(skip)]
    cells: Vec<Vec<[f32; 4]>>,
}

impl AnchorGenerator {
    /// Sides in pixels, and heights in units of widths, by map.
    ///
    /// # Errors
    /// Where the two lists do not go together.
    #[track_caller]
    pub fn new(sizes: Vec<Vec<f64>>, aspect_ratios: Vec<Vec<f64>>) -> Result<Self> {
        ensure!(
            sizes.len() == aspect_ratios.len() && !sizes.is_empty(),
            Argument,
            "AnchorGenerator",
            "sizes for {} maps and proportions for {}",
            sizes.len(),
            aspect_ratios.len()
        );
        let cell = |(sizes, ratios): (&Vec<f64>, &Vec<f64>)| -> Vec<[f32; 4]> {
            let of = |ratio: f64, size: f64| {
                let high = (ratio as f32).sqrt();
                let (w, h) = (1.0 / high * size as f32, high * size as f32);
                [-w, -h, w, h].map(|side| (side / 2.0).round_ties_even())
            };
            ratios.iter().flat_map(|ratio| sizes.iter().map(move |size| of(*ratio, *size))).collect()
        };
        Ok(AnchorGenerator { cells: sizes.iter().zip(&aspect_ratios).map(cell).collect() })
    }

    /// How many there are at each place of each map.
    pub fn num_anchors_per_location(&self) -> Vec<usize> {
        self.cells.iter().map(Vec::len).collect()
    }

    /// The anchors `[N, 4]` on maps of these sizes of an image of `size`, map by map, row by row.
    ///
    /// # Errors
    /// Where it was made for another number of maps, or a map is empty.
    #[track_caller]
    pub fn anchors(&self, maps: &[(usize, usize)], size: (usize, usize)) -> Result<Tensor> {
        let (known, given) = (self.cells.len(), maps.len());
        ensure!(known == given, Argument, "AnchorGenerator", "{given} maps, it was made for {known}");
        let mut all = Vec::with_capacity(maps.len());
        for (cell, &(rows, columns)) in self.cells.iter().zip(maps) {
            if rows == 0 || columns == 0 {
                bail!(Shape, "AnchorGenerator", "a map of {rows} by {columns} places");
            }
            let (down, across) = (size.0 / rows, size.1 / columns);
            let mut boxes = Vec::with_capacity(rows * columns * cell.len() * 4);
            for row in 0..rows {
                for column in 0..columns {
                    let (x, y) = ((column * across) as f32, (row * down) as f32);
                    boxes.extend(cell.iter().flat_map(|[x1, y1, x2, y2]| [x + x1, y + y1, x + x2, y + y2]));
                }
            }
            let n = boxes.len() / 4;
            all.push(Tensor::from_vec(boxes, [n, 4])?);
        }
        cat(&all, 0)
    }

    /// The anchors on these maps `[N, C, H, W]` of a batch of images, and how many of them each map has.
    #[track_caller]
    pub(super) fn of_maps(&self, maps: &[Tensor], images: &Tensor) -> Result<(Tensor, Vec<usize>)> {
        let sizes = maps.iter().map(size_of_map).collect::<Result<Vec<_>>>()?;
        let anchors = self.anchors(&sizes, size_of_map(images)?)?.to_dtype(images.dtype())?;
        let counts = sizes.iter().zip(&self.cells).map(|((rows, columns), cell)| rows * columns * cell.len());
        Ok((anchors, counts.collect()))
    }
}

/// Height and width of `[..., H, W]`.
#[track_caller]
pub(super) fn size_of_map(map: &Tensor) -> Result<(usize, usize)> {
    Ok((map.size(-2)?, map.size(-1)?))
}

/// Boxes of several sizes and proportions at every place, in shares of the image, as
/// `torchvision.models.detection.anchor_utils.DefaultBoxGenerator`.
#[derive(Clone, Module)]
pub(super) struct DefaultBoxGenerator {
    /// Widths and heights at a place of each map.
    #[module(skip)]
    sides: Vec<Vec<[f32; 2]>>,
    /// Pixels from one place to the next, of each map; those of the map itself where there are none.
    #[module(skip)]
    steps: Option<Vec<f64>>,
}

impl DefaultBoxGenerator {
    /// Proportions by map; `scales` are the sides by map and one more, in shares of the image.
    pub(super) fn new(aspect_ratios: &[&[f64]], scales: &[f64], steps: Option<Vec<f64>>) -> Self {
        let of_map = |(ratios, scales): (&&[f64], &[f64])| {
            let between = (scales[0] * scales[1]).sqrt();
            let mut sides = vec![[scales[0]; 2], [between; 2]];
            for ratio in *ratios {
                let (w, h) = (scales[0] * ratio.sqrt(), scales[0] / ratio.sqrt());
                sides.extend([[w, h], [h, w]]);
            }
            sides.into_iter().map(|side| side.map(|x| (x as f32).clamp(0.0, 1.0))).collect()
        };
        DefaultBoxGenerator { sides: aspect_ratios.iter().zip(scales.windows(2)).map(of_map).collect(), steps }
    }

    pub(super) fn num_anchors_per_location(&self) -> Vec<usize> {
        self.sides.iter().map(Vec::len).collect()
    }

    /// The boxes `[N, 4]` on maps `[N, C, H, W]` of images of `size`, map by map, row by row.
    #[track_caller]
    pub(super) fn anchors(&self, maps: &[Tensor], (height, width): (usize, usize)) -> Result<Tensor> {
        let (known, given) = (self.sides.len(), maps.len());
        ensure!(known == given, Argument, "DefaultBoxGenerator", "{given} maps, it was made for {known}");
        let mut boxes = Vec::new();
        for (k, (sides, map)) in self.sides.iter().zip(maps).enumerate() {
            let (rows, columns) = size_of_map(map)?;
            let (down, across) = match &self.steps {
                Some(steps) => ((height as f64 / steps[k]) as f32, (width as f64 / steps[k]) as f32),
                None => (rows as f32, columns as f32),
            };
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                let (x, y) = ((column as f32 + 0.5) / across, (row as f32 + 0.5) / down);
                let scaled = |[w, h]: &[f32; 2]| [x - 0.5 * w, y - 0.5 * h, x + 0.5 * w, y + 0.5 * h];
                let by = [width as f32, height as f32, width as f32, height as f32];
                boxes.extend(sides.iter().flat_map(scaled).enumerate().map(|(i, side)| side * by[i % 4]));
            }
        }
        let n = boxes.len() / 4;
        Tensor::from_vec(boxes, [n, 4])
    }
}
