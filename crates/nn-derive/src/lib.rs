//! The derive macros of flambeau: `#[derive(Module)]` makes a struct of parts into a module of `flambeau-nn`,
//! `#[derive(Collate)]` a struct of samples into one that `flambeau-data` makes batches of, `#[derive(Sample)]` a struct of
//! images and what belongs to them into one that the transforms of `flambeau-vision` take.
//!
//! The first writes down which parts a module has, and nothing else: what people do with them (state
//! dicts, moving, printing) are ordinary methods of the `Module` trait, so the code it emits is short
//! and can be read with `cargo expand`.

mod collate;
mod expand;
mod options;
mod sample;
mod tensors;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input, parse_quote};

/// Makes a struct (or an enum of structs) a module: `Module`, `Debug` that prints PyTorch's tree, and
/// `Build`, so that it can stand in a `Sequential::of`.
///
/// Every field is a part of the module: a parameter, a buffer, a module, a list or an option of those, or
/// plain data, which stays out of the state dict.
///
/// Attributes of the struct:
/// - `#[module(extra_repr = "path")]`: what stands between the brackets when it is printed;
///   `path(&self) -> String`
/// - `#[module(name = "Name")]`: printed in place of the struct's name
///
/// Attributes of a field:
/// - `#[module(skip)]`: no part of the module, of any type that is `Clone` (what is not goes into an `Arc`): a copy of
///   the module gets a clone of it
/// - `#[module(name = "name")]`: its name in the state dict
#[proc_macro_derive(Module, attributes(module))]
pub fn module(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::module(&input, &parse_quote!(::flambeau_nn)).unwrap_or_else(|e| e.to_compile_error()).into()
}

/// The same for programs that depend on the facade `flambeau` alone, which exports it as `Module`.
#[proc_macro_derive(ModuleViaFacade, attributes(module))]
pub fn module_via_facade(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::module(&input, &parse_quote!(::flambeau::nn)).unwrap_or_else(|e| e.to_compile_error()).into()
}

/// Makes a struct (or an enum) of tensors and what holds them a value that `Tensors` visits: a batch, an output.
///
/// `#[tensors(skip)]` leaves a field out.
#[proc_macro_derive(Tensors, attributes(tensors))]
pub fn tensors(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    tensors::derive(&input, &parse_quote!(::flambeau_nn)).unwrap_or_else(|e| e.to_compile_error()).into()
}

/// The same for programs that depend on the facade `flambeau` alone, which exports it as `Tensors`.
#[proc_macro_derive(TensorsViaFacade, attributes(tensors))]
pub fn tensors_via_facade(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    tensors::derive(&input, &parse_quote!(::flambeau::nn)).unwrap_or_else(|e| e.to_compile_error()).into()
}

/// Makes items of a struct into batches: a struct `NameBatch` with the same fields, each a batch of that field's values
/// by its own `Collate`, and `Tensors` for it, so that it goes to a device whole.
#[proc_macro_derive(Collate)]
pub fn collate(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    collate::collate(&input, &parse_quote!(::flambeau_data)).unwrap_or_else(|e| e.to_compile_error()).into()
}

/// The same for programs that depend on the facade `flambeau` alone, which exports it as `Collate`.
#[proc_macro_derive(CollateViaFacade)]
pub fn collate_via_facade(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    collate::collate(&input, &parse_quote!(::flambeau::data)).unwrap_or_else(|e| e.to_compile_error()).into()
}

/// Makes a struct a sample that transforms of images take: a transform draws its numbers once and treats every part by
/// its kind. A field is a sample itself: a tensor, an image, a mask, boxes, key points, a tuple, list, option or map of
/// those, another struct that derives it; or a number, a text or a truth value, which passes through.
///
/// - `#[sample(skip)]`: passes through as it is, of any type that is `Clone`
///
/// A part is called as its field, which matters to transforms that look for `labels`.
#[proc_macro_derive(Sample, attributes(sample))]
pub fn sample(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    sample::sample(&input, &parse_quote!(::flambeau_vision)).unwrap_or_else(|e| e.to_compile_error()).into()
}

/// The same for programs that depend on the facade `flambeau` alone, which exports it as `Sample`.
#[proc_macro_derive(SampleViaFacade, attributes(sample))]
pub fn sample_via_facade(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    sample::sample(&input, &parse_quote!(::flambeau::vision)).unwrap_or_else(|e| e.to_compile_error()).into()
}
