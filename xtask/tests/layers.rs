//! Holds the layers: no crate of the workspace may use one of its own layer or above. The rule is
//! tried on invented edges as well, to show that it can fail.

use cargo_metadata::DependencyKind;
use xtask::layers::{self, Member, Use, Violation, violations};

/// Members whose only edges are the given ones, `(from, kind, to)`.
fn house(edges: &[(&str, DependencyKind, &str)]) -> Vec<Member> {
    let member = |&(from, kind, to): &(&str, DependencyKind, &str)| Member {
        name: from.to_owned(),
        uses: vec![Use { name: to.to_owned(), kind }],
    };
    edges.iter().map(member).collect()
}

fn one(from: &str, kind: DependencyKind, to: &str) -> Vec<String> {
    violations(&house(&[(from, kind, to)])).iter().map(Violation::to_string).collect()
}

#[test]
fn this_workspace_keeps_its_layers() {
    let manifest = xtask::workspace_root().join("Cargo.toml");
    let members = layers::members(&manifest).expect("cargo reads the workspace");
    // An empty list would pass for the wrong reason.
    assert!(members.iter().any(|member| member.name == "xtask"), "xtask is a member");
    let facade = members.iter().find(|member| member.name == "flambeau").expect("the facade");
    let uses_tensor = facade.uses.iter().any(|used| used.name == "flambeau-tensor");
    assert!(uses_tensor, "the facade's edge to the tensor crate is seen");
    if let Err(breaches) = layers::check(&manifest) {
        panic!("{breaches}");
    }
}

#[test]
fn an_upward_edge_is_a_breach() {
    let found = one("flambeau-tensor", DependencyKind::Normal, "flambeau-autograd");
    assert_eq!(
        found,
        ["upward dependency: flambeau-tensor (layer 1) uses flambeau-autograd (layer 2); it may use only lower layers"]
    );
}

#[test]
fn a_sideways_edge_is_a_breach() {
    let found = one("flambeau-vision", DependencyKind::Normal, "flambeau-audio");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("sideways dependency: flambeau-vision (layer 5)"), "{}", found[0]);
}

#[test]
fn development_and_build_dependencies_obey_the_same_rule() {
    let found = one("flambeau-autograd", DependencyKind::Development, "flambeau-nn");
    assert!(found[0].starts_with("upward dev-dependency: flambeau-autograd"), "{}", found[0]);
    let found = one("flambeau-serialize", DependencyKind::Build, "flambeau-cuda");
    assert!(found[0].starts_with("sideways build-dependency"), "{}", found[0]);
}

#[test]
fn an_unknown_crate_is_a_breach_on_either_end() {
    let names = |edges: &[_]| -> Vec<Violation> { violations(&house(edges)) };
    let unknown = [Violation::Unknown { name: "flambeau-attic".to_owned() }];
    assert_eq!(names(&[("flambeau-attic", DependencyKind::Normal, "flambeau-tensor")]), unknown);
    assert_eq!(names(&[("flambeau", DependencyKind::Normal, "flambeau-attic")]), unknown);
}

#[test]
fn downward_edges_and_the_derive_macro_are_allowed_one_way() {
    let sound = house(&[
        ("flambeau", DependencyKind::Normal, "flambeau-audio"),
        ("flambeau-audio", DependencyKind::Normal, "flambeau-data"),
        ("flambeau-nn", DependencyKind::Normal, "flambeau-nn-derive"),
        ("flambeau-nn", DependencyKind::Development, "flambeau-autograd"),
        ("flambeau-parity", DependencyKind::Normal, "flambeau"),
    ]);
    assert_eq!(violations(&sound), []);
    assert_eq!(one("flambeau-nn-derive", DependencyKind::Development, "flambeau-nn").len(), 1);
}

#[test]
fn a_crate_may_not_use_itself_or_another_tool() {
    assert_eq!(one("flambeau-nn", DependencyKind::Development, "flambeau-nn").len(), 1);
    assert_eq!(one("flambeau-examples", DependencyKind::Normal, "flambeau-parity").len(), 1);
}
