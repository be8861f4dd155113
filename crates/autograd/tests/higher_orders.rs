//! Derivatives of derivatives through fused ops, where gradients arrive with a history: PyTorch's values, and
//! finite differences where PyTorch has none or is off.

mod common;

use common::{close, gradients, sum_of_squares, values};
use flambeau_autograd::{Autograd, BackwardOptions};
use flambeau_tensor::{Approximate, BatchNormOptions, DType, Result, Tensor, tensor};

type F = fn(&Tensor) -> Result<Tensor>;

fn x() -> Result<Tensor> {
    tensor!([[1.0, -2.0, 3.0], [-0.5, 0.25, 2.0]]; DType::F64).requires_grad_()
}

fn gradient(y: &Tensor, x: &Tensor) -> Result<Tensor> {
    Ok(gradients(y, &[x.clone()])?.remove(0))
}

/// With y = Σ f(x)², g = dy/dx and p = Σ g²: the sum of dp/dx.
#[test]
fn the_gradient_of_a_gradient_of_squares() -> Result<()> {
    let known: &[(&str, F, f64)] = &[
        ("silu", Tensor::silu, 52.994722908546045),
        ("gelu", |x| x.gelu(), 49.53643466353462),
        ("gelu, tanh", |x| x.gelu_with(Approximate::Tanh), 49.49873231879947),
        ("elu", |x| x.elu(1.0), 49.84567867851134),
        ("selu", Tensor::selu, 59.46342464429485),
        ("leaky_relu", |x| x.leaky_relu(0.2), 49.968),
        ("softplus", |x| x.softplus(1.0, 20.0), 47.63830201972519),
        ("mish", Tensor::mish, 50.235012645680776),
        ("hardswish", Tensor::hardswish, 58.07226562499999),
        ("hardtanh", |x| x.hardtanh(-1.0, 1.0), -2.0),
        ("logsigmoid", Tensor::logsigmoid, -18.72998278452682),
        ("tanh", Tensor::tanh, -0.19872182513760572),
        ("sigmoid", Tensor::sigmoid, 0.016109908156588124),
    ];
    for (name, f, expected) in known {
        let x = x()?;
        let g = gradient(&f(&x)?.square()?.sum(..)?, &x)?;
        let found = gradient(&g.square()?.sum(..)?, &x)?.sum(..)?;
        close(name, &values(&found), &[*expected], 1e-10);
    }
    Ok(())
}

/// With y = Σ f(x)³, g = dy/dx and p = Σ g²: dp/dx, and from q = Σ (dp/dx)² dq/dx. PyTorch gives the first for all,
/// the second for the norms written out.
#[test]
fn norms_to_the_third_order() -> Result<()> {
    let rms = [-2.678393, -1.322931, -4.088073, -16.540752, 1.465597, -9.253533];
    let rms_third = [-16.7118, 24.1501, -29.6019, -1228.2956, -360.4001, -1346.1408];
    let layer = [-1.540145, 1.748803, -0.208658, -6.193503, 17.337095, -11.143592];
    let layer_third = [6.399, 4.009, -10.4081, 1023.8722, 125.1116, -1148.9838];
    let known: &[(&str, F, [f64; 6], [f64; 6])] = &[
        ("rms_norm", |x| x.rms_norm([3], None, None), rms, rms_third),
        ("layer_norm", |x| x.layer_norm([3], None, None, 1e-5), layer, layer_third),
        ("group_norm", |x| x.unsqueeze(-1)?.group_norm(1, None, None, 1e-5), layer, layer_third),
        ("batch_norm", |x| x.t()?.batch_norm(BatchNormOptions::new().training(true)), layer, layer_third),
        (
            "instance_norm",
            |x| x.unsqueeze(1)?.instance_norm(BatchNormOptions::new().training(true)),
            layer,
            layer_third,
        ),
    ];
    for (name, f, second, third) in known {
        let x = x()?;
        let y = f(&x)?;
        let g = gradient(&y.square()?.mul(&y)?.sum(..)?, &x)?;
        let d = gradient(&sum_of_squares(&[g])?, &x)?;
        close(name, &values(&d), second, 1e-5);
        let t = gradient(&sum_of_squares(&[d])?, &x)?;
        close(&format!("{name}, third order"), &values(&t), third, 1e-5);
    }
    Ok(())
}

/// The gradient penalty of WGAN-GP for a critic with each norm: the penalty and its gradient by the weight.
#[test]
fn gradient_penalties_through_norms() -> Result<()> {
    let layer = [
        0.00412, 0.034688, -0.030402, -0.014434, 0.006543, -0.004412, 0.007374, -0.026047, 0.110647, 0.002941,
        -0.015183, -0.075832,
    ];
    let known: &[(&str, F, f64, [f64; 12])] = &[
        ("layer_norm", |h| h.layer_norm([4], None, None, 1e-5), 0.9477228041976677, layer),
        (
            "instance_norm",
            |h| h.unsqueeze(1)?.instance_norm(BatchNormOptions::new().training(true)),
            0.947722804197668,
            layer,
        ),
        (
            "rms_norm",
            |h| h.rms_norm([4], None, Some(1e-5)),
            0.28170772130946564,
            [
                -0.111015, -0.068923, 0.053707, -0.286991, -0.10117, -0.108732, -0.118146, -0.073184, 0.175676,
                -0.120115, -0.072828, 0.147428,
            ],
        ),
        (
            "group_norm",
            |h| h.group_norm(2, None, None, 1e-5),
            0.9999419325628098,
            [-2e-6, 5e-6, 3.9e-5, 2e-6, -5e-6, -3.9e-5, -7.3e-5, 1.42e-4, -1.49e-4, 7.3e-5, -1.42e-4, 1.49e-4],
        ),
        (
            "batch_norm",
            |h| h.batch_norm(BatchNormOptions::new().training(true)),
            0.9993826974716672,
            [2e-6, -1e-6, 2e-6, -4.4e-4, 4.74e-4, -4.23e-4, -0.005086, 0.007145, -0.003728, -1.4e-5, 3.8e-5, 3e-6],
        ),
    ];
    for (name, norm, penalty, by_weight) in known {
        let x = x()?;
        let w = tensor!([[0.5, -1.0, 0.25], [1.0, 0.75, -0.5], [-0.25, 0.5, 1.0], [0.1, -0.3, 0.7]]; DType::F64)
            .requires_grad_()?;
        let score = norm(&x.linear(&w, None)?)?.silu()?.sum(..)?;
        let loss = gradient(&score, &x)?.norm(2.0, 1)?.sub(1.0)?.square()?.mean(..)?;
        close(name, &values(&loss), &[*penalty], 1e-10);
        loss.backward()?;
        close(name, &values(&w.grad().unwrap()), by_weight, 1e-6);
    }
    Ok(())
}

/// What the second derivative walks is its own: the graph behind the inputs of a fused op is neither freed nor
/// walked twice.
#[test]
fn the_graph_behind_the_inputs_stays() -> Result<()> {
    let x = x()?;
    let h = x.mul(2.0)?.silu()?;
    let g = gradient(&h.square()?.sum(..)?, &x)?;
    let p = g.square()?.sum(..)?;
    p.backward_with(BackwardOptions { retain_graph: Some(true), ..Default::default() })?;
    let once = values(&x.grad().unwrap());
    p.backward()?;
    let twice: Vec<f64> = once.iter().map(|v| 2.0 * v).collect();
    close("twice", &values(&x.grad().unwrap()), &twice, 1e-12);
    Ok(())
}
