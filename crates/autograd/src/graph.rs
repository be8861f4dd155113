//! A tape as a picture: Graphviz text of the nodes behind tensors.

use crate::node::{Edge, Node};
use crate::record::edge_of;
use flambeau_tensor::op::Meta;
use flambeau_tensor::{NamedTensors, Tensor};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

/// The history of `outputs` in the language of Graphviz (`dot -Tsvg`): each recorded op with its line, from the outputs
/// to the leaves that gradients reach, as `torchviz.make_dot` draws it. `names` are those of leaves, for instance a
/// model's `state_dict()`; a leaf without one shows its shape alone.
///
/// ```
/// use flambeau_autograd::{Autograd, graph};
/// use flambeau_tensor::tensor;
///
/// let w = tensor!([1.0, 2.0]).requires_grad_()?;
/// let y = w.square()?.sum(..)?;
/// let dot = graph(&[&y], &[("w", w)]);
/// assert!(dot.starts_with("digraph {") && dot.contains("SquareBackward0") && dot.contains("w\\n[2] float32"));
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub fn graph(outputs: &[&Tensor], names: &dyn NamedTensors) -> String {
    let mut leaves: HashMap<(usize, usize), String> = HashMap::new();
    names.each_named(&mut |name, tensor| {
        leaves.entry(memory(tensor)).or_insert_with(|| name.to_string());
    });
    let mut picture =
        Picture { text: String::from("digraph {\n  node [shape=box];\n"), leaves, places: HashMap::new() };
    let mut waiting: Vec<Arc<Node>> = Vec::new();
    for (i, out) in outputs.iter().enumerate() {
        let _ = writeln!(picture.text, "  out{i} [label=\"output {i}\\n{}\", shape=ellipse];", meta(&Meta::like(out)));
        picture.edge(&edge_of(out), &format!("out{i}"), &mut waiting);
    }
    while let Some(node) = waiting.pop() {
        let to = picture.places[&key(&node)].clone();
        for edge in &node.edges {
            picture.edge(edge, &to, &mut waiting);
        }
    }
    picture.text.push_str("}\n");
    picture.text
}

struct Picture {
    text: String,
    /// Names of leaves by where they lie: a state dict's tensors are other handles on them.
    leaves: HashMap<(usize, usize), String>,
    /// What was drawn: nodes by address, leaves by number.
    places: HashMap<(bool, usize), String>,
}

/// Where a tensor's first element lies.
fn memory(tensor: &Tensor) -> (usize, usize) {
    (tensor.storage().id(), tensor.storage_offset())
}

fn key(node: &Arc<Node>) -> (bool, usize) {
    (true, Arc::as_ptr(node) as usize)
}

fn meta(meta: &Meta) -> String {
    format!("{:?} {}", &meta.shape[..], meta.dtype)
}

/// A label's text between quotes.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

impl Picture {
    /// Draws an edge to `to`, and what it comes from where that is new.
    fn edge(&mut self, edge: &Edge, to: &str, waiting: &mut Vec<Arc<Node>>) {
        let (key, label, style) = match edge {
            Edge::None => return,
            Edge::Leaf(leaf) => {
                let own = meta(&Meta::like(leaf));
                let label =
                    self.leaves.get(&memory(leaf)).map_or(own.clone(), |name| format!("{}\\n{own}", quoted(name)));
                ((false, leaf.id()), label, ", style=filled, fillcolor=lightblue")
            }
            Edge::Node(node, _) => {
                let file = node.at.file().rsplit(['/', '\\']).next().unwrap_or_default();
                let label = format!("{}\\n{}:{}", quoted(&node.grad_fn()), quoted(file), node.at.line());
                (key(node), label, "")
            }
        };
        let next = self.places.len();
        let is_new = !self.places.contains_key(&key);
        let from = self.places.entry(key).or_insert_with(|| format!("n{next}")).clone();
        if is_new {
            let _ = writeln!(self.text, "  {from} [label=\"{label}\"{style}];");
            if let Edge::Node(node, _) = edge {
                waiting.push(node.clone());
            }
        }
        let _ = writeln!(self.text, "  {from} -> {to};");
    }
}
