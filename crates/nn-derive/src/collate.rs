//! The code that `#[derive(Collate)]` emits.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{Data, DeriveInput, Error, Fields, Path, Result};

/// The batch's struct, `Collate` for the items' and `Tensors` for the batch's; `data` is where the crate is reached.
pub(crate) fn collate(input: &DeriveInput, data: &Path) -> Result<TokenStream> {
    let ident = &input.ident;
    let Data::Struct(body) = &input.data else {
        return Err(Error::new(ident.span(), "items of an enum or a union do not stack: derive `Collate` on a struct"));
    };
    if body.fields.is_empty() {
        return Err(Error::new(ident.span(), "a struct without fields makes no batch"));
    }
    if let Some(parameter) = input.generics.params.first() {
        return Err(Error::new_spanned(parameter, "`Collate` is derived for structs without parameters"));
    }
    let (vis, batch) = (&input.vis, format_ident!("{ident}Batch"));
    let doc = format!("A batch of [`{ident}`]s.");
    let members: Vec<TokenStream> = (0..body.fields.len())
        .zip(&body.fields)
        .map(|(i, field)| match &field.ident {
            Some(name) => name.to_token_stream(),
            None => syn::Index::from(i).to_token_stream(),
        })
        .collect();
    let columns: Vec<_> = (0..members.len()).map(|i| format_ident!("column_{i}")).collect();
    let types = || body.fields.iter().map(|field| &field.ty);
    let fields = body.fields.iter().map(|field| {
        let (vis, ty) = (&field.vis, &field.ty);
        let name = field.ident.as_ref().map(|name| quote!(#name:));
        let docs = field.attrs.iter().filter(|a| a.path().is_ident("doc"));
        quote!(#(#docs)* #vis #name <#ty as #data::Collate>::Batch,)
    });
    let body = match &body.fields {
        Fields::Named(_) => quote!({ #(#fields)* }),
        _ => quote!(( #(#fields)* );),
    };
    let types_of_columns = types();
    let types_of_batches = types();
    Ok(quote! {
        #[doc = #doc]
        #vis struct #batch #body

        #[automatically_derived]
        impl #data::Collate for #ident {
            type Batch = #batch;
            fn collate(items: ::std::vec::Vec<Self>) -> #data::derive::Result<Self::Batch> {
                #(let mut #columns: ::std::vec::Vec<#types_of_columns> = ::std::vec::Vec::with_capacity(items.len());)*
                for item in items {
                    #(#columns.push(item.#members);)*
                }
                ::std::result::Result::Ok(#batch {
                    #(#members: <#types_of_batches as #data::Collate>::collate(#columns)?,)*
                })
            }
        }

        #[automatically_derived]
        impl #data::derive::Tensors for #batch {
            fn visit_tensors(&self, f: &mut dyn ::std::ops::FnMut(&#data::derive::Tensor)) {
                #(#data::derive::Tensors::visit_tensors(&self.#members, f);)*
            }
            fn visit_tensors_mut(&mut self, f: &mut dyn ::std::ops::FnMut(&mut #data::derive::Tensor)) {
                #(#data::derive::Tensors::visit_tensors_mut(&mut self.#members, f);)*
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn what_makes_no_batch_is_told_why() {
        let refused = |input: DeriveInput| collate(&input, &parse_quote!(::d)).expect_err("no struct").to_string();
        assert!(
            refused(parse_quote!(
                enum E {
                    A(u8),
                }
            ))
            .contains("derive `Collate` on a struct")
        );
        assert!(
            refused(parse_quote!(
                struct S;
            ))
            .contains("without fields")
        );
        assert!(
            refused(parse_quote!(
                struct S<T>(T);
            ))
            .contains("without parameters")
        );
    }

    #[test]
    fn fields_keep_names_and_visibility() {
        let input = parse_quote!(
            pub(crate) struct Pair {
                pub image: Tensor,
                label: i64,
            }
        );
        let text = collate(&input, &parse_quote!(::d)).expect("a struct").to_string().replace(' ', "");
        assert!(text.contains("pub(crate)structPairBatch{pubimage:<Tensoras::d::Collate>::Batch,label:"), "{text}");
        let text = collate(
            &parse_quote!(
                struct Pair(Tensor, i64);
            ),
            &parse_quote!(::d),
        )
        .unwrap()
        .to_string();
        assert!(text.replace(' ', "").contains("structPairBatch(<Tensoras::d::Collate>::Batch,"), "{text}");
    }
}
