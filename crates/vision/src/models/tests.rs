//! Networks with torchvision's results from the same seeds: losses in training, outputs in evaluation.

use super::*;
use flambeau_nn::{Call, Module};
use flambeau_tensor::random::with_generator;
use flambeau_tensor::{DType, Generator, Result, Tensor, no_grad};

/// What `make` makes from seed 3, and then what `run` gives from seed 4.
fn seeded<M, T>(make: impl FnOnce() -> Result<M>, run: impl FnOnce(M) -> Result<T>) -> T {
    let model = with_generator(&Generator::with_seed(3), make).unwrap();
    with_generator(&Generator::with_seed(4), || no_grad(|| run(model))).unwrap()
}

fn close(ours: &[f64], theirs: &[f64]) {
    assert_eq!(ours.len(), theirs.len());
    for (a, b) in ours.iter().zip(theirs) {
        assert!((a - b).abs() <= 1e-3 * b.abs().max(1e-2), "{ours:?} for {theirs:?}");
    }
}

/// The losses on two images, in the second of which there is nothing.
fn losses(model: &dyn Detector) -> Result<Vec<f64>> {
    let images = [Tensor::rand([3, 100, 100]).build()?, Tensor::rand([3, 80, 120]).build()?];
    let boxes = [10.0f32, 12.0, 40.0, 50.0, 30.0, 20.0, 90.0, 80.0, 5.0, 60.0, 25.0, 95.0];
    let target = |n: usize| {
        let boxes = Tensor::from_slice(&boxes[..4 * n], [n, 4])?;
        let labels = Tensor::from_slice(&[1i64, 3, 2][..n], [n])?;
        Ok::<_, flambeau_tensor::Error>(Target { boxes, labels, masks: None, keypoints: None })
    };
    let losses = model.losses(&images, &[target(3)?, target(0)?])?;
    losses.iter().map(|(_, loss)| loss.item::<f64>()).collect()
}

#[test]
fn detectors_of_one_stage_have_torchvisions_losses() {
    let lite = seeded(|| ssdlite320_mobilenet_v3_large().num_classes(5).build(), |m| losses(&m));
    close(&lite, &[2.869816541671753, 9.123645782470703]);
    let small = |builder: RetinaNetBuilder| builder.num_classes(5).min_size(vec![64]).max_size(96).build();
    let second = seeded(|| small(retinanet_resnet50_fpn_v2()), |m| losses(&m));
    close(&second, &[0.5722523927688599, 0.4436371624469757]);
    let fcos = seeded(|| fcos_resnet50_fpn().num_classes(5).min_size(vec![64]).max_size(96).build(), |m| losses(&m));
    close(&fcos, &[1.1252766847610474, 1.00179922580719, 0.6934767961502075]);
}

#[test]
fn networks_for_videos_have_torchvisions_outputs() {
    let video = |shape: [usize; 5]| Tensor::rand(shape).build();
    let residual = seeded(
        || r2plus1d_18().num_classes(4).build(),
        |m| {
            m.eval();
            m.call(&video([1, 3, 4, 32, 32])?)?.flatten(0, -1)?.to_dtype(DType::F64)?.to_vec::<f64>()
        },
    );
    close(&residual, &[-0.005746639333665371, -0.001215124037116766, -0.005231368355453014, 0.018073242157697678]);
    // Sides that are no multiples of patches and windows.
    let swin = seeded(
        || swin3d_t().num_classes(4).build(),
        |m| {
            m.eval();
            m.call(&video([1, 3, 5, 66, 70])?)?.flatten(0, -1)?.to_dtype(DType::F64)?.to_vec::<f64>()
        },
    );
    close(&swin, &[0.35882070660591125, 0.4723933935165405, -0.1608988344669342, 0.7296728491783142]);
}

#[test]
fn raft_has_torchvisions_flow() {
    let flow = seeded(
        || raft_large().build(),
        |m| {
            m.eval();
            let image = || Tensor::rand([1, 3, 128, 136]).build()?.mul(2.0)?.sub(1.0);
            let (first, second) = (image()?, image()?);
            let flow = m.flows(&first, &second, 2)?.remove(1);
            let at = |c: isize| flow.select(0, 0)?.select(0, c)?.select(0, 5)?.select(0, 7)?.item::<f64>();
            Ok([at(0)?, at(1)?, flow.abs()?.sum(..)?.item::<f64>()?])
        },
    );
    close(&flow, &[-0.022565916180610657, 0.13729529082775116, 10137.91015625]);
    let model = raft_small().build().unwrap();
    let odd = Tensor::zeros([1, 3, 130, 136]).build().unwrap();
    assert!(model.flows(&odd, &odd, 1).unwrap_err().message().contains("multiples of 8"));
    let little = Tensor::zeros([1, 3, 64, 64]).build().unwrap();
    assert!(model.flows(&little, &little, 1).is_err());
}

#[test]
fn what_does_not_fit_a_detector_is_an_error() {
    let model = ssdlite320_mobilenet_v3_large().num_classes(3).build().unwrap();
    let image = || vec![Tensor::zeros([3, 40, 40]).build().unwrap()];
    let target = |sides: [f32; 4], label: i64| Target {
        boxes: Tensor::from_slice(&sides, [1, 4]).unwrap(),
        labels: Tensor::from_slice(&[label], [1]).unwrap(),
        masks: None,
        keypoints: None,
    };
    let fault = |target: Target| model.losses(&image(), &[target]).unwrap_err().message().to_string();
    assert!(fault(target([1.0, 1.0, 1.0, 5.0], 1)).contains("no width or no height"));
    assert!(fault(target([1.0, 1.0, 9.0, 5.0], 3)).contains("label 3"));
    let boxes = Tensor::zeros([0, 4]).build().unwrap();
    assert!(fault(Target { boxes, ..target([0.0; 4], 1) }).contains("1 labels and 0 boxes"));
    assert!(ssd300_vgg16().num_classes(1).build().is_err());
}

#[test]
fn every_name_has_a_builder_and_the_weights_that_torchvision_has() {
    assert_eq!(list_models().len(), 109);
    assert!(list_models().iter().all(|name| !get_model_weights(name).is_empty()));
    assert!(get_model("raft_small").build().unwrap().as_detector().is_none());
    assert!(get_model("ssdlite320_mobilenet_v3_large").build().unwrap().as_detector().is_some());
}
