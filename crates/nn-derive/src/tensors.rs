//! `#[derive(Tensors)]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Fields, Path, Result, parse_quote};

/// `impl Tensors`: a match that hands every field to the visitor.
pub(crate) fn derive(input: &DeriveInput, nn: &Path) -> Result<TokenStream> {
    let variants: Vec<(TokenStream, &Fields)> = match &input.data {
        Data::Struct(data) => vec![(quote!(Self), &data.fields)],
        Data::Enum(data) => data
            .variants
            .iter()
            .map(|variant| {
                let ident = &variant.ident;
                (quote!(Self::#ident), &variant.fields)
            })
            .collect(),
        Data::Union(data) => return Err(Error::new(data.union_token.span(), "a union holds no tensors")),
    };
    let visit = arms(&variants, nn, "visit_tensors")?;
    let visit_mut = arms(&variants, nn, "visit_tensors_mut")?;
    let ident = &input.ident;
    let mut generics = input.generics.clone();
    let parameters: Vec<_> = generics.type_params().map(|parameter| parameter.ident.clone()).collect();
    for parameter in parameters {
        generics.make_where_clause().predicates.push(parse_quote!(#parameter: #nn::Tensors));
    }
    let (impl_generics, type_generics, wheres) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #nn::Tensors for #ident #type_generics #wheres {
            fn visit_tensors(&self, f: &mut dyn ::std::ops::FnMut(&#nn::Tensor)) {
                #visit
            }
            fn visit_tensors_mut(&mut self, f: &mut dyn ::std::ops::FnMut(&mut #nn::Tensor)) {
                #visit_mut
            }
        }
    })
}

fn arms(variants: &[(TokenStream, &Fields)], nn: &Path, method: &str) -> Result<TokenStream> {
    let method = format_ident!("{method}");
    let mut arms = Vec::new();
    for (path, fields) in variants {
        let (mut bind, mut visits) = (Vec::new(), Vec::new());
        for (i, field) in fields.iter().enumerate() {
            if skipped(&field.attrs)? {
                continue;
            }
            let index = syn::Index::from(i);
            let member = field.ident.as_ref().map_or_else(|| index.to_token_stream(), ToTokens::to_token_stream);
            let variable = format_ident!("field_{i}");
            bind.push(quote!(#member: #variable,));
            visits.push(quote_spanned!(field.ty.span()=> #nn::Tensors::#method(#variable, f);));
        }
        arms.push(quote!(#path { #(#bind)* .. } => { #(#visits)* }));
    }
    Ok(quote! {
        let _ = &f;
        match self { #(#arms)* }
    })
}

fn skipped(attributes: &[Attribute]) -> Result<bool> {
    let mut skip = false;
    for attribute in attributes.iter().filter(|a| a.path().is_ident("tensors")) {
        attribute.parse_nested_meta(|meta| {
            skip |= meta.path.is_ident("skip");
            if meta.path.is_ident("skip") { Ok(()) } else { Err(meta.error("a field takes `skip`")) }
        })?;
    }
    Ok(skip)
}
