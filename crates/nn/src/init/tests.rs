//! What initial values are like; that they are PyTorch's is tested in `tests/initial_values.rs`.

use super::*;
use flambeau_tensor::{DType, Device};

fn values(t: &Tensor) -> Vec<f32> {
    t.to_vec().unwrap()
}

#[test]
fn constants_and_identities() {
    let t = Tensor::zeros([2, 3]).build().unwrap();
    assert_eq!(values(constant_(&t, 0.5).unwrap()), [0.5; 6]);
    assert_eq!(values(ones_(&t).unwrap()), [1.0; 6]);
    assert_eq!(values(eye_(&t).unwrap()), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(values(zeros_(&t).unwrap()), [0.0; 6]);
    assert!(eye_(&Tensor::zeros(3).build().unwrap()).is_err());

    let kernel = Tensor::full([4, 2, 3], 9.0).build().unwrap();
    dirac_(&kernel, 2).unwrap();
    let mut expected = [0.0; 24];
    [0, 9, 12, 21].iter().for_each(|i| expected[i + 1] = 1.0);
    assert_eq!(values(&kernel), expected);
    assert!(dirac_(&kernel, 3).is_err());
    assert!(dirac_(&t, 1).is_err());
}

#[test]
fn fans_and_gains() {
    let weight = Tensor::zeros([8, 3, 5, 5]).build().unwrap();
    assert_eq!(calculate_fan_in_and_fan_out(&weight).unwrap(), (75, 200));
    let fault = kaiming_uniform_(&Tensor::zeros(3).build().unwrap(), Fan::In, Nonlinearity::Relu).unwrap_err();
    assert!(fault.message().contains("needs two dimensions"), "{fault}");
    assert_eq!(calculate_gain(Nonlinearity::Tanh), 5.0 / 3.0);
    assert_eq!(calculate_gain(Nonlinearity::LeakyRelu(1.0)), 1.0);
}

#[test]
fn orthogonal_rows_or_columns() {
    for shape in [&[4usize, 6][..], &[6, 4], &[5, 5], &[3, 2, 4], &[1, 7]] {
        let t = Tensor::zeros(shape).dtype(DType::F64).build().unwrap();
        orthogonal_(&t, 2.0).unwrap();
        let (rows, cols) = (shape[0], t.numel() / shape[0]);
        let t = t.reshape([rows, cols]).unwrap();
        let (a, n) = if rows < cols { (t.clone(), rows) } else { (t.t().unwrap(), cols) };
        let product = a.matmul(&a.t().unwrap()).unwrap().to_vec::<f64>().unwrap();
        for (i, p) in product.iter().enumerate() {
            let expected = if i / n == i % n { 4.0 } else { 0.0 };
            assert!((p - expected).abs() < 1e-12, "{shape:?}: element {i} of A Aᵀ is {p}");
        }
    }
}

#[test]
fn truncated_values_stay_inside() {
    // Most of the mass inside, and a tail where candidates are accepted by density.
    for (mean, a, b) in [(0.0, -1.0, 0.5), (0.0, 2.0, 3.0)] {
        let t = Tensor::zeros(2000).build().unwrap();
        trunc_normal_(&t, mean, 1.0, a, b).unwrap();
        let v = values(&t);
        assert!(v.iter().all(|v| (a..=b).contains(&f64::from(*v))));
        let middle = v.iter().map(|v| f64::from(*v)).sum::<f64>() / 2000.0;
        // The means of the truncated distributions are -0.2047 and 2.3168.
        let expected = if a < 0.0 { -0.2047 } else { 2.3168 };
        assert!((middle - expected).abs() < 0.05, "mean {middle}, expected {expected}");
    }
    assert!(trunc_normal_(&Tensor::zeros(1).build().unwrap(), 0.0, 1.0, 1.0, -1.0).is_err());
}

#[test]
fn the_distribution_function() {
    for (x, p) in [(0.0, 0.5), (1.0, 0.841344746068543), (-2.5, 0.006209665325776), (7.0, 1.0)] {
        assert!((normal_cdf(x) - p).abs() < 1e-12, "{x}");
    }
}

#[test]
fn a_tensor_without_data_takes_no_values() {
    let t = Tensor::zeros([30, 20]).device(Device::Meta).build().unwrap();
    xavier_normal_(&t, 1.0).unwrap();
    orthogonal_(&t, 1.0).unwrap();
    trunc_normal_(&t, 0.0, 1.0, -2.0, 2.0).unwrap();
    assert_eq!(t.shape(), [30, 20]);
}
