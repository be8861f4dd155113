//! Which steps and which numbers are hidden while HuBERT is pretrained, drawn in torchaudio's order.

use flambeau_tensor::{DType, Result, Tensor, ensure};

/// How long spans are that are hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum MaskSelection {
    /// As long as is said.
    #[default]
    Static,
    /// Evenly from this to twice as long as is said.
    Uniform(u32),
    /// Normally about what is said, with this deviation.
    Normal(f64),
}

/// What of a row of steps (or of numbers) is hidden.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spans {
    /// The share that is hidden, if spans do not overlap.
    pub probability: f64,
    pub length: usize,
    pub selection: MaskSelection,
    pub no_overlap: bool,
    /// Between spans that do not overlap.
    pub min_space: usize,
    pub at_least: usize,
}

fn one_draw() -> Result<f32> {
    Ok(Tensor::rand(1).build()?.to_vec::<f32>()?[0])
}

impl Spans {
    /// How many spans a row of `size` has: what is left of a whole one counts by chance.
    fn count(&self, size: usize) -> Result<usize> {
        let wanted = self.probability * size as f64 / self.length as f64;
        Ok(((wanted as f32 + one_draw()?) as usize).max(self.at_least))
    }

    fn lengths(&self, count: usize, size: usize) -> Result<Vec<usize>> {
        let mut lengths: Vec<usize> = match self.selection {
            MaskSelection::Static => vec![self.length; count],
            MaskSelection::Uniform(from) => {
                let drawn = Tensor::randint(i64::from(from), self.length as i64 * 2 + 1, count).build()?;
                drawn.to_dtype(DType::I64)?.to_vec::<i64>()?.into_iter().map(|n| n as usize).collect()
            }
            MaskSelection::Normal(std) => {
                let drawn = Tensor::zeros(count).build()?;
                drawn.normal_(self.length as f64, std)?;
                drawn.to_vec::<f32>()?.into_iter().map(|n| n.round_ties_even().max(1.0) as usize).collect()
            }
        };
        if lengths.iter().all(|n| *n == 0) {
            if let Some(first) = lengths.first_mut() {
                *first = self.length.min(size.saturating_sub(1));
            }
        }
        Ok(lengths)
    }

    /// The places of a row of `size` that are hidden, ascending.
    #[track_caller]
    fn row(&self, size: usize, count: usize) -> Result<Vec<usize>> {
        let lengths = self.lengths(count, size)?;
        let Some(&shortest) = lengths.iter().min() else { return Ok(Vec::new()) };
        let mut hidden =
            if self.no_overlap { self.apart(size, lengths, shortest)? } else { anywhere(size, &lengths, shortest)? };
        hidden.retain(|place| *place < size);
        hidden.sort_unstable();
        hidden.dedup();
        Ok(hidden)
    }

    /// Spans that leave space between each other, the longest first, each in a part of what is free.
    fn apart(&self, size: usize, mut lengths: Vec<usize>, shortest: usize) -> Result<Vec<usize>> {
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        let (mut parts, mut hidden) = (vec![(0usize, size)], Vec::new());
        for length in lengths {
            let free = |&(start, end): &(usize, usize)| match end.saturating_sub(start) {
                room if room < length + self.min_space => 0.0f32,
                room => room as f32,
            };
            let free: Vec<f32> = parts.iter().map(free).collect();
            let all: f32 = free.iter().sum();
            if all == 0.0 {
                break;
            }
            let shares = Tensor::from_vec(free.iter().map(|room| room / all).collect::<Vec<f32>>(), parts.len())?;
            let shares = shares.div(&shares.sum(..)?)?;
            let picked = shares.multinomial(1, true)?.to_vec::<i64>()?[0] as usize;
            let (start, end) = parts.remove(picked);
            ensure!(start + length < end, Argument, "HuBERT", "spans of {length} need mask_min_space 1 at least");
            let begin = Tensor::randint(start as i64, (end - length) as i64, 1).build()?.to_dtype(DType::I64)?;
            let begin = begin.to_vec::<i64>()?[0] as usize;
            hidden.extend(begin..begin + length);
            if begin >= start + self.min_space + shortest {
                parts.push((start, begin - self.min_space + 1));
            }
            if end > begin + 2 * shortest + self.min_space {
                parts.push((begin + length + self.min_space, end));
            }
        }
        Ok(hidden)
    }

    /// `[batch, size]`, true where hidden; as many in each row. A row has a size of its own where `sizes` says so.
    #[track_caller]
    pub(super) fn mask(&self, batch: usize, size: usize, sizes: Option<&[usize]>) -> Result<Tensor> {
        ensure!(
            self.length > 0 && self.probability.is_finite(),
            Argument,
            "HuBERT",
            "spans of {} with probability {} cannot be hidden",
            self.length,
            self.probability
        );
        // Drawn also where each row has a count of its own.
        let all = self.count(size)?;
        let mut rows = Vec::with_capacity(batch);
        for i in 0..batch {
            let (size, count) = match sizes {
                Some(sizes) => (sizes[i], self.count(sizes[i])?),
                None => (size, all),
            };
            rows.push(self.row(size, count)?);
        }
        let fewest = rows.iter().map(Vec::len).min().unwrap_or(0);
        let mut mask = vec![false; batch * size];
        for (i, row) in rows.iter().enumerate() {
            if row.len() > fewest {
                let order = Tensor::randperm(row.len()).build()?.to_vec::<i64>()?;
                order[..fewest].iter().for_each(|j| mask[i * size + row[*j as usize]] = true);
            } else {
                row.iter().for_each(|place| mask[i * size + place] = true);
            }
        }
        Tensor::from_vec(mask, [batch, size])
    }
}

/// Spans that may overlap.
#[track_caller]
fn anywhere(size: usize, lengths: &[usize], shortest: usize) -> Result<Vec<usize>> {
    let count = lengths.len();
    let mut shortest = shortest as i64;
    if size as i64 - shortest <= count as i64 {
        shortest = size as i64 - count as i64 - 1;
    }
    let Ok(places) = usize::try_from(size as i64 - shortest) else {
        flambeau_tensor::bail!(Argument, "HuBERT", "{count} spans do not go into {size} steps")
    };
    let starts = Tensor::randperm(places).build()?.to_vec::<i64>()?;
    Ok(starts.iter().zip(lengths).flat_map(|(start, n)| *start as usize..*start as usize + n).collect())
}
