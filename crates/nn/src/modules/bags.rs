//! Sums, means and maxima over bags of vectors from a table.

use super::embedding::{padding, table};
use crate::functional::{self, EmbeddingOptions};
use crate::print::py_float;
use crate::{Forward, Module, Parameter};
use flambeau_tensor::{BagMode, DType, Device, EmbeddingBagOptions, Result, Tensor, builder, ensure};

/// The sum, mean or maximum over bags of vectors by number, as `torch.nn.EmbeddingBag`, without making the vectors'
/// table of all bags. A bag is a row of a matrix `[bags, n]` of indices, or what stands from one offset to the next in a
/// list `[n]`: `[bags, embedding_dim]`. It starts standard normal, the row `padding_idx` zero.
///
/// ```
/// use flambeau_nn::{Call, EmbeddingBag};
/// use flambeau_tensor::{BagMode, Tensor};
///
/// let words = EmbeddingBag::new(10, 3).mode(BagMode::Sum).build()?;
/// let (list, offsets) = (Tensor::from_vec(vec![1i64, 2, 4, 5, 4, 3, 2, 9], 8)?, Tensor::from_vec(vec![0i64, 4], 2)?);
/// assert_eq!(words.call((&list, &offsets))?.shape(), [2, 3]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
#[module(extra_repr = "EmbeddingBag::describe")]
pub struct EmbeddingBag {
    /// The table, `[num_embeddings, embedding_dim]`.
    pub weight: Parameter,
    padding_idx: Option<isize>,
    max_norm: Option<f64>,
    norm_type: f64,
    scale_grad_by_freq: bool,
    #[module(skip)]
    mode: BagMode,
    include_last_offset: bool,
    sparse: bool,
}

builder! {
    /// Options of [`EmbeddingBag`].
    pub struct EmbeddingBagBuilder => EmbeddingBag;
    new {
        num_embeddings: usize,
        embedding_dim: usize,
    }
    options {
        /// Rows longer than this are shortened when they are used.
        max_norm: ~into Option<f64> = None,
        /// The p of the norm for `max_norm`, 2 unless set.
        norm_type: f64 = 2.0,
        /// The gradient of a row is divided by how often the indices name it, for a sum or a mean.
        scale_grad_by_freq: bool = false,
        /// What becomes of a bag: the mean unless set.
        mode: BagMode = BagMode::Mean,
        /// The table's gradient is sparse, for a sum or a mean: as [`Embedding`](crate::Embedding)'s.
        sparse: bool = false,
        /// The last offset is the end of the last bag.
        include_last_offset: bool = false,
        /// The row that does not count; it starts zero and is not trained. Negative from the end.
        padding_idx: ~into Option<isize> = None,
        /// The table, `[num_embeddings, embedding_dim]`, instead of a drawn one; its dtype and device are kept.
        weight: ~into Option<Tensor> = None,
        /// The table is not trained.
        freeze: bool = false,
        /// The table's dtype, float32 unless set.
        dtype: DType = DType::DEFAULT,
        /// Where the table is, the CPU unless set.
        device: Device = Device::Cpu,
    }
}

impl EmbeddingBag {
    #[track_caller]
    fn from_builder(b: EmbeddingBagBuilder) -> Result<Self> {
        let padding_idx = padding("EmbeddingBag", b.padding_idx, b.num_embeddings)?;
        let shape = [b.num_embeddings, b.embedding_dim];
        let weight = table("EmbeddingBag", b.weight, shape, (padding_idx, b.freeze), (b.dtype, b.device))?;
        let EmbeddingBagBuilder { max_norm, norm_type, scale_grad_by_freq, mode, include_last_offset, sparse, .. } = b;
        Ok(EmbeddingBag {
            weight,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            mode,
            include_last_offset,
            sparse,
        })
    }

    /// The mean of bags from the rows of `weight`, `[num_embeddings, embedding_dim]`, not trained where `freeze`.
    ///
    /// # Errors
    /// Where it is no matrix, or its dtype cannot be trained and it is not to be frozen.
    #[track_caller]
    pub fn from_pretrained(weight: Tensor, freeze: bool) -> Result<Self> {
        let shape = weight.shape();
        ensure!(shape.len() == 2, Shape, "EmbeddingBag", "a table has two dimensions, this one is {shape:?}");
        EmbeddingBag::new(shape[0], shape[1]).weight(weight.clone()).freeze(freeze).build()
    }

    fn describe(&self) -> String {
        let [rows, width] = self.weight.dims().unwrap_or_default();
        let mut text = format!("{rows}, {width}");
        if let Some(norm) = self.max_norm {
            text += &format!(", max_norm={}", py_float(norm));
        }
        if self.norm_type != 2.0 {
            text += &format!(", norm_type={}", py_float(self.norm_type));
        }
        if self.scale_grad_by_freq {
            text += ", scale_grad_by_freq=True";
        }
        text += match self.mode {
            BagMode::Sum => ", mode='sum'",
            BagMode::Mean => ", mode='mean'",
            BagMode::Max => ", mode='max'",
        };
        if let Some(index) = self.padding_idx {
            text += &format!(", padding_idx={index}");
        }
        text
    }
}

impl Forward<&Tensor> for EmbeddingBag {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, bags: &Tensor) -> Result<Tensor> {
        self.forward((bags, None, None))
    }
}

/// A list and its offsets.
impl Forward<(&Tensor, &Tensor)> for EmbeddingBag {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, (list, offsets): (&Tensor, &Tensor)) -> Result<Tensor> {
        self.forward((list, Some(offsets), None))
    }
}

/// Indices, offsets where they are a list, and the weights of their vectors in a sum.
impl Forward<(&Tensor, Option<&Tensor>, Option<&Tensor>)> for EmbeddingBag {
    type Output = Tensor;
    #[track_caller]
    fn forward(
        &self,
        (indices, offsets, per_sample_weights): (&Tensor, Option<&Tensor>, Option<&Tensor>),
    ) -> Result<Tensor> {
        let options = EmbeddingBagOptions {
            offsets,
            mode: self.mode,
            per_sample_weights,
            include_last_offset: self.include_last_offset,
            padding_idx: None,
        };
        let rows = EmbeddingOptions {
            padding_idx: self.padding_idx,
            max_norm: self.max_norm,
            norm_type: self.norm_type,
            scale_grad_by_freq: self.scale_grad_by_freq,
            sparse: self.sparse,
        };
        functional::embedding_bag_with(indices, &self.weight, options, rows)
    }
}
