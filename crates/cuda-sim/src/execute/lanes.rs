//! Instructions of each lane on its own.

use super::{Block, LOCAL_WINDOW, PARAM_WINDOW, SHARED_WINDOW, Warp};
use crate::decode::alu::{Carry, Compare, Fun, Join, flush};
use crate::fault::{Fault, FaultKind};
use crate::program::{Arg, Ins, Op, Space};
use crate::types::{Lanes, Ty, WARP, each};

impl Block<'_> {
    /// Runs an instruction that neither branches nor waits, for the lanes of `mask`.
    pub(super) fn execute(&mut self, warp: &mut Warp, ins: &Ins, mask: u32) -> Result<(), Fault> {
        let args = &ins.args;
        match &ins.op {
            Op::Alu(alu) => {
                let input = |i: usize| {
                    let value = self.value(warp, &args[i]);
                    if alu.ftz { each(|l| flush(value[l])) } else { value }
                };
                let out = match alu.fun {
                    Fun::One(f) => f(&input(1)),
                    Fun::Two(f) => f(&input(1), &input(2)),
                    Fun::Three(f) => f(&input(1), &input(2), &input(3)),
                    Fun::Four(f) => f(&input(1), &input(2), &input(3), &input(4)),
                };
                let out = if alu.ftz || alu.sat { alu.finish(out) } else { out };
                warp.put(&args[0], &out, mask);
            }
            Op::Mov(ty) => self.mov(warp, ins, *ty, mask),
            Op::Compare(compare) => self.compare(warp, ins, compare, mask),
            Op::Cvt(cvt) => {
                let a = self.value(warp, &args[1]);
                let out = if cvt.is_packed() {
                    let b = self.value(warp, &args[2]);
                    each(|l| cvt.run2(a[l], b[l]))
                } else {
                    each(|l| cvt.run(a[l]))
                };
                warp.put(&args[0], &out, mask);
            }
            Op::Carry(carry) => self.carry(warp, ins, carry, mask),
            Op::Cvta { space, back } => {
                let window = match space {
                    Space::Shared => SHARED_WINDOW,
                    Space::Local => LOCAL_WINDOW,
                    Space::Param => PARAM_WINDOW,
                    _ => 0,
                };
                let value = self.value(warp, &args[1]);
                let out = if *back {
                    each(|l| value[l].wrapping_sub(window))
                } else {
                    each(|l| value[l].wrapping_add(window))
                };
                warp.put(&args[0], &out, mask);
            }
            Op::IsSpace(space) => {
                let value = self.value(warp, &args[1]);
                let out = each(|l| {
                    u64::from(match value[l] >> 56 {
                        0x7f => *space == Space::Shared,
                        0x7e => *space == Space::Local,
                        0x7d => *space == Space::Param,
                        _ => *space == Space::Global,
                    })
                });
                warp.put(&args[0], &out, mask);
            }
            Op::Load { space, ty } => self.load(warp, ins, *space, *ty, mask)?,
            Op::Store { space, ty } => self.store(warp, ins, *space, *ty, mask)?,
            Op::Atomic { space, ty, what, answers } => self.atomic(warp, ins, (*space, *ty, *what, *answers), mask)?,
            Op::CopyAsync => self.copy_async(warp, ins, mask)?,
            Op::CopyCommit => {
                for l in (0..WARP).filter(|l| mask >> l & 1 == 1) {
                    warp.copies[l].push_back(Vec::new());
                }
            }
            Op::CopyWait(groups) => {
                let most = groups.map(|_| args.first().map_or(0, |arg| self.value(warp, arg)[0]));
                self.copy_wait(warp, most, mask);
            }
            Op::ActiveMask => warp.put(&args[0], &[u64::from(mask); WARP], mask),
            Op::Fence | Op::Barrier { .. } => {}
            Op::Trap => return Err(Fault::new(FaultKind::Trap, "trap")),
            op => return Err(Fault::new(FaultKind::Unknown, format!("{op:?}"))),
        }
        Ok(())
    }

    /// Also takes a register apart, or puts it together.
    fn mov(&mut self, warp: &mut Warp, ins: &Ins, ty: Ty, mask: u32) {
        match (&ins.args[0], &ins.args[1]) {
            (Arg::Vector(to), from) => {
                let value = self.value(warp, from);
                let bits = ty.bits() / to.len() as u32;
                for (i, part) in to.iter().enumerate() {
                    warp.put(part, &each(|l| value[l] >> (i as u32 * bits) & (!0 >> (64 - bits))), mask);
                }
            }
            (to, Arg::Vector(from)) => {
                let bits = ty.bits() / from.len() as u32;
                let mut out = [0; WARP];
                for (i, part) in from.iter().enumerate() {
                    let value = self.value(warp, part);
                    (0..WARP).for_each(|l| out[l] |= (value[l] & (!0 >> (64 - bits))) << (i as u32 * bits));
                }
                warp.put(to, &out, mask);
            }
            (to, from) => {
                let value = self.value(warp, from);
                warp.put(to, &each(|l| ty.cut(value[l])), mask);
            }
        }
    }

    fn compare(&mut self, warp: &mut Warp, ins: &Ins, compare: &Compare, mask: u32) {
        let input = |i: usize| -> Lanes {
            let value = self.value(warp, &ins.args[i]);
            if compare.ftz { each(|l| flush(value[l])) } else { value }
        };
        let out = (compare.fun)(&input(1), &input(2));
        let with = compare.join.map_or([0; WARP], |_| self.value(warp, &ins.args[3]));
        let joined = |l: usize, x: u64| match compare.join {
            None => x,
            Some(Join::And) => x & with[l] & 1,
            Some(Join::Or) => x | with[l] & 1,
            Some(Join::Xor) => x ^ with[l] & 1,
        };
        match &ins.args[0] {
            // The second one holds the comparison's opposite, joined likewise.
            Arg::Pair(p, q) => {
                warp.put(p, &each(|l| joined(l, out[l])), mask);
                warp.put(q, &each(|l| joined(l, out[l] ^ 1)), mask);
            }
            p => warp.put(p, &each(|l| joined(l, out[l])), mask),
        }
    }

    fn carry(&mut self, warp: &mut Warp, ins: &Ins, carry: &Carry, mask: u32) {
        let (a, b) = (self.value(warp, &ins.args[1]), self.value(warp, &ins.args[2]));
        let c = ins.args.get(3).map_or([0; WARP], |arg| self.value(warp, arg));
        let (mut out, mut carries) = ([0; WARP], warp.carries);
        for l in (0..WARP).filter(|l| mask >> l & 1 == 1) {
            let (value, left) = carry.run(a[l], b[l], c[l], warp.carries >> l & 1 == 1);
            out[l] = value;
            if carry.leaves {
                carries = carries & !(1 << l) | u32::from(left) << l;
            }
        }
        warp.carries = carries;
        warp.put(&ins.args[0], &out, mask);
    }
}
