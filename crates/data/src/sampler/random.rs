//! Random orders, PyTorch's to the number.

use super::{Draws, Sampler};
use flambeau_tensor::random::default_generator;
use flambeau_tensor::{Error, ErrorKind, Generator, Result, builder, ensure};

/// A seed as PyTorch draws one: `torch.empty((), dtype=torch.int64).random_().item()`.
pub(crate) fn draw_seed() -> u64 {
    let mut seed = [0i64];
    // The default generator is one of the host, which fills any slice.
    let drawn = default_generator().random(&mut seed);
    debug_assert!(drawn.is_ok());
    seed[0] as u64
}

/// `n` zeros, or an error where there is no room.
fn room(place: &'static str, n: usize) -> Result<Vec<i64>> {
    let mut list = Vec::new();
    list.try_reserve_exact(n).map_err(|e| {
        let message = format!("a list of {n} numbers cannot be allocated");
        Error::new(ErrorKind::Memory, place, message).with_source(e)
    })?;
    list.resize(n, 0);
    Ok(list)
}

/// The numbers below `n` in random order: `torch.randperm`.
pub(crate) fn permutation(place: &'static str, n: usize, generator: &Generator) -> Result<Vec<i64>> {
    let mut list = room(place, n)?;
    generator.randperm(&mut list)?;
    Ok(list)
}

fn numbers(list: Vec<i64>) -> impl Iterator<Item = Result<usize>> + Send {
    list.into_iter().map(|i| Ok(i as usize))
}

/// Items in random order: `torch.utils.data.RandomSampler`, in its order to the number. From a generator that is
/// given it draws once more at the end of an epoch, as PyTorch's does.
///
/// ```
/// use flambeau_data::{RandomSampler, Sampler};
/// use flambeau_tensor::{Generator, Result};
///
/// let sampler = RandomSampler::new(10).build()?;
/// let order: Vec<usize> = sampler.iter(Some(&Generator::with_seed(5)))?.collect::<Result<_>>()?;
/// assert_eq!(order, [1, 4, 9, 6, 3, 5, 0, 2, 8, 7]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RandomSampler {
    items: usize,
    samples: usize,
    replacement: bool,
}

builder! {
    /// Options of [`RandomSampler`].
    pub struct RandomSamplerBuilder => RandomSampler;
    new {
        items: usize
    }
    options {
        /// Each is drawn from all items, so one may come twice (no).
        replacement: bool = false,
        /// How many an epoch has (as many as there are items). Without replacement, permutation follows permutation.
        num_samples: ~into Option<usize> = None,
    }
}

impl RandomSampler {
    fn from_builder(b: RandomSamplerBuilder) -> Result<Self> {
        let samples = b.num_samples.unwrap_or(b.items);
        ensure!(b.items > 0 || samples == 0, Argument, "RandomSampler", "{samples} samples of no items");
        Ok(RandomSampler { items: b.items, samples, replacement: b.replacement })
    }
}

/// Permutations, or independent numbers in blocks of 32, as long as there are samples left.
struct RandomDraws {
    generator: Generator,
    items: usize,
    left: usize,
    replacement: bool,
    block: std::vec::IntoIter<i64>,
    /// Nothing is drawn any more.
    over: bool,
}

impl RandomDraws {
    fn refill(&mut self) -> Result<()> {
        let block = if self.replacement {
            let mut block = vec![0; self.left.min(32)];
            self.generator.randint(&mut block, 0, self.items as i64)?;
            block
        } else {
            // The last permutation is drawn whole whatever is left of the samples, none included.
            let mut block = permutation("RandomSampler", self.items, &self.generator)?;
            block.truncate(self.left);
            block
        };
        self.left -= block.len();
        self.over = if self.replacement { self.left == 0 } else { block.len() < self.items };
        self.block = block.into_iter();
        Ok(())
    }
}

impl Iterator for RandomDraws {
    type Item = Result<usize>;
    fn next(&mut self) -> Option<Result<usize>> {
        if self.block.len() == 0 && !self.over {
            if let Err(e) = self.refill() {
                (self.left, self.over) = (0, true);
                return Some(Err(e));
            }
        }
        self.block.next().map(|i| Ok(i as usize))
    }
}

impl Sampler for RandomSampler {
    fn iter(&self, generator: Option<&Generator>) -> Result<Draws> {
        let generator = generator.cloned().unwrap_or_else(|| Generator::with_seed(draw_seed()));
        let over = self.items == 0;
        let RandomSampler { items, samples: left, replacement } = *self;
        let mut draws = RandomDraws { generator, items, left, replacement, block: Vec::new().into_iter(), over };
        if left > 0 {
            // At once, so that it does not matter how far ahead somebody reads.
            draws.refill()?;
        }
        Ok(Box::new(draws))
    }
    fn len(&self) -> usize {
        self.samples
    }
}

/// The items of a list in random order: `torch.utils.data.SubsetRandomSampler`, in its order to the number.
#[derive(Clone, Debug)]
pub struct SubsetRandomSampler(pub Vec<usize>);

impl Sampler for SubsetRandomSampler {
    fn iter(&self, generator: Option<&Generator>) -> Result<Draws> {
        let generator = generator.cloned().unwrap_or_else(default_generator);
        let order = permutation("SubsetRandomSampler", self.0.len(), &generator)?;
        let indices = self.0.clone();
        Ok(Box::new(order.into_iter().map(move |i| Ok(indices[i as usize]))))
    }
    fn len(&self) -> usize {
        self.0.len()
    }
}

/// Items by weight: `torch.utils.data.WeightedRandomSampler`, in its order to the number.
#[derive(Clone, Debug)]
pub struct WeightedRandomSampler {
    weights: Vec<f64>,
    samples: usize,
    replacement: bool,
}

impl WeightedRandomSampler {
    /// `samples` items an epoch, drawn by `weights`, with or without replacement.
    ///
    /// # Errors
    /// Where a weight is negative or not finite, or too few are left without replacement.
    #[track_caller]
    pub fn new(weights: Vec<f64>, samples: usize, replacement: bool) -> Result<Self> {
        let good = weights.iter().all(|w| w.is_finite() && *w >= 0.0);
        ensure!(good, Argument, "WeightedRandomSampler", "weights must be finite and not negative");
        let most = weights.iter().filter(|w| **w > 0.0).count();
        ensure!(
            most > 0 && (replacement || samples <= most),
            Argument,
            "WeightedRandomSampler",
            "{samples} samples of {most} items with a weight"
        );
        Ok(WeightedRandomSampler { weights, samples, replacement })
    }
}

impl Sampler for WeightedRandomSampler {
    fn iter(&self, generator: Option<&Generator>) -> Result<Draws> {
        let generator = generator.cloned().unwrap_or_else(default_generator);
        let mut picked = room("WeightedRandomSampler", self.samples)?;
        if self.samples > 0 {
            generator.multinomial(&mut picked, &self.weights, self.weights.len(), self.samples, self.replacement)?;
        }
        Ok(Box::new(numbers(picked)))
    }
    fn len(&self) -> usize {
        self.samples
    }
}
