//! What RNN, LSTM and GRU have in common: weights by layer and direction, and the walk over the steps.
//!
//! A batch is walked as if it were packed: all steps after one another in `[Σ sizes, features]`, with the number of
//! sequences that have each step. A padded batch has the same number everywhere.

use super::cells::{Gates, Kind};
use super::sequence::Sequence;
use crate::part::{Item, ItemMut, Visitor, VisitorMut};
use crate::print::{py_bool, py_float};
use crate::{Mode, Part, Rebuild, functional};
use flambeau_tensor::{DType, Device, Result, RnnLayer, Tensor, bail, cat, dispatch_all, ensure, stack};
use std::panic::Location;

/// More layers than anybody has; a list of them is made.
const MOST_LAYERS: usize = 1 << 16;

/// The options of all three.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub name: &'static str,
    pub kind: Kind,
    pub input_size: usize,
    pub hidden_size: usize,
    pub proj_size: usize,
    pub num_layers: usize,
    pub bias: bool,
    pub batch_first: bool,
    pub dropout: f64,
    pub bidirectional: bool,
    pub dtype: DType,
    pub device: Device,
}

/// Weights by layer and direction, and how they are applied.
pub(super) struct Core {
    options: Options,
    /// The forward direction of layer 0, the backward one, then those of layer 1, …
    gates: Vec<Gates>,
    mode: Mode,
}

/// The hidden state h, and c of an LSTM: `[layers · directions, N, size]`.
pub(super) struct State {
    pub h: Tensor,
    pub c: Option<Tensor>,
}

impl Core {
    #[track_caller]
    pub fn new(options: Options) -> Result<Core> {
        let Options { name, input_size, hidden_size, proj_size, num_layers, dropout, .. } = options;
        for (what, size) in [("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)] {
            ensure!(size > 0, Argument, name, "{what} must be at least 1");
        }
        ensure!(num_layers <= MOST_LAYERS, Argument, name, "{num_layers} layers: {MOST_LAYERS} is the most");
        ensure!((0.0..=1.0).contains(&dropout), Argument, name, "dropout = {dropout} is not a probability");
        ensure!(
            proj_size < hidden_size,
            Argument,
            name,
            "proj_size = {proj_size} must be below hidden_size = {hidden_size}"
        );
        let mut core = Core { options, gates: Vec::new(), mode: Mode::new() };
        for layer in 0..num_layers {
            let width = if layer == 0 { input_size } else { core.output_size().saturating_mul(core.directions()) };
            for _ in 0..core.directions() {
                let sizes = (width, hidden_size, proj_size);
                core.gates.push(Gates::new(options.kind, sizes, options.bias, options.dtype, options.device)?);
            }
        }
        // All weights are made first and filled then, as in PyTorch.
        for gates in &core.gates {
            gates.fill(hidden_size)?;
        }
        Ok(core)
    }

    fn directions(&self) -> usize {
        1 + usize::from(self.options.bidirectional)
    }

    /// The size of h.
    fn output_size(&self) -> usize {
        if self.options.proj_size > 0 { self.options.proj_size } else { self.options.hidden_size }
    }

    pub fn gates(&self, layer: usize, reverse: bool) -> Option<&Gates> {
        if reverse && !self.options.bidirectional {
            return None;
        }
        self.gates.get(layer.checked_mul(self.directions())? + usize::from(reverse))
    }

    /// The suffix of the names of the weights number `i`: `_l0`, `_l0_reverse`, …
    fn suffix(&self, i: usize) -> String {
        let directions = self.directions();
        format!("_l{}{}", i / directions, if i % directions == 1 { "_reverse" } else { "" })
    }

    pub fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        for (i, gates) in self.gates.iter().enumerate() {
            let suffix = self.suffix(i);
            gates.each(&mut |name, parameter| parameter.visit_as(&format!("{name}{suffix}"), visitor));
        }
        visitor("mode", Item::Mode(&self.mode));
    }

    pub fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        let suffixes: Vec<String> = (0..self.gates.len()).map(|i| self.suffix(i)).collect();
        for (gates, suffix) in self.gates.iter_mut().zip(suffixes) {
            gates.each_mut(&mut |name, parameter| visitor(&format!("{name}{suffix}"), ItemMut::Parameter(parameter)));
        }
    }

    pub fn rebuild(&self, with: &mut Rebuild<'_>) -> Result<Core> {
        let gates = self.gates.iter().map(|gates| gates.rebuild(with)).collect::<Result<_>>()?;
        Ok(Core { options: self.options, gates, mode: self.mode.rebuild_part(with)? })
    }

    pub fn describe(&self) -> String {
        let o = &self.options;
        let mut text = format!("{}, {}", o.input_size, o.hidden_size);
        if o.proj_size != 0 {
            text += &format!(", proj_size={}", o.proj_size);
        }
        if o.num_layers != 1 {
            text += &format!(", num_layers={}", o.num_layers);
        }
        for (name, value, usual) in [("bias", o.bias, true), ("batch_first", o.batch_first, false)] {
            if value != usual {
                text += &format!(", {name}={}", py_bool(value));
            }
        }
        if o.dropout != 0.0 {
            text += &format!(", dropout={}", py_float(o.dropout));
        }
        if o.bidirectional {
            text += ", bidirectional=True";
        }
        text
    }

    /// The outputs of the last layer and the states after the last steps. `h` and `c` are as the user gave them.
    ///
    /// # Errors
    /// Where the input or a state has another shape or dtype than the layer.
    #[track_caller]
    pub fn forward<S: Sequence>(&self, input: S, h: Option<&Tensor>, c: Option<&Tensor>) -> Result<(S::Output, State)> {
        let o = &self.options;
        let name = o.name;
        let steps = input.steps(name, o.input_size, o.batch_first)?;
        let (data, sizes) = (&steps.data, &steps.sizes[..]);
        let dtype = self.gates[0].weight_ih.dtype();
        ensure!(
            data.dtype() == dtype,
            DType,
            name,
            "the input is {}, the weights are {dtype}: convert one of them",
            data.dtype()
        );
        let batch = sizes[0];
        let at = Location::caller();
        let first = |what: &str, state: Option<&Tensor>, size: usize| -> Result<Tensor> {
            let shape = [self.gates.len(), batch, size];
            match state {
                Some(state) => steps.enter(name, what, state, &shape).map_err(|e| e.located(at)),
                None => Tensor::zeros(shape).dtype(dtype).device(data.device()).build(),
            }
        };
        let h = first("h", h, self.output_size())?;
        let c = if o.kind == Kind::Lstm { Some(first("c", c, o.hidden_size)?) } else { None };

        let mut x = data.clone();
        let (mut last_h, mut last_c) = (Vec::new(), Vec::new());
        for layer in 0..o.num_layers {
            let mut outputs = Vec::with_capacity(2);
            for direction in 0..self.directions() {
                let i = layer * self.directions() + direction;
                let state = |all: &Tensor| all.select(0, i as isize);
                let walk = Walk { gates: &self.gates[i], kind: o.kind, sizes, reverse: direction == 1 };
                let (out, h, c) = walk.run(&x, state(&h)?, c.as_ref().map(state).transpose()?)?;
                outputs.push(out);
                last_h.push(h);
                last_c.extend(c);
            }
            x = if let [one] = &outputs[..] { one.clone() } else { cat(&outputs, -1)? };
            if layer + 1 < o.num_layers && o.dropout > 0.0 {
                x = functional::dropout(&x, o.dropout, self.mode.is_training())?;
            }
        }
        let h = steps.leave(&stack(&last_h, 0)?)?;
        let c = if last_c.is_empty() { None } else { Some(steps.leave(&stack(&last_c, 0)?)?) };
        Ok((input.output(&steps, x)?, State { h, c }))
    }
}

/// One layer in one direction.
struct Walk<'a> {
    gates: &'a Gates,
    kind: Kind,
    /// How many sequences have each step; never rising.
    sizes: &'a [usize],
    reverse: bool,
}

impl Walk<'_> {
    /// The outputs of all steps of `x`, and the state of each sequence after its last one.
    #[track_caller]
    fn run(&self, x: &Tensor, h0: Tensor, c0: Option<Tensor>) -> Result<(Tensor, Tensor, Option<Tensor>)> {
        // One product for all steps; only what depends on the state is left to each.
        let projection = self.gates.weight_hr.as_deref();
        let apart = self.kind == Kind::Gru || self.kind.mode().rounds(x.dtype(), projection.is_some());
        // An LSTM in `bf16` that is one kernel in PyTorch rounds nothing between this product and its states.
        let whole = self.kind == Kind::Lstm && x.dtype() == DType::BF16 && !apart;
        let gates = if whole { self.gates.project_input_in_f32(x)? } else { self.gates.project_input(x, apart)? };
        let bias = if apart { self.gates.bias_hh.as_deref() } else { None };
        let mut inputs = vec![&gates, &h0, &*self.gates.weight_hh];
        inputs.extend(bias);
        inputs.extend(&c0);
        inputs.extend(projection);
        let layer = RnnLayer {
            mode: self.kind.mode(),
            batch_sizes: self.sizes.into(),
            reverse: self.reverse,
            bias: bias.is_some(),
            projection: projection.is_some(),
            saves: flambeau_tensor::grad_enabled() && inputs.iter().any(|t| t.requires_grad()),
        };
        let mut made = dispatch_all(layer.into(), &inputs)?.into_iter();
        match (made.next(), made.next()) {
            (Some(y), Some(h)) => Ok((y, h, if c0.is_some() { made.next() } else { None })),
            _ => bail!(Unsupported, "rnn_layer", "an interpreter answered without outputs"),
        }
    }
}
