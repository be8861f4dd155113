//! Losses where a person can check them, against PyTorch 2.15 where not, and what they refuse.

use flambeau_autograd::{Autograd, GradOptions, grad_with, gradcheck, gradgradcheck};
use flambeau_nn::functional::*;
use flambeau_nn::{BCEWithLogitsLoss, Call, CrossEntropyLoss, Module, NLLLoss};
use flambeau_tensor::{DType, ErrorKind, Result, Tensor};

fn tensor(values: &[f32], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape).unwrap()
}

fn classes(values: &[i64]) -> Tensor {
    Tensor::from_slice(values, values.len()).unwrap()
}

fn is(loss: Result<Tensor>, expected: f64) {
    let loss = loss.unwrap().item::<f64>().unwrap();
    assert!((loss - expected).abs() < 2e-6 * (1.0 + expected.abs()), "{loss} where {expected} is right");
}

/// The gradient of a loss of `x`.
fn slope(x: &Tensor, loss: impl FnOnce(&Tensor) -> Result<Tensor>) -> Vec<f64> {
    let x = x.detach().copy().unwrap().requires_grad_().unwrap();
    loss(&x).unwrap().backward().unwrap();
    x.grad().unwrap().to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap()
}

#[track_caller]
fn near(found: &[f64], right: &[f64]) {
    let same = |a: f64, b: f64| a == b || (a - b).abs() <= 2e-6 * a.abs().max(b.abs()).max(1.0);
    assert!(
        found.len() == right.len() && found.iter().zip(right).all(|(a, b)| same(*a, *b)),
        "{found:?} for {right:?}"
    );
}

#[test]
fn squares_and_distances() {
    let (x, y) = (tensor(&[0.0, 1.0, 5.0], &[3]), tensor(&[0.5, 1.0, 2.0], &[3]));
    is(mse_loss(&x, &y), 9.25 / 3.0);
    is(mse_loss_with(&x, &y, Reduction::Sum), 9.25);
    assert_eq!(mse_loss_with(&x, &y, Reduction::None).unwrap().to_vec::<f32>().unwrap(), [0.25, 0.0, 9.0]);
    is(l1_loss(&x, &y), 3.5 / 3.0);
    is(smooth_l1_loss(&x, &y), (0.125 + 2.5) / 3.0);
    is(smooth_l1_loss_with(&x, &y, 0.0, Reduction::Sum), 3.5);
    is(huber_loss_with(&x, &y, 2.0, Reduction::Sum), 0.125 + 2.0 * (3.0 - 1.0));
    assert!(mse_loss(&x, &tensor(&[1.0, 2.0], &[2])).is_err());
}

#[test]
fn infinite_distances_have_the_slope_of_far_ones() {
    const INF: f32 = f32::INFINITY;
    let (x, y) = (tensor(&[INF, -INF, 0.5, 3.0, 1.0, -1.0], &[6]), tensor(&[0.0; 6], &[6]));
    let huber = |delta| slope(&x, |x| huber_loss_with(x, &y, delta, Reduction::Sum));
    let smooth = |beta| slope(&x, |x| smooth_l1_loss_with(x, &y, beta, Reduction::Sum));
    for plain in [huber(1.0), smooth(1.0)] {
        near(&plain, &[1.0, -1.0, 0.5, 1.0, 1.0, -1.0]);
    }
    near(&huber(2.0), &[2.0, -2.0, 0.5, 2.0, 1.0, -1.0]);
    near(&smooth(2.0), &[1.0, -1.0, 0.25, 1.0, 0.5, -0.5]);
    assert_eq!(huber_loss(&x, &y).unwrap().item::<f32>().unwrap(), INF);
}

/// Values and gradients cannot tell it: the curvature of both losses is that of the square where the difference is 0,
/// and none from the kink on.
#[test]
fn curvature_between_the_kinks() {
    let (x, y) = (tensor(&[0.0, 0.25, -0.25, 0.5, -0.5, 3.0, f32::INFINITY], &[7]), tensor(&[0.0; 7], &[7]));
    let curvature = |loss: &dyn Fn(&Tensor) -> Result<Tensor>| {
        let x = x.detach().copy().unwrap().requires_grad_().unwrap();
        let options = GradOptions::new().create_graph(true);
        let g = grad_with(&[&loss(&x).unwrap()], &[&x], options).unwrap().remove(0).unwrap();
        g.sum(..).unwrap().backward().unwrap();
        x.grad().unwrap().to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap()
    };
    // torch.autograd.grad of the gradient's sum.
    let right = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0];
    near(&curvature(&|x| huber_loss_with(x, &y, 0.5, Reduction::Sum)), &right);
    near(&curvature(&|x| smooth_l1_loss_with(x, &y, 0.5, Reduction::Sum)), &right.map(|v| 2.0 * v));
}

fn logits() -> Tensor {
    tensor(&[0.5, -1.0, 2.0, 0.0, 1.0, -0.5, -2.0, 0.25, 0.75, 1.5, 0.0, -0.25], &[4, 3])
}

#[test]
fn classification() {
    let (x, y) = (logits(), classes(&[2, 0, 1, 0]));
    is(cross_entropy(&x, &y), 0.763_259);
    is(nll_loss(&x.log_softmax(1).unwrap(), &y), 0.763_259);
    let weight = tensor(&[1.0, 2.0, 0.5], &[3]);
    let options = CrossEntropy { weight: Some(&weight), ..Default::default() };
    is(cross_entropy_with(&x, &y, options), 0.876_773);
    is(cross_entropy_with(&x, &y, CrossEntropy { label_smoothing: 0.2, ..options }), 1.031_946);
    is(cross_entropy_with(&x, &y, CrossEntropy { ignore_index: 0, ..options }), 0.858_741);
    is(cross_entropy_with(&x, &y, CrossEntropy { ignore_index: 0, label_smoothing: 0.2, ..options }), 1.057_404);
    let spread = tensor(&[0.1, 0.2, 0.7, 0.8, 0.1, 0.1, 0.0, 1.0, 0.0, 0.3, 0.3, 0.4], &[4, 3]);
    is(cross_entropy(&x, &spread), 1.225_759);
    is(cross_entropy_with(&x, &spread, options), 1.640_396);
}

#[test]
fn weights_smoothing_and_an_ignored_class_together() {
    let weight = tensor(&[0.2, 0.3, 2.0], &[3]);
    let (x, y) = (logits(), classes(&[0, -100, 2, 1]));
    let (kept, kept_y) = (x.index_select(0, &classes(&[0, 2, 3])).unwrap(), classes(&[0, 2, 1]));
    for reduction in [Reduction::Mean, Reduction::Sum] {
        let options =
            CrossEntropy { weight: Some(&weight), label_smoothing: 0.1, reduction, ..CrossEntropy::default() };
        let all = cross_entropy_with(&x, &y, options).unwrap().item::<f64>().unwrap();
        is(cross_entropy_with(&kept, &kept_y, options), all);
    }
}

/// PyTorch's answer for the mean of nothing is NaN, the sum is 0.
#[test]
fn a_loss_of_nothing() {
    let (x, y) = (logits(), classes(&[-100; 4]));
    assert!(cross_entropy(&x, &y).unwrap().item::<f32>().unwrap().is_nan());
    is(cross_entropy_with(&x, &y, CrossEntropy { reduction: Reduction::Sum, ..Default::default() }), 0.0);
}

#[test]
fn a_place_that_is_ignored_has_no_gradient() -> Result<()> {
    let x = logits().requires_grad_()?;
    let loss = CrossEntropyLoss::new().ignore_index(1).build()?.call((&x, &classes(&[2, 0, 1, 0])))?;
    loss.backward()?;
    let gradient = x.grad().unwrap().to_vec::<f32>()?;
    assert_eq!(gradient[6..9], [0.0; 3]);
    assert!(gradient[..6].iter().all(|g| *g != 0.0));
    Ok(())
}

#[test]
fn images_of_classes() {
    // [N, C, H, W] beside [N, H, W]: the same numbers as in a row.
    let x = logits().reshape([1, 4, 3]).unwrap().transpose(1, 2).unwrap().reshape([1, 3, 2, 2]).unwrap();
    let y = classes(&[2, 0, 1, 0]).reshape([1, 2, 2]).unwrap();
    is(cross_entropy(&x, &y), 0.763_259);
    is(cross_entropy(&tensor(&[0.5, -1.0, 2.0], &[3]), &Tensor::full((), 2).build().unwrap()), 0.241_311);
}

#[test]
fn what_is_no_class_is_refused() {
    for bad in [3, -1] {
        let fault = cross_entropy(&logits(), &classes(&[2, 0, bad, 0])).unwrap_err();
        assert_eq!((fault.kind(), fault.place()), (ErrorKind::Index, "cross_entropy"), "{fault}");
        assert!(
            fault.message().contains(&format!("class {bad} in the target is out of range: there are 3")),
            "{fault}"
        );
        assert_eq!(fault.location().unwrap().file(), file!());
        let weight = tensor(&[1.0; 3], &[3]);
        let options = Nll { weight: Some(&weight), ..Default::default() };
        let fault = nll_loss_with(&logits(), &classes(&[2, 0, bad, 0]), options).unwrap_err();
        assert_eq!((fault.kind(), fault.location().unwrap().file()), (ErrorKind::Index, file!()), "{fault}");
    }
    let fault = cross_entropy(&logits(), &classes(&[2, 0, 1])).unwrap_err();
    assert!(fault.message().contains("for an input of shape [4, 3] the classes have shape [4], not [3]"), "{fault}");
    let fault = nll_loss(&logits(), &tensor(&[0.0; 4], &[4])).unwrap_err();
    assert!(fault.message().contains("classes are integers"), "{fault}");
    assert!(CrossEntropyLoss::new().label_smoothing(1.5).build().is_err());
}

#[test]
fn yes_and_no() {
    let (x, y) = (tensor(&[0.5, -1.0, 2.0, 100.0], &[4]), tensor(&[1.0, 0.0, 0.25, 0.0], &[4]));
    is(binary_cross_entropy_with_logits(&x, &y), 25.603_567);
    let pos_weight = tensor(&[3.0], &[1]);
    let loss = BCEWithLogitsLoss::new().pos_weight(pos_weight).reduction(Reduction::Sum).build().unwrap();
    is(loss.call((&x, &y)), 103.425_888);
    assert_eq!(loss.state_dict().names().collect::<Vec<_>>(), ["pos_weight"]);
    let p = tensor(&[0.5, 0.0], &[2]);
    is(binary_cross_entropy(&p, &tensor(&[1.0, 1.0], &[2])), (2f64.ln() + 100.0) / 2.0);
}

/// (x − y) / max(x (1 − x), 10⁻¹²), PyTorch's gradient.
#[test]
fn saturated_probabilities_have_a_slope() {
    let (x, y) = (tensor(&[0.0, 1.0, 0.0, 1.0, 0.5], &[5]), tensor(&[0.0, 1.0, 1.0, 0.0, 0.3], &[5]));
    let sum = |x: &Tensor, y: &Tensor| binary_cross_entropy_with(x, y, Bce::new().reduction(Reduction::Sum));
    is(sum(&x, &y), 200.693_147);
    near(&slope(&x, |x| sum(x, &y)), &[0.0, 0.0, -1e12, 1e12, 0.8]);
    near(&slope(&y, |y| sum(&x, y)), &[100.0, -100.0, 100.0, -100.0, 0.0]);
    let logits = tensor(&[200.0, -200.0], &[2]);
    near(&slope(&logits, |x| sum(&x.sigmoid()?, &tensor(&[1.0, 0.0], &[2]))), &[0.0, 0.0]);
    for dtype in [DType::F16, DType::BF16] {
        let x = tensor(&[0.0, 1.0, 0.25], &[3]).to_dtype(dtype).unwrap();
        let y = tensor(&[1.0, 0.0, 1.0], &[3]).to_dtype(dtype).unwrap();
        let infinite = if dtype == DType::F16 { f64::INFINITY } else { 1_000_727_379_968.0 };
        near(&slope(&x, |x| sum(x, &y)), &[-infinite, infinite, -4.0]);
    }
}

#[test]
fn slopes_of_probabilities_of_second_order() -> Result<()> {
    let (x, y) = ([0.2, 0.7, 0.0, 1.0, 0.0, 1.0], [0.3, 1.0, 0.0, 1.0, 1.0, 0.0]);
    let x = Tensor::from_slice(&x, 6)?.requires_grad_()?;
    let y = Tensor::from_slice(&y, 6)?;
    let loss = binary_cross_entropy_with(&x, &y, Bce::new().reduction(Reduction::Sum))?;
    let options = GradOptions { create_graph: true, ..Default::default() };
    let first = grad_with(&[&loss], &[&x], options)?[0].clone().unwrap();
    near(&first.to_vec::<f64>()?, &[-0.625, -1.428_571_428_6, 0.0, 0.0, -1e12, 1e12]);
    first.square()?.sum(..)?.backward()?;
    let second = x.grad().unwrap().to_vec::<f64>()?;
    near(&second, &[-10.742_187_5, -5.830_903_79, 0.0, 0.0, -2e36, 2e36]);

    let inside = Tensor::from_slice(&[0.2, 0.7, 0.5, 0.9], 4)?.requires_grad_()?;
    let targets = Tensor::from_slice(&[0.3, 0.9, 0.1, 0.6], 4)?.requires_grad_()?;
    let loss = |x: &[Tensor]| Ok(vec![binary_cross_entropy(&x[0], &x[1])?.square()?]);
    gradcheck(loss, &[inside.clone(), targets.clone()])?;
    gradgradcheck(loss, &[inside, targets])
}

#[test]
fn what_is_no_probability_is_refused() {
    let half = tensor(&[0.5], &[1]);
    for bad in [1.1, -0.1, f32::NAN] {
        let bad = tensor(&[bad], &[1]);
        for (x, y, what) in [(&bad, &half, "input"), (&half, &bad, "target")] {
            let fault = binary_cross_entropy(x, y).unwrap_err();
            assert_eq!((fault.kind(), fault.place()), (ErrorKind::Argument, "binary_cross_entropy"));
            assert!(fault.message().contains(&format!("the {what} must be probabilities")), "{fault}");
        }
    }
    assert!(binary_cross_entropy(&tensor(&[], &[0]), &tensor(&[], &[0])).unwrap().item::<f32>().unwrap().is_nan());
}

#[test]
fn divergence_of_distributions() {
    let (x, y) = (tensor(&[0.25, 0.25, 0.5, 0.0001], &[2, 2]).log().unwrap(), tensor(&[0.5, 0.0, 0.5, 0.5], &[2, 2]));
    let sum = 0.5 * 2f64.ln() + 0.5 * (0.5f64 / 0.0001).ln();
    is(kl_div_with(&x, &y, false, Reduction::Sum), sum);
    is(kl_div_with(&x, &y, false, Reduction::BatchMean), sum / 2.0);
    is(kl_div_with(&x, &x, true, Reduction::Sum), 0.0);
}

#[test]
fn the_weight_of_a_loss_is_in_its_state() {
    let loss = NLLLoss::new().weight(tensor(&[1.0, 2.0], &[2])).build().unwrap();
    assert_eq!(loss.state_dict().names().collect::<Vec<_>>(), ["weight"]);
    assert_eq!(format!("{loss:?}"), "NLLLoss()");
}

#[test]
fn a_variance_without_end_is_no_fault() -> Result<()> {
    // torch.nn.functional.gaussian_nll_loss
    let (x, y) = (tensor(&[2.0, 1.0], &[2]).requires_grad_()?, tensor(&[0.0, 0.0], &[2]));
    let var = tensor(&[f32::INFINITY, 1e-8], &[2]).requires_grad_()?;
    let losses = gaussian_nll_loss_with(&x, &y, &var, false, 1e-6, Reduction::None)?;
    losses.sum(..)?.backward()?;
    assert_eq!(losses.i(0)?.item::<f32>()?, f32::INFINITY);
    let slopes = x.grad().unwrap().to_vec::<f32>()?;
    assert!(slopes[0] == 0.0 && (slopes[1] - 1e6).abs() < 1.0, "{slopes:?}");
    assert_eq!(var.grad().unwrap().to_vec::<f32>()?[0], 0.0);
    Ok(())
}
