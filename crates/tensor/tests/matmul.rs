//! Matrix products of integers: exact, and wrapped to the width of the dtype.

use flambeau_tensor::{DType, Generator, Tensor};

#[test]
fn integers_multiply_as_numbers_that_wrap() {
    for dtype in [DType::U8, DType::I8, DType::I16, DType::I32, DType::I64] {
        for (m, k, n) in [(1, 1, 1), (5, 7, 3), (4, 300, 16), (33, 20, 67), (130, 70, 129)] {
            let draw = |shape: [usize; 2], seed| {
                let made = Tensor::randint(-1 << 40, 1 << 40, shape).generator(&Generator::with_seed(seed)).build();
                made.unwrap().to_dtype(dtype).unwrap()
            };
            // Rows, columns, and every second column of a wider one.
            let turned = |x: &Tensor| x.t().unwrap().contiguous().unwrap().t().unwrap();
            let (a, b) = (draw([m, k], 1), draw([k, n], 2));
            let spread = draw([k, 2 * n], 3).slice(1, 0, 2 * n as isize, 2).unwrap();
            for (a, b) in [(a.clone(), b.clone()), (turned(&a), turned(&b)), (a, spread)] {
                let numbers = |x: &Tensor| x.to_dtype(DType::I64).unwrap().to_vec::<i64>().unwrap();
                let (x, y) = (numbers(&a), numbers(&b));
                let sum = |i: usize, j: usize| {
                    (0..k).fold(0i64, |s, p| s.wrapping_add(x[i * k + p].wrapping_mul(y[p * n + j])))
                };
                let want: Vec<i64> = (0..m * n).map(|at| sum(at / n, at % n)).collect();
                let want = Tensor::from_vec(want, [m, n]).unwrap().to_dtype(dtype).unwrap();
                let got = a.matmul(&b).unwrap();
                assert_eq!((got.dtype(), numbers(&got)), (dtype, numbers(&want)), "{dtype} {m}x{k}x{n}");
            }
        }
    }
}
