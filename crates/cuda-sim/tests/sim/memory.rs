use crate::{run_on, words};

#[test]
fn loads_and_stores_of_all_widths() {
    let body = "ld.global.s8 %r1, [%d1]; st.global.u32 [%d0], %r1;
        ld.global.u8 %r1, [%d1]; st.global.u32 [%d0+4], %r1;
        ld.global.s16 %r1, [%d1+2]; st.global.u32 [%d0+8], %r1;
        ld.global.nc.L1::no_allocate.v4.u8 {%h1, %h2, %h3, %h4}, [%d1+4]; st.global.v4.u8 [%d0+12], {%h4, %h3, %h2, %h1};
        ld.global.v2.u64 {%d2, %d3}, [%d1+16]; st.global.v2.b64 [%d0+16], {%d3, %d2};
        ld.volatile.global.v4.f32 {%r1, %r2, %r3, %r4}, [%d1+16]; st.global.v4.f32 [%d0+32], {%r4, %r3, %r2, %r1};";
    let input: Vec<u8> = (0..32).map(|i| 0xf0 + i as u8 % 16).collect();
    let (out, _) = run_on("", body, 1, &input, 48).unwrap();
    assert_eq!(out[..4], 0xffff_fff0u32.to_le_bytes());
    assert_eq!(out[4..8], 0xf0u32.to_le_bytes());
    assert_eq!(out[8..12], 0xffff_f3f2u32.to_le_bytes());
    assert_eq!(out[12..16], [0xf7, 0xf6, 0xf5, 0xf4]);
    assert_eq!((&out[16..24], &out[24..32]), (&input[24..32], &input[16..24]));
    assert_eq!((&out[32..36], &out[44..48]), (&input[28..32], &input[16..20]));
}

/// The PTX manual on `ld`: a signed number is extended to the width of the register that it is loaded to.
#[test]
fn signed_loads_fill_a_wider_register_with_the_sign() {
    let body = "ld.global.s32 %d2, [%d1]; ld.global.s16 %d3, [%d1]; ld.global.s8 %d4, [%d1]; ld.global.u32 %d5, [%d1];
        st.global.v2.u64 [%d0], {%d2, %d3}; st.global.v2.u64 [%d0+16], {%d4, %d5};
        ld.global.s32 %r1, [%d1]; ld.global.s32 %r2, [%d1+4]; mov.b64 %d6, {%r1, %r2}; st.global.u64 [%d0+32], %d6;";
    let input: Vec<u8> = (-3i32).to_le_bytes().into_iter().chain(7i32.to_le_bytes()).collect();
    let (out, _) = run_on("", body, 1, &input, 40).unwrap();
    let words: Vec<i64> = out.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(words, [-3, -3, -3, 0xffff_fffd, 0x0000_0007_ffff_fffd]);
}

#[test]
fn spaces_and_generic_addresses() {
    let declarations = ".global .align 4 .u32 table[3] = {7, 8, 0x9};\n.const .align 4 .f32 half[1] = {0f3F000000};";
    let body = ".shared .align 8 .b8 s[64]; .local .align 8 .b8 l[16];
        mov.u32 %r1, 5; mov.u32 %r9, s; st.shared.u32 [%r9+8], %r1; cvt.u64.u32 %d2, %r9; cvta.shared.u64 %d3, %d2;
        ld.u32 %r2, [%d3+8]; st.global.u32 [%d0], %r2;
        mov.u64 %d4, l; cvta.local.u64 %d5, %d4; st.u32 [%d5+4], %r1; ld.local.u32 %r3, [l+4]; st.global.u32 [%d0+4], %r3;
        mov.u64 %d6, table; ld.global.u32 %r4, [%d6+8]; st.global.u32 [%d0+8], %r4; ld.global.u32 %r5, [table+4];
        ld.const.u32 %r6, [half]; st.global.v2.u32 [%d0+16], {%r5, %r6};
        isspacep.shared %p1, %d3; selp.u32 %r7, 1, 0, %p1; isspacep.global %p2, %d3; selp.u32 %r8, 1, 0, %p2;
        st.global.v2.u32 [%d0+24], {%r7, %r8};";
    let (out, _) = run_on(declarations, body, 1, &[], 32).unwrap();
    let words: Vec<u32> = out.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(words, [5, 5, 9, 0, 8, 0x3f00_0000, 1, 0]);
}

#[test]
fn shared_memory_of_the_launch_comes_behind_the_kernels_own() {
    let body = ".shared .align 4 .b8 own[20]; mov.u32 %r1, 3; st.shared.u32 [own+16], %r1; mov.u32 %r3, more;
        st.shared.u32 [%r3], %r0; st.shared.u32 [more+60], %r1; st.global.u32 [%d0], %r3;";
    let (out, _) = run_on(".extern .shared .align 16 .b8 more[];", body, 1, &[], 4).unwrap();
    assert_eq!(out, 32u32.to_le_bytes());
}

#[test]
fn atomics_answer_with_what_was_there() {
    let one = |what: &str, operands: &str, start: u32| -> (u32, u32) {
        let body = format!(
            "mov.u32 %r1, 5; mov.u32 %r2, 9; atom.global.{what} %r3, [%d1], {operands}; ld.global.u32 %r4, [%d1]; st.global.v2.u32 [%d0], {{%r3, %r4}};"
        );
        let (out, _) = run_on("", &body, 1, &start.to_le_bytes(), 8).unwrap_or_else(|e| panic!("{what}: {e}"));
        let word = |at: usize| u32::from_le_bytes(out[at..at + 4].try_into().unwrap());
        (word(0), word(4))
    };
    assert_eq!(one("add.u32", "%r1", 3), (3, 8));
    assert_eq!(one("exch.b32", "%r1", 3), (3, 5));
    assert_eq!(one("cas.b32", "%r1, %r2", 5), (5, 9));
    assert_eq!(one("cas.b32", "%r1, %r2", 6), (6, 6));
    assert_eq!(one("min.s32", "%r1", !0), (!0, !0));
    assert_eq!(one("min.u32", "%r1", !0), (!0, 5));
    assert_eq!(one("max.s32", "%r1", !0), (!0, 5));
    assert_eq!(one("and.b32", "%r1", 3), (3, 1));
    assert_eq!(one("or.b32", "%r1", 3), (3, 7));
    assert_eq!(one("xor.b32", "%r1", 3), (3, 6));
    assert_eq!(one("inc.u32", "%r1", 5), (5, 0));
    assert_eq!(one("inc.u32", "%r1", 2), (2, 3));
    assert_eq!(one("dec.u32", "%r1", 0), (0, 5));
    assert_eq!(one("add.f32", "%r1", 1f32.to_bits()), (1f32.to_bits(), 1f32.to_bits()));
    assert_eq!(one("add.noftz.f16x2", "%r1", 0x3c00_3c00).0, 0x3c00_3c00);
    // All lanes add to one place, one after the other.
    let body = "red.relaxed.gpu.global.add.u32 [%d1], 2; bar.sync 0; ld.global.u32 %r1, [%d1]; mad.wide.u32 %d2, %r0, 4, %d0; st.global.u32 [%d2], %r1;";
    assert_eq!(words(body, 64, &[10]), [138; 64]);
}

#[test]
fn copies_come_when_they_are_waited_for() {
    let copy = |wait: &str| {
        let body = format!(
            ".shared .align 16 .b8 s[64]; mov.u32 %r1, s; mov.u32 %r2, 4; cp.async.cg.shared.global [%r1], [%d1], 16;
             cp.async.commit_group; cp.async.ca.shared.global [%r1+16], [%d1+16], 8, %r2; cp.async.commit_group;
             {wait} ld.shared.v2.u64 {{%d2, %d3}}, [s]; st.global.v2.u64 [%d0], {{%d2, %d3}};
             cp.async.wait_all; ld.shared.u64 %d4, [s+16]; st.global.u64 [%d0+16], %d4;"
        );
        run_on("", &body, 1, &(1..33).collect::<Vec<u8>>(), 24)
    };
    for wait in ["cp.async.wait_group 1;", "cp.async.wait_group 0;", "cp.async.wait_all;"] {
        let (out, _) = copy(wait).unwrap_or_else(|e| panic!("{wait}: {e}"));
        // What is beyond the bytes that were asked for is zero.
        assert_eq!(out, [&(1..21).collect::<Vec<u8>>()[..], &[0; 4]].concat());
    }
    assert!(copy("cp.async.wait_group 2;").unwrap_err().message.contains("on its way"));
}

#[test]
fn sectors_and_banks_are_counted() {
    let count = |body: &str| run_on("", body, 32, &[1; 8192], 4096).unwrap().1;
    let side_by_side = count("mad.wide.u32 %d2, %r0, 4, %d1; ld.global.u32 %r1, [%d2];");
    assert_eq!((side_by_side.sectors, side_by_side.ideal_sectors, side_by_side.global_bytes), (4, 4, 128));
    let apart = count("mad.wide.u32 %d2, %r0, 128, %d1; ld.global.u32 %r1, [%d2];");
    assert_eq!((apart.sectors, apart.ideal_sectors), (32, 4));
    let wide = count("mad.wide.u32 %d2, %r0, 16, %d1; ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%d2];");
    assert_eq!((wide.sectors, wide.ideal_sectors), (16, 16));
    let same = count("ld.global.u32 %r1, [%d1];");
    assert_eq!((same.sectors, same.ideal_sectors), (1, 1));
    let shared = |stride: u32| {
        let body = format!(
            ".shared .align 4 .b8 s[8192]; mad.lo.u32 %r1, %r0, {stride}, 0; mov.u32 %r2, s; add.u32 %r1, %r1, %r2; st.shared.u32 [%r1], %r0;"
        );
        let counts = count(&body);
        (counts.shared_accesses, counts.shared_ways)
    };
    assert_eq!(shared(4), (1, 1));
    assert_eq!(shared(8), (1, 2));
    assert_eq!(shared(128), (1, 32));
    assert_eq!(shared(132), (1, 1));
}
