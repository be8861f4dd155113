//! RAFT: a flow corrected again and again by what lies where it points ("RAFT: Recurrent All Pairs Field Transforms for
//! Optical Flow", Z. Teed & J. Deng, 2020).

use crate::models::builder::{Weighted, fill, model_builder, model_functions};
use crate::ops::{Activation, Conv2dNormActivation, Norm};
use flambeau_nn::{Call, Conv2d, Forward, Identity, Layer, Module, ReLU, Sequential, init};
use flambeau_tensor::{
    AvgPoolOptions, ColumnOptions, GridMode, GridPadding, InterpolateMode, InterpolateOptions, Result, Tensor, bail,
    cat, ensure,
};

const OP: &str = "RAFT";

fn conv(from: usize, to: usize, kernel: usize, norm: Norm) -> crate::ops::Conv2dNormActivationBuilder {
    Conv2dNormActivation::new(from, to).kernel_size(kernel).norm_layer(norm).bias(true)
}

/// The way around a block.
#[track_caller]
fn around(from: usize, to: usize, stride: usize, norm: Norm) -> Result<Box<dyn Layer>> {
    Ok(match stride {
        1 => Box::new(Identity::new()),
        _ => Box::new(conv(from, to, 1, norm).stride(stride).activation_layer(Activation::None).build()?),
    })
}

/// Two convolutions and what goes around them.
#[derive(Module)]
struct ResidualBlock {
    convnormrelu1: Conv2dNormActivation,
    convnormrelu2: Conv2dNormActivation,
    downsample: Box<dyn Layer>,
    relu: ReLU,
}

/// Three convolutions of fewer channels and what goes around them.
#[derive(Module)]
struct BottleneckBlock {
    convnormrelu1: Conv2dNormActivation,
    convnormrelu2: Conv2dNormActivation,
    convnormrelu3: Conv2dNormActivation,
    relu: ReLU,
    downsample: Box<dyn Layer>,
}

/// A block of a network of this size.
#[track_caller]
fn block(small: bool, from: usize, to: usize, stride: usize, norm: Norm) -> Result<Box<dyn Layer>> {
    let relu = ReLU::new().inplace(true);
    Ok(match small {
        false => Box::new(ResidualBlock {
            convnormrelu1: conv(from, to, 3, norm).stride(stride).build()?,
            convnormrelu2: conv(to, to, 3, norm).build()?,
            downsample: around(from, to, stride, norm)?,
            relu,
        }),
        true => Box::new(BottleneckBlock {
            convnormrelu1: conv(from, to / 4, 1, norm).build()?,
            convnormrelu2: conv(to / 4, to / 4, 3, norm).stride(stride).build()?,
            convnormrelu3: conv(to / 4, to, 1, norm).build()?,
            relu,
            downsample: around(from, to, stride, norm)?,
        }),
    })
}

impl Forward<&Tensor> for ResidualBlock {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.convnormrelu2.call(&self.convnormrelu1.call(x)?)?;
        self.relu.call(&self.downsample.call(x)?.add(&y)?)
    }
}

impl Forward<&Tensor> for BottleneckBlock {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.convnormrelu3.call(&self.convnormrelu2.call(&self.convnormrelu1.call(x)?)?)?;
        self.relu.call(&self.downsample.call(x)?.add(&y)?)
    }
}

/// An image as a map of an eighth of its size.
#[derive(Module)]
struct FeatureEncoder {
    convnormrelu: Conv2dNormActivation,
    layer1: Sequential,
    layer2: Sequential,
    layer3: Sequential,
    conv: Conv2d,
}

impl FeatureEncoder {
    #[track_caller]
    fn new(small: bool, widths: [usize; 5], norm: Norm) -> Result<Self> {
        let layer = |i: usize, stride: usize| {
            let (from, to) = (widths[i], widths[i + 1]);
            Sequential::of((block(small, from, to, stride, norm)?, block(small, to, to, 1, norm)?))
        };
        let encoder = FeatureEncoder {
            convnormrelu: conv(3, widths[0], 7, norm).stride(2).build()?,
            layer1: layer(0, 1)?,
            layer2: layer(1, 2)?,
            layer3: layer(2, 2)?,
            conv: Conv2d::new(widths[3], widths[4], 1).build()?,
        };
        fill(&encoder, |layer| {
            if let Weighted::Conv2d(conv) = &layer {
                init::kaiming_normal_(&conv.weight, init::Fan::Out, init::Nonlinearity::Relu)?;
            }
            Ok(())
        })?;
        Ok(encoder)
    }
}

impl Forward<&Tensor> for FeatureEncoder {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let layers = [&self.layer1, &self.layer2, &self.layer3];
        self.conv.call(&layers.iter().try_fold(self.convnormrelu.call(x)?, |x, layer| layer.call(&x))?)
    }
}

/// The flow and what lies where it points, as numbers.
#[derive(Module)]
struct MotionEncoder {
    convcorr1: Conv2dNormActivation,
    convcorr2: Box<dyn Layer>,
    convflow1: Conv2dNormActivation,
    convflow2: Conv2dNormActivation,
    conv: Conv2dNormActivation,
}

impl MotionEncoder {
    #[track_caller]
    fn encode(&self, flow: &Tensor, correlation: &Tensor) -> Result<Tensor> {
        let correlation = self.convcorr2.call(&self.convcorr1.call(correlation)?)?;
        let encoded = self.convflow2.call(&self.convflow1.call(flow)?)?;
        cat(&[&self.conv.call(&cat(&[correlation, encoded], 1)?)?, flow], 1)
    }
}

/// A gated recurrent unit whose products are convolutions.
#[derive(Module)]
struct ConvGRU {
    convz: Conv2d,
    convr: Conv2d,
    convq: Conv2d,
}

impl ConvGRU {
    #[track_caller]
    fn new(input: usize, hidden: usize, kernel: [usize; 2]) -> Result<Self> {
        let padding = kernel.map(|side| side / 2);
        let conv = || Conv2d::new(hidden + input, hidden, kernel).padding(padding).build();
        Ok(ConvGRU { convz: conv()?, convr: conv()?, convq: conv()? })
    }

    #[track_caller]
    fn step(&self, h: &Tensor, x: &Tensor) -> Result<Tensor> {
        let hx = cat(&[h, x], 1)?;
        let (z, r) = (self.convz.call(&hx)?.sigmoid()?, self.convr.call(&hx)?.sigmoid()?);
        let q = self.convq.call(&cat(&[&r.mul(h)?, x], 1)?)?.tanh()?;
        z.rsub(1.0)?.mul(h)?.add(&z.mul(&q)?)
    }
}

#[derive(Module)]
struct RecurrentBlock {
    convgru1: ConvGRU,
    convgru2: Option<ConvGRU>,
    hidden_size: usize,
}

#[derive(Module)]
struct FlowHead {
    conv1: Conv2d,
    conv2: Conv2d,
    relu: ReLU,
}

#[derive(Module)]
struct UpdateBlock {
    motion_encoder: MotionEncoder,
    recurrent_block: RecurrentBlock,
    flow_head: FlowHead,
}

impl UpdateBlock {
    /// The new hidden state, and by how much the flow changes.
    #[track_caller]
    fn step(&self, hidden: &Tensor, context: &Tensor, correlation: &Tensor, flow: &Tensor) -> Result<(Tensor, Tensor)> {
        let x = cat(&[context, &self.motion_encoder.encode(flow, correlation)?], 1)?;
        let mut hidden = self.recurrent_block.convgru1.step(hidden, &x)?;
        if let Some(second) = &self.recurrent_block.convgru2 {
            hidden = second.step(&hidden, &x)?;
        }
        let head = &self.flow_head;
        let change = head.conv2.call(&head.relu.call(&head.conv1.call(&hidden)?)?)?;
        Ok((hidden, change))
    }
}

/// How much each of nine neighbours counts where the flow is enlarged eight times.
#[derive(Module)]
struct MaskPredictor {
    convrelu: Conv2dNormActivation,
    conv: Conv2d,
}

/// How alike the places of two maps are, for the second map at several scales.
struct Correlation {
    /// `[N · H · W, 1, H / 2ⁱ, W / 2ⁱ]`
    pyramid: Vec<Tensor>,
    radius: usize,
}

const LEVELS: usize = 4;

impl Correlation {
    #[track_caller]
    fn new(first: &Tensor, second: &Tensor, radius: usize) -> Result<Self> {
        let [n, channels, h, w] = *first.shape() else { bail!(Shape, OP, "a map of shape {:?}", first.shape()) };
        let least = 2 << (LEVELS - 1);
        ensure!(
            h >= least && w >= least,
            Shape,
            OP,
            "images of {} by {}: {} by {} is the least",
            8 * h,
            8 * w,
            8 * least,
            8 * least
        );
        let (first, second) = (first.reshape([n, channels, h * w])?, second.reshape([n, channels, h * w])?);
        let volume = first.transpose(1, 2)?.matmul(&second)?.div((channels as f64).sqrt())?;
        let mut pyramid = vec![volume.reshape([n * h * w, 1, h, w])?];
        for level in 1..LEVELS {
            pyramid.push(pyramid[level - 1].avg_pool2d(AvgPoolOptions::new(2).stride(2))?);
        }
        Ok(Correlation { pyramid, radius })
    }

    /// What lies around the places `[N, 2, H, W]`, `[N, channels, H, W]`.
    #[track_caller]
    fn around(&self, places: &Tensor) -> Result<Tensor> {
        let [n, _, h, w] = *places.shape() else { bail!(Shape, OP, "places of shape {:?}", places.shape()) };
        let reach = self.radius as isize;
        // The first of two steps goes along x.
        let steps = (-reach..=reach).flat_map(|x| (-reach..=reach).flat_map(move |y| [x as f32, y as f32]));
        let side = 2 * self.radius + 1;
        let steps = Tensor::from_vec(steps.collect::<Vec<f32>>(), [1, side, side, 2])?.to_dtype(places.dtype())?;
        let mut middle = places.permute([0, 2, 3, 1])?.reshape([n * h * w, 1, 1, 2])?;
        let mut levels = Vec::with_capacity(LEVELS);
        for map in &self.pyramid {
            let (rows, columns) = (map.size(-2)?, map.size(-1)?);
            let at = middle.add(&steps)?;
            let (x, y) = (at.narrow(3, 0, 1)?, at.narrow(3, 1, 1)?);
            let x = x.mul(2.0)?.div(columns as f64 - 1.0)?.sub(1.0)?;
            let y = if rows > 1 { y.mul(2.0)?.div(rows as f64 - 1.0)?.sub(1.0)? } else { y };
            let found = map.grid_sample(&cat(&[x, y], 3)?, GridMode::Bilinear, GridPadding::Zeros, true)?;
            levels.push(found.reshape([n, h, w, side * side])?);
            middle = middle.div(2.0)?;
        }
        cat(&levels, -1)?.permute([0, 3, 1, 2])?.contiguous()
    }
}

/// Follows every pixel from one image to the next, as `torchvision.models.optical_flow.RAFT`; made by [`raft_large`] and
/// [`raft_small`].
#[derive(Module)]
pub struct RAFT {
    feature_encoder: FeatureEncoder,
    context_encoder: FeatureEncoder,
    update_block: UpdateBlock,
    mask_predictor: Option<MaskPredictor>,
    radius: usize,
}

impl RAFT {
    /// The flow `[N, 2, H, W]` (to the right, downwards, in pixels) from images `[N, 3, H, W]` in −1 to 1 to those of the
    /// same size that follow, after each of `num_flow_updates` corrections; 12 is usual.
    ///
    /// ```no_run
    /// use flambeau_tensor::Tensor;
    /// use flambeau_vision::models::raft_small;
    ///
    /// let model = raft_small().build()?;
    /// let (first, second) = (Tensor::rand([1, 3, 128, 160]).build()?, Tensor::rand([1, 3, 128, 160]).build()?);
    /// let flow = model.flows(&first, &second, 12)?.pop();
    /// assert_eq!(flow.map(|flow| flow.shape().to_vec()), Some(vec![1, 2, 128, 160]));
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the sizes differ, are no multiples of 8 or less than 128, or a correction fails.
    #[track_caller]
    pub fn flows(&self, first: &Tensor, second: &Tensor, num_flow_updates: usize) -> Result<Vec<Tensor>> {
        let [n, _, height, width] = *first.shape() else { bail!(Shape, OP, "images of shape {:?}", first.shape()) };
        ensure!(
            first.shape() == second.shape(),
            Shape,
            OP,
            "images of shapes {:?}, {:?}",
            first.shape(),
            second.shape()
        );
        ensure!(height % 8 == 0 && width % 8 == 0, Shape, OP, "images of {height} by {width}: no multiples of 8");
        let maps = self.feature_encoder.call(&cat(&[first, second], 0)?)?;
        let correlation = Correlation::new(&maps.narrow(0, 0, n)?, &maps.narrow(0, n as isize, n)?, self.radius)?;
        let context = self.context_encoder.call(first)?;
        let hidden_size = self.update_block.recurrent_block.hidden_size;
        let rest = context.shape()[1] - hidden_size;
        let mut hidden = context.narrow(1, 0, hidden_size)?.tanh()?;
        let context = context.narrow(1, hidden_size as isize, rest)?.relu()?;
        let start = grid(n, height / 8, width / 8)?.to_dtype(first.dtype())?.to_device(first.device())?;
        let (mut places, mut flows) = (start.clone(), Vec::new());
        for _ in 0..num_flow_updates {
            places = places.detach();
            let found = correlation.around(&places)?;
            let (new, change) = self.update_block.step(&hidden, &context, &found, &places.sub(&start)?)?;
            (hidden, places) = (new, places.add(&change)?);
            let weights = match &self.mask_predictor {
                Some(mask) => Some(mask.conv.call(&mask.convrelu.call(&hidden)?)?.mul(0.25)?),
                None => None,
            };
            flows.push(enlarged(&places.sub(&start)?, weights.as_ref())?);
        }
        Ok(flows)
    }
}

/// x and y of every place, `[N, 2, H, W]`.
#[track_caller]
fn grid(n: usize, h: usize, w: usize) -> Result<Tensor> {
    let x = (0..h).flat_map(|_| (0..w).map(|x| x as f32));
    let y = (0..h).flat_map(|y| std::iter::repeat_n(y as f32, w));
    Tensor::from_vec(x.chain(y).collect::<Vec<f32>>(), [1, 2, h, w])?.repeat([n, 1, 1, 1])
}

/// A flow eight times as large, in pixels of the larger map.
#[track_caller]
fn enlarged(flow: &Tensor, weights: Option<&Tensor>) -> Result<Tensor> {
    let [n, two, h, w] = *flow.shape() else { bail!(Shape, OP, "a flow of shape {:?}", flow.shape()) };
    let flow = |factor: f64| flow.mul(factor);
    let Some(weights) = weights else {
        let larger = InterpolateOptions::size([8 * h, 8 * w]).mode(InterpolateMode::Linear).align_corners(true);
        return flow(1.0)?.interpolate(larger)?.mul(8.0);
    };
    let weights = weights.reshape([n, 1, 9, 8, 8, h, w])?.softmax(2)?;
    let around = flow(8.0)?.im2col(ColumnOptions::new(3).padding(1))?.reshape([n, two, 9, 1, 1, h, w])?;
    let flow = weights.mul(&around)?.sum(2)?;
    flow.permute([0, 1, 4, 2, 5, 3])?.reshape([n, two, 8 * h, 8 * w])
}

model_builder! {
    /// A [`RAFT`] about to be made.
    pub struct RAFTBuilder => RAFT;
    fixed { small: bool }
    options {}
}

impl RAFTBuilder {
    fn make(&self) -> Result<RAFT> {
        let small = self.small;
        let (widths, context) = match small {
            true => ([32, 32, 64, 96, 128], [32, 32, 64, 96, 160]),
            false => ([64, 64, 96, 128, 256], [64, 64, 96, 128, 256]),
        };
        let feature_encoder = FeatureEncoder::new(small, widths, Norm::Instance)?;
        let norm = if small { Norm::None } else { Norm::default() };
        let context_encoder = FeatureEncoder::new(small, context, norm)?;
        let radius = if small { 3 } else { 4 };
        let found = LEVELS * (2 * radius + 1) * (2 * radius + 1);
        let plain = |from: usize, to: usize, kernel: usize| conv(from, to, kernel, Norm::None).build();
        let (correlations, flows, motion) = if small { ((96, 96), (64, 32), 82) } else { ((256, 192), (128, 64), 128) };
        let motion_encoder = MotionEncoder {
            convcorr1: plain(found, correlations.0, 1)?,
            convcorr2: match small {
                true => Box::new(Identity::new()),
                false => Box::new(plain(correlations.0, correlations.1, 3)?),
            },
            convflow1: plain(2, flows.0, 7)?,
            convflow2: plain(flows.0, flows.1, 3)?,
            conv: plain(correlations.1 + flows.1, motion - 2, 3)?,
        };
        let hidden_size = if small { 96 } else { 128 };
        let input = motion + context[4] - hidden_size;
        let (first, second) = if small { ([3, 3], None) } else { ([1, 5], Some([5, 1])) };
        let recurrent_block = RecurrentBlock {
            convgru1: ConvGRU::new(input, hidden_size, first)?,
            convgru2: second.map(|kernel| ConvGRU::new(input, hidden_size, kernel)).transpose()?,
            hidden_size,
        };
        let inner = if small { 128 } else { 256 };
        let flow_head = FlowHead {
            conv1: Conv2d::new(hidden_size, inner, 3).padding(1).build()?,
            conv2: Conv2d::new(inner, 2, 3).padding(1).build()?,
            relu: ReLU::new().inplace(true),
        };
        let update_block = UpdateBlock { motion_encoder, recurrent_block, flow_head };
        let mask_predictor = if small {
            None
        } else {
            Some(MaskPredictor { convrelu: plain(hidden_size, 256, 3)?, conv: Conv2d::new(256, 8 * 8 * 9, 1).build()? })
        };
        Ok(RAFT { feature_encoder, context_encoder, update_block, mask_predictor, radius })
    }
}

model_functions! { RAFTBuilder:
    /// RAFT.
    raft_large(false);
    /// RAFT with fewer channels.
    raft_small(true);
}
