//! Boxes to begin with, at every place of every map.

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
#[derive(Clone, Debug)]
pub struct AnchorGenerator {
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
}
