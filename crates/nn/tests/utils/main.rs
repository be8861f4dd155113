//! What `utils` does to the parameters of a model, lazy layers, and looking at a model.

mod clip;
#[allow(dead_code)] // other tests use the rest
#[path = "../common/mod.rs"]
mod common;
mod inspect;
mod lazy;
mod parametrize;
mod prune;
mod rest;
