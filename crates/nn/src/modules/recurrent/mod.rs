//! Recurrent layers: RNN, LSTM and GRU of any number of layers, and the cells they are made of.

mod cells;
mod core;
mod sequence;

pub use cells::{GRUCell, GRUCellBuilder, Gates, LSTMCell, LSTMCellBuilder, RNNCell, RNNCellBuilder, RNNNonlinearity};
pub use sequence::{Sequence, Steps};

use self::core::{Core, Options, State};
use crate::Forward;
use cells::Kind;
use flambeau_tensor::{DType, Device, Result, Tensor, builder};

macro_rules! recurrent {
    ($(
        $(#[$doc:meta])* $Name:ident, $Builder:ident, |$b:ident| $kind:expr, projection: $projection:expr,
        { $($(#[$option_doc:meta])* $option:ident: $t:ty = $default:expr,)* }
    )*) => {$(
        $(#[$doc])*
        pub struct $Name(Core);

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {
                input_size: usize,
                hidden_size: usize,
            }
            options {
                $($(#[$option_doc])* $option: $t = $default,)*
                /// Layers, each on the outputs of the one before; 1 unless set.
                num_layers: usize = 1,
                /// With biases (the default).
                bias: bool = true,
                /// Padded batches are `[N, T, features]` instead of `[T, N, features]`.
                batch_first: bool = false,
                /// While training, the probability that an output of a layer but the last is dropped; 0 unless set.
                dropout: f64 = 0.0,
                /// A second direction, from the last step to the first, whose outputs stand behind those of the first.
                bidirectional: bool = false,
                /// The parameters' dtype, float32 unless set.
                dtype: DType = DType::DEFAULT,
                /// Where the parameters are, the CPU unless set.
                device: Device = Device::Cpu,
            }
        }

        impl $Name {
            #[track_caller]
            fn from_builder($b: $Builder) -> Result<Self> {
                let $Builder { input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype, device, .. } = $b;
                let (name, kind, proj_size) = (stringify!($Name), $kind, $projection);
                let options = Options {
                    name, kind, input_size, hidden_size, proj_size, num_layers, bias, batch_first, dropout, bidirectional, dtype, device,
                };
                Ok($Name(Core::new(options)?))
            }

            /// The weights of a layer in one direction, called `weight_ih_l0`, `weight_hh_l0_reverse`, … in the
            /// state dict.
            pub fn gates(&self, layer: usize, reverse: bool) -> Option<&Gates> {
                self.0.gates(layer, reverse)
            }
        }

        crate::named_module!($Name, |core| core.describe());
    )*};
}

recurrent! {
    /// Plain recurrent layers, as `torch.nn.RNN`: h′ = tanh(W x + b + W′ h + b′). All weights start evenly distributed
    /// in ±1/√hidden_size.
    RNN, RNNBuilder, |b| b.nonlinearity.into(), projection: 0, {
        /// The function, tanh unless set.
        nonlinearity: RNNNonlinearity = RNNNonlinearity::Tanh,
    }

    /// Layers of long short-term memory, as `torch.nn.LSTM` (Hochreiter and Schmidhuber 1997; projections: Sak et al.
    /// 2014). All weights start evenly distributed in ±1/√hidden_size.
    ///
    /// ```
    /// use flambeau_nn::{Call, LSTM};
    /// use flambeau_tensor::Tensor;
    ///
    /// let lstm = LSTM::new(10, 20).num_layers(2).bidirectional(true).build()?;
    /// let x = Tensor::randn([5, 3, 10]).build()?; // 5 steps, 3 sequences
    /// let (output, (h, c)) = lstm.call(&x)?;
    /// assert_eq!(output.shape(), [5, 3, 40]);
    /// assert_eq!((h.shape(), c.shape()), (&[4, 3, 20][..], &[4, 3, 20][..]));
    /// let (_, _) = lstm.call((&x, (&h, &c)))?;
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    LSTM, LSTMBuilder, |b| Kind::Lstm, projection: b.proj_size, {
        /// The size of the projection that becomes h; none unless set.
        proj_size: usize = 0,
    }

    /// Gated recurrent layers, as `torch.nn.GRU` (Cho et al. 2014). All weights start evenly distributed in
    /// ±1/√hidden_size.
    GRU, GRUBuilder, |b| Kind::Gru, projection: 0, {}
}

macro_rules! state_of_h {
    ($($Name:ident),*) => {$(
        /// The outputs of the last layer, `[T, N, directions · hidden_size]`, and the state of each layer and direction after
        /// its last step, `[layers · directions, N, hidden_size]`. Of one sequence `[T, input_size]` there is no N; of a packed
        /// batch the outputs are packed. Called with the input alone it begins with a state of zeros, called with `(input, &h)`
        /// with h.
        impl<S: Sequence> Forward<S> for $Name {
            type Output = (S::Output, Tensor);

            #[track_caller]
            fn forward(&self, input: S) -> Result<Self::Output> {
                let (output, State { h, .. }) = self.0.forward(input, None, None)?;
                Ok((output, h))
            }
        }

        /// The same from the state h.
        impl<S: Sequence> Forward<(S, &Tensor)> for $Name {
            type Output = (S::Output, Tensor);

            #[track_caller]
            fn forward(&self, (input, h): (S, &Tensor)) -> Result<Self::Output> {
                let (output, State { h, .. }) = self.0.forward(input, Some(h), None)?;
                Ok((output, h))
            }
        }
    )*};
}
state_of_h!(RNN, GRU);

/// What an [`LSTM`] gives: the outputs, and the states h and c.
pub type LSTMOutput<O> = (O, (Tensor, Tensor));

/// The outputs of the last layer, `[T, N, directions · h]`, and the states h and c of each layer and direction after
/// its last step, `[layers · directions, N, …]`, from states of zeros; h has the size of the projection where there is
/// one, else hidden_size, as c has always. Of one sequence `[T, input_size]` there is no N; of a packed batch the
/// outputs are packed.
impl<S: Sequence> Forward<S> for LSTM {
    type Output = LSTMOutput<S::Output>;

    #[track_caller]
    fn forward(&self, input: S) -> Result<Self::Output> {
        self.run(input, None, None)
    }
}

/// The same from the states h and c.
impl<S: Sequence> Forward<(S, (&Tensor, &Tensor))> for LSTM {
    type Output = LSTMOutput<S::Output>;

    #[track_caller]
    fn forward(&self, (input, (h, c)): (S, (&Tensor, &Tensor))) -> Result<Self::Output> {
        self.run(input, Some(h), Some(c))
    }
}

impl LSTM {
    #[track_caller]
    fn run<S: Sequence>(&self, input: S, h: Option<&Tensor>, c: Option<&Tensor>) -> Result<LSTMOutput<S::Output>> {
        let (output, State { h, c }) = self.0.forward(input, h, c)?;
        let c = c.unwrap_or_else(|| h.clone());
        Ok((output, (h, c)))
    }
}
