//! The numbers of an update rule: on the host, or on the device, where nothing waits for them.

use flambeau_serialize::torch::Value;
use flambeau_tensor::{DType, Operand, Result, Tensor};

/// A number of an update rule: a learning rate, a count of steps, what is made of them.
///
/// On a device it is a tensor `[]`, and so is all that is computed from it: a step that has its learning rate and its
/// counter there (`capturable`) reads nothing back.
///
/// ```
/// use flambeau_optim::rule::Coefficient;
/// use flambeau_tensor::tensor;
///
/// let correction = |step: Coefficient| Coefficient::from(1.0).sub(Coefficient::from(0.9).pow(step)?);
/// let (host, device) = (correction(2.0.into())?, correction(tensor!(2.0).into())?);
/// assert!((host.read()? - 0.19).abs() < 1e-12 && (device.read()? - 0.19).abs() < 1e-6);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub enum Coefficient {
    /// A number of the program's.
    Host(f64),
    /// A tensor `[]` of floating point.
    Device(Tensor),
}

impl From<f64> for Coefficient {
    fn from(x: f64) -> Self {
        Coefficient::Host(x)
    }
}

impl From<&Tensor> for Coefficient {
    fn from(x: &Tensor) -> Self {
        Coefficient::Device(x.clone())
    }
}

impl From<Tensor> for Coefficient {
    fn from(x: Tensor) -> Self {
        Coefficient::Device(x)
    }
}

impl From<Coefficient> for Value {
    fn from(x: Coefficient) -> Value {
        match x {
            Coefficient::Host(x) => x.into(),
            Coefficient::Device(x) => x.into(),
        }
    }
}

macro_rules! arithmetic {
    ($($(#[$meta:meta])* $name:ident: $host:expr, $mixed:expr;)*) => {$(
        $(#[$meta])*
        ///
        /// # Errors
        /// Where one is on a device and cannot be computed with there.
        #[track_caller]
        pub fn $name(&self, other: impl Into<Coefficient>) -> Result<Coefficient> {
            let other = other.into();
            let (host, mixed): (fn(f64, f64) -> f64, fn(Operand<'_>, Operand<'_>) -> Result<Tensor>) = ($host, $mixed);
            match (self, &other) {
                (Coefficient::Host(a), Coefficient::Host(b)) => Ok(Coefficient::Host(host(*a, *b))),
                _ => mixed(self.operand(), other.operand()).map(Coefficient::Device),
            }
        }
    )*};
}

/// `a` or `b` is a tensor.
macro_rules! mixed {
    ($op:ident, $reversed:ident) => {
        |a, b| match (a, b) {
            (Operand::Tensor(a), b) => a.$op(b),
            (Operand::Scalar(a), Operand::Tensor(b)) => b.$reversed(a),
            (Operand::Scalar(a), b) => Tensor::scalar_on(a, DType::F32, Default::default())?.$op(b),
        }
    };
}

impl Coefficient {
    arithmetic! {
        /// The sum.
        add: |a, b| a + b, mixed!(add, add);
        /// The difference.
        sub: |a, b| a - b, mixed!(sub, rsub);
        /// The product.
        mul: |a, b| a * b, mixed!(mul, mul);
        /// The quotient.
        div: |a, b| a / b, mixed!(div, rdiv);
        /// The power.
        pow: f64::powf, mixed!(pow, rpow);
    }

    /// The square root.
    ///
    /// # Errors
    /// As [`add`](Coefficient::add).
    pub fn sqrt(&self) -> Result<Coefficient> {
        match self {
            Coefficient::Host(x) => Ok(Coefficient::Host(x.sqrt())),
            Coefficient::Device(x) => x.sqrt().map(Coefficient::Device),
        }
    }

    /// The number with the other sign.
    ///
    /// # Errors
    /// As [`add`](Coefficient::add).
    pub fn neg(&self) -> Result<Coefficient> {
        self.mul(-1.0)
    }

    /// The larger one.
    ///
    /// # Errors
    /// As [`add`](Coefficient::add).
    pub fn max(&self, least: f64) -> Result<Coefficient> {
        match self {
            Coefficient::Host(x) => Ok(Coefficient::Host(x.max(least))),
            Coefficient::Device(x) => x.clamp_min(least).map(Coefficient::Device),
        }
    }

    /// The smaller one.
    ///
    /// # Errors
    /// As [`add`](Coefficient::add).
    pub fn min(&self, other: &Coefficient) -> Result<Coefficient> {
        match (self, other) {
            (Coefficient::Host(a), Coefficient::Host(b)) => Ok(Coefficient::Host(a.min(*b))),
            (Coefficient::Device(a), Coefficient::Host(b)) | (Coefficient::Host(b), Coefficient::Device(a)) => {
                a.clamp_max(*b).map(Coefficient::Device)
            }
            (Coefficient::Device(a), Coefficient::Device(b)) => a.minimum(b).map(Coefficient::Device),
        }
    }

    /// As the operand of a tensor's method: `x.mul(c.operand())`.
    pub fn operand(&self) -> Operand<'_> {
        match self {
            Coefficient::Host(x) => (*x).into(),
            Coefficient::Device(x) => x.into(),
        }
    }

    /// The number itself, which waits for a device.
    ///
    /// # Errors
    /// Where the tensor has more elements than one.
    #[track_caller]
    pub fn read(&self) -> Result<f64> {
        match self {
            Coefficient::Host(x) => Ok(*x),
            Coefficient::Device(x) => x.item(),
        }
    }

    /// Where `x` is to be computed with: a number on the CPU beside a device moves there once.
    pub(crate) fn beside(self, x: &Tensor) -> Result<Coefficient> {
        match self {
            Coefficient::Device(c) if c.device() != x.device() => c.to_device(x.device()).map(Coefficient::Device),
            there => Ok(there),
        }
    }
}
