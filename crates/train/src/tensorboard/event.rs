//! The messages of an event file, field by field (tensorflow's `event.proto`, `summary.proto`, `tensor.proto`;
//! tensorboard's `plugin_data.proto` of the table of hyperparameters).

use super::Hparam;
use super::histogram::Histogram;

/// A protocol-buffer message under way.
#[derive(Clone, Default)]
pub(crate) struct Message(Vec<u8>);

/// A summary's value.
pub(crate) type Value = Message;

impl Message {
    fn new() -> Self {
        Message::default()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn varint(&mut self, mut n: u64) {
        while n >= 128 {
            self.0.push(n as u8 | 128);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    fn key(&mut self, field: u64, wire: u64) {
        self.varint(field << 3 | wire);
    }

    pub(crate) fn int(mut self, field: u64, n: u64) -> Self {
        self.key(field, 0);
        self.varint(n);
        self
    }

    fn double(mut self, field: u64, x: f64) -> Self {
        self.key(field, 1);
        self.0.extend(x.to_le_bytes());
        self
    }

    fn float(mut self, field: u64, x: f32) -> Self {
        self.key(field, 5);
        self.0.extend(x.to_le_bytes());
        self
    }

    pub(crate) fn part(mut self, field: u64, bytes: &[u8]) -> Self {
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    pub(crate) fn text(self, field: u64, text: &str) -> Self {
        self.part(field, text.as_bytes())
    }

    pub(crate) fn message(self, field: u64, inner: &Message) -> Self {
        self.part(field, &inner.0)
    }

    fn doubles(self, field: u64, list: &[f64]) -> Self {
        self.part(field, &list.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())
    }
}

/// The first event of a file.
pub(crate) fn version(time: f64) -> Message {
    Message::new().double(1, time).text(3, "brain.Event:2")
}

/// A graph, as its own message.
pub(crate) fn graph(time: f64, graph: &Message) -> Message {
    Message::new().double(1, time).message(4, graph)
}

pub(crate) fn summary(time: f64, step: u64, values: &[Value]) -> Message {
    let summary = values.iter().fold(Message::new(), |summary, value| summary.message(1, value));
    Message::new().double(1, time).int(2, step).message(5, &summary)
}

/// What a plugin reads beside a value.
fn metadata(plugin: &str, content: &[u8]) -> Message {
    Message::new().message(1, &Message::new().text(1, plugin).part(2, content))
}

pub(crate) fn scalar(tag: &str, value: f32) -> Value {
    Message::new().text(1, tag).float(2, value)
}

pub(crate) fn histogram(tag: &str, h: &Histogram) -> Value {
    let proto = Message::new().double(1, h.min).double(2, h.max).double(3, h.count).double(4, h.sum);
    let proto = proto.double(5, h.sum_of_squares).doubles(6, &h.limits).doubles(7, &h.counts);
    Message::new().text(1, tag).message(5, &proto)
}

pub(crate) fn image(tag: &str, channels: usize, height: usize, width: usize, png: &[u8]) -> Value {
    let image = Message::new().int(1, height as u64).int(2, width as u64).int(3, channels as u64).part(4, png);
    Message::new().text(1, tag).message(4, &image)
}

pub(crate) fn text(tag: &str, text: &str) -> Value {
    const STRING: u64 = 7;
    let shape = Message::new().message(2, &Message::new().int(1, 1));
    let tensor = Message::new().int(1, STRING).message(2, &shape).text(8, text);
    Message::new().text(1, &format!("{tag}/text_summary")).message(8, &tensor).message(9, &metadata("text", &[]))
}

/// The values that make a row of the table of runs: what columns there are, the run's begin and its end.
pub(crate) fn hparams(hparams: &[(&str, Hparam)], metrics: &[&str], time: f64) -> [Value; 3] {
    let value = |tag: &str, data: &Message| Message::new().text(1, tag).message(9, &metadata("hparams", &data.0));
    let mut experiment = Message::new().double(3, time);
    let mut session = Message::new();
    for (name, hparam) in hparams {
        let (kind, value) = match hparam {
            Hparam::Text(text) => (1, Message::new().text(3, text)),
            Hparam::Bool(yes) => (2, Message::new().int(4, u64::from(*yes))),
            Hparam::Number(x) => (3, Message::new().double(2, *x)),
            Hparam::Integer(n) => (3, Message::new().double(2, *n as f64)),
        };
        experiment = experiment.message(4, &Message::new().text(1, name).int(4, kind));
        session = session.message(1, &Message::new().text(1, name).message(2, &value));
    }
    for name in metrics {
        experiment = experiment.message(5, &Message::new().message(1, &Message::new().text(2, name)));
    }
    const SUCCESS: u64 = 1;
    let end = Message::new().int(1, SUCCESS).double(2, time);
    [
        value("_hparams_/experiment", &Message::new().int(1, 0).message(2, &experiment)),
        value("_hparams_/session_start_info", &Message::new().int(1, 0).message(3, &session.double(5, time))),
        value("_hparams_/session_end_info", &Message::new().int(1, 0).message(4, &end)),
    ]
}
