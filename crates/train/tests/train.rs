//! What a training loop leaves behind: figures, event files, folders.

use flambeau_serialize::torch::Value;
use flambeau_tensor::trace::trace;
use flambeau_tensor::{ErrorKind, Result, StateDict, Tensor, tensor};
use flambeau_train::*;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-9, "{a} is not {b}");
}

/// Figures of scikit-learn 1.7's `classification_report` for these.
#[test]
fn figures_of_classes() -> Result<()> {
    let labels = tensor!([0i64, 0, 0, 1, 1, 2, 2, 2, 2, 3]);
    let predicted = tensor!([0i64, 1, 0, 1, 2, 2, 2, 0, 2, 1]);
    let mut matrix = ConfusionMatrix::new(5)?;
    matrix.update(&predicted.narrow(0, 0, 4)?, &labels.narrow(0, 0, 4)?)?;
    matrix.update(&predicted.narrow(0, 4, 6)?, &labels.narrow(0, 4, 6)?)?;
    close(matrix.accuracy(), 0.6);
    // Class by class: 2/3 and 2/3, 1/3 and 1/2, 3/4 and 3/4, 0 and 0; the fifth is not met.
    close(matrix.precision(Average::Macro), (2. / 3. + 1. / 3. + 0.75) / 4.);
    close(matrix.recall(Average::Macro), (2. / 3. + 0.5 + 0.75) / 4.);
    close(matrix.f1(Average::Macro), (2. / 3. + 0.4 + 0.75) / 4.);
    close(matrix.f1(Average::Weighted), (2. / 3. * 3. + 0.4 * 2. + 0.75 * 4.) / 10.);
    close(matrix.precision(Average::Micro), 0.6);
    assert_eq!(matrix.per_class()[3], [0.0; 3]);
    assert_eq!(matrix.to_tensor()?.sum(..)?.item::<i64>()?, 10);
    assert_eq!((matrix.count(2, 0), matrix.count(9, 0)), (1, 0));
    assert_eq!(format!("{matrix:?}").lines().next(), Some("2 1 0 0 0"));

    let before = matrix.clone();
    let fault = matrix.update(&tensor!([0i64, 5]), &tensor!([0i64, 1])).unwrap_err();
    assert!(fault.kind() == ErrorKind::Index && fault.message().contains("sample 1 is predicted 5"), "{fault}");
    assert!(matrix == before);
    assert!(matrix.update(&tensor!([0i64]), &tensor!([0i64, 1])).is_err());
    assert!(matrix.update(&tensor!([0i64]), &tensor!([0.5])).is_err());
    assert!(ConfusionMatrix::new(0).is_err() && ConfusionMatrix::new(usize::MAX).is_err());
    Ok(())
}

#[test]
fn parts_that_are_right() -> Result<()> {
    // Strided scores, one column a sample.
    let scores = tensor!([[0.1, 0.7, 0.3], [0.5, 0.2, 0.4], [0.4, 0.1, 0.2]]).t()?;
    let labels = tensor!([1i64, 1, 2]);
    close(accuracy(&scores, &labels)?, 1.0 / 3.0);
    close(topk_accuracy(&scores, &labels, 2)?, 2.0 / 3.0);
    close(topk_accuracy(&scores, &labels, 3)?, 1.0);
    let mut both = Accuracy::top(2);
    both.update(&scores, &labels)?;
    both.update(&scores.narrow(0, 0, 1)?, &labels.narrow(0, 0, 1)?)?;
    close(both.value(), 3.0 / 4.0);
    both.reset();
    assert!(both.value().is_nan());
    assert!(topk_accuracy(&scores, &labels, 4).is_err() && topk_accuracy(&scores, &labels, 0).is_err());
    assert!(accuracy(&scores, &labels.unsqueeze(0)?).is_err());
    let mut mean = Mean::new();
    assert!(mean.value().is_nan());
    mean.add_weighted(1.0, 3);
    mean.add_weighted(f64::NAN, 0);
    mean.add(5.0);
    close(mean.value(), 2.0);
    Ok(())
}

#[test]
fn area_under_the_curve() -> Result<()> {
    close(roc_auc(&tensor!([0.1, 0.4, 0.35, 0.8]), &tensor!([0i64, 0, 1, 1]))?, 0.75);
    // Counted pair by pair.
    let n = 60usize;
    let scores: Vec<f64> = (0..n).map(|i| ((i * 31) % 17) as f64).collect();
    let labels: Vec<i64> = (0..n).map(|i| ((i * 13) % 5 < 2) as i64).collect();
    let (mut wins, mut pairs) = (0.0, 0.0);
    for (a, _) in scores.iter().zip(&labels).filter(|(_, l)| **l == 1) {
        for (b, _) in scores.iter().zip(&labels).filter(|(_, l)| **l == 0) {
            pairs += 1.0;
            wins += if a > b {
                1.0
            } else if a == b {
                0.5
            } else {
                0.0
            };
        }
    }
    let mut auc = Auc::new();
    for i in (0..n).step_by(20) {
        let part = |v: &[f64]| Tensor::from_slice(&v[i..i + 20], 20);
        auc.update(&part(&scores)?, &Tensor::from_slice(&labels[i..i + 20], 20)?)?;
    }
    close(auc.value()?, wins / pairs);
    let fault = roc_auc(&tensor!([0.1, 0.2]), &tensor!([1i64, 1])).unwrap_err();
    assert!(fault.message().contains("0 samples of class 0"), "{fault}");
    assert!(roc_auc(&tensor!([0.1, f32::NAN]), &tensor!([1i64, 0])).is_err());
    assert!(roc_auc(&tensor!([0.1, 0.2]), &tensor!([1i64, 2])).is_err());
    Ok(())
}

#[test]
fn time_to_stop() -> Result<()> {
    let mut stopping = EarlyStopping::new(2).min_delta(0.1).build()?;
    let stops: Vec<bool> = [f64::NAN, 1.0, 0.95, 0.8, 0.75, f64::NAN].map(|loss| stopping.update(loss)).into();
    assert_eq!(stops, [false, false, false, false, false, true]);
    assert_eq!((stopping.best(), stopping.is_best()), (Some((3, 0.8)), false));
    let mut never = EarlyStopping::new(0).build()?;
    assert!(!never.update(1.0) && never.update(1.0));
    assert!(EarlyStopping::new(1).min_delta(-1.0).build().is_err());
    Ok(())
}

/// CRC-32C bit by bit, masked.
fn masked(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    let crc = !crc;
    (crc >> 15 | crc << 17).wrapping_add(0xa282_ead8)
}

/// A message's fields: numbers as their bits, the others as bytes.
fn fields(mut bytes: &[u8]) -> BTreeMap<u64, Vec<Vec<u8>>> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let (mut n, mut shift) = (0, 0);
        loop {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            n |= u64::from(byte & 127) << shift;
            shift += 7;
            if byte < 128 {
                return n;
            }
        }
    }
    let mut all: BTreeMap<u64, Vec<Vec<u8>>> = BTreeMap::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let value = match key & 7 {
            0 => varint(&mut bytes).to_le_bytes().to_vec(),
            wire => {
                let length = match wire {
                    1 => 8,
                    5 => 4,
                    2 => varint(&mut bytes) as usize,
                    _ => panic!("wire type {wire}"),
                };
                let (value, rest) = bytes.split_at(length);
                bytes = rest;
                value.to_vec()
            }
        };
        all.entry(key >> 3).or_default().push(value);
    }
    all
}

fn u64_of(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

/// Step and value of each summary of an event file, whose checksums must be right.
fn summaries(path: &Path) -> Vec<(u64, BTreeMap<u64, Vec<Vec<u8>>>)> {
    let file = std::fs::read(path).unwrap();
    let (mut bytes, mut all, mut first) = (&file[..], Vec::new(), true);
    while !bytes.is_empty() {
        let length = u64_of(&bytes[..8]) as usize;
        assert_eq!(u32::from_le_bytes(bytes[8..12].try_into().unwrap()), masked(&bytes[..8]));
        let data = &bytes[12..12 + length];
        assert_eq!(u32::from_le_bytes(bytes[12 + length..16 + length].try_into().unwrap()), masked(data));
        bytes = &bytes[16 + length..];
        let event = fields(data);
        if std::mem::take(&mut first) {
            assert_eq!(event[&3][0], b"brain.Event:2");
            continue;
        }
        for value in &fields(&event[&5][0])[&1] {
            all.push((u64_of(&event[&2][0]), fields(value)));
        }
    }
    all
}

fn doubles(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
}

#[test]
fn events_can_be_read_back() -> Result<()> {
    // A folder to keep the files in, for a look with TensorBoard itself.
    let kept = std::env::var_os("FLAMBEAU_EVENTS");
    let temporary = tempfile::tempdir()?;
    let folder = kept.as_deref().map_or(temporary.path(), Path::new);
    let mut board = SummaryWriter::new(folder)?;
    for step in 0..300 {
        board.add_scalar("loss/train", 1.0 / (step + 1) as f64, step)?;
    }
    let values = tensor!([-1.0, 0.0, 0.5, 0.5, 2.0, f32::INFINITY, f32::NAN]);
    board.add_histogram("weights", &values, 7)?;
    let picture = Tensor::arange(0, 18).build()?.reshape([3, 2, 3])?.div(18.0)?;
    board.add_image("picture", &picture, 8)?;
    board.add_image("grey", &Tensor::full([4, 5], 200).build()?.to_dtype(flambeau_tensor::DType::U8)?, 8)?;
    board.add_text("note", "**strong**", 9)?;
    board.add_hparams(&[("lr", 1e-3.into()), ("adam", true.into()), ("net", "small".into())], &[("accuracy", 0.9)])?;
    assert!(board.add_image("no", &Tensor::zeros([2, 2, 2]).build()?, 0).is_err());
    assert!(board.add_image("no", &Tensor::zeros([0, 2]).build()?, 0).is_err());
    assert!(board.add_image("no", &tensor!([[1i64]]), 0).is_err());
    assert!(board.add_histogram("no", &tensor!([f32::NAN]), 0).is_err());
    board.flush()?;

    let all = summaries(board.path());
    assert_eq!(all.len(), 300 + 4 + 3 + 1);
    let (step, scalar) = &all[299];
    assert_eq!((*step, &scalar[&1][0][..]), (299, &b"loss/train"[..]));
    assert_eq!(f32::from_le_bytes(scalar[&2][0][..].try_into().unwrap()), 1.0f32 / 300.0);

    let histogram = fields(&all[300].1[&5][0]);
    let figure = |field| f64::from_le_bytes(histogram[&field][0][..].try_into().unwrap());
    assert_eq!([1, 2, 3, 4, 5].map(figure), [-1.0, 2.0, 5.0, 2.0, 5.5]);
    let (limits, counts) = (doubles(&histogram[&6][0]), doubles(&histogram[&7][0]));
    assert_eq!((limits.len(), counts.iter().sum::<f64>(), counts[0]), (counts.len(), 5.0, 0.0));
    assert!(limits.windows(2).all(|pair| pair[0] < pair[1]));
    // Each value lies in the bucket that counts it.
    for (value, count) in [(-1.0, 1.0), (0.0, 1.0), (0.5, 2.0), (2.0, 1.0)] {
        let bucket = limits.partition_point(|limit| *limit <= value);
        assert_eq!(counts[bucket], count, "{value}");
    }

    let image = fields(&all[301].1[&4][0]);
    assert_eq!([1, 2, 3].map(|f| u64_of(&image[&f][0])), [2, 3, 3]);
    assert_eq!(&image[&4][0][..8], b"\x89PNG\r\n\x1a\n");
    let text = &all[303].1;
    assert_eq!(&text[&1][0], b"note/text_summary");
    assert_eq!(&fields(&text[&8][0])[&8][0], b"**strong**");
    assert_eq!(&fields(&fields(&text[&9][0])[&1][0])[&1][0], b"text");
    let session = fields(&fields(&fields(&all[305].1[&9][0])[&1][0])[&2][0]);
    assert_eq!(fields(&session[&3][0])[&1].len(), 3);
    Ok(())
}

/// Name, op, inputs and shape of each node of a graph's message.
fn nodes(graph: &[u8]) -> Vec<(String, String, Vec<String>, Vec<u64>)> {
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).unwrap();
    let node = |bytes: &Vec<u8>| {
        let node = fields(bytes);
        let inputs = node.get(&3).map_or(Vec::new(), |all| all.iter().map(text).collect());
        let mut shape = Vec::new();
        for entry in node.get(&5).into_iter().flatten().map(|entry| fields(entry)) {
            if entry[&1][0] == b"_output_shapes" {
                let list = fields(&fields(&entry[&2][0])[&1][0]);
                let dims = fields(&list[&7][0]);
                shape = dims.get(&2).into_iter().flatten().map(|dim| u64_of(&fields(dim)[&1][0])).collect();
            }
        }
        (text(&node[&1][0]), text(&node[&2][0]), inputs, shape)
    };
    fields(graph)[&1].iter().map(node).collect()
}

#[test]
fn a_graph_has_a_node_for_each_op() -> Result<()> {
    let kept = std::env::var_os("FLAMBEAU_EVENTS");
    let temporary = tempfile::tempdir()?;
    let folder = kept.as_deref().map_or(temporary.path(), Path::new);
    let (x, w, b) = (Tensor::ones([2, 3]).build()?, Tensor::ones([3, 4]).build()?, Tensor::ones(4).build()?);
    let program = trace(&[&x], |x| {
        let h = x[0].matmul(&w)?.add(&b)?.relu()?;
        h.add_(1.0)?;
        let top = h.topk(2)?;
        Ok(vec![top.values.mul(top.indices.to_dtype(flambeau_tensor::DType::F32)?)?, h])
    })?;
    let mut board = SummaryWriter::new(folder)?;
    board.add_graph_with(&program, &[("net.0.weight", &w), ("net.0.bias", &b)])?;
    let file = std::fs::read(board.path())?;
    // The version, and behind it the graph.
    let skip = 16 + u64_of(&file[..8]) as usize;
    let length = u64_of(&file[skip..skip + 8]) as usize;
    let nodes = nodes(&fields(&file[skip + 12..skip + 12 + length])[&4][0]);
    let find = |name: &str| nodes.iter().find(|n| n.0 == name).unwrap_or_else(|| panic!("{name} in {nodes:?}"));
    assert_eq!((&find("input/x0").1[..], &find("input/x0").3[..]), ("Input", &[2, 3][..]));
    assert_eq!((&find("net/0/weight").1[..], &find("net/0/weight").3[..]), ("Parameter", &[3, 4][..]));
    let matmul = find("net/0/matmul");
    assert_eq!(
        (&matmul.2[..], &matmul.3[..]),
        (&["input/x0".to_string(), "net/0/weight".to_string()][..], &[2, 4][..])
    );
    assert_eq!(find("net/0/add").2, ["net/0/matmul", "net/0/bias"]);
    // What is written in place is what comes after it; the second output of an op has a number.
    let written = find("add_");
    assert_eq!(written.2, ["relu"]);
    let second = nodes.iter().find(|n| n.2.iter().any(|i| i.ends_with(":1"))).expect("the indices");
    assert_eq!(
        (&find("output/1").2[..], &find("output/0").3[..]),
        (&["add_".to_string()][..], &[2, 2][..]),
        "{second:?}"
    );
    // Every input is a node, before the one that reads it.
    for (i, node) in nodes.iter().enumerate() {
        for input in &node.2 {
            let name = input.split(':').next().unwrap();
            assert!(nodes[..i].iter().any(|n| n.0 == name), "{input} of {node:?}");
        }
    }
    Ok(())
}

/// The real package reads the events, where `FLAMBEAU_PYTHON` names a Python that has it.
#[test]
fn tensorboard_reads_every_kind() -> Result<()> {
    let Some(python) = std::env::var_os("FLAMBEAU_PYTHON") else {
        // Past the test harness, which would hide it.
        writeln!(std::io::stderr(), "SKIPPED tensorboard_reads_every_kind: FLAMBEAU_PYTHON names no Python")?;
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let (x, w) = (Tensor::ones([2, 3]).build()?, Tensor::ones([3, 4]).build()?);
    let program = trace(&[&x], |x| Ok(vec![x[0].matmul(&w)?.relu()?]))?;
    let mut board = SummaryWriter::new(folder.path())?;
    board.add_scalar("loss", 0.5, 3)?;
    board.add_graph_with(&program, &[("fc.weight", &w)])?;
    board.add_histogram("weights", &tensor!([1.0, 2.0, 4.0, 4.0]), 4)?;
    board.add_image("picture", &tensor!([[0u8, 85, 170], [1, 2, 255]]), 5)?;
    board.add_text("note", "a *text*", 6)?;
    let hparams = [("lr", 0.25.into()), ("seed", 7.into()), ("net", "small".into()), ("amp", true.into())];
    board.add_hparams(&hparams, &[("accuracy", 0.5)])?;
    let script = "\
import struct, sys, zlib
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
events = EventAccumulator(sys.argv[1])
events.Reload()
print([(e.step, e.value) for e in events.Scalars('loss')])
h = events.Histograms('weights')[0]
v = h.histogram_value
print(h.step, v.min, v.max, v.num, v.sum, sum(v.bucket), len(v.bucket) == len(v.bucket_limit))
i = events.Images('picture')[0]
png, data, at = i.encoded_image_string, b'', 8
while at < len(png):
    n, kind = struct.unpack('>I4s', png[at:at + 8])
    data, at = data + (png[at + 8:at + 8 + n] if kind == b'IDAT' else b''), at + 12 + n
print(i.step, i.height, i.width, list(zlib.decompress(data)))
t = events.Tensors('note/text_summary')[0]
print(t.step, t.tensor_proto.string_val)
content = lambda tag: HParamsPluginData.FromString(events.summary_metadata[tag].plugin_data.content)
start = content('_hparams_/session_start_info').session_start_info.hparams
print([(k, start[k].WhichOneof('kind'), getattr(start[k], start[k].WhichOneof('kind'))) for k in ('lr', 'seed', 'net', 'amp')])
print([(i.name, i.type) for i in content('_hparams_/experiment').experiment.hparam_infos])
print([m.name.tag for m in content('_hparams_/experiment').experiment.metric_infos], events.Scalars('accuracy')[0].value)
for node in events.Graph().node:
    shapes = [d.size for d in node.attr['_output_shapes'].list.shape[0].dim]
    print(node.name, node.op, list(node.input), shapes)
";
    let ran = std::process::Command::new(python).arg("-c").arg(script).arg(folder.path()).output()?;
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    // The rows of the picture begin with their filter, which is none. 1, 2, 3: text, yes or no, number.
    let right = "[(3, 0.5)]\n4 1.0 4.0 4.0 11.0 4.0 True\n5 2 3 [0, 0, 85, 170, 0, 1, 2, 255]\n6 [b'a *text*']\n\
        [('lr', 'number_value', 0.25), ('seed', 'number_value', 7.0), ('net', 'string_value', 'small'), \
        ('amp', 'bool_value', True)]\n[('lr', 3), ('seed', 3), ('net', 1), ('amp', 2)]\n['accuracy'] 0.5\ninput/x0 Input [] [2, 3]\nfc/weight Parameter [] [3, 4]\n\
        fc/matmul matmul ['input/x0', 'fc/weight'] [2, 4]\nrelu relu ['fc/matmul'] [2, 4]\noutput/0 Output ['relu'] [2, 4]\n";
    assert_eq!(out, right, "{err}");
    Ok(())
}

#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_bar_knows_the_figures_of_its_loop() {
    let screen = Screen::default();
    let text = || String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
    let bar = Progress::new(40).label("epoch 1/2").draw_to(screen.clone());
    for step in bar.over(0..40) {
        bar.set("loss", format_args!("{:.2}", 1.0 / (step + 1) as f64));
        bar.set("lr", "1e-3");
    }
    let shown = text();
    let last = shown.rsplit("\r\x1b[K").next().unwrap();
    assert!(last.starts_with("epoch 1/2 ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 40/40  "), "{last}");
    assert!(last.ends_with("  loss 0.03  lr 1e-3\n") && last.contains("/s  0:00"), "{last}");
    // Nothing is drawn after the end, and a loop that is left leaves its line.
    bar.inc(1);
    bar.finish();
    assert_eq!(text(), shown);
    let bar = Progress::new(10).draw_to(screen.clone());
    bar.over(0..10).nth(3);
    assert!(text().ends_with('\n') && text().contains(" 3/10  "), "{}", text());
    assert_eq!((0..5).progress().len(), 5);
}

#[test]
fn a_folder_of_a_run() -> Result<()> {
    let root = tempfile::tempdir()?;
    let folder = root.path().join("runs/one");
    let state = |x: f64| -> Result<StateDict> { Ok([("w", Tensor::full(2, x).build()?)].into_iter().collect()) };
    let first = RunFolder::open(&folder)?.keep(2);
    assert!(first.latest()?.is_none() && first.best().is_err());
    first.config(&[("seed", 3.into()), ("name", "a \"b\"\n".into()), ("amp", false.into()), ("lr", 1e-3.into())])?;
    let config = std::fs::read_to_string(folder.join("config.json"))?;
    let right = "{\n  \"seed\": 3,\n  \"name\": \"a \\\"b\\\"\\u000a\",\n  \"amp\": false,\n  \"lr\": 0.001\n}\n";
    assert_eq!(config, right);
    for step in [1, 2, 10, 11] {
        first.checkpoint(step, &state(step as f64)?)?;
    }
    first.save_best(&state(10.0)?)?;
    let again = RunFolder::open(&folder)?;
    let (step, last) = again.latest()?.expect("a checkpoint");
    assert_eq!((step, last.get("w").unwrap().to_vec::<f32>()?), (11, vec![11.0, 11.0]));
    assert_eq!(again.best()?.get("w").unwrap().to_vec::<f32>()?, [10.0, 10.0]);
    assert_eq!(std::fs::read_dir(folder.join("checkpoints"))?.count(), 3);
    // A seed is kept to its last digit.
    again.config(&[("seed", u64::MAX.into()), ("offset", i64::MIN.into())])?;
    let config = std::fs::read_to_string(folder.join("config.json"))?;
    assert_eq!(config, "{\n  \"seed\": 18446744073709551615,\n  \"offset\": -9223372036854775808\n}\n");
    // All that a run goes on from lies beside the weights, and as much of it is kept.
    assert!(first.latest_all()?.is_none());
    for step in [1, 2, 10, 11] {
        let all = Value::dict([("model", Value::of(&state(step as f64)?)), ("lr", 0.5.into())]);
        first.checkpoint_all(step, &all)?;
    }
    let (step, all) = again.latest_all()?.expect("a checkpoint");
    let weights = all.get("model").unwrap().state_dict();
    assert_eq!((step, weights.get("w").unwrap().to_vec::<f32>()?), (11, vec![11.0, 11.0]));
    assert_eq!(all.get("lr").and_then(Value::as_f64), Some(0.5));
    assert_eq!(again.latest()?.expect("a checkpoint").0, 11);
    assert_eq!(std::fs::read_dir(folder.join("checkpoints"))?.count(), 5);
    for mut run in [first, again] {
        run.scalar("loss", 0.5, 1)?;
        run.scalar("a,b", 0.25, 2)?;
        run.board()?.add_text("note", "x", 2)?;
    }
    let curves = std::fs::read_to_string(folder.join("curves.csv"))?;
    assert_eq!(curves, "step,name,value\n1,loss,0.5\n2,\"a,b\",0.25\n1,loss,0.5\n2,\"a,b\",0.25\n");
    Ok(())
}
