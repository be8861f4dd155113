//! Update rules that go element by element, written once as a formula: on the CPU lists of parameters take it in one fused
//! pass ([`PointwiseStep`]), elsewhere, and where a number is on a device, it is run as tensor ops.

use super::lists::{self, Row};
use super::{Coefficient, Stepped};
use flambeau_tensor::{Device, PointwiseStep, Result, StepInstruction, Tensor, bail};
use std::cell::RefCell;
use std::sync::Arc;

use StepInstruction as I;

/// The lists that every formula has: the gradients, and the parameters.
const GRAD: u16 = 0;
const PARAM: u16 = 1;

/// The update of one parameter as a formula of its elements: see [`each`](Formula::each).
#[derive(Debug)]
pub struct Formula(RefCell<Code>);

#[derive(Debug)]
struct Code {
    instructions: Vec<I>,
    stores: Vec<(u16, u16)>,
    numbers: Vec<Coefficient>,
    /// The slots of state whose lists stand behind the parameters', each with its tensor and the register it is read into.
    state: Vec<(usize, Tensor, u16)>,
    /// What a rule did wrong.
    fault: Option<&'static str>,
}

/// A number for each element of the parameter: what a [`Formula`] computes with.
#[derive(Clone, Copy, Debug)]
pub struct Each<'f> {
    formula: &'f Formula,
    register: u16,
}

impl Formula {
    /// Steps each of `params` by the formula that `rule` writes for it: it reads [`param`](Formula::param),
    /// [`slope`](Formula::slope) and [`state`](Formula::state), computes, and [sets](Formula::set_param) the results, which
    /// are written when all is computed. A parameter for which nothing is set stays.
    ///
    /// # Errors
    /// Those of `rule`; where a gradient is not as its parameter, or memory runs out.
    #[track_caller]
    pub fn each<'a>(
        name: &'static str,
        params: &mut [Stepped<'a>],
        rule: impl Fn(&mut Stepped<'a>, &Formula) -> Result<()>,
    ) -> Result<()> {
        let mut kinds: Vec<(Arc<[I]>, Arc<[(u16, u16)]>)> = Vec::new();
        let mut rows = Vec::with_capacity(params.len());
        for p in params {
            let formula = Formula::new();
            rule(p, &formula)?;
            let code = formula.0.into_inner();
            if let Some(fault) = code.fault {
                bail!(Argument, name, "{fault}");
            }
            if code.stores.is_empty() {
                continue;
            }
            let Some(numbers) = code.on_host(p) else {
                code.run(p)?;
                continue;
            };
            let same = |(formula, stores): &(Arc<[I]>, Arc<[(u16, u16)]>)| {
                formula[..] == code.instructions[..] && stores[..] == code.stores[..]
            };
            let key = kinds.iter().rposition(same).unwrap_or_else(|| {
                kinds.push((code.instructions.into(), code.stores.into()));
                kinds.len() - 1
            });
            let mut targets = Vec::with_capacity(1 + code.state.len());
            targets.push(p.param.clone());
            targets.extend(code.state.into_iter().map(|(_, t, _)| t));
            rows.push(Row { key, grad: p.grad.clone(), targets, numbers });
        }
        lists::run(name, rows, &[], |rows| {
            let (formula, stores) = kinds[rows[0].key].clone();
            let numbers = rows.iter().flat_map(|r| &r.numbers).copied().collect();
            PointwiseStep { formula, stores, lists: rows[0].targets.len(), numbers }.into()
        })
    }

    fn new() -> Formula {
        let instructions = Vec::with_capacity(32);
        let code = Code { instructions, stores: Vec::new(), numbers: Vec::new(), state: Vec::new(), fault: None };
        let formula = Formula(RefCell::new(code));
        formula.push(I::Load { list: GRAD });
        formula.push(I::Load { list: PARAM });
        formula
    }

    fn push(&self, instruction: I) -> Each<'_> {
        let code = &mut *self.0.borrow_mut();
        if code.instructions.len() >= PointwiseStep::MOST {
            code.fault = Some("the formula is too long");
            return Each { formula: self, register: 0 };
        }
        code.instructions.push(instruction);
        Each { formula: self, register: code.instructions.len() as u16 - 1 }
    }

    fn number(&self, x: impl Into<Coefficient>) -> u16 {
        let numbers = &mut self.0.borrow_mut().numbers;
        numbers.push(x.into());
        numbers.len() as u16 - 1
    }

    /// The gradient, as it is.
    pub fn grad(&self) -> Each<'_> {
        Each { formula: self, register: GRAD }
    }

    /// The parameter.
    pub fn param(&self) -> Each<'_> {
        Each { formula: self, register: PARAM }
    }

    /// The gradient to go down: with the other sign where `maximize`, the L2 penalty added.
    pub fn slope(&self, maximize: bool, weight_decay: f64) -> Each<'_> {
        let grad = if maximize { -self.grad() } else { self.grad() };
        if weight_decay == 0.0 { grad } else { grad.add_scaled(self.param(), weight_decay) }
    }

    /// The state in `slot`, which is as the parameter and begins with zeros.
    ///
    /// # Errors
    /// Where memory runs out.
    pub fn state(&self, p: &mut Stepped<'_>, slot: usize) -> Result<Each<'_>> {
        self.state_with(p, slot, |_| Ok(()))
    }

    /// [`state`](Formula::state), where it is new filled by `fill`.
    ///
    /// # Errors
    /// Where memory runs out, or `fill` fails.
    pub fn state_with(
        &self,
        p: &mut Stepped<'_>,
        slot: usize,
        fill: impl FnOnce(&Tensor) -> Result<()>,
    ) -> Result<Each<'_>> {
        if let Some((.., register)) = self.slot(slot) {
            return Ok(Each { formula: self, register });
        }
        let (tensor, list) = (p.like_with(slot, fill)?, self.0.borrow().state.len() as u16 + 2);
        let read = self.push(I::Load { list });
        self.0.borrow_mut().state.push((slot, tensor, read.register));
        Ok(read)
    }

    /// The list of the state in `slot`, and the register it was read into.
    fn slot(&self, slot: usize) -> Option<(u16, u16)> {
        let code = self.0.borrow();
        (2..).zip(&code.state).find(|(_, (s, ..))| *s == slot).map(|(list, (.., register))| (list, *register))
    }

    /// Writes the parameter.
    pub fn set_param(&self, value: Each<'_>) {
        self.0.borrow_mut().stores.push((PARAM, value.register));
    }

    /// Writes the state in `slot`, which was read before, and returns the value.
    pub fn set<'f>(&'f self, slot: usize, value: Each<'f>) -> Each<'f> {
        match self.slot(slot) {
            Some((list, _)) => self.0.borrow_mut().stores.push((list, value.register)),
            None => self.0.borrow_mut().fault = Some("a slot of state is set that was not read"),
        }
        value
    }
}

impl<'f> Each<'f> {
    fn make(self, instruction: impl FnOnce(u16) -> I) -> Each<'f> {
        self.formula.push(instruction(self.register))
    }

    /// √x.
    pub fn sqrt(self) -> Each<'f> {
        self.make(|x| I::Sqrt { x })
    }

    /// |x|.
    pub fn abs(self) -> Each<'f> {
        self.make(|x| I::Abs { x })
    }

    /// −1, 0 or 1.
    pub fn sign(self) -> Each<'f> {
        self.make(|x| I::Sign { x })
    }

    /// 1 / x.
    pub fn reciprocal(self) -> Each<'f> {
        self.make(|x| I::Reciprocal { x })
    }

    /// The larger one; NaN where either is.
    pub fn maximum(self, other: Each<'f>) -> Each<'f> {
        self.make(|a| I::Maximum { a, b: other.register })
    }

    /// x within bounds.
    pub fn clamp(self, min: f64, max: f64) -> Each<'f> {
        let (min, max) = (self.formula.number(min), self.formula.number(max));
        self.make(|x| I::Clamp { x, min, max })
    }

    /// x + value · a.
    pub fn add_scaled(self, a: Each<'f>, value: impl Into<Coefficient>) -> Each<'f> {
        let number = self.formula.number(value);
        self.make(|x| I::AddScaled { x, a: a.register, number })
    }

    /// x + value · a · b.
    pub fn addcmul(self, a: Each<'f>, b: Each<'f>, value: impl Into<Coefficient>) -> Each<'f> {
        let number = self.formula.number(value);
        self.make(|x| I::Addcmul { x, a: a.register, b: b.register, number })
    }

    /// x + value · a / b.
    pub fn addcdiv(self, a: Each<'f>, b: Each<'f>, value: impl Into<Coefficient>) -> Each<'f> {
        let number = self.formula.number(value);
        self.make(|x| I::Addcdiv { x, a: a.register, b: b.register, number })
    }

    /// x + weight · (end − x).
    pub fn lerp(self, end: Each<'f>, weight: impl Into<Coefficient>) -> Each<'f> {
        let number = self.formula.number(weight);
        self.make(|x| I::Lerp { x, end: end.register, number })
    }

    /// The first number where x is negative, the second where it is zero, else the third.
    pub fn by_sign(self, [negative, zero, positive]: [f64; 3]) -> Each<'f> {
        let number = |x| self.formula.number(x);
        let (negative, zero, positive) = (number(negative), number(zero), number(positive));
        self.make(|x| I::BySign { x, negative, zero, positive })
    }

    /// x, but 0 where `on` is negative.
    pub fn clear_negative(self, on: Each<'f>) -> Each<'f> {
        self.make(|x| I::ClearNegative { x, on: on.register })
    }

    /// x where the number is positive, else `other`.
    pub fn where_positive(self, number: impl Into<Coefficient>, other: Each<'f>) -> Each<'f> {
        match number.into() {
            Coefficient::Host(x) => {
                if x > 0.0 {
                    self
                } else {
                    other
                }
            }
            device => {
                let number = self.formula.number(device);
                self.make(|a| I::Choose { a, b: other.register, number })
            }
        }
    }
}

macro_rules! operators {
    ($($Op:ident $op:ident $number:ident)*) => {$(
        impl<'f> std::ops::$Op for Each<'f> {
            type Output = Each<'f>;
            fn $op(self, other: Each<'f>) -> Each<'f> {
                self.make(|a| I::$Op { a, b: other.register })
            }
        }
        operators!(@ $Op $op $number f64);
        operators!(@ $Op $op $number Coefficient);
    )*};
    (@ $Op:ident $op:ident sub $Number:ty) => {};
    (@ $Op:ident $op:ident $number:ident $Number:ty) => {
        impl<'f> std::ops::$Op<$Number> for Each<'f> {
            type Output = Each<'f>;
            fn $op(self, number: $Number) -> Each<'f> {
                let number = self.formula.number(number);
                self.make(|x| I::$number { x, number })
            }
        }
    };
}
operators! { Add add AddNumber Sub sub sub Mul mul MulNumber Div div DivNumber }

impl<'f> std::ops::Neg for Each<'f> {
    type Output = Each<'f>;
    fn neg(self) -> Each<'f> {
        self.make(|x| I::Neg { x })
    }
}

impl Code {
    /// The numbers, where the fused pass takes the parameter.
    fn on_host(&self, p: &Stepped<'_>) -> Option<Vec<f64>> {
        let numbers = self.numbers.iter().map(|x| match x {
            Coefficient::Host(x) => Some(*x),
            Coefficient::Device(_) => None,
        });
        if p.param.device() == Device::Cpu { numbers.collect() } else { None }
    }

    /// Runs it as tensor ops.
    fn run(&self, p: &Stepped<'_>) -> Result<()> {
        let mut registers: Vec<Tensor> = Vec::with_capacity(self.instructions.len());
        for instruction in &self.instructions {
            let made = self.op(*instruction, p, &registers)?;
            registers.push(made);
        }
        for (list, register) in &self.stores {
            self.list(*list, p).copy_(&registers[usize::from(*register)])?;
        }
        Ok(())
    }

    fn list<'a>(&'a self, list: u16, p: &'a Stepped<'_>) -> &'a Tensor {
        match list {
            GRAD => &p.grad,
            PARAM => &p.param,
            state => &self.state[usize::from(state) - 2].1,
        }
    }

    /// The register that an instruction makes.
    fn op(&self, instruction: I, p: &Stepped<'_>, registers: &[Tensor]) -> Result<Tensor> {
        let (r, n) = (|r: u16| &registers[usize::from(r)], |n: u16| &self.numbers[usize::from(n)]);
        let host = |number| match n(number) {
            Coefficient::Host(x) => Some(*x),
            Coefficient::Device(_) => None,
        };
        match instruction {
            I::Load { list } => Ok(self.list(list, p).clone()),
            I::Neg { x } => r(x).neg(),
            I::Abs { x } => r(x).abs(),
            I::Sign { x } => r(x).sign(),
            I::Sqrt { x } => r(x).sqrt(),
            I::Reciprocal { x } => r(x).reciprocal(),
            I::Add { a, b } => r(a).add(r(b)),
            I::Sub { a, b } => r(a).sub(r(b)),
            I::Mul { a, b } => r(a).mul(r(b)),
            I::Div { a, b } => r(a).div(r(b)),
            I::Maximum { a, b } => r(a).maximum(r(b)),
            I::AddNumber { x, number } => r(x).add(n(number).operand()),
            I::MulNumber { x, number } => r(x).mul(n(number).operand()),
            I::DivNumber { x, number } => r(x).div(n(number).operand()),
            I::Clamp { x, min, max } => r(x).clamp(n(min).read()?, n(max).read()?),
            I::AddScaled { x, a, number } => r(x).add(&r(a).mul(n(number).operand())?),
            I::Addcmul { x, a, b, number } => match host(number) {
                Some(value) => r(x).addcmul(r(a), r(b), value),
                None => r(x).add(&r(a).mul(r(b))?.mul(n(number).operand())?),
            },
            I::Addcdiv { x, a, b, number } => match host(number) {
                Some(value) => r(x).addcdiv(r(a), r(b), value),
                None => r(x).add(&r(a).div(r(b))?.mul(n(number).operand())?),
            },
            I::Lerp { x, end, number } => match host(number) {
                Some(weight) => r(x).lerp(r(end), weight),
                None => r(x).add(&r(end).sub(r(x))?.mul(n(number).operand())?),
            },
            I::BySign { x, negative, zero, positive } => {
                let (x, middle) = (r(x), r(x).full_like(n(zero).read()?)?);
                let low = middle.masked_fill(&x.lt(0.0)?, n(negative).read()?)?;
                low.masked_fill(&x.gt(0.0)?, n(positive).read()?)
            }
            I::ClearNegative { x, on } => r(x).masked_fill(&r(on).lt(0.0)?, 0.0),
            I::Choose { a, b, number } => match n(number) {
                Coefficient::Host(x) => Ok(r(if *x > 0.0 { a } else { b }).clone()),
                Coefficient::Device(x) => r(a).where_cond(&x.gt(0.0)?, r(b)),
            },
        }
    }
}
