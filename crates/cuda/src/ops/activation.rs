//! Activation functions and the gradients through them: `kernels/elementwise.cu`.

use super::elementwise::*;
use super::{CudaKernel, Lane};
use flambeau_tensor::backend::{Ran, Work};
use flambeau_tensor::*;

macro_rules! activations {
    // The functors of the function and of its gradient, and their parameters.
    ($($Op:ident, $Backward:ident: |$op:ident| $FUNCTOR:expr, $BACKWARD:expr, $extra:expr;)*) => {$(
        impl CudaKernel for $Op {
            fn run(&self, work: &Work<'_>) -> Result<Ran> {
                let ($op, x) = (self, work.inputs[0]);
                $FUNCTOR.run_with(work, Lane::of(x.dtype()), &[Input::Tensor(x)], $extra.map(f64::to_bits))
            }
        }

        impl CudaKernel for $Backward {
            fn run(&self, work: &Work<'_>) -> Result<Ran> {
                let [g, x] = work.inputs else { return Ok(Ran::Lacking) };
                let $op = &self.0;
                let inputs = [Input::Tensor(g), Input::Tensor(x)];
                $BACKWARD.run_with(work, Lane::of(x.dtype()), &inputs, $extra.map(f64::to_bits))
            }
        }
    )*};
}

const NONE: [f64; 3] = [0.0; 3];

activations! {
    Gelu, GeluBackward: |op| if op.tanh { &GELU_TANH } else { &GELU },
        if op.tanh { &GELU_TANH_BACKWARD } else { &GELU_BACKWARD }, NONE;
    Silu, SiluBackward: |_op| SILU, SILU_BACKWARD, NONE;
    Mish, MishBackward: |_op| MISH, MISH_BACKWARD, NONE;
    Softplus, SoftplusBackward: |op| SOFTPLUS, SOFTPLUS_BACKWARD, [op.beta, op.threshold, 0.0];
    Elu, EluBackward: |op| ELU, ELU_BACKWARD, [op.alpha * op.scale, op.scale, op.input_scale];
    LeakyRelu, LeakyReluBackward: |op| LEAKY_RELU, LEAKY_RELU_BACKWARD, [op.slope, 0.0, 0.0];
    Hardtanh, HardtanhBackward: |op| HARDTANH, HARDTANH_BACKWARD, [op.min, op.max, 0.0];
    Hardswish, HardswishBackward: |_op| HARDSWISH, HARDSWISH_BACKWARD, NONE;
    Hardsigmoid, HardsigmoidBackward: |_op| HARDSIGMOID, HARDSIGMOID_BACKWARD, NONE;
    LogSigmoid, LogSigmoidBackward: |_op| LOG_SIGMOID, LOG_SIGMOID_BACKWARD, NONE;
}
