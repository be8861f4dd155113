//! Neural networks on flambeau's tensors: [`Module`] and its derive, layers, losses, initialisation,
//! and [`functional`], named and behaving as in `torch.nn`.
//!
//! A module is a struct of parts. The derive says what the parts are; the methods of [`Module`] do
//! everything else. Layers read their options by builders (`Conv2d::new(3, 64, 7).stride(2).build()?`) and
//! draw their first values from the generator in PyTorch's order.

// The derive names this crate as its users do.
extern crate self as flambeau_nn;

mod dict;
mod forward;
pub mod functional;
mod hooks;
mod identity;
pub mod init;
mod inspect;
mod module;
mod modules;
mod operators;
mod parameter;
mod parametrize;
mod part;
mod print;
mod rebuild;
mod sequential;
mod state;
pub mod utils;

pub use dict::{ModuleDict, ModuleList, ParameterDict, ParameterList};
pub use flambeau_nn_derive::{Module, Tensors};
pub use flambeau_tensor::To;
pub use forward::{Call, Calls, FnLayer, Forward, Inputs, Layer};
pub use functional::{Approximate, Reduction};
pub use hooks::{
    ModuleHooks, RemovableHandle, register_module_forward_hook, register_module_forward_pre_hook,
    register_module_full_backward_hook, register_module_full_backward_pre_hook,
};
pub use identity::ModuleId;
pub use inspect::{LayerSummary, Summary, gradient_norms, module_graph, summary};
pub use module::{DynModule, ExtraState, Module};
pub use modules::*;
pub use parameter::{Buffer, Mode, Parameter, materialized};
pub use part::{Item, ItemMut, Part, Visitor, VisitorMut};
#[doc(hidden)]
pub use part::{visit_flat, visit_flat_mut};
pub use print::print_module;
pub use rebuild::{Boxed, Rebuild, functional_call, stack_module_state};
#[doc(hidden)]
pub use rebuild::{kept, rebuilt};
pub use sequential::{Layers, Sequential};
pub use state::LoadReport;

// What the derive's code names, and what the methods of `Module` give and take.
#[doc(no_inline)]
pub use flambeau_tensor::{Build, NamedTensors, Result, StateDict, Tensor, Tensors};
