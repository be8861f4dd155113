//! What stands around a training loop of one's own: metrics, curves for TensorBoard, a progress bar, early stopping,
//! and a folder for the run. None of it runs the loop.
//!
//! ```
//! use flambeau_train::{EarlyStopping, Mean};
//!
//! let mut stopping = EarlyStopping::new(2).build()?;
//! for (epoch, losses) in [[0.9, 0.7], [0.5, 0.5], [0.6, 0.6], [0.7, 0.5]].into_iter().enumerate() {
//!     let mut mean = Mean::new();
//!     losses.iter().for_each(|loss| mean.add(*loss));
//!     if stopping.update(mean.value()) {
//!         assert_eq!(epoch, 3);
//!     }
//! }
//! assert_eq!(stopping.best(), Some((1, 0.5)));
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

mod metrics;
mod progress;
mod run;
mod stopping;
mod tensorboard;

pub use metrics::{Accuracy, Auc, Average, ConfusionMatrix, Mean, accuracy, roc_auc, topk_accuracy};
pub use progress::{Over, Progress, ProgressIterator};
pub use run::RunFolder;
pub use stopping::{EarlyStopping, EarlyStoppingBuilder, Goal};
pub use tensorboard::{Hparam, SummaryWriter};
