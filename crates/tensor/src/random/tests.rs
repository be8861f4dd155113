//! Against values that PyTorch 2.15 gave for the same seeds and calls. Each test runs
//! several calls on one generator, so that what a call takes out of it is tested too.

use super::*;
use crate::error::ErrorKind;
use half::{bf16, f16};

/// A filled array: `fill(|out| generator.normal(out, 0.0, 1.0))`.
fn fill<T: Copy, const N: usize>(zero: T, call: impl FnOnce(&mut [T]) -> Result<()>) -> [T; N] {
    let mut out = [zero; N];
    call(&mut out).expect("the parameters are right");
    out
}

fn rand<const N: usize>(g: &Generator) -> [f32; N] {
    fill(0.0, |out| g.uniform(out, 0.0, 1.0))
}

fn randn<const N: usize>(g: &Generator) -> [f32; N] {
    fill(0.0, |out| g.normal(out, 0.0, 1.0))
}

/// Fails unless all are within `1e-6` of each other, relatively or absolutely.
#[track_caller]
fn assert_close<T: RandomFloat, const N: usize>(found: [T; N], expected: [f64; N]) {
    for (i, (x, e)) in found.iter().zip(expected).enumerate() {
        let x = element::DrawnIn::to_f64(x.widen());
        assert!((x - e).abs() <= 1e-6 * e.abs().max(1.0), "element {i} is {x}, not {e}");
    }
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

#[test]
fn engine_is_the_standard_one() {
    // The check of the C++ standard: the 10,000th word from the default seed.
    let g = Generator::with_seed(5489);
    assert_eq!(g.random_u32().unwrap(), 3_499_211_612);
    let mut rest = [0; 9_999];
    g.fork().host("fill").unwrap().engine.fill(&mut rest);
    assert_eq!(rest[9_998], 4_123_659_995);
    // Read in pieces of any length it is the same sequence.
    for word in &rest[..1300] {
        assert_eq!(g.random_u32().unwrap(), *word);
    }
}

#[test]
fn only_the_low_half_of_a_seed_counts() {
    assert_eq!(rand(&Generator::with_seed(0)), [0.4962566, 0.7682218, 0.08847743f32]);
    assert_eq!(rand(&Generator::with_seed(42)), [0.88226926, 0.91500396, 0.38286376f32]);
    let wide = Generator::with_seed((1 << 33) + 7);
    assert_eq!(rand(&wide), [0.53492254, 0.19880319, 0.6592117f32]);
    assert_eq!(wide.initial_seed(), (1 << 33) + 7);
    assert_eq!(rand::<3>(&Generator::with_seed(7)), [0.53492254, 0.19880319, 0.6592117]);
}

#[test]
fn uniform_of_every_type() {
    let g = |seed| Generator::with_seed(seed);
    let u: [f32; 4] = fill(0.0, |out| g(1).uniform(out, -2.0, 3.0));
    assert_eq!(u, [1.7881579, -0.6034456, 0.015346289, 1.6734223]);
    let u: [f64; 3] = fill(0.0, |out| g(0).uniform(out, 0.0, 1.0));
    assert_eq!(u, [0.9700530018065531, 0.707819864399788, 0.45938294312745087]);
    let u: [f16; 4] = fill(f16::ZERO, |out| g(0).uniform(out, 0.0, 1.0));
    assert_eq!(u.map(f16::to_f32), [0.4963379, 0.7680664, 0.08850098, 0.13208008]);
    let u: [bf16; 4] = fill(bf16::ZERO, |out| g(0).uniform(out, -2.0, 3.0));
    assert_eq!(u.map(bf16::to_f32), [0.48046875, 1.84375, -1.5546875, -1.34375]);
    // Rounded to bf16 one in 512 would reach the excluded bound.
    let mut many = vec![bf16::ZERO; 10_000];
    g(0).uniform(&mut many, 0.0, 1.0).expect("right");
    assert!(many.iter().all(|&x| x < bf16::ONE));
}

#[test]
fn short_normal_fills_keep_the_odd_sample() {
    let g = Generator::with_seed(0);
    assert_close(randn(&g), [1.5409961, -0.2934289, -2.1787894]);
    // The first of these is the sine that the third above left.
    assert_close(randn(&g), [0.56843126, -1.0845224]);
    assert_close(rand(&g), [0.022325754]);
    let scaled: [f32; 3] = fill(0.0, |out| Generator::with_seed(0).normal(out, 1.0, 2.0));
    assert_close(scaled, [4.081992, 0.41314217, -3.3575788]);
    let mut strided = [0.0f32; 20];
    Generator::with_seed(0).normal_serial(&mut strided, 0.0, 1.0).expect("right");
    assert_close([strided[0], strided[1], strided[2]], [1.5409961, -0.2934289, -2.1787894]);
}

#[test]
fn long_normal_fills_redraw_the_tail() {
    let g = Generator::with_seed(42);
    let x: [f32; 35] = randn(&g);
    assert_close([x[0], x[1], x[2], x[3]], [1.9269153, 1.4872841, 0.9007172, -2.105521]);
    assert_close([x[30], x[31], x[32], x[33], x[34]], [-1.2346531, -0.48791388, -1.41806, 0.8962683, 0.049905386]);
    assert_close(rand(&g), [0.30681974]);

    g.manual_seed(42);
    let x: [f64; 35] = fill(0.0, |out| g.normal(out, 0.0, 1.0));
    assert_close([x[0], x[1], x[2]], [0.2995562877502637, 0.24237779080894106, 0.28320739441795323]);
    assert_close([x[32], x[33], x[34]], [-1.990778610968323, -0.2515086919419446, -1.0221641302789066]);
    assert_close(rand(&g), [0.4340034]);

    // Half types are not first filled with uniform samples, so they draw fewer.
    g.manual_seed(42);
    let x: [bf16; 35] = fill(bf16::ZERO, |out| g.normal(out, 0.0, 1.0));
    assert_eq!([x[0], x[1], x[2]].map(bf16::to_f32), [1.9296875, 1.484375, 0.90234375]);
    assert_eq!([x[32], x[33], x[34]].map(bf16::to_f32), [2.125, -1.234375, -0.48828125]);
    assert_close(rand(&g), [0.7539175]);
}

#[test]
fn single_precision_box_muller_is_box_muller() {
    // Radii over the whole range of 1 - u, angles over the whole circle.
    let mut values = [0.0f32; 16];
    for step in 0..40_000 {
        for j in 0..8 {
            let k = step * 8 + j;
            values[j] = 1.0 - 0.99996f32.powi(k as i32);
            values[j + 8] = (k as f32 * 0.618_034).fract();
        }
        let uniform = values;
        normal::box_muller_f32(&mut values, 0.5, 2.0);
        for j in 0..8 {
            let radius = (-2.0 * (1.0 - f64::from(uniform[j])).ln()).sqrt();
            let (sin, cos) = (std::f64::consts::TAU * f64::from(uniform[j + 8])).sin_cos();
            let expected = [radius * cos * 2.0 + 0.5, radius * sin * 2.0 + 0.5];
            for (x, e) in [values[j], values[j + 8]].into_iter().zip(expected) {
                assert!((f64::from(x) - e).abs() < 4e-6, "{x} instead of {e} from {uniform:?}");
            }
        }
    }
}

#[test]
fn integers() {
    let g = Generator::with_seed(0);
    assert_eq!(fill(0i64, |out| g.randint(out, 0, 10)), [4, 9, 3, 0, 3, 9, 7, 3]);
    assert_eq!(fill(0i64, |out| g.randint(out, -5, 1_000_000_000_000)), [614595424535, 441412854542, 273615728875]);
    assert_eq!(fill(0i8, |out| g.randint(out, -7, 9)), [-1, 1, 1, 5]);
    // Either side of the span from which 64 bits are drawn.
    assert_eq!(fill(0i64, |out| g.randint(out, 0, 1 << 28)), [172507841, 267012647]);
    assert_eq!(fill(0i64, |out| g.randint(out, 0, (1 << 28) - 1)), [124102751, 182438069]);
    // 65504 is f16's largest: the range ends before what would round to it.
    let h = fill(f16::ZERO, |out| Generator::with_seed(0).randint(out, 0, 65504));
    assert_eq!(h.map(f16::to_f32), [13104.0, 42144.0, 30576.0]);

    let g = Generator::with_seed(0);
    let all = |out: &mut [i64]| {
        g.random(out).unwrap();
        Ok(())
    };
    assert_eq!(fill(0, all), [900450186894289455, 3969543146641149120]);
    let mut bytes = [0u8; 3];
    g.random(&mut bytes).unwrap();
    assert_eq!(bytes, [67, 251, 195]);
    let mut floats = [0.0f32; 2];
    g.random(&mut floats).unwrap();
    assert_eq!(floats, [15039631.0, 7644061.0]);
    assert_eq!(fill(0i64, |out| g.random_from(out, i64::MIN)), [-6944024149835034347, 7090591000091277092]);
    let mut bools = [false; 3];
    g.random(&mut bools).unwrap();
    assert_eq!(bools, [true, false, false]);
}

#[test]
fn permutations() {
    let g = Generator::with_seed(0);
    assert_eq!(fill(0i64, |out| g.randperm(out)), [4, 1, 7, 5, 3, 9, 0, 8, 6, 2]);
    assert_eq!(fill(0i64, |out| g.randperm(out)), [0]);
    assert_eq!(fill(0i32, |out| g.randperm(out)), [3, 2, 4, 0, 1]);
    g.randperm::<i64>(&mut []).expect("an empty one");

    g.manual_seed(0);
    let long: [i64; 1000] = fill(0, |out| g.randperm(out));
    let hash = long.iter().fold(0u128, |hash, &i| (hash * 31 + i as u128) % ((1 << 61) - 1));
    assert_eq!(hash, 32051649527021049);
}

#[test]
fn coins() {
    let expected = [0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1];
    assert_eq!(fill(0u8, |out| Generator::with_seed(0).bernoulli(out, 0.3)), expected);
    assert_eq!(fill(false, |out| Generator::with_seed(0).bernoulli(out, 0.3)), expected.map(|x| x == 1));
    assert_eq!(fill(0u8, |out| Generator::with_seed(0).bernoulli_each(out, &[0.3f64; 12])), expected);
    let narrow = [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(fill(0u8, |out| Generator::with_seed(0).bernoulli_each(out, &[0.3f32; 12])), narrow);
    assert_eq!(fill(9i64, |out| Generator::with_seed(0).bernoulli(out, 0.0)), [0; 100]);
    assert_eq!(fill(9i64, |out| Generator::with_seed(0).bernoulli(out, 1.0)), [1; 100]);
}

#[test]
fn one_uniform_each() {
    let g = Generator::with_seed(0);
    assert_close::<f32, 3>(fill(0.0, |out| g.exponential(out, 2.0)), [1.7541631, 0.61519235, 0.30752206]);
    assert_close::<f64, 2>(fill(0.0, |out| g.exponential(out, 0.5)), [5.0702372884317635, 2.071410871645616]);
    g.manual_seed(0);
    assert_eq!(fill(0i64, |out| g.geometric(out, 0.3)), [1, 1, 3, 1, 2, 1]);
    g.manual_seed(0);
    assert_close::<f32, 3>(fill(0.0, |out| g.cauchy(out, 0.5, 2.0)), [21.69546, 2.0295346, 0.24340132]);
    g.manual_seed(0);
    assert_close::<f32, 3>(fill(0.0, |out| g.log_normal(out, 0.1, 0.5)), [2.3881, 0.9543599, 0.37180167]);
}

#[test]
fn categories_by_weight() {
    let w = [0.1f32, 0.2, 0.3, 0.4];
    let g = Generator::with_seed(0);
    assert_eq!(fill(0, |out| g.multinomial(out, &w, 4, 6, true)), [3, 3, 2, 3, 3, 3]);
    assert_eq!(fill(0, |out| g.multinomial(out, &w, 4, 3, false)), [3, 0, 1]);
    assert_eq!(fill(0, |out| g.multinomial(out, &w, 4, 1, true)), [1]);
    g.manual_seed(0);
    let two_rows = [1.0f32, 2.0, 3.0, 0.0, 0.0, 5.0];
    assert_eq!(fill(0, |out| g.multinomial(out, &two_rows, 3, 4, true)), [2, 2, 1, 2, 2, 2, 2, 2]);
}

#[test]
fn states_are_saved_and_are_pytorchs() {
    let g = Generator::with_seed(7);
    assert_eq!(fnv(&g.get_state().to_bytes()), 0x7f4e_d5c4_4183_ee68);
    // In the middle of a pair and of a block.
    randn::<3>(&g);
    rand::<10>(&g);
    let saved = g.get_state();
    let bytes = saved.to_bytes();
    assert_eq!(fnv(&bytes), 0xea98_ccb6_e732_ba7d);
    let first: [f32; 2] = randn(&g);
    assert_close(first, [-1.114344, 0.021201378]);
    assert_ne!(g.get_state(), saved);
    assert_ne!(randn::<2>(&g), first);
    g.set_state(&saved).unwrap();
    assert_eq!(g.get_state(), saved);
    assert_eq!(randn::<2>(&g), first);

    let other = Generator::new();
    other.set_state(&GeneratorState::from_bytes(&bytes).expect("just written")).unwrap();
    assert_eq!(randn::<2>(&other), first);
    assert_close(rand(&other), [0.75719446]);
    assert_eq!(other.initial_seed(), 7);
}

#[test]
fn lying_states_are_refused() {
    let bytes = Generator::with_seed(7).get_state().to_bytes();
    let kind = |bytes: &[u8]| GeneratorState::from_bytes(bytes).expect_err("not a state").kind();
    assert_eq!(kind(&bytes[..5055]), ErrorKind::Format);
    assert_eq!(kind(&[]), ErrorKind::Format);
    // Place in the block, words left, seeded.
    for (at, value) in [(16, 200), (18, 1), (23, 255), (8, 0), (8, 77), (12, 0)] {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        assert_eq!(kind(&bytes), ErrorKind::Format, "byte {at} set to {value}");
    }
}

#[test]
fn handles_share_and_forks_do_not() {
    let (a, b) = (Generator::with_seed(3), Generator::with_seed(3));
    let first: [f32; 20] = rand(&a);
    rand::<700>(&a);
    assert_eq!(rand(&b), first);

    let (shared, apart) = (b.clone(), b.fork());
    assert!(shared.same_as(&b) && !apart.same_as(&b));
    let next: [f32; 20] = rand(&shared);
    assert_ne!(rand(&b), next);
    assert_eq!(rand(&apart), next);
}

#[test]
fn unseeded_generators() {
    assert_eq!(Generator::new().initial_seed(), 67_280_421_310_721);
    let g = Generator::new();
    let (one, two) = (g.seed(), g.seed());
    assert_ne!(one, two);
    assert_eq!(g.initial_seed(), two);
    assert!(two < 1 << 53);
    assert_eq!(rand::<4>(&g), rand(&Generator::with_seed(two)));
    // The default generator is left alone here: other tests may be using it.
    assert!(default_generator().same_as(&default_generator()));
}

#[test]
fn a_scope_has_its_own_default_generator() {
    let (outer, inner) = (Generator::with_seed(1), Generator::with_seed(2));
    with_generator(&outer, || {
        assert!(default_generator().same_as(&outer));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            with_generator(&inner, || {
                manual_seed(5);
                assert_eq!((initial_seed(), inner.initial_seed()), (5, 5));
                let elsewhere = std::thread::spawn(|| default_generator()).join().expect("no panic there");
                assert!(!elsewhere.same_as(&inner) && !elsewhere.same_as(&outer));
                panic!("as a transform might");
            })
        }));
        assert!(panicked.is_err());
        assert!(default_generator().same_as(&outer), "back after a panic");
    });
    assert!(!default_generator().same_as(&outer));
    assert_eq!(outer.initial_seed(), 1);
}

#[test]
fn wrong_parameters_are_errors_and_draw_nothing() {
    let g = Generator::with_seed(0);
    let before = g.get_state();
    let (mut x, mut h, mut i, mut b) = ([0.0f32; 4], [f16::ZERO; 4], [0i64; 4], [0u8; 4]);
    let nan = f64::NAN;
    let errors = [
        g.uniform(&mut x, 1.0, 0.0),
        g.uniform(&mut x, nan, 1.0),
        g.uniform(&mut x, -3e38, 3e38),
        g.uniform(&mut h, 0.0, 1e5),
        g.normal(&mut x, 0.0, -1.0),
        g.normal_serial(&mut x, 0.0, nan),
        g.log_normal(&mut x, 0.0, 0.0),
        g.exponential(&mut x, 0.0),
        g.geometric(&mut x, 1.0),
        g.cauchy(&mut x, 0.0, nan),
        g.randint(&mut i, 5, 5),
        g.randint(&mut i, i64::MIN, i64::MIN),
        g.randint(&mut b, 0, 257),
        g.randint(&mut b, -1, 3),
        g.randint(&mut h, -70_000, 3),
        g.random_from(&mut b, 256),
        g.random_from(&mut x, i64::MIN),
        g.random_from(&mut h, 5000),
        g.randperm(&mut [0i8; 129]),
        g.randperm(&mut vec![f16::ZERO; 2050]),
        g.bernoulli(&mut b, 1.5),
        g.bernoulli(&mut b, nan),
        g.bernoulli_each(&mut b, &[0.5f32; 3]),
        g.bernoulli_each(&mut b, &[0.5f32, 0.5, -0.5, 0.5]),
        g.multinomial(&mut i, &x, 0, 4, true),
        g.multinomial(&mut i, &[1.0f32; 6], 6, 5, true),
        g.multinomial(&mut i, &[1.0f32; 3], 3, 4, false),
        g.multinomial(&mut i, &[1.0f32, -1.0, 3.0], 3, 4, true),
        g.multinomial(&mut i, &[1.0f32, f32::INFINITY, 3.0], 3, 4, true),
        g.multinomial(&mut i, &[0.0f32; 3], 3, 4, true),
        g.multinomial(&mut i, &[1.0f32; 3], 3, usize::MAX, true),
    ];
    for (n, result) in errors.iter().enumerate() {
        assert!(result.is_err(), "call {n} was accepted");
    }
    assert_eq!(g.get_state(), before);
    let text = g.randint(&mut b, 0, 257).expect_err("256 does not fit").to_string();
    assert!(text.starts_with("random_: high - 1 = 256 is out of bounds for uint8"), "{text}");
    assert!(text.contains("tests.rs"), "the caller's line is told: {text}");
}
