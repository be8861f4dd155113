//! Losses where a person can check them, against PyTorch 2.15 where not, and what they refuse.

use flambeau_autograd::Autograd;
use flambeau_nn::functional::*;
use flambeau_nn::{BCEWithLogitsLoss, CrossEntropyLoss, Module, NLLLoss};
use flambeau_tensor::{ErrorKind, Result, Tensor};

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
fn a_place_that_is_ignored_has_no_gradient() -> Result<()> {
    let x = logits().requires_grad_()?;
    let loss = CrossEntropyLoss::new().ignore_index(1).build()?.forward(&x, &classes(&[2, 0, 1, 0]))?;
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
    is(loss.forward(&x, &y), 103.425_888);
    assert_eq!(loss.state_dict().names().collect::<Vec<_>>(), ["pos_weight"]);
    let p = tensor(&[0.5, 0.0], &[2]);
    is(binary_cross_entropy(&p, &tensor(&[1.0, 1.0], &[2])), (2f64.ln() + 100.0) / 2.0);
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
