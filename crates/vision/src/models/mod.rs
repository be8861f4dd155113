//! Networks, as `torchvision.models`: the same layers under the same names, with the same initial values from the same
//! seed, so that torchvision's weights load.
//!
//! ```
//! use flambeau_nn::{Call, Module};
//! use flambeau_tensor::Tensor;
//! use flambeau_vision::models::resnet18;
//!
//! let model = resnet18().num_classes(10).build()?;
//! model.eval();
//! assert_eq!(model.call(&Tensor::zeros([1, 3, 64, 64]).build()?)?.shape(), [1, 10]);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

mod builder;
mod classification;
mod detection;
mod features;
mod layers;
mod named;
mod optical_flow;
mod registry;
mod segmentation;
mod video;
mod weights;
mod windows;

pub use classification::*;
pub use detection::*;
pub use features::{FeatureExtractor, create_feature_extractor, get_graph_node_names};
pub use optical_flow::*;
pub use registry::{ModelBuilder, Network, get_model, list_models};
pub use segmentation::*;
pub use video::*;
pub use weights::*;

#[cfg(test)]
mod tests;
