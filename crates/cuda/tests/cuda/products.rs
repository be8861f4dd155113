use crate::{compare, gpu, numbers};
use flambeau_tensor::DType;

#[test]
fn matrices_multiply() {
    let gpu = gpu();
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16, DType::I64] {
        let large: &[_] = if dtype == DType::F32 { &[(70, 33, 65), (64, 16, 64), (1, 100, 40)] } else { &[] };
        for &(m, k, n) in [(1, 1, 1), (5, 7, 3), (3, 0, 2)].iter().chain(large) {
            let (a, b) = (numbers(&[m, k], dtype, 1), numbers(&[k, n], dtype, 2));
            compare(&gpu, &format!("{m}x{k}x{n} {dtype}"), &[a, b], 30.0, |x| x[0].matmul(&x[1]));
        }
        let (a, b) = (numbers(&[2, 2, 9, 17], dtype, 3), numbers(&[2, 17, 5], dtype, 4));
        compare(&gpu, &format!("batched {dtype}"), &[a, b], 30.0, |x| x[0].matmul(&x[1]));
    }
}

#[test]
fn linear_layers() {
    let gpu = gpu();
    for dtype in [DType::F32, DType::F64, DType::BF16] {
        let (x, w, b) = (numbers(&[4, 6, 20], dtype, 5), numbers(&[9, 20], dtype, 6), numbers(&[9], dtype, 7));
        compare(&gpu, &format!("linear {dtype}"), &[x, w, b], 30.0, |x| x[0].linear(&x[1], Some(&x[2])));
    }
}
