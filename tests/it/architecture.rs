//! The picture in docs/ARCHITECTURE.md shows every actor, and an arrow for each actor that another one may send
//! messages to.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Code that several actors use: each of them sends what this code sends.
const SHARED: [(&str, [&str; 2]); 2] =
    [("admission.rs", ["Handle", "Scheduler"]), ("component_look.rs", ["Handle", "Needs"])];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { sources(&path, found) } else { found.push(path) }
    }
}

/// The identifiers that follow each `before`.
fn names_after<'t>(text: &'t str, before: &str) -> BTreeSet<&'t str> {
    let name = |rest: &'t str| &rest[..rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len())];
    text.split(before).skip(1).map(name).collect()
}

/// Each actor (and the handle, through which the process sends messages), with its file, without `.rs`.
fn actors(root: &Path, files: &[(PathBuf, String)]) -> Vec<(String, PathBuf)> {
    let mut actors = vec![("Handle".to_owned(), root.join("handle"))];
    for (path, text) in files {
        let production = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for name in names_after(production, "\nimpl Actor for ") {
            actors.push((name.to_owned(), path.with_extension("")));
        }
    }
    actors
}

/// `A --> B` if a file of the actor A contains `Slot<B>`.
fn arrows(actors: &[(String, PathBuf)], root: &Path, files: &[(PathBuf, String)]) -> BTreeSet<(String, String)> {
    let mut arrows = BTreeSet::new();
    for (path, text) in files {
        let production = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let owners: Vec<&str> = match SHARED.iter().find(|(shared, _)| path == &root.join(shared)) {
            Some((_, users)) => users.to_vec(),
            None => {
                let within = |home: &PathBuf| path.with_extension("") == *home || path.starts_with(home);
                actors.iter().filter(|(_, home)| within(home)).map(|(name, _)| name.as_str()).collect()
            }
        };
        for (owner, target) in
            owners.iter().flat_map(|o| names_after(production, "Slot<").into_iter().map(move |t| (*o, t)))
        {
            if owner != target && actors.iter().any(|(name, _)| name == target) {
                arrows.insert((owner.to_owned(), target.to_owned()));
            }
        }
    }
    arrows
}

/// The solid arrows of the picture: `A --> B & C`.
fn drawn(page: &str) -> BTreeSet<(String, String)> {
    let (_, rest) = page.split_once("```mermaid\n").expect("the page has a picture");
    let picture = rest.split("```").next().unwrap();
    let several = |text: &str| text.split('&').map(|name| name.trim().to_owned()).collect::<Vec<_>>();
    let mut drawn = BTreeSet::new();
    for (from, to) in picture.lines().filter_map(|line| line.split_once("-->")) {
        for from in several(from) {
            drawn.extend(several(to).into_iter().map(|to| (from.clone(), to)));
        }
    }
    drawn
}

#[test]
fn the_picture_of_the_actors_is_what_the_code_has() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = repository.join("actors/src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    let files: Vec<(PathBuf, String)> = paths
        .into_iter()
        .filter(|path| path.extension().is_some_and(|kind| kind == "rs"))
        .filter(|path| !path.components().any(|part| part.as_os_str() == "tests") && !path.ends_with("testkit.rs"))
        .map(|path| (path.clone(), std::fs::read_to_string(path).unwrap()))
        .collect();
    let actors = actors(&root, &files);
    let expected = arrows(&actors, &root, &files);
    let page = std::fs::read_to_string(repository.join("docs/ARCHITECTURE.md")).unwrap();
    let drawn = drawn(&page);
    let lines = |arrows: BTreeSet<&(String, String)>| -> Vec<String> {
        arrows.into_iter().map(|(from, to)| format!("{from} --> {to}")).collect()
    };
    assert_eq!(
        (lines(expected.difference(&drawn).collect()), lines(drawn.difference(&expected).collect())),
        (Vec::new(), Vec::new()),
        "arrows that the picture lacks, and those that the code lacks"
    );
    for (actor, _) in &actors {
        assert!(page.contains(&format!("    {actor}[")), "the picture has no box for {actor}");
    }
}
