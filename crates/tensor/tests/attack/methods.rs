//! The methods that take arguments, each with some.

use super::{Gen, Outcome, PIECES};
use flambeau_tensor::*;

/// What a method returns, as a list.
trait Outputs {
    fn list(self) -> Vec<Tensor>;
}
impl Outputs for Tensor {
    fn list(self) -> Vec<Tensor> {
        vec![self]
    }
}
impl Outputs for &Tensor {
    fn list(self) -> Vec<Tensor> {
        vec![self.clone()]
    }
}
impl Outputs for Vec<Tensor> {
    fn list(mut self) -> Vec<Tensor> {
        // Whole lists of thousands of pieces are not worth to compare.
        PIECES.set(self.len());
        self.truncate(8);
        self
    }
}
impl Outputs for ValuesIndices {
    fn list(self) -> Vec<Tensor> {
        vec![self.values, self.indices]
    }
}
impl Outputs for MinMax {
    fn list(self) -> Vec<Tensor> {
        vec![self.min, self.max]
    }
}

type Method = fn(&mut Gen, &Tensor) -> Outcome;

/// What depends on strides by its nature: views of memory, and draws, which come in the order of the result's memory.
pub const LAYOUT: &[&str] =
    &["view", "view_as_complex", "as_strided", "as_strided_scatter", "native_dropout", "draws in place"];

macro_rules! methods {
    ($($name:literal: |$g:ident, $x:ident| $call:expr;)*) => {
        pub const METHODS: &[(&str, Method)] = &[$(($name, |$g: &mut Gen, $x: &Tensor| $call.map(Outputs::list)),)*];
    };
}

fn maybe<T>(g: &mut Gen, one: impl FnOnce(&mut Gen) -> T) -> Option<T> {
    if g.one_in(3) { None } else { Some(one(g)) }
}

fn mask(g: &mut Gen, x: &Tensor) -> Tensor {
    let shape = if g.one_in(2) { x.shape().to_vec() } else { g.shape() };
    g.tensor_of(&shape, DType::Bool)
}

fn index(g: &mut Gen, x: &Tensor) -> Tensor {
    let shape = if g.one_in(2) { x.shape().to_vec() } else { g.shape() };
    g.index(&shape)
}

fn numbers(g: &mut Gen) -> Tensor {
    let n = g.next() as usize % 4;
    g.index(&[n])
}

fn floats(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_float() { Ok(x.clone()) } else { x.to_dtype(DType::F32) }
}

/// An input of a convolution or a pooling of `n` dimensions, made of `x`.
fn planes(g: &mut Gen, x: &Tensor, n: usize) -> Result<Tensor> {
    let mut x = floats(x)?;
    while x.rank() < n + 1 + g.next() as usize % 2 {
        x = x.unsqueeze(0)?;
    }
    Ok(x)
}

fn conv(g: &mut Gen, x: &Tensor, n: usize) -> Result<Tensor> {
    let x = planes(g, x, n)?;
    let groups = if g.one_in(4) { g.u() } else { 1 };
    let channels = x.shape()[x.rank().saturating_sub(n + 1)].min(9) / groups.clamp(1, 2);
    let mut shape = vec![1 + g.next() as usize % 3, channels];
    shape.extend((0..n).map(|_| 1 + g.next() as usize % 3));
    let weight = g.tensor_of(&shape, x.dtype());
    let bias = maybe(g, |g| g.tensor_of(&shape[..1], x.dtype()));
    if g.one_in(3) {
        let turned = weight.transpose(0, 1)?;
        let o = ConvTransposeOptions::new().stride(g.spatial()).padding(g.spatial()).output_padding(g.spatial());
        let o = o.dilation(g.spatial()).groups(groups);
        return match n {
            1 => x.conv_transpose1d(&turned, bias.as_ref(), o),
            2 => x.conv_transpose2d(&turned, bias.as_ref(), o),
            _ => x.conv_transpose3d(&turned, bias.as_ref(), o),
        };
    }
    let padding = match g.next() % 4 {
        0 => Padding::Same,
        1 => Padding::Valid,
        _ => Padding::Zeros(g.spatial()),
    };
    let o = ConvOptions::new().stride(g.spatial()).padding(padding).dilation(g.spatial()).groups(groups);
    match n {
        1 => x.conv1d(&weight, bias.as_ref(), o),
        2 => x.conv2d(&weight, bias.as_ref(), o),
        _ => x.conv3d(&weight, bias.as_ref(), o),
    }
}

fn max_pool(g: &mut Gen) -> MaxPoolOptions {
    let o = MaxPoolOptions::new(g.spatial()).padding(if g.one_in(2) { 0.into() } else { g.spatial() });
    let o = o.dilation(g.spatial()).ceil_mode(g.one_in(2));
    if g.one_in(2) { o.stride(g.spatial()) } else { o }
}

fn avg_pool(g: &mut Gen) -> AvgPoolOptions {
    let o = AvgPoolOptions::new(g.spatial()).padding(if g.one_in(2) { 0.into() } else { g.spatial() });
    let o = o.ceil_mode(g.one_in(2)).count_include_pad(g.one_in(2)).divisor_override(maybe(g, Gen::i));
    if g.one_in(2) { o.stride(g.spatial()) } else { o }
}

fn columns(g: &mut Gen) -> ColumnOptions {
    let o = ColumnOptions::new(g.spatial()).padding(if g.one_in(2) { 0.into() } else { g.spatial() });
    o.stride(g.spatial()).dilation(g.spatial())
}

fn stft(g: &mut Gen, x: &Tensor) -> Result<Tensor> {
    let n_fft = g.u();
    let win = maybe(g, Gen::u);
    let window = if g.one_in(4) { Some(Tensor::ones(win.unwrap_or(n_fft)).build()?) } else { None };
    let (center, reflect, normalized) = (g.one_in(2), g.one_in(2), g.one_in(2));
    let onesided = maybe(g, |g| g.one_in(2));
    let o =
        StftOptions { hop_length: maybe(g, Gen::u), win_length: win, window, center, reflect, normalized, onesided };
    floats(x)?.stft(n_fft, &o)
}

fn reduce(g: &mut Gen) -> Reduce {
    g.pick(&[Reduce::Sum, Reduce::Prod, Reduce::Mean, Reduce::Amax, Reduce::Amin])
}

fn picks(g: &mut Gen, x: &Tensor) -> Picks {
    g.list(4, |g| match g.next() % 6 {
        0 => Pick::At(g.i()),
        1 => Pick::Slice { start: g.i(), end: maybe(g, Gen::i), step: g.u() },
        2 => Pick::NewAxis,
        3 => Pick::Ellipsis,
        4 => Pick::Tensor(mask(g, x)),
        _ => Pick::Tensor(index(g, x)),
    })
    .into_iter()
    .collect()
}

methods! {
    // views
    "permute": |g, x| x.permute(g.dims());
    "transpose": |g, x| x.transpose(g.d(), g.d());
    "movedim": |g, x| x.movedim(g.dims(), g.dims());
    "expand": |g, x| x.expand(&g.sizes()[..]).and_then(|y| y.narrow(0, 0, 1));
    "expand in front": |g, x| { let s = [g.u()].into_iter().chain(x.shape().iter().copied()).collect::<Vec<_>>(); x.expand(s)?.select(0, 0) };
    "reshape": |g, x| x.reshape(&g.sizes()[..]);
    "view": |g, x| x.view(&g.sizes()[..]);
    "flatten": |g, x| x.flatten(g.d(), g.d());
    "unflatten": |g, x| x.unflatten(g.d(), &g.sizes()[..]);
    "unsqueeze": |g, x| x.unsqueeze(g.d());
    "squeeze": |g, x| x.squeeze(g.dims());
    "narrow": |g, x| x.narrow(g.d(), g.i(), g.u());
    "slice": |g, x| x.slice(g.d(), g.i(), g.i(), g.u());
    "select": |g, x| x.select(g.d(), g.i());
    "diagonal": |g, x| x.diagonal(g.i(), g.d(), g.d());
    "unfold": |g, x| x.unfold(g.d(), g.u(), g.u());
    "as_strided": |g, x| { let (a, b) = (g.sizes(), g.sizes()); x.as_strided(a, b, g.u()) };
    "as_strided_scatter": |g, x| { let y = g.other(x); let mut l = y.layout().clone(); l.offset = g.u(); x.as_strided_scatter(&y, &l) };
    "view_as_real": |_g, x| x.view_as_real();
    "view_as_complex": |_g, x| x.view_as_complex();
    "unbind": |g, x| x.unbind(g.d());
    "split": |g, x| x.split(g.u(), g.d());
    "split_with_sizes": |g, x| { let s = g.list(4, Gen::u); x.split_with_sizes(&s, g.d()) };
    "chunk": |g, x| x.chunk(g.u(), g.d());
    // joining and repeating
    "cat": |g, x| cat(&[x.clone(), g.other(x), g.other(x)], g.d());
    "cat of giants": |g, x| { let y = x.unsqueeze(0)?.expand([vec![1 << 62], x.shape().to_vec()].concat())?; cat(&[&y, &y, &y, &y], g.d()) };
    "stack": |g, x| stack(&[x, x], g.d());
    "hstack": |g, x| hstack(&[x.clone(), g.other(x)]);
    "vstack": |g, x| vstack(&[x.clone(), g.other(x)]);
    "dstack": |g, x| dstack(&[x.clone(), g.other(x)]);
    "column_stack": |g, x| column_stack(&[x.clone(), g.other(x)]);
    "block_diag": |g, x| block_diag(&[x.clone(), g.other(x), x.clone(), x.clone(), x.clone()]);
    "meshgrid": |g, x| meshgrid(&[x.clone(), g.other(x)], Indexing::Xy);
    "cartesian_prod": |g, x| cartesian_prod(&[x.clone(), g.other(x), x.clone()]);
    "flip": |g, x| x.flip(g.dims());
    "rot90": |g, x| x.rot90(g.i(), g.d(), g.d());
    "roll": |g, x| { let s = g.sizes(); x.roll(s, g.dims()) };
    "roll all": |g, x| x.roll(g.i(), ..);
    "repeat": |g, x| x.repeat(g.list(5, Gen::u));
    "tile": |g, x| x.tile(g.list(5, Gen::u));
    "repeat_interleave": |g, x| { let n = g.u(); x.repeat_interleave(n, maybe(g, Gen::d)) };
    "repeat_interleave_each": |g, x| {
        let n = g.pick(&[1, 2, 3, x.numel().min(9)]);
        let times = g.index(&[n]);
        let times = if g.one_in(4) { times.add(g.u())? } else { times };
        x.repeat_interleave_each(&times, maybe(g, Gen::d))
    };
    "select_scatter": |g, x| x.select_scatter(&g.other(x), g.d(), g.i());
    "slice_scatter": |g, x| x.slice_scatter(&g.other(x), g.d(), g.i(), g.i(), g.u());
    "diagonal_scatter": |g, x| x.diagonal_scatter(&g.other(x), g.i(), g.d(), g.d());
    "diag": |g, x| x.diag(g.i());
    "diagflat": |g, x| x.diagflat(g.i());
    "diag_embed": |g, x| x.diag_embed(g.i(), g.d(), g.d());
    "trace": |_g, x| x.trace();
    "tril": |g, x| x.tril(g.i());
    "triu": |g, x| x.triu(g.i());
    "tril_indices": |g, _x| Tensor::tril_indices(g.u(), g.u(), g.i());
    "triu_indices": |g, _x| Tensor::triu_indices(g.u(), g.u(), g.i());
    "combinations": |g, x| x.flatten(0, -1)?.combinations(g.u(), g.one_in(2));
    // elements by number
    "index": |g, x| { let (a, b) = (index(g, x), mask(g, x)); x.index(&[Some(&a), None, Some(&b)][g.next() as usize % 3..]) };
    "index_put": |g, x| { let (a, v) = (index(g, x), g.other(x)); x.index_put(&[Some(&a)], &v, g.one_in(2)) };
    "index_put_": |g, x| { let (a, v) = (index(g, x), g.other(x)); x.index_put_(&[None, Some(&a)], &v, g.one_in(2)).map(Tensor::clone) };
    "index_select": |g, x| { let i = numbers(g); x.index_select(g.d(), &i) };
    "index_add": |g, x| { let i = numbers(g); x.index_add(g.d(), &i, &g.other(x), 1) };
    "index_copy": |g, x| { let i = numbers(g); x.index_copy(g.d(), &i, &g.other(x)) };
    "index_fill": |g, x| { let i = numbers(g); x.index_fill(g.d(), &i, 1) };
    "take": |g, x| x.take(&index(g, x));
    "put": |g, x| { let i = index(g, x); let s = g.tensor_of(i.shape(), x.dtype()); x.put(&i, &s, g.one_in(2)) };
    "embedding": |g, x| { let p = maybe(g, Gen::i); x.embedding(&index(g, x), p) };
    "nonzero": |_g, x| x.nonzero();
    "nonzero_static": |g, x| x.nonzero_static(g.u(), 7);
    "masked_select": |g, x| x.masked_select(&mask(g, x));
    "masked_scatter": |g, x| { let m = mask(g, x); x.masked_scatter(&m, &g.other(x)) };
    "one_hot": |g, x| { let c = maybe(g, Gen::u); index(g, x).one_hot(c) };
    "one_hot of the largest": |_g, _x| Tensor::new([i64::MAX, 0])?.one_hot(None);
    "i": |g, x| x.i(picks(g, x));
    "set": |g, x| { let p = picks(g, x); x.set(p, 1)?; Ok(x.clone()) };
    "gather": |g, x| { let i = index(g, x); x.gather(g.d(), &i) };
    "take_along_dim": |g, x| { let i = index(g, x); x.take_along_dim(&i, maybe(g, Gen::d)) };
    "scatter": |g, x| { let i = index(g, x); x.scatter(g.d(), &i, &g.other(x)) };
    "scatter a number": |g, x| { let i = index(g, x); x.scatter(g.d(), &i, 1) };
    "scatter_": |g, x| { let i = index(g, x); x.scatter_(g.d(), &i, 1).map(Tensor::clone) };
    "scatter_add": |g, x| { let i = index(g, x); x.scatter_add(g.d(), &i, &g.other(x)) };
    "scatter_reduce": |g, x| { let i = index(g, x); x.scatter_reduce(g.d(), &i, &g.other(x), reduce(g), g.one_in(2)) };
    "index_reduce": |g, x| { let i = numbers(g); x.index_reduce(g.d(), &i, &g.other(x), reduce(g), g.one_in(2)) };
    // reductions, running ones, order
    "sum": |g, x| x.sum(g.dims());
    "sum_keepdim": |g, x| x.sum_keepdim(g.dims());
    "mean": |g, x| floats(x)?.mean(g.dims());
    "prod": |g, x| x.prod(g.dims());
    "amax": |g, x| x.amax(g.dims());
    "amin": |g, x| x.amin(g.dims());
    "aminmax": |g, x| x.aminmax(g.dims());
    "any": |g, x| x.any(g.dims());
    "all": |g, x| x.all(g.dims());
    "count_nonzero": |g, x| x.count_nonzero(g.dims());
    "norm": |g, x| { let p = g.pick(&[0.0, 1.0, 2.0, f64::INFINITY, f64::NEG_INFINITY]); floats(x)?.norm(p, g.dims()) };
    "argmax": |g, x| x.argmax(g.d());
    "argmin": |g, x| x.argmin_keepdim(g.d());
    "max_dim": |g, x| x.max_dim(g.d());
    "min_dim": |g, x| x.min_dim(g.d());
    "argmax_all": |_g, x| x.argmax_all();
    "nansum": |g, x| x.nansum(g.dims());
    "nanmean": |g, x| x.nanmean(g.dims());
    "sum_to_size": |g, x| x.sum_to_size(&g.shape());
    "cumsum": |g, x| x.cumsum(g.d());
    "cumprod": |g, x| x.cumprod_reversed(g.d());
    "logcumsumexp": |g, x| x.logcumsumexp(g.d());
    "cummax": |g, x| x.cummax(g.d());
    "cummin": |g, x| x.cummin(g.d());
    "recurrence": |g, x| x.recurrence(&g.other(x), g.d(), g.one_in(2));
    "sort": |g, x| x.sort(g.d(), g.one_in(2));
    "argsort": |g, x| x.argsort(g.d(), g.one_in(2));
    "msort": |_g, x| x.msort();
    "topk": |g, x| x.topk_with(g.u(), TopkOptions::new().dim(g.d()).largest(g.one_in(2)));
    "kthvalue": |g, x| x.kthvalue(g.u(), g.d());
    "median": |g, x| x.median(g.d());
    "nanmedian": |g, x| x.nanmedian_keepdim(g.d());
    "mode": |g, x| x.mode(g.d());
    "median_all": |_g, x| x.median_all();
    "softmax": |g, x| floats(x)?.softmax(g.d());
    "log_softmax": |g, x| floats(x)?.log_softmax(g.d());
    // products
    "matmul": |g, x| x.matmul(&g.other(x));
    "matmul by a scalar": |_g, x| x.matmul(&x.flatten(0, -1)?.select(0, 0)?);
    "linear": |g, x| { let (w, b) = (g.other(x), maybe(g, |g| g.other(x))); x.linear(&w, b.as_ref()) };
    "tensordot": |g, x| { let y = g.other(x); x.tensordot(&y, g.dims(), g.dims()) };
    "inner": |g, x| x.inner(&g.other(x));
    "outer": |g, x| x.flatten(0, -1)?.outer(&g.other(x).flatten(0, -1)?);
    "addmm": |g, x| { let (a, b) = (g.other(x), g.other(x)); x.addmm(&a, &b, 1, 1) };
    "baddbmm": |g, x| { let (a, b) = (g.other(x), g.other(x)); x.baddbmm(&a, &b, 1, 1) };
    "addbmm": |g, x| { let (a, b) = (g.other(x), g.other(x)); x.addbmm(&a, &b, 1, 1) };
    // windows, padding, transforms
    "conv1d": |g, x| conv(g, x, 1);
    "conv2d": |g, x| conv(g, x, 2);
    "conv3d": |g, x| conv(g, x, 3);
    "max_pool1d": |g, x| planes(g, x, 1)?.max_pool1d_with_indices(max_pool(g));
    "max_pool2d": |g, x| planes(g, x, 2)?.max_pool2d_with_indices(max_pool(g));
    "max_pool3d": |g, x| planes(g, x, 3)?.max_pool3d_with_indices(max_pool(g));
    "avg_pool1d": |g, x| planes(g, x, 1)?.avg_pool1d(avg_pool(g));
    "avg_pool2d": |g, x| planes(g, x, 2)?.avg_pool2d(avg_pool(g));
    "avg_pool3d": |g, x| planes(g, x, 3)?.avg_pool3d(avg_pool(g));
    "adaptive_max_pool1d": |g, x| planes(g, x, 1)?.adaptive_max_pool1d_with_indices(g.spatial());
    "adaptive_max_pool2d": |g, x| planes(g, x, 2)?.adaptive_max_pool2d_with_indices(g.spatial());
    "adaptive_avg_pool2d": |g, x| planes(g, x, 2)?.adaptive_avg_pool2d(g.spatial());
    "adaptive_avg_pool3d": |g, x| planes(g, x, 3)?.adaptive_avg_pool3d(g.spatial());
    "pad": |g, x| { let p = g.list(6, Gen::i); x.pad(&p, 1) };
    "pad_with": |g, x| { let p = g.list(6, Gen::i); x.pad_with(&p, g.pick(&[PadMode::Reflect, PadMode::Replicate, PadMode::Circular])) };
    "im2col": |g, x| { let o = columns(g); planes(g, x, 2)?.im2col(o) };
    "col2im": |g, x| { let (size, o) = (g.spatial(), columns(g)); x.col2im(size, o) };
    "pixel_shuffle": |g, x| x.pixel_shuffle(g.u());
    "pixel_unshuffle": |g, x| x.pixel_unshuffle(g.u());
    "channel_shuffle": |g, x| x.channel_shuffle(g.u());
    "interpolate": |g, x| {
        use InterpolateMode as Mode;
        let modes = [Mode::Nearest, Mode::NearestExact, Mode::Linear, Mode::Bicubic, Mode::Area, Mode::Lanczos];
        let n = 1 + g.next() as usize % 3;
        let o = if g.one_in(2) { InterpolateOptions::size(g.spatial()) } else { InterpolateOptions::scale(g.i() as f64 / 3.0) };
        let o = o.mode(g.pick(&modes)).align_corners(g.one_in(2)).antialias(g.one_in(3));
        planes(g, x, n)?.interpolate(o)
    };
    "grid_sample": |g, x| {
        let x = planes(g, x, 2)?;
        let grid = g.tensor_of(&[x.shape()[0], 2, 3, 2], x.dtype());
        let mode = g.pick(&[GridMode::Bilinear, GridMode::Nearest, GridMode::Bicubic]);
        x.grid_sample(&grid, mode, g.pick(&[GridPadding::Zeros, GridPadding::Border, GridPadding::Reflection]), g.one_in(2))
    };
    "affine_grid": |g, x| floats(x)?.affine_grid(&g.sizes()[..], g.one_in(2));
    "max_unpool2d": |g, x| { let i = g.index(x.shape()); let o = UnpoolOptions::new(g.spatial()).padding(g.spatial()); x.max_unpool2d(&i, o) };
    "lp_pool2d": |g, x| planes(g, x, 2)?.lp_pool2d(2.0, g.spatial());
    "local_response_norm": |g, x| floats(x)?.local_response_norm(g.u(), 1e-4, 0.75, 1.0);
    "embedding_bag": |g, x| {
        let (i, offsets, p) = (index(g, x), maybe(g, numbers), maybe(g, Gen::i));
        let mode = g.pick(&[BagMode::Sum, BagMode::Mean, BagMode::Max]);
        floats(x)?.embedding_bag(&i, EmbeddingBagOptions { offsets: offsets.as_ref(), mode, padding_idx: p, ..Default::default() })
    };
    // counting, searching, differences
    "tensor_split": |g, x| x.tensor_split(g.u(), g.d());
    "tensor_split_at": |g, x| { let at = g.list(3, Gen::i); x.tensor_split_at(&at, g.d()) };
    "hsplit": |g, x| x.hsplit(g.u());
    "searchsorted": |g, x| x.searchsorted(&g.other(x), g.one_in(2));
    "isin": |g, x| x.isin(&g.other(x));
    "bincount": |g, _x| { let n = g.index(&[4]); n.bincount(None, g.u()) };
    "histc": |g, x| floats(x)?.histc(g.u(), g.i() as f64, g.i() as f64);
    "unique": |g, x| Ok(x.unique(maybe(g, Gen::d))?.inverse);
    "unique_consecutive": |g, x| Ok(x.unique_consecutive(maybe(g, Gen::d))?.counts);
    "quantile": |g, x| { let x = floats(x)?; let q = Tensor::full(2usize, 0.3).dtype(x.dtype()).build()?; x.quantile(&q, maybe(g, Gen::d), g.one_in(2), Interpolation::Linear) };
    "diff": |g, x| x.diff(g.u(), g.d(), None, None);
    "gradient": |g, x| floats(x)?.gradient(&[Spacing::Even(2.0)], g.dims(), g.u());
    "trapezoid": |g, x| x.trapezoid(&Spacing::At(g.other(x)), g.d());
    "cross": |g, x| x.cross(&g.other(x), maybe(g, Gen::d));
    "kron": |g, x| x.kron(&g.other(x));
    "cov": |_g, x| x.cov(1, None, None);
    "corrcoef": |_g, x| x.corrcoef();
    "cdist": |g, x| floats(x)?.cdist(&floats(&g.other(x))?, 2.0);
    "pdist": |_g, x| floats(x)?.pdist(1.0);
    "renorm": |g, x| floats(x)?.renorm(2.0, g.d(), 1.0);
    "bilinear": |g, x| { let (y, w) = (g.other(x), g.other(x)); x.bilinear(&y, &w, None) };
    "einsum": |g, x| { let e = g.pick(&["ij,jk->ik", "...i,...i->...", "ii", "i,j", "ab,cd->", "...,...", "ijk,->ki"]); einsum(e, &[x.clone(), g.other(x)]) };
    "unravel_index": |g, x| x.unravel_index(&g.sizes()[..]);
    "bitwise_left_shift": |g, x| x.bitwise_left_shift(g.i() as i64);
    "bitwise_right_shift": |g, x| x.bitwise_right_shift(&g.other(x));
    "copysign": |g, x| x.copysign(&g.other(x));
    "frexp": |g, x| { let _ = &g; floats(x)?.frexp().map(|y| vec![y.mantissa, y.exponent]) };
    "gcd": |g, x| x.gcd(&g.other(x));
    "lcm": |g, x| x.lcm(&g.other(x));
    "nextafter": |g, x| x.nextafter(&g.other(x));
    "mvlgamma": |g, x| x.mvlgamma(g.u() as u32);
    "igamma": |g, x| x.igamma(&g.other(x));
    "round_decimals": |g, x| floats(x)?.round_decimals(g.i() as i32);
    "legendre_polynomial_p": |g, x| special::legendre_polynomial_p(x, g.next() as i64 % 9);
    "masked::mean": |g, x| { let m = mask(g, x); masked::mean(x, g.dims(), g.one_in(2), Some(&m)) };
    "masked::softmax": |g, x| { let m = mask(g, x); masked::softmax(&floats(x)?, g.d(), Some(&m)) };
    "linalg::solve": |g, x| { let x = floats(x)?; let b = g.other(&x); linalg::solve(&x, &b, g.one_in(2)) };
    "linalg::pinv": |g, x| linalg::pinv(&floats(x)?, linalg::Cutoff::default(), g.one_in(2));
    "linalg::svd": |g, x| linalg::svd(&floats(x)?, g.one_in(2)).map(|y| vec![y.s]);
    "linalg::norm": |g, x| {
        let ord = g.pick(&[None, Some(linalg::MatrixOrd::Nuc), Some(linalg::MatrixOrd::Number(-1.0))]);
        let dims = maybe(g, Gen::dims);
        linalg::norm(&floats(x)?, ord, dims.as_deref(), g.one_in(2))
    };
    "linalg::matrix_power": |g, x| linalg::matrix_power(&floats(x)?, g.i() as i64);
    "linalg::tensorsolve": |g, x| { let x = floats(x)?; let b = g.other(&x); linalg::tensorsolve(&x, &b, maybe(g, Gen::dims).as_deref()) };
    "linalg::lu_unpack": |g, x| {
        let x = floats(x)?;
        let pivots = g.index(&x.shape()[..x.rank().saturating_sub(1)]).to_dtype(DType::I32)?;
        linalg::lu_unpack(&x, &pivots).map(|(p, l, u)| vec![p, l, u])
    };
    "fractional_max_pool2d": |g, x| {
        let x = planes(g, x, 2)?;
        let samples = Tensor::zeros([x.shape()[0], x.shape()[x.rank() - 3], 2]).dtype(x.dtype()).build()?;
        x.fractional_max_pool2d(g.spatial(), g.spatial(), Some(&samples))
    };
    "histogramdd": |g, x| {
        let bins = g.list(3, |g| Bins::Even(g.next() as usize % 4, None));
        floats(x)?.histogramdd(&bins, None, g.one_in(2)).map(|(hist, _)| hist)
    };
    "istft": |g, x| {
        let o = IstftOptions::new().hop_length(maybe(g, Gen::u)).win_length(maybe(g, Gen::u)).center(g.one_in(2));
        x.to_dtype(DType::Complex64)?.istft(g.u(), &o.length(maybe(g, |g| g.next() as usize % 40)))
    };
    "cumsum_": |g, x| x.cumsum_(g.d());
    "eq_": |g, x| x.eq_(&g.other(x));
    "hypot": |g, x| x.hypot(&g.other(x));
    "xlogy": |g, x| x.xlogy(&g.other(x));
    "fmax": |g, x| x.fmax(&g.other(x));
    "nan_to_num": |_g, x| x.nan_to_num(None, None, None);
    "fit": |g, x| x.fit(g.d(), g.u(), 0);
    "rfft": |g, x| { let n = maybe(g, Gen::u); x.rfft(n, g.d()) };
    "irfft": |g, x| { let n = maybe(g, Gen::u); x.irfft(n, g.d()) };
    "stft": |g, x| stft(g, x);
    "hann_window": |g, _x| Tensor::hann_window(g.u(), g.one_in(2), DType::F32);
    // norms and activations
    "layer_norm": |g, x| { let s = if g.one_in(2) { x.shape()[x.rank().saturating_sub(1)..].to_vec() } else { g.shape() }; floats(x)?.layer_norm(s, None, None, 1e-5) };
    "rms_norm": |g, x| { let s = if g.one_in(2) { x.shape().to_vec() } else { g.shape() }; floats(x)?.rms_norm(s, None, Some(1e-5)) };
    "batch_norm": |g, x| { let w = floats(&g.other(x))?.flatten(0, -1)?; floats(x)?.batch_norm(BatchNormOptions::new().training(true).weight(if g.one_in(2) { Some(&w) } else { None })) };
    "group_norm": |g, x| floats(x)?.group_norm(g.u(), None, None, 1e-5);
    "instance_norm": |_g, x| floats(x)?.instance_norm(BatchNormOptions::new().training(true));
    "glu": |g, x| floats(x)?.glu(g.d());
    "prelu": |g, x| floats(x)?.prelu(&floats(&g.other(x))?);
    // element by element
    "add": |g, x| x.add(&g.other(x));
    "add_": |g, x| x.add_(&g.other(x)).map(Tensor::clone);
    "maximum": |g, x| x.maximum(&g.other(x));
    "where": |g, x| { let m = mask(g, x); x.where_cond(&m, &g.other(x)) };
    "masked_fill": |g, x| x.masked_fill(&mask(g, x), 1);
    "masked_fill_": |g, x| x.masked_fill_(&mask(g, x), 1).map(Tensor::clone);
    "clamp": |g, x| x.clamp(-1, &g.other(x));
    "lerp": |g, x| floats(x)?.lerp(&floats(&g.other(x))?, 0.5);
    "copy_": |g, x| x.copy_(&g.other(x)).map(Tensor::clone);
    // out of nothing
    "zeros": |g, _x| Tensor::zeros(&g.sizes()[..]).dtype(g.dtype()).build();
    "eye": |g, _x| Tensor::eye_of(g.u(), g.u()).build();
    "linspace": |g, _x| Tensor::linspace(0, 1, g.u()).build();
    "arange": |g, _x| Tensor::arange_step(g.i() as i64, g.i() as i64, g.i() as i64).build();
    "arange of floats": |g, _x| Tensor::arange_step(g.i() as f64, g.i() as f64, g.i() as f64 / 3.0).build();
    "random": |g, _x| Tensor::randint(g.i() as i64, g.i() as i64, g.u()).generator(&Generator::with_seed(1)).build();
    "from_slice": |g, _x| Tensor::from_slice(&[1.0f32, 2.0], &g.sizes()[..]);
    "from_bytes": |g, _x| Tensor::from_bytes(g.dtype(), &g.sizes()[..], &[0; 8]);
    // Fourier transforms, windows, matrices
    "fft": |g, x| { let n = maybe(g, Gen::u); fft::fft(x, n, g.d(), fft::Norm::Ortho) };
    "ifft": |g, x| { let n = maybe(g, Gen::u); fft::ifft(x, n, g.d(), fft::Norm::Forward) };
    "hfft": |g, x| { let n = maybe(g, Gen::u); fft::hfft(x, n, g.d(), fft::Norm::Backward) };
    "ihfft": |g, x| { let n = maybe(g, Gen::u); fft::ihfft(&floats(x)?, n, g.d(), fft::Norm::Backward) };
    "fftn": |g, x| { let (s, d) = (maybe(g, |g| g.list(3, Gen::u)), maybe(g, Gen::dims)); fft::fftn(x, s.as_deref(), d.as_deref(), fft::Norm::Ortho) };
    "irfftn": |g, x| { let (s, d) = (maybe(g, |g| g.list(3, Gen::u)), maybe(g, Gen::dims)); fft::irfftn(x, s.as_deref(), d.as_deref(), fft::Norm::Ortho) };
    "hfftn": |g, x| { let (s, d) = (maybe(g, |g| g.list(3, Gen::u)), maybe(g, Gen::dims)); fft::hfftn(x, s.as_deref(), d.as_deref(), fft::Norm::Ortho) };
    "ihfftn": |g, x| { let (s, d) = (maybe(g, |g| g.list(3, Gen::u)), maybe(g, Gen::dims)); fft::ihfftn(&floats(x)?, s.as_deref(), d.as_deref(), fft::Norm::Ortho) };
    "fftshift": |g, x| { let d = maybe(g, Gen::dims); fft::fftshift(x, d.as_deref()) };
    "fftfreq": |g, _x| fft::fftfreq(g.u(), g.i() as f64, DType::F32);
    "rfftfreq": |g, _x| fft::rfftfreq(g.u(), g.i() as f64, DType::F64);
    "hamming_window": |g, _x| Tensor::hamming_window(g.u(), g.one_in(2), DType::F32);
    "signal::windows": |g, _x| match g.next() % 4 {
        0 => signal::windows::kaiser(g.u(), 12.0, g.one_in(2), DType::F32),
        1 => signal::windows::gaussian(g.u(), 1.0, g.one_in(2), DType::F32),
        2 => signal::windows::exponential(g.u(), None, 1.0, g.one_in(2), DType::F32),
        _ => signal::windows::general_cosine(g.u(), &[0.5, 0.5], g.one_in(2), DType::F32),
    };
    "linalg::vander": |g, x| linalg::vander(x, maybe(g, Gen::u));
    "linalg::tensorinv": |g, x| linalg::tensorinv(&floats(x)?, g.u());
    "linalg::qr": |g, x| { let mode = g.pick(&[linalg::QrMode::Reduced, linalg::QrMode::Complete, linalg::QrMode::R]); linalg::qr(&floats(x)?, mode).map(|(_, r)| r) };
    "linalg::eig": |_g, x| linalg::eigvals(&floats(x)?);
    "linalg::matrix_norm": |g, x| linalg::matrix_norm(&floats(x)?, linalg::MatrixOrd::Number(g.i() as f64), (g.d(), g.d()), g.one_in(2));
    "linalg::vector_norm": |g, x| linalg::vector_norm(&floats(x)?, g.i() as f64, g.dims(), g.one_in(2));
    "linalg::cond": |_g, x| linalg::cond(&floats(x)?, None);
    "linalg::vecdot": |g, x| linalg::vecdot(x, &g.other(x), g.d());
    "linalg::multi_dot": |g, x| linalg::multi_dot(&[x.clone(), g.other(x), g.other(x)]);
    "linalg::householder_product": |g, x| { let x = floats(x)?; let tau = g.other(&x); linalg::householder_product(&x, &tau) };
    "linalg::solve_triangular": |g, x| { let x = floats(x)?; let b = g.other(&x); linalg::solve_triangular(&x, &b, g.one_in(2), g.one_in(2), true) };
    "linalg::lstsq": |g, x| { let x = floats(x)?; let b = g.other(&x); linalg::lstsq(&x, &b, None, linalg::Driver::Gelsy).map(|y| y.rank) };
    // more of what was there
    "logspace": |g, _x| Tensor::logspace_as(0, 1, g.u(), 10.0, DType::F32);
    "randperm": |g, _x| Tensor::randperm(g.u()).generator(&Generator::with_seed(1)).build();
    "poisson": |g, x| { let seeded = Generator::with_seed(1); let rate = if g.one_in(2) { x.clone() } else { floats(x)?.abs()? }; rate.poisson(Some(&seeded)) };
    "binomial": |g, x| { let seeded = Generator::with_seed(1); let p = floats(&g.other(x))?; let p = if g.one_in(2) { p } else { p.sigmoid()? }; floats(x)?.abs()?.binomial(&p, Some(&seeded)) };
    "standard_gamma": |g, x| { let seeded = Generator::with_seed(1); let shape = if g.one_in(2) { x.clone() } else { floats(x)?.abs()? }; shape.standard_gamma(Some(&seeded)) };
    "sample_dirichlet": |g, x| { let seeded = Generator::with_seed(1); let shape = if g.one_in(2) { x.clone() } else { floats(x)?.abs()? }; shape.sample_dirichlet(Some(&seeded)) };
    "multinomial": |g, x| { let seeded = Generator::with_seed(1); let n = g.u(); random::with_generator(&seeded, || floats(x)?.abs()?.multinomial(n, g.one_in(2))) };
    "polygamma": |g, x| x.polygamma(g.u() as u32);
    "bucketize": |g, x| x.bucketize(&g.other(x).flatten(0, -1)?, g.one_in(2));
    "histogram": |g, x| floats(x)?.histogram(&Bins::Even(g.u(), Some((g.i() as f64, g.i() as f64))), None, g.one_in(2)).map(|h| h.hist);
    "nanquantile": |g, x| { let x = floats(x)?; let q = Tensor::full(2usize, 0.3).dtype(x.dtype()).build()?; x.nanquantile(&q, maybe(g, Gen::d), g.one_in(2), Interpolation::Midpoint) };
    "cumulative_trapezoid": |g, x| x.cumulative_trapezoid(&Spacing::Even(g.i() as f64), g.d());
    "cosine_similarity": |g, x| { let x = floats(x)?; let y = g.other(&x); x.cosine_similarity(&y, g.d(), 1e-8) };
    "pairwise_distance": |g, x| { let x = floats(x)?; let y = g.other(&x); x.pairwise_distance(&y, 2.0, 1e-6, g.one_in(2)) };
    "normalize": |g, x| floats(x)?.normalize(2.0, g.d(), 1e-12);
    "index_add with a factor": |g, x| { let i = numbers(g); x.index_add(g.d(), &i, &g.other(x), g.i() as i64) };
    "masked_fill with any number": |g, x| x.masked_fill(&mask(g, x), g.i() as i64);
    "add a number": |g, x| x.add(g.i() as i64);
    "floor_divide by a number": |g, x| x.floor_divide(g.i() as i64);
    "remainder by a number": |g, x| x.remainder(g.i() as i64);
    "pow of a number": |g, x| x.pow(g.i() as i64);
    "clamp by numbers": |g, x| x.clamp(g.i() as i64, g.i() as i64);
    "addmv": |g, x| { let (a, b) = (g.other(x), g.other(x)); x.addmv(&a, &b, g.i() as i64, 2) };
    "addr": |g, x| { let (a, b) = (g.other(x), g.other(x)); x.addr(&a, &b, 1, g.i() as i64) };
    "bmm": |g, x| x.bmm(&g.other(x));
    "max_unpool1d": |g, x| { let i = g.index(x.shape()); let o = UnpoolOptions::new(g.spatial()).stride(g.spatial()).padding(g.spatial()); x.max_unpool1d(&i, o.output_size(g.spatial())) };
    "max_unpool3d": |g, x| { let i = g.index(x.shape()); let o = UnpoolOptions::new(g.spatial()).stride(g.spatial()); x.max_unpool3d(&i, o) };
    "lp_pool1d": |g, x| planes(g, x, 1)?.lp_pool1d(3.0, g.spatial());
    "lp_pool3d": |g, x| planes(g, x, 3)?.lp_pool3d(1.0, g.spatial());
    "fractional_max_pool3d": |g, x| {
        let x = planes(g, x, 3)?;
        let samples = Tensor::zeros([x.shape()[0], x.shape()[x.rank() - 4], 3]).dtype(x.dtype()).build()?;
        x.fractional_max_pool3d(g.spatial(), g.spatial(), Some(&samples))
    };
    "adaptive_avg_pool1d": |g, x| planes(g, x, 1)?.adaptive_avg_pool1d(g.spatial());
    "adaptive_max_pool3d": |g, x| planes(g, x, 3)?.adaptive_max_pool3d(g.spatial());
    "unravel_index of anything": |g, x| index(g, x).unravel_index(&g.sizes()[..]);
    "masked::logsumexp": |g, x| { let m = mask(g, x); masked::logsumexp(&floats(x)?, g.dims(), g.one_in(2), Some(&m)) };
    "signal::windows by name": |g, _x| match g.next() % 7 {
        0 => signal::windows::bartlett(g.u(), g.one_in(2), DType::F32),
        1 => signal::windows::blackman(g.u(), g.one_in(2), DType::F32),
        2 => signal::windows::cosine(g.u(), g.one_in(2), DType::F32),
        3 => signal::windows::general_hamming(g.u(), 0.5, g.one_in(2), DType::F32),
        4 => signal::windows::hamming(g.u(), g.one_in(2), DType::F32),
        5 => signal::windows::hann(g.u(), g.one_in(2), DType::F32),
        _ => signal::windows::nuttall(g.u(), g.one_in(2), DType::F32),
    };
    "random of any size": |g, _x| {
        let (seeded, sizes) = (Generator::with_seed(1), g.sizes());
        match g.next() % 4 {
            0 => Tensor::rand(&sizes[..]).generator(&seeded).build(),
            1 => Tensor::randn(&sizes[..]).generator(&seeded).build(),
            2 => Tensor::full(&sizes[..], 1).build(),
            _ => Tensor::ones(&sizes[..]).build(),
        }
    };
    "native_dropout": |g, x| floats(x)?.native_dropout(0.5, Some(&Generator::with_seed(g.next()))).map(|(y, kept)| vec![y, kept]);
    "draws": |g, x| {
        let (seeded, x) = (Generator::with_seed(1), floats(x)?.abs()?);
        match g.next() % 4 {
            0 => x.mul(g.u() as f64)?.poisson(Some(&seeded)),
            1 => x.mul(g.u() as f64)?.binomial(&x.mul(0.25)?, Some(&seeded)),
            2 => x.add(1)?.mul(g.u() as f64)?.standard_gamma(Some(&seeded)),
            _ => x.add(1)?.sample_dirichlet(Some(&seeded)),
        }
    };
    "ifftn": |g, x| { let (s, d) = (maybe(g, |g| g.list(3, Gen::u)), maybe(g, Gen::dims)); fft::ifftn(x, s.as_deref(), d.as_deref(), fft::Norm::Ortho) };
    "rfftn": |g, x| { let (s, d) = (maybe(g, |g| g.list(3, Gen::u)), maybe(g, Gen::dims)); fft::rfftn(&floats(x)?, s.as_deref(), d.as_deref(), fft::Norm::Ortho) };
    "linalg::matrix_exp": |_g, x| linalg::matrix_exp(&floats(x)?);
    "linalg::matrix_rank": |g, x| linalg::matrix_rank(&floats(x)?, linalg::Cutoff::default(), g.one_in(2));
    "linalg::cholesky": |g, x| linalg::cholesky(&floats(x)?, g.one_in(2));
    "linalg::eigh": |g, x| { let _ = &g; linalg::eigh(&floats(x)?, linalg::Triangle::Upper).map(|_| vec![]) };
    "linalg::inv": |_g, x| linalg::inv(&floats(x)?);
    "linalg::slogdet": |_g, x| linalg::slogdet(&floats(x)?).map(|_| vec![]);
    "linalg::lu": |g, x| linalg::lu(&floats(x)?, g.one_in(2)).map(|_| vec![]);
    "geqrf": |_g, x| floats(x)?.geqrf().map(|(a, tau)| vec![a, tau]);
    "lu_solve": |g, x| {
        let x = floats(x)?;
        let pivots = g.index(&x.shape()[..x.rank().saturating_sub(1)]).to_dtype(DType::I32)?;
        let b = g.other(&x);
        linalg::lu_solve(&x, &pivots, &b, g.one_in(2), g.one_in(2))
    };
    "dot": |g, x| x.dot(&g.other(x));
    "mv": |g, x| x.mv(&g.other(x));
    "dist": |g, x| floats(x)?.dist(&floats(&g.other(x))?, 2.0);
    "rot": |g, x| match g.next() % 5 { 0 => x.fliplr(), 1 => x.flipud(), 2 => x.t(), 3 => x.mt(), _ => x.atleast_3d() };
    "isclose": |g, x| x.isclose(&g.other(x));
    "logit": |g, x| floats(x)?.logit(maybe(g, |g| g.i() as f64));
    "ldexp": |g, x| x.ldexp(&g.other(x));
    "special::multigammaln": |g, x| special::multigammaln(x, g.u() as u32);
    "draws in place": |g, x| {
        let seeded = Generator::with_seed(1);
        let x = floats(x)?.copy()?;
        let (a, b) = (g.i() as f64, g.i() as f64);
        let drawn = random::with_generator(&seeded, || match g.next() % 7 {
            0 => x.uniform_(a, b).map(drop),
            1 => x.normal_(a, b).map(drop),
            2 => x.exponential_(a).map(drop),
            3 => x.geometric_(a / 3.0).map(drop),
            4 => x.cauchy_(a, b).map(drop),
            5 => x.log_normal_(a, b).map(drop),
            _ => x.random_(g.i() as i64, g.i() as i64).map(drop),
        });
        drawn.map(|()| x.shape().iter().map(|_| x.clone()).take(1).collect::<Vec<_>>())
    };
}
