//! The words that ship with flambeau, and folders made for the purpose.

use super::*;
use crate::io::save;
use crate::transforms::{AmplitudeToDB, PadTrim, Resample};
use flambeau_tensor::{ErrorKind, Tensor};
use std::collections::HashSet;
use std::path::PathBuf;

fn digits() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/spoken_digits"))
}

#[test]
fn the_parts_are_the_whole() {
    let part = |subset| SpeechCommands::new(digits()).subset(subset).build().unwrap();
    let [all, training, validation, testing] =
        [Subset::All, Subset::Training, Subset::Validation, Subset::Testing].map(part);
    assert_eq!([all.len(), training.len(), validation.len(), testing.len()], [400, 280, 40, 80]);
    let files = |set: &SpeechCommands| set.samples().iter().map(|(path, _)| path.clone()).collect::<HashSet<_>>();
    let mut together = files(&training);
    together.extend(files(&validation));
    together.extend(files(&testing));
    assert_eq!(together, files(&all));
    for set in [&training, &validation, &testing] {
        assert_eq!(set.classes(), ["eight", "five", "four", "nine", "one", "seven", "six", "three", "two", "zero"]);
        let mut counts = [0; 10];
        set.targets().iter().for_each(|label| counts[*label as usize] += 1);
        assert_eq!(counts, [set.len() / 10; 10]);
    }
    assert_eq!(all.class_to_idx()["zero"], 9);
}

#[test]
fn a_recording_and_what_is_known_of_it() {
    let words = SpeechCommands::new(digits()).build().unwrap();
    let index = words.samples().iter().position(|(path, _)| path.ends_with("zero/029-alicia_nohash_0.wav")).unwrap();
    let (waveform, label) = words.get(index).unwrap();
    assert_eq!((waveform.shape(), label), (&[1, 5365][..], 9));
    let known = words.recording(index).unwrap();
    assert_eq!((known.sample_rate, known.label.as_str()), (8000, "zero"));
    assert_eq!((known.speaker_id.as_str(), known.utterance_number), ("029-alicia", 0));
    assert_eq!(words.get(400).unwrap_err().message(), "index 400 is out of range for 400 recordings");
}

#[test]
fn transforms_and_their_faults() {
    let words = SpeechCommands::new(digits()).transform(PadTrim::new(8000)).build().unwrap();
    assert_eq!(words.get(7).unwrap().0.shape(), [1, 8000]);
    let error = SpeechCommands::new(digits()).transform(Resample::new(0, 1)).build().unwrap_err();
    assert!(error.message().contains("a rate must not be zero"), "{error}");
    assert!(format!("{:?}", SpeechCommands::new(digits()).transform(AmplitudeToDB::new())).contains("AmplitudeToDB()"));
}

fn recording(path: PathBuf) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    save(path, &Tensor::from_vec(vec![0.5f32, -0.5], [1, 2]).unwrap(), 16_000).unwrap();
}

#[test]
fn the_archive_of_torchaudio() {
    let root = tempfile::tempdir().unwrap();
    let archive = root.path().join("SpeechCommands/speech_commands_v0.02");
    recording(archive.join("yes/ab12_nohash_3.wav"));
    recording(archive.join("no/cd34_nohash_0.wav.wav"));
    recording(archive.join("no/without-mark.wav"));
    recording(archive.join("_background_noise_/x_nohash_0.wav"));
    let words = SpeechCommands::new(root.path()).build().unwrap();
    assert_eq!((words.classes(), words.targets()), (&["no".to_string(), "yes".to_string()][..], vec![0, 1]));
    let known = words.recording(0).unwrap();
    assert_eq!((known.speaker_id.as_str(), known.utterance_number, known.sample_rate), ("cd34", 0, 16_000));
    assert_eq!(words.recording(1).unwrap().utterance_number, 3);
    let error = SpeechCommands::new(root.path()).subset(Subset::Testing).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    for (line, told) in
        [("../../etc/passwd", "not word/file.wav"), ("yes", "not word/file.wav"), ("up/x.wav", "no recordings of")]
    {
        std::fs::write(archive.join("testing_list.txt"), format!("yes/ab12_nohash_3.wav\n{line}\n")).unwrap();
        let error = SpeechCommands::new(root.path()).subset(Subset::Testing).build().unwrap_err();
        assert!(error.message().contains(told), "{error}");
    }
}

#[test]
fn yes_and_no() {
    let root = tempfile::tempdir().unwrap();
    assert!(Yesno::new(root.path()).build().is_err());
    recording(root.path().join("waves_yesno/1_0_1_0_1_0_1_1.wav"));
    recording(root.path().join("waves_yesno/0_0_0_0_1_1_1_1.wav"));
    std::fs::write(root.path().join("waves_yesno/README"), "").unwrap();
    let set = Yesno::new(root.path()).transform(PadTrim::new(4)).build().unwrap();
    let (waveform, words) = set.get(1).unwrap();
    assert_eq!((set.len(), waveform.to_vec::<f32>().unwrap()), (2, vec![0.5, -0.5, 0.0, 0.0]));
    assert_eq!(words.to_vec::<i64>().unwrap(), [1, 0, 1, 0, 1, 0, 1, 1]);
    recording(root.path().join("waves_yesno/1_0_2.wav"));
    assert!(Yesno::new(root.path()).build().unwrap_err().message().contains("words 0 or 1"));
}

#[test]
fn lists_are_taken_for_hostile() {
    use super::corpus::csv;
    assert_eq!(csv("a,\"b, \"\"c\"\"\nd\",\r\ne"), [vec!["a", "b, \"c\"\nd", ""], vec!["e"]]);
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("LJSpeech-1.1");
    std::fs::create_dir_all(folder.join("wavs")).unwrap();
    let told = |list: &str| {
        std::fs::write(folder.join("metadata.csv"), list).unwrap();
        LjSpeech::new(root.path()).build().map(|set| set.len()).map_err(|e| e.message().to_string())
    };
    assert_eq!(told("a|b|c\nd|e|f\n"), Ok(2));
    assert!(told("../../a|b|c\n").unwrap_err().contains("leads out of the set"));
    assert!(told("a|b\n").unwrap_err().contains("line 1 is \"a|b\", not <name>|<text>|<text>"));
    assert!(told("").unwrap_err().contains("no recording of LjSpeech"));
    assert!(LibriSpeech::new(root.path()).build().is_err());
    let error = LibriMix::new(root.path()).task("sing").build().unwrap_err();
    assert!(error.message().contains("task \"sing\" must be one of"), "{error}");
}
