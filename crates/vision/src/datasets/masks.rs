//! Masks of COCO's annotations: polygons filled as `pycocotools` fills them, and runs of pixels, written out or as a text.

use serde_json::Value as Json;

/// What an annotation says of the pixels of its thing.
#[derive(Clone, Debug, PartialEq)]
pub enum CocoSegmentation {
    /// The corners of polygons around it, x and y in turn.
    Polygons(Vec<Vec<f64>>),
    /// How many pixels are out and in, in turn, column by column, in an image of this height and width.
    Runs {
        /// height and width
        size: (usize, usize),
        /// out, in, out, …
        counts: Vec<usize>,
    },
}

impl CocoSegmentation {
    /// What `segmentation` holds; nothing where it is empty or of another form.
    pub(super) fn parse(json: &Json) -> Option<CocoSegmentation> {
        if let Some(polygons) = json.as_array() {
            let polygon = |polygon: &Json| polygon.as_array().map(|p| p.iter().filter_map(Json::as_f64).collect());
            return Some(CocoSegmentation::Polygons(polygons.iter().filter_map(polygon).collect()));
        }
        let side = |i: usize| json.get("size")?.get(i)?.as_u64().map(|side| side as usize);
        let counts = match json.get("counts")? {
            Json::String(text) => packed_counts(text)?,
            Json::Array(list) => list.iter().map(|n| n.as_u64().map(|n| n as usize)).collect::<Option<_>>()?,
            _ => return None,
        };
        Some(CocoSegmentation::Runs { size: (side(0)?, side(1)?), counts })
    }

    /// The mask, row by row, of an image of `height` and `width`.
    pub(super) fn mask(&self, height: usize, width: usize) -> Result<Vec<u8>, String> {
        let n = height * width;
        let mut columns = vec![0u8; n];
        match self {
            CocoSegmentation::Polygons(polygons) => {
                for polygon in polygons {
                    fill(polygon, height, width, &mut columns)?;
                }
            }
            CocoSegmentation::Runs { size, counts } => {
                if *size != (height, width) {
                    return Err(format!("runs for {size:?} pixels in an image of {:?}", (height, width)));
                }
                let (mut at, mut value) = (0usize, 0);
                for count in counts {
                    let end = at.checked_add(*count).filter(|end| *end <= n);
                    let end = end.ok_or_else(|| format!("runs of more than the {n} pixels of the image"))?;
                    columns[at..end].fill(value);
                    (at, value) = (end, 1 - value);
                }
            }
        }
        Ok((0..n).map(|i| columns[i % width * height + i / width]).collect())
    }
}

/// Counts as a text: five bits a character, the lowest first; from the third on the difference to the last but one.
fn packed_counts(text: &str) -> Option<Vec<usize>> {
    let mut counts: Vec<i64> = Vec::new();
    let mut bytes = text.bytes();
    while let Some(mut byte) = bytes.next() {
        let (mut value, mut shift) = (0i64, 0);
        loop {
            let bits = i64::from(byte.checked_sub(48).filter(|bits| *bits < 64)?);
            value |= (bits & 0x1f).checked_shl(shift).filter(|_| shift < 60)?;
            shift += 5;
            if bits & 0x20 == 0 {
                if bits & 0x10 != 0 {
                    value |= -1i64 << shift;
                }
                break;
            }
            byte = bytes.next()?;
        }
        if counts.len() > 2 {
            value = value.checked_add(counts[counts.len() - 2])?;
        }
        counts.push(value);
    }
    counts.into_iter().map(|count| usize::try_from(count).ok()).collect()
}

/// The edges are walked in fifths of pixels.
const FINE: f64 = 5.0;

/// Sets the pixels inside a polygon, column by column: its edges tell at which pixels a column goes in or out.
fn fill(polygon: &[f64], height: usize, width: usize, columns: &mut [u8]) -> Result<(), String> {
    let far = (height + width + 1000) as f64;
    if polygon.iter().any(|side| !(side.abs() <= far)) {
        return Err("a corner far outside of the image".into());
    }
    let corners: Vec<(i64, i64)> = polygon.as_chunks::<2>().0.iter().map(|[x, y]| (fine(*x), fine(*y))).collect();
    let mut points = Vec::new();
    for (i, from) in corners.iter().enumerate() {
        walk(*from, corners[(i + 1) % corners.len()], &mut points);
    }
    let mut turns = Vec::new();
    for pair in points.windows(2) {
        let [(before, above), (x, y)] = [pair[0], pair[1]];
        if x == before {
            continue;
        }
        let column = ((if x < before { x } else { x - 1 }) as f64 + 0.5) / FINE - 0.5;
        if column.fract() != 0.0 || column < 0.0 || column > width as f64 - 1.0 {
            continue;
        }
        let row = ((y.min(above) as f64 + 0.5) / FINE - 0.5).clamp(0.0, height as f64).ceil();
        turns.push(column as usize * height + row as usize);
    }
    turns.sort_unstable();
    turns.push(height * width);
    for ends in turns[..turns.len() - 1].chunks(2) {
        let end = ends.get(1).copied().unwrap_or(height * width);
        columns[ends[0].min(end)..end].fill(1);
    }
    Ok(())
}

/// A side in fifths, cut as C cuts.
fn fine(side: f64) -> i64 {
    (FINE * side + 0.5) as i64
}

/// The points of an edge, by its longer side.
fn walk((mut xs, mut ys): (i64, i64), (mut xe, mut ye): (i64, i64), points: &mut Vec<(i64, i64)>) {
    let (dx, dy) = ((xe - xs).abs(), (ye - ys).abs());
    let flat = dx >= dy;
    let back = if flat { xs > xe } else { ys > ye };
    if back {
        std::mem::swap(&mut xs, &mut xe);
        std::mem::swap(&mut ys, &mut ye);
    }
    let long = if flat { dx } else { dy };
    let slope = match (long, flat) {
        (0, _) => 0.0,
        (_, true) => (ye - ys) as f64 / dx as f64,
        (_, false) => (xe - xs) as f64 / dy as f64,
    };
    for d in 0..=long {
        let t = if back { long - d } else { d };
        points.push(match flat {
            true => (t + xs, (ys as f64 + slope * t as f64 + 0.5) as i64),
            false => ((xs as f64 + slope * t as f64 + 0.5) as i64, t + ys),
        });
    }
}
