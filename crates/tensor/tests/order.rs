//! Sorting, picking by order, and running reductions: known values, and against the standard library's sort.

use flambeau_tensor::{Complex, DType, ErrorKind, Generator, Tensor, TopkOptions, ValuesIndices, stack};

const NAN: f32 = f32::NAN;

fn floats(x: &Tensor) -> Vec<f32> {
    x.to_dtype(DType::F32).unwrap().to_vec().unwrap()
}

fn places(x: &Tensor) -> Vec<i64> {
    x.to_vec().unwrap()
}

/// Equal, NaN to NaN.
fn same(a: &[f32], b: &[f32]) {
    assert!(
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || a.is_nan() && b.is_nan()),
        "{a:?} instead of {b:?}"
    );
}

#[test]
fn nan_is_largest_and_equals_keep_their_order() {
    let x = Tensor::from_vec(vec![2.0, NAN, -0.0, 2.0, 0.0, f32::NEG_INFINITY, NAN], 7).unwrap();
    let ValuesIndices { values, indices: at } = x.sort(0, false).unwrap();
    same(&floats(&values), &[f32::NEG_INFINITY, 0.0, 0.0, 2.0, 2.0, NAN, NAN]);
    assert_eq!(places(&at), [5, 2, 4, 0, 3, 1, 6]);
    let ValuesIndices { values, indices: at } = x.sort(0, true).unwrap();
    same(&floats(&values), &[NAN, NAN, 2.0, 2.0, 0.0, 0.0, f32::NEG_INFINITY]);
    assert_eq!(places(&at), [1, 6, 0, 3, 2, 4, 5]);
    assert_eq!(places(&x.argsort(-1, false).unwrap()), [5, 2, 4, 0, 3, 1, 6]);
}

#[test]
fn every_dtype_on_both_sides_of_the_radix_sort() {
    for dtype in DType::ALL.into_iter().filter(|d| !d.is_complex() && !d.is_wide_unsigned() && *d != DType::Bool) {
        for n in [1, 2, 37, 1499, 4000] {
            let low = if dtype == DType::U8 { 0 } else { -100 };
            let x = Tensor::randint(low, 101, [2, n]).generator(&Generator::with_seed(n as u64)).build().unwrap();
            let x = x.to_dtype(dtype).unwrap();
            for descending in [false, true] {
                let ValuesIndices { values, indices: at } = x.sort_stable(1, descending).unwrap();
                let (values, at) = (values.to_dtype(DType::I64).unwrap().to_vec::<i64>().unwrap(), places(&at));
                for (r, row) in x.to_dtype(DType::I64).unwrap().to_vec::<i64>().unwrap().chunks(n).enumerate() {
                    let mut order: Vec<i64> = (0..n as i64).collect();
                    order.sort_by_key(|i| if descending { -row[*i as usize] } else { row[*i as usize] });
                    assert_eq!(at[r * n..][..n], order, "{dtype} {n}");
                    assert!(
                        values[r * n..][..n].iter().zip(&order).all(|(v, i)| *v == row[*i as usize]),
                        "{dtype} {n}"
                    );
                }
            }
        }
    }
}

#[test]
fn wide_numbers() {
    let x = Tensor::from_vec(vec![1e300, -1e-300, f64::NAN, -1e300, 0.0, f64::INFINITY], 6).unwrap();
    assert_eq!(places(&x.argsort(0, false).unwrap()), [3, 1, 4, 0, 5, 2]);
    let x = Tensor::from_vec(vec![i64::MAX, i64::MIN, 0, -1], 4).unwrap();
    assert_eq!(x.sort(0, false).unwrap().values.to_vec::<i64>().unwrap(), [i64::MIN, -1, 0, i64::MAX]);
    let x = Tensor::from_vec(vec![true, false, true], 3).unwrap();
    assert_eq!(places(&x.argsort(0, true).unwrap()), [0, 2, 1]);
}

#[test]
fn topk_is_the_head_of_the_sort() {
    for (n, k) in [(5, 0), (5, 5), (100, 7), (9000, 1), (9000, 12), (20_000, 3000)] {
        // No two are equal: of those it would be told which are taken.
        let rows: Vec<Tensor> =
            (0..3).map(|seed| Tensor::randperm(n).generator(&Generator::with_seed(seed)).build().unwrap()).collect();
        let x = stack(&rows, 0).unwrap().to_dtype(DType::F32).unwrap();
        for largest in [false, true] {
            let ValuesIndices { values, indices: at } =
                x.topk_with(k, TopkOptions::new().dim(1).largest(largest)).unwrap();
            let ValuesIndices { values: all, indices: order } = x.sort(1, largest).unwrap();
            assert_eq!(floats(&values), floats(&all.narrow(1, 0, k).unwrap()), "{n} {k}");
            assert_eq!(places(&at), places(&order.narrow(1, 0, k).unwrap().contiguous().unwrap()), "{n} {k}");
        }
    }
    let x = Tensor::from_vec(vec![3.0f32, 1.0, 2.0, 5.0, 4.0, 6.0], [2, 3]).unwrap();
    assert_eq!(floats(&x.topk_with(1, TopkOptions::new().dim(0).largest(false)).unwrap().values), [3.0, 1.0, 2.0]);
    let message = x.topk_with(4, TopkOptions::new().dim(1)).unwrap_err().to_string();
    assert!(message.starts_with("topk: k = 4, but dimension 1 has size 3"), "{message}");
}

#[test]
fn any_dimension() {
    let x = Tensor::from_vec(vec![3.0f32, 1.0, 2.0, 1.0, 3.0, 1.0], [3, 2]).unwrap();
    let ValuesIndices { values, indices: at } = x.sort(0, false).unwrap();
    assert_eq!((values.shape(), floats(&values)), (&[3, 2][..], vec![2.0, 1.0, 3.0, 1.0, 3.0, 1.0]));
    assert_eq!(places(&at), [1, 0, 0, 1, 2, 2]);
    assert_eq!(floats(&x.msort().unwrap()), floats(&values));
    let scalar = Tensor::full((), 2.0).build().unwrap();
    assert_eq!(places(&scalar.sort(-1, true).unwrap().indices), [0]);
    assert_eq!(Tensor::zeros([0, 3]).build().unwrap().sort(0, false).unwrap().values.shape(), [0, 3]);
    assert_eq!(Tensor::zeros([3, 0]).build().unwrap().sort(1, false).unwrap().values.shape(), [3, 0]);
}

#[test]
fn picks() {
    let x = Tensor::from_vec(vec![4.0f32, NAN, 1.0, 3.0, 5.0, 5.0, 2.0, 2.0], [2, 4]).unwrap();
    let ValuesIndices { values, indices: at } = x.median(1).unwrap();
    same(&floats(&values), &[NAN, 2.0]);
    assert_eq!(places(&at), [1, 3]);
    same(&floats(&x.nanmedian(1).unwrap().values), &[3.0, 2.0]);
    same(&floats(&x.kthvalue(2, 1).unwrap().values), &[3.0, 2.0]);
    let ValuesIndices { values, indices: at } = x.narrow(0, 1, 1).unwrap().mode_keepdim(1).unwrap();
    assert_eq!((floats(&values), places(&at)), (vec![2.0], vec![3]));
    assert!(x.median_all().unwrap().item::<f32>().unwrap().is_nan());
    assert_eq!(x.nanmedian_all().unwrap().item::<f32>().unwrap(), 3.0);
    assert!(
        x.kthvalue(0, 1).is_err()
            && x.kthvalue(5, 1).is_err()
            && Tensor::zeros([2, 0]).build().unwrap().mode(1).is_err()
    );
}

#[test]
fn running() {
    let x = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]).unwrap();
    assert_eq!(floats(&x.cumsum(1).unwrap()), [1.0, 3.0, 6.0, 4.0, 9.0, 15.0]);
    assert_eq!(floats(&x.cumsum(0).unwrap()), [1.0, 2.0, 3.0, 5.0, 7.0, 9.0]);
    assert_eq!(floats(&x.t().unwrap().cumsum(1).unwrap()), [1.0, 5.0, 2.0, 7.0, 3.0, 9.0]);
    assert_eq!(floats(&x.cumsum_reversed(1).unwrap()), [6.0, 5.0, 3.0, 15.0, 11.0, 6.0]);
    assert_eq!(floats(&x.cumprod(1).unwrap()), [1.0, 2.0, 6.0, 4.0, 20.0, 120.0]);
    assert_eq!(
        floats(&x.to_dtype(DType::BF16).unwrap().cumprod_reversed(0).unwrap()),
        [4.0, 10.0, 18.0, 4.0, 5.0, 6.0]
    );
    let truths = Tensor::from_vec(vec![true, false, true], 3).unwrap();
    assert_eq!(truths.cumsum(0).unwrap().to_vec::<i64>().unwrap(), [1, 1, 2]);
    // y = 0.5 y + x
    let half = x.full_like(0.5).unwrap();
    assert_eq!(floats(&half.recurrence(&x, 1, false).unwrap()), [1.0, 2.5, 4.25, 4.0, 7.0, 9.5]);
    assert_eq!(floats(&half.recurrence(&x, 0, true).unwrap()), [3.0, 4.5, 6.0, 4.0, 5.0, 6.0]);
    let (low, e) = (f32::NEG_INFINITY, std::f32::consts::LN_2);
    same(
        &floats(&Tensor::from_vec(vec![low, 0.0, 0.0, f32::INFINITY], 4).unwrap().logcumsumexp(0).unwrap()),
        &[low, 0.0, e, f32::INFINITY],
    );
    assert_eq!(Tensor::zeros([0, 2]).build().unwrap().cumsum(0).unwrap().shape(), [0, 2]);
    assert_eq!(Tensor::full((), 2.0).build().unwrap().cumprod(0).unwrap().item::<f32>().unwrap(), 2.0);
}

#[test]
fn running_extremes() {
    let x = Tensor::from_vec(vec![1.0f32, 1.0, 0.0, NAN, 5.0, NAN], 6).unwrap();
    let ValuesIndices { values, indices: at } = x.cummax(0).unwrap();
    same(&floats(&values), &[1.0, 1.0, 1.0, NAN, NAN, NAN]);
    assert_eq!(places(&at), [0, 1, 1, 3, 3, 5]);
    let x = Tensor::from_vec(vec![3i32, 5, 3, 1, 2, 0], [3, 2]).unwrap();
    let ValuesIndices { values, indices: at } = x.cummin(0).unwrap();
    assert_eq!(values.to_vec::<i32>().unwrap(), [3, 5, 3, 1, 2, 0]);
    assert_eq!(places(&at), [0, 0, 1, 1, 2, 2]);
}

#[test]
fn running_logarithms_of_nothing_and_of_complex_numbers() {
    let low = f32::NEG_INFINITY;
    let x = Tensor::from_slice(&[low, low, 1.0, low, 2.0], 5).unwrap();
    let y = floats(&x.logcumsumexp(0).unwrap());
    same(&y[..4], &[low, low, 1.0, 1.0]);
    assert!((y[4] - 2.313_261_7).abs() < 1e-6, "{}", y[4]);
    // PyTorch 2.15: the angle goes on from one element to the next.
    let z = |re: f64, im: f64| Complex::new(re, im);
    let x = Tensor::from_slice(&[z(1.0, 1.0), z(2.0, -3.0), z(0.5, 2.0), z(0.0, -1.0)], 4).unwrap();
    let right = [
        z(1.0, 1.0),
        z(1.787990297777198, -3.3513459464160054),
        z(1.958030235919734, -3.5392373786109026),
        z(1.8384738340041116, -3.4489939660659963),
    ];
    let y = x.logcumsumexp(0).unwrap().to_vec::<Complex<f64>>().unwrap();
    assert!(y.iter().zip(right).all(|(y, r)| (y - r).norm() < 1e-13), "{y:?}");
    let x = Tensor::from_slice(&[z(f64::NEG_INFINITY, 0.0), z(1.0, 1.0)], 2).unwrap();
    assert_eq!(x.logcumsumexp(0).unwrap().to_vec::<Complex<f64>>().unwrap()[1], z(1.0, 1.0));
}

/// Numbers below `limit` that anyone can make again.
fn drawn(n: usize, limit: u64, mut seed: u64) -> Tensor {
    let mut next = || {
        seed = (seed * 1_103_515_245 + 12_345) % (1 << 31);
        ((seed >> 16) % limit) as i64
    };
    Tensor::from_vec((0..n).map(|_| next()).collect(), n).unwrap()
}

/// A number that tells a list from others.
fn digest(places_of: &Tensor) -> i64 {
    places(places_of).iter().fold(0, |sum, place| (sum * 31 + place) % 1_000_000_007)
}

#[test]
fn equal_elements_come_in_the_order_of_pytorch() {
    // PyTorch 2.15, which sorts by std::sort.
    let x = drawn(20, 3, 1);
    let all = [19, 2, 18, 17, 16, 6, 7, 8, 9, 13, 12, 10, 4, 3, 1, 11, 0, 14, 15, 5];
    let falling = [0, 15, 14, 11, 5, 1, 10, 4, 3, 7, 8, 9, 6, 12, 13, 2, 16, 17, 18, 19];
    for dtype in [DType::I64, DType::U8, DType::F16, DType::BF16, DType::F64] {
        let x = x.to_dtype(dtype).unwrap();
        assert_eq!(places(&x.sort(0, false).unwrap().indices), all, "{dtype}");
        assert_eq!(places(&x.argsort(0, true).unwrap()), falling, "{dtype}");
        assert_eq!(
            places(&x.topk_with(5, TopkOptions::new().dim(0).largest(true)).unwrap().indices),
            [0, 5, 11, 15, 14],
            "{dtype}"
        );
        assert_eq!(
            places(&x.topk_with(5, TopkOptions::new().dim(0).largest(false)).unwrap().indices),
            [9, 7, 8, 6, 13],
            "{dtype}"
        );
        let one = |found: ValuesIndices| found.indices.item::<i64>().unwrap();
        assert_eq!(one(x.kthvalue(10, 0).unwrap()), 6, "{dtype}");
        assert_eq!(one(x.median(0).unwrap()), 18, "{dtype}");
        assert_eq!(one(x.mode(0).unwrap()), 12, "{dtype}");
    }
    assert_eq!(
        places(&drawn(400, 7, 1).topk_with(3, TopkOptions::new().dim(0).largest(true)).unwrap().indices),
        [7, 4, 5]
    );
    for (n, limit, right) in [
        (1000, 10, [772_878_517, 314_548_694, 191_096_414, 405_265_222, 156, 81, 811]),
        (5000, 100, [686_656_671, 697_683_580, 348_586_780, 364_430_145, 3882, 820, 940]),
    ] {
        let x = drawn(n, limit, 7);
        let found = [
            digest(&x.sort(0, false).unwrap().indices),
            digest(&x.sort(0, true).unwrap().indices),
            digest(&x.topk_with(n / 20, TopkOptions::new().dim(0).largest(true)).unwrap().indices),
            digest(&x.topk_with(n / 100, TopkOptions::new().dim(0).largest(false)).unwrap().indices),
            x.kthvalue(n / 3, 0).unwrap().indices.item::<i64>().unwrap(),
            x.median(0).unwrap().indices.item::<i64>().unwrap(),
            x.mode(0).unwrap().indices.item::<i64>().unwrap(),
        ];
        assert_eq!(found, right, "{n} numbers below {limit}");
        let stable = x.sort_stable(0, false).unwrap();
        let numbers = places(&x);
        assert!(places(&stable.indices).is_sorted_by_key(|i| (numbers[*i as usize], *i)));
        assert_eq!(places(&x.argsort_stable(0, false).unwrap()), places(&stable.indices));
    }
}

#[test]
fn nans_among_equal_elements() {
    let eight = [1.0, NAN, 2.0, 1.0, NAN, 2.0, 2.0, 1.0];
    let x = Tensor::from_vec(eight.repeat(4), 32).unwrap();
    let falling = places(&x.sort(0, true).unwrap().indices);
    assert_eq!(falling[..8], [1, 20, 25, 17, 12, 28, 9, 4]);
    assert_eq!(falling[24..], [23, 19, 16, 15, 11, 8, 7, 3]);
    assert_eq!(
        places(&x.topk_with(6, TopkOptions::new().dim(0).largest(true)).unwrap().indices),
        [17, 9, 28, 12, 1, 25]
    );
    assert_eq!(x.kthvalue(30, 0).unwrap().indices.item::<i64>().unwrap(), 1);
    assert_eq!(x.nanmedian(0).unwrap().indices.item::<i64>().unwrap(), 31);
}

#[test]
fn a_sort_that_its_pivots_fail_goes_on_as_a_heap() {
    // D. R. Musser's sequence against medians of three, with ties.
    let half = 1000;
    let mut numbers = vec![0i64; 2 * half];
    for i in 1..=half {
        if i % 2 == 1 {
            (numbers[i - 1], numbers[i]) = (i as i64, (half + i) as i64);
        }
        numbers[half + i - 1] = 2 * i as i64;
    }
    let x = Tensor::from_vec(numbers.iter().map(|x| x / 3).collect(), 2 * half).unwrap();
    assert_eq!(digest(&x.sort(0, false).unwrap().indices), 6_804_353);
    assert_eq!(digest(&x.topk_with(half, TopkOptions::new().dim(0).largest(true)).unwrap().indices), 75_684_317);
}

#[test]
fn unique_slices_without_elements() {
    // As in PyTorch: slices of nothing are not told apart, no slices are none.
    let zeros = |shape: [usize; 2]| Tensor::zeros(shape).build().unwrap();
    assert_eq!(zeros([3, 0]).unique(Some(0)).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(zeros([1 << 40, 0]).unique(Some(0)).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(zeros([3, 0]).unique(Some(1)).unwrap().values.shape(), [3, 0]);
}

/// Integers that lie close together are counted, others sorted: both ways give the same.
#[test]
fn unique_integers_counted_or_sorted() {
    let near: Vec<i64> = (0..1000).map(|i| i * 37 % 50 - 20).collect();
    let far: Vec<i64> = near.iter().copied().chain([i64::MAX, i64::MIN]).collect();
    for list in [&near, &far] {
        let mut sorted = list.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let unique = Tensor::from_slice(list, [list.len()]).unwrap().unique(None).unwrap();
        assert_eq!(unique.values.to_vec::<i64>().unwrap(), sorted);
        let inverse: Vec<i64> = list.iter().map(|x| sorted.binary_search(x).unwrap() as i64).collect();
        assert_eq!(unique.inverse.to_vec::<i64>().unwrap(), inverse);
        let counts: Vec<i64> = sorted.iter().map(|x| list.iter().filter(|y| *y == x).count() as i64).collect();
        assert_eq!(unique.counts.to_vec::<i64>().unwrap(), counts);
    }
    let bytes: Vec<u8> = (0..600).map(|i| (i * 7 % 250) as u8).collect();
    let unique = Tensor::from_slice(&bytes, [20, 30]).unwrap().unique(None).unwrap();
    assert_eq!(unique.values.to_vec::<u8>().unwrap(), (0..250).collect::<Vec<u8>>());
    assert_eq!((unique.inverse.shape(), unique.inverse.to_vec::<i64>().unwrap()[1]), (&[20, 30][..], 7));
}
