//! The code that the derive emits.

use crate::options::{FieldOptions, StructOptions};
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use std::collections::HashMap;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Fields, Generics, Ident, Path, Result, Type, parse_quote};

/// Everything for one `#[derive(Module)]`; `nn` is where the crate is reached.
pub(crate) fn module(input: &DeriveInput, nn: &Path) -> Result<TokenStream> {
    let options = StructOptions::read(&input.attrs)?;
    let shapes = shapes(input)?;
    let name = options.name.map_or_else(|| input.ident.unraw().to_string(), |name| name.value());
    let extra_repr = options.extra_repr.map(|path| {
        quote_spanned! {path.span()=>
            fn extra_repr(&self) -> ::std::string::String {
                (#path)(self)
            }
        }
    });
    let extra_state = options.extra_state.then(|| {
        quote! {
            fn extra_state(&self) -> ::std::option::Option<&dyn #nn::ExtraState> {
                ::std::option::Option::Some(self)
            }
        }
    });
    let visit = arms(&shapes, nn, ["visit_as", "visit_flat"]);
    let visit_mut = arms(&shapes, nn, ["visit_as_mut", "visit_flat_mut"]);
    let rebuild = rebuild(&shapes, nn);
    let ident = &input.ident;
    let generics = bounded(input.generics.clone(), &shapes, nn);
    let (impl_generics, type_generics, wheres) = generics.split_for_impl();

    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #nn::Module for #ident #type_generics #wheres {
            fn type_name(&self) -> &'static str {
                #name
            }
            #extra_repr
            #extra_state
            fn visit<'part>(&'part self, visitor: &mut #nn::Visitor<'_, 'part>) {
                #visit
            }
            fn visit_mut(&mut self, visitor: &mut #nn::VisitorMut<'_>) {
                #visit_mut
            }
            fn rebuild(&self, with: &mut #nn::Rebuild<'_>) -> #nn::Result<Self> {
                #rebuild
            }
            fn as_module(&self) -> &#nn::DynModule {
                self
            }
            fn as_module_mut(&mut self) -> &mut #nn::DynModule {
                self
            }
        }

        #[automatically_derived]
        impl #impl_generics ::std::fmt::Debug for #ident #type_generics #wheres {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                #nn::print_module(self, f)
            }
        }

        #[automatically_derived]
        impl #impl_generics #nn::Build for #ident #type_generics #wheres {
            type Output = Self;
            fn build(self) -> #nn::Result<Self> {
                ::std::result::Result::Ok(self)
            }
        }
    })
}

/// The fields of a struct, or of one variant of an enum.
struct Shape<'a> {
    /// `Self` or `Self::Variant`
    path: TokenStream,
    parts: Vec<Field<'a>>,
    /// fields that are no parts
    others: Vec<Field<'a>>,
}

struct Field<'a> {
    /// how the pattern names it: a field's name or its number
    member: TokenStream,
    /// the variable it is bound to
    variable: Ident,
    /// its name in the state dict
    name: String,
    /// its parts stand among those of the struct, by names of this pattern
    flatten: Option<String>,
    ty: &'a Type,
}

fn shapes(input: &DeriveInput) -> Result<Vec<Shape<'_>>> {
    match &input.data {
        Data::Struct(data) => Ok(vec![shape(quote!(Self), &data.fields)?]),
        Data::Enum(data) if data.variants.is_empty() => Err(Error::new(
            input.ident.span(),
            "a module of no variants cannot be made; give the enum a variant or use a struct",
        )),
        Data::Enum(data) => data
            .variants
            .iter()
            .map(|variant| {
                let ident = &variant.ident;
                shape(quote!(Self::#ident), &variant.fields)
            })
            .collect(),
        Data::Union(data) => Err(Error::new(
            data.union_token.span(),
            "a union cannot be a module: nobody knows which of its fields lives; use an enum",
        )),
    }
}

fn shape(path: TokenStream, fields: &Fields) -> Result<Shape<'_>> {
    let (mut parts, mut others) = (Vec::new(), Vec::new());
    let mut names: HashMap<String, Span> = HashMap::new();
    for (i, field) in fields.iter().enumerate() {
        let options = FieldOptions::read(&field.attrs)?;
        let index = syn::Index::from(i);
        let member = field.ident.as_ref().map_or_else(|| index.to_token_stream(), ToTokens::to_token_stream);
        let own = field.ident.as_ref().map_or_else(|| i.to_string(), |ident| ident.unraw().to_string());
        let name = options.name.map_or(own, |name| name.value());
        // The type's span makes "this cannot be a part" point at the field.
        let variable = format_ident!("part_{i}", span = field.ty.span().resolved_at(Span::call_site()));
        if options.skip {
            others.push(Field { member, variable, name, flatten: None, ty: &field.ty });
            continue;
        }
        if options.flatten.is_none() && names.insert(name.clone(), field.span()).is_some() {
            return Err(Error::new(field.span(), format!("another field has the name \"{name}\" in the state dict")));
        }
        parts.push(Field { member, variable, name, flatten: options.flatten, ty: &field.ty });
    }
    Ok(Shape { path, parts, others })
}

/// A match that hands every part of `self` to the visitor, by a method of `Part` or, where it is flattened, a function.
fn arms(shapes: &[Shape<'_>], nn: &Path, [method, flat]: [&str; 2]) -> TokenStream {
    let (method, flat) = (format_ident!("{method}"), format_ident!("{flat}"));
    let arms = shapes.iter().map(|shape| {
        let Shape { path, parts, others } = shape;
        let bind = parts.iter().map(|Field { member, variable, .. }| quote!(#member: #variable,));
        let rest = (!others.is_empty()).then(|| quote!(..));
        let visits = parts.iter().map(|Field { variable, name, flatten, ty, .. }| match flatten {
            None => quote_spanned!(ty.span()=> #nn::Part::#method(#variable, #name, visitor);),
            Some(pattern) => quote_spanned!(ty.span()=> #nn::#flat(#variable, #pattern, visitor);),
        });
        quote!(#path { #(#bind)* #rest } => { #(#visits)* })
    });
    let unused = shapes.iter().all(|shape| shape.parts.is_empty()).then(|| quote!(let _ = visitor;));
    quote! {
        #unused
        match self {
            #(#arms)*
        }
    }
}

/// A match that makes the module anew, part by part; what is no part is cloned.
fn rebuild(shapes: &[Shape<'_>], nn: &Path) -> TokenStream {
    let arms = shapes.iter().map(|Shape { path, parts, others }| {
        let all = || parts.iter().chain(others);
        let bind = all().map(|Field { member, variable, .. }| quote!(#member: #variable,));
        let make = parts.iter().map(
            |Field { member, variable, ty, .. }| quote_spanned!(ty.span()=> #member: #nn::rebuilt(#variable, with)?,),
        );
        let keep = others
            .iter()
            .map(|Field { member, variable, ty, .. }| quote_spanned!(ty.span()=> #member: #nn::kept(#variable),));
        quote!(#path { #(#bind)* } => #path { #(#make)* #(#keep)* },)
    });
    quote! {
        let _ = &with;
        ::std::result::Result::Ok(match self { #(#arms)* })
    }
}

/// `generics` with the bounds a module needs: a type parameter that stands in a part's type is a part
/// (or what its own bounds say), every other one only has to live as long as the module.
fn bounded(mut generics: Generics, shapes: &[Shape<'_>], nn: &Path) -> Generics {
    let types = || shapes.iter().flat_map(|shape| shape.parts.iter().map(|part| part.ty));
    let mut bounds: Vec<syn::WherePredicate> = Vec::new();
    for parameter in generics.type_params() {
        let ident = &parameter.ident;
        bounds.push(parse_quote!(#ident: ::std::marker::Send + ::std::marker::Sync + 'static));
        if types().any(|ty| !is_phantom(ty) && mentions(ty.to_token_stream(), ident)) {
            bounds.push(parse_quote!(#ident: #nn::Part));
        }
    }
    for other in shapes.iter().flat_map(|shape| &shape.others) {
        if generics.type_params().any(|parameter| mentions(other.ty.to_token_stream(), &parameter.ident)) {
            let ty = other.ty;
            bounds.push(parse_quote!(#ty: ::std::clone::Clone));
        }
    }
    if !bounds.is_empty() {
        generics.make_where_clause().predicates.extend(bounds);
    }
    generics
}

fn is_phantom(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == "PhantomData"))
}

fn mentions(tokens: TokenStream, ident: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(found) => found == *ident,
        TokenTree::Group(group) => mentions(group.stream(), ident),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(input: DeriveInput) -> String {
        let file = module(&input, &parse_quote!(::flambeau_nn)).expect("the input is a module");
        file.to_string().split_whitespace().collect()
    }

    fn refused(input: DeriveInput) -> String {
        module(&input, &parse_quote!(::flambeau_nn)).expect_err("the input is no module").to_string()
    }

    #[test]
    fn names_are_those_of_fields() {
        let text = expanded(parse_quote! {
            struct Net { r#type: Linear, #[module(name = "fc")] last: Linear, #[module(skip)] hook: fn() }
        });
        assert!(text.contains("visit_as(part_0,\"type\",visitor)"), "{text}");
        assert!(text.contains("visit_as(part_1,\"fc\",visitor)"), "{text}");
        assert!(text.contains("hook:::flambeau_nn::kept(part_2)"), "{text}");
    }

    #[test]
    fn type_parameters_are_parts_where_a_part_mentions_them() {
        let text = expanded(parse_quote! {
            struct Net<M, T, U, const N: usize> { inner: Vec<M>, kind: PhantomData<T>, #[module(skip)] f: fn(U) -> U }
        });
        assert!(text.contains("M:::flambeau_nn::Part"), "{text}");
        assert!(!text.contains("T:::flambeau_nn::Part") && !text.contains("U:::flambeau_nn::Part"), "{text}");
        assert!(text.contains("U:::std::marker::Send+::std::marker::Sync+'static"), "{text}");
    }

    #[test]
    fn the_facade_is_another_path() {
        let input = parse_quote!(
            struct Net;
        );
        let text = module(&input, &parse_quote!(::flambeau::nn)).unwrap().to_string().replace(' ', "");
        assert!(text.contains("impl::flambeau::nn::ModuleforNet") && !text.contains("flambeau_nn"), "{text}");
    }

    #[test]
    fn what_cannot_be_a_module_is_told_why() {
        assert!(refused(parse_quote!(union U { a: u8 })).contains("a union cannot be a module"));
        assert!(
            refused(parse_quote!(
                enum E {}
            ))
            .contains("no variants")
        );
        assert!(
            refused(parse_quote!(
                struct S {
                    #[module(skp)]
                    a: u8,
                }
            ))
            .contains("a field takes `skip`, `name")
        );
        assert!(
            refused(parse_quote!(
                #[module(skip)]
                struct S;
            ))
            .contains("a struct takes `extra_repr")
        );
        assert!(
            refused(parse_quote!(
                struct S {
                    #[module(name = "a.b")]
                    a: u8,
                }
            ))
            .contains("has no dot")
        );
        assert!(
            refused(parse_quote!(
                struct S {
                    #[module(skip, name = "b")]
                    a: u8,
                }
            ))
            .contains("has no name")
        );
        assert!(
            refused(parse_quote!(
                struct S {
                    a: u8,
                    #[module(name = "a")]
                    b: u8,
                }
            ))
            .contains("another field has the name")
        );
    }
}
