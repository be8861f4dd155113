//! Random numbers in PyTorch's order, which stands here once more in plain words: the stream of a thread, the grid, and which
//! element takes which word.

use crate::{Gpu, gpu, home, on_device};
use flambeau_tensor::random::{GeneratorState, with_generator};
use flambeau_tensor::{DType, Distribution, ErrorKind, Generator, Tensor, TensorBuilder, manual_seed};
use std::f64::consts::PI;

/// Philox 4×32-10 of a counter of four words, the lower two the round, the upper two the stream.
fn philox(seed: u64, stream: u64, round: u64) -> [u32; 4] {
    let mut c = [round as u32, (round >> 32) as u32, stream as u32, (stream >> 32) as u32];
    let mut key = [seed as u32, (seed >> 32) as u32];
    for _ in 0..10 {
        let (p, q) = (0xd251_1f53 * u64::from(c[0]), 0xcd9e_8d57 * u64::from(c[2]));
        c = [(q >> 32) as u32 ^ c[1] ^ key[0], q as u32, (p >> 32) as u32 ^ c[3] ^ key[1], p as u32];
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    c
}

/// Threads of a launch on the simulated device: no more than its 4 multiprocessors hold, 2,048 each.
fn threads(n: usize) -> usize {
    n.div_ceil(256).min(4 * 2048 / 256) * 256
}

/// The words of each of `n` elements, of which a round gives a thread `parts`.
fn words(seed: u64, n: usize, parts: usize) -> Vec<Vec<u32>> {
    let (threads, each) = (threads(n), 4 / parts);
    let of = |element: usize| {
        let (turn, thread) = (element / threads, element % threads);
        let all = philox(seed, thread as u64, (turn / parts) as u64);
        all[turn % parts * each..][..each].to_vec()
    };
    (0..n).map(of).collect()
}

fn unit(word: u32) -> f64 {
    (f64::from(word) + 0.5) / 4294967296.0
}

fn unit_of_two(low: u32, high: u32) -> f64 {
    ((u64::from(low) ^ u64::from(high) << 21) as f64 + 0.5) / 9007199254740992.0
}

/// A pair of normal numbers.
fn box_muller(u: f64, v: f64) -> [f64; 2] {
    let size = (-2.0 * u.ln()).sqrt();
    [size * (2.0 * PI * v).sin(), size * (2.0 * PI * v).cos()]
}

/// Draws there, by a fresh generator.
fn draw(gpu: &Gpu, n: usize, dtype: DType, distribution: Distribution) -> (u64, Vec<f64>) {
    let seed = 11 << 40 | 7;
    let generator = Generator::on(gpu.device, seed).unwrap();
    let drawn = on_device("random", || {
        let builder = TensorBuilder::random("random", n, distribution);
        builder.dtype(dtype).device(gpu.device).generator(&generator).build().unwrap()
    });
    (seed, crate::doubles(&home(&drawn)))
}

fn assert_alike(what: &str, found: &[f64], right: impl Iterator<Item = f64>, tolerance: f64) {
    for (i, (found, right)) in found.iter().zip(right).enumerate() {
        assert!(
            (found - right).abs() <= tolerance * right.abs().max(1.0),
            "{what}, {i}: {found} where {right} is right"
        );
    }
}

#[test]
fn the_order_is_pytorchs() {
    // torch.manual_seed(0); torch.rand(6, device="cuda"), torch.randn(6, device="cuda")
    let uniform: Vec<f64> = words(0, 6, 4).iter().map(|w| unit(w[0])).collect();
    assert_alike("rand", &[0.3990, 0.5167, 0.0249, 0.9401, 0.9459, 0.7967], uniform.into_iter(), 5e-5);
    let normal = (0..6).map(|t| philox(0, t, 0)).map(|w| box_muller(unit(w[0]), unit(w[1]))[0]);
    assert_alike("randn", &[-0.9247, -0.4253, -2.6438, 0.1452, -0.1209, -0.5797], normal, 5e-5);
    // The first answers of the generator's authors' test.
    assert_eq!(philox(0, 0, 0), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    assert_eq!(philox(u64::MAX, u64::MAX, u64::MAX), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
}

/// Some elements; more than the grid has threads; more than it draws in a round.
const SIZES: [usize; 3] = [7, 9_000, 33_000];

#[test]
fn uniform_numbers() {
    let gpu = gpu();
    for n in SIZES {
        let (seed, found) = draw(&gpu, n, DType::F32, Distribution::Uniform { from: -1.0, to: 3.0 });
        assert_alike("f32", &found, words(seed, n, 4).iter().map(|w| unit(w[0]) * 4.0 - 1.0), 5e-7);
        assert!(found.iter().all(|x| (-1.0..3.0).contains(x)));
    }
    let (seed, found) = draw(&gpu, 9_000, DType::F64, Distribution::Uniform { from: 0.0, to: 1.0 });
    assert_alike("f64", &found, words(seed, 9_000, 2).iter().map(|w| unit_of_two(w[0], w[1])), 1e-15);
    let (seed, found) = draw(&gpu, 50, DType::BF16, Distribution::Uniform { from: 0.0, to: 1.0 });
    assert_alike("bf16", &found, words(seed, 50, 4).iter().map(|w| unit(w[0])), 4e-3);
    assert!(found.iter().all(|x| *x < 1.0), "a number that rounds to the end becomes the beginning");
}

#[test]
fn normal_numbers() {
    let gpu = gpu();
    for n in SIZES {
        let (seed, found) = draw(&gpu, n, DType::F32, Distribution::Normal { mean: 2.0, std: 3.0 });
        let threads = threads(n);
        let right = (0..n).map(|i| {
            let (turn, w) = (i / threads, philox(seed, (i % threads) as u64, (i / threads / 4) as u64));
            let pair = 2 * (turn % 4 / 2);
            box_muller(unit(w[pair]), unit(w[pair + 1]))[turn % 2] * 3.0 + 2.0
        });
        assert_alike("f32", &found, right, 1e-5);
    }
    let (seed, found) = draw(&gpu, 9_000, DType::F64, Distribution::Normal { mean: 0.0, std: 1.0 });
    let threads = threads(9_000);
    let right = (0..9_000).map(|i| {
        let w = philox(seed, (i % threads) as u64, 0);
        box_muller(unit_of_two(w[0], w[1]), unit_of_two(w[2], w[3]))[i / threads]
    });
    assert_alike("f64", &found, right, 1e-12);
}

#[test]
fn other_distributions() {
    let gpu = gpu();
    let of = |distribution| {
        let (seed, found) = draw(&gpu, 600, DType::F32, distribution);
        (found, words(seed, 600, 4).into_iter().map(|w| unit(w[0])))
    };
    let (found, u) = of(Distribution::Exponential { lambda: 2.0 });
    assert_alike("exponential", &found, u.map(|u| -u.ln() / 2.0), 1e-6);
    let (found, u) = of(Distribution::Bernoulli { p: 0.3 });
    assert_alike("bernoulli", &found, u.map(|u| f64::from(u8::from(u < 0.3))), 0.0);
    let (found, u) = of(Distribution::Geometric { p: 0.3 });
    assert_alike("geometric", &found, u.map(|u| (u.ln() / (-0.3f64).ln_1p()).ceil()), 0.0);
    let (found, u) = of(Distribution::Cauchy { median: 1.0, sigma: 2.0 });
    assert_alike("cauchy", &found, u.map(|u| 1.0 + 2.0 * (PI * (u - 0.5)).tan()), 2e-4);
    let (seed, found) = draw(&gpu, 600, DType::F32, Distribution::LogNormal { mean: 0.0, std: 0.5 });
    let right = words(seed, 600, 4).into_iter().enumerate().map(|(i, _)| {
        let (turn, w) = (i / threads(600), philox(seed, (i % threads(600)) as u64, 0));
        (0.5 * box_muller(unit(w[0]), unit(w[1]))[turn]).exp()
    });
    assert_alike("log_normal", &found, right, 1e-5);
}

#[test]
fn whole_numbers() {
    let gpu = gpu();
    for dtype in [DType::I64, DType::I32, DType::U8, DType::F32] {
        let (seed, found) = draw(&gpu, 9_000, dtype, Distribution::Integers { low: 3, high: 100 });
        assert_alike("32 bits", &found, words(seed, 9_000, 4).iter().map(|w| f64::from(w[0] % 97 + 3)), 0.0);
    }
    let (seed, found) = draw(&gpu, 9_000, DType::I64, Distribution::Integers { low: -5, high: 1 << 40 });
    let wide = |w: &Vec<u32>| ((u64::from(w[0]) << 32 | u64::from(w[1])) % ((1 << 40) + 5)) as i64 - 5;
    assert_alike("64 bits", &found, words(seed, 9_000, 2).iter().map(|w| wide(w) as f64), 0.0);
    let many = TensorBuilder::random("randint", 3, Distribution::Integers { low: 0, high: 300 });
    assert!(many.dtype(DType::U8).device(gpu.device).build().is_err(), "300 does not fit");
}

#[test]
fn dropout_leaves_out_pytorchs_elements() {
    let gpu = gpu();
    // Four at a time, two, one; elements that lie apart.
    for (n, dtype, apart) in
        [(1024, DType::F32, false), (1022, DType::F64, false), (1023, DType::F16, false), (1024, DType::F32, true)]
    {
        let seed = 5;
        let generator = Generator::on(gpu.device, seed).unwrap();
        let size = if apart { 2 * n } else { n };
        let x = Tensor::ones(size).dtype(dtype).device(gpu.device).build().unwrap();
        let x = if apart { x.reshape([n as isize, 2]).unwrap().select(1, 0).unwrap() } else { x };
        let (y, kept) = on_device("dropout", || x.native_dropout(0.25, Some(&generator)).unwrap());
        let together = match n % 4 {
            _ if apart => 1,
            0 => 4,
            2 => 2,
            _ => 1,
        };
        let threads = threads(n);
        let right: Vec<f64> = (0..n)
            .map(|i| {
                let (thread, part, round) = match together {
                    1 => (i % threads, i / threads % 4, i / threads / 4),
                    wide => (i / wide % threads, i % wide, i / wide / threads),
                };
                f64::from(u8::from(unit(philox(seed, thread as u64, round as u64)[part]) < 0.75))
            })
            .collect();
        assert_eq!(crate::doubles(&home(&kept)), right, "{n} of {dtype}");
        assert_alike("dropout", &crate::doubles(&home(&y)), right.iter().map(|k| k / 0.75), 1e-3);
    }
}

#[test]
fn a_seed_gives_the_same_numbers_again() {
    let gpu = gpu();
    let draw = || {
        let generator = Generator::on(gpu.device, 3).unwrap();
        let x = Tensor::randn(100).device(gpu.device).generator(&generator).build().unwrap();
        let y = Tensor::randn(100).device(gpu.device).generator(&generator).build().unwrap();
        (crate::doubles(&home(&x)), crate::doubles(&home(&y)))
    };
    let (first, second) = draw();
    assert_ne!(first, second);
    assert_eq!(draw(), (first, second));
    // A view is filled in the order of memory.
    let (a, b) = (
        Tensor::zeros([3, 4]).device(gpu.device).build().unwrap(),
        Tensor::zeros([4, 3]).device(gpu.device).build().unwrap(),
    );
    let uniform = Distribution::Uniform { from: 0.0, to: 1.0 };
    a.draw_("uniform_", uniform, Some(&Generator::on(gpu.device, 1).unwrap())).unwrap();
    b.t().unwrap().draw_("uniform_", uniform, Some(&Generator::on(gpu.device, 1).unwrap())).unwrap();
    assert_eq!(crate::doubles(&home(&a)), crate::doubles(&home(&b)));
}

/// PyTorch's state of a generator that was seeded with `seed` and stands at `offset`.
fn state(seed: u64, offset: u64) -> GeneratorState {
    GeneratorState::of_device([seed.to_le_bytes(), offset.to_le_bytes()].concat())
}

#[test]
fn a_draw_moves_the_generator_on_by_its_rounds() {
    let gpu = gpu();
    let generator = Generator::on(gpu.device, 9).unwrap();
    let mut offset = 0;
    let mut draw = |n: usize, dtype: DType, distribution, parts: usize| {
        let builder = TensorBuilder::random("random", n, distribution);
        let drawn = builder.dtype(dtype).device(gpu.device).generator(&generator).build().unwrap();
        let before = offset;
        // ((n - 1) / (256 * blocks * parts) + 1) * 4
        offset += if n == 0 { 0 } else { ((n as u64 - 1) / (threads(n) * parts) as u64 + 1) * 4 };
        assert_eq!(generator.get_state(), state(9, offset), "{n} of {dtype}");
        (before, crate::doubles(&home(&drawn)))
    };
    let uniform = Distribution::Uniform { from: 0.0, to: 1.0 };
    draw(0, DType::F32, uniform, 4);
    for n in [1, 9_000, 33_000] {
        draw(n, DType::F32, uniform, 4);
        draw(n, DType::F64, uniform, 2);
        draw(n, DType::I64, Distribution::Integers { low: 0, high: 10 }, 4);
        draw(n, DType::I64, Distribution::Integers { low: 0, high: 1 << 28 }, 2);
    }
    // The numbers begin where the last ones ended.
    let (before, found) = draw(300, DType::F32, uniform, 4);
    let right = (0..300).map(|t| unit(philox(9, t, before / 4)[0]));
    assert_alike("the next numbers", &found, right, 5e-7);
    let x = Tensor::ones(100_000).device(gpu.device).build().unwrap();
    x.native_dropout(0.5, Some(&generator)).unwrap();
    offset += (99_999 / (threads(100_000) as u64 * 4) + 1) * 4;
    assert_eq!(generator.get_state(), state(9, offset), "dropout");
}

#[test]
fn the_seed_of_the_program_seeds_the_device() {
    let gpu = gpu();
    let draw = || crate::doubles(&home(&Tensor::rand(6).device(gpu.device).build().unwrap()));
    // torch.manual_seed(0); torch.rand(6, device="cuda")
    let first = [0.3990, 0.5167, 0.0249, 0.9401, 0.9459, 0.7967];
    manual_seed(0);
    assert_alike("rand", &draw(), first.into_iter(), 5e-5);
    assert_eq!(flambeau_cuda::initial_seed(gpu.device).unwrap(), 0);
    let saved = flambeau_cuda::get_rng_state(gpu.device).unwrap();
    assert_eq!(saved.to_vec::<u8>().unwrap(), [0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
    let second = draw();
    flambeau_cuda::set_rng_state(&saved, gpu.device).unwrap();
    assert_eq!(draw(), second);
    flambeau_cuda::manual_seed(gpu.device, 0).unwrap();
    assert_alike("rand", &draw(), first.into_iter(), 5e-5);
    let odd = Tensor::from_vec(vec![0u8, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0], 16).unwrap();
    for wrong in [odd, Tensor::zeros(15).dtype(DType::U8).build().unwrap()] {
        let error = flambeau_cuda::set_rng_state(&wrong, gpu.device).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Format, "{}", error.message());
    }
    assert!(Tensor::rand(6).device(gpu.device).generator(&Generator::with_seed(0)).build().is_err(), "the host's");
    // Where a thread has a generator of its own, that is the one.
    let own = Generator::on(gpu.device, 0).unwrap();
    with_generator(&own, || assert_alike("rand", &draw(), first.into_iter(), 5e-5));
    assert_eq!(own.get_state(), state(0, 4));
    // What the host computes for the device follows the device's generator, too.
    let poisson = || {
        let generator = Generator::on(gpu.device, 21).unwrap();
        let means = Tensor::full(50, 8.0).device(gpu.device).build().unwrap();
        let first = crate::doubles(&home(&means.poisson(Some(&generator)).unwrap()));
        (first, crate::doubles(&home(&means.poisson(Some(&generator)).unwrap())))
    };
    let (one, other) = poisson();
    assert_ne!(one, other);
    assert_eq!(poisson(), (one, other));
}

/// `torch.randperm` on CUDA: random keys of so many bits as make equal ones rare, sorted; the numbers of equal keys are
/// shuffled by the thread of the first of them.
fn permutation(seed: u64, n: usize) -> Vec<usize> {
    let bits = (n as f64 - (6.0 * (n * n) as f64 + 1.0) / (12.0 * 0.9f64.ln())).log2().ceil() as u32;
    assert!(bits < 32);
    let key = |w: &Vec<u32>| {
        let x = u64::from(w[0]) << 32 | u64::from(w[1]);
        let drawn = (x % u64::from(u32::MAX)) as i64 + i64::from(i32::MIN);
        drawn & ((1 << bits) - 1)
    };
    let keys: Vec<i64> = words(seed, n, 2).iter().map(key).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|i| keys[*i]);
    let rounds = (n - 1) / (threads(n) * 2) + 1;
    let mut start = 0;
    while start < n {
        let end = (start..n).find(|i| keys[order[*i]] != keys[order[start]]).unwrap_or(n);
        for (drawn, i) in (1..end - start).rev().enumerate() {
            let w = philox(seed, start as u64, (rounds + drawn / 4) as u64)[drawn % 4];
            order.swap(start + i, start + w as usize % (i + 1));
        }
        start = end;
    }
    order
}

#[test]
fn permutations() {
    let gpu = gpu();
    for (n, seed, dtype) in [(1, 1, DType::I64), (6, 2, DType::I64), (200, 5, DType::I16), (3000, 4, DType::F32)] {
        let generator = Generator::on(gpu.device, seed).unwrap();
        let perm = || Tensor::randperm(n).dtype(dtype).device(gpu.device).generator(&generator).build().unwrap();
        let found = crate::doubles(&home(&on_device("randperm", perm)));
        let right: Vec<f64> = permutation(seed, n).into_iter().map(|i| i as f64).collect();
        assert_eq!(found, right, "{n} of {dtype}");
    }
    // One chance in ten, so that some seeds have equal keys.
    let repaired = (0..40).filter(|seed| {
        let found = on_device("randperm", || {
            let generator = Generator::on(gpu.device, *seed).unwrap();
            Tensor::randperm(50).device(gpu.device).generator(&generator).build().unwrap()
        });
        assert_eq!(
            home(&found).to_vec::<i64>().unwrap(),
            permutation(*seed, 50).iter().map(|i| *i as i64).collect::<Vec<_>>()
        );
        let keys = words(*seed, 50, 2);
        let bits = 14;
        let mut keys: Vec<u64> = keys
            .iter()
            .map(|w| ((u64::from(w[0]) << 32 | u64::from(w[1])) % u64::from(u32::MAX)) + (1 << 31) & ((1 << bits) - 1))
            .collect();
        keys.sort_unstable();
        keys.windows(2).any(|pair| pair[0] == pair[1])
    });
    assert!(repaired.count() > 0);
    let many = Tensor::randperm(300).dtype(DType::U8).device(gpu.device).build();
    assert!(many.is_err(), "299 does not fit");
}

#[test]
fn categories_are_drawn_by_weight() {
    let gpu = gpu();
    let (rows, categories) = (3, 5);
    let weights = [0.1f32, 0.0, 0.4, 0.3, 0.0, 2.0, 1.0, 0.5, 0.0, 3.0, 0.0, 0.0, 7.0, 1.0, 1.0];
    let x = Tensor::from_vec(weights.to_vec(), [rows, categories]).unwrap().to_device(gpu.device).unwrap();
    let draw = |x: &Tensor, samples, replacement| {
        flambeau_cuda::manual_seed(gpu.device, 77).unwrap();
        let drawn = on_device("multinomial", || x.multinomial(samples, replacement).unwrap());
        home(&drawn).to_vec::<i64>().unwrap()
    };
    // Without replacement: the largest of weight over an exponential number.
    let exponential: Vec<f64> = words(77, 15, 4).iter().map(|w| -unit(w[0]).ln()).collect();
    let mut right = Vec::new();
    for row in 0..rows {
        let rank = |c: &usize| f64::from(weights[row * categories + c]) / exponential[row * categories + c];
        let mut order: Vec<usize> = (0..categories).collect();
        order.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
        right.extend(order.iter().take(2).map(|c| *c as i64));
    }
    assert_eq!(draw(&x, 2, false), right);
    // With replacement: a row has 128 threads or a multiple, a thread draws one number for each sample.
    let mut right = Vec::new();
    for row in 0..rows {
        let own = &weights[row * categories..][..categories];
        let total: f32 = own.iter().sum();
        for sample in 0..130 {
            let u = unit(philox(77, (row * 256 + sample) as u64, 0)[0]);
            let mut sum = 0.0;
            let found = own.iter().position(|w| {
                sum += f64::from(w / total);
                sum >= u
            });
            right.push(found.unwrap() as i64);
        }
    }
    assert_eq!(draw(&x, 130, true), right);
    assert_eq!(draw(&x.select(0, 0).unwrap(), 4, true).len(), 4);
    for bad in [[1.0f32, -1.0], [0.0, 0.0], [f32::NAN, 1.0]] {
        let bad = Tensor::from_vec(bad.to_vec(), 2).unwrap().to_device(gpu.device).unwrap();
        assert_eq!(bad.multinomial(1, false).unwrap_err().kind(), ErrorKind::Argument);
    }
}
