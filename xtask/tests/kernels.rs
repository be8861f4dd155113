//! The archives of kernels are those of the sources that lie beside them.

use std::fs;
use xtask::kernels::{families, folder, hash, hash_of, read_manifest};

#[test]
fn archives_are_made_from_the_sources_as_they_are() {
    let manifest = read_manifest().unwrap();
    let listed = manifest["families"].as_object().unwrap();
    assert_eq!(listed.keys().cloned().collect::<Vec<_>>(), families().unwrap(), "run cargo xtask kernels");
    for (family, entry) in listed {
        assert_eq!(entry["source"], hash(family).unwrap(), "{family}.cu has changed: run cargo xtask kernels");
        let archive = fs::read(folder().join(format!("archives/{family}.z"))).unwrap();
        assert_eq!(entry["archive_hash"], hash_of(&[&archive]), "archives/{family}.z is not what was made");
    }
}

#[test]
fn a_change_of_a_source_shows() {
    assert_eq!(hash_of(&[b""]), "cbf29ce484222325");
    assert_eq!(hash_of(&[b"a"]), "af63dc4c8601ec8c");
    assert_eq!(hash_of(&[b"a", b"b"]), hash_of(&[b"ab"]));
}
