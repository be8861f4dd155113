//! Text of different lengths on its way into batches: a dataset of files that may be missing, a collate of one's own,
//! weights for rare classes, workers, an epoch that is broken off and taken up again.

use flambeau::prelude::*;
use std::path::PathBuf;

/// Files of words, in folders by class.
struct Texts(Vec<(PathBuf, i64)>);

#[derive(Clone)]
struct Text {
    words: Vec<i64>,
    label: i64,
}

impl Dataset for Texts {
    type Item = Text;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, index: usize) -> Result<Text> {
        let (path, label) = &self.0[index];
        let text = std::fs::read_to_string(path)?;
        let words = text.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?;
        Ok(Text { words, label: *label })
    }
}

/// Words filled up with 0, lengths, labels.
fn collate(texts: Vec<Text>) -> Result<(Tensor, Tensor, Tensor)> {
    let longest = texts.iter().map(|t| t.words.len()).max().unwrap_or(0);
    let words = Tensor::zeros([texts.len(), longest]).dtype(DType::I64).build()?;
    for (i, text) in texts.iter().enumerate() {
        words.i((i, ..text.words.len()))?.copy_(&tensor!(&text.words))?;
    }
    let lengths: Vec<i64> = texts.iter().map(|t| t.words.len() as i64).collect();
    let labels: Vec<i64> = texts.iter().map(|t| t.label).collect();
    Ok((words, tensor!(lengths), tensor!(labels)))
}

#[test]
fn texts_from_files_become_batches() -> Result<()> {
    let _alone = crate::alone();
    flambeau::manual_seed(0);
    let folder = tempfile::tempdir()?;
    let mut files = Vec::new();
    for i in 0..40_i64 {
        let path = folder.path().join(format!("{i}.txt"));
        std::fs::write(&path, vec![(i + 1).to_string(); i as usize % 7 + 1].join(" "))?;
        files.push((path, (i % 8 == 0) as i64));
    }
    let labels: Vec<i64> = files.iter().map(|(_, label)| *label).collect();

    // Every eighth text is of class 1; drawn by weight, both classes come equally often.
    let weights = labels.iter().map(|l| if *l == 1 { 7.0 } else { 1.0 }).collect::<Vec<f64>>();
    let balanced = DataLoader::new(Texts(files.clone()))
        .batch_size(16)
        .sampler(WeightedRandomSampler::new(weights, 400, true)?)
        .workers(2)
        .collate_with(collate)
        .build()?;
    let mut ones = 0.0;
    for batch in &balanced {
        let (words, lengths, labels) = batch?;
        assert_eq!(words.ne(0)?.sum(1)?.to_vec::<i64>()?, lengths.to_vec::<i64>()?);
        ones += labels.sum(..)?.item::<f64>()?;
    }
    assert!((150.0..250.0).contains(&ones), "{ones}");

    // Texts of like length together, so little is filled up.
    let lengths: Vec<usize> = (0..40).map(|i| i % 7 + 1).collect();
    let batches = BucketBatchSampler::new(lengths, 8_usize).build()?;
    let bucketed = DataLoader::new(Texts(files.clone())).batch_sampler(batches).collate_with(collate).build()?;
    let mut filled = 0;
    for batch in &bucketed {
        let (words, ..) = batch?;
        filled += words.eq(0)?.sum(..)?.item::<i64>()?;
    }
    assert!(filled < 40, "{filled}");

    // An epoch is broken off and goes on with other workers.
    let (train, held_out) = {
        let mut parts = random_split(Texts(files.clone()), &[32, 8], None)?.into_iter();
        (parts.next().expect("two parts"), parts.next().expect("two parts"))
    };
    assert_eq!(held_out.len(), 8);
    let train = std::sync::Arc::new(train);
    let loader = |workers| {
        DataLoader::new(train.clone()).batch_size(4).shuffle(true).workers(workers).collate_with(collate).build()
    };
    let loaded = loader(2)?;
    let mut epoch = loaded.iter();
    epoch.next();
    let state = epoch.state().expect("an epoch under way").state_dict()?;
    let resumed = loader(0)?.iter_from(LoaderState::from_state_dict(&state)?);
    assert_eq!(resumed.len(), 7);
    for (a, b) in epoch.zip(resumed) {
        assert!(a?.0.equal(&b?.0)?);
    }

    // A file that is gone is the item's error, with its number, and the loop is told.
    std::fs::remove_file(&files[5].0)?;
    let broken = DataLoader::new(Texts(files)).batch_size(4).collate_with(collate).build()?;
    let error = broken.iter().find_map(Result::err).expect("an error").to_string();
    assert!(error.contains("item 5"), "{error}");
    Ok(())
}
