use crate::{compare, gpu, numbers, on_device};
use flambeau_tensor::{Cumsum, DType, Recurrence, Result, Tensor, dispatch};

type Unary = fn(&Tensor) -> Result<Tensor>;

#[test]
fn running_reductions_by_thread_and_by_block() {
    let gpu = gpu();
    let list: &[(&str, Unary)] = &[
        ("cumsum", |x| x.cumsum(1)),
        ("cumsum from behind", |x| dispatch(Cumsum { dim: 1, reverse: true }, &[x])),
        ("cumprod", |x| x.cumprod(1)),
        ("cummax", |x| Ok(x.cummax(1)?.values)),
        ("its place", |x| Ok(x.cummax(1)?.indices)),
        ("cummin", |x| Ok(x.cummin(1)?.values)),
        ("its place", |x| Ok(x.cummin(1)?.indices)),
    ];
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        for shape in [&[3, 7, 2][..], &[2, 600]] {
            // Near 1, so that products stay numbers.
            let x = numbers(shape, dtype, 1).mul(0.05).unwrap().add(1.0).unwrap();
            for (name, f) in list {
                let what = format!("{name} {dtype} {shape:?}");
                on_device(&what, || compare(&gpu, &what, &[x.clone()], 4.0, |x| f(&x[0])));
            }
            let what = format!("logcumsumexp {dtype} {shape:?}");
            on_device(&what, || compare(&gpu, &what, &[x.clone()], 4.0, |x| x[0].logcumsumexp(1)));
            let pair = [numbers(shape, dtype, 2).mul(0.3).unwrap(), numbers(shape, dtype, 3)];
            for reverse in [false, true] {
                let what = format!("recurrence {dtype} {shape:?}");
                on_device(&what, || {
                    compare(&gpu, &what, &pair, 4.0, |x| dispatch(Recurrence { dim: 1, reverse }, &[&x[0], &x[1]]));
                });
            }
        }
    }
    for dtype in [DType::I64, DType::I32, DType::U8] {
        let x = numbers(&[2, 600], dtype, 4);
        for (name, f) in list.iter().filter(|(name, _)| *name != "cumprod") {
            if !name.contains("behind") {
                compare(&gpu, &format!("{name} {dtype}"), &[x.clone()], 0.0, |x| f(&x[0]));
            }
        }
    }
}
