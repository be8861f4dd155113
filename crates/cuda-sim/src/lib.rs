//! A simulated GPU: an interpreter of PTX, a warp at a time, that checks every access.
//!
//! [`parse`] reads a module as the compiler writes it, [`run`] runs one of its kernels on a [`Memory`]. Each run checks
//! bounds and alignment of each access, reads of memory that nobody wrote, races in shared memory between barriers,
//! lanes missing from instructions of the warp, and barriers that not all threads meet; it counts instructions, sectors
//! of memory against the fewest that would do, and bank conflicts ([`Counts`]). What the interpreter does not know is an
//! error that names the instruction.
//!
//! The shared object of the crate is a stand-in for `libcuda` ([`driver`]).
//!
//! It is right where a chip leaves no choice. Where one does, it differs: `.approx` functions are the host's, which are
//! better, sums of tensor cores are rounded one by one, and the compiler's later contraction of products and sums is
//! not seen. Time is not simulated.
//!
//! ```
//! use flambeau_cuda_sim::{Counts, LIMIT, Launch, Memory, parse, run};
//! let module = parse(
//!     ".version 8.0
//!      .target sm_80
//!      .address_size 64
//!      .visible .entry double(.param .u64 x) {
//!          .reg .b32 %r<3>;
//!          .reg .b64 %rd<3>;
//!          ld.param.u64 %rd1, [x];
//!          mov.u32 %r1, %tid.x;
//!          mad.wide.u32 %rd2, %r1, 4, %rd1;
//!          ld.global.u32 %r2, [%rd2];
//!          add.u32 %r2, %r2, %r2;
//!          st.global.u32 [%rd2], %r2;
//!          ret;
//!      }",
//! )?;
//! let kernel = module.kernel("double").ok_or("no such kernel")??;
//! let mut memory = Memory::default();
//! let x = memory.allocate(0, 16);
//! memory.write(x, &[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0])?;
//! let mut counts = Counts::default();
//! let (params, variables) = (x.to_le_bytes(), &[]);
//! let launch = |threads| Launch { kernel, variables, params: &params, grid: [1, 1, 1], block: [threads, 1, 1], shared: 0, device: 0, seed: 0, limit: LIMIT };
//! run(&launch(4), &mut memory, &mut counts)?;
//! assert_eq!(memory.read(x, 16)?[12], 8);
//! assert!(run(&launch(5), &mut memory, &mut counts).is_err(), "the fifth is not there");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod counts;
mod decode;
pub mod driver;
mod execute;
mod fault;
mod memory;
mod parse;
mod program;
mod shared;
mod types;

pub use counts::Counts;
pub use execute::{LIMIT, Launch, run};
pub use fault::{Fault, FaultKind};
pub use memory::{Allocation, Memory, Owner};
pub use parse::parse;
pub use program::{Kernel, Module, Variable};
