//! A disk that keeps its word and nothing else: what was synced stays, of the rest any part may be there.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::trace::Call;
use super::writer::DATA;
use crate::binaries::Dice;

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

#[derive(Default)]
pub(super) struct Disk {
    files: Vec<File>,
    /// Names as programs see them, as they are durable, and how they come from there.
    names: Names,
    durable: Names,
    pending: Vec<Naming>,
    lies: bool,
}

type Names = BTreeMap<PathBuf, usize>;

enum Naming {
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

/// What is there after a cut.
pub(super) struct Image(BTreeMap<PathBuf, Vec<u8>>);

impl Disk {
    /// One that answers a sync and does nothing.
    pub(super) fn lying() -> Self {
        Self { lies: true, ..Self::default() }
    }

    pub(super) fn take(&mut self, call: Call) {
        match call {
            Call::Create(name) if self.names.contains_key(&name) || !is_kept(&name) => {}
            Call::Create(name) => {
                self.files.push(File::default());
                self.naming(Naming::Create(name, self.files.len() - 1));
            }
            Call::Write { file, at, bytes } => self.change(&file, Change::Write(at, bytes)),
            Call::Truncate { file, to } => self.change(&file, Change::Truncate(to)),
            Call::Sync(_) if self.lies => {}
            Call::Sync(name) => self.sync(&name),
            Call::Rename { from, to } => self.naming(Naming::Rename(from, to)),
            Call::Remove(name) => self.naming(Naming::Remove(name)),
        }
    }

    fn naming(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.pending.push(naming);
    }

    fn change(&mut self, name: &Path, change: Change) {
        if let Some(file) = self.names.get(name) {
            self.files[*file].pending.push(change);
        }
    }

    /// A file's name is durable with its folder, not with the file.
    fn sync(&mut self, name: &Path) {
        if let Some(file) = self.names.get(name) {
            let File { durable, pending } = &mut self.files[*file];
            pending.drain(..).for_each(|change| change.apply(durable, &mut |_| true));
        } else if name.ends_with(DATA) {
            self.pending.drain(..).for_each(|naming| naming.apply(&mut self.durable));
        }
    }

    /// A cut at this moment.
    pub(super) fn image(&self, dice: &mut Dice) -> Image {
        let mut names = self.durable.clone();
        // A journal of names has an order.
        let known = below(dice, self.pending.len() + 1);
        self.pending[..known].iter().for_each(|naming| naming.apply(&mut names));
        let content = |(name, file): (PathBuf, usize)| (name, self.files[file].after_a_cut(dice));
        Image(names.into_iter().map(content).collect())
    }
}

/// The index of the write-ahead log is made anew by every first opener, and the lock has no content.
fn is_kept(name: &Path) -> bool {
    let parent = name.parent().is_some_and(|parent| parent.ends_with(DATA));
    parent && !["quipu.db-shm", "quipu.lock"].iter().any(|other| name.ends_with(other))
}

impl Naming {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Create(name, file) => drop(names.insert(name.clone(), *file)),
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Self::Remove(name) => drop(names.remove(name)),
        }
    }
}

impl File {
    fn after_a_cut(&self, dice: &mut Dice) -> Vec<u8> {
        let mut content = self.durable.clone();
        let (in_order, some) = (dice.below(2) == 0, below(dice, self.pending.len() + 1));
        let tears = dice.below(2) == 0;
        for (number, change) in self.pending.iter().enumerate() {
            let is_there = if in_order { number < some } else { dice.below(2) == 0 };
            let is_torn = tears && dice.below(4) == 0;
            if is_there {
                change.apply(&mut content, &mut |_| !is_torn || dice.below(2) == 0);
            }
        }
        content
    }
}

impl Change {
    /// Changes what is there, as far as `reaches` says so of each sector.
    fn apply(&self, content: &mut Vec<u8>, reaches: &mut dyn FnMut(usize) -> bool) {
        match self {
            Self::Truncate(to) => content.resize(*to, 0),
            Self::Write(at, bytes) => {
                let mut from = 0;
                while from < bytes.len() {
                    let place = at + from;
                    let to = bytes.len().min(from + SECTOR - place % SECTOR);
                    if reaches(place / SECTOR) {
                        content.resize(content.len().max(at + to), 0);
                        content[place..at + to].copy_from_slice(&bytes[from..to]);
                    }
                    from = to;
                }
            }
        }
    }
}

impl Image {
    pub(super) fn write_to(&self, folder: &Path) {
        for (name, content) in &self.0 {
            let file = folder.join(name.file_name().expect("a file has a name"));
            let mut file =
                fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).unwrap();
            file.write_all(content).unwrap();
        }
    }
}

fn below(dice: &mut Dice, end: usize) -> usize {
    usize::try_from(dice.below(end as u64)).unwrap()
}
