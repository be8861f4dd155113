//! Einstein's sum convention.

use crate::shape::{Shape, product};
use crate::{Result, Tensor, bail, ensure};
use std::collections::BTreeMap;

/// One index of an equation: a letter, or a dimension that `...` stands for, counted from the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Hidden(usize),
    Letter(char),
}

/// An operand and what its dimensions are called; no label stands twice.
struct Term {
    x: Tensor,
    labels: Vec<Label>,
}

/// What stands between two commas: letters, and where `...` does.
struct Subscripts {
    before: Vec<char>,
    dots: bool,
    after: Vec<char>,
}

impl Subscripts {
    #[track_caller]
    fn parse(text: &str) -> Result<Subscripts> {
        let mut parts = text.splitn(2, "...");
        let letters = |text: Option<&str>| -> Result<Vec<char>> {
            let letters: Vec<char> = text.unwrap_or("").chars().filter(|c| !c.is_whitespace()).collect();
            if let Some(c) = letters.iter().find(|c| !c.is_ascii_alphabetic()) {
                bail!(Argument, "einsum", "`{c}` in the equation is no letter")
            }
            Ok(letters)
        };
        let before = letters(parts.next())?;
        let behind = parts.next();
        Ok(Subscripts { before, dots: behind.is_some(), after: letters(behind)? })
    }

    /// The labels, with `hidden` dimensions for the dots.
    fn labels(&self, hidden: usize) -> Vec<Label> {
        let dots = if self.dots { hidden } else { 0 };
        let letter = |c: &char| Label::Letter(*c);
        self.before
            .iter()
            .map(letter)
            .chain((0..dots).rev().map(Label::Hidden))
            .chain(self.after.iter().map(letter))
            .collect()
    }
}

type Sizes = BTreeMap<Label, usize>;

impl Term {
    /// With every label once: of one that stands twice, the diagonal.
    #[track_caller]
    fn new(mut x: Tensor, mut labels: Vec<Label>) -> Result<Term> {
        while let Some((i, j)) = twice(&labels) {
            let (a, b) = (x.shape()[i], x.shape()[j]);
            ensure!(a == b, Shape, "einsum", "an index stands for sizes {a} and {b} of one operand, {:?}", x.shape());
            x = x.diagonal(0, i as isize, j as isize)?;
            let label = labels[i];
            labels.remove(j);
            labels.remove(i);
            labels.push(label);
        }
        Ok(Term { x, labels })
    }

    /// Summed over all labels but these.
    #[track_caller]
    fn keep(self, keep: impl Fn(&Label) -> bool) -> Result<Term> {
        let gone: Vec<usize> = (0..self.labels.len()).filter(|d| !keep(&self.labels[*d])).collect();
        if gone.is_empty() {
            return Ok(self);
        }
        Ok(Term { x: self.x.sum(gone)?, labels: self.labels.into_iter().filter(|l| keep(l)).collect() })
    }

    /// The same, but that what is of size 1 is dropped without a sum, which would be of wider integers.
    #[track_caller]
    fn squeeze_and_keep(self, keep: impl Fn(&Label) -> bool) -> Result<Term> {
        let thin: Vec<usize> =
            (0..self.labels.len()).filter(|d| !keep(&self.labels[*d]) && self.x.shape()[*d] == 1).collect();
        let labels = self.labels.iter().enumerate().filter(|(d, _)| !thin.contains(d)).map(|(_, l)| *l).collect();
        let thin: Vec<isize> = thin.into_iter().map(|d| d as isize).collect();
        Term { x: self.x.squeeze(thin)?, labels }.keep(keep)
    }

    /// With its dimensions as `labels` has them, those that it lacks of size 1.
    #[track_caller]
    fn arranged(&self, labels: &[Label]) -> Result<Tensor> {
        let order: Vec<usize> = labels.iter().filter_map(|l| self.labels.iter().position(|m| m == l)).collect();
        let mut x = self.x.permute(order)?;
        for (d, label) in labels.iter().enumerate() {
            if !self.labels.contains(label) {
                x = x.unsqueeze(d as isize)?;
            }
        }
        Ok(x)
    }

    fn size(&self, label: &Label) -> usize {
        self.labels.iter().position(|l| l == label).map_or(1, |d| self.x.shape()[d])
    }

    /// The product with `other`, summed over the labels that `keep` does not name: one product of matrices.
    #[track_caller]
    fn times(self, other: Term, keep: impl Fn(&Label) -> bool) -> Result<Term> {
        // What only one of them has is summed first; so is a size of 1 beside a larger one, which is broadcast.
        let a = {
            let gone = |l: &Label| !keep(l) && other.size(l) == 1;
            let stays: Vec<Label> = self.labels.iter().copied().filter(|l| !gone(l)).collect();
            self.squeeze_and_keep(|l| stays.contains(l))?
        };
        let b = {
            let gone = |l: &Label| !keep(l) && a.size(l) == 1;
            let stays: Vec<Label> = other.labels.iter().copied().filter(|l| !gone(l)).collect();
            other.squeeze_and_keep(|l| stays.contains(l))?
        };
        // Sums of integers are wider ones.
        let dtype = a.x.dtype().promote(b.x.dtype());
        let [a, b] = [Term { x: a.x.to_dtype(dtype)?, ..a }, Term { x: b.x.to_dtype(dtype)?, ..b }];
        let (mut batch, mut sums, mut left, mut right) = (vec![], vec![], vec![], vec![]);
        let all: Vec<Label> =
            a.labels.iter().copied().chain(b.labels.iter().copied().filter(|l| !a.labels.contains(l))).collect();
        for l in all {
            match (a.size(&l) != 1, b.size(&l) != 1) {
                (true, true) if keep(&l) => batch.push(l),
                (true, true) => sums.push(l),
                (true, false) => left.push(l),
                (false, true) => right.push(l),
                (false, false) if keep(&l) => left.push(l),
                (false, false) => {}
            }
        }
        let sizes = |t: &Term, labels: &[Label]| -> Shape { labels.iter().map(|l| t.size(l)).collect() };
        let flat = |t: &Term, groups: [&[Label]; 3]| {
            let labels: Vec<Label> = groups.concat();
            // Labels of size 1 that are in no group of this operand.
            let rest: Vec<Label> = t.labels.iter().copied().filter(|l| !labels.contains(l)).collect();
            let x = t.arranged(&[labels, rest].concat())?;
            let [a, b, c] = groups.map(|g| product("einsum", &sizes(t, g)));
            x.reshape([a?, b?, c?])
        };
        let product = if sums.is_empty() && left.is_empty() && right.is_empty() {
            flat(&a, [&batch, &[], &[]])?.mul(&flat(&b, [&batch, &[], &[]])?)?
        } else {
            flat(&a, [&batch, &left, &sums])?.matmul(&flat(&b, [&batch, &sums, &right])?)?
        };
        let shape: Shape = sizes(&a, &batch).into_iter().chain(sizes(&a, &left)).chain(sizes(&b, &right)).collect();
        Ok(Term { x: product.reshape(shape)?, labels: [batch, left, right].concat() })
    }
}

/// The first two places of one label.
fn twice(labels: &[Label]) -> Option<(usize, usize)> {
    (0..labels.len()).find_map(|i| (i + 1..labels.len()).find(|j| labels[i] == labels[*j]).map(|j| (i, j)))
}

/// The pair of operands whose product is the smallest beside what they are.
fn cheapest(terms: &[Term], output: &[Label], sizes: &Sizes) -> (usize, usize) {
    let count = |labels: &mut dyn Iterator<Item = &Label>| {
        labels.map(|l| sizes.get(l).copied().unwrap_or(1) as f64).product::<f64>()
    };
    let mut best = (f64::INFINITY, (0, 1));
    for i in 0..terms.len() {
        for j in i + 1..terms.len() {
            let needed = |l: &Label| {
                output.contains(l) || terms.iter().enumerate().any(|(k, t)| k != i && k != j && t.labels.contains(l))
            };
            let both = terms[i].labels.iter().chain(terms[j].labels.iter().filter(|l| !terms[i].labels.contains(l)));
            let result = count(&mut both.filter(|l| needed(l)));
            let cost = result - count(&mut terms[i].labels.iter()) - count(&mut terms[j].labels.iter());
            if cost < best.0 {
                best = (cost, (i, j));
            }
        }
    }
    best.1
}

/// The sum of products that `equation` describes: `torch.einsum`. Letters name dimensions: those behind `->` are kept,
/// in that order, all others summed; without `->` the letters that stand once are kept, in alphabetical order. `...`
/// stands for dimensions that are broadcast. Operands are multiplied two at a time, the pair with the smallest result
/// first.
///
/// ```
/// # use flambeau_tensor::{Tensor, einsum};
/// let (a, b) = (Tensor::ones([2, 3]).build()?, Tensor::ones([3, 4]).build()?);
/// assert_eq!(einsum("ij,jk->ik", &[&a, &b])?.to_vec::<f32>()?, [3.; 8]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where the equation does not fit the operands.
#[track_caller]
pub fn einsum<T: AsRef<Tensor>>(equation: &str, operands: &[T]) -> Result<Tensor> {
    ensure!(!operands.is_empty(), Argument, "einsum", "no operands");
    let (inputs, output) = match equation.split_once("->") {
        Some((inputs, output)) => (inputs, Some(Subscripts::parse(output)?)),
        None => (equation, None),
    };
    let parts = inputs.split(',').map(Subscripts::parse).collect::<Result<Vec<_>>>()?;
    ensure!(
        parts.len() == operands.len(),
        Argument,
        "einsum",
        "the equation `{equation}` is of {} operands, {} are given",
        parts.len(),
        operands.len()
    );
    let mut dtype = operands[0].as_ref().dtype();
    for x in operands {
        dtype = dtype.promote(x.as_ref().dtype());
    }
    let (mut terms, mut sizes, mut most, mut letters) = (Vec::new(), Sizes::new(), 0, Vec::new());
    for (part, x) in parts.iter().zip(operands) {
        let x = x.as_ref();
        let named = part.before.len() + part.after.len();
        let fits = if part.dots { named <= x.rank() } else { named == x.rank() };
        ensure!(
            fits,
            Shape,
            "einsum",
            "the equation `{equation}` names {named} dimensions of an operand of shape {:?}",
            x.shape()
        );
        let hidden = x.rank() - named;
        most = most.max(hidden);
        letters.extend(part.before.iter().chain(&part.after).copied());
        let term = Term::new(x.to_dtype(dtype)?, part.labels(hidden))?;
        for (label, &size) in term.labels.iter().zip(term.x.shape()) {
            let known = sizes.entry(*label).or_insert(size);
            ensure!(
                *known == size || *known == 1 || size == 1,
                Shape,
                "einsum",
                "an index of `{equation}` stands for sizes {known} and {size}"
            );
            if *known == 1 {
                *known = size;
            }
        }
        terms.push(term);
    }
    let output = match output {
        Some(part) => part.labels(most),
        None => {
            let mut once: Vec<char> =
                letters.iter().copied().filter(|c| letters.iter().filter(|d| *d == c).count() == 1).collect();
            once.sort_unstable();
            (0..most).rev().map(Label::Hidden).chain(once.into_iter().map(Label::Letter)).collect()
        }
    };
    ensure!(twice(&output).is_none(), Argument, "einsum", "an index of the output of `{equation}` stands there twice");
    for label in &output {
        let there = sizes.contains_key(label);
        ensure!(there, Argument, "einsum", "an index of the output of `{equation}` stands for nothing in the operands");
    }
    while terms.len() > 1 {
        let (i, j) = cheapest(&terms, &output, &sizes);
        let (b, a) = (terms.remove(j), terms.remove(i));
        let needed: Vec<Label> =
            terms.iter().flat_map(|t| t.labels.iter().copied()).chain(output.iter().copied()).collect();
        terms.push(a.times(b, |l| needed.contains(l))?);
    }
    let Some(last) = terms.pop() else { bail!(Argument, "einsum", "no operands") };
    last.keep(|l| output.contains(l))?.arranged(&output)
}
