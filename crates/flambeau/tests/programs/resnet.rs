//! A residual network learns digits, is kept in a file, and its head is trained again on other classes.

use super::data;
use flambeau::autocast::autocast;
use flambeau::prelude::*;
use flambeau::vision::{datasets::Mnist, transforms::*};

#[derive(Module)]
pub(crate) struct BasicBlock {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    bn2: BatchNorm2d,
    downsample: Option<Sequential>,
}

impl BasicBlock {
    pub(crate) fn new(inplanes: usize, planes: usize, stride: usize) -> Result<Self> {
        let downsample = (stride != 1 || inplanes != planes)
            .then(|| {
                Sequential::of((Conv2d::new(inplanes, planes, 1).stride(stride).bias(false), BatchNorm2d::new(planes)))
            })
            .transpose()?;
        Ok(Self {
            conv1: Conv2d::new(inplanes, planes, 3).stride(stride).padding(1).bias(false).build()?,
            bn1: BatchNorm2d::new(planes).build()?,
            conv2: Conv2d::new(planes, planes, 3).padding(1).bias(false).build()?,
            bn2: BatchNorm2d::new(planes).build()?,
            downsample,
        })
    }
}

impl Forward<&Tensor> for BasicBlock {
    type Output = Tensor;
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let out = self.bn1.call(&self.conv1.call(x)?)?.relu()?;
        let out = self.bn2.call(&self.conv2.call(&out)?)?;
        let identity = match &self.downsample {
            Some(d) => d.call(x)?,
            None => x.clone(),
        };
        (out + identity).relu()
    }
}

#[derive(Module)]
struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    layer1: BasicBlock,
    layer2: BasicBlock,
    avgpool: AdaptiveAvgPool2d,
    fc: Linear,
}

impl ResNet {
    fn new(classes: usize) -> Result<Self> {
        Ok(Self {
            conv1: Conv2d::new(1, 8, 3).padding(1).bias(false).build()?,
            bn1: BatchNorm2d::new(8).build()?,
            layer1: BasicBlock::new(8, 8, 1)?,
            layer2: BasicBlock::new(8, 16, 2)?,
            avgpool: AdaptiveAvgPool2d::new(1).build()?,
            fc: Linear::new(16, classes).build()?,
        })
    }
}

impl Forward<&Tensor> for ResNet {
    type Output = Tensor;
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.bn1.call(&self.conv1.call(x)?)?.relu()?;
        let x = self.layer2.call(&self.layer1.call(&x)?)?;
        self.fc.call(&self.avgpool.call(&x)?.flatten(1, -1)?)
    }
}

/// How many of the loader's images the model reads right, as a part of all.
fn evaluate(model: &ResNet, loader: &DataLoader<Mnist>) -> Result<f64> {
    model.eval();
    let mut accuracy = Accuracy::new();
    for batch in loader {
        let (images, labels) = batch?;
        accuracy.update(&model.call(&images)?, &labels)?;
    }
    Ok(accuracy.value())
}

#[test]
fn a_residual_network_learns_digits() -> Result<()> {
    let _alone = crate::alone();
    flambeau::manual_seed(0);
    let transform = || Compose::of((ToTensor::new(), Normalize::new([0.3], [0.38])));
    let train = Mnist::new(data("digits")).train(true).transform(transform()).build()?;
    let test = Mnist::new(data("digits")).train(false).transform(transform()).build()?;
    let loader = DataLoader::new(train).batch_size(64).shuffle(true).workers(2).drop_last(true).build()?;
    let test_loader = DataLoader::new(test).batch_size(256).build()?;

    let model = ResNet::new(10)?;
    let mut optimizer = SGD::new(model.parameters()).lr(0.1).momentum(0.9).weight_decay(5e-4).nesterov(true).build()?;
    let mut scheduler = OneCycleLR::new(&optimizer, 0.2, 2 * loader.len() as u64).build()?;
    for _ in 0..2 {
        model.train();
        for batch in &loader {
            let (images, labels) = batch?;
            let logits = autocast(DType::BF16, || model.call(&images))?;
            let loss = cross_entropy_with(&logits, &labels, CrossEntropy::new().label_smoothing(0.1))?;
            optimizer.zero_grad();
            loss.backward()?;
            optimizer.step()?;
            scheduler.step()?;
        }
    }
    let accuracy = no_grad(|| evaluate(&model, &test_loader))?;
    assert!(accuracy > 0.8, "{accuracy}");

    // Everything but the head goes on with what it knows; even and odd are two new classes.
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("resnet.pt");
    serialize::save(&path, &model.state_dict())?;
    let tuned = ResNet::new(2)?;
    let mut state = serialize::load(&path)?;
    state.retain(|name, _| !name.starts_with("fc."));
    let report = tuned.load_state_dict_with(&state, false)?;
    assert_eq!(report.missing, ["fc.weight", "fc.bias"]);
    tuned.requires_grad_(false)?;
    tuned.fc.requires_grad_(true)?;
    tuned.eval();

    let (images, labels) = test_loader.iter().next().expect("a batch")?;
    let odd = labels.remainder(2)?;
    let mut optimizer = Adam::new(tuned.parameters().into_iter().filter(|p| p.requires_grad())).lr(0.05).build()?;
    for _ in 0..20 {
        let loss = cross_entropy(tuned.call(&images)?, &odd)?;
        optimizer.zero_grad();
        loss.backward()?;
        optimizer.step()?;
    }
    let right = tuned.call(&images)?.argmax(-1)?.eq(&odd)?.to_dtype(DType::F32)?.mean(..)?.item::<f64>()?;
    assert!(right > 0.85, "{right}");
    assert!(tuned.conv1.weight.equal(&model.conv1.weight)?);
    Ok(())
}
