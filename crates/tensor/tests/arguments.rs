//! Arguments that nobody means: sizes beyond memory, counts that wrap, tensors without elements. Each gives
//! PyTorch's result or an error, soon and in little memory.

use flambeau_tensor::shape::Spatial;
use flambeau_tensor::*;

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape).build().unwrap()
}

fn ramp(shape: &[usize]) -> Tensor {
    let n = shape.iter().product::<usize>();
    Tensor::arange(1, n as i64 + 1).dtype(DType::F32).build().unwrap().reshape(shape).unwrap()
}

fn numbers(x: &Tensor) -> Vec<f32> {
    x.to_vec().unwrap()
}

#[test]
fn a_convolution_takes_memory_by_what_it_reads() {
    let far = ConvOptions::new().padding(1usize << 61).dilation(1usize << 62);
    let y = zeros(&[1, 1, 1]).conv1d(&zeros(&[1, 1, 2]), None, far).unwrap();
    assert_eq!((y.shape(), numbers(&y)), (&[1, 1, 1][..], vec![0.0]));
    // One pixel amid taps that all miss it, and one that a tap meets.
    let apart = ConvOptions::new().padding(10_000).dilation(20_000);
    let y = ramp(&[1, 1, 1, 1]).conv2d(&ramp(&[1, 1, 2, 2]), Some(&ramp(&[1])), apart).unwrap();
    assert_eq!((y.shape(), numbers(&y)), (&[1, 1, 1, 1][..], vec![1.0]));
    let meets = ConvOptions::new().padding(1usize << 40).dilation(1usize << 40).stride(1usize << 41);
    let (x, w) = (ramp(&[1, 2, 1]), ramp(&[2, 2, 3]));
    assert_eq!(numbers(&x.conv1d(&w, None, meets).unwrap()), [2.0 + 2.0 * 5.0, 8.0 + 2.0 * 11.0]);
    // A stride beyond the input, and no elements at all.
    let once = ConvOptions::new().stride(1usize << 40);
    assert_eq!(numbers(&ramp(&[1, 1, 5]).conv1d(&ramp(&[1, 1, 2]), None, once).unwrap()), [5.0]);
    assert_eq!(zeros(&[0, 1, 5]).conv1d(&zeros(&[3, 1, 2]), None, once).unwrap().shape(), [0, 3, 1]);
    let none = ramp(&[2]);
    let y = zeros(&[1, 0, 5]).conv1d(&zeros(&[2, 0, 2]), Some(&none), once).unwrap();
    assert_eq!(numbers(&y), [1.0, 2.0]);
    assert!(zeros(&[1, 1, 5]).conv1d(&zeros(&[1, 1, 2]), None, ConvOptions::new().padding(usize::MAX)).is_err());
    assert!(zeros(&[1, 1, 5]).conv1d(&zeros(&[1, 1, 2]), None, ConvOptions::new().dilation(usize::MAX)).is_err());
    let same = ConvOptions { padding: Padding::Same, dilation: (isize::MAX).into(), ..ConvOptions::new() };
    assert!(zeros(&[1, 1, 5]).conv1d(&zeros(&[1, 1, 3]), None, same).is_err());
    for dtype in [DType::I32, DType::F16, DType::Complex64] {
        let cast = |x: Tensor| x.to_dtype(dtype).unwrap();
        let y = cast(ramp(&[1, 2, 1])).conv1d(&cast(ramp(&[2, 2, 3])), None, meets).unwrap();
        assert_eq!(numbers(&y.to_dtype(DType::F32).unwrap()), [12.0, 30.0], "{dtype}");
    }
}

#[test]
fn gradients_of_a_convolution_go_where_taps_lead() {
    // Few of the phases of a long stride have taps.
    let long = ConvTransposeOptions::new().stride(1usize << 20);
    let y = numbers(&ramp(&[1, 1, 2]).conv_transpose1d(&ramp(&[1, 1, 2]), None, long).unwrap());
    let found: Vec<(usize, f32)> = y.iter().copied().enumerate().filter(|(_, v)| *v != 0.0).collect();
    assert_eq!((y.len(), found), ((1 << 20) + 2, vec![(0, 1.0), (1, 2.0), (1 << 20, 2.0), ((1 << 20) + 1, 4.0)]));
    let far = Spatial::from_slice(&[1 << 40]).unwrap();
    let conv = Conv { stride: far, padding: 0.into(), end: 0.into(), dilation: 1.into(), groups: 1 };
    let (x, w, g) = (ramp(&[1, 1, 5]), ramp(&[1, 1, 3]), ramp(&[1, 1, 1]));
    assert_eq!(
        numbers(&dispatch(ConvInputGrad { conv, size: 5.into() }, &[&g, &w]).unwrap()),
        [1.0, 2.0, 3.0, 0.0, 0.0]
    );
    assert_eq!(numbers(&dispatch(ConvWeightGrad { conv, kernel: 3.into() }, &[&x, &g]).unwrap()), [1.0, 2.0, 3.0]);
    let apart = Spatial::from_slice(&[1 << 40]).unwrap();
    let conv = Conv { stride: 1.into(), padding: apart, end: apart, dilation: apart, groups: 1 };
    let x = ramp(&[1, 1, 1]);
    assert_eq!(numbers(&dispatch(ConvWeightGrad { conv, kernel: 3.into() }, &[&x, &g]).unwrap()), [0.0, 1.0, 0.0]);
    assert_eq!(numbers(&dispatch(ConvInputGrad { conv, size: 1.into() }, &[&g, &w]).unwrap()), [2.0]);
}
