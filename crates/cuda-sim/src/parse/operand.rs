//! Operands.

use super::body::Writer;
use crate::program::{Arg, Base, Special};

/// Splits at commas outside of brackets.
pub(super) fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (i, c) in text.char_indices() {
        match c {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|p| !p.is_empty());
    parts
}

/// A number as PTX writes it: `12`, `-3`, `0x1F`, `0f3F800000`, `0d3FF0000000000000`.
pub(super) fn number(text: &str) -> Option<u64> {
    let text = text.trim_end_matches('U');
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let value = match digits.get(..2) {
        Some("0f" | "0F") => u64::from(u32::from_str_radix(&digits[2..], 16).ok()?),
        Some("0d" | "0D" | "0x" | "0X") => u64::from_str_radix(&digits[2..], 16).ok()?,
        _ => digits.parse().ok()?,
    };
    Some(if negative { value.wrapping_neg() } else { value })
}

impl Writer<'_> {
    pub(super) fn operand(&self, text: &str) -> Result<Arg, String> {
        let unknown = || format!("operand `{text}`");
        if text == "_" {
            return Ok(Arg::Nothing);
        }
        if let Some(name) = text.strip_prefix('!') {
            return self.register(name).map(Arg::Not).ok_or_else(unknown);
        }
        if let Some((a, b)) = text.split_once('|') {
            let (a, b) = (self.operand(a.trim())?, self.operand(b.trim())?);
            return Ok(Arg::Pair(Box::new(a), Box::new(b)));
        }
        if let Some(inside) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
            return split(inside).into_iter().map(|t| self.operand(t)).collect::<Result<_, _>>().map(Arg::Vector);
        }
        if let Some(inside) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            let (base, offset) = match inside.split_once('+') {
                Some((base, offset)) => (base.trim(), number(offset.trim()).ok_or_else(unknown)? as i64),
                None => (inside.trim(), 0),
            };
            if let Some(address) = number(base) {
                return Ok(Arg::Address(Base::Zero, (address as i64).wrapping_add(offset)));
            }
            let base = self.register(base).map(Base::Reg).or_else(|| self.variable(base)).ok_or_else(unknown)?;
            return Ok(Arg::Address(base, offset));
        }
        if let Some(reg) = self.register(text) {
            return Ok(Arg::Reg(reg));
        }
        if let Some(special) = Special::named(text) {
            return Ok(Arg::Special(special));
        }
        if let Some(number) = number(text) {
            return Ok(Arg::Imm(number));
        }
        if text == "WARP_SZ" {
            return Ok(Arg::Imm(32));
        }
        if let Some(label) = self.label(text) {
            return Ok(Arg::Label(label));
        }
        let (name, offset) = match text.split_once('+') {
            Some((name, offset)) => (name.trim(), number(offset.trim()).ok_or_else(unknown)? as i64),
            None => (text, 0),
        };
        self.variable(name).map(|base| Arg::Address(base, offset)).ok_or_else(unknown)
    }
}
