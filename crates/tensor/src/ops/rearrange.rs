//! Elements in other places: splits, shuffles of channels and pixels, and windows as columns.

use super::view::pieces;
use crate::shape::{Shape, Spatial, dim_index, product};
use crate::{DType, Result, Tensor, bail, ensure};
use smallvec::SmallVec;

/// The windows of [`im2col`](Tensor::im2col) and [`col2im`](Tensor::col2im).
#[derive(Clone, Copy, Debug)]
pub struct ColumnOptions {
    /// Height and width.
    pub kernel: Spatial,
    /// Dilation per spatial dimension; 1.
    pub dilation: Spatial,
    /// Zeros around the image; 0.
    pub padding: Spatial,
    /// Stride per spatial dimension; 1.
    pub stride: Spatial,
}

impl ColumnOptions {
    /// Windows of this size side by side, one element apart.
    pub fn new(kernel: impl Into<Spatial>) -> Self {
        ColumnOptions { kernel: kernel.into(), dilation: 1.into(), padding: 0.into(), stride: 1.into() }
    }

    /// Sets [`dilation`](ColumnOptions::dilation).
    #[must_use]
    pub fn dilation(mut self, dilation: impl Into<Spatial>) -> Self {
        self.dilation = dilation.into();
        self
    }

    /// Sets [`padding`](ColumnOptions::padding).
    #[must_use]
    pub fn padding(mut self, padding: impl Into<Spatial>) -> Self {
        self.padding = padding.into();
        self
    }

    /// Sets [`stride`](ColumnOptions::stride).
    #[must_use]
    pub fn stride(mut self, stride: impl Into<Spatial>) -> Self {
        self.stride = stride.into();
        self
    }

    /// The windows over an image of `size`.
    #[track_caller]
    fn windows(&self, op: &'static str, size: [usize; 2]) -> Result<[Along; 2]> {
        let k = self.kernel.at_least(1, op, "kernel size", 2)?;
        let d = self.dilation.at_least(1, op, "dilation", 2)?;
        let p = self.padding.at_least(0, op, "padding", 2)?;
        let s = self.stride.at_least(1, op, "stride", 2)?;
        let one = |i: usize| {
            let reach = (k[i] - 1).checked_mul(d[i]).and_then(|r| r.checked_add(1));
            let padded = p[i].checked_mul(2).and_then(|p| p.checked_add(size[i]));
            let room = padded.zip(reach).and_then(|(padded, reach)| Some((padded, reach, padded.checked_sub(reach)?)));
            let Some((padded, reach, room)) = room.filter(|r| r.0 <= isize::MAX as usize) else {
                bail!(
                    Shape,
                    op,
                    "a window of {} elements, {} apart, does not fit size {} padded by {}",
                    k[i],
                    d[i],
                    size[i],
                    p[i]
                )
            };
            Ok(Along {
                kernel: k[i],
                dilation: d[i],
                padding: p[i],
                stride: s[i],
                padded,
                reach,
                count: room / s[i] + 1,
            })
        };
        Ok([one(0)?, one(1)?])
    }
}

impl<S: Into<Spatial>> From<S> for ColumnOptions {
    fn from(kernel: S) -> Self {
        ColumnOptions::new(kernel)
    }
}

/// Windows along one dimension.
struct Along {
    kernel: usize,
    dilation: usize,
    padding: usize,
    stride: usize,
    padded: usize,
    reach: usize,
    count: usize,
}

impl Along {
    /// The element of the padded dimension that each element of each window is: `[kernel, count]`.
    fn places(&self) -> Result<Tensor> {
        let along = |n: usize, step: usize| Tensor::arange(0, n as i64).dtype(DType::I64).build()?.mul(step as i64);
        along(self.kernel, self.dilation)?.unsqueeze(1)?.add(&along(self.count, self.stride)?)
    }
}

impl Tensor {
    /// The windows of `[n, c, height, width]` (or without `n`) as columns, `[n, c · kernel, windows]`:
    /// `torch.nn.functional.unfold`.
    ///
    /// ```
    /// # use flambeau_tensor::Tensor;
    /// let x = Tensor::arange(0, 9).build()?.reshape([1, 1, 3, 3])?;
    /// assert_eq!(x.im2col((2, 2))?.shape(), [1, 4, 4]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the input has another rank, or a window does not fit.
    #[track_caller]
    pub fn im2col(&self, options: impl Into<ColumnOptions>) -> Result<Tensor> {
        let options = options.into();
        ensure!(
            matches!(self.rank(), 3 | 4),
            Shape,
            "im2col",
            "the input {:?} must have 4 dimensions, or 3 without a batch",
            self.shape()
        );
        if self.rank() == 3 {
            return self.unsqueeze(0)?.im2col(options)?.squeeze(0);
        }
        let [n, c, height, width] = self.dims()?;
        let [rows, columns] = options.windows("im2col", [height, width])?;
        let (top, left) = (rows.padding as isize, columns.padding as isize);
        let mut x = if top > 0 || left > 0 { self.pad(&[left, left, top, top], 0)? } else { self.clone() };
        for (dim, along) in [(2, &rows), (3, &columns)] {
            x = x.unfold(dim, along.reach, along.stride)?;
            if along.dilation > 1 {
                x = x.slice(-1, 0, isize::MAX, along.dilation)?;
            }
        }
        let elements = product("im2col", &[c, rows.kernel, columns.kernel])?;
        let shape = [n, elements, product("im2col", &[rows.count, columns.count])?];
        x.permute([0, 1, 4, 5, 2, 3])?.reshape(shape)
    }

    /// The sum of windows, given as the columns `[n, c · kernel, windows]` (or without `n`), where they overlap in an
    /// image of `output` height and width: `torch.nn.functional.fold`.
    ///
    /// # Errors
    /// Where the columns are not as many as the image has windows.
    #[track_caller]
    pub fn col2im(&self, output: impl Into<Spatial>, options: impl Into<ColumnOptions>) -> Result<Tensor> {
        let (output, options) = (output.into(), options.into());
        ensure!(
            matches!(self.rank(), 2 | 3),
            Shape,
            "col2im",
            "the columns {:?} must have 3 dimensions, or 2 without a batch",
            self.shape()
        );
        if self.rank() == 2 {
            return self.unsqueeze(0)?.col2im(output, options)?.squeeze(0);
        }
        let size = output.at_least(1, "col2im", "output size", 2)?;
        let [rows, columns] = options.windows("col2im", [size[0], size[1]])?;
        let [n, all, windows] = self.dims()?;
        let kernel = product("col2im", &[rows.kernel, columns.kernel])?;
        let wanted = product("col2im", &[rows.count, columns.count])?;
        ensure!(
            all % kernel == 0 && windows == wanted,
            Shape,
            "col2im",
            "columns of shape {:?} are not the {wanted} windows of {kernel} elements of an image of {} by {}",
            self.shape(),
            size[0],
            size[1]
        );
        let c = all / kernel;
        // The number of each element's place in the padded image: [rows, columns of a window, rows, columns of windows].
        let down = rows.places()?.mul(columns.padded as i64)?.unsqueeze(1)?.unsqueeze(-1)?;
        let places = down.add(&columns.places()?.unsqueeze(0)?.unsqueeze(2)?)?.reshape(-1)?.to_device(self.device())?;
        let padded = product("col2im", &[rows.padded, columns.padded])?;
        let image = Tensor::zeros([n, c, padded]).dtype(self.dtype()).device(self.device());
        let summed =
            image.build()?.index_add(2, &places, &self.reshape([n, c, product("col2im", &[kernel, windows])?])?, 1)?;
        summed.reshape([n, c, rows.padded, columns.padded])?.narrow(2, rows.padding as isize, size[0])?.narrow(
            3,
            columns.padding as isize,
            size[1],
        )
    }

    /// The channels of `[…, c · r², h, w]` as pixels, `[…, c, h · r, w · r]`: `torch.nn.functional.pixel_shuffle`.
    ///
    /// # Errors
    /// Where the channels are no multiple of `factor²`, or there are fewer than three dimensions.
    #[track_caller]
    pub fn pixel_shuffle(&self, factor: usize) -> Result<Tensor> {
        let (lead, [channels, h, w]) = self.plane("pixel_shuffle")?;
        let square = factor.checked_mul(factor).filter(|s| *s > 0 && channels % s == 0);
        let Some(square) = square else {
            bail!(Shape, "pixel_shuffle", "{channels} channels are no multiple of the square of the factor {factor}")
        };
        let c = channels / square;
        let (height, width) = (product("pixel_shuffle", &[h, factor])?, product("pixel_shuffle", &[w, factor])?);
        self.reshape(&with(&lead, &[c, factor, factor, h, w]))?
            .permute(order(lead.len(), &[0, 3, 1, 4, 2]))?
            .reshape(&with(&lead, &[c, height, width]))
    }

    /// The pixels of `[…, c, h · r, w · r]` as channels, `[…, c · r², h, w]`:
    /// `torch.nn.functional.pixel_unshuffle`.
    ///
    /// # Errors
    /// Where height or width are no multiple of `factor`, or there are fewer than three dimensions.
    #[track_caller]
    pub fn pixel_unshuffle(&self, factor: usize) -> Result<Tensor> {
        let (lead, [c, h, w]) = self.plane("pixel_unshuffle")?;
        ensure!(
            factor > 0 && h % factor == 0 && w % factor == 0,
            Shape,
            "pixel_unshuffle",
            "{h} by {w} pixels are no multiple of the factor {factor}"
        );
        let channels = product("pixel_unshuffle", &[c, factor, factor])?;
        self.reshape(&with(&lead, &[c, h / factor, factor, w / factor, factor]))?
            .permute(order(lead.len(), &[0, 2, 4, 1, 3]))?
            .reshape(&with(&lead, &[channels, h / factor, w / factor]))
    }

    /// The sizes in front of the last three dimensions, and these.
    #[track_caller]
    fn plane(&self, op: &'static str) -> Result<(Shape, [usize; 3])> {
        let Some((lead, [c, h, w])) = self.shape().split_last_chunk::<3>() else {
            bail!(Shape, op, "the input {:?} must have at least three dimensions", self.shape())
        };
        Ok((Shape::from_slice(lead), [*c, *h, *w]))
    }

    /// The channels of `[n, c, …]`, dealt out over `groups`: `torch.nn.functional.channel_shuffle`.
    ///
    /// # Errors
    /// Where the channels are no multiple of `groups`, or there are fewer than three dimensions.
    #[track_caller]
    pub fn channel_shuffle(&self, groups: usize) -> Result<Tensor> {
        ensure!(
            self.rank() >= 3,
            Shape,
            "channel_shuffle",
            "the input {:?} must have at least three dimensions",
            self.shape()
        );
        let channels = self.shape()[1];
        ensure!(
            groups > 0 && channels % groups == 0,
            Shape,
            "channel_shuffle",
            "{channels} channels are no multiple of {groups} groups"
        );
        self.unflatten(1, [groups, channels / groups])?.transpose(1, 2)?.reshape(self.shape())
    }

    /// `sections` parts of dimension `dim`, the first ones larger by one where it does not divide evenly; views:
    /// `torch.tensor_split`.
    ///
    /// # Errors
    /// Where `sections` is 0.
    #[track_caller]
    pub fn tensor_split(&self, sections: usize, dim: isize) -> Result<Vec<Tensor>> {
        let d = dim_index("tensor_split", dim, self.rank())?;
        ensure!(self.rank() > 0, Shape, "tensor_split", "a tensor without dimensions cannot be split");
        ensure!(sections > 0, Argument, "tensor_split", "the number of sections must be at least 1");
        let mut all = pieces("tensor_split", sections)?;
        let size = self.shape()[d];
        let (each, more) = (size / sections, size % sections);
        let mut start = 0;
        for i in 0..sections {
            let len = each + usize::from(i < more);
            all.push(self.narrow(d as isize, start as isize, len)?);
            start += len;
        }
        Ok(all)
    }

    /// The parts of dimension `dim` between `indices`, negative ones counted from the end; views:
    /// `torch.tensor_split` with `indices_or_sections` as a list.
    ///
    /// # Errors
    /// Where the tensor has no such dimension.
    #[track_caller]
    pub fn tensor_split_at(&self, indices: &[isize], dim: isize) -> Result<Vec<Tensor>> {
        let d = dim_index("tensor_split", dim, self.rank())? as isize;
        ensure!(self.rank() > 0, Shape, "tensor_split", "a tensor without dimensions cannot be split");
        let mut start = 0;
        let ends = indices.iter().copied().chain([isize::MAX]);
        ends.map(|end| {
            let part = self.slice(d, start, end, 1);
            start = end;
            part
        })
        .collect()
    }

    /// The dimension that `hsplit`, `vsplit` and `dsplit` go along.
    #[track_caller]
    fn split_dim(&self, op: &'static str, dim: usize, least: usize) -> Result<isize> {
        ensure!(
            self.rank() >= least,
            Shape,
            op,
            "the tensor of shape {:?} must have at least {least} dimensions",
            self.shape()
        );
        Ok(dim.min(self.rank() - 1) as isize)
    }

    /// Equal parts of one dimension.
    #[track_caller]
    fn split_evenly(&self, op: &'static str, sections: usize, dim: isize) -> Result<Vec<Tensor>> {
        let size = self.size(dim)?;
        ensure!(
            sections > 0 && size % sections == 0,
            Shape,
            op,
            "dimension {dim} of size {size} does not divide into {sections} equal parts"
        );
        self.tensor_split(sections, dim)
    }
}

macro_rules! splits {
    ($($name:literal, $method:ident, $at:ident, $dim:literal, $least:literal;)*) => {
        impl Tensor {
            $(
                #[doc = concat!("`sections` equal parts side by side along a dimension: `torch.", $name, "`. Views.\n\n# Errors\nWhere it does not divide evenly, or the tensor has too few dimensions.")]
                #[track_caller]
                pub fn $method(&self, sections: usize) -> Result<Vec<Tensor>> {
                    let dim = self.split_dim($name, $dim, $least)?;
                    self.split_evenly($name, sections, dim)
                }

                #[doc = concat!("The parts between `indices`: `torch.", $name, "` with a list. Views.\n\n# Errors\nWhere the tensor has too few dimensions.")]
                #[track_caller]
                pub fn $at(&self, indices: &[isize]) -> Result<Vec<Tensor>> {
                    let dim = self.split_dim($name, $dim, $least)?;
                    self.tensor_split_at(indices, dim)
                }
            )*
        }
    };
}
splits! {
    "hsplit", hsplit, hsplit_at, 1, 1;
    "vsplit", vsplit, vsplit_at, 0, 2;
    "dsplit", dsplit, dsplit_at, 2, 3;
}

/// `lead`, then `sizes`.
fn with(lead: &[usize], sizes: &[usize]) -> Shape {
    lead.iter().chain(sizes).copied().collect()
}

/// `lead` dimensions as they are, then those behind them in this order.
fn order(lead: usize, behind: &[usize]) -> Vec<usize> {
    let order: SmallVec<[usize; 8]> = (0..lead).chain(behind.iter().map(|d| lead + d)).collect();
    order.to_vec()
}
