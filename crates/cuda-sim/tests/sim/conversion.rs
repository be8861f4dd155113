use crate::{eval, run_on};
use half::f16;

fn bits(x: f32) -> u64 {
    x.to_bits().into()
}

#[test]
fn between_integers() {
    assert_eq!(eval("cvt.s64.s32", 64, &[(32, 0xffff_fffe)]), !1);
    assert_eq!(eval("cvt.u64.u32", 64, &[(32, 0xffff_fffe)]), 0xffff_fffe);
    assert_eq!(eval("cvt.u16.u32", 16, &[(32, 0x12345)]), 0x2345);
    assert_eq!(eval("cvt.s32.s16", 32, &[(16, 0x8000)]), 0xffff_8000);
    assert_eq!(eval("cvt.s32.s8", 32, &[(32, 0x180)]), 0xffff_ff80);
    assert_eq!(eval("cvt.u32.u8", 32, &[(32, 0x180)]), 0x80);
    assert_eq!(eval("cvt.s16.s8", 16, &[(16, 0x80)]), 0xff80);
    assert_eq!(eval("cvt.sat.u8.s32", 32, &[(32, 300)]), 255);
    assert_eq!(eval("cvt.sat.s16.s32", 32, &[(32, 0xffff_0000)]), 0xffff_8000);
}

#[test]
fn to_integers_held_in_their_limits() {
    assert_eq!(eval("cvt.rzi.s32.f32", 32, &[(32, bits(-1.9))]), 0xffff_ffff);
    assert_eq!(eval("cvt.rni.s32.f32", 32, &[(32, bits(2.5))]), 2);
    assert_eq!(eval("cvt.rmi.s32.f32", 32, &[(32, bits(-1.1))]), 0xffff_fffe);
    assert_eq!(eval("cvt.rpi.s32.f32", 32, &[(32, bits(1.1))]), 2);
    assert_eq!(eval("cvt.rzi.u32.f32", 32, &[(32, bits(-5.0))]), 0);
    assert_eq!(eval("cvt.rzi.s32.f32", 32, &[(32, bits(1e20))]), 0x7fff_ffff);
    assert_eq!(eval("cvt.rzi.s32.f32", 32, &[(32, bits(f32::NAN))]), 0);
    assert_eq!(eval("cvt.rzi.s64.f64", 64, &[(64, (-3.99f64).to_bits())]), !2);
    assert_eq!(eval("cvt.rzi.u64.f64", 64, &[(64, 1e19f64.to_bits())]), 10_000_000_000_000_000_000);
    assert_eq!(eval("cvt.rzi.s64.f32", 64, &[(32, bits(1e30))]), i64::MAX as u64);
    assert_eq!(eval("cvt.rzi.s32.f16", 32, &[(16, f16::from_f32(-7.5).to_bits().into())]), 0xffff_fff9);
    assert_eq!(eval("cvt.rzi.u16.f32", 16, &[(32, bits(70000.0))]), 0xffff);
    assert_eq!(eval("cvt.rzi.s16.f32", 16, &[(32, bits(-70000.0))]), 0x8000);
    // Types narrower than their register: held in their limits, the sign in all of it.
    assert_eq!(eval("cvt.rzi.s8.f32", 32, &[(32, bits(-1.9))]), 0xffff_ffff);
    assert_eq!(eval("cvt.rzi.s8.f32", 32, &[(32, bits(-300.0))]), 0xffff_ff80);
    assert_eq!(eval("cvt.rni.s8.f64", 32, &[(64, 126.5f64.to_bits())]), 126);
    assert_eq!(eval("cvt.rzi.s8.f16", 32, &[(16, f16::from_f32(1000.0).to_bits().into())]), 127);
    assert_eq!(eval("cvt.rzi.s16.f32", 32, &[(32, bits(-70000.0))]), 0xffff_8000);
    assert_eq!(eval("cvt.rzi.s16.f64", 32, &[(64, (-2.5f64).to_bits())]), 0xffff_fffe);
    assert_eq!(eval("cvt.rzi.u8.f32", 32, &[(32, bits(-1.0))]), 0);
    assert_eq!(eval("cvt.rzi.u8.f32", 32, &[(32, bits(300.0))]), 255);
    assert_eq!(eval("cvt.rpi.u8.f64", 32, &[(64, 254.1f64.to_bits())]), 255);
    assert_eq!(eval("cvt.rzi.u16.f32", 32, &[(32, bits(70000.0))]), 0xffff);
    for narrow in ["s8", "s16", "u8", "u16"] {
        assert_eq!(eval(&format!("cvt.rzi.{narrow}.f32"), 32, &[(32, bits(f32::NAN))]), 0);
    }
}

#[test]
fn from_integers_rounded() {
    assert_eq!(eval("cvt.rn.f32.s32", 32, &[(32, 0xffff_ffff)]), bits(-1.0));
    assert_eq!(eval("cvt.rn.f32.u32", 32, &[(32, 16_777_217)]), bits(16_777_216.0));
    assert_eq!(eval("cvt.rp.f32.u32", 32, &[(32, 16_777_217)]), bits(16_777_218.0));
    assert_eq!(eval("cvt.rz.f32.s64", 32, &[(64, (1 << 62) - 1)]), bits((1u64 << 62) as f32).wrapping_sub(1));
    assert_eq!(eval("cvt.rn.f64.s64", 64, &[(64, !0)]), (-1f64).to_bits());
    assert_eq!(eval("cvt.rn.f64.u32", 64, &[(32, 0xffff_ffff)]), 4294967295f64.to_bits());
    assert_eq!(eval("cvt.rn.f16.s32", 16, &[(32, 2049)]), f16::from_f32(2048.0).to_bits().into());
    assert_eq!(eval("cvt.rn.f16.u64", 16, &[(64, 1 << 40)]), 0x7c00);
    assert_eq!(eval("cvt.rn.f32.u8", 32, &[(32, 200)]), bits(200.0));
}

#[test]
fn between_numbers() {
    assert_eq!(eval("cvt.f64.f32", 64, &[(32, bits(0.1))]), f64::from(0.1f32).to_bits());
    assert_eq!(eval("cvt.rn.f32.f64", 32, &[(64, 0.1f64.to_bits())]), bits(0.1));
    assert_eq!(eval("cvt.rm.f32.f64", 32, &[(64, 1.000000001f64.to_bits())]), bits(1.0));
    assert_eq!(eval("cvt.rp.f32.f64", 32, &[(64, 1.000000001f64.to_bits())]), bits(1f32.next_up()));
    assert_eq!(eval("cvt.f32.f16", 32, &[(16, 0x3c01)]), bits(f16::from_bits(0x3c01).to_f32()));
    assert_eq!(eval("cvt.f32.bf16", 32, &[(16, 0x3f81)]), 0x3f81_0000);
    assert_eq!(eval("cvt.rn.f16.f32", 16, &[(32, bits(65520.0))]), 0x7c00);
    assert_eq!(eval("cvt.rz.f16.f32", 16, &[(32, bits(65520.0))]), 0x7bff);
    assert_eq!(eval("cvt.rn.bf16.f32", 16, &[(32, 0x3f80_8000)]), 0x3f80);
    assert_eq!(eval("cvt.rn.bf16.f32", 16, &[(32, 0x3f80_8001)]), 0x3f81);
    assert_eq!(eval("cvt.rn.relu.bf16.f32", 16, &[(32, bits(-1.0))]), 0);
    // 1 + 2^-11 + 2^-40 lies above the middle, but rounds down where it goes by 32 bits first.
    assert_eq!(eval("cvt.rn.f16.f64", 16, &[(64, (1.0 + 2f64.powi(-11) + 2f64.powi(-40)).to_bits())]), 0x3c01);
    assert_eq!(eval("cvt.rna.tf32.f32", 32, &[(32, 0x3f80_1000)]), 0x3f80_2000);
    assert_eq!(eval("cvt.rmi.f32.f32", 32, &[(32, bits(-1.5))]), bits(-2.0));
    assert_eq!(eval("cvt.rni.f64.f64", 64, &[(64, 2.5f64.to_bits())]), 2f64.to_bits());
    assert_eq!(eval("cvt.sat.f32.f32", 32, &[(32, bits(1.5))]), bits(1.0));
    assert_eq!(eval("cvt.ftz.f32.f32", 32, &[(32, bits(1e-40))]), 0);
    // The first operand goes to the high half.
    assert_eq!(eval("cvt.rn.bf16x2.f32", 32, &[(32, bits(1.0)), (32, bits(2.0))]), 0x3f80_4000);
    assert_eq!(eval("cvt.rn.f16x2.f32", 32, &[(32, bits(1.0)), (32, bits(2.0))]), 0x3c00_4000);
}

#[test]
fn registers_are_taken_apart() {
    let body = "ld.global.u64 %d2, [%d1]; mov.b64 {%r1, %r2}, %d2; mov.b32 {%h1, %h2}, %r1;
        mov.b32 %r3, {%h2, %h1}; mov.b64 %d3, {%r2, %r3}; mov.b64 {%r4, _}, %d3; st.global.u64 [%d0], %d3;
        st.global.u32 [%d0+8], %r4;";
    let (out, _) = run_on("", body, 1, &0x1122_3344_5566_7788u64.to_le_bytes(), 16).unwrap();
    assert_eq!(out[..8], 0x7788_5566_1122_3344u64.to_le_bytes());
    assert_eq!(out[8..12], 0x1122_3344u32.to_le_bytes());
}
