//! Elements counted, found in sorted lists, and without their repetitions.

use crate::interpreters::autocast::in_full_precision;
use crate::lists;
use crate::shape::{Shape, dim_index};
use crate::{DType, Result, Tensor, bail, cat, ensure, no_grad};

/// What [`unique`](Tensor::unique) and [`unique_consecutive`](Tensor::unique_consecutive) give.
#[derive(Clone, Debug)]
pub struct Unique {
    /// Each element (or slice) once.
    pub values: Tensor,
    /// Where in `values` each element of the input stands.
    pub inverse: Tensor,
    /// How often each occurs in the input.
    pub counts: Tensor,
}

/// What [`histogram`](Tensor::histogram) gives.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// How many elements fall into each bin, or their weight.
    pub hist: Tensor,
    /// The bins' edges, one more than bins.
    pub bin_edges: Tensor,
}

/// The bins of [`histogram`](Tensor::histogram).
#[derive(Clone, Debug)]
pub enum Bins {
    /// as many of one width, over the range of the elements or between the two numbers
    Even(usize, Option<(f64, f64)>),
    /// with these edges, in rising order
    Edges(Tensor),
}

impl Tensor {
    /// For each of `values` the place in this list (or in each list along the last dimension) before which it may stand
    /// so that the list stays sorted; of several the first, with `right` the last: `torch.searchsorted`, the sorted
    /// sequence being `self`. By bisection of all values at once.
    ///
    /// # Errors
    /// Where the leading dimensions differ and the sequence is no list, or a dtype has no order.
    #[track_caller]
    pub fn searchsorted(&self, values: impl AsRef<Tensor>, right: bool) -> Result<Tensor> {
        let values = values.as_ref();
        let (s, v) = (self.rank(), values.rank());
        ensure!(s > 0, Shape, "searchsorted", "a tensor without dimensions is no sorted list");
        ensure!(
            s == 1 || s == v && self.shape()[..s - 1] == values.shape()[..v - 1],
            Shape,
            "searchsorted",
            "values of shape {:?} do not go with lists of shape {:?}",
            values.shape(),
            self.shape()
        );
        let n = self.shape()[s - 1];
        no_grad(|| {
            let (list, x) = (self.detach(), values.detach());
            let dtype = crate::result_type(&list, &x);
            let (list, x) = (list.to_dtype(dtype)?, x.to_dtype(dtype)?);
            let mut at = Tensor::zeros(x.shape()).dtype(DType::I64).device(x.device()).build()?;
            if n == 0 || x.numel() == 0 {
                return Ok(at);
            }
            let mut step = 1usize << n.ilog2();
            while step > 0 {
                let next = at.add(step as i64)?;
                // The element in front of the place that is tried.
                let before = next.clamp_max(n as i64)?.sub(1)?;
                let element = if s == 1 { list.take(&before)? } else { list.gather(-1, &before)? };
                // Not the opposite comparison: NaN belongs behind all.
                let further = if right { element.gt(&x)? } else { element.ge(&x)? }.logical_not()?;
                let further = further.logical_and(&next.le(n as i64)?)?;
                at = next.where_cond(&further, &at)?;
                step /= 2;
            }
            Ok(at)
        })
    }

    /// The number of the bin that each element falls into, between sorted `boundaries`: `torch.bucketize`. A boundary
    /// belongs to the bin below it, with `right` to that above.
    ///
    /// # Errors
    /// Where the boundaries are no list.
    #[track_caller]
    pub fn bucketize(&self, boundaries: impl AsRef<Tensor>, right: bool) -> Result<Tensor> {
        let boundaries = boundaries.as_ref();
        ensure!(boundaries.rank() == 1, Shape, "bucketize", "boundaries of shape {:?} are no list", boundaries.shape());
        boundaries.searchsorted(self, right)
    }

    /// True where the element is among `elements`: `torch.isin`.
    ///
    /// # Errors
    /// Where a dtype has no order.
    #[track_caller]
    pub fn isin(&self, elements: impl AsRef<Tensor>) -> Result<Tensor> {
        let elements = elements.as_ref();
        let n = elements.numel();
        if n == 0 {
            return Tensor::zeros(self.shape()).dtype(DType::Bool).device(self.device()).build();
        }
        no_grad(|| {
            let dtype = crate::result_type(self, elements);
            let (x, list) = (self.detach().to_dtype(dtype)?, elements.detach().to_dtype(dtype)?.reshape(-1)?);
            if n <= 8 {
                return x.unsqueeze(-1)?.eq(&list)?.any(-1);
            }
            let sorted = list.sort(0, false)?.values;
            let at = sorted.searchsorted(&x, false)?.clamp_max(n as i64 - 1)?;
            sorted.take(&at)?.eq(&x)
        })
    }

    /// How often each number from 0 on occurs, or the sum of its `weights`; at least `minlength` counts:
    /// `torch.bincount`.
    ///
    /// # Errors
    /// Where the tensor is no list of integers, one is negative, or weights are not one for each.
    #[track_caller]
    pub fn bincount(&self, weights: Option<&Tensor>, minlength: usize) -> Result<Tensor> {
        ensure!(self.dtype().is_int(), DType, "bincount", "not defined for {}", self.dtype());
        ensure!(self.rank() == 1, Shape, "bincount", "the tensor {:?} is no list", self.shape());
        let fits = weights.is_none_or(|w| w.shape() == self.shape());
        ensure!(fits, Shape, "bincount", "weights must be a list of {} numbers", self.numel());
        no_grad(|| {
            let x = self.detach().to_dtype(DType::I64)?;
            let mut n = minlength;
            if x.numel() > 0 {
                let ends = x.aminmax(..)?;
                let (least, most) = (ends.min.item::<i64>()?, ends.max.item::<i64>()?);
                ensure!(least >= 0, Argument, "bincount", "{least} is negative");
                n = n.max((most as usize).saturating_add(1));
            }
            let weights = match weights {
                None => Tensor::ones(x.shape()).dtype(DType::I64).device(x.device()).build()?,
                Some(w) if w.dtype() == DType::F32 => w.detach(),
                Some(w) => w.detach().to_dtype(DType::F64)?,
            };
            let none = Tensor::zeros([n]).dtype(weights.dtype()).device(x.device()).build()?;
            none.scatter_add(0, &x, &weights)
        })
    }

    /// The least and largest element; 0 and 1 where there are none, and a range around equal ones.
    #[track_caller]
    fn range(&self, op: &'static str, given: Option<(f64, f64)>) -> Result<(f64, f64)> {
        let (low, high) = match given {
            Some(range) => range,
            None if self.numel() == 0 => (0.0, 1.0),
            None => {
                let ends = self.to_dtype(DType::F64)?.aminmax(..)?;
                (ends.min.item::<f64>()?, ends.max.item::<f64>()?)
            }
        };
        ensure!(low.is_finite() && high.is_finite(), Argument, op, "the range from {low} to {high} is not finite");
        ensure!(low <= high, Argument, op, "the range from {low} to {high} ends before it begins");
        // Around equal ends, as PyTorch: one wide, of `histc` two.
        let around = if op == "histc" { 1.0 } else { 0.5 };
        Ok(if low == high { (low - around, high + around) } else { (low, high) })
    }

    /// How many elements fall into each of `bins` of one width between `min` and `max`, or over the range of the
    /// elements where both are equal: `torch.histc`. Elements outside do not count.
    ///
    /// # Errors
    /// Where the tensor is not of floating point, `bins` is 0, or the range is not finite.
    #[track_caller]
    pub fn histc(&self, bins: usize, min: f64, max: f64) -> Result<Tensor> {
        ensure!(self.dtype().is_float(), DType, "histc", "not defined for {}", self.dtype());
        ensure!(bins > 0, Argument, "histc", "there must be at least one bin");
        let Some(with_rest) = bins.checked_add(1) else { bail!(Memory, "histc", "{bins} bins cannot be counted") };
        let range = if min == max { None } else { Some((min, max)) };
        no_grad(|| {
            let x = self.detach().reshape(-1)?;
            let (low, high) = x.range("histc", range)?;
            // One more bin behind takes what is outside.
            let count = Tensor::zeros([with_rest]).dtype(x.dtype()).device(x.device()).build()?;
            let inside = x.ge(low)?.logical_and(&x.le(high)?)?;
            // Counted in the steps of PyTorch's arithmetic, without the bins' edges, which halves could not tell apart.
            let bin = x.sub(low)?.mul(bins as f64)?.div(high - low)?.masked_fill(&inside.logical_not()?, 0)?;
            let bin = bin.to_dtype(DType::I64)?.clamp(0, bins as i64 - 1)?;
            let bin = bin.masked_fill(&inside.logical_not()?, bins as i64)?;
            count.scatter_add(0, &bin, &x.ones_like()?)?.narrow(0, 0, bins)?.contiguous()
        })
    }

    /// How many elements fall into each bin, or the sum of their weights; with `density` divided by the bin's width and
    /// the sum, so that the integral is 1: `torch.histogram`. The last bin contains its right edge.
    ///
    /// # Errors
    /// Where the tensor is not of floating point, there are no bins, or weights have another shape.
    #[track_caller]
    pub fn histogram(&self, bins: &Bins, weight: Option<&Tensor>, density: bool) -> Result<Histogram> {
        ensure!(self.dtype().is_float(), DType, "histogram", "not defined for {}", self.dtype());
        let found = self.binned("histogram", bins, weight)?;
        if !density {
            return Ok(found);
        }
        let widths = found.bin_edges.diff(1, 0, None, None)?;
        let hist = found.hist.div(&found.hist.sum(..)?)?.div(&widths)?;
        Ok(Histogram { hist, ..found })
    }

    /// [`histogram`](Tensor::histogram) of points `[…, D]` in D dimensions, with the bins along each:
    /// `torch.histogramdd`. The counts are `[bins, …]`.
    ///
    /// # Errors
    /// Where the tensor is not of floating point, the bins are not D, or weights have another shape than the points.
    #[track_caller]
    pub fn histogramdd(&self, bins: &[Bins], weight: Option<&Tensor>, density: bool) -> Result<(Tensor, Vec<Tensor>)> {
        let op = "histogramdd";
        ensure!(self.dtype().is_float(), DType, op, "not defined for {}", self.dtype());
        ensure!(self.rank() > 1, Shape, op, "the points must be [N, D], their shape is {:?}", self.shape());
        let (lead, d) = (&self.shape()[..self.rank() - 1], self.size(-1)?);
        ensure!(bins.len() == d && d > 0, Argument, op, "{} lists of bins for {d} dimensions", bins.len());
        let fits = weight.is_none_or(|w| w.shape() == lead && w.dtype() == self.dtype());
        ensure!(fits, Shape, op, "weights must be {} of shape {lead:?}", self.dtype());
        no_grad(|| {
            let points = self.detach().reshape([-1, d as isize])?;
            let mut place = Tensor::zeros([points.size(0)?]).dtype(DType::I64).device(self.device()).build()?;
            let mut inside = place.eq(0)?;
            let (mut all, mut edges, mut sizes) = (1usize, Vec::with_capacity(d), Vec::with_capacity(d));
            for (i, bins) in bins.iter().enumerate() {
                let x = points.select(1, i as isize)?.contiguous()?;
                let edge = x.edges(op, bins)?;
                let n = edge.numel() - 1;
                let (bin, here) = x.bin_of(&edge)?;
                let Some(product) = all.checked_mul(n).filter(|n| *n < isize::MAX as usize) else {
                    bail!(Memory, op, "the bins of {d} dimensions cannot be counted")
                };
                place = place.mul(n as i64)?.add(&bin)?;
                inside = inside.logical_and(&here)?;
                all = product;
                edges.push(edge);
                sizes.push(n);
            }
            let weights = match weight {
                Some(w) => w.detach().reshape(-1)?,
                None => Tensor::ones(place.shape()).dtype(self.dtype()).device(self.device()).build()?,
            };
            let count = Tensor::zeros([all + 1]).dtype(self.dtype()).device(self.device()).build()?;
            let place = place.masked_fill(&inside.logical_not()?, all as i64)?;
            let mut hist = count.scatter_add(0, &place, &weights)?.narrow(0, 0, all)?.reshape(&sizes)?;
            if density {
                hist = hist.div(&hist.sum(..)?)?;
                for (i, edge) in edges.iter().enumerate() {
                    let mut shape = vec![1; d];
                    shape[i] = sizes[i];
                    hist = hist.div(&edge.diff(1, 0, None, None)?.reshape(shape)?)?;
                }
            }
            Ok((hist, edges))
        })
    }

    /// The edges of the bins for the elements.
    #[track_caller]
    fn edges(&self, op: &'static str, bins: &Bins) -> Result<Tensor> {
        match bins {
            Bins::Edges(edges) => {
                let fits = edges.rank() == 1 && edges.numel() >= 1 && edges.dtype() == self.dtype();
                ensure!(fits, Shape, op, "bin edges must be a list of {}", self.dtype());
                Ok(edges.detach())
            }
            Bins::Even(n, range) => {
                ensure!(*n > 0, Argument, op, "there must be at least one bin");
                let (low, high) = self.range(op, *range)?;
                let Some(edges) = n.checked_add(1) else { bail!(Memory, op, "{n} bins cannot be counted") };
                Tensor::linspace(low, high, edges).dtype(self.dtype()).device(self.device()).build()
            }
        }
    }

    /// For each element the number of its bin, of which there must be one, and whether it is in any.
    #[track_caller]
    fn bin_of(&self, edges: &Tensor) -> Result<(Tensor, Tensor)> {
        let last = edges.numel() as i64 - 2;
        let inside = self.ge(&edges.select(0, 0)?)?.logical_and(&self.le(&edges.select(0, -1)?)?)?;
        Ok((self.bucketize(edges, true)?.sub(1)?.clamp(0, last.max(0))?, inside))
    }

    #[track_caller]
    fn binned(&self, op: &'static str, bins: &Bins, weight: Option<&Tensor>) -> Result<Histogram> {
        let fits = weight.is_none_or(|w| w.shape() == self.shape() && w.dtype() == self.dtype());
        ensure!(fits, Shape, op, "weights must be {} of shape {:?}", self.dtype(), self.shape());
        no_grad(|| {
            let x = self.detach().reshape(-1)?;
            let edges = x.edges(op, bins)?;
            let n = edges.numel() - 1;
            // One more bin behind takes what is outside.
            let count = Tensor::zeros([n + 1]).dtype(x.dtype()).device(x.device()).build()?;
            if n == 0 || x.numel() == 0 {
                return Ok(Histogram { hist: count.narrow(0, 0, n)?, bin_edges: edges });
            }
            let (bin, inside) = x.bin_of(&edges)?;
            let bin = bin.masked_fill(&inside.logical_not()?, n as i64)?;
            let weights = match weight {
                Some(w) => w.detach().reshape(-1)?,
                None => x.ones_like()?,
            };
            let hist = count.scatter_add(0, &bin, &weights)?.narrow(0, 0, n)?.contiguous()?;
            Ok(Histogram { hist, bin_edges: edges })
        })
    }

    /// Each element once, in rising order, or with `dim` each slice along it: `torch.unique`.
    ///
    /// # Errors
    /// Where the tensor has no data, or its dtype no order; where slices have no elements.
    #[track_caller]
    pub fn unique(&self, dim: Option<isize>) -> Result<Unique> {
        ensure!(self.device().has_data(), Device, "unique", "the shape depends on the data, of which there is none");
        let Some(dim) = dim else {
            return no_grad(|| {
                let flat = self.detach().reshape(-1)?;
                if let Some(unique) = flat.unique_by_counting()? {
                    return unique.shaped(self.shape());
                }
                let order = flat.argsort_stable(0, false)?;
                flat.index_select(0, &order)?.runs(0, Some(&order))?.shaped(self.shape())
            });
        };
        let d = dim_index("unique", dim, self.rank())?;
        let others_empty = self.shape().iter().enumerate().any(|(k, size)| k != d && *size == 0);
        ensure!(
            !others_empty,
            Shape,
            "unique",
            "slices of {:?} along dimension {d} have no elements to be told apart by",
            self.shape()
        );
        let d = d as isize;
        no_grad(|| {
            // Equal elements have one number, in their order; slices are then compared number by number.
            let x = self.detach();
            let ranks = x.unique(None)?.inverse.movedim(d, 0)?.contiguous()?;
            let n = x.size(d)?;
            let width = ranks.numel().checked_div(n).unwrap_or(0);
            let numbers = ranks.to_vec::<i64>()?;
            let row = |i: &i64| &numbers[*i as usize * width..(*i as usize + 1) * width];
            let mut order: Vec<i64> = Vec::new();
            lists::reserve(&mut order, n)?;
            order.extend(0..n as i64);
            order.sort_by(|a, b| row(a).cmp(row(b)));
            let order = Tensor::from_vec(order, [n])?.to_device(x.device())?;
            x.index_select(d, &order)?.runs(d, Some(&order))
        })
    }

    /// [`unique`](Tensor::unique) of a list of integers that lie so close together that each number in between can be
    /// counted, without sorting; `None` of others.
    #[track_caller]
    fn unique_by_counting(&self) -> Result<Option<Unique>> {
        const FEWEST: usize = 256;
        if !self.dtype().is_int() || self.numel() < FEWEST {
            return Ok(None);
        }
        let ends = self.aminmax(..)?;
        let (least, most) = (ends.min.item::<i64>()?, ends.max.item::<i64>()?);
        if most.abs_diff(least) >= self.numel() as u64 {
            return Ok(None);
        }
        let list = |n: usize| Tensor::zeros([n]).dtype(DType::I64).device(self.device()).build();
        let places = self.to_dtype(DType::I64)?.sub(least)?;
        let counts = list((most - least) as usize + 1)?.scatter_add(0, &places, &list(self.numel())?.add(1)?)?;
        let there = counts.ne(0)?;
        let values = there.nonzero()?.reshape(-1)?;
        let inverse = there.to_dtype(DType::I64)?.cumsum(0)?.sub(1)?.index_select(0, &places)?;
        let counts = counts.index_select(0, &values)?;
        Ok(Some(Unique { values: values.add(least)?.to_dtype(self.dtype())?, inverse, counts }))
    }

    /// Of equal neighbours the first, or with `dim` of equal slices along it: `torch.unique_consecutive`.
    ///
    /// # Errors
    /// Where the tensor has no data.
    #[track_caller]
    pub fn unique_consecutive(&self, dim: Option<isize>) -> Result<Unique> {
        const OP: &str = "unique_consecutive";
        ensure!(self.device().has_data(), Device, OP, "the shape depends on the data, of which there is none");
        no_grad(|| match dim {
            None => self.detach().reshape(-1)?.runs(0, None)?.shaped(self.shape()),
            Some(dim) => self.detach().runs(dim_index(OP, dim, self.rank())? as isize, None),
        })
    }

    /// The runs of equal slices along `d`; `order` says where each came from.
    #[track_caller]
    fn runs(&self, d: isize, order: Option<&Tensor>) -> Result<Unique> {
        let n = self.size(d)?;
        let list = |n: usize| Tensor::zeros([n]).dtype(DType::I64).device(self.device()).build();
        if n == 0 {
            return Ok(Unique { values: self.copy()?, inverse: list(0)?, counts: list(0)? });
        }
        let others: Vec<usize> = (0..self.rank()).filter(|k| *k as isize != d).collect();
        let changed = self.narrow(d, 1, n - 1)?.ne(&self.narrow(d, 0, n - 1)?)?;
        let changed = if others.is_empty() { changed } else { changed.any(others)? };
        let first = cat(&[&Tensor::ones([1]).dtype(DType::Bool).device(self.device()).build()?, &changed], 0)?;
        let starts = first.nonzero()?.reshape(-1)?;
        let run = first.to_dtype(DType::I64)?.cumsum(0)?.sub(1)?;
        let inverse = match order {
            Some(order) => list(n)?.scatter(0, order, &run)?,
            None => run,
        };
        let end = Tensor::full([1], n as i64).device(self.device()).build()?;
        let counts = starts.diff(1, 0, None, Some(&end))?;
        Ok(Unique { values: self.index_select(d, &starts)?, inverse, counts })
    }

    /// The `q`-quantiles of the elements along `dim` (all without it), between elements by `interpolation`:
    /// `torch.quantile`. `q` is one number or a list, which becomes the first dimension. NaN where an element is.
    ///
    /// # Errors
    /// Where the tensor is not `float32` or `float64`, `q` of another dtype or not between 0 and 1, or nothing is there.
    #[track_caller]
    pub fn quantile(
        &self,
        q: impl AsRef<Tensor>,
        dim: Option<isize>,
        keepdim: bool,
        interpolation: Interpolation,
    ) -> Result<Tensor> {
        self.quantiles("quantile", q.as_ref(), dim, keepdim, interpolation)
    }

    /// [`quantile`](Tensor::quantile) of the elements that are not NaN: `torch.nanquantile`.
    ///
    /// # Errors
    /// As for [`quantile`](Tensor::quantile).
    #[track_caller]
    pub fn nanquantile(
        &self,
        q: impl AsRef<Tensor>,
        dim: Option<isize>,
        keepdim: bool,
        interpolation: Interpolation,
    ) -> Result<Tensor> {
        self.quantiles("nanquantile", q.as_ref(), dim, keepdim, interpolation)
    }

    #[track_caller]
    fn quantiles(
        &self,
        op: &'static str,
        q: &Tensor,
        dim: Option<isize>,
        keepdim: bool,
        interpolation: Interpolation,
    ) -> Result<Tensor> {
        in_full_precision!(x = self, q = q => x.quantiles(op, &q, dim, keepdim, interpolation));
        ensure!(matches!(self.dtype(), DType::F32 | DType::F64), DType, op, "not defined for {}", self.dtype());
        ensure!(q.dtype() == self.dtype(), DType, op, "q is {}, the tensor {}", q.dtype(), self.dtype());
        ensure!(q.rank() <= 1, Shape, op, "q of shape {:?} is neither a number nor a list", q.shape());
        ensure!(self.numel() > 0, Shape, op, "the tensor has no elements");
        let q = &q.to_device(self.device())?;
        if q.device().has_data() && q.numel() > 0 {
            let out = q.detach().ge(0)?.logical_and(&q.detach().le(1)?)?.logical_not()?.any(..)?;
            ensure!(!out.item::<bool>()?, Argument, op, "q is not between 0 and 1");
        }
        // The dimension goes to the end.
        let d = dim.map(|dim| dim_index(op, dim, self.rank())).transpose()?;
        let x = match d {
            Some(d) if self.rank() > 0 => self.movedim(d as isize, -1)?,
            _ => self.reshape(-1)?,
        };
        let n = x.size(-1)?;
        let sorted = x.sort(-1, false)?.values;
        let list = if q.rank() == 0 { q.unsqueeze(0)? } else { q.clone() };
        let nan = x.detach().isnan()?;
        let ranks = if op == "nanquantile" {
            let last = nan.logical_not()?.sum_keepdim(-1)?.sub(1)?.clamp_min(0)?.to_dtype(x.dtype())?;
            last.mul(&list)?
        } else {
            let ranks = list.mul((n - 1) as f64)?;
            let shape: Shape = x.shape()[..x.rank() - 1].iter().copied().chain([list.numel()]).collect();
            // NaN stands at the end.
            ranks.expand(shape)?.masked_fill(&nan.any_keepdim(-1)?, (n - 1) as f64)?
        };
        let ranks = match interpolation {
            Interpolation::Lower => ranks.floor()?,
            Interpolation::Higher => ranks.ceil()?,
            Interpolation::Nearest => ranks.round()?,
            _ => ranks,
        };
        let at = |ranks: &Tensor| sorted.gather(-1, ranks.detach().to_dtype(DType::I64)?);
        let below = ranks.detach().floor()?;
        let mut y = at(&below)?;
        match interpolation {
            Interpolation::Linear => y = y.lerp(&at(&ranks.detach().ceil()?)?, &ranks.sub(&below)?)?,
            Interpolation::Midpoint => y = y.lerp(&at(&ranks.detach().ceil()?)?, 0.5)?,
            _ => {}
        }
        // q to the front, and the dimension back.
        let mut y = y.movedim(-1, 0)?;
        if keepdim {
            y = match d {
                Some(d) if self.rank() > 0 => y.unsqueeze(d as isize + 1)?,
                _ => {
                    let shape: Shape = [y.shape()[0]].into_iter().chain(self.shape().iter().map(|_| 1)).collect();
                    y.reshape(shape)?
                }
            };
        }
        if q.rank() == 0 { y.squeeze(0) } else { Ok(y) }
    }
}

/// What [`quantile`](Tensor::quantile) takes between two elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interpolation {
    /// the share of each by how near it is
    #[default]
    Linear,
    /// the one below
    Lower,
    /// the one above
    Higher,
    /// the nearer one
    Nearest,
    /// the mean of the two
    Midpoint,
}

impl Unique {
    /// With the inverse in the input's shape.
    fn shaped(self, shape: &[usize]) -> Result<Unique> {
        Ok(Unique { inverse: self.inverse.reshape(shape)?, ..self })
    }
}
