//! Samplers: the order in which items are read.

use flambeau_tensor::{Error, ErrorKind, Generator, Result, Tensor, ensure, random::default_generator};
use std::sync::Arc;

/// An order of items, made anew for each epoch: `torch.utils.data.Sampler`.
pub trait Sampler: Send + Sync {
    /// The numbers of the items, in order. `generator`, or the default one, gives what is random.
    ///
    /// # Errors
    /// Where the order cannot be drawn.
    fn order(&self, generator: Option<&Generator>) -> Result<Vec<usize>>;

    /// Called when an epoch has come to its end, with the generator its order came from.
    ///
    /// # Errors
    /// Where what is drawn then cannot be drawn.
    fn end(&self, _generator: Option<&Generator>) -> Result<()> {
        Ok(())
    }

    /// True where the order is always 0, 1, 2, …: the loader then needs no list of it.
    fn is_sequential(&self) -> bool {
        false
    }

    /// How many there are in an epoch.
    fn len(&self) -> usize;

    /// True where there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The numbers of an epoch's items in order, cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// 0, 1, 2, … so many
    Sequential(usize),
    /// as the list says
    List(Arc<[usize]>),
}

impl Order {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Order::Sequential(n) => *n,
            Order::List(list) => list.len(),
        }
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of the item that comes as number `at`.
    pub fn get(&self, at: usize) -> Option<usize> {
        match self {
            Order::Sequential(n) => (at < *n).then_some(at),
            Order::List(list) => list.get(at).copied(),
        }
    }
}

impl From<Vec<usize>> for Order {
    fn from(list: Vec<usize>) -> Order {
        Order::List(list.into())
    }
}

/// 0, 1, 2, …
#[derive(Clone, Debug)]
pub struct SequentialSampler(pub usize);

impl Sampler for SequentialSampler {
    fn order(&self, _: Option<&Generator>) -> Result<Vec<usize>> {
        let mut order = Vec::new();
        let memory = |e: std::collections::TryReserveError| {
            let message = format!("a list of {} numbers cannot be allocated", self.0);
            Error::new(ErrorKind::Memory, "SequentialSampler", message).with_source(e)
        };
        order.try_reserve_exact(self.0).map_err(memory)?;
        order.extend(0..self.0);
        Ok(order)
    }
    fn is_sequential(&self) -> bool {
        true
    }
    fn len(&self) -> usize {
        self.0
    }
}

/// Every item once, in random order; as PyTorch's, to the number. From a generator that is given it draws once
/// more at the end of an epoch, as PyTorch's does since 1.11.
#[derive(Clone, Debug)]
pub struct RandomSampler(pub usize);

/// A seed as PyTorch draws one: `torch.empty((), dtype=torch.int64).random_().item()`.
pub(crate) fn draw_seed() -> u64 {
    let mut seed = [0i64];
    default_generator().random(&mut seed);
    seed[0] as u64
}

impl Sampler for RandomSampler {
    fn order(&self, generator: Option<&Generator>) -> Result<Vec<usize>> {
        let own;
        let generator = match generator {
            Some(g) => g,
            None => {
                own = Generator::with_seed(draw_seed());
                &own
            }
        };
        let order = Tensor::randperm(self.0).generator(generator).build()?.to_vec::<i64>()?;
        Ok(order.into_iter().map(|i| i as usize).collect())
    }
    fn end(&self, generator: Option<&Generator>) -> Result<()> {
        match generator {
            Some(generator) => Tensor::randperm(self.0).generator(generator).build().map(drop),
            None => Ok(()),
        }
    }
    fn len(&self) -> usize {
        self.0
    }
}

/// Items by weight: `torch.utils.data.WeightedRandomSampler`.
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
    fn order(&self, generator: Option<&Generator>) -> Result<Vec<usize>> {
        let default = default_generator().clone();
        let generator = generator.unwrap_or(&default);
        let mut picked = Vec::new();
        picked.try_reserve_exact(self.samples).map_err(|e| {
            let message = format!("a list of {} numbers cannot be allocated", self.samples);
            Error::new(ErrorKind::Memory, "WeightedRandomSampler", message).with_source(e)
        })?;
        picked.resize(self.samples, 0i64);
        generator.multinomial(&mut picked, &self.weights, self.weights.len(), self.samples, self.replacement)?;
        Ok(picked.into_iter().map(|i| i as usize).collect())
    }
    fn len(&self) -> usize {
        self.samples
    }
}

/// Groups of another sampler's items: `torch.utils.data.BatchSampler`.
pub struct BatchSampler {
    inner: Box<dyn Sampler>,
    batch_size: usize,
    drop_last: bool,
}

impl BatchSampler {
    /// Batches of `batch_size` items of `inner`; a shorter last one stays out if `drop_last`.
    ///
    /// # Errors
    /// Where batches would be of no items.
    #[track_caller]
    pub fn new(inner: impl Sampler + 'static, batch_size: usize, drop_last: bool) -> Result<Self> {
        ensure!(batch_size > 0, Argument, "BatchSampler", "batches of no items never end");
        Ok(BatchSampler { inner: Box::new(inner), batch_size, drop_last })
    }

    /// The batches of an epoch.
    ///
    /// # Errors
    /// Where the order cannot be drawn.
    pub fn batches(&self, generator: Option<&Generator>) -> Result<Vec<Vec<usize>>> {
        let order = self.inner.order(generator)?;
        Ok(order
            .chunks(self.batch_size)
            .filter(|b| !self.drop_last || b.len() == self.batch_size)
            .map(<[_]>::to_vec)
            .collect())
    }

    /// How many batches an epoch has.
    pub fn len(&self) -> usize {
        let n = self.inner.len();
        if self.drop_last { n / self.batch_size } else { n.div_ceil(self.batch_size) }
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
