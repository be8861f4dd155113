//! What decoders find in emissions whose answer can be told by hand.

use super::*;
use flambeau_tensor::{Result, Tensor, tensor};

#[test]
fn the_greedy_way_drops_repetitions_and_blanks() -> Result<()> {
    let emissions = tensor!([[0.1f32, 0.9], [0.2, 0.8], [0.7, 0.3], [0.1, 0.9]]);
    assert_eq!(ctc_greedy(&emissions, 0)?, [1, 1]);
    assert!(ctc_greedy(&tensor!([1.0f32]), 0).is_err());
    Ok(())
}

const ARPA: &str = "\\data\\\nngram 1=5\nngram 2=2\n\n\\1-grams:\n-1.0 <unk>\n-9 <s> -0.5\n-1.2 </s>\n-0.7 ab -0.3\n\
                    -0.9 ba\n\n\\2-grams:\n-0.1 <s> ba\n-0.2 ba </s>\n\n\\end\\\n";

#[test]
fn n_grams_back_off() -> Result<()> {
    let mut model = ArpaModel::read(ARPA.as_bytes(), ["ab", "ba", "cd"])?;
    let start = model.start();
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    let (after_ba, score) = model.score(start, 1);
    close(score, -0.1);
    close(model.finish(after_ba).1, -0.2);
    // <s> ab is not there: the cost of leaving <s>, and ab alone.
    let (after_ab, score) = model.score(start, 0);
    close(score, -0.5 - 0.7);
    close(model.score(after_ab, 1).1, -0.3 - 0.9);
    close(model.score(after_ab, 2).1, -0.3 - 1.0);
    // What cannot be told apart is one state.
    let unknown = model.score(start, 2).0;
    assert_eq!(model.score(unknown, 1).0, after_ba);
    for (damaged, words) in
        [("\\data\\\n", "\\1-grams:"), ("\\1-grams:\n-1 a b c d\n", "line 2"), ("\\2-grams:\n", "line 1")]
    {
        let error = ArpaModel::read(damaged.as_bytes(), ["a"]).unwrap_err();
        assert!(error.message().contains(words), "{error}");
    }
    assert!(ArpaModel::read(&ARPA.as_bytes()[..60], ["a"]).is_err());
    Ok(())
}

#[test]
fn a_language_model_decides_between_what_sounds_alike() -> Result<()> {
    let lexicon = [("ab", "a b |"), ("ba", "b a |")];
    let tokens = ["-", "|", "a", "b"];
    // a and b sound alike in the first and second frame.
    let emissions = tensor!([[[-9.0f32, -9.0, -0.5, -0.6], [-9.0, -9.0, -0.6, -0.5], [-9.0, -0.1, -9.0, -9.0]]]);
    let plain = CTCDecoder::new(tokens).lexicon(lexicon).build()?;
    assert_eq!(plain.decode(&emissions, None)?[0][0].words, ["ab"]);
    let model = ArpaModel::read(ARPA.as_bytes(), plain.words())?;
    let knowing = CTCDecoder::new(tokens).lexicon(lexicon).lm(model).build()?;
    let best = knowing.decode(&emissions, None)?.remove(0).remove(0);
    assert_eq!(best.words, ["ba"]);
    // Emissions, and twice what the model says of `<s> ba </s>`.
    assert!((best.score - (-0.6 - 0.6 - 0.1 - 2.0 * 0.3)).abs() < 1e-6, "{}", best.score);
    Ok(())
}

#[test]
fn what_does_not_fit_is_told() -> Result<()> {
    let error = |result: Result<CTCDecoder>| result.err().map(|e| e.message().to_string()).unwrap_or_default();
    assert!(error(CTCDecoder::new(["a", "b"]).build()).contains("among the tokens"));
    assert!(error(CTCDecoder::new(["-", "|"]).lexicon([("x", "x |")]).build()).contains("is not a token"));
    let decoder = CTCDecoder::new(["-", "|", "a"]).build()?;
    assert!(decoder.decode(&tensor!([[[0.0f32, f32::NAN, 0.0]]]), None).is_err());
    assert!(decoder.decode(&tensor!([[[0.0f32, 0.0]]]), None).is_err());
    let long = Tensor::from_vec(vec![5i64], 1)?;
    assert!(decoder.decode(&tensor!([[[0.0f32, 0.0, 0.0]]]), Some(&long)).unwrap_err().message().contains("1 frames"));
    Ok(())
}
