use crate::{compare, gpu, home, numbers, on_device};
use flambeau_tensor::*;

fn list(values: &[i64], shape: &[usize]) -> Tensor {
    Tensor::from_vec(values.to_vec(), shape).unwrap()
}

/// Compares where the index is one of the operands, which have all layouts.
fn check(what: &str, inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let gpu = gpu();
    on_device(what, || compare(&gpu, what, inputs, 0.0, f));
}

#[test]
fn elements_are_read_by_number() {
    for dtype in DType::ALL {
        let x = numbers(&[5, 4, 6], DType::F32, 1).mul(10.0).unwrap().to_dtype(dtype).unwrap();
        if dtype.is_complex() {
            continue;
        }
        let (rows, columns) = (list(&[4, 0, -1, 2], &[2, 2]), list(&[0, 3, -4, 1], &[2, 2]));
        let what = |name: &str| format!("{name} {dtype}");
        check(&what("one"), &[x.clone(), rows.clone()], |x| x[0].index(&[Some(&x[1])]));
        check(&what("behind"), &[x.clone(), columns.clone()], |x| x[0].index(&[None, Some(&x[1])]));
        let two = [x.clone(), rows.clone(), columns.clone()];
        check(&what("two"), &two, |x| x[0].index(&[Some(&x[1]), Some(&x[2])]));
        check(&what("apart"), &two, |x| x[0].index(&[Some(&x[1]), None, Some(&x[2])]));
        check(&what("select"), &[x.clone(), list(&[3, 0, 0], &[3])], |x| x[0].index_select(1, &x[1]));
        let table = x.select(1, 0).unwrap();
        check(&what("embedding"), &[table, list(&[4, 1, 1, 0, 3, 2], &[2, 3])], |x| {
            dispatch(Embedding { padding: None }, &[&x[0], &x[1]])
        });
        let along = list(&[0, 3, 1, 2, 2, 0, 3, 3, 1, 0, 1, 2], &[3, 1, 4]);
        check(&what("gather"), &[x.clone(), along], |x| x[0].gather(2, &x[1]));
    }
}

#[test]
fn elements_are_written_by_number_the_last_one_stays() {
    for dtype in [DType::F32, DType::F64, DType::BF16, DType::I64, DType::U8] {
        let x = numbers(&[5, 4, 6], DType::F32, 1).mul(10.0).unwrap().to_dtype(dtype).unwrap();
        let rows = list(&[4, 0, 4, 2, -1, 0], &[6]);
        let values = numbers(&[6, 4, 6], DType::F32, 2).mul(10.0).unwrap().to_dtype(dtype).unwrap();
        let what = |name: &str| format!("{name} {dtype}");
        let all = [x.clone(), rows.clone(), values.clone()];
        check(&what("put"), &all, |x| x[0].index_put(&[Some(&x[1])], &x[2], false));
        // Sums of halves are rounded once here, as PyTorch's CUDA does it; its CPU, and ours, rounds after each addition.
        let add = |x: &Tensor, places: &[Option<&Tensor>], values: &Tensor| match (dtype, x.device()) {
            (DType::BF16, Device::Cpu) => {
                let (x, values) = (x.to_dtype(DType::F32)?, values.to_dtype(DType::F32)?);
                x.index_put(places, &values, true)?.to_dtype(dtype)
            }
            _ => x.index_put(places, values, true),
        };
        check(&what("add"), &all, |x| add(&x[0], &[Some(&x[1])], &x[2]));
        let pairs = [x.clone(), rows, list(&[0, 1, 0, 3, 0, 1], &[6]), values.select(1, 0).unwrap()];
        check(&what("put at two"), &pairs, |x| x[0].index_put(&[Some(&x[1]), Some(&x[2])], &x[3], false));
        check(&what("add at two"), &pairs, |x| add(&x[0], &[Some(&x[1]), Some(&x[2])], &x[3]));
        let along = list(&[0, 3, 1, 2, 2, 0, 3, 3, 1, 0, 1, 2], &[3, 1, 4]);
        let source = numbers(&[3, 1, 4], DType::F32, 3).mul(10.0).unwrap().to_dtype(dtype).unwrap();
        for (dim, reduce, include_self) in [
            (2, None, true),
            (1, None, true),
            (2, Some(Reduce::Sum), true),
            (1, Some(Reduce::Sum), false),
            (2, Some(Reduce::Prod), true),
            (2, Some(Reduce::Mean), true),
            (2, Some(Reduce::Mean), false),
            (1, Some(Reduce::Amax), false),
            (1, Some(Reduce::Amin), true),
        ] {
            let op = Scatter { dim, reduce, include_self };
            check(&what(&format!("{op:?}")), &[x.clone(), along.clone(), source.clone()], |x| {
                dispatch(op, &[&x[0], &x[1], &x[2]])
            });
        }
    }
}

#[test]
fn places_that_are_not_zero() {
    for shape in [&[1000][..], &[7, 50], &[3, 4, 5]] {
        let mask = numbers(shape, DType::F32, 4).gt(0.5).unwrap();
        let gpu = gpu();
        compare(&gpu, &format!("nonzero {shape:?}"), &[mask.clone()], 0.0, |x| x[0].nonzero());
        let x = numbers(shape, DType::F32, 5);
        compare(&gpu, &format!("masked_select {shape:?}"), &[x, mask], 0.0, |x| x[0].masked_select(&x[1]));
    }
}

#[test]
fn a_number_out_of_range_is_an_error_that_names_the_line_and_the_device_lives() {
    let gpu = gpu();
    let x = numbers(&[5, 3], DType::F32, 6).to_device(gpu.device).unwrap();
    let wrong = list(&[1, 7, 2], &[3]).to_device(gpu.device).unwrap();
    let line = line!() + 1;
    let y = x.index_select(0, &wrong).unwrap();
    let error = y.to_device(Device::Cpu).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Index);
    assert!(error.message().contains("index 7 is out of range for dimension 0 of size 5"), "{}", error.message());
    let text = error.to_string();
    assert!(text.contains(&format!("indexing.rs:{line}")) && text.contains("index"), "{text}");
    let right = list(&[1, 0], &[2]).to_device(gpu.device).unwrap();
    assert_eq!(home(&x.index_select(0, &right).unwrap()).shape(), [2, 3], "told once, and forgotten");
    assert!(x.gather(1, &list(&[3], &[1, 1]).to_device(gpu.device).unwrap()).unwrap().to_device(Device::Cpu).is_err());
    assert_eq!(home(&x).numel(), 15);
}
