//! The `#[module(...)]` attributes.

use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, ExprLit, Lit, LitStr, Result};

/// What is said of the whole struct.
#[derive(Default)]
pub(crate) struct StructOptions {
    /// The function that writes what stands between the brackets.
    pub(crate) extra_repr: Option<Expr>,
    /// The name to print.
    pub(crate) name: Option<LitStr>,
    /// It has state beside tensors.
    pub(crate) extra_state: bool,
}

/// What is said of a field.
#[derive(Default)]
pub(crate) struct FieldOptions {
    /// It is no part.
    pub(crate) skip: bool,
    /// Its name in the state dict.
    pub(crate) name: Option<LitStr>,
    /// Its parts stand among those of the struct; by which names, where it is a list.
    pub(crate) flatten: Option<String>,
}

impl StructOptions {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut options = Self::default();
        for attribute in attributes.iter().filter(|a| a.path().is_ident("module")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("extra_repr") {
                    let value: Expr = meta.value()?.parse()?;
                    options.extra_repr = Some(match value {
                        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => text.parse()?,
                        path => path,
                    });
                } else if meta.path.is_ident("name") {
                    options.name = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("extra_state") {
                    options.extra_state = true;
                } else {
                    return Err(
                        meta.error("a struct takes `extra_repr = \"path\"`, `name = \"Name\"` and `extra_state`")
                    );
                }
                Ok(())
            })?;
        }
        Ok(options)
    }
}

impl FieldOptions {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut options = Self::default();
        for attribute in attributes.iter().filter(|a| a.path().is_ident("module")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("skip") {
                    options.skip = true;
                } else if meta.path.is_ident("name") {
                    let name: LitStr = meta.value()?.parse()?;
                    if name.value().is_empty() || name.value().contains('.') {
                        return Err(Error::new(
                            name.span(),
                            "a part's name is not empty and has no dot: dots separate the levels of a state dict",
                        ));
                    }
                    options.name = Some(name);
                } else if meta.path.is_ident("flatten") {
                    options.flatten = Some(String::new());
                    if meta.input.peek(syn::Token![=]) {
                        let pattern: LitStr = meta.value()?.parse()?;
                        let text = pattern.value();
                        if !text.contains("{name}") || !text.contains("{index}") || text.contains('.') {
                            return Err(Error::new(
                                pattern.span(),
                                "the parts of a flattened list are named by `{name}` and `{index}`, without a dot: `{name}_l{index}`",
                            ));
                        }
                        options.flatten = Some(text);
                    }
                } else {
                    return Err(meta.error("a field takes `skip`, `name = \"name\"` and `flatten`"));
                }
                Ok(())
            })?;
            if options.flatten.is_some() && (options.skip || options.name.is_some()) {
                return Err(Error::new(
                    attribute.span(),
                    "a flattened field has no name of its own, and is not skipped",
                ));
            }
            if options.skip && options.name.is_some() {
                return Err(Error::new(attribute.span(), "a skipped field has no name in the state dict"));
            }
        }
        Ok(options)
    }
}
