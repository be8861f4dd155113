//! On PyTorch's own samples, in double precision: every op's gradient is what differences say, so is the gradient's
//! gradient, and the derivative forward is the same matrix.

use std::{error::Error, path::Path};

use flambeau_parity::derivatives::check_all;

/// Subjects with a case that cannot be checked so, and why.
const APART: &[(&str, &str)] = &[
    ("bfloat16", "the result is rounded to fewer digits than the step moves"),
    ("cfloat", "the result is rounded to fewer digits than the step moves"),
    ("float", "the result is rounded to fewer digits than the step moves"),
    ("half", "the result is rounded to fewer digits than the step moves"),
    ("frexp", "numbers smaller than the step are among the inputs"),
    ("linalg.norm.subgradients_at_zero", "zero is where the slope jumps"),
    ("masked.logaddexp", "what is masked is −∞, beside which the second derivative is NaN, as in PyTorch"),
    ("nn.functional.cosine_embedding_loss", "the target is differentiated, and a step leads it away from 1 and −1"),
    ("nn.functional.hinge_embedding_loss", "the target is differentiated, and a step leads it away from 1 and −1"),
    ("nn.functional.max_unpool1d", "places stand twice among the indices, the last of their elements is kept"),
    ("nn.functional.max_unpool2d", "places stand twice among the indices, the last of their elements is kept"),
    ("nn.functional.max_unpool3d", "places stand twice among the indices, the last of their elements is kept"),
];

#[test]
fn derivatives_are_those_of_differences() -> Result<(), Box<dyn Error>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("packed/ops.tar.zst");
    let found = check_all(&file, "")?;
    println!("{} cases were checked, {} have no finite results", found.cases, found.endless);
    let mut faults = Vec::new();
    for (name, all) in &found.faults {
        match APART.iter().find(|apart| apart.0 == name) {
            Some((_, why)) => println!("{name}: {} faults: {why}", all.len()),
            None => faults.push(format!("{name}: {} faults, first {}", all.len(), all[0])),
        }
    }
    for (name, _) in APART.iter().filter(|(name, _)| !found.faults.contains_key(*name)) {
        faults.push(format!("{name} stands apart and has no fault"));
    }
    assert!(faults.is_empty(), "{} ops:\n{}", faults.len(), faults.join("\n"));
    assert!(found.cases > 2000, "only {} cases were checked", found.cases);
    Ok(())
}
