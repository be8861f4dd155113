//! Reductions against a plain loop over indices, in every dtype, on layouts of every kind.

use flambeau_tensor::{Complex, DType, Generator, Result, Tensor, ValuesIndices};

/// Whole numbers in −20..20, so that sums are exact in every dtype.
fn whole(shape: &[usize], dtype: DType) -> Tensor {
    let generator = Generator::with_seed(3);
    Tensor::randint(-20, 20, shape).generator(&generator).build().unwrap().to_dtype(dtype).unwrap()
}

/// Layouts of one shape: rows, columns, with gaps, broadcast.
fn layouts(x: &Tensor) -> Vec<(&'static str, Tensor)> {
    let (n, rank) = (x.rank(), x.rank() as isize);
    let mut all = vec![("rows", x.clone())];
    if n >= 2 {
        let swapped = x.transpose(0, rank - 1).unwrap().contiguous().unwrap().transpose(0, rank - 1).unwrap();
        all.push(("columns", swapped));
        let mut wide = x.shape().to_vec();
        wide[n - 1] *= 2;
        let gaps = Tensor::zeros(wide).dtype(x.dtype()).build().unwrap();
        let gaps = gaps.slice(rank - 1, 0, isize::MAX, 2).unwrap();
        gaps.copy_(x).unwrap();
        all.push(("gaps", gaps));
        all.push(("broadcast", x.narrow(1, 0, 1).unwrap().expand(x.shape()).unwrap()));
        all.push(("offset", x.narrow(0, 1, x.shape()[0] - 1).unwrap()));
    }
    all
}

/// The elements that meet in each output, in row-major order of the outputs.
fn groups(x: &Tensor, dims: &[usize]) -> Vec<Vec<f64>> {
    let (shape, values) = (x.shape(), x.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap());
    let outputs: usize = (0..shape.len()).filter(|d| !dims.contains(d)).map(|d| shape[d]).product();
    let mut groups = vec![Vec::new(); outputs];
    for (i, v) in values.iter().enumerate() {
        let (mut rest, mut index) = (i, vec![0; shape.len()]);
        for d in (0..shape.len()).rev() {
            index[d] = rest % shape[d];
            rest /= shape[d];
        }
        let to = (0..shape.len()).filter(|d| !dims.contains(d)).fold(0, |to, d| to * shape[d] + index[d]);
        groups[to].push(*v);
    }
    groups
}

fn check(what: &str, got: Result<Tensor>, expected: impl Iterator<Item = f64>, tolerance: f64) {
    let got = got.unwrap_or_else(|e| panic!("{what}: {e}")).to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap();
    let expected: Vec<f64> = expected.collect();
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (g, e)) in got.iter().zip(&expected).enumerate() {
        let same = g == e || g.is_nan() && e.is_nan() || (g - e).abs() <= tolerance * (1.0 + e.abs());
        assert!(same, "{what}: {g} instead of {e} at {i}");
    }
}

fn against_loops(x: &Tensor, what: &str) {
    for bits in 0..1usize << x.rank() {
        let dims: Vec<usize> = (0..x.rank()).filter(|d| bits >> d & 1 == 1).collect();
        if dims.is_empty() && x.rank() > 0 {
            continue;
        }
        let list: Vec<isize> = dims.iter().map(|d| *d as isize).collect();
        let what = format!("{what}, {} {:?} strides {:?} over {dims:?}", x.dtype(), x.shape(), x.strides());
        let g = groups(x, &dims);
        let n = g[0].len() as f64;
        let of = |f: fn(&[f64]) -> f64| g.iter().map(move |v| f(v));
        check(&format!("{what}: sum"), x.sum(list.clone()), of(|v| v.iter().sum()), 0.0);
        check(&format!("{what}: amax"), x.amax(list.clone()), of(|v| v.iter().fold(f64::MIN, |a, b| a.max(*b))), 0.0);
        check(&format!("{what}: amin"), x.amin(list.clone()), of(|v| v.iter().fold(f64::MAX, |a, b| a.min(*b))), 0.0);
        check(&format!("{what}: any"), x.any(list.clone()), of(|v| v.iter().any(|x| *x != 0.0) as u8 as f64), 0.0);
        check(&format!("{what}: all"), x.all(list.clone()), of(|v| v.iter().all(|x| *x != 0.0) as u8 as f64), 0.0);
        check(
            &format!("{what}: count"),
            x.count_nonzero(list.clone()),
            of(|v| v.iter().filter(|x| **x != 0.0).count() as f64),
            0.0,
        );
        if let [dim] = list[..] {
            // As in PyTorch, masks have no place of the largest, though they have one that is largest.
            if x.dtype() == DType::Bool {
                assert!(x.argmax(dim).is_err() && x.argmin(dim).is_err(), "{what}");
            } else {
                check(&format!("{what}: argmax"), x.argmax(dim), of(|v| first(v, |a, b| a > b)), 0.0);
                check(&format!("{what}: argmin"), x.argmin(dim), of(|v| first(v, |a, b| a < b)), 0.0);
            }
            let ValuesIndices { values: value, indices: place } = x.max_dim(dim).unwrap();
            check(&format!("{what}: max"), Ok(value), of(|v| v.iter().fold(f64::MIN, |a, b| a.max(*b))), 0.0);
            check(&format!("{what}: max"), Ok(place), of(|v| first(v, |a, b| a > b)), 0.0);
        }
        if x.dtype().is_float() {
            let eps = if x.dtype() == DType::F64 {
                1e-12
            } else if x.dtype() == DType::F32 {
                1e-5
            } else {
                1e-2
            };
            check(&format!("{what}: mean"), x.mean(list.clone()), of(|v| v.iter().sum::<f64>() / v.len() as f64), eps);
            let var = |v: &[f64]| {
                let mean = v.iter().sum::<f64>() / v.len() as f64;
                v.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / v.len() as f64
            };
            check(&format!("{what}: var"), x.var(list.clone(), 0.0), of(var), eps);
            check(
                &format!("{what}: norm"),
                x.norm(2.0, list.clone()),
                of(|v| v.iter().map(|x| x * x).sum::<f64>().sqrt()),
                eps,
            );
            check(
                &format!("{what}: norm 3"),
                x.norm(3.0, list.clone()),
                of(|v| v.iter().map(|x| x.abs().powi(3)).sum::<f64>().cbrt()),
                eps,
            );
            check(
                &format!("{what}: norm inf"),
                x.norm(f64::INFINITY, list.clone()),
                of(|v| v.iter().fold(0.0, |a, x| x.abs().max(a))),
                0.0,
            );
            let small = x.mul(0.1).unwrap();
            check(
                &format!("{what}: logsumexp"),
                small.logsumexp(list.clone()),
                of(|v| v.iter().map(|x| (x * 0.1).exp()).sum::<f64>().ln()),
                2.0 * eps,
            );
            if n < 40.0 {
                check(
                    &format!("{what}: prod"),
                    x.mul(0.1).unwrap().prod(list.clone()),
                    of(|v| v.iter().map(|x| x * 0.1).product()),
                    10.0 * eps,
                );
            }
        }
    }
}

fn first(v: &[f64], better: fn(f64, f64) -> bool) -> f64 {
    (1..v.len()).fold(0, |at, i| if better(v[i], v[at]) { i } else { at }) as f64
}

#[test]
fn all_dtypes() {
    for dtype in DType::ALL.into_iter().filter(|d| !d.is_complex() && !d.is_wide_unsigned()) {
        for (what, x) in layouts(&whole(&[3, 4, 5], dtype)) {
            against_loops(&x, what);
        }
    }
}

#[test]
fn all_shapes() {
    for shape in [
        &[][..],
        &[1],
        &[7],
        &[2000],
        &[40, 3],
        &[3, 700],
        &[70, 70],
        &[2, 1, 9],
        &[5, 2, 3, 4],
        &[33, 2, 65],
        &[4, 300, 2],
    ] {
        for (what, x) in layouts(&whole(shape, DType::F32)) {
            against_loops(&x, what);
        }
    }
}

/// Long enough to be split into tasks and parts.
#[test]
fn large() {
    for shape in [&[300_000][..], &[3, 100_000], &[100_000, 3], &[500, 600], &[64, 8, 600], &[2, 3, 50_000]] {
        for (what, x) in layouts(&whole(shape, DType::F32)) {
            against_loops(&x, what);
        }
    }
}

#[test]
fn complex_sums() {
    let z = Tensor::from_vec(vec![Complex::new(1.0f32, 2.0), Complex::new(3.0, -4.0)], 2).unwrap();
    assert_eq!(z.sum(..).unwrap().to_vec::<Complex<f32>>().unwrap(), [Complex::new(4.0, -2.0)]);
    assert_eq!(z.mean(..).unwrap().to_vec::<Complex<f32>>().unwrap(), [Complex::new(2.0, -1.0)]);
    assert_eq!(z.prod(..).unwrap().to_vec::<Complex<f32>>().unwrap(), [Complex::new(11.0, 2.0)]);
    // torch.tensor([1+2j, 3-4j]).var() is 20
    assert_eq!(z.var(.., 1.0).unwrap().to_vec::<f32>().unwrap(), [20.0]);
    assert!(z.amax(..).unwrap_err().to_string().starts_with("amax: complex numbers have no order"));
}

#[test]
fn nan_wins_and_the_first_of_equals() {
    let x = Tensor::from_vec(vec![1.0f32, f32::NAN, 3.0, f32::NAN, 3.0, 3.0, 0.0, 0.0], [2, 4]).unwrap();
    assert!(x.amax(1).unwrap().to_vec::<f32>().unwrap()[0].is_nan());
    assert!(x.amin(0).unwrap().to_vec::<f32>().unwrap()[1].is_nan());
    assert_eq!(x.argmax(1).unwrap().to_vec::<i64>().unwrap(), [1, 0]);
    assert_eq!(x.argmin(1).unwrap().to_vec::<i64>().unwrap(), [1, 2]);
    assert_eq!(x.argmax_all().unwrap().item::<i64>().unwrap(), 1);
    assert_eq!(x.argmax(0).unwrap().to_vec::<i64>().unwrap(), [1, 0, 0, 0]);
    assert_eq!(x.nansum(..).unwrap().item::<f32>().unwrap(), 10.0);
    assert_eq!(x.nanmean(1).unwrap().to_vec::<f32>().unwrap(), [2.0, 1.5]);
    // The same far into a long row, and down a long column.
    let long = Tensor::zeros(5000).build().unwrap();
    long.narrow(0, 3333, 2).unwrap().fill_(f32::NAN).unwrap();
    assert_eq!(long.argmax(0).unwrap().item::<i64>().unwrap(), 3333);
    assert!(long.amin(..).unwrap().item::<f32>().unwrap().is_nan());
    let tall = long.unsqueeze(1).unwrap().expand([5000, 3]).unwrap().contiguous().unwrap();
    assert_eq!(tall.argmin(0).unwrap().to_vec::<i64>().unwrap(), [3333; 3]);
}

#[test]
fn of_nothing() {
    let x = Tensor::zeros([0, 3]).build().unwrap();
    assert_eq!(x.sum(0).unwrap().to_vec::<f32>().unwrap(), [0.0; 3]);
    assert_eq!(x.prod(0).unwrap().to_vec::<f32>().unwrap(), [1.0; 3]);
    assert!(x.mean(0).unwrap().to_vec::<f32>().unwrap().iter().all(|m| m.is_nan()));
    assert!(x.var(0, 1.0).unwrap().to_vec::<f32>().unwrap().iter().all(|m| m.is_nan()));
    assert_eq!(x.logsumexp(0).unwrap().to_vec::<f32>().unwrap(), [f32::NEG_INFINITY; 3]);
    assert_eq!(x.all(..).unwrap().to_vec::<bool>().unwrap(), [true]);
    assert_eq!(x.sum(1).unwrap().shape(), [0]);
    assert_eq!(x.amax(1).unwrap().shape(), [0]);
    let message = x.amax(0).unwrap_err().to_string();
    assert!(message.starts_with("amax: dimension 0 of shape [0, 3] has size 0"), "{message}");
    assert!(x.norm(f64::INFINITY, 0).is_err() && x.argmax(0).is_err());
}

#[test]
fn dims_and_dtypes() {
    let x = Tensor::ones([2, 3, 4]).build().unwrap();
    assert_eq!(x.sum([0, -1]).unwrap().shape(), [3]);
    assert_eq!(x.sum_keepdim([-1, 0]).unwrap().shape(), [1, 3, 1]);
    assert!(x.sum([0, -3]).unwrap_err().to_string().contains("appears twice"));
    assert!(x.sum(3).unwrap_err().to_string().contains("out of range"));
    let b = x.to_dtype(DType::Bool).unwrap();
    assert_eq!((b.sum(..).unwrap().dtype(), b.any(..).unwrap().dtype()), (DType::I64, DType::Bool));
    assert_eq!(x.to_dtype(DType::U8).unwrap().any(..).unwrap().dtype(), DType::U8);
    let message = b.mean(..).unwrap_err().to_string();
    assert!(message.starts_with("mean: defined for floating point, the tensor is bool"), "{message}");
    let scalar = Tensor::full((), 3.0).build().unwrap();
    assert_eq!(scalar.sum(-1).unwrap().item::<f32>().unwrap(), 3.0);
    assert_eq!(scalar.max_dim(0).unwrap().indices.item::<i64>().unwrap(), 0);
    assert_eq!(scalar.var(.., 0.0).unwrap().item::<f32>().unwrap(), 0.0);
}

/// Sums of `f32` stay right however long they are, and variances far from zero.
#[test]
fn accuracy() {
    let n = 1 << 22;
    let x = Tensor::full(n, 0.1f32).build().unwrap();
    let exact = 0.1f32 as f64 * n as f64;
    assert!((x.sum(..).unwrap().item::<f64>().unwrap() - exact).abs() <= exact * 5e-7);
    let tall = x.reshape([-1, 64]).unwrap().sum(0).unwrap().to_vec::<f32>().unwrap();
    assert!(tall.iter().all(|s| (*s as f64 - exact / 64.0).abs() <= exact / 64.0 * 1e-6));
    let far = Tensor::arange(0, n)
        .build()
        .unwrap()
        .remainder(2)
        .unwrap()
        .to_dtype(DType::F32)
        .unwrap()
        .add(10_000.0)
        .unwrap();
    let var = far.var(.., 0.0).unwrap().item::<f64>().unwrap();
    assert!((var - 0.25).abs() < 1e-6, "{var}");
    let var = far.reshape([-1, 2]).unwrap().t().unwrap().contiguous().unwrap().var(0, 0.0).unwrap();
    assert!(var.to_vec::<f32>().unwrap().iter().all(|v| (v - 0.25).abs() < 1e-6));
}

#[test]
fn nan_is_found_where_the_maximum_is() {
    let x = Tensor::from_slice(&[3.0f32, f32::NAN, 5.0, f32::NAN], 4).unwrap();
    let place = |x: Result<Tensor>| x.unwrap().item::<i64>().unwrap();
    assert_eq!((place(x.argmax(0)), place(x.argmin(0))), (1, 1));
    assert!(x.max_all().unwrap().item::<f32>().unwrap().is_nan());
}

#[test]
fn the_spread_of_numbers_whose_squares_leave_the_range() {
    // PyTorch takes the squares of f32 in f64.
    let check = |numbers: &[f32], right: f64| {
        let n = numbers.len();
        let row = Tensor::from_slice(numbers, n).unwrap();
        let rows = row.expand([3, n]).unwrap();
        let columns = rows.contiguous().unwrap().t().unwrap().contiguous().unwrap();
        let wide = row.reshape([n, 1]).unwrap().expand([n, 70]).unwrap().contiguous().unwrap();
        let right = |n: usize| std::iter::repeat_n(1.0, n).map(move |x: f64| x * right);
        let scaled = |x: Result<Tensor>| x?.to_dtype(DType::F64)?.mul(1.0);
        for (what, got, n) in [
            ("all", row.std(.., 1.0), 1),
            ("rows", rows.std(1, 1.0), 3),
            ("strided rows", columns.t().unwrap().std(1, 1.0), 3),
            ("columns", columns.std(0, 1.0), 3),
            ("wide columns", wide.std(0, 1.0), 70),
        ] {
            let got = scaled(got).unwrap().to_vec::<f64>().unwrap();
            let off = got.iter().zip(right(n)).any(|(g, r)| (g / r - 1.0).abs() > 1e-5);
            assert!(!off && got.len() == n, "{what} of {} numbers like {}: {got:?}", numbers.len(), numbers[1]);
        }
    };
    let sevenths = |n: usize, scale: f32| -> Vec<f32> { (0..n).map(|i| (i % 7) as f32 * scale).collect() };
    check(&sevenths(400, 1e18), 2.005_617_098_641_9e18);
    check(&sevenths(40, 1e-25), 1.989_556_136_995_4e-25);
    check(&[1e19, 3e19, 5e19], 2e19);
    check(&[1e-30, 3e-30], 2f64.sqrt() * 1e-30);
    let far = Tensor::from_slice(&[1e19f32, 3e19, 5e19], 3).unwrap();
    assert_eq!(far.var(0, 1.0).unwrap().item::<f32>().unwrap(), f32::INFINITY);
    assert_eq!(Tensor::full([40], 2.0).build().unwrap().std(0, 1.0).unwrap().item::<f32>().unwrap(), 0.0);
}

#[test]
fn infinity_and_large_numbers_in_different_blocks() {
    let n = 10_000;
    for dtype in [DType::F32, DType::F64] {
        for (at, other) in [(0, n - 1), (n - 1, 0), (n / 2, 1)] {
            let x = Tensor::zeros([n]).dtype(dtype).build().unwrap();
            x.set(at, f64::INFINITY).unwrap().set(other, 1000.0).unwrap();
            for x in [x.reshape([1, n]).unwrap(), x.reshape([n, 1]).unwrap(), x.reshape([n / 4, 4]).unwrap()] {
                let y = x.logsumexp(..).unwrap().to_dtype(DType::F64).unwrap().item::<f64>().unwrap();
                assert_eq!(y, f64::INFINITY, "{dtype} {:?}", x.shape());
            }
            x.set(other, f64::NAN).unwrap();
            assert!(x.logsumexp(0).unwrap().isnan().unwrap().item::<bool>().unwrap());
        }
    }
}

#[test]
fn logarithms_of_sums_of_complex_exponentials() {
    // PyTorch 2.15.
    let z = |re: f64, im: f64| Complex::new(re, im);
    let value = |x: &[Complex<f64>]| {
        Tensor::from_slice(x, x.len()).unwrap().logsumexp(0).unwrap().item::<Complex<f64>>().unwrap()
    };
    let near = |a: Complex<f64>, b: Complex<f64>| (a - b).norm() < 1e-13 * b.norm();
    assert!(near(value(&[z(1.0, 1.0), z(2.0, -3.0)]), z(1.787990297777198, 2.931839360763581)));
    let far = [z(1.0, 1.0), z(2.0, -3.0), z(1000.0, 2.0), z(1000.0, -1.0)];
    assert!(near(value(&far), z(998.0443635265815, 0.5)));
    let infinite = value(&[z(f64::INFINITY, 1.0), z(2.0, -3.0)]);
    assert_eq!((infinite.re, infinite.im), (f64::INFINITY, std::f64::consts::FRAC_PI_4));
    assert_eq!(value(&[z(f64::NEG_INFINITY, 0.0); 2]).re, f64::NEG_INFINITY);
    let none = Tensor::zeros([0]).dtype(DType::Complex64).build().unwrap().logsumexp(0).unwrap();
    assert_eq!(none.item::<Complex<f64>>().unwrap().re, f64::NEG_INFINITY);
}

#[test]
fn sums_and_products_in_another_dtype() {
    let bytes = Tensor::from_slice(&[200u8, 100], 2).unwrap();
    assert_eq!(bytes.sum_as(DType::U8, 0).unwrap().item::<u8>().unwrap(), 44);
    assert_eq!(bytes.prod_as(DType::U8, ..).unwrap().item::<u8>().unwrap(), 32);
    assert_eq!(bytes.sum_as_keepdim(DType::F16, 0).unwrap().shape(), [1]);
    assert!(bytes.sum_as(DType::Bool, 0).unwrap().item::<bool>().unwrap());
    // Elements are cast before they are summed.
    let x = Tensor::from_slice(&[1.5f32, 1.5], 2).unwrap();
    assert_eq!(x.sum_as(DType::I32, 0).unwrap().item::<i32>().unwrap(), 2);
    assert_eq!(x.cumsum_as(0, DType::I64).unwrap().to_vec::<i64>().unwrap(), [1, 2]);
    assert_eq!(bytes.cumsum_as(0, DType::U8).unwrap().to_vec::<u8>().unwrap(), [200, 44]);
    let whole = Tensor::from_slice(&[1i32, 2, 3], 3).unwrap();
    assert_eq!(whole.cumsum_as(0, DType::I32).unwrap().to_vec::<i32>().unwrap(), [1, 3, 6]);
    assert_eq!(whole.cumprod_as(0, DType::F64).unwrap().to_vec::<f64>().unwrap(), [1.0, 2.0, 6.0]);
    assert!(whole.cumsum_as(0, DType::Bool).is_err() && whole.cumprod_as(0, DType::Bool).is_err());
}

#[test]
fn sums_to_a_size_widen_integers() {
    for x in [Tensor::from_slice(&[200u8, 100], 2).unwrap(), Tensor::from_slice(&[true, true], 2).unwrap()] {
        let sum = x.sum_to_size(&[1]).unwrap();
        assert_eq!(sum.dtype(), DType::I64);
        assert_eq!(sum.to_vec::<i64>().unwrap(), x.sum_keepdim(0).unwrap().to_vec::<i64>().unwrap());
        assert_eq!(x.sum_to_size(&[2]).unwrap().dtype(), x.dtype());
    }
}
