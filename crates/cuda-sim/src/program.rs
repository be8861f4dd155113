//! What a PTX module is once it is parsed: kernels, and instructions whose meaning is settled.

use crate::decode::alu::{Alu, Carry, Compare};
use crate::decode::convert::Cvt;
use crate::parse::{Entry, Names};
use crate::types::Ty;
use std::collections::BTreeMap;

/// A register of a kernel, by number.
pub(crate) type Reg = u32;

/// A parsed module.
#[derive(Debug, Default)]
pub struct Module {
    pub(crate) entries: BTreeMap<String, Entry>,
    pub(crate) names: Names,
    /// Its variables in global and constant memory.
    pub variables: Vec<Variable>,
}

/// A variable of a module.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its alignment in bytes.
    pub align: u64,
    /// What it holds at first.
    pub bytes: Vec<u8>,
}

/// A kernel, ready to run: all calls expanded, all labels resolved.
#[derive(Clone, Debug, Default)]
pub struct Kernel {
    /// Its name.
    pub name: String,
    pub(crate) code: Vec<Ins>,
    /// How many registers a thread has.
    pub(crate) registers: usize,
    /// Bytes of shared memory, without what a launch adds.
    pub shared: u64,
    /// Bytes of local memory for each thread.
    pub local: u64,
    /// Offset and size of each parameter.
    pub params: Vec<(u64, usize)>,
    /// Bytes of all parameters.
    pub param_bytes: u64,
    /// The most threads a block may have, where the kernel says so.
    pub max_threads: Option<u32>,
}

/// An instruction.
#[derive(Clone, Debug)]
pub(crate) struct Ins {
    /// The predicate it is under, and whether that is negated.
    pub guard: Option<(Reg, bool)>,
    pub op: Op,
    pub args: Vec<Arg>,
    /// As it is written.
    pub text: Box<str>,
}

/// An operand.
#[derive(Clone, Debug)]
pub(crate) enum Arg {
    Reg(Reg),
    /// The predicate in a register, negated.
    Not(Reg),
    Imm(u64),
    Special(Special),
    /// An address: what is there, or, as a value, the address itself.
    Address(Base, i64),
    Vector(Vec<Arg>),
    /// Two destinations: `p|q`.
    Pair(Box<Arg>, Box<Arg>),
    /// The target of a branch.
    Label(u32),
    /// `_`
    Nothing,
}

/// What an address starts from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Base {
    Reg(Reg),
    Shared(u64),
    /// The shared memory that a launch adds.
    Dynamic,
    Local(u64),
    Param(u64),
    Variable(usize),
    Zero,
}

macro_rules! specials {
    ($($name:literal $variant:ident)*) => {
        /// A special register.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Special { $($variant),* }
        impl Special {
            pub fn named(name: &str) -> Option<Special> {
                Some(match name { $($name => Special::$variant,)* _ => return None })
            }
        }
    };
}

specials! {
    "%tid.x" TidX "%tid.y" TidY "%tid.z" TidZ "%ntid.x" NtidX "%ntid.y" NtidY "%ntid.z" NtidZ
    "%ctaid.x" CtaidX "%ctaid.y" CtaidY "%ctaid.z" CtaidZ "%nctaid.x" NctaidX "%nctaid.y" NctaidY "%nctaid.z" NctaidZ
    "%laneid" LaneId "%warpid" WarpId "%nwarpid" Nwarpid "%smid" Smid "%nsmid" Nsmid
    "%lanemask_eq" MaskEq "%lanemask_lt" MaskLt "%lanemask_le" MaskLe "%lanemask_gt" MaskGt "%lanemask_ge" MaskGe
    "%clock" Clock "%clock64" Clock64 "%globaltimer" GlobalTimer "%dynamic_smem_size" DynamicShared
}

/// Where an access goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    Generic,
    Global,
    Shared,
    Local,
    Param,
}

/// What an atomic does with what is there and what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Atomic {
    Add,
    Exchange,
    CompareSwap,
    Min,
    Max,
    And,
    Or,
    Xor,
    Inc,
    Dec,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shuffle {
    Up,
    Down,
    Butterfly,
    Index,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vote {
    All,
    Any,
    Uniform,
    Ballot,
}

/// What the numbers of a matrix product are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mma {
    /// Depth of the product; rows and columns follow from the type.
    pub k: usize,
    pub ab: Ty,
    pub cd: Ty,
}

/// What an instruction does.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// A function of each lane on its own.
    Alu(Alu),
    Carry(Carry),
    Compare(Compare),
    Cvt(Cvt),
    /// Also takes apart and puts together vectors.
    Mov(Ty),
    /// From an address of a space to a generic one, or back.
    Cvta {
        space: Space,
        back: bool,
    },
    /// Is a generic address in this space?
    IsSpace(Space),
    Load {
        space: Space,
        ty: Ty,
    },
    Store {
        space: Space,
        ty: Ty,
    },
    Atomic {
        space: Space,
        ty: Ty,
        what: Atomic,
        /// It answers with what was there.
        answers: bool,
    },
    CopyAsync,
    CopyCommit,
    /// Waits until at most so many groups are on their way; `None`: until none is, committed or not.
    CopyWait(Option<u64>),
    LoadMatrix {
        transposed: bool,
    },
    Mma(Mma),
    Shuffle(Shuffle),
    Vote(Vote),
    MatchAny(Ty),
    MatchAll(Ty),
    /// A reduction over the lanes of a mask.
    Redux(Atomic, Ty),
    ActiveMask,
    /// A barrier of the block: waits unless it only arrives.
    Barrier {
        waits: bool,
    },
    WarpBarrier,
    /// Orders memory; nothing to do where every access is done at once.
    Fence,
    Branch,
    BranchTable(Vec<u32>),
    Exit,
    Trap,
}
