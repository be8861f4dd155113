//! The packed recordings as a test of the workspace: what the runner's table can express is right
//! on every case, in results and gradients; what it cannot is listed, with a reason for each case
//! of an op that is in the table.

use std::{collections::BTreeMap, error::Error, path::Path};

use flambeau_parity::{ops, report::Report, run_all};

fn packed(kind: &str) -> Result<Report, Box<dyn Error>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("packed/{kind}.tar.zst"));
    let report = run_all(&file, "")?;
    assert!(report.unreadable.is_empty(), "{:?}", report.unreadable);
    Ok(report)
}

#[test]
fn ops_in_the_table_are_right_on_all_their_cases() -> Result<(), Box<dyn Error>> {
    let report = packed("ops")?;
    let expected: BTreeMap<&str, (usize, &str)> =
        ops::INEXPRESSIBLE.iter().map(|&(name, cases, why)| (name, (cases, why))).collect();
    let mut faults = Vec::new();
    let mut run = 0;
    for (name, row) in report.rows().filter(|(name, _)| ops::find(name).is_some()) {
        run += 1;
        let (cases, why) = expected.get(name).copied().unwrap_or_default();
        if row.unsupported > 0 {
            println!("{name}: {} of {} cases unsupported: {why}", row.unsupported, row.cases);
        }
        if row.unsupported != cases {
            faults.push(format!("{name}: {} cases unsupported, the table says {cases}", row.unsupported));
            faults.extend(row.notes.iter().map(|n| format!("  {n}")));
        } else if let Some(failure) = &row.first_failure {
            faults.push(failure.clone());
        }
    }
    println!("{run} of {} subjects are in the table", report.rows().count());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    Ok(())
}

#[test]
fn every_entry_of_the_tables_has_a_recording() -> Result<(), Box<dyn Error>> {
    let report = packed("ops")?;
    let recorded: Vec<&str> = report.rows().map(|(name, _)| name).collect();
    let unrecorded: Vec<&str> =
        ops::names().filter(|n| !recorded.iter().any(|r| r == n || ops::base(r) == Some(n))).collect();
    assert!(unrecorded.is_empty(), "in the table, but in no recording: {unrecorded:?}");
    for (name, ..) in ops::INEXPRESSIBLE {
        assert!(recorded.contains(name) && ops::find(name).is_some(), "{name} cannot be inexpressible");
    }
    Ok(())
}

#[test]
fn seeded_draws_are_pytorchs() -> Result<(), Box<dyn Error>> {
    let report = packed("random")?;
    let (_, row) = report.rows().next().ok_or("no random cases")?;
    for note in &row.notes {
        println!("{note}");
    }
    assert_eq!(row.first_failure, None);
    Ok(())
}
