use crate::{double, eval, same, single};
use half::{bf16, f16};

#[test]
fn single_precision_rounds_as_it_says() {
    let tiny = f32::from_bits(0x3300_0000);
    assert_eq!(single("add.f32", &[1.0, tiny]), 1.0);
    assert_eq!(single("add.rp.f32", &[1.0, tiny]), 1.0f32.next_up());
    assert_eq!(single("add.rm.f32", &[1.0, -tiny / 4.0]), 1.0f32.next_down());
    assert_eq!(single("add.rz.f32", &[-1.0, tiny / 4.0]), (-1.0f32).next_up());
    assert_eq!(single("sub.rn.f32", &[1.0, 3.0]), -2.0);
    assert_eq!(single("mul.f32", &[3.0, 0.5]), 1.5);
    let third = 1.0f32 / 3.0;
    assert_eq!(single("mul.rz.f32", &[third, third]), {
        let exact = f64::from(third) * f64::from(third);
        let near = exact as f32;
        if f64::from(near) > exact { near.next_down() } else { near }
    });
    assert_eq!(single("fma.rn.f32", &[third, 3.0, -1.0]), third.mul_add(3.0, -1.0));
    assert_eq!(single("fma.rm.f32", &[1.0, 1.0, -1e-30]), 1.0f32.next_down());
    assert_eq!(single("fma.rp.f32", &[1.0, 1.0, 1e-30]), 1.0f32.next_up());
    assert_eq!(single("fma.rz.f32", &[1.0, 1.0, 1e-30]), 1.0);
    assert_eq!(single("div.rn.f32", &[1.0, 3.0]), third);
    assert_eq!(single("div.full.f32", &[1.0, 4.0]), 0.25);
    assert_eq!(single("rcp.rn.f32", &[4.0]), 0.25);
    assert_eq!(single("sqrt.rn.f32", &[2.0]), 2f32.sqrt());
    assert_eq!(single("mul.rz.f32", &[f32::MAX, 2.0]), f32::MAX);
    assert_eq!(single("mul.rn.f32", &[f32::MAX, 2.0]), f32::INFINITY);
    assert_eq!(single("add.sat.f32", &[0.75, 0.5]), 1.0);
    assert_eq!(single("add.sat.f32", &[f32::NAN, 0.5]), 0.0);
    assert_eq!(single("mul.ftz.f32", &[1e-40, 1.0]), 0.0);
    assert_eq!(single("mul.f32", &[1e-40, 1.0]), 1e-40);
}

#[test]
fn approximations_are_near() {
    for x in [0.1f32, 0.7, 1.9, 3.3] {
        for (name, want) in [
            ("ex2.approx.f32", x.exp2()),
            ("ex2.approx.ftz.f32", x.exp2()),
            ("lg2.approx.f32", x.log2()),
            ("sin.approx.f32", x.sin()),
            ("cos.approx.f32", x.cos()),
            ("tanh.approx.f32", x.tanh()),
            ("rsqrt.approx.f32", 1.0 / x.sqrt()),
            ("rcp.approx.ftz.f32", 1.0 / x),
            ("sqrt.approx.f32", x.sqrt()),
        ] {
            let got = single(name, &[x]);
            assert!((got - want).abs() <= 2e-6 * want.abs().max(0.1), "{name} {x}: {got} {want}");
        }
        let got = double("rcp.approx.ftz.f64", &[x.into()]);
        assert!((got * f64::from(x) - 1.0).abs() < 1e-6 && got.to_bits() as u32 == 0);
    }
    assert_eq!(single("lg2.approx.f32", &[0.0]), f32::NEG_INFINITY);
    assert_eq!(single("rsqrt.approx.f32", &[0.0]), f32::INFINITY);
}

#[test]
fn signs_and_extremes() {
    assert_eq!(single("neg.f32", &[2.0]), -2.0);
    assert_eq!(single("abs.f32", &[-2.0]), 2.0);
    // The sign of the first operand on the second.
    assert_eq!(single("copysign.f32", &[-1.0, 2.0]), -2.0);
    assert_eq!(double("copysign.f64", &[-1.0, 2.0]), -2.0);
    assert_eq!(single("min.f32", &[f32::NAN, 2.0]), 2.0);
    assert_eq!(single("max.f32", &[2.0, f32::NAN]), 2.0);
    assert!(single("min.NaN.f32", &[f32::NAN, 2.0]).is_nan());
    assert!(single("max.NaN.f32", &[2.0, f32::NAN]).is_nan());
    assert!(single("min.f32", &[0.0, -0.0]).is_sign_negative());
    assert!(single("max.f32", &[-0.0, 0.0]).is_sign_positive());
    assert_eq!(double("min.f64", &[3.0, f64::NAN]), 3.0);
    assert_eq!(double("max.f64", &[3.0, 4.0]), 4.0);
}

#[test]
fn double_precision() {
    assert_eq!(double("add.f64", &[0.1, 0.2]), 0.1 + 0.2);
    assert_eq!(double("sub.rn.f64", &[0.1, 0.2]), 0.1 - 0.2);
    assert_eq!(double("mul.f64", &[0.1, 0.2]), 0.1 * 0.2);
    assert_eq!(double("fma.rn.f64", &[0.1, 10.0, -1.0]), 0.1f64.mul_add(10.0, -1.0));
    assert_eq!(double("div.rn.f64", &[1.0, 3.0]), 1.0 / 3.0);
    assert_eq!(double("rcp.rn.f64", &[3.0]), 1.0 / 3.0);
    assert_eq!(double("sqrt.rn.f64", &[2.0]), 2f64.sqrt());
    assert_eq!(double("neg.f64", &[2.0]), -2.0);
    assert_eq!(double("abs.f64", &[-2.0]), 2.0);
}

#[test]
fn comparisons_of_numbers_and_nan() {
    let (one, two, nan) = (1f32.to_bits() as u64, 2f32.to_bits() as u64, f32::NAN.to_bits() as u64);
    let cmp = |name: &str, a, b| eval(&format!("setp.{name}.f32"), 1, &[(32, a), (32, b)]);
    for (name, less, equal, greater, unordered) in [
        ("eq", 0, 1, 0, 0),
        ("ne", 1, 0, 1, 0),
        ("lt", 1, 0, 0, 0),
        ("le", 1, 1, 0, 0),
        ("gt", 0, 0, 1, 0),
        ("ge", 0, 1, 1, 0),
        ("equ", 0, 1, 0, 1),
        ("neu", 1, 0, 1, 1),
        ("ltu", 1, 0, 0, 1),
        ("leu", 1, 1, 0, 1),
        ("gtu", 0, 0, 1, 1),
        ("geu", 0, 1, 1, 1),
        ("num", 1, 1, 1, 0),
        ("nan", 0, 0, 0, 1),
    ] {
        assert_eq!(cmp(name, one, two), less, "{name}");
        assert_eq!(cmp(name, one, one), equal, "{name}");
        assert_eq!(cmp(name, two, one), greater, "{name}");
        assert_eq!(cmp(name, nan, one), unordered, "{name}");
        assert_eq!(cmp(name, one, nan), unordered, "{name}");
    }
    assert_eq!(eval("setp.lt.f64", 1, &[(64, 1f64.to_bits()), (64, 2f64.to_bits())]), 1);
    assert_eq!(eval("setp.gt.f16", 1, &[(16, 0x4000), (16, 0x3c00)]), 1);
    assert_eq!(eval("setp.ltu.bf16", 1, &[(16, 0x7fc0), (16, 0x3c00)]), 1);
}

#[test]
fn halves_round_once() {
    let h = |x: f32| u64::from(f16::from_f32(x).to_bits());
    let b = |x: f32| u64::from(bf16::from_f32(x).to_bits());
    assert_eq!(same("add.f16", 16, &[h(1.0), h(2.5)]), h(3.5));
    assert_eq!(same("sub.f16", 16, &[h(1.0), h(2.5)]), h(-1.5));
    assert_eq!(same("mul.rn.f16", 16, &[h(65504.0), h(2.0)]), h(f32::INFINITY));
    assert_eq!(same("fma.rn.f16", 16, &[h(3.0), h(0.5), h(1.0)]), h(2.5));
    // 1 + 2^-11 is halfway; what lies below it decides, however small.
    let half_place = h(f16::from_f32(2f32.powi(-11)).to_f32());
    assert_eq!(same("fma.rn.f16", 16, &[half_place, h(1.0), h(1.0)]), h(1.0));
    let more = h(f16::from_bits(half_place as u16 + 1).to_f32());
    assert_eq!(same("fma.rn.f16", 16, &[more, h(1.0), h(1.0)]), 0x3c01);
    // a product of 1 + 2^-9 and 2^-1 + 2^-10 with a sum of 2^14: the rest is far below, and must still break the tie.
    assert_eq!(same("fma.rn.bf16", 16, &[b(1.0), b(2f32.powi(-8)), b(1.0)]), b(1.0));
    assert_eq!(same("fma.rn.bf16", 16, &[b(1.0078125), b(2f32.powi(-8)), b(1.0)]), 0x3f81);
    assert_eq!(same("fma.rn.relu.f16", 16, &[h(-3.0), h(0.5), h(1.0)]), 0);
    assert_eq!(same("neg.bf16", 16, &[b(1.0)]), b(-1.0));
    assert_eq!(same("abs.f16", 16, &[h(-1.0)]), h(1.0));
    assert_eq!(same("min.f16", 16, &[h(-1.0), h(2.0)]), h(-1.0));
    assert_eq!(same("max.bf16", 16, &[b(-1.0), 0x7fc0]), b(-1.0));
    assert_eq!(same("max.NaN.bf16", 16, &[b(-1.0), 0x7fc0]), 0x7fff);
    let two = |low: u64, high: u64| low | high << 16;
    assert_eq!(same("add.f16x2", 32, &[two(h(1.0), h(2.0)), two(h(3.0), h(4.0))]), two(h(4.0), h(6.0)));
    assert_eq!(same("mul.bf16x2", 32, &[two(b(1.0), b(2.0)), two(b(3.0), b(4.0))]), two(b(3.0), b(8.0)));
    let three = [two(b(1.0), b(2.0)), two(b(3.0), b(4.0)), two(b(1.0), b(1.0))];
    assert_eq!(same("fma.rn.bf16x2", 32, &three), two(b(4.0), b(9.0)));
    assert_eq!(same("neg.f16x2", 32, &[two(h(1.0), h(-2.0))]), two(h(-1.0), h(2.0)));
    assert_eq!(same("max.f16x2", 32, &[two(h(1.0), h(-2.0)), 0]), two(h(1.0), 0));
}
