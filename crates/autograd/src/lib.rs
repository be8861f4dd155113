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

mod api;
mod engine;
mod forward;
pub mod func;
mod function;
mod gradcheck;
mod meta;
mod node;
mod record;
mod release;
mod rules;
mod views;

pub use api::{Autograd, BackwardOptions, GradOptions, HookHandle, grad, grad_with, recorded_ops};
pub use flambeau_tensor::{enable_grad, grad_enabled, inference_mode, no_grad};
pub use function::{Context, Function, MultiFunction};
pub use gradcheck::{GradCheck, gradcheck, gradgradcheck};
pub use rules::{Grads, RULES, Rule, RuleKind, Saves};
