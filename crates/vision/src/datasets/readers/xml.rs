//! XML as annotations have it: elements, texts, entities. Attributes, comments and instructions are passed over.

use flambeau_tensor::{Error, Result};
use std::path::Path;

/// An element of an XML file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XmlElement {
    /// Its name.
    pub tag: String,
    /// The text before its first child, without the blanks around it.
    pub text: String,
    /// The elements in it.
    pub children: Vec<XmlElement>,
}

impl XmlElement {
    /// Its first child of this name.
    pub fn child<'a>(&'a self, tag: &str) -> Option<&'a XmlElement> {
        self.children.iter().find(|child| child.tag == tag)
    }

    /// Its children of this name.
    pub fn all<'a>(&'a self, tag: &'a str) -> impl Iterator<Item = &'a XmlElement> {
        self.children.iter().filter(move |child| child.tag == tag)
    }

    /// The text of its first child of this name.
    pub fn text_of(&self, tag: &str) -> Option<&str> {
        self.child(tag).map(|child| child.text.as_str())
    }
}

/// Elements lie in each other so deep at most.
const DEEPEST: usize = 64;

/// The outermost element of a file.
#[track_caller]
pub(in crate::datasets) fn read(path: &Path) -> Result<XmlElement> {
    parse(&super::text(path)?).map_err(|fault| Error::format(path, fault))
}

pub(super) fn parse(text: &str) -> std::result::Result<XmlElement, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut at, mut open) = (0, Vec::<XmlElement>::new());
    while at < text.len() {
        let rest = &text[at..];
        let next = if let Some(inside) = rest.strip_prefix("<!--") {
            4 + until(inside, "-->", at)?
        } else if let Some(inside) = rest.strip_prefix("<![CDATA[") {
            let end = until(inside, "]]>", at)?;
            add(&mut open, &inside[..end - 3], at)?;
            9 + end
        } else if rest.starts_with("<?") || rest.starts_with("<!") {
            until(rest, ">", at)?
        } else if rest.starts_with("</") {
            let end = until(rest, ">", at)?;
            let Some(mut done) = open.pop() else { return Err(format!("byte {at} closes what was not opened")) };
            if rest[2..end - 1].trim() != done.tag {
                return Err(format!("byte {at} closes {:?}, {:?} is open", rest[2..end - 1].trim(), done.tag));
            }
            done.text = done.text.trim().to_string();
            match open.last_mut() {
                Some(parent) => parent.children.push(done),
                None => return Ok(done),
            }
            end
        } else if rest.starts_with('<') {
            let end = tag_end(rest).ok_or_else(|| format!("the element at byte {at} has no end"))?;
            let inside = &rest[1..end - 1];
            let (inside, empty) = inside.strip_suffix('/').map_or((inside, false), |inside| (inside, true));
            let tag = inside.split_whitespace().next().unwrap_or_default().to_string();
            if tag.is_empty() || open.len() >= DEEPEST {
                return Err(format!("the element at byte {at} has no name or lies deeper than {DEEPEST}"));
            }
            let element = XmlElement { tag, ..XmlElement::default() };
            match (empty, open.last_mut()) {
                (true, Some(parent)) => parent.children.push(element),
                (true, None) => return Ok(element),
                (false, _) => open.push(element),
            }
            end
        } else {
            let end = rest.find('<').unwrap_or(rest.len());
            add(&mut open, &unescaped(&rest[..end], at)?, at)?;
            end
        };
        at += next;
    }
    Err(format!(
        "the file ends at byte {} without the end of {:?}",
        text.len(),
        open.last().map(|e| e.tag.as_str()).unwrap_or_default()
    ))
}

/// How far it is to the end of the first `end`.
fn until(text: &str, end: &str, at: usize) -> std::result::Result<usize, String> {
    text.find(end).map(|place| place + end.len()).ok_or_else(|| format!("what starts at byte {at} has no {end:?}"))
}

/// How far it is behind the end of a tag, whose attributes may hold a `>`.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (place, c) in text.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, '>') => return Some(place + 1),
            _ => {}
        }
    }
    None
}

/// Text into the innermost element, unless it has children already: what is behind these belongs to nobody.
fn add(open: &mut [XmlElement], text: &str, at: usize) -> std::result::Result<(), String> {
    match open.last_mut() {
        Some(element) if element.children.is_empty() => element.text.push_str(text),
        Some(_) => {}
        None if text.trim().is_empty() => {}
        None => return Err(format!("there is text outside of all elements at byte {at}")),
    }
    Ok(())
}

/// A text with what its entities stand for.
fn unescaped(text: &str, at: usize) -> std::result::Result<String, String> {
    let mut done = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        done.push_str(&rest[..start]);
        let inside = &rest[start + 1..];
        let end =
            inside.find(';').filter(|end| *end <= 10).ok_or_else(|| format!("an entity at byte {at} has no end"))?;
        let name = &inside[..end];
        let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        done.push(match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            _ => match (name.strip_prefix("#x"), name.strip_prefix('#')) {
                (Some(digits), _) => number(digits, 16),
                (None, Some(digits)) => number(digits, 10),
                (None, None) => None,
            }
            .ok_or_else(|| format!("the entity {name:?} in the text at byte {at} is not known"))?,
        });
        rest = &inside[end + 1..];
    }
    done.push_str(rest);
    Ok(done)
}
