//! Layers of two inputs: bilinear forms, distances and angles.

use crate::print::py_bool;
use crate::{Forward, Module, ModuleId, Parameter, functional, init};
use flambeau_tensor::{DType, Device, Result, Tensor, builder};

/// x₁ᵀ W x₂ + b for each matrix W of the weight, as `torch.nn.Bilinear`: `[…, in1_features]` and `[…, in2_features]`
/// become `[…, out_features]`. Weight and bias start evenly distributed in ±1/√in1_features.
///
/// ```
/// use flambeau_nn::{Bilinear, Call};
/// use flambeau_tensor::Tensor;
///
/// let form = Bilinear::new(20, 30, 40).build()?;
/// let (x, y) = (Tensor::randn([128, 20]).build()?, Tensor::randn([128, 30]).build()?);
/// assert_eq!(form.call((&x, &y))?.shape(), [128, 40]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
#[module(extra_repr = "Bilinear::describe")]
pub struct Bilinear {
    /// The matrices, `[out_features, in1_features, in2_features]`.
    pub weight: Parameter,
    /// Added to the result, `[out_features]`.
    pub bias: Option<Parameter>,
}

builder! {
    /// Options of [`Bilinear`].
    pub struct BilinearBuilder => Bilinear;
    new {
        in1_features: usize,
        in2_features: usize,
        out_features: usize,
    }
    options {
        /// With a bias (the default).
        bias: bool = true,
        /// The parameters' dtype, float32 unless set.
        dtype: DType = DType::DEFAULT,
        /// Where the parameters are, the CPU unless set.
        device: Device = Device::Cpu,
    }
}

impl Bilinear {
    #[track_caller]
    fn from_builder(b: BilinearBuilder) -> Result<Self> {
        flambeau_tensor::ensure!(b.in1_features > 0, Argument, "Bilinear", "in1_features must be at least 1");
        let weight = super::parameter([b.out_features, b.in1_features, b.in2_features], b.dtype, b.device)?;
        let bias = b.bias.then(|| super::parameter(b.out_features, b.dtype, b.device)).transpose()?;
        let bound = 1.0 / (b.in1_features as f64).sqrt();
        init::uniform_(&weight, -bound, bound)?;
        if let Some(bias) = &bias {
            init::uniform_(bias, -bound, bound)?;
        }
        Ok(Bilinear { weight, bias })
    }

    fn describe(&self) -> String {
        let [out, first, second] = self.weight.dims().unwrap_or_default();
        let bias = py_bool(self.bias.is_some());
        format!("in1_features={first}, in2_features={second}, out_features={out}, bias={bias}")
    }
}

impl Forward<(&Tensor, &Tensor)> for Bilinear {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, (input1, input2): (&Tensor, &Tensor)) -> Result<Tensor> {
        functional::bilinear(input1, input2, &self.weight, self.bias.as_deref())
    }
}

/// The cosine of the angle between vectors along a dimension, as `torch.nn.CosineSimilarity`.
#[derive(Module)]
pub struct CosineSimilarity {
    dim: isize,
    eps: f64,
    id: ModuleId,
}

builder! {
    /// Options of [`CosineSimilarity`].
    pub struct CosineSimilarityBuilder => CosineSimilarity;
    new {}
    options {
        /// The dimension of the vectors, 1 unless set.
        dim: isize = 1,
        /// What lengths are taken to be at least, 1e-8 unless set.
        eps: f64 = 1e-8,
    }
}

impl CosineSimilarity {
    fn from_builder(b: CosineSimilarityBuilder) -> Result<Self> {
        Ok(CosineSimilarity { dim: b.dim, eps: b.eps, id: ModuleId::new() })
    }
}

impl Forward<(&Tensor, &Tensor)> for CosineSimilarity {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, (x1, x2): (&Tensor, &Tensor)) -> Result<Tensor> {
        functional::cosine_similarity_with(x1, x2, self.dim, self.eps)
    }
}

/// The p-norm of the difference of the vectors along the last dimension, as `torch.nn.PairwiseDistance`.
#[derive(Module)]
pub struct PairwiseDistance {
    p: f64,
    eps: f64,
    keepdim: bool,
    id: ModuleId,
}

builder! {
    /// Options of [`PairwiseDistance`].
    pub struct PairwiseDistanceBuilder => PairwiseDistance;
    new {}
    options {
        /// The norm's order, 2 unless set.
        p: f64 = 2.0,
        /// Added to each difference, 1e-6 unless set.
        eps: f64 = 1e-6,
        /// Keep the dimension, of size 1.
        keepdim: bool = false,
    }
}

impl PairwiseDistance {
    fn from_builder(b: PairwiseDistanceBuilder) -> Result<Self> {
        Ok(PairwiseDistance { p: b.p, eps: b.eps, keepdim: b.keepdim, id: ModuleId::new() })
    }
}

impl Forward<(&Tensor, &Tensor)> for PairwiseDistance {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, (x1, x2): (&Tensor, &Tensor)) -> Result<Tensor> {
        functional::pairwise_distance_with(x1, x2, self.p, self.eps, self.keepdim)
    }
}
