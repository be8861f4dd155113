//! The weights of one layer in one direction, one step of each kind, and the cells, which are just that.

use crate::{Forward, Module, Parameter, Part, Rebuild, init};
use flambeau_tensor::{DType, Device, Error, ErrorKind, Result, RnnMode, Tensor, bail, builder, ensure};

/// The function of a plain recurrent layer: PyTorch's `nonlinearity`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RNNNonlinearity {
    /// the hyperbolic tangent
    #[default]
    Tanh,
    /// max(x, 0)
    Relu,
}

/// What a step computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Tanh,
    Relu,
    Lstm,
    Gru,
}

impl From<RNNNonlinearity> for Kind {
    fn from(nonlinearity: RNNNonlinearity) -> Kind {
        match nonlinearity {
            RNNNonlinearity::Tanh => Kind::Tanh,
            RNNNonlinearity::Relu => Kind::Relu,
        }
    }
}

impl Kind {
    /// As the op names it.
    pub(super) fn mode(self) -> RnnMode {
        match self {
            Kind::Tanh => RnnMode::RnnTanh,
            Kind::Relu => RnnMode::RnnRelu,
            Kind::Lstm => RnnMode::Lstm,
            Kind::Gru => RnnMode::Gru,
        }
    }
}

/// The weights of one layer in one direction.
pub struct Gates {
    /// From the input to the gates, `[gates · hidden, input]`.
    pub weight_ih: Parameter,
    /// From the hidden state to the gates, `[gates · hidden, h]`.
    pub weight_hh: Parameter,
    /// Added to what the input contributes, `[gates · hidden]`.
    pub bias_ih: Option<Parameter>,
    /// Added to what the hidden state contributes, `[gates · hidden]`.
    pub bias_hh: Option<Parameter>,
    /// From the hidden state to its projection, `[proj, hidden]`: of an LSTM with `proj_size`.
    pub weight_hr: Option<Parameter>,
}

impl Gates {
    /// Weights to be filled, for sizes of input, hidden state and projection (0 for none).
    #[track_caller]
    pub(super) fn new(
        kind: Kind,
        (input, hidden, projection): (usize, usize, usize),
        bias: bool,
        dtype: DType,
        device: Device,
    ) -> Result<Gates> {
        let Some(gates) = kind.mode().gates().checked_mul(hidden) else {
            let message = format!("a hidden size of {hidden} is more than can be counted");
            return Err(Error::new(ErrorKind::Argument, "Gates", message));
        };
        let parameter = |shape: &[usize]| super::super::parameter(shape, dtype, device);
        let some = |on: bool, shape: &[usize]| if on { parameter(shape).map(Some) } else { Ok(None) };
        Ok(Gates {
            weight_ih: parameter(&[gates, input])?,
            weight_hh: parameter(&[gates, if projection > 0 { projection } else { hidden }])?,
            bias_ih: some(bias, &[gates])?,
            bias_hh: some(bias, &[gates])?,
            weight_hr: some(projection > 0, &[projection, hidden])?,
        })
    }

    /// Draws all weights evenly from ±1/√hidden.
    #[track_caller]
    pub(super) fn fill(&self, hidden: usize) -> Result<()> {
        let bound = 1.0 / (hidden as f64).sqrt();
        let mut done = Ok(());
        self.each(&mut |_, parameter| {
            if done.is_ok() {
                done = init::uniform_(parameter, -bound, bound).map(drop);
            }
        });
        done
    }

    pub(super) fn each<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Parameter)) {
        f("weight_ih", &self.weight_ih);
        f("weight_hh", &self.weight_hh);
        for (name, parameter) in
            [("bias_ih", &self.bias_ih), ("bias_hh", &self.bias_hh), ("weight_hr", &self.weight_hr)]
        {
            parameter.iter().for_each(|parameter| f(name, parameter));
        }
    }

    pub(super) fn each_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        f("weight_ih", &mut self.weight_ih);
        f("weight_hh", &mut self.weight_hh);
        for (name, parameter) in
            [("bias_ih", &mut self.bias_ih), ("bias_hh", &mut self.bias_hh), ("weight_hr", &mut self.weight_hr)]
        {
            parameter.iter_mut().for_each(|parameter| f(name, parameter));
        }
    }

    pub(super) fn rebuild(&self, with: &mut Rebuild<'_>) -> Result<Gates> {
        Ok(Gates {
            weight_ih: self.weight_ih.rebuild_part(with)?,
            weight_hh: self.weight_hh.rebuild_part(with)?,
            bias_ih: self.bias_ih.rebuild_part(with)?,
            bias_hh: self.bias_hh.rebuild_part(with)?,
            weight_hr: self.weight_hr.rebuild_part(with)?,
        })
    }

    /// What the input contributes to the gates of all its rows. Where the other bias is not added `apart`, it is here.
    #[track_caller]
    pub(super) fn project_input(&self, x: &Tensor, apart: bool) -> Result<Tensor> {
        match (&self.bias_ih, &self.bias_hh) {
            (Some(one), Some(other)) if !apart => x.linear(&self.weight_ih, Some(&one.add(other.tensor())?)),
            (one, _) => x.linear(&self.weight_ih, one.as_deref()),
        }
    }

    /// [`project_input`](Gates::project_input) with both biases, not rounded to the dtype of `x`; the sum of the biases is.
    #[track_caller]
    pub(super) fn project_input_in_f32(&self, x: &Tensor) -> Result<Tensor> {
        let wide = |t: &Tensor| t.to_dtype(DType::F32);
        let bias = match (&self.bias_ih, &self.bias_hh) {
            (Some(one), Some(other)) => Some(wide(&one.add(other.tensor())?)?),
            (one, _) => one.as_deref().map(wide).transpose()?,
        };
        wide(x)?.linear(wide(&self.weight_ih)?, bias.as_ref())
    }
}

/// h′ = tanh or relu of the gate.
#[track_caller]
pub(super) fn rnn_step(kind: Kind, gate: &Tensor) -> Result<Tensor> {
    if kind == Kind::Relu { gate.relu() } else { gate.tanh() }
}

/// c′ = σ(f) c + σ(i) tanh(g), h′ = σ(o) tanh(c′), of the gates i, f, g, o side by side.
#[track_caller]
pub(super) fn lstm_step(gates: &Tensor, c: &Tensor) -> Result<(Tensor, Tensor)> {
    let size = c.shape()[c.rank() - 1];
    let gate = |i: usize| gates.narrow(-1, (i * size) as isize, size);
    let (input, forget) = (gate(0)?.sigmoid()?, gate(1)?.sigmoid()?);
    let (new, output) = (gate(2)?.tanh()?, gate(3)?.sigmoid()?);
    let c = forget.mul(c)?.add(&input.mul(&new)?)?;
    Ok((output.mul(&c.tanh()?)?, c))
}

/// h′ = z h + (1 − z) n with r and z the sigmoids of their gates and n = tanh(gate of x + r · gate of h).
#[track_caller]
pub(super) fn gru_step(gx: &Tensor, gh: &Tensor, h: &Tensor) -> Result<Tensor> {
    let size = h.shape()[h.rank() - 1];
    let gate = |all: &Tensor, i: usize| all.narrow(-1, (i * size) as isize, size);
    let reset = gate(gx, 0)?.add(&gate(gh, 0)?)?.sigmoid()?;
    let update = gate(gx, 1)?.add(&gate(gh, 1)?)?.sigmoid()?;
    let new = gate(gx, 2)?.add(&reset.mul(&gate(gh, 2)?)?)?.tanh()?;
    h.sub(&new)?.mul(&update)?.add(&new)
}

macro_rules! cells {
    ($(
        $(#[$doc:meta])* $Name:ident, $Builder:ident, |$b:ident| $kind:expr,
        { $($(#[$option_doc:meta])* $option:ident: $t:ty = $default:expr,)* } |$s:ident| $more:expr;
    )*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        #[module(extra_repr = "Self::describe")]
        pub struct $Name {
            /// From the input to the gates, `[gates · hidden_size, input_size]`.
            pub weight_ih: Parameter,
            /// From the hidden state to the gates, `[gates · hidden_size, hidden_size]`.
            pub weight_hh: Parameter,
            /// Added to what the input contributes, `[gates · hidden_size]`.
            pub bias_ih: Option<Parameter>,
            /// Added to what the hidden state contributes, `[gates · hidden_size]`.
            pub bias_hh: Option<Parameter>,
            input_size: usize,
            hidden_size: usize,
            $(#[module(skip)] $option: $t,)*
        }

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {
                input_size: usize,
                hidden_size: usize,
            }
            options {
                $($(#[$option_doc])* $option: $t = $default,)*
                /// With biases (the default).
                bias: bool = true,
                /// The parameters' dtype, float32 unless set.
                dtype: DType = DType::DEFAULT,
                /// Where the parameters are, the CPU unless set.
                device: Device = Device::Cpu,
            }
        }

        impl $Name {
            #[track_caller]
            fn from_builder($b: $Builder) -> Result<Self> {
                let (input_size, hidden_size) = ($b.input_size, $b.hidden_size);
                ensure!(hidden_size > 0, Argument, stringify!($Name), "hidden_size must be at least 1");
                let gates = Gates::new($kind, (input_size, hidden_size, 0), $b.bias, $b.dtype, $b.device)?;
                gates.fill(hidden_size)?;
                let Gates { weight_ih, weight_hh, bias_ih, bias_hh, .. } = gates;
                Ok($Name { weight_ih, weight_hh, bias_ih, bias_hh, input_size, hidden_size, $($option: $b.$option,)* })
            }

            fn describe(&self) -> String {
                let $s = self;
                let bias = if self.bias_ih.is_some() { "" } else { ", bias=False" };
                format!("{}, {}{bias}{}", self.input_size, self.hidden_size, $more)
            }

            /// What the input and the state contribute to the gates, once they are seen to fit.
            #[track_caller]
            fn gates(&self, x: &Tensor, states: &[&Tensor]) -> Result<(Tensor, Tensor)> {
                check(stringify!($Name), x, self.input_size, states, self.hidden_size)?;
                let gx = x.linear(&self.weight_ih, self.bias_ih.as_deref())?;
                Ok((gx, states[0].linear(&self.weight_hh, self.bias_hh.as_deref())?))
            }

            /// A state of zeros for the input `x`.
            #[track_caller]
            fn zeros(&self, x: &Tensor) -> Result<Tensor> {
                let shape = match x.shape() {
                    [batch, _] => vec![*batch, self.hidden_size],
                    _ => vec![self.hidden_size],
                };
                Tensor::zeros(shape).dtype(x.dtype()).device(x.device()).build()
            }
        }
    )*};
}

cells! {
    /// One step of an [`RNN`](crate::RNN), as `torch.nn.RNNCell`. All weights start evenly distributed in
    /// ±1/√hidden_size.
    RNNCell, RNNCellBuilder, |b| b.nonlinearity.into(), {
        /// The function, tanh unless set.
        nonlinearity: RNNNonlinearity = RNNNonlinearity::Tanh,
    }
    |s| if s.nonlinearity == RNNNonlinearity::Tanh { "" } else { ", nonlinearity=relu" };

    /// One step of an [`LSTM`](crate::LSTM), as `torch.nn.LSTMCell` (Hochreiter and Schmidhuber 1997). All weights
    /// start evenly distributed in ±1/√hidden_size.
    ///
    /// ```
    /// use flambeau_nn::{Call, LSTMCell};
    /// use flambeau_tensor::Tensor;
    ///
    /// let cell = LSTMCell::new(10, 20).build()?;
    /// let (mut h, mut c) = cell.call(&Tensor::randn([3, 10]).build()?)?;
    /// (h, c) = cell.call((&Tensor::randn([3, 10]).build()?, (&h, &c)))?;
    /// assert_eq!((h.shape(), c.shape()), (&[3, 20][..], &[3, 20][..]));
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    LSTMCell, LSTMCellBuilder, |b| Kind::Lstm, {} |_s| "";

    /// One step of a [`GRU`](crate::GRU), as `torch.nn.GRUCell` (Cho et al. 2014). All weights start evenly
    /// distributed in ±1/√hidden_size.
    GRUCell, GRUCellBuilder, |b| Kind::Gru, {} |_s| "";
}

/// One step from a state of zeros, for the input `[N, input_size]` or `[input_size]`.
impl Forward<&Tensor> for RNNCell {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward((x, &self.zeros(x)?))
    }
}

/// The state after h, `[N, hidden_size]` or `[hidden_size]`, for the input x.
impl Forward<(&Tensor, &Tensor)> for RNNCell {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (x, h): (&Tensor, &Tensor)) -> Result<Tensor> {
        let (gx, gh) = self.gates(x, &[h])?;
        rnn_step(self.nonlinearity.into(), &gx.add(&gh)?)
    }
}

/// One step from a state of zeros, for the input `[N, input_size]` or `[input_size]`.
impl Forward<&Tensor> for LSTMCell {
    type Output = (Tensor, Tensor);

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let zeros = self.zeros(x)?;
        self.forward((x, (&zeros, &zeros)))
    }
}

/// The state (h, c) after the one given, both `[N, hidden_size]` or `[hidden_size]`, for the input x.
impl Forward<(&Tensor, (&Tensor, &Tensor))> for LSTMCell {
    type Output = (Tensor, Tensor);

    #[track_caller]
    fn forward(&self, (x, (h, c)): (&Tensor, (&Tensor, &Tensor))) -> Result<(Tensor, Tensor)> {
        let (gx, gh) = self.gates(x, &[h, c])?;
        lstm_step(&gx.add(&gh)?, c)
    }
}

/// One step from a state of zeros, for the input `[N, input_size]` or `[input_size]`.
impl Forward<&Tensor> for GRUCell {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward((x, &self.zeros(x)?))
    }
}

/// The state after h, `[N, hidden_size]` or `[hidden_size]`, for the input x.
impl Forward<(&Tensor, &Tensor)> for GRUCell {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (x, h): (&Tensor, &Tensor)) -> Result<Tensor> {
        let (gx, gh) = self.gates(x, &[h])?;
        gru_step(&gx, &gh, h)
    }
}

/// Input and states are lists or batches of lists of the right sizes.
#[track_caller]
fn check(name: &'static str, x: &Tensor, input: usize, states: &[&Tensor], hidden: usize) -> Result<()> {
    let batch = match x.shape() {
        [n, size] if *size == input => Some(*n),
        [size] if *size == input => None,
        shape => bail!(Shape, name, "the input has shape {shape:?}, it must be [N, {input}] or [{input}]"),
    };
    let right = batch.map_or(vec![hidden], |n| vec![n, hidden]);
    for state in states {
        ensure!(
            *state.shape() == right[..],
            Shape,
            name,
            "the state has shape {:?}; beside an input of {:?} it must be {right:?}",
            state.shape(),
            x.shape()
        );
    }
    Ok(())
}
