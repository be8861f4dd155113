//! Runs cases recorded from PyTorch: inputs with their strides, results, cotangents and gradients
//! as PyTorch had them, against what flambeau computes.
//!
//! The path of a case: [`case`] reads it, [`value`] holds it, [`call`] makes it live and hands out
//! its arguments, [`ops`], [`modules`], [`optims`] and [`schedulers`] say how flambeau spells it,
//! [`run`] does forward and gradients, [`compare`] judges, [`report`] counts; [`derivatives`] checks the ops' rules on the
//! recorded inputs. To teach the runner an
//! op or a module, add one line to the table of its family; an optimizer or a scheduler has its line
//! in the table of its kind.

pub mod audio;
pub mod call;
pub mod case;
pub mod compare;
pub mod derivatives;
pub mod gauge;
pub mod images;
pub mod modules;
pub mod ops;
pub mod optims;
pub mod pack;
pub mod random;
pub mod report;
pub mod run;
pub mod schedulers;
mod tape;
pub mod value;
pub mod vision;

use std::{io, path::Path};

/// Runs every subject of a folder or archive whose name (or, for `random`, the name of one of
/// whose calls) contains `only`.
///
/// # Errors
///
/// The folder or archive cannot be read, or holds no recordings.
pub fn run_all(path: &Path, only: &str) -> io::Result<report::Report> {
    let source = case::Source::open(path)?;
    let names = source.names();
    if names.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no recordings here"));
    }
    let mut report = report::Report::default();
    for file in names {
        match source.subject(&file) {
            Err(error) => report.unreadable.push((file, error.to_string())),
            Ok(mut subject) => {
                if !subject.name.contains(only) {
                    subject.cases.retain(|case| random::about(case).contains(only));
                }
                if !subject.cases.is_empty() {
                    report.add(&subject.name, &subject.kind, &run::run(&subject));
                }
            }
        }
    }
    Ok(report)
}
