//! Instructions of a warp: lanes wait for those that the instruction names.

use super::access::apply;
use super::{Block, Warp};
use crate::fault::{Fault, FaultKind};
use crate::program::{Arg, Ins, Op, Shuffle, Vote};
use crate::types::{WARP, each};

/// Does the instruction need other lanes?
pub(super) fn is_of_warp(op: &Op) -> bool {
    matches!(
        op,
        Op::Shuffle(_)
            | Op::Vote(_)
            | Op::MatchAny(_)
            | Op::MatchAll(_)
            | Op::Redux(..)
            | Op::WarpBarrier
            | Op::LoadMatrix { .. }
            | Op::Mma(_)
    )
}

impl Block<'_> {
    /// Lanes `mask` have come to an instruction of the warp at `at`: it runs when all that it names are there.
    pub(super) fn meet(&mut self, warp: &mut Warp, ins: &Ins, mask: u32, at: u32) -> Result<(), Fault> {
        let there =
            (0..WARP).filter(|l| warp.waiting >> l & 1 == 1 && warp.counters[*l] == at).fold(mask, |m, l| m | 1 << l);
        let all = self.threads_of(warp);
        let named = if matches!(ins.op, Op::LoadMatrix { .. } | Op::Mma(_)) {
            if warp.live != !0 {
                let message = format!("lanes {:#x} are missing, all must take part", !warp.live);
                return Err(Fault::new(FaultKind::MissingLanes, message));
            }
            !0
        } else {
            // The mask is the last operand.
            let arg = ins.args.last().ok_or_else(|| Fault::new(FaultKind::Unknown, "no mask of lanes"))?;
            let masks = self.value(warp, arg);
            let named = masks[mask.trailing_zeros() as usize] as u32;
            if let Some(l) = (0..WARP).find(|l| there >> l & 1 == 1 && masks[*l] as u32 != named) {
                let message = format!("lane {l} names lanes {:#x}, another one {named:#x}", masks[l]);
                return Err(Fault::new(FaultKind::MissingLanes, message));
            }
            named
        };
        if there & !named != 0 {
            let message = format!("lanes {:#x} run it, which names only {named:#x}", there & !named);
            return Err(Fault::new(FaultKind::MissingLanes, message));
        }
        if named & all & warp.live & !there != 0 {
            warp.waiting |= mask;
            return Ok(());
        }
        self.of_warp(warp, ins, there)?;
        warp.waiting &= !there;
        warp.set_counters(there, at + 1);
        Ok(())
    }

    fn of_warp(&mut self, warp: &mut Warp, ins: &Ins, mask: u32) -> Result<(), Fault> {
        let args = &ins.args;
        let lanes = || (0..WARP).filter(|l| mask >> l & 1 == 1);
        match &ins.op {
            Op::WarpBarrier => self.shared.warp_met(warp.id),
            Op::Shuffle(how) => return self.shuffle(warp, ins, *how, mask),
            Op::Vote(vote) => {
                let value = self.value(warp, &args[1]);
                let yes = lanes().fold(0u32, |yes, l| yes | ((value[l] & 1) as u32) << l);
                let out = match vote {
                    Vote::Ballot => yes,
                    Vote::Any => u32::from(yes != 0),
                    Vote::All => u32::from(yes == mask),
                    Vote::Uniform => u32::from(yes == 0 || yes == mask),
                };
                warp.put(&args[0], &[out.into(); WARP], mask);
            }
            Op::MatchAny(ty) => {
                let value = self.value(warp, &args[1]);
                let same =
                    |l: usize| lanes().filter(|j| ty.cut(value[*j]) == ty.cut(value[l])).fold(0u64, |m, j| m | 1 << j);
                warp.put(&args[0], &each(same), mask);
            }
            Op::MatchAll(ty) => {
                let value = self.value(warp, &args[1]);
                let first = value[mask.trailing_zeros() as usize];
                let all = lanes().all(|l| ty.cut(value[l]) == ty.cut(first));
                let out = [if all { mask.into() } else { 0 }; WARP];
                match &args[0] {
                    Arg::Pair(d, p) => {
                        warp.put(d, &out, mask);
                        warp.put(p, &[all.into(); WARP], mask);
                    }
                    d => warp.put(d, &out, mask),
                }
            }
            Op::Redux(what, ty) => {
                let value = self.value(warp, &args[1]);
                let out = lanes().map(|l| ty.cut(value[l])).reduce(|a, b| apply(*what, *ty, a, b, 0)).unwrap_or(0);
                warp.put(&args[0], &[out; WARP], mask);
            }
            Op::LoadMatrix { transposed } => return self.load_matrix(warp, ins, *transposed),
            Op::Mma(shape) => return self.product(warp, ins, *shape),
            op => return Err(Fault::new(FaultKind::Unknown, format!("{op:?}"))),
        }
        Ok(())
    }

    fn shuffle(&mut self, warp: &mut Warp, ins: &Ins, how: Shuffle, mask: u32) -> Result<(), Fault> {
        let operand = |i: usize| self.value(warp, &ins.args[i]);
        let (a, b, c) = (operand(1), operand(2), operand(3));
        let (mut out, mut inside) = ([0; WARP], [0; WARP]);
        for l in (0..WARP).filter(|l| mask >> l & 1 == 1) {
            // Segments and their ends, as the manual's pseudocode has them.
            let (step, clamp, segment) = (b[l] as usize & 31, c[l] as usize & 31, c[l] as usize >> 8 & 31);
            let first = l & segment;
            let last = first | clamp & !segment;
            let (from, ok) = match how {
                Shuffle::Up => (l.wrapping_sub(step), l as isize - step as isize >= last as isize),
                Shuffle::Down => (l + step, l + step <= last),
                Shuffle::Butterfly => (l ^ step, l ^ step <= last),
                Shuffle::Index => (first | step & !segment, (first | step & !segment) <= last),
            };
            let from = if ok { from } else { l };
            if mask >> from & 1 == 0 {
                let message = format!("lane {l} asks lane {from}, which does not take part");
                return Err(Fault::new(FaultKind::MissingLanes, message));
            }
            (out[l], inside[l]) = (a[from] & 0xffff_ffff, ok.into());
        }
        match &ins.args[0] {
            Arg::Pair(d, p) => {
                warp.put(d, &out, mask);
                warp.put(p, &inside, mask);
            }
            d => warp.put(d, &out, mask),
        }
        Ok(())
    }
}
