//! Tables of vectors.

use crate::print::py_float;
use crate::{Forward, Module, Parameter, functional, init};
use flambeau_tensor::{DType, Device, Result, Tensor, builder, ensure, no_grad};

/// A table of vectors by number, as `torch.nn.Embedding`: indices `[…]` become `[…, embedding_dim]`. It
/// starts standard normal, the row `padding_idx` zero.
///
/// ```
/// use flambeau_nn::{Embedding, Call};
/// use flambeau_tensor::Tensor;
///
/// let words = Embedding::new(10, 3).padding_idx(0).build()?;
/// let sentence = Tensor::from_vec(vec![0i64, 2, 0, 5], [1, 4])?;
/// assert_eq!(words.call(&sentence)?.shape(), [1, 4, 3]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
#[module(extra_repr = "Embedding::describe")]
pub struct Embedding {
    /// The table, `[num_embeddings, embedding_dim]`.
    pub weight: Parameter,
    padding_idx: Option<isize>,
    max_norm: Option<f64>,
    norm_type: f64,
    scale_grad_by_freq: bool,
    sparse: bool,
}

builder! {
    /// Options of [`Embedding`].
    pub struct EmbeddingBuilder => Embedding;
    new {
        num_embeddings: usize,
        embedding_dim: usize,
    }
    options {
        /// The row that stands for nothing: it starts zero and is not trained. Negative from the end.
        padding_idx: ~into Option<isize> = None,
        /// Rows longer than this are shortened when they are used.
        max_norm: ~into Option<f64> = None,
        /// The p of the norm for `max_norm`, 2 unless set.
        norm_type: f64 = 2.0,
        /// The gradient of a row is divided by how often the indices name it.
        scale_grad_by_freq: bool = false,
        /// The table's gradient is sparse: the rows that were looked up, for optimizers that take such (`SparseAdam`,
        /// `SGD`, `Adagrad`).
        sparse: bool = false,
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

impl Embedding {
    #[track_caller]
    fn from_builder(b: EmbeddingBuilder) -> Result<Self> {
        let padding_idx = padding("Embedding", b.padding_idx, b.num_embeddings)?;
        let shape = [b.num_embeddings, b.embedding_dim];
        let weight = table("Embedding", b.weight, shape, (padding_idx, b.freeze), (b.dtype, b.device))?;
        let EmbeddingBuilder { max_norm, norm_type, scale_grad_by_freq, sparse, .. } = b;
        Ok(Embedding { weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse })
    }

    /// With the rows of `weight`, `[num_embeddings, embedding_dim]`, not trained where `freeze`. With other options:
    /// `Embedding::new(rows, width).weight(weight).freeze(true).padding_idx(0)`.
    ///
    /// # Errors
    /// Where it is no matrix, or its dtype cannot be trained and it is not to be frozen.
    #[track_caller]
    pub fn from_pretrained(weight: Tensor, freeze: bool) -> Result<Self> {
        ensure!(weight.rank() == 2, Shape, "Embedding", "a table has two dimensions, this one is {:?}", weight.shape());
        let (rows, width) = (weight.shape()[0], weight.shape()[1]);
        Embedding::new(rows, width).weight(weight).freeze(freeze).build()
    }

    fn describe(&self) -> String {
        let (rows, width) = match self.weight.shape() {
            [r, w] => (*r, *w),
            _ => (0, 0),
        };
        let mut text = format!("{rows}, {width}");
        if let Some(index) = self.padding_idx {
            text += &format!(", padding_idx={index}");
        }
        if let Some(norm) = self.max_norm {
            text += &format!(", max_norm={}", py_float(norm));
        }
        if self.norm_type != 2.0 {
            text += &format!(", norm_type={}", py_float(self.norm_type));
        }
        if self.scale_grad_by_freq {
            text += ", scale_grad_by_freq=True";
        }
        if self.sparse {
            text += ", sparse=True";
        }
        text
    }
}

/// A table of vectors: the one that is given, or one that starts standard normal with the row `padding` zero.
#[track_caller]
pub(super) fn table(
    name: &'static str,
    given: Option<Tensor>,
    shape: [usize; 2],
    (padding, freeze): (Option<isize>, bool),
    (dtype, device): (DType, Device),
) -> Result<Parameter> {
    let weight = match given {
        Some(weight) => {
            ensure!(
                *weight.shape() == shape,
                Shape,
                name,
                "the weight is {:?}, a table of {} rows is {shape:?}",
                weight.shape(),
                shape[0]
            );
            return if freeze { Ok(Parameter::frozen(&weight)) } else { Parameter::new(weight) };
        }
        None => super::parameter(shape, dtype, device)?,
    };
    init::normal_(&weight, 0.0, 1.0)?;
    if let Some(index) = padding {
        no_grad(|| weight.select(0, index)?.zero_().map(drop))?;
    }
    Ok(if freeze { Parameter::frozen(weight.tensor()) } else { weight })
}

#[track_caller]
pub(super) fn padding(name: &'static str, index: Option<isize>, rows: usize) -> Result<Option<isize>> {
    let Some(index) = index else { return Ok(None) };
    let n = rows as isize;
    ensure!((-n..n).contains(&index), Index, name, "padding_idx {index} is no row of a table of {rows}");
    Ok(Some(if index < 0 { index + n } else { index }))
}

impl Forward<&Tensor> for Embedding {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, indices: &Tensor) -> Result<Tensor> {
        let options = functional::EmbeddingOptions {
            padding_idx: self.padding_idx,
            max_norm: self.max_norm,
            norm_type: self.norm_type,
            scale_grad_by_freq: self.scale_grad_by_freq,
            sparse: self.sparse,
        };
        functional::embedding_with(indices, &self.weight, options)
    }
}
