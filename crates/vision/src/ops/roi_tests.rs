//! Regions: torchvision's values and gradients, derivatives of any order, other dtypes and memory orders, bad regions.

use super::*;
use flambeau_autograd::{Autograd, BackwardOptions, func, gradcheck, gradgradcheck};

fn ramp(shape: &[usize], dtype: DType) -> Tensor {
    // In single precision, as they were for the values of torchvision.
    let all: Vec<f32> = (0..shape.iter().product()).map(|i: usize| ((i * 37 + 11) % 101) as f32 / 10.0 - 5.0).collect();
    Tensor::from_vec(all, shape).unwrap().to_dtype(dtype).unwrap()
}

/// Within the map, beyond its edges, upside down, smaller than a pixel, far off.
fn rois() -> Tensor {
    let all = [
        [0.0, 1.2, 0.7, 4.6, 3.9],
        [1.0, -2.5, -3.1, 3.0, 9.5],
        [0.0, 4.0, 3.5, 2.0, 1.5],
        [1.0, 5.5, 4.5, 5.6, 4.6],
        [0.0, 30.0, 40.0, 50.0, 60.0f32],
    ];
    Tensor::from_vec(all.concat(), [5, 5]).unwrap().to_dtype(DType::F64).unwrap()
}

type Case = (&'static str, usize, fn(&Tensor, &Tensor) -> Result<Tensor>);

const CASES: [Case; 6] = [
    ("roi_align", 2, |x, rois| roi_align(x, rois, (2, 3), 0.75, Some(2), false)),
    ("roi_align, aligned", 2, |x, rois| roi_align(x, rois, (2, 3), 0.75, None, true)),
    ("ps_roi_align", 12, |x, rois| ps_roi_align(x, rois, (2, 3), 0.75, None)),
    ("ps_roi_align, sampled", 12, |x, rois| ps_roi_align(x, rois, (2, 3), 0.75, Some(2))),
    ("ps_roi_pool", 12, |x, rois| ps_roi_pool(x, rois, (2, 3), 0.75)),
    ("roi_pool", 2, |x, rois| roi_pool(x, rois, (2, 3), 0.75)),
];

/// Σ i mod n · xᵢ, NaN being nothing.
fn weighed(x: &Tensor, n: usize) -> f64 {
    let x = x.detach().to_vec::<f64>().unwrap().into_iter().enumerate();
    x.map(|(i, x)| if x.is_nan() { 0.0 } else { (i % n) as f64 * x }).sum()
}

#[test]
fn values_and_gradients_are_torchvisions() {
    // Of the result its sum, its sum weighed, how many are NaN; of the gradient the sum weighed.
    let want = [
        (-3.842537077870059, -54.49517269639479, 0, 365.49180313628466),
        (-17.699363038700533, -86.153522458697, 0, 265.13970041673235),
        (10.004970376755443, 46.49820565787971, 12, 241.90621647173765),
        (9.910823964561786, 30.4634843196325, 0, 364.7677553759738),
        // The gradient is its own derivative, see `gradients_of_the_second_order`.
        (34.25000041723251, 180.96666659911472, 0, f64::NAN),
        (34.80000376701355, 135.200012922287, 0, 245.0),
    ];
    for ((name, channels, f), (sum, second, nans, slope)) in CASES.into_iter().zip(want) {
        let x = ramp(&[2, channels, 5, 6], DType::F64).requires_grad_().unwrap();
        let y = f(&x, &rois()).unwrap();
        assert_eq!(y.shape(), [5, 2, 2, 3], "{name}");
        let close = |a: f64, b: f64| (a - b).abs() < 1e-11 * b.abs().max(1.0);
        let total: f64 = y.detach().to_vec::<f64>().unwrap().into_iter().filter(|y| !y.is_nan()).sum();
        assert!(close(total, sum), "{name}: {total} for {sum}");
        assert!(close(weighed(&y, 11), second), "{name}: {} for {second}", weighed(&y, 11));
        assert_eq!(y.detach().to_vec::<f64>().unwrap().iter().filter(|y| y.is_nan()).count(), nans, "{name}");
        let cotangent: Vec<f64> = (0..60).map(|i| f64::from(i) * 0.25 - 3.0).collect();
        let cotangent = Tensor::from_vec(cotangent, [5, 2, 2, 3]).unwrap();
        y.backward_with(BackwardOptions::new().gradient(cotangent)).unwrap();
        let got = weighed(&x.grad().unwrap(), 7);
        assert!(slope.is_nan() || close(got, slope), "{name}: {got} for {slope}");
    }
}

#[test]
fn sums_round_as_torchvisions() {
    let x = ramp(&[2, 2, 5, 6], DType::F32);
    let first = |y: Tensor| y.narrow(0, 0, 1).unwrap().to_vec::<f32>().unwrap();
    let want = [
        0.25721919536590576f32,
        -2.817171812057495,
        -0.474649041891098,
        0.1543126106262207,
        -1.17467200756073,
        1.4527032375335693,
        0.1572190374135971,
        -2.9171719551086426,
        -0.5746489763259888,
        0.05431237816810608,
        -1.2746721506118774,
        1.3527030944824219,
    ];
    assert_eq!(first(CASES[0].2(&x, &rois()).unwrap()), want);
    let want = [
        0.4025001525878906f32,
        -0.8134375214576721,
        -1.808437466621399,
        1.981718897819519,
        -1.4751559495925903,
        -0.3680940866470337,
        -0.19750013947486877,
        2.8474998474121094,
        0.5900008082389832,
        1.9025001525878906,
        -0.2508436441421509,
        -0.9680940508842468,
    ];
    assert_eq!(first(CASES[2].2(&ramp(&[2, 12, 5, 6], DType::F32), &rois()).unwrap()), want);
}

#[test]
fn derivatives_of_any_order_and_forward() {
    // Within the map, where nothing is NaN.
    let rois = rois().narrow(0, 0, 2).unwrap();
    for (name, channels, f) in CASES {
        let x = ramp(&[2, channels, 5, 6], DType::F64);
        // Rising, so that none become alike.
        let curved = |x: &[Tensor]| Ok(vec![f(&x[0].add(20.0)?.square()?, &rois)?]);
        gradcheck(curved, std::slice::from_ref(&x)).unwrap_or_else(|e| panic!("{name}: {e}"));
        gradgradcheck(curved, std::slice::from_ref(&x)).unwrap_or_else(|e| panic!("{name}: {e}"));
        // Linear where they are, so the tangent is the function of the tangent, unless the greatest change.
        let (y, tangent) = func::jvp(|x| f(x, &rois), &x, &x.mul(3.0).unwrap()).unwrap();
        assert!(tangent.allclose(&y.mul(3.0).unwrap()).unwrap(), "{name}");
        let many = flambeau_tensor::stack(&[&x, &x.mul(2.0).unwrap()], 0).unwrap();
        let each = func::vmap(|x| f(x, &rois), &many).unwrap();
        assert!(each.select(0, 1).unwrap().allclose(&f(&x.mul(2.0).unwrap(), &rois).unwrap()).unwrap(), "{name}");
        let slopes = func::vmap(|x| func::grad(|x| f(x, &rois)?.square()?.sum(..), x), &many).unwrap();
        let slope = func::grad(|x| f(x, &rois)?.square()?.sum(..), &x).unwrap();
        assert!(slopes.select(0, 0).unwrap().allclose(&slope).unwrap(), "{name}");
    }
}

#[test]
fn other_orders_dtypes_and_devices() {
    for (name, channels, f) in CASES {
        let x = ramp(&[2, channels, 5, 6], DType::F32);
        let y = f(&x, &rois()).unwrap();
        let same = |a: &Tensor, b: &Tensor| {
            a.to_vec::<f32>().unwrap().iter().zip(b.to_vec::<f32>().unwrap()).all(|(a, b)| a.to_bits() == b.to_bits())
        };
        let pixels = x.to(flambeau_tensor::MemoryFormat::ChannelsLast).unwrap();
        assert!(same(&f(&pixels, &rois()).unwrap(), &y), "{name}");
        let half = x.to_dtype(DType::F16).unwrap();
        let got = f(&half, &rois()).unwrap();
        let want = f(&half.to_dtype(DType::F32).unwrap(), &rois()).unwrap().to_dtype(DType::F16).unwrap();
        assert_eq!(got.dtype(), DType::F16);
        assert!(same(&got.to_dtype(DType::F32).unwrap(), &want.to_dtype(DType::F32).unwrap()), "{name}");
        let meta = |x: &Tensor| x.to_device(Device::Meta).unwrap();
        assert_eq!(f(&meta(&x), &meta(&rois())).unwrap().shape(), [5, 2, 2, 3], "{name}");
        // What was made may be written over before the way back.
        let x = x.requires_grad_().unwrap();
        let y = f(&x, &rois().narrow(0, 0, 2).unwrap()).unwrap();
        y.mul_(2.0).unwrap();
        y.sum(..).unwrap().backward().unwrap();
        assert_eq!(x.grad().unwrap().shape(), x.shape(), "{name}");
    }
}

#[test]
fn not_a_number_is_never_the_greatest() {
    let x = Tensor::from_vec(vec![f32::NAN, 2.0, 3.0, f32::NAN], [1, 1, 2, 2]).unwrap().requires_grad_().unwrap();
    let rois = Tensor::from_vec(vec![0.0f32, 0.0, 0.0, 1.0, 1.0], [1, 5]).unwrap();
    let y = roi_pool(&x, &rois, (1, 1), 1.0).unwrap();
    assert_eq!(y.detach().to_vec::<f32>().unwrap(), [3.0]);
    y.sum(..).unwrap().backward().unwrap();
    assert_eq!(x.grad().unwrap().to_vec::<f32>().unwrap(), [0.0, 0.0, 1.0, 0.0]);
    // As there, where there is nothing else.
    let none = Tensor::full([1, 1, 2, 2], f64::NAN).dtype(DType::F32).build().unwrap();
    assert_eq!(roi_pool(&none, &rois, (1, 1), 1.0).unwrap().to_vec::<f32>().unwrap(), [f32::MIN]);
}

#[test]
fn bad_regions_are_named() {
    let x = ramp(&[2, 12, 5, 6], DType::F32);
    let one = |roi: [f32; 5]| Tensor::from_vec(roi.to_vec(), [1, 5]).unwrap();
    for (name, _, f) in CASES {
        for image in [-1.0, 2.0, f32::NAN, 1e20] {
            let error = f(&x, &one([image, 0.0, 0.0, 1.0, 1.0])).unwrap_err().to_string();
            assert!(error.contains("is in none of 2 images"), "{name}: {error}");
        }
        let empty = Tensor::zeros([0, 5]).build().unwrap();
        assert_eq!(f(&x, &empty).unwrap().shape()[0], 0, "{name}");
        assert!(f(&x.select(0, 0).unwrap(), &empty).is_err(), "{name}");
        assert!(f(&x, &Tensor::zeros([1, 4]).build().unwrap()).is_err(), "{name}");
    }
    // A pixel in double precision is eight of them here, and at this scale 10⁹ of points.
    let error = roi_align(&x, &one([0.0, 1e8, 1e8, 1e8 + 1.0, 1e8 + 8.0]), (1, 1), 1e4, None, true).unwrap();
    assert_eq!(error.shape(), [1, 12, 1, 1]);
    let far = one([0.0, 1e8, 1e8, 1e8 + 8.0, 1e8 + 8.0]);
    let error = roi_align(&x, &far, (1, 1), 1e4, None, true).unwrap_err().to_string();
    assert!(error.contains("points between pixels are too many"), "{error}");
    let no_maps = Tensor::zeros([1, 2, 0, 6]).build().unwrap();
    let y = roi_align(&no_maps, &one([0.0, 0.0, 0.0, 1.0, 1.0]), (2, 2), 1.0, None, true).unwrap();
    assert_eq!(y.to_vec::<f32>().unwrap(), [0.0; 8]);
}
