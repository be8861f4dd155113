use crate::{run_on, words};

const OUT: &str = "mad.wide.u32 %d9, %r0, 4, %d0; st.global.u32 [%d9], %r20;";

#[test]
fn lanes_part_and_meet_again() {
    // Each lane runs a loop as often as its number says; a shuffle behind it has them all.
    let body = format!(
        "mov.u32 %r1, 0; mov.u32 %r2, 0;
         $top: setp.ge.u32 %p1, %r1, %r0; @%p1 bra $out; add.u32 %r2, %r2, %r1; add.u32 %r1, %r1, 1; bra.uni $top;
         $out: shfl.sync.bfly.b32 %r20, %r2, 1, 31, -1; {OUT}"
    );
    assert_eq!(
        words(&body, 32, &[]),
        (0..32u32).map(|l| l ^ 1).map(|l| l * l.wrapping_sub(1) / 2 * u32::from(l > 0)).collect::<Vec<_>>()
    );
    let body = format!(
        "and.b32 %r1, %r0, 1; setp.eq.u32 %p1, %r1, 0; @%p1 bra $even; mov.u32 %r20, 1; bra $end; $even: mov.u32 %r20, 2; $end: @!%p1 add.u32 %r20, %r20, 10; {OUT}"
    );
    assert_eq!(words(&body, 4, &[]), [2, 11, 2, 11]);
}

#[test]
fn shuffles_in_parted_ways_wait_for_those_they_name() {
    let body = format!(
        "setp.lt.u32 %p1, %r0, 16; @%p1 bra $low; shfl.sync.bfly.b32 %r20, %r0, 1, 31, 0xffff0000; bra $end;
         $low: shfl.sync.bfly.b32 %r20, %r0, 2, 31, 0x0000ffff; $end: {OUT}"
    );
    assert_eq!(words(&body, 32, &[]), (0..32).map(|l| if l < 16 { l ^ 2 } else { l ^ 1 }).collect::<Vec<_>>());
}

#[test]
fn tables_of_branches() {
    let body = format!(
        "rem.u32 %r1, %r0, 3; $table: .branchtargets $a, $b, $c; brx.idx %r1, $table;
         $a: mov.u32 %r20, 100; bra $end; $b: mov.u32 %r20, 200; bra $end; $c: mov.u32 %r20, 300; $end: {OUT}"
    );
    assert_eq!(words(&body, 6, &[]), [100, 200, 300, 100, 200, 300]);
}

#[test]
fn calls_are_expanded() {
    let functions = ".func (.param .b32 f_r) twice(.param .b32 f_0) {
            .reg .b32 %r<3>; .reg .pred %p<2>;
            ld.param.u32 %r1, [f_0]; setp.gt.u32 %p1, %r1, 5; @%p1 bra $L; add.u32 %r1, %r1, %r1; st.param.b32 [f_r], %r1; ret;
            $L: st.param.b32 [f_r], %r1; ret; }
        .func (.param .b32 g_r) more(.param .b32 g_0, .param .b64 g_1) {
            .reg .b32 %r<5>; .reg .b64 %rd<2>; ld.param.u32 %r1, [g_0];
            { .param .b32 param0; st.param.b32 [param0+0], %r1; .param .b32 retval0;
              call.uni (retval0), twice, (param0); ld.param.b32 %r2, [retval0+0]; }
            ld.param.u64 %rd1, [g_1]; ld.global.u32 %r3, [%rd1]; add.u32 %r4, %r2, %r3; st.param.b32 [g_r+0], %r4; ret; }";
    let body = format!(
        "{{ .reg .b32 temp; .param .b32 param0; st.param.b32 [param0+0], %r0; .param .b64 param1; st.param.b64 [param1+0], %d1;
           .param .b32 retval0; call.uni (retval0), more, (param0, param1); ld.param.b32 %r20, [retval0+0]; }} {OUT}"
    );
    let (out, _) = run_on(functions, &body, 8, &100u32.to_le_bytes(), 32).unwrap_or_else(|e| panic!("{e}"));
    let words: Vec<u32> = out.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(words, [100, 102, 104, 106, 108, 110, 106, 107]);
}

#[test]
fn a_function_that_calls_itself_is_an_error() {
    let function = ".func f(.param .b32 f_0) { { .param .b32 param0; call.uni f, (param0); } ret; }";
    let fault = run_on(function, "{ .param .b32 param0; call.uni f, (param0); }", 1, &[], 8).unwrap_err();
    assert!(fault.message.contains("calls of `f` within calls"), "{fault}");
}

#[test]
fn special_registers() {
    let body = format!(
        "mov.u32 %r1, %ntid.x; mov.u32 %r2, %warpid; mov.u32 %r3, %laneid; mad.lo.u32 %r20, %r1, 1000, %r2; mad.lo.u32 %r20, %r20, 100, %r3;
         mov.u32 %r4, %ctaid.x; mov.u32 %r5, %nctaid.x; add.u32 %r20, %r20, %r4; sub.u32 %r20, %r20, %r5; {OUT}"
    );
    assert_eq!(words(&body, 64, &[])[40], (64 * 1000 + 1) * 100 + 8 - 1);
}

#[test]
fn barriers_hold_warps_back() {
    // Each warp writes its part, and reads what the next one wrote.
    let body = format!(
        ".shared .align 4 .b8 s[512]; mov.u32 %r1, s; mad.lo.u32 %r2, %r0, 4, %r1; st.shared.u32 [%r2], %r0; bar.sync 0;
         add.u32 %r3, %r0, 32; rem.u32 %r3, %r3, 128; mad.lo.u32 %r3, %r3, 4, %r1; ld.shared.u32 %r20, [%r3]; {OUT}"
    );
    assert_eq!(words(&body, 128, &[]), (0..128).map(|t| (t + 32) % 128).collect::<Vec<_>>());
    // A barrier of two warps out of three.
    let body = format!(
        ".shared .align 4 .b8 s[512]; mov.u32 %r1, s; mov.u32 %r20, 7; setp.ge.u32 %p1, %r0, 64; @%p1 bra $end;
         mad.lo.u32 %r2, %r0, 4, %r1; st.shared.u32 [%r2], %r0; barrier.sync 1, 64; xor.b32 %r3, %r0, 32;
         mad.lo.u32 %r3, %r3, 4, %r1; ld.shared.u32 %r20, [%r3]; $end: bar.sync 0; {OUT}"
    );
    assert_eq!(words(&body, 96, &[]), (0..96).map(|t| if t < 64 { t ^ 32 } else { 7 }).collect::<Vec<_>>());
}
