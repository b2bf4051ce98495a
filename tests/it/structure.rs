//! No crate of the workspace has a cycle of modules: no two modules import each other, directly or through others.
//! Parent and child may: a child's imports of the modules that contain it are not counted.
//!
//! We use our own check because tools that draw module graphs (cargo-modules) compile the crates with rust-analyzer,
//! take minutes, count a re-export as an import of the module that re-exports, and cannot except parent and child. This
//! check reads the tokens of the sources, follows each path through `use` and `pub use` to the file that defines the
//! name, and takes a second. Names that macros define count as their module's.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The segments of a path such as `crate::http::problem::Problem`.
type Segments = Vec<String>;

/// The modules by number; the first is the root of the crate.
type Id = usize;

#[derive(Default)]
struct Module {
    /// The name of its file below `src`; an inline module has the name of the file around it.
    file: String,
    parent: Option<Id>,
    children: BTreeMap<String, Id>,
    defines: BTreeSet<String>,
    /// Names imported with `use`, and their paths.
    imports: BTreeMap<String, Segments>,
    globs: Vec<Segments>,
    /// Every path in its text, including those of one segment.
    mentions: BTreeSet<Segments>,
}

#[derive(Default)]
struct Crate {
    modules: Vec<Module>,
    /// The item that each name resolves to from each module; None while it is being resolved, so that cyclic re-exports
    /// end.
    known: RefCell<BTreeMap<(Id, String), Option<Target>>>,
}

/// The item that a path resolves to.
#[derive(Clone, Copy)]
enum Target {
    Module(Id),
    /// An item, with the module that defines it.
    Item(Id),
}

impl Crate {
    /// `read` gives the text of a file below `src`.
    fn read(read: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut this = Self::default();
        let root = ["lib.rs", "main.rs"].into_iter().find_map(|name| Some((name, read(name)?)));
        let (name, text) = root.expect("a crate has lib.rs or main.rs");
        this.add(name.to_owned(), None, tokens(name, &text), "", read);
        this
    }

    /// `folder` holds the files of the module's children.
    fn add(
        &mut self,
        file: String,
        parent: Option<Id>,
        tokens: TokenStream,
        folder: &str,
        read: &dyn Fn(&str) -> Option<String>,
    ) -> Id {
        let id = self.modules.len();
        self.modules.push(Module { file: file.clone(), parent, ..Module::default() });
        let tokens: Vec<TokenTree> = without_tests(tokens);
        let mut at = 0;
        while at < tokens.len() {
            if ident(&tokens, at).as_deref() == Some("mod")
                && let Some(name) = ident(&tokens, at + 1)
            {
                let below = format!("{folder}{name}/");
                let child = match tokens.get(at + 2) {
                    Some(TokenTree::Group(body)) => self.add(file.clone(), Some(id), body.stream(), &below, read),
                    _ => {
                        let files = [format!("{folder}{name}.rs"), format!("{below}mod.rs")];
                        let found = files.into_iter().find_map(|file| Some((read(&file)?, file)));
                        let (text, path) = found.unwrap_or_else(|| panic!("{file}: no file of module {name}"));
                        let tokens = self::tokens(&path, &text);
                        self.add(path, Some(id), tokens, &below, read)
                    }
                };
                self.modules[id].children.insert(name, child);
                at += 3;
                continue;
            }
            at += self.modules[id].item(&tokens, at);
        }
        self.modules[id].mention(tokens);
        id
    }

    /// The item that a name resolves to within this module.
    fn look_up(&self, module: Id, name: &str) -> Option<Target> {
        let key = (module, name.to_owned());
        if let Some(known) = self.known.borrow().get(&key) {
            return *known;
        }
        self.known.borrow_mut().insert(key.clone(), None);
        let found = self.seek(module, name);
        self.known.borrow_mut().insert(key, found);
        found
    }

    fn seek(&self, module: Id, name: &str) -> Option<Target> {
        let here = &self.modules[module];
        if let Some(child) = here.children.get(name) {
            return Some(Target::Module(*child));
        }
        if here.defines.contains(name) {
            return Some(Target::Item(module));
        }
        if let Some(path) = here.imports.get(name) {
            return self.resolve(module, path);
        }
        here.globs.iter().find_map(|glob| match self.resolve(module, glob)? {
            Target::Module(from) if from != module => self.look_up(from, name),
            _ => None,
        })
    }

    fn resolve(&self, module: Id, path: &[String]) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => Target::Module(0),
            "self" => Target::Module(module),
            "super" => Target::Module(self.modules[module].parent?),
            name => self.look_up(module, name)?,
        };
        for segment in rest {
            let Target::Module(module) = at else { break };
            at = match segment.as_str() {
                "super" => Target::Module(self.modules[module].parent?),
                // A name that no source defines comes from a macro.
                name => self.look_up(module, name).unwrap_or(Target::Item(module)),
            };
        }
        Some(at)
    }

    /// For each file, the files whose names it uses and that do not contain it.
    fn graph(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut graph: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (id, module) in self.modules.iter().enumerate() {
            let above: BTreeSet<&str> = std::iter::successors(Some(id), |id| self.modules[*id].parent)
                .map(|id| self.modules[id].file.as_str())
                .collect();
            let used = graph.entry(&module.file).or_default();
            for path in module.mentions.iter().chain(module.imports.values()).chain(&module.globs) {
                if let Some(Target::Item(target)) = self.resolve(id, path) {
                    used.insert(&self.modules[target].file);
                }
            }
            used.retain(|file| !above.contains(file));
        }
        graph
    }

    /// Each set of files that import each other, with the imports that form the cycle.
    fn circles(&self) -> Vec<Vec<(&str, &str)>> {
        let graph = self.graph();
        let reach: BTreeMap<&str, BTreeSet<&str>> = graph.keys().map(|file| (*file, reached(&graph, file))).collect();
        let together = |a: &str, b: &str| reach[a].contains(b) && reach[b].contains(a);
        let mut circles: Vec<Vec<(&str, &str)>> = Vec::new();
        for (from, to) in graph.iter().flat_map(|(from, to)| to.iter().map(|to| (*from, *to))) {
            if !together(from, to) {
                continue;
            }
            match circles.iter_mut().find(|circle| together(circle[0].0, from)) {
                Some(circle) => circle.push((from, to)),
                None => circles.push(vec![(from, to)]),
            }
        }
        circles
    }
}

fn reached<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = graph[from].iter().copied().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(&graph[file]);
        }
    }
    reached
}

impl Module {
    /// Records the item that begins at this token of the module; returns how many tokens were read.
    fn item(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        let Some(word) = ident(tokens, at) else { return 1 };
        match word.as_str() {
            "use" => {
                let end = (at..tokens.len()).find(|i| is_punct(tokens, *i, ';')).unwrap_or(tokens.len());
                self.use_tree(&tokens[at + 1..end], &[]);
                end - at
            }
            "struct" | "enum" | "union" | "trait" | "fn" | "type" | "const" | "static" => {
                self.defines.extend(ident(tokens, at + 1));
                1
            }
            "macro_rules" => {
                self.defines.extend(ident(tokens, at + 2));
                1
            }
            _ => 1,
        }
    }

    fn use_tree(&mut self, tokens: &[TokenTree], prefix: &[String]) {
        let mut path = prefix.to_vec();
        let mut alias = None;
        for (i, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(several) => {
                    let parts: Vec<TokenTree> = several.stream().into_iter().collect();
                    for part in parts.split(|t| matches!(t, TokenTree::Punct(p) if p.as_char() == ',')) {
                        self.use_tree(part, &path);
                    }
                    return;
                }
                TokenTree::Punct(p) if p.as_char() == '*' => return self.globs.push(path),
                TokenTree::Ident(word) if word == "as" => {
                    alias = ident(tokens, i + 1);
                    break;
                }
                TokenTree::Ident(word) => path.push(word.to_string()),
                _ => {}
            }
        }
        // `use a::b::{self}` imports b.
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if let Some(name) = alias.or_else(|| path.last().cloned()) {
            self.imports.insert(name, path);
        }
    }

    /// Records every path in these tokens, at any depth; a `use` within a function counts as its module's.
    fn mention(&mut self, tokens: Vec<TokenTree>) {
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                // The body of an inline module is a module itself.
                TokenTree::Ident(word) if word == "mod" => at += 2,
                TokenTree::Ident(word) if word == "use" => at += self.item(&tokens, at).saturating_sub(1),
                TokenTree::Ident(_) => {
                    let mut path = Segments::new();
                    while let Some(segment) = ident(&tokens, at) {
                        path.push(segment);
                        if !(is_punct(&tokens, at + 1, ':') && is_punct(&tokens, at + 2, ':')) {
                            break;
                        }
                        at += 3;
                    }
                    self.mentions.insert(path);
                    if !matches!(tokens.get(at), Some(TokenTree::Ident(_))) {
                        continue;
                    }
                }
                TokenTree::Group(group) => self.mention(without_tests(group.stream())),
                _ => {}
            }
            at += 1;
        }
    }
}

fn tokens(file: &str, text: &str) -> TokenStream {
    text.parse().unwrap_or_else(|e| panic!("{file}: {e}"))
}

fn ident(tokens: &[TokenTree], at: usize) -> Option<String> {
    match tokens.get(at)? {
        TokenTree::Ident(ident) => Some(ident.to_string()),
        _ => None,
    }
}

fn is_punct(tokens: &[TokenTree], at: usize, punct: char) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == punct)
}

/// The tokens without attributes and without items that exist only in tests.
fn without_tests(tokens: TokenStream) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    let mut tests_alone = false;
    while let Some(token) = tokens.next() {
        let attribute = match (&token, tokens.peek()) {
            (TokenTree::Punct(p), Some(TokenTree::Group(group))) if p.as_char() == '#' => Some(group.stream()),
            _ => None,
        };
        if let Some(attribute) = attribute {
            tests_alone |= attribute.to_string().replace(' ', "") == "cfg(test)";
            tokens.next();
        } else if tests_alone {
            let ends = match &token {
                TokenTree::Punct(p) => p.as_char() == ';',
                TokenTree::Group(group) => {
                    let followed = matches!(tokens.peek(), Some(TokenTree::Punct(p)) if p.as_char() == ';');
                    group.delimiter() == Delimiter::Brace && !followed
                }
                _ => false,
            };
            tests_alone = !ends;
        } else {
            kept.push(token);
        }
    }
    kept
}

/// The folders of the workspace's crates.
fn crates(root: &Path) -> Vec<String> {
    let manifest: toml::Table = std::fs::read_to_string(root.join("Cargo.toml")).unwrap().parse().unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap().clone();
    members.iter().map(|member| member.as_str().unwrap().to_owned()).collect()
}

fn shown(circles: &[Vec<(&str, &str)>]) -> String {
    let circle = |ties: &Vec<(&str, &str)>| {
        let ties: Vec<String> = ties.iter().map(|(from, to)| format!("  {from} -> {to}\n")).collect();
        format!("circle:\n{}", ties.concat())
    };
    circles.iter().map(circle).collect()
}

#[test]
fn no_two_modules_of_a_crate_import_each_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut faults = String::new();
    for folder in crates(root) {
        let source = root.join(&folder).join("src");
        let modules = Crate::read(&|file| std::fs::read_to_string(source.join(file)).ok());
        let circles = modules.circles();
        if !circles.is_empty() {
            faults += &format!("crate {folder}:\n{}", shown(&circles));
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

/// The cycles of a crate with these files.
fn circles_of(files: &[(&str, &str)]) -> String {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    let modules = Crate::read(&|file| files.get(file).map(|text| (*text).to_owned()));
    shown(&modules.circles())
}

#[test]
fn a_circle_is_found_through_re_exports_and_full_paths() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b; mod c; pub use c::C;"),
        ("a.rs", "use crate::b::{self as other}; pub struct A; fn f() { other::make(); }"),
        ("b.rs", "pub fn make() -> crate::C { todo!() }"),
        ("c/mod.rs", "mod inner; pub use inner::*;"),
        ("c/inner.rs", "pub struct C(Option<super::super::a::A>);"),
    ]);
    assert_eq!(found, "circle:\n  a.rs -> b.rs\n  b.rs -> c/inner.rs\n  c/inner.rs -> a.rs\n");
}

#[test]
fn parents_children_tests_and_names_of_other_crates_make_no_circle() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b; pub struct Shared; fn f() { a::f(); }"),
        ("a.rs", "mod child; pub struct A; pub fn f() { child::g(); }"),
        ("a/child.rs", "use super::A; use crate::Shared; use json::b; pub fn g() { b::call(); \"crate::b::B\"; }"),
        ("b.rs", "use crate::a::A; pub struct B; #[cfg(test)] mod tests { fn t() { crate::a::f(); } }"),
    ]);
    assert_eq!(found, "");
}
