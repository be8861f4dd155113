//! The layers of the workspace: which crate may depend on which.
//!
//! A crate may use only crates of lower layers. [`LAYERS`] is the one table that says where each
//! crate stands, [`violations`] is the rule as a pure function over it, and [`members`] reads the
//! workspace as cargo sees it. Development and build dependencies obey the same rule: a test that
//! needs an upper layer belongs to the upper layer.

use std::fmt;
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::Result;

/// The layer of every crate that the workspace may hold. A crate that is not listed is an error,
/// so that nobody adds a crate without saying where it stands; a listed crate may be absent.
pub const LAYERS: &[(&str, u8)] = &[
    ("flambeau-tensor", 1),
    ("flambeau-autograd", 2),
    ("flambeau-serialize", 2),
    ("flambeau-cuda", 2),
    // Not published: the GPU that its tests run on, and a backend for tests.
    ("flambeau-cuda-sim", 1),
    ("flambeau-mirror", 2),
    ("flambeau-distributions", 3),
    ("flambeau-nn", 3),
    ("flambeau-nn-derive", 3),
    ("flambeau-optim", 4),
    ("flambeau-data", 4),
    ("flambeau-train", 4),
    ("flambeau-vision", 5),
    ("flambeau-audio", 5),
    ("flambeau-distributed", 5),
    ("flambeau", 6),
    // Not published: tools and programs that stand above the whole house, and how the sides of a benchmark are asked.
    ("flambeau-bench-worker", 1),
    ("flambeau-bench", 7),
    ("flambeau-examples", 7),
    ("flambeau-parity", 7),
    ("flambeau-test-tensor", 7),
    ("flambeau-test-training", 7),
    ("flambeau-test-vision", 7),
    ("xtask", 7),
];

/// The only sideways edges allowed, as (dependent, dependency): a derive macro has to be a crate
/// of its own and is a part of the crate that exports it.
pub const ALLOWED_SIDEWAYS: &[(&str, &str)] = &[("flambeau-nn", "flambeau-nn-derive")];

/// A crate of the workspace and what it uses of the workspace.
#[derive(Clone, Debug)]
pub struct Member {
    /// The package name.
    pub name: String,
    /// The crates of the workspace (or elsewhere on disk) that it depends on.
    pub uses: Vec<Use>,
}

/// One dependency on a crate of the workspace.
#[derive(Clone, Debug)]
pub struct Use {
    /// The package name of the dependency, whatever it is renamed to.
    pub name: String,
    /// Normal, development or build: told in the message, the rule is the same.
    pub kind: DependencyKind,
}

/// a breach of the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A crate that [`LAYERS`] does not know.
    Unknown {
        /// Its package name.
        name: String,
    },
    /// A crate that uses one of a higher layer, or another one of its own layer.
    Edge {
        /// The dependent crate and its layer.
        from: (String, u8),
        /// The crate it uses and that crate's layer.
        to: (String, u8),
        /// What kind of dependency it is.
        kind: DependencyKind,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name } => {
                write!(f, "{name} has no layer: add it to LAYERS in xtask/src/layers.rs")
            }
            Self::Edge { from, to, kind } => {
                let direction = if to.1 > from.1 { "upward" } else { "sideways" };
                let kind = match kind {
                    DependencyKind::Development => "dev-dependency",
                    DependencyKind::Build => "build-dependency",
                    _ => "dependency",
                };
                write!(
                    f,
                    "{direction} {kind}: {} (layer {}) uses {} (layer {}); it may use only lower layers",
                    from.0, from.1, to.0, to.1
                )
            }
        }
    }
}

/// The layer of a crate, if it is known.
pub fn layer(name: &str) -> Option<u8> {
    LAYERS.iter().find(|(known, _)| *known == name).map(|&(_, layer)| layer)
}

/// Every breach of the layers among `members`, in their order. Empty means the house stands.
pub fn violations(members: &[Member]) -> Vec<Violation> {
    let mut found: Vec<Violation> = Vec::new();
    let mut report = |violation: Violation| {
        if !found.contains(&violation) {
            found.push(violation);
        }
    };
    for member in members {
        let Some(from) = layer(&member.name) else {
            report(Violation::Unknown { name: member.name.clone() });
            continue;
        };
        for used in &member.uses {
            let Some(to) = layer(&used.name) else {
                report(Violation::Unknown { name: used.name.clone() });
                continue;
            };
            let allowed = ALLOWED_SIDEWAYS.contains(&(member.name.as_str(), used.name.as_str()));
            if to >= from && !allowed {
                report(Violation::Edge {
                    from: (member.name.clone(), from),
                    to: (used.name.clone(), to),
                    kind: used.kind,
                });
            }
        }
    }
    found
}

/// Reads the members of the workspace that `manifest` belongs to and their edges among each other.
///
/// Asks `cargo metadata --no-deps --offline`, which reads the manifests alone: no network, no lock
/// file, nothing resolved.
///
/// # Errors
/// If cargo cannot read the workspace.
pub fn members(manifest: &Path) -> Result<Vec<Member>> {
    let metadata =
        MetadataCommand::new().manifest_path(manifest).no_deps().other_options(["--offline".to_owned()]).exec()?;
    let names: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let members = metadata.packages.iter().map(|package| {
        let inside =
            package.dependencies.iter().filter(|used| used.path.is_some() || names.contains(&used.name.as_str()));
        Member {
            name: package.name.to_string(),
            uses: inside.map(|used| Use { name: used.name.clone(), kind: used.kind }).collect(),
        }
    });
    Ok(members.collect())
}

/// Holds the layers of a workspace.
///
/// # Errors
/// If the workspace cannot be read, or with one line for each breach.
pub fn check(manifest: &Path) -> Result<()> {
    let found = violations(&members(manifest)?);
    if found.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = found.iter().map(Violation::to_string).collect();
    Err(lines.join("\n").into())
}
