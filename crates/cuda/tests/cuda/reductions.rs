use crate::{compare, gpu, home, numbers, on_device};
use flambeau_tensor::{DType, Result, Tensor};

type Unary = fn(&Tensor) -> Result<Tensor>;

#[test]
fn over_every_choice_of_dimensions() {
    let gpu = gpu();
    let list: &[(&str, Unary)] = &[
        ("sum", |x| x.sum(..)),
        ("sum 0", |x| x.sum(0)),
        ("sum 1", |x| x.sum(1)),
        ("sum -1", |x| x.sum(-1)),
        ("sum 0, 2", |x| x.sum([0, 2])),
        ("mean", |x| x.mean(..)),
        ("mean 1", |x| x.mean(1)),
        ("amax", |x| x.amax(..)),
        ("amax 0", |x| x.amax(0)),
        ("amin -1", |x| x.amin(-1)),
        ("softmax", |x| x.softmax(-1)),
        ("log_softmax 0", |x| x.log_softmax(0)),
        ("layer_norm", |x| x.layer_norm([37], None, None, 1e-5)),
        ("var", |x| x.var(1, 1.0)),
    ];
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        let x = numbers(&[4, 11, 37], dtype, 1);
        for (name, f) in list {
            compare(&gpu, &format!("{name} {dtype}"), &[x.clone()], 8.0, |x| f(&x[0]));
        }
    }
    for dtype in [DType::I64, DType::I32, DType::Bool] {
        let x = numbers(&[4, 11, 37], dtype, 2);
        for (name, f) in [
            ("sum", (|x| x.sum(..)) as Unary),
            ("sum 1", |x| x.sum(1)),
            ("amax 1", |x| x.amax(1)),
            ("any", |x| x.any(..)),
            ("all -1", |x| x.all(-1)),
            ("count", |x| x.count_nonzero(..)),
            ("argmax", |x| x.to_dtype(DType::F32)?.argmax(-1)),
        ] {
            compare(&gpu, &format!("{name} {dtype}"), &[x.clone()], 1.0, |x| f(&x[0]));
        }
    }
    let x = numbers(&[3, 5], DType::F32, 3);
    compare(&gpu, "prod", &[x], 4.0, |x| x[0].prod(1));
}

#[test]
fn long_ones_go_by_parts_in_a_fixed_order() {
    let gpu = gpu();
    let x = numbers(&[2, 20_000], DType::F32, 4);
    for (name, f) in [("all", (|x| x.sum(..)) as Unary), ("rows", |x| x.sum(1)), ("largest", |x| x.amax(..))] {
        compare(&gpu, name, &[x.clone()], 300.0, |x| f(&x[0]));
    }
    let tall = numbers(&[1000, 40], DType::F32, 5);
    compare(&gpu, "columns", &[tall.clone()], 100.0, |x| x[0].sum(0));
    let there = x.to_device(gpu.device).unwrap();
    let one = || home(&there.sum(..).unwrap()).item::<f32>().unwrap().to_bits();
    let first = one();
    for seed in 0..3 {
        gpu.sim.set_seed(seed);
        assert_eq!(one(), first, "the order of blocks and warps changes nothing");
    }
}

#[test]
fn nan_and_nothing() {
    let gpu = gpu();
    let x = Tensor::from_vec(vec![1.0f32, f32::NAN, 3.0, 4.0, -f32::INFINITY, 0.5], [2, 3]).unwrap();
    for (name, f) in [("amax", (|x| x.amax(1)) as Unary), ("amin", |x| x.amin(1)), ("sum", |x| x.sum(1))] {
        compare(&gpu, name, &[x.clone()], 1.0, |x| f(&x[0]));
    }
    let none = Tensor::zeros([0, 3]).build().unwrap();
    compare(&gpu, "sum of nothing", &[none], 0.0, |x| x[0].sum(0));
}

#[test]
fn rows_and_columns_are_read_as_they_lie() {
    let gpu = gpu();
    let x = numbers(&[256, 512], DType::F32, 6).to_device(gpu.device).unwrap();
    home(&x.sum(1).unwrap());
    for (name, dim) in [("rows", 1), ("columns", 0)] {
        gpu.sim.counts();
        home(&x.sum(dim).unwrap());
        let counts = gpu.sim.counts();
        assert!(counts.sector_ratio() <= 1.1, "{name}: {}", counts.sector_ratio());
    }
}

#[test]
fn those_that_keep_more_than_a_number() {
    let gpu = gpu();
    let list: &[(&str, Unary)] = &[
        ("argmax", |x| x.argmax(-1)),
        ("argmin 0", |x| x.argmin(0)),
        ("max", |x| Ok(x.max_dim(1)?.values)),
        ("its place", |x| Ok(x.max_dim(1)?.indices)),
        ("min", |x| Ok(x.min_dim(-1)?.values)),
        ("its place", |x| Ok(x.min_dim(-1)?.indices)),
        ("argmax of all", |x| x.argmax_all()),
        ("var", |x| x.var([0, 2], 1.0)),
        ("std", |x| x.std(-1, 0.0)),
        ("mean beside it", |x| Ok(x.var_mean(1, 1.0)?.mean)),
        ("norm", |x| x.norm(2.0, 1)),
        ("norm of all", |x| x.norm(2.0, ..)),
        ("norm 1", |x| x.norm(1.0, -1)),
        ("norm 0", |x| x.norm(0.0, 0)),
        ("norm 3", |x| x.norm(3.0, 0)),
        ("largest", |x| x.norm(f64::INFINITY, 1)),
        ("smallest", |x| x.norm(f64::NEG_INFINITY, 1)),
        ("logsumexp", |x| x.logsumexp(1)),
        ("logsumexp of two", |x| x.logsumexp([0, 2])),
    ];
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        for shape in [[3, 5, 40], [2, 300, 2]] {
            // Every number twice, so that the first of equal ones shows.
            let half = numbers(&shape, dtype, 7);
            let x = flambeau_tensor::cat(&[&half, &half], 1).unwrap();
            for (name, f) in list {
                let what = format!("{name} {dtype} {shape:?}");
                on_device(&what, || compare(&gpu, &what, &[x.clone()], 30.0, |x| f(&x[0])));
            }
        }
    }
    for dtype in [DType::I64, DType::U8] {
        let x = numbers(&[3, 5, 40], dtype, 8);
        for (name, f) in &list[..7] {
            compare(&gpu, &format!("{name} {dtype}"), &[x.clone()], 0.0, |x| f(&x[0]));
        }
    }
    let odd = Tensor::from_vec(
        vec![1.0f32, f32::NAN, 3.0, f32::NAN, -f32::INFINITY, -f32::INFINITY, f32::INFINITY, 0.0, 2.0],
        [3, 3],
    )
    .unwrap();
    for (name, f) in list {
        let along: Unary = *f;
        // A mean that moves with each number is NaN where infinities meet; the CPU's own sum is infinite.
        if name.contains("two") || name.contains("var") || name.contains("mean") {
            continue;
        }
        compare(&gpu, &format!("{name} of what is no number"), &[odd.clone()], 2.0, |x| along(&x[0].unsqueeze(0)?));
    }
}
