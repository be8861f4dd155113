//! The order of an image's dimensions in memory: rows, or the channels of a pixel side by side. Elementwise ops, norms,
//! pools and convolutions keep the order of their input (`dispatch/execute.rs`).

use crate::layout::MemoryFormat;
use crate::shape::inverse;
use crate::{Result, Tensor, bail};

impl Tensor {
    /// With its elements in the order of `format`: itself where they are so already; `Tensor.contiguous(memory_format)`
    /// and `Tensor.to(memory_format)`. Shape and values stay; elementwise ops, norms, pools and convolutions keep the
    /// order.
    ///
    /// ```
    /// use flambeau_tensor::{MemoryFormat, Tensor};
    ///
    /// let x = Tensor::rand([2, 3, 4, 5]).build()?.contiguous_in(MemoryFormat::ChannelsLast)?;
    /// assert_eq!(x.strides(), [60, 1, 15, 3]);
    /// assert_eq!(x.relu()?.strides(), x.strides());
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the format is for another rank: `ChannelsLast` for 4, `ChannelsLast3d` for 5.
    #[track_caller]
    pub fn contiguous_in(&self, format: MemoryFormat) -> Result<Tensor> {
        let Some(order) = format.order(self.rank()) else {
            bail!(Shape, "contiguous", "{format:?} is no order of a tensor of rank {}", self.rank())
        };
        if format == MemoryFormat::Contiguous {
            return self.contiguous();
        }
        if self.layout().is_in(format) {
            return Ok(self.clone());
        }
        let back = inverse(&order);
        self.permute(order)?.contiguous()?.permute(back)
    }

    /// True where the elements lie in the order of `format`: `Tensor.is_contiguous(memory_format)`.
    pub fn is_contiguous_in(&self, format: MemoryFormat) -> bool {
        self.layout().is_in(format)
    }
}
