use crate::{eval, run_on, same};

const M: u64 = 0xffff_ffff;

#[test]
fn integers_add_subtract_and_wrap() {
    assert_eq!(same("add.u32", 32, &[M, 2]), 1);
    assert_eq!(same("add.s16", 16, &[0x7fff, 1]), 0x8000);
    assert_eq!(same("add.u64", 64, &[!0, 1]), 0);
    assert_eq!(same("sub.s32", 32, &[1, 2]), M);
    assert_eq!(same("sub.u64", 64, &[0, 1]), !0);
    assert_eq!(same("add.sat.s32", 32, &[0x7fff_ffff, 5]), 0x7fff_ffff);
    assert_eq!(same("sub.sat.s32", 32, &[0x8000_0000, 5]), 0x8000_0000);
    assert_eq!(same("neg.s32", 32, &[0x8000_0000]), 0x8000_0000);
    assert_eq!(same("neg.s64", 64, &[1]), !0);
    assert_eq!(same("abs.s32", 32, &[M]), 1);
    assert_eq!(same("abs.s64", 64, &[!4]), 5);
    assert_eq!(same("min.s32", 32, &[M, 1]), M);
    assert_eq!(same("min.u32", 32, &[M, 1]), 1);
    assert_eq!(same("max.s64", 64, &[!0, 1]), 1);
    assert_eq!(same("max.u16", 16, &[0xffff, 1]), 0xffff);
    assert_eq!(same("sad.s32", 32, &[M, 4, 10]), 15);
    assert_eq!(same("sad.u32", 32, &[4, 9, 10]), 15);
}

#[test]
fn integers_multiply() {
    assert_eq!(same("mul.lo.s32", 32, &[M, 3]), M - 2);
    assert_eq!(same("mul.lo.u64", 64, &[1 << 63, 3]), 1 << 63);
    assert_eq!(same("mul.lo.s16", 16, &[0x100, 0x101]), 0x100);
    assert_eq!(same("mul.hi.u32", 32, &[M, M]), M - 1);
    assert_eq!(same("mul.hi.s32", 32, &[M, 1]), M);
    assert_eq!(same("mul.hi.u64", 64, &[!0, 2]), 1);
    assert_eq!(same("mul.hi.s64", 64, &[!0, 2]), !0);
    assert_eq!(eval("mul.wide.s32", 64, &[(32, M), (32, 2)]), !1);
    assert_eq!(eval("mul.wide.u32", 64, &[(32, M), (32, 2)]), 2 * M);
    assert_eq!(eval("mul.wide.u16", 32, &[(16, 0xffff), (16, 0xffff)]), 0xfffe_0001);
    assert_eq!(eval("mul.wide.s16", 32, &[(16, 0xffff), (16, 2)]), M - 1);
    assert_eq!(same("mad.lo.s32", 32, &[3, 4, 5]), 17);
    assert_eq!(same("mad.lo.s64", 64, &[3, !0, 5]), 2);
    assert_eq!(same("mad.hi.u32", 32, &[M, 2, 5]), 6);
    assert_eq!(eval("mad.wide.u32", 64, &[(32, M), (32, 2), (64, 7)]), 2 * M + 7);
    // The sketch forgot the sum of this one.
    assert_eq!(eval("mad.wide.s32", 64, &[(32, M), (32, 2), (64, 7)]), 5);
    assert_eq!(same("mul24.lo.u32", 32, &[0x0100_0003, 5]), 15);
    assert_eq!(same("dp4a.u32.u32", 32, &[0x01020304, 0x01010101, 5]), 15);
    assert_eq!(same("dp4a.s32.s32", 32, &[0xffff_ffff, 0x01010101, 5]), 1);
}

#[test]
fn integers_divide_toward_zero() {
    assert_eq!(same("div.s32", 32, &[(-7i32) as u32 as u64, 2]), (-3i32) as u32 as u64);
    assert_eq!(same("rem.s32", 32, &[(-7i32) as u32 as u64, 2]), M);
    assert_eq!(same("div.u32", 32, &[M, 16]), M / 16);
    assert_eq!(same("rem.u64", 64, &[!0, 10]), 5);
    assert_eq!(same("div.s64", 64, &[(-9i64) as u64, (-2i64) as u64]), 4);
    assert_eq!(same("div.u16", 16, &[100, 7]), 14);
    assert_eq!(same("rem.s16", 16, &[0xffff, 7]), 0xffff);
}

#[test]
fn bits_shift_and_mix() {
    assert_eq!(same("and.b32", 32, &[12, 10]), 8);
    assert_eq!(same("or.b64", 64, &[12, 10]), 14);
    assert_eq!(same("xor.b16", 16, &[12, 10]), 6);
    assert_eq!(same("not.b16", 16, &[1]), 0xfffe);
    assert_eq!(same("cnot.b32", 32, &[0]), 1);
    assert_eq!(same("cnot.b32", 32, &[9]), 0);
    assert_eq!(eval("and.pred", 1, &[(1, 1), (1, 0)]), 0);
    assert_eq!(eval("or.pred", 1, &[(1, 1), (1, 0)]), 1);
    assert_eq!(eval("xor.pred", 1, &[(1, 1), (1, 1)]), 0);
    assert_eq!(eval("not.pred", 1, &[(1, 1)]), 0);
    // Shifts beyond the width clamp.
    assert_eq!(same("shl.b32", 32, &[1, 31]), 1 << 31);
    assert_eq!(same("shl.b32", 32, &[1, 32]), 0);
    assert_eq!(eval("shl.b64", 64, &[(64, 1), (32, 63)]), 1 << 63);
    assert_eq!(eval("shl.b16", 16, &[(16, 3), (32, 15)]), 0x8000);
    assert_eq!(same("shr.u32", 32, &[1 << 31, 31]), 1);
    assert_eq!(same("shr.s32", 32, &[1 << 31, 31]), M);
    assert_eq!(same("shr.s32", 32, &[1 << 31, 99]), M);
    assert_eq!(same("shr.u32", 32, &[1 << 31, 99]), 0);
    assert_eq!(same("shr.b32", 32, &[1 << 31, 30]), 2);
    assert_eq!(eval("shr.s64", 64, &[(64, 1 << 63), (32, 70)]), !0);
    assert_eq!(eval("shr.s16", 16, &[(16, 0x8000), (32, 3)]), 0xf000);
    assert_eq!(same("shf.l.wrap.b32", 32, &[0x8000_0001, 2, 33]), 5);
    assert_eq!(same("shf.l.clamp.b32", 32, &[0x8000_0001, 2, 33]), 0x8000_0001);
    assert_eq!(same("shf.r.wrap.b32", 32, &[2, 3, 33]), 0x8000_0001);
    assert_eq!(same("shf.r.clamp.b32", 32, &[2, 3, 40]), 3);
}

#[test]
fn fields_and_counts() {
    assert_eq!(same("bfe.u32", 32, &[0xabcd, 4, 8]), 0xbc);
    assert_eq!(same("bfe.s32", 32, &[0xabcd, 4, 8]), 0xffff_ffbc);
    assert_eq!(same("bfe.s32", 32, &[0x8000_0000, 28, 8]), 0xffff_fff8);
    assert_eq!(same("bfe.u32", 32, &[5, 0, 0]), 0);
    assert_eq!(eval("bfe.u64", 64, &[(64, 0xff00_0000_0000), (32, 40), (32, 4)]), 15);
    assert_eq!(eval("bfe.s64", 64, &[(64, 1 << 63), (32, 60), (32, 4)]), !7);
    assert_eq!(same("bfi.b32", 32, &[0xff, 0x1234_5678, 8, 4]), 0x1234_5f78);
    assert_eq!(eval("bfi.b64", 64, &[(64, 1), (64, 0), (32, 63), (32, 9)]), 1 << 63);
    assert_eq!(same("bmsk.clamp.b32", 32, &[4, 3]), 0x70);
    assert_eq!(same("bmsk.clamp.b32", 32, &[4, 99]), 0xffff_fff0);
    assert_eq!(eval("clz.b64", 32, &[(64, 1)]), 63);
    assert_eq!(same("clz.b32", 32, &[0]), 32);
    assert_eq!(same("popc.b32", 32, &[0xf0f0]), 8);
    assert_eq!(eval("popc.b64", 32, &[(64, !0)]), 64);
    assert_eq!(same("brev.b32", 32, &[1]), 1 << 31);
    assert_eq!(same("brev.b64", 64, &[1]), 1 << 63);
    assert_eq!(same("bfind.u32", 32, &[0x900]), 11);
    assert_eq!(same("bfind.u32", 32, &[0]), M);
    assert_eq!(same("bfind.s32", 32, &[M - 4]), 2);
    assert_eq!(same("bfind.shiftamt.u32", 32, &[1]), 31);
    assert_eq!(same("prmt.b32", 32, &[0x3322_1100, 0x7766_5544, 0x7610]), 0x7766_1100);
    // The highest bit of a choice repeats the byte's sign.
    assert_eq!(same("prmt.b32", 32, &[0x0000_8001, 0, 0x9180]), 0xff80_0001);
}

#[test]
fn carries_go_on() {
    let wide = |name: &str, name2: &str, a: u64, b: u64| {
        let body = format!(
            "ld.global.v2.u32 {{%r1, %r2}}, [%d1]; ld.global.v2.u32 {{%r3, %r4}}, [%d1+8];
             {name} %r5, %r1, %r3; {name2} %r6, %r2, %r4; st.global.v2.u32 [%d0], {{%r5, %r6}};"
        );
        let input: Vec<u8> = [a, b].iter().flat_map(|x| x.to_le_bytes()).collect();
        let (out, _) = run_on("", &body, 1, &input, 8).unwrap_or_else(|e| panic!("{e}"));
        u64::from_le_bytes(out.try_into().unwrap())
    };
    for (a, b) in [(M, 1), (!0, !0), (5 << 40, 7), (0, 1), (1 << 63, 1 << 63)] {
        assert_eq!(wide("add.cc.u32", "addc.u32", a, b), a.wrapping_add(b));
        assert_eq!(wide("sub.cc.u32", "subc.u32", a, b), a.wrapping_sub(b));
    }
    // A product of 64 bits from halves of 32.
    let body = "ld.global.v2.u32 {%r1, %r2}, [%d1];
        mul.lo.u32 %r5, %r1, %r2; mad.lo.cc.u32 %r6, %r1, %r2, %r5; madc.hi.u32 %r7, %r1, %r2, 0;
        st.global.v2.u32 [%d0], {%r6, %r7};";
    let (a, b) = (0xffff_fff1u64, 0xffff_ff01u64);
    let input: Vec<u8> = [a as u32, b as u32].iter().flat_map(|x| x.to_le_bytes()).collect();
    let (out, _) = run_on("", body, 1, &input, 8).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(u64::from_le_bytes(out.try_into().unwrap()), (a * b).wrapping_add(a * b & M));
}

#[test]
fn choices() {
    assert_eq!(eval("selp.b32", 32, &[(32, 7), (32, 8), (1, 1)]), 7);
    assert_eq!(eval("selp.f64", 64, &[(64, 7), (64, 8), (1, 0)]), 8);
    let set = |name: &str, bits, a, b| eval(name, 1, &[(bits, a), (bits, b)]);
    assert_eq!(set("setp.lt.s32", 32, M, 0), 1);
    assert_eq!(set("setp.lt.u32", 32, M, 0), 0);
    assert_eq!(set("setp.lo.u32", 32, 0, M), 1);
    assert_eq!(set("setp.hi.u64", 64, 0, !0), 0);
    assert_eq!(set("setp.ge.s64", 64, !0, 0), 0);
    assert_eq!(set("setp.ne.b16", 16, 1, 2), 1);
    assert_eq!(set("setp.eq.b64", 64, 1 << 40, 1 << 41), 0);
    for (a, b, p) in [(1, 2, 0), (1, 2, 1), (2, 1, 0), (2, 1, 1)] {
        let joined = |name: &str| eval(name, 1, &[(32, a), (32, b), (1, p)]);
        let less = u64::from(a < b);
        assert_eq!(joined("setp.lt.and.s32"), less & p);
        assert_eq!(joined("setp.lt.or.s32"), less | p);
        assert_eq!(joined("setp.lt.xor.s32"), less ^ p);
    }
}

#[test]
fn what_is_unknown_says_its_name() {
    let unknown = |body: &str| run_on("", body, 1, &[], 8).unwrap_err().message;
    assert!(unknown("wgmma.fence.sync.aligned;").contains("wgmma.fence.sync.aligned"));
    assert!(unknown("add.rz.f64 %d1, %d2, %d3;").contains("add.rz.f64"));
    assert!(unknown("add.foo.u32 %r1, %r2, %r3;").contains("add.foo.u32"));
    assert!(unknown("add.u32 %r1, %r2, %zz;").contains("%zz"));
    assert!(unknown("call.uni (%r1), vprintf, (%r2);").contains("vprintf"));
}
