//! The machine that pickles are programs for. It knows the instructions that `torch.save` writes, builds
//! values in an arena (lists may hold each other in any way while they are built), and calls nothing: what
//! Python would call is one of a closed list of [`Global`]s, which the machine does itself.

mod objects;

use super::globals::{self, Global, Kind};
use crate::stored::Stored;
use std::collections::HashMap;
use std::rc::Rc;

/// What is wrong with a pickle, and at which of its bytes.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// It goes on behind the bytes that are there.
    Cut,
    Format(String),
    /// What the closed list has not, or flambeau lacks.
    Unsupported(String),
}

/// A value on the stack. What holds others is a node of the arena: nothing here is dropped by recursion.
#[derive(Clone, Debug)]
pub(super) enum Item {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Complex(f64, f64),
    Str(Rc<str>),
    Bytes(Rc<[u8]>),
    Global(Global),
    Node(usize),
    /// A part of a storage, in its elements.
    Storage {
        root: usize,
        offset: usize,
        numel: usize,
    },
    Tensor(usize),
}

#[derive(Debug)]
pub(super) enum Node {
    List(Vec<Item>),
    Tuple(Vec<Item>),
    Set(Vec<Item>),
    Dict(Vec<(Item, Item)>),
    /// A sparse tensor: the places among the views of its indices and values, its shape, and whether it is coalesced.
    Sparse {
        indices: usize,
        values: usize,
        shape: Vec<usize>,
        coalesced: bool,
    },
}

/// A storage that the file has under a key.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) key: Rc<str>,
    /// None for an untyped one, whose elements are bytes.
    pub(super) stored: Option<Stored>,
    pub(super) bytes: usize,
}

/// A view of a storage, found to lie inside it.
#[derive(Debug)]
pub(super) struct View {
    pub(super) root: usize,
    pub(super) stored: Stored,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
    pub(super) offset: usize,
    pub(super) lazy: Lazy,
}

/// What PyTorch has not yet done to the numbers of a storage that a tensor shows: `t.conj()` is a view there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Lazy {
    pub(super) conj: bool,
    pub(super) neg: bool,
}

/// What a pickle made.
#[derive(Debug, Default)]
pub(super) struct Heap {
    pub(super) nodes: Vec<Node>,
    pub(super) roots: Vec<Root>,
    pub(super) views: Vec<View>,
    keys: HashMap<Rc<str>, usize>,
}

/// A pickle that has run.
pub(super) struct Pickled {
    pub(super) value: Item,
    pub(super) heap: Heap,
    /// How many bytes it has.
    pub(super) len: usize,
}

/// How many bytes of text, and [`ITEM`]s, a pickle of `len` bytes may unfold to, however often it points to the
/// same.
pub(super) fn budget(len: usize) -> usize {
    len.saturating_mul(64).saturating_add(1 << 16)
}

/// What an item counts against the budget.
pub(super) const ITEM: usize = 16;

/// No tensor has more dimensions.
const MOST_DIMS: usize = 64;

type Done<T = ()> = Result<T, Fault>;

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the instruction begins that runs.
    op_at: usize,
    stack: Vec<Item>,
    marks: Vec<usize>,
    memo: HashMap<u32, Item>,
    heap: Heap,
    budget: usize,
    kind: Kind,
}

/// Runs the pickle at the front of `bytes`.
pub(super) fn run(bytes: &[u8], kind: Kind) -> Done<Pickled> {
    let mut machine = Machine {
        bytes,
        at: 0,
        op_at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        heap: Heap::default(),
        budget: budget(bytes.len()),
        kind,
    };
    loop {
        machine.op_at = machine.at;
        match machine.byte()? {
            b'.' => break,
            op => machine.step(op)?,
        }
    }
    let value = machine.pop()?;
    Ok(Pickled { value, heap: machine.heap, len: machine.at })
}

impl Machine<'_> {
    fn fault<T>(&self, message: impl Into<String>) -> Done<T> {
        Err(Fault { at: self.op_at, what: What::Format(message.into()) })
    }

    fn unsupported<T>(&self, message: impl Into<String>) -> Done<T> {
        Err(Fault { at: self.op_at, what: What::Unsupported(message.into()) })
    }

    // ---- reading -------------------------------------------------------------------------------------------

    fn take(&mut self, n: usize) -> Done<&[u8]> {
        let Some(end) = self.at.checked_add(n).filter(|end| *end <= self.bytes.len()) else {
            return Err(Fault { at: self.op_at, what: What::Cut });
        };
        let bytes = &self.bytes[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Done<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn byte(&mut self) -> Done<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// A length of `N` bytes.
    fn length<const N: usize>(&mut self) -> Done<usize> {
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(&self.array::<N>()?);
        // One that memory has no room for is longer than the pickle.
        Ok(usize::try_from(u64::from_le_bytes(wide)).unwrap_or(usize::MAX))
    }

    /// A line of text, without its end.
    fn line(&mut self) -> Done<String> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.iter().position(|b| *b == b'\n') else {
            return Err(Fault { at: self.op_at, what: What::Cut });
        };
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        self.at += end + 1;
        Ok(line)
    }

    fn text(&mut self, n: usize) -> Done<Item> {
        match std::str::from_utf8(self.take(n)?).map(Rc::from) {
            Ok(text) => Ok(Item::Str(text)),
            Err(_) => self.fault("a text is not UTF-8"),
        }
    }

    /// What Python 2 called a string: text, if it is any.
    fn old_string(&mut self, n: usize) -> Done<Item> {
        let bytes = self.take(n)?;
        Ok(std::str::from_utf8(bytes).map_or_else(|_| Item::Bytes(bytes.into()), |text| Item::Str(text.into())))
    }

    fn long(&mut self, n: usize) -> Done<Item> {
        let bytes = self.take(n)?;
        if n > 16 {
            return self.unsupported(format!("a whole number of {n} bytes; 16 are the most"));
        }
        let fill = if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 };
        let mut wide = [fill; 16];
        wide[..n].copy_from_slice(bytes);
        Ok(Item::Int(i128::from_le_bytes(wide)))
    }

    // ---- the stack -----------------------------------------------------------------------------------------

    fn push(&mut self, item: Item) -> Done {
        self.stack.push(item);
        Ok(())
    }

    fn node(&mut self, node: Node) -> Done<Item> {
        self.heap.nodes.push(node);
        Ok(Item::Node(self.heap.nodes.len() - 1))
    }

    fn push_node(&mut self, node: Node) -> Done {
        let item = self.node(node)?;
        self.push(item)
    }

    fn pop(&mut self) -> Done<Item> {
        let above = self.marks.last().is_none_or(|mark| self.stack.len() > *mark);
        match self.stack.pop().filter(|_| above) {
            Some(item) => Ok(item),
            None => self.fault("the stack has nothing left to take"),
        }
    }

    fn top(&self) -> Done<&Item> {
        self.stack.last().map_or_else(|| self.fault("the stack is empty"), Ok)
    }

    /// All items above the last mark.
    fn pop_mark(&mut self) -> Done<Vec<Item>> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark)),
            None => self.fault("there is no mark on the stack"),
        }
    }

    fn pop_some(&mut self, n: usize) -> Done<Vec<Item>> {
        let mut items = (0..n).map(|_| self.pop()).collect::<Done<Vec<Item>>>()?;
        items.reverse();
        Ok(items)
    }

    /// Counts what is copied rather than read.
    fn charge(&mut self, n: usize) -> Done {
        match self.budget.checked_sub(n) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => self.fault("the values unfold to far more than the file has"),
        }
    }

    // ---- instructions --------------------------------------------------------------------------------------

    fn step(&mut self, op: u8) -> Done {
        match op {
            b'\x80' => match self.byte()? {
                0..=5 => Ok(()),
                version => self.unsupported(format!("pickles of version {version}; 5 is the newest")),
            },
            // Frames only tell how much to read at once.
            b'\x95' => self.take(8).map(drop),
            b'N' => self.push(Item::None),
            b'\x88' => self.push(Item::Bool(true)),
            b'\x89' => self.push(Item::Bool(false)),
            b'J' | b'K' | b'M' | b'\x8a' | b'\x8b' | b'G' => self.number(op),
            b'T' | b'U' | b'X' | b'\x8c' | b'\x8d' | b'B' | b'C' | b'\x8e' | b'\x96' => self.string(op),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.pop().map(drop),
            b'1' => self.pop_mark().map(drop),
            b'2' => {
                let item = self.top()?.clone();
                self.push(item)
            }
            b'h' | b'j' | b'q' | b'r' | b'\x94' => self.memo(op),
            b']' | b')' | b'}' | b'\x8f' | b'l' | b't' | b'd' | b'\x91' | b'\x85'..=b'\x87' => self.container(op),
            b'a' | b'e' | b's' | b'u' | b'\x90' => self.fill(op),
            b'c' | b'\x93' | b'R' | b'\x81' | b'\x92' | b'b' | b'Q' => self.object(op),
            _ => self.unsupported(format!("the instruction {op:#04x}, which checkpoints do not have")),
        }
    }

    fn number(&mut self, op: u8) -> Done {
        let item = match op {
            b'J' => Item::Int(i32::from_le_bytes(self.array()?).into()),
            b'K' => Item::Int(self.byte()?.into()),
            b'M' => Item::Int(u16::from_le_bytes(self.array()?).into()),
            b'G' => Item::Float(f64::from_be_bytes(self.array()?)),
            b'\x8a' => {
                let n = self.length::<1>()?;
                self.long(n)?
            }
            _ => {
                let n = self.length::<4>()?;
                self.long(n)?
            }
        };
        self.push(item)
    }

    fn string(&mut self, op: u8) -> Done {
        let n = match op {
            b'U' | b'\x8c' | b'C' => self.length::<1>()?,
            b'T' | b'X' | b'B' => self.length::<4>()?,
            _ => self.length::<8>()?,
        };
        let item = match op {
            b'T' | b'U' => self.old_string(n)?,
            b'X' | b'\x8c' | b'\x8d' => self.text(n)?,
            _ => Item::Bytes(self.take(n)?.into()),
        };
        self.push(item)
    }

    fn memo(&mut self, op: u8) -> Done {
        let place = match op {
            b'h' | b'q' => self.byte()?.into(),
            b'j' | b'r' => u32::from_le_bytes(self.array()?),
            _ => self.memo.len() as u32,
        };
        if matches!(op, b'h' | b'j') {
            return match self.memo.get(&place).cloned() {
                Some(item) => self.push(item),
                None => self.fault(format!("nothing was kept under the number {place}")),
            };
        }
        let item = self.top()?.clone();
        self.memo.insert(place, item);
        Ok(())
    }

    fn container(&mut self, op: u8) -> Done {
        let node = match op {
            b']' => Node::List(Vec::new()),
            b')' => Node::Tuple(Vec::new()),
            b'}' => Node::Dict(Vec::new()),
            b'\x8f' => Node::Set(Vec::new()),
            b'l' => Node::List(self.pop_mark()?),
            b't' => Node::Tuple(self.pop_mark()?),
            b'd' => {
                let items = self.pop_mark()?;
                Node::Dict(self.pairs(items)?)
            }
            b'\x91' => Node::Set(self.pop_mark()?),
            _ => Node::Tuple(self.pop_some(usize::from(op - b'\x84'))?),
        };
        self.push_node(node)
    }

    fn pairs(&self, items: Vec<Item>) -> Done<Vec<(Item, Item)>> {
        if items.len() % 2 != 0 {
            return self.fault("a key of a dict has no value");
        }
        let mut items = items.into_iter();
        Ok(std::iter::from_fn(|| Some((items.next()?, items.next()?))).collect())
    }

    /// Puts items into the list, set or dict on the stack.
    fn fill(&mut self, op: u8) -> Done {
        let items = match op {
            b'a' => vec![self.pop()?],
            b's' => self.pop_some(2)?,
            _ => self.pop_mark()?,
        };
        let Item::Node(place) = *self.top()? else { return self.fault("items for what holds none") };
        if !matches!(op, b's' | b'u') {
            match (&mut self.heap.nodes[place], op) {
                (Node::List(list), b'a' | b'e') => list.extend(items),
                (Node::Set(set), b'\x90') => set.extend(items),
                _ => return self.fault("items for what does not hold such"),
            }
            return Ok(());
        }
        let pairs = self.pairs(items)?;
        match &mut self.heap.nodes[place] {
            Node::Dict(dict) => dict.extend(pairs),
            _ => return self.fault("keys for what is no dict"),
        }
        Ok(())
    }

    fn object(&mut self, op: u8) -> Done {
        match op {
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(&module, &name)
            }
            b'\x93' => match &self.pop_some(2)?[..] {
                [Item::Str(module), Item::Str(name)] => self.global(module, name),
                _ => self.fault("a name that is no text"),
            },
            b'R' | b'\x81' => {
                let args = self.pop()?;
                self.call(args)
            }
            b'\x92' => match self.pop_some(2)? {
                items if matches!(&items[1], Item::Node(d) if matches!(&self.heap.nodes[*d], Node::Dict(d) if d.is_empty())) => {
                    self.call(items[0].clone())
                }
                _ => self.unsupported("an object made with named arguments"),
            },
            b'b' => self.build(),
            _ => {
                let id = self.pop()?;
                let storage = self.persistent(&id)?;
                self.push(storage)
            }
        }
    }

    fn global(&mut self, module: &str, name: &str) -> Done {
        match globals::lookup(module, name, self.kind) {
            Some(global) => self.push(Item::Global(global)),
            None => self.unsupported(format!(
                "it names `{module}.{name}`, which is none of what a checkpoint may hold (tensors, numbers, texts, \
                 lists and dicts of them: what `torch.load` takes with `weights_only=True`); nothing was executed"
            )),
        }
    }
}
