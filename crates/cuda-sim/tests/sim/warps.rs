use crate::{run_on, words};
use half::{bf16, f16};

const OUT: &str = "mad.wide.u32 %d9, %r0, 4, %d0; st.global.u32 [%d9], %r20;";

#[test]
fn shuffles_follow_the_manual() {
    let shuffle =
        |how: &str, b: u32, c: u32| words(&format!("shfl.sync.{how}.b32 %r20, %r0, {b}, {c}, -1; {OUT}"), 32, &[]);
    let all = |f: fn(u32) -> u32| (0..32).map(f).collect::<Vec<_>>();
    assert_eq!(shuffle("bfly", 5, 31), all(|l| l ^ 5));
    assert_eq!(shuffle("down", 3, 31), all(|l| if l + 3 < 32 { l + 3 } else { l }));
    assert_eq!(shuffle("up", 3, 0), all(|l| if l >= 3 { l - 3 } else { l }));
    assert_eq!(shuffle("idx", 7, 31), all(|_| 7));
    // Segments of eight lanes: 32 - 8 in the upper bits.
    assert_eq!(shuffle("idx", 2, 24 << 8 | 31), all(|l| l / 8 * 8 + 2));
    assert_eq!(shuffle("down", 1, 24 << 8 | 31), all(|l| if l % 8 < 7 { l + 1 } else { l }));
    assert_eq!(shuffle("up", 1, 24 << 8), all(|l| if l % 8 > 0 { l - 1 } else { l }));
    assert_eq!(shuffle("bfly", 16, 24 << 8 | 31), all(|l| if l < 16 { l } else { l ^ 16 }));
    let inside = words(&format!("shfl.sync.up.b32 %r1|%p1, %r0, 4, 0, -1; selp.u32 %r20, 1, 0, %p1; {OUT}"), 32, &[]);
    assert_eq!(inside, all(|l| u32::from(l >= 4)));
}

#[test]
fn votes_matches_and_reductions() {
    let odd = "and.b32 %r1, %r0, 1; setp.eq.u32 %p1, %r1, 1;";
    assert_eq!(words(&format!("{odd} vote.sync.ballot.b32 %r20, %p1, -1; {OUT}"), 32, &[]), [0xaaaa_aaaa; 32]);
    let vote = |how: &str| {
        words(&format!("{odd} vote.sync.{how}.pred %p2, %p1, -1; selp.u32 %r20, 1, 0, %p2; {OUT}"), 32, &[])[0]
    };
    assert_eq!((vote("any"), vote("all"), vote("uni")), (1, 0, 0));
    let matched = words(&format!("rem.u32 %r1, %r0, 3; match.any.sync.b32 %r20, %r1, -1; {OUT}"), 32, &[]);
    assert_eq!(matched[4], (0..32).filter(|l| l % 3 == 1).fold(0, |m, l| m | 1 << l));
    let matched = words(&format!("match.all.sync.b32 %r20|%p1, %r0, -1; {OUT}"), 32, &[]);
    assert_eq!(matched, [0; 32]);
    assert_eq!(words(&format!("redux.sync.add.u32 %r20, %r0, -1; {OUT}"), 32, &[]), [496; 32]);
    assert_eq!(words(&format!("neg.s32 %r1, %r0; redux.sync.min.s32 %r20, %r1, -1; {OUT}"), 32, &[])[3] as i32, -31);
    assert_eq!(words(&format!("activemask.b32 %r20; {OUT}"), 8, &[]), [0xff; 8]);
    let masks =
        words(&format!("mov.u32 %r1, %lanemask_lt; mov.u32 %r2, %lanemask_ge; xor.b32 %r20, %r1, %r2; {OUT}"), 32, &[]);
    assert_eq!(masks, [!0; 32]);
}

#[test]
fn matrices_are_loaded_by_rows() {
    // Four matrices of 8 x 8 numbers, number i of all being i; lane l has the address of row l.
    let load = |name: &str| {
        let body = format!(
            ".shared .align 16 .b8 s[512]; mov.u32 %r1, s; mad.lo.u32 %r2, %r0, 16, %r1; mul.wide.u32 %d2, %r0, 16; add.u64 %d2, %d2, %d1;
             ld.global.v2.u64 {{%d3, %d4}}, [%d2]; st.shared.v2.u64 [%r2], {{%d3, %d4}}; bar.sync 0;
             {name} {{%r10, %r11, %r12, %r13}}, [%r2]; mad.wide.u32 %d9, %r0, 16, %d0;
             st.global.v4.u32 [%d9], {{%r10, %r11, %r12, %r13}};"
        );
        let input: Vec<u8> = (0..256u16).flat_map(u16::to_le_bytes).collect();
        let (out, _) = run_on("", &body, 32, &input, 512).unwrap_or_else(|e| panic!("{e}"));
        out.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect::<Vec<_>>()
    };
    for (name, transposed) in
        [("ldmatrix.sync.aligned.m8n8.x4.shared.b16", false), ("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16", true)]
    {
        let out = load(name);
        for (lane, matrix, half) in (0..32).flat_map(|l| (0..4).flat_map(move |m| (0..2).map(move |h| (l, m, h)))) {
            let (row, column) = (lane / 4, lane % 4 * 2 + half);
            let (row, column) = if transposed { (column, row) } else { (row, column) };
            assert_eq!(usize::from(out[lane * 8 + matrix * 2 + half]), matrix * 64 + row * 8 + column);
        }
    }
}

/// The product of fragments laid out as in the manual's figures: `a` of m x k, `b` of k x n, both by rows.
fn product(
    name: &str,
    (m, n, k): (usize, usize, usize),
    encode: impl Fn(f64) -> u64,
    size: usize,
    out: impl Fn(u64) -> f64,
    out_size: usize,
) {
    let a = |i: usize, j: usize| ((i * 7 + j * 3) % 11) as f64 - 5.0;
    let b = |i: usize, j: usize| ((i * 5 + j * 2) % 7) as f64 - 3.0;
    let c = |i: usize, j: usize| (i + j) as f64;
    // Every lane brings its registers: as the figures say, row by groups of four lanes.
    let per = 4 / size.min(4);
    let (mut left, mut right, mut sums) = (Vec::new(), Vec::new(), Vec::new());
    for lane in 0..32 {
        let (g, q) = (lane / 4, lane % 4);
        // Two halves side by side, or one number; the upper rows, then, further in depth, the same again.
        let step = if size == 2 { 8 } else { 4 };
        for depth in (0..k).step_by(step) {
            for row in (0..m).step_by(8) {
                (0..per).for_each(|i| left.push(encode(a(row + g, depth + q * per + i))));
            }
            (0..per).for_each(|i| right.push(encode(b(depth + q * per + i, g))));
        }
        for row in (0..m).step_by(8) {
            (0..2).for_each(|i| sums.push(c(row + g, q * 2 + i)));
        }
    }
    let bytes =
        |all: &[u64], size: usize| all.iter().flat_map(|x| x.to_le_bytes()[..size].to_vec()).collect::<Vec<u8>>();
    let encode_sum = |x: f64| match out_size {
        2 => u64::from(f16::from_f64(x).to_bits()),
        4 => u64::from((x as f32).to_bits()),
        _ => x.to_bits(),
    };
    let (la, lb, lc) = (
        bytes(&left, size),
        bytes(&right, size),
        bytes(&sums.iter().map(|x| encode_sum(*x)).collect::<Vec<_>>(), out_size),
    );
    let class = if size == 8 { ("d", 8) } else { ("r", 4) };
    let regs = |bytes: usize| bytes / 32 / class.1;
    let mut body = String::new();
    let mut lists = Vec::new();
    let mut first = 10;
    for (at, len) in [(0, la.len()), (la.len(), lb.len()), (la.len() + lb.len(), lc.len())] {
        let names: Vec<String> = (0..regs(len)).map(|i| format!("%{}{}", class.0, first + i)).collect();
        body += &format!("mad.wide.u32 %d2, %r0, {}, %d1;", len / 32);
        for (i, name) in names.iter().enumerate() {
            body += &format!("ld.global.b{} {name}, [%d2+{}];", class.1 * 8, at + i * class.1);
        }
        first += names.len();
        lists.push(format!("{{{}}}", names.join(", ")));
    }
    let to: Vec<String> = (0..regs(lc.len())).map(|i| format!("%{}{}", class.0, first + i)).collect();
    body += &format!(
        "{name} {{{}}}, {}, {}, {}; mad.wide.u32 %d2, %r0, {}, %d0;",
        to.join(", "),
        lists[0],
        lists[1],
        lists[2],
        lc.len() / 32
    );
    for (i, name) in to.iter().enumerate() {
        body += &format!("st.global.b{} [%d2+{}], {name};", class.1 * 8, i * class.1);
    }
    let input = [la, lb, lc.clone()].concat();
    let (got, counts) = run_on("", &body, 32, &input, lc.len()).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(counts.mma, 1);
    let got: Vec<f64> = got
        .chunks_exact(out_size)
        .map(|b| {
            let mut word = [0; 8];
            word[..out_size].copy_from_slice(b);
            out(u64::from_le_bytes(word))
        })
        .collect();
    let mut at = 0;
    for lane in 0..32 {
        for row in (0..m).step_by(8) {
            for i in 0..2 {
                let (row, column) = (row + lane / 4, lane % 4 * 2 + i);
                let want: f64 = (0..k).map(|d| a(row, d) * b(d, column)).sum::<f64>() + c(row, column);
                assert!(column < n && got[at] == want, "{name} {row} {column}: {} {want}", got[at]);
                at += 1;
            }
        }
    }
}

#[test]
fn tensor_cores_multiply() {
    let half = |x: f64| u64::from(f16::from_f64(x).to_bits());
    let brain = |x: f64| u64::from(bf16::from_f64(x).to_bits());
    let single = |x: f64| u64::from((x as f32).to_bits());
    let from32 = |x: u64| f64::from(f32::from_bits(x as u32));
    let from16 = |x: u64| f16::from_bits(x as u16).to_f64();
    product("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", (16, 8, 16), brain, 2, from32, 4);
    product("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", (16, 8, 16), half, 2, from32, 4);
    product("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16", (16, 8, 16), half, 2, from16, 2);
    product("mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32", (16, 8, 8), brain, 2, from32, 4);
    product("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32", (16, 8, 8), half, 2, from32, 4);
    product("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", (16, 8, 8), single, 4, from32, 4);
    product("mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32", (16, 8, 4), single, 4, from32, 4);
    product("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64", (8, 8, 4), f64::to_bits, 8, f64::from_bits, 8);
}
