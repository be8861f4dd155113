//! Autograd: the tape above the tensor crate, one derivative rule for each op of its vocabulary, custom
//! functions, and the checks that keep them honest.
//!
//! The tensor crate calls this one through a single hook, installed the first time somebody asks for a
//! gradient. A recorded op becomes a node (`node.rs`) that keeps what its rule needs and links to the nodes
//! of its inputs; [`backward`](Autograd::backward) walks them newest first with an explicit heap.
//!
//! ```
//! use flambeau_autograd::Autograd;
//! use flambeau_tensor::Tensor;
//!
//! let x = Tensor::from_vec(vec![1.0f32, 2.0, 3.0], 3)?.requires_grad_()?;
//! x.square()?.sum(..)?.backward()?;
//! assert_eq!(x.grad().unwrap().to_vec::<f32>()?, [2.0, 4.0, 6.0]);
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

mod anomaly;
mod api;
mod checkpoint;
mod engine;
mod forward;
pub mod func;
mod function;
mod gradcheck;
mod graph;
mod hooks;
mod meta;
mod node;
mod record;
mod release;
mod rules;
mod saved_hooks;
mod sparse;
mod transforms;
mod views;
mod vmap;

pub use anomaly::{detect_anomaly, detect_anomaly_with};
pub use api::{Autograd, BackwardOptions, GradOptions, grad, grad_with, recorded_ops};
pub use checkpoint::checkpoint;
pub use flambeau_tensor::{enable_grad, grad_enabled, inference_mode, no_grad};
pub use function::{Context, Function, MultiFunction};
pub use gradcheck::{GradCheck, gradcheck, gradgradcheck};
pub use graph::graph;
pub use hooks::{HookHandle, WeakTensor, register_any_grad_hook, register_multi_grad_hook};
pub use rules::{Grads, RULES, Rule, RuleKind, Saves};
pub use saved_hooks::{save_on_cpu, saved_tensors_hooks};
pub use sparse::{SparseTensor, sparse_gradients};
pub use vmap::LOOPS;
