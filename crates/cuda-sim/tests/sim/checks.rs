use crate::{faulty, run_on};
use flambeau_cuda_sim::{Counts, FaultKind, LIMIT, Launch, Memory, parse, run};

const SHARED: &str = ".shared .align 4 .b8 s[512]; mov.u32 %r1, s; mad.lo.u32 %r2, %r0, 4, %r1;";

fn kind(body: &str, threads: u32) -> FaultKind {
    faulty(body, threads).kind
}

#[test]
fn global_memory_has_bounds_and_alignment() {
    let fault = faulty("mad.wide.u32 %d2, %r0, 32, %d1; ld.global.u32 %r1, [%d2];", 33);
    assert_eq!(fault.kind, FaultKind::OutOfBounds);
    for part in ["1024 bytes into one of 1024", "kernel k", "warp 1", "`ld.global.u32 %r1, [%d2]`"] {
        assert!(fault.message.contains(part), "{fault}");
    }
    assert_eq!(kind("st.global.u32 [%d1+1021], %r0;", 1), FaultKind::OutOfBounds);
    assert_eq!(kind("ld.global.u32 %r1, [%d1+2];", 1), FaultKind::Misaligned);
    assert_eq!(kind("ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%d1+8];", 1), FaultKind::Misaligned);
    assert_eq!(kind("mov.u64 %d2, 0; ld.global.u32 %r1, [%d2];", 1), FaultKind::OutOfBounds);
    assert_eq!(kind("mov.u64 %d2, -8; ld.global.u64 %d3, [%d2];", 1), FaultKind::OutOfBounds);
    assert_eq!(kind("st.param.u32 [k_0], %r0;", 1), FaultKind::OutOfBounds);
    assert_eq!(kind("ld.param.u64 %d2, [k_1+8];", 1), FaultKind::OutOfBounds);
}

#[test]
fn other_spaces_have_bounds_and_alignment() {
    assert_eq!(kind(&format!("{SHARED} st.shared.u32 [%r2+512], %r0;"), 32), FaultKind::OutOfBounds);
    assert_eq!(kind(&format!("{SHARED} st.shared.u32 [%r1+2], %r0;"), 1), FaultKind::Misaligned);
    assert_eq!(kind(&format!("{SHARED} st.shared.v2.u32 [%r1+4], {{%r0, %r0}};"), 1), FaultKind::Misaligned);
    assert_eq!(kind(".local .align 8 .b8 l[8]; st.local.u32 [l+8], %r0;", 1), FaultKind::OutOfBounds);
    assert_eq!(kind(".local .align 8 .b8 l[8]; st.local.u32 [l+2], %r0;", 1), FaultKind::Misaligned);
}

#[test]
fn what_nobody_wrote_is_not_read() {
    assert_eq!(kind(&format!("{SHARED} ld.shared.u32 %r3, [%r2];"), 1), FaultKind::Unwritten);
    assert_eq!(kind(&format!("{SHARED} atom.shared.add.u32 %r3, [%r2], 1;"), 1), FaultKind::Unwritten);
    assert_eq!(kind(".local .align 8 .b8 l[8]; ld.local.u32 %r1, [l];", 1), FaultKind::Unwritten);
    // Half of it was.
    assert_eq!(
        kind(".local .align 8 .b8 l[8]; st.local.u32 [l], %r0; ld.local.u64 %d2, [l];", 1),
        FaultKind::Unwritten
    );
    let module = parse(
        ".version 8.7\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 p) {
         .reg .b64 %d<3>; .reg .b32 %r<3>; ld.param.u64 %d1, [p]; ld.global.u32 %r1, [%d1+4]; ret; }",
    )
    .unwrap();
    let mut memory = Memory::default();
    let at = memory.allocate(0, 8);
    let params = at.to_le_bytes();
    let launch = |device| Launch {
        kernel: module.kernel("k").unwrap().unwrap(),
        variables: &[],
        params: &params,
        grid: [1; 3],
        block: [1; 3],
        shared: 0,
        device,
        seed: 0,
        limit: LIMIT,
    };
    memory.write(at, &[1; 7]).unwrap();
    assert_eq!(run(&launch(0), &mut memory, &mut Counts::default()).unwrap_err().kind, FaultKind::Unwritten);
    memory.write(at + 7, &[1]).unwrap();
    assert_eq!(run(&launch(0), &mut memory, &mut Counts::default()), Ok(()));
    // Another device may not see it, until it is allowed to.
    assert_eq!(run(&launch(1), &mut memory, &mut Counts::default()).unwrap_err().kind, FaultKind::OutOfBounds);
    memory.allow_peer(1, 0);
    assert_eq!(run(&launch(1), &mut memory, &mut Counts::default()), Ok(()));
    memory.free(at);
    assert_eq!(run(&launch(0), &mut memory, &mut Counts::default()).unwrap_err().kind, FaultKind::OutOfBounds);
}

#[test]
fn races_in_shared_memory() {
    let neighbour = "add.u32 %r3, %r0, 1; rem.u32 %r3, %r3, 64; mad.lo.u32 %r3, %r3, 4, %r1;";
    // Read what another warp wrote, with no barrier between.
    let fault = faulty(&format!("{SHARED} {neighbour} st.shared.u32 [%r2], %r0; ld.shared.u32 %r4, [%r3];"), 64);
    assert!(matches!(fault.kind, FaultKind::Race | FaultKind::Unwritten), "{fault}");
    // The same within a warp.
    assert_eq!(
        kind(&format!("{SHARED} xor.b32 %r3, %r2, 4; st.shared.u32 [%r2], %r0; ld.shared.u32 %r4, [%r3];"), 32),
        FaultKind::Race
    );
    // With a barrier, and then written again without one.
    let read = format!("{SHARED} {neighbour} st.shared.u32 [%r2], %r0; bar.sync 0; ld.shared.u32 %r4, [%r3];");
    assert!(run_on("", &read, 64, &[], 8).is_ok());
    assert_eq!(kind(&format!("{read} st.shared.u32 [%r2], %r4;"), 64), FaultKind::Race);
    assert!(run_on("", &format!("{read} bar.sync 0; st.shared.u32 [%r2], %r4;"), 64, &[], 8).is_ok());
    // A warp's own barrier orders its lanes, and not two warps.
    let within =
        format!("{SHARED} xor.b32 %r3, %r2, 4; st.shared.u32 [%r2], %r0; bar.warp.sync -1; ld.shared.u32 %r4, [%r3];");
    assert!(run_on("", &within, 64, &[], 8).is_ok());
    // Whichever goes first finds the other's part unwritten.
    assert_eq!(kind(&within.replace("%r2, 4", "%r2, 128"), 64), FaultKind::Unwritten);
    // Two write different values to one place; the same value does no harm; nor do atomics.
    assert_eq!(kind(&format!("{SHARED} st.shared.u32 [%r1], %r0;"), 2), FaultKind::Race);
    assert!(run_on("", &format!("{SHARED} st.shared.u32 [%r1], 5;"), 64, &[], 8).is_ok());
    let atomics = format!(
        "{SHARED} mov.u32 %r5, 0; setp.eq.u32 %p1, %r0, 0; @%p1 st.shared.u32 [%r1], %r5; bar.sync 0; atom.shared.add.u32 %r4, [%r1], %r0;"
    );
    assert!(run_on("", &atomics, 64, &[], 8).is_ok());
    assert_eq!(kind(&format!("{atomics} ld.shared.u32 %r5, [%r1];"), 64), FaultKind::Race);
}

#[test]
fn lanes_missing_from_the_warp() {
    let half = "setp.lt.u32 %p1, %r0, 16;";
    let fault =
        faulty(&format!("{half} @%p1 bra $in; bra $out; $in: shfl.sync.bfly.b32 %r1, %r0, 1, 31, -1; $out:"), 32);
    assert_eq!(fault.kind, FaultKind::MissingLanes);
    assert!(fault.message.contains("0xffff wait"), "{fault}");
    assert_eq!(
        kind(&format!("{half} @%p1 vote.sync.ballot.b32 %r1, %p1, -1; bar.sync 0;"), 32),
        FaultKind::MissingLanes
    );
    // A lane that is not named.
    assert_eq!(kind("shfl.sync.bfly.b32 %r1, %r0, 1, 31, 0xffff;", 32), FaultKind::MissingLanes);
    // A lane that is not there is asked.
    assert_eq!(kind("shfl.sync.down.b32 %r1, %r0, 16, 31, -1;", 24), FaultKind::MissingLanes);
    // Two masks.
    assert_eq!(
        kind("and.b32 %r2, %r0, 1; or.b32 %r2, %r2, -2; shfl.sync.bfly.b32 %r1, %r0, 2, 31, %r2;", 32),
        FaultKind::MissingLanes
    );
    let part = format!("{SHARED} ldmatrix.sync.aligned.m8n8.x1.shared.b16 {{%r3}}, [%r1];");
    assert_eq!(kind(&part, 16), FaultKind::MissingLanes);
}

#[test]
fn barriers_not_met_by_all() {
    let fault = faulty("setp.lt.u32 %p1, %r0, 40; @%p1 bra $in; bra $out; $in: bar.sync 0; $out:", 64);
    assert_eq!(fault.kind, FaultKind::Barrier);
    assert!(fault.message.contains("24 threads have left"), "{fault}");
    assert_eq!(
        kind("setp.lt.u32 %p1, %r0, 32; @%p1 bra $a; bar.sync 1; bra $end; $a: bar.sync 0; $end:", 64),
        FaultKind::Barrier
    );
    assert_eq!(kind("barrier.sync 1, 32;", 64), FaultKind::Barrier);
}

#[test]
fn kernels_end_and_fit() {
    assert_eq!(kind("$top: bra $top;", 1), FaultKind::Endless);
    assert_eq!(kind("trap;", 1), FaultKind::Trap);
    assert_eq!(kind("", 2000), FaultKind::Launch);
}

#[test]
fn what_is_no_ptx_is_an_error() {
    for text in
        ["", "hello", ".version 8.0\n.visible .entry k( {", ".version 8.0\n.global .u32 x = y;", ".version 8.0\n}"]
    {
        let _ = parse(text).map(|m| m.names().for_each(|name| drop(m.kernel(name))));
    }
    assert!(parse("\x7fELF").is_err());
    assert!(parse(".version 8.0\n.global .align 4 .u32 x[2] = {1, 2, 3};").is_err());
}
