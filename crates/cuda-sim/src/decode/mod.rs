//! From an instruction's name and modifiers to what it does. A name or a modifier that is not known is an error.

pub(crate) mod alu;
mod arithmetic;
pub(crate) mod convert;
pub(crate) mod floats;
mod logic;

use crate::program::{Arg, Atomic, Base, Mma, Op, Shuffle, Space, Vote};
use crate::types::Ty;

/// The modifiers of an instruction, each to be taken once.
pub(crate) struct Mods<'a> {
    name: &'a str,
    left: Vec<&'a str>,
}

impl<'a> Mods<'a> {
    /// Takes this modifier, if it is there.
    pub fn take(&mut self, modifier: &str) -> bool {
        let at = self.left.iter().position(|m| *m == modifier);
        at.map(|i| self.left.remove(i)).is_some()
    }

    /// Takes whichever of these is there.
    pub fn any(&mut self, modifiers: &[&'static str]) -> Option<&'static str> {
        modifiers.iter().copied().find(|m| self.take(m))
    }

    /// Takes the first type.
    pub fn ty(&mut self) -> Result<Ty, String> {
        let at =
            self.left.iter().position(|m| Ty::named(m).is_some()).ok_or_else(|| format!("no type in {}", self.name))?;
        Ok(Ty::named(self.left.remove(at)).unwrap_or(Ty::B32))
    }

    /// Takes the modifiers that change nothing where every access is done at once and no cache is kept.
    fn ignore(&mut self, modifiers: &[&str]) {
        self.left.retain(|m| !modifiers.contains(m));
    }

    pub fn unknown<T>(&self) -> Result<T, String> {
        Err(format!("unknown instruction {}", self.name))
    }
}

const ORDER: &[&str] =
    &["volatile", "relaxed", "acquire", "release", "acq_rel", "sc", "weak", "cta", "cluster", "gpu", "sys", "mmio"];
const CACHE: &[&str] = &[
    "ca",
    "cg",
    "cs",
    "lu",
    "cv",
    "wb",
    "wt",
    "nc",
    "L1::evict_normal",
    "L1::evict_first",
    "L1::evict_last",
    "L1::evict_unchanged",
    "L1::no_allocate",
    "L2::64B",
    "L2::128B",
    "L2::256B",
    "L2::cache_hint",
];

fn space(mods: &mut Mods<'_>) -> Space {
    match mods.any(&["global", "const", "shared", "shared::cta", "local", "param", "param::entry", "param::func"]) {
        Some("global" | "const") => Space::Global,
        Some("shared" | "shared::cta") => Space::Shared,
        Some("local") => Space::Local,
        Some(_) => Space::Param,
        None => Space::Generic,
    }
}

/// What the instruction `name` does.
pub(crate) fn decode(name: &str, args: &[Arg]) -> Result<Op, String> {
    let mut parts = name.split('.');
    let base = parts.next().unwrap_or("");
    let mut mods = Mods { name, left: parts.collect() };
    let op = match base {
        "mov" => Op::Mov(mods.ty()?),
        "ld" | "ldu" | "st" => access(base, &mut mods, args)?,
        "atom" | "red" => atomic(base, &mut mods)?,
        "cvta" => {
            let (back, space) = (mods.take("to"), space(&mut mods));
            mods.ty()?;
            Op::Cvta { space, back }
        }
        "isspacep" => Op::IsSpace(space(&mut mods)),
        "cvt" => Op::Cvt(convert::decode(&mut mods)?),
        "setp" => Op::Compare(alu::compare(&mut mods)?),
        "addc" | "subc" | "madc" => Op::Carry(alu::carry(base, &mut mods)?),
        "add" | "sub" | "mad" if mods.left.contains(&"cc") => Op::Carry(alu::carry(base, &mut mods)?),
        "cp" => copy_async(&mut mods)?,
        "ldmatrix" => {
            mods.ignore(&["sync", "aligned", "m8n8", "x1", "x2", "x4", "shared", "shared::cta", "b16"]);
            Op::LoadMatrix { transposed: mods.take("trans") }
        }
        "mma" => mma(&mut mods)?,
        "shfl" | "vote" | "match" | "redux" => of_warp(base, &mut mods)?,
        "activemask" => {
            mods.ty()?;
            Op::ActiveMask
        }
        "bar" | "barrier" => barrier(&mut mods)?,
        "membar" | "fence" => {
            mods.ignore(ORDER);
            mods.ignore(&["gl"]);
            Op::Fence
        }
        "nanosleep" => {
            mods.ty()?;
            Op::Fence
        }
        "bra" => {
            mods.take("uni");
            if !matches!(args, [Arg::Label(_)]) {
                return mods.unknown();
            }
            Op::Branch
        }
        "ret" | "exit" => {
            mods.take("uni");
            Op::Exit
        }
        "trap" => Op::Trap,
        _ => Op::Alu(alu::decode(base, &mut mods, args.len())?),
    };
    if mods.left.is_empty() { Ok(op) } else { mods.unknown() }
}

fn access(base: &str, mods: &mut Mods<'_>, args: &[Arg]) -> Result<Op, String> {
    mods.ignore(ORDER);
    mods.ignore(CACHE);
    let mut space = space(mods);
    let vector = mods.any(&["v2", "v4", "v8"]);
    let ty = mods.ty()?;
    let (address, value) = if base == "st" { (0, 1) } else { (1, 0) };
    let count = match vector {
        None => 1,
        Some("v2") => 2,
        Some("v4") => 4,
        Some(_) => 8,
    };
    let Some(Arg::Address(from, _)) = args.get(address) else { return mods.unknown() };
    match args.get(value) {
        Some(Arg::Vector(values)) if values.len() == count => {}
        Some(Arg::Vector(_)) | None => return mods.unknown(),
        Some(_) if count > 1 => return mods.unknown(),
        Some(_) => {}
    }
    // Arguments of a call that was expanded are the caller's own.
    if space == Space::Param && matches!(from, Base::Local(_)) {
        space = Space::Local;
    }
    Ok(if base == "st" { Op::Store { space, ty } } else { Op::Load { space, ty } })
}

fn atomic(base: &str, mods: &mut Mods<'_>) -> Result<Op, String> {
    mods.ignore(ORDER);
    mods.ignore(&["noftz", "L2::cache_hint"]);
    let space = space(mods);
    let what = match mods.any(&["add", "exch", "cas", "min", "max", "and", "or", "xor", "inc", "dec"]) {
        Some("add") => Atomic::Add,
        Some("exch") => Atomic::Exchange,
        Some("cas") => Atomic::CompareSwap,
        Some("min") => Atomic::Min,
        Some("max") => Atomic::Max,
        Some("and") => Atomic::And,
        Some("or") => Atomic::Or,
        Some("xor") => Atomic::Xor,
        Some("inc") => Atomic::Inc,
        Some("dec") => Atomic::Dec,
        _ => return mods.unknown(),
    };
    let ty = mods.ty()?;
    let floats = ty.is_float() || matches!(ty, Ty::F16x2 | Ty::BF16x2);
    if floats && what != Atomic::Add || ty == Ty::TF32 {
        return mods.unknown();
    }
    Ok(Op::Atomic { space, ty, what, answers: base == "atom" })
}

fn copy_async(mods: &mut Mods<'_>) -> Result<Op, String> {
    if !mods.take("async") {
        return mods.unknown();
    }
    Ok(if mods.take("commit_group") {
        Op::CopyCommit
    } else if mods.take("wait_group") {
        // How many is its operand.
        Op::CopyWait(Some(0))
    } else if mods.take("wait_all") {
        Op::CopyWait(None)
    } else {
        mods.ignore(CACHE);
        mods.ignore(&["global", "shared", "shared::cta"]);
        Op::CopyAsync
    })
}

fn mma(mods: &mut Mods<'_>) -> Result<Op, String> {
    mods.ignore(&["sync", "aligned", "rn"]);
    let shape = mods.any(&["m16n8k4", "m16n8k8", "m16n8k16", "m8n8k4"]);
    if !mods.take("row") || !mods.take("col") {
        return mods.unknown();
    }
    let (d, a, b, c) = (mods.ty()?, mods.ty()?, mods.ty()?, mods.ty()?);
    let k = match (shape, a) {
        (Some("m16n8k16"), Ty::F16 | Ty::BF16) => 16,
        (Some("m16n8k8"), Ty::F16 | Ty::BF16 | Ty::TF32) => 8,
        (Some("m16n8k4"), Ty::TF32) | (Some("m8n8k4"), Ty::F64) => 4,
        _ => return mods.unknown(),
    };
    let fits = match a {
        Ty::F64 => d == Ty::F64,
        Ty::F16 => matches!(d, Ty::F16 | Ty::F32),
        _ => d == Ty::F32,
    };
    if a != b || c != d || !fits {
        return mods.unknown();
    }
    Ok(Op::Mma(Mma { k, ab: a, cd: d }))
}

fn of_warp(base: &str, mods: &mut Mods<'_>) -> Result<Op, String> {
    if !mods.take("sync") {
        return mods.unknown();
    }
    let kind = mods
        .any(&["up", "down", "bfly", "idx", "all", "any", "uni", "ballot", "add", "min", "max", "and", "or", "xor"]);
    let ty = mods.ty()?;
    Ok(match (base, kind) {
        ("shfl", Some("up")) => Op::Shuffle(Shuffle::Up),
        ("shfl", Some("down")) => Op::Shuffle(Shuffle::Down),
        ("shfl", Some("bfly")) => Op::Shuffle(Shuffle::Butterfly),
        ("shfl", Some("idx")) => Op::Shuffle(Shuffle::Index),
        ("vote", Some("all")) => Op::Vote(Vote::All),
        ("vote", Some("any")) => Op::Vote(Vote::Any),
        ("vote", Some("uni")) => Op::Vote(Vote::Uniform),
        ("vote", Some("ballot")) => Op::Vote(Vote::Ballot),
        ("match", Some("any")) => Op::MatchAny(ty),
        ("match", Some("all")) => Op::MatchAll(ty),
        ("redux", Some("add")) => Op::Redux(Atomic::Add, ty),
        ("redux", Some("min")) => Op::Redux(Atomic::Min, ty),
        ("redux", Some("max")) => Op::Redux(Atomic::Max, ty),
        ("redux", Some("and")) => Op::Redux(Atomic::And, ty),
        ("redux", Some("or")) => Op::Redux(Atomic::Or, ty),
        ("redux", Some("xor")) => Op::Redux(Atomic::Xor, ty),
        _ => return mods.unknown(),
    })
}

fn barrier(mods: &mut Mods<'_>) -> Result<Op, String> {
    if mods.take("warp") {
        return if mods.take("sync") { Ok(Op::WarpBarrier) } else { mods.unknown() };
    }
    mods.ignore(&["cta", "aligned"]);
    if mods.take("sync") {
        Ok(Op::Barrier { waits: true })
    } else if mods.take("arrive") {
        Ok(Op::Barrier { waits: false })
    } else {
        mods.unknown()
    }
}
