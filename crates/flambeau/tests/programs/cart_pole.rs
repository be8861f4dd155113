//! A pole on a cart, as gym's `CartPole-v1`: the world that two programs learn to act in.

use flambeau::prelude::*;

pub(crate) struct CartPole {
    state: [f64; 4],
    steps: usize,
}

impl CartPole {
    pub(crate) fn new() -> Result<Self> {
        let state = Tensor::rand([4]).dtype(DType::F64).build()?.mul(0.1)?.sub(0.05)?.to_vec::<f64>()?;
        Ok(Self { state: state.try_into().expect("four numbers"), steps: 0 })
    }

    pub(crate) fn observation(&self) -> Result<Tensor> {
        tensor!(self.state).to_dtype(DType::F32)
    }

    /// Pushes to the right or to the left. True while the pole stands.
    pub(crate) fn step(&mut self, right: bool) -> bool {
        let [x, v, angle, spin] = self.state;
        let (sin, cos) = angle.sin_cos();
        let push = if right { 10.0 } else { -10.0 };
        let common = (push + 0.05 * spin * spin * sin) / 1.1;
        let turn = (9.8 * sin - cos * common) / (0.5 * (4.0 / 3.0 - 0.1 * cos * cos / 1.1));
        let slide = common - 0.05 * turn * cos / 1.1;
        self.state = [x + 0.02 * v, v + 0.02 * slide, angle + 0.02 * spin, spin + 0.02 * turn];
        self.steps += 1;
        self.state[0].abs() < 2.4 && self.state[2].abs() < 12f64.to_radians() && self.steps < 200
    }
}
