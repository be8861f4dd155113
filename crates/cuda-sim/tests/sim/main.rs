//! The interpreter: each form of each instruction against the PTX manual's definition, and each check; and the driver
//! that stands on it.
#![allow(missing_docs)]

mod arithmetic;
mod checks;
mod control;
mod conversion;
mod driver;
mod floats;
mod memory;
mod warps;

use flambeau_cuda_sim::{Counts, Fault, FaultKind, LIMIT, Launch, Memory, parse, run};

/// A kernel `k(.u64 out, .u64 in)` with this body.
fn module(declarations: &str, body: &str) -> String {
    format!(
        ".version 8.7\n.target sm_80\n.address_size 64\n{declarations}
        .visible .entry k(.param .u64 k_0, .param .u64 k_1) {{
            .reg .pred %p<10>; .reg .b16 %h<20>; .reg .b32 %r<40>; .reg .b64 %d<40>;
            ld.param.u64 %d0, [k_0];
            ld.param.u64 %d1, [k_1];
            mov.u32 %r0, %tid.x;
            {body}
            ret;
        }}"
    )
}

/// Runs `threads` threads of a body on `input`; what is in an output of `bytes` bytes, zero at first.
fn run_on(
    declarations: &str,
    body: &str,
    threads: u32,
    input: &[u8],
    bytes: usize,
) -> Result<(Vec<u8>, Counts), Fault> {
    let unknown = |message: String| Err(fault(FaultKind::Unknown, message));
    let module = match parse(&module(declarations, body)) {
        Ok(module) => module,
        Err(message) => return unknown(message),
    };
    let kernel = match module.kernel("k").expect("the kernel that was just written") {
        Ok(kernel) => kernel,
        Err(message) => return unknown(message),
    };
    let mut memory = Memory::default();
    let variables: Vec<u64> = module
        .variables
        .iter()
        .map(|v| {
            let at = memory.allocate(0, v.bytes.len());
            memory.write(at, &v.bytes).map(|()| at)
        })
        .collect::<Result<_, _>>()?;
    let (out, from) = (memory.allocate(0, bytes), memory.allocate(0, input.len().max(1)));
    memory.write(out, &vec![0; bytes])?;
    memory.write(from, input)?;
    let params: Vec<u8> = [out, from].iter().flat_map(|p| p.to_le_bytes()).collect();
    let (grid, block) = ([1, 1, 1], [threads, 1, 1]);
    let launch = Launch {
        kernel,
        variables: &variables,
        params: &params,
        grid,
        block,
        shared: 64,
        device: 0,
        seed: 1,
        limit: LIMIT / 1000,
    };
    let mut counts = Counts::default();
    run(&launch, &mut memory, &mut counts)?;
    Ok((memory.read(out, bytes)?, counts))
}

fn fault(kind: FaultKind, message: String) -> Fault {
    Fault { kind, message }
}

/// The 32-bit words that `threads` threads leave.
fn words(body: &str, threads: u32, input: &[u32]) -> Vec<u32> {
    let input: Vec<u8> = input.iter().flat_map(|x| x.to_le_bytes()).collect();
    let (bytes, _) = run_on("", body, threads, &input, 4 * threads as usize).unwrap_or_else(|e| panic!("{e}"));
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// The fault that a body ends in.
fn faulty(body: &str, threads: u32) -> Fault {
    let input: Vec<u8> = (0..1024).map(|i| i as u8).collect();
    run_on("", body, threads, &input, 1024).expect_err("it has a fault")
}

/// The register class that holds so many bits.
fn class(bits: u32) -> char {
    match bits {
        1 => 'p',
        16 => 'h',
        64 => 'd',
        _ => 'r',
    }
}

/// What `name` gives for `args`, each of so many bits: `eval("add.u32", 32, &[(32, 1), (32, 2)])`.
fn eval(name: &str, to: u32, args: &[(u32, u64)]) -> u64 {
    let mut body = String::new();
    let mut operands = vec![format!("%{}10", class(to))];
    for (i, (bits, _)) in args.iter().enumerate() {
        let reg = format!("%{}{}", class(*bits), if *bits == 1 { i + 2 } else { i + 11 });
        if *bits == 1 {
            body += &format!("ld.global.u32 %r{}, [%d1+{}]; setp.ne.u32 {reg}, %r{}, 0;\n", i + 30, 8 * i, i + 30);
        } else {
            body += &format!("ld.global.b{bits} {reg}, [%d1+{}];\n", 8 * i);
        }
        operands.push(reg);
    }
    if to == 1 {
        operands[0] = "%p1".into();
        body += &format!("{name} {};\nselp.u32 %r10, 1, 0, %p1;\nst.global.u32 [%d0], %r10;", operands.join(", "));
    } else {
        body += &format!("{name} {};\nst.global.b{to} [%d0], {};", operands.join(", "), operands[0]);
    }
    let input: Vec<u8> = args.iter().flat_map(|(_, x)| x.to_le_bytes()).collect();
    let (bytes, _) = run_on("", &body, 1, &input, 8).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut out = [0; 8];
    out.copy_from_slice(&bytes);
    u64::from_le_bytes(out)
}

/// [`eval`] where all operands have `bits` bits.
fn same(name: &str, bits: u32, args: &[u64]) -> u64 {
    let args: Vec<(u32, u64)> = args.iter().map(|x| (bits, *x)).collect();
    eval(name, bits, &args)
}

fn single(name: &str, args: &[f32]) -> f32 {
    let args: Vec<u64> = args.iter().map(|x| u64::from(x.to_bits())).collect();
    f32::from_bits(same(name, 32, &args) as u32)
}

fn double(name: &str, args: &[f64]) -> f64 {
    f64::from_bits(same(name, 64, &args.iter().map(|x| x.to_bits()).collect::<Vec<_>>()))
}
