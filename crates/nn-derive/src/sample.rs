//! The code that `#[derive(Sample)]` emits.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Path, Result, parse_quote};

/// `impl Sample`: the fields' parts one after the other, each called as its field; `vision` is where the crate is reached.
pub(crate) fn sample(input: &DeriveInput, vision: &Path) -> Result<TokenStream> {
    let ident = &input.ident;
    let Data::Struct(body) = &input.data else {
        return Err(Error::new(ident.span(), "an enum or a union has no fixed parts: derive `Sample` on a struct"));
    };
    let tv = quote!(#vision::tv_tensors);
    let (mut take, mut put, mut bounds) = (Vec::new(), Vec::new(), Vec::new());
    for (i, field) in body.fields.iter().enumerate() {
        let index = syn::Index::from(i);
        let member = field.ident.as_ref().map_or_else(|| index.to_token_stream(), ToTokens::to_token_stream);
        let (span, ty) = (field.ty.span(), &field.ty);
        if passes(&field.attrs)? {
            put.push(quote_spanned!(span=> #member: ::std::clone::Clone::clone(&self.#member),));
            bounds.push((ty, quote!(::std::clone::Clone)));
            continue;
        }
        let name = member.to_string();
        let name = name.strip_prefix("r#").unwrap_or(&name);
        take.push(quote_spanned!(span=> #tv::Sample::take_apart(&self.#member, #name, parts);));
        put.push(quote_spanned!(span=> #member: #tv::Sample::put_together(&self.#member, parts)?,));
        bounds.push((ty, quote!(#tv::Sample)));
    }
    let mut generics = input.generics.clone();
    if generics.type_params().next().is_some() {
        // Of what depends on no parameter the compiler's word is said at the field.
        let wheres = generics.make_where_clause();
        for (ty, bound) in bounds {
            wheres.predicates.push(parse_quote!(#ty: #bound));
        }
    }
    let (impl_generics, type_generics, wheres) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #tv::Sample for #ident #type_generics #wheres {
            fn take_apart(&self, _: &str, parts: &mut #tv::Parts) {
                let _ = &parts;
                #(#take)*
            }

            fn put_together(
                &self,
                parts: &mut dyn ::std::iter::Iterator<Item = #tv::TVTensor>,
            ) -> #vision::Result<Self> {
                let _ = &parts;
                ::std::result::Result::Ok(Self { #(#put)* })
            }
        }
    })
}

/// Whether a field passes through as it is.
fn passes(attributes: &[Attribute]) -> Result<bool> {
    let mut skip = false;
    for attribute in attributes.iter().filter(|a| a.path().is_ident("sample")) {
        attribute.parse_nested_meta(|meta| {
            skip |= meta.path.is_ident("skip");
            if meta.path.is_ident("skip") { Ok(()) } else { Err(meta.error("a field takes `skip`")) }
        })?;
    }
    Ok(skip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(input: DeriveInput) -> String {
        sample(&input, &parse_quote!(::v)).expect("a struct").to_string().replace(' ', "")
    }

    #[test]
    fn what_is_no_struct_is_told_why() {
        let error = sample(
            &parse_quote!(
                enum E {
                    A(u8),
                }
            ),
            &parse_quote!(::v),
        )
        .expect_err("no struct")
        .to_string();
        assert!(error.contains("derive `Sample` on a struct"), "{error}");
        let wrong = parse_quote!(
            struct S {
                #[sample(name = "x")]
                a: Image,
            }
        );
        let error = sample(&wrong, &parse_quote!(::v)).expect_err("no such option").to_string();
        assert!(error.contains("a field takes `skip`"), "{error}");
    }

    #[test]
    fn fields_are_called_by_their_names() {
        let text = text(parse_quote!(
            struct S {
                r#type: Image,
                #[sample(skip)]
                file: Arc<str>,
            }
        ));
        assert!(text.contains("take_apart(&self.r#type,\"type\",parts);}"), "{text}");
        assert!(text.contains("file:::std::clone::Clone::clone(&self.file)"), "{text}");
    }

    #[test]
    fn parameters_are_samples_where_the_fields_are() {
        let text = text(parse_quote!(
            struct S<T>(T, Vec<T>, #[sample(skip)] u8);
        ));
        assert!(
            text.contains("whereT:::v::tv_tensors::Sample,Vec<T>:::v::tv_tensors::Sample,u8:::std::clone::Clone"),
            "{text}"
        );
        assert!(text.contains("1:::v::tv_tensors::Sample::put_together(&self.1,parts)?"), "{text}");
    }
}
