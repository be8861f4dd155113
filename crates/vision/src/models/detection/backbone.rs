//! Maps of several scales out of a network for images.

use crate::models::layers::IntermediateLayerGetter;
use crate::models::{MobileNetV3, ResNet, ResNetBuilder};
use crate::ops::{ExtraBlocks, FeatureMaps, FeaturePyramidNetwork, Norm};
use flambeau_autograd::Autograd;
use flambeau_nn::{Call, Module, Sequential};
use flambeau_tensor::{Result, Tensor, ensure};

/// The layers of a network and a pyramid on them, as torchvision's `BackboneWithFPN`.
#[derive(Module)]
pub struct BackboneWithFPN {
    body: IntermediateLayerGetter,
    fpn: FeaturePyramidNetwork,
    out_channels: usize,
}

/// How many channels the maps of a pyramid have.
const CHANNELS: usize = 256;

/// Freezes the parameters of `model` whose names begin with none of `trained`.
#[track_caller]
pub(super) fn freeze(model: &dyn Module, trained: impl Fn(&str) -> bool) -> Result<()> {
    for (name, parameter) in model.named_parameters() {
        if !trained(&name) {
            parameter.set_requires_grad(false)?;
        }
    }
    Ok(())
}

impl BackboneWithFPN {
    /// On the layers of a chain at the places `returned`, which give `in_channels` channels; each map of the pyramid has
    /// `out_channels`. As torchvision's `BackboneWithFPN`.
    ///
    /// # Errors
    /// Where the chain has no such layers, or the lists have other lengths.
    #[track_caller]
    pub fn new(
        body: Sequential,
        returned: &[usize],
        in_channels: &[usize],
        out_channels: usize,
        extra_blocks: ExtraBlocks,
    ) -> Result<Self> {
        let (op, n) = ("BackboneWithFPN", body.len());
        let ordered =
            returned.windows(2).all(|pair| pair[0] < pair[1]) && returned.last().is_some_and(|last| *last < n);
        ensure!(ordered, Argument, op, "the layers {returned:?} of a chain of {n}: they go up and are inside it");
        ensure!(
            returned.len() == in_channels.len(),
            Argument,
            op,
            "{} layers and channels of {}",
            returned.len(),
            in_channels.len()
        );
        let at = returned.iter().enumerate().map(|(i, place)| (*place, i.to_string())).collect();
        let body = IntermediateLayerGetter::new(body, at);
        let fpn = FeaturePyramidNetwork::new(in_channels, out_channels).extra_blocks(extra_blocks).build()?;
        Ok(BackboneWithFPN { body, fpn, out_channels })
    }

    /// On the layers `returned` (1 to 4) of a residual network, the last `trainable` of whose five parts train.
    ///
    /// # Errors
    /// Where there are no such layers.
    #[track_caller]
    pub fn of_resnet(
        network: ResNet,
        trainable: usize,
        returned: &[usize],
        extra_blocks: ExtraBlocks,
        norm_layer: Norm,
    ) -> Result<Self> {
        let op = "resnet_fpn_backbone";
        ensure!(trainable <= 5, Argument, op, "{trainable} layers to train, there are 5");
        let ordered = returned.windows(2).all(|pair| pair[0] < pair[1]);
        let (Some(&first), Some(&last)) = (returned.first(), returned.last()) else {
            flambeau_tensor::bail!(Argument, op, "no layers are returned");
        };
        ensure!(ordered && first > 0 && last < 5, Argument, op, "the layers {returned:?}: they go up from 1 to 4");
        let names = ["layer4", "layer3", "layer2", "layer1", "conv1"];
        freeze(&network, |name| {
            names[..trainable].iter().any(|part| name.starts_with(part)) || trainable == 5 && name.starts_with("bn1")
        })?;
        let width = network.width() / 8;
        let channels: Vec<usize> = returned.iter().map(|layer| width << (layer - 1)).collect();
        let at = returned.iter().enumerate().map(|(i, layer)| (layer + 3, i.to_string())).collect();
        let body = IntermediateLayerGetter::new(network.into_body(last)?, at);
        let fpn = FeaturePyramidNetwork::new(channels, CHANNELS).extra_blocks(extra_blocks).norm_layer(norm_layer);
        Ok(BackboneWithFPN { body, fpn: fpn.build()?, out_channels: CHANNELS })
    }

    /// On the last three layers of a ResNet-50, as the networks of one stage have it: the last `trainable` parts train,
    /// all where nothing was trained before; trained norms do not change where `frozen` says their `eps`.
    #[track_caller]
    pub(super) fn resnet50_of_one_stage(
        network: ResNetBuilder,
        trainable: Option<usize>,
        frozen: Option<f64>,
        extra_blocks: ExtraBlocks,
    ) -> Result<Self> {
        let norm = match (trainable, frozen) {
            (Some(_), Some(eps)) => Norm::Frozen { eps },
            _ => Norm::default(),
        };
        let network = network.norm_layer(norm).build()?;
        Self::of_resnet(network, trainable.unwrap_or(5), &[2, 3, 4], extra_blocks, Norm::None)
    }

    /// On the last two stages of a MobileNet v3, the last `trainable` of whose six stages train.
    ///
    /// # Errors
    /// Where there are no such stages.
    #[track_caller]
    pub fn of_mobilenet(network: MobileNetV3, trainable: usize, extra_blocks: ExtraBlocks) -> Result<Self> {
        let stages = network.stages();
        let (n, blocks) = (stages.len(), network.features.len());
        ensure!(trainable <= n, Argument, "mobilenet_backbone", "{trainable} stages to train, there are {n}");
        let before = if trainable == 0 { blocks } else { stages[n - trainable].0 };
        let index = |name: &str| name.split('.').next().and_then(|i| i.parse::<usize>().ok()).unwrap_or(0);
        freeze(&network.features, |name| index(name) >= before)?;
        let kept = &stages[n - 2..];
        let channels: Vec<usize> = kept.iter().map(|(_, width)| *width).collect();
        let at = kept.iter().enumerate().map(|(i, (place, _))| (*place, i.to_string())).collect();
        let body = IntermediateLayerGetter::new(network.features, at);
        let fpn = FeaturePyramidNetwork::new(channels, CHANNELS).extra_blocks(extra_blocks).build()?;
        Ok(BackboneWithFPN { body, fpn, out_channels: CHANNELS })
    }

    /// The maps of images `[N, 3, H, W]`, from the finest to the coarsest.
    ///
    /// # Errors
    /// Where the images do not fit.
    #[track_caller]
    pub fn maps(&self, images: &Tensor) -> Result<FeatureMaps> {
        self.fpn.pyramid(&self.body.call(images)?.0)
    }

    /// How many channels each map has.
    pub fn out_channels(&self) -> usize {
        self.out_channels
    }
}
