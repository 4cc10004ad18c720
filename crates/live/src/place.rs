//! Whether the file still stands where it was opened, and making it anew if not.
//!
//! Somebody removes it, copies another over it, or cuts it. Processes that have it mapped see nothing of
//! that by themselves: they would go on counting where nobody looks, and the next switch to start would
//! find no table. So each looks at the path now and then, and follows what stands there.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path, sync::atomic::Ordering::Relaxed};

use crate::{
    error::LiveError,
    health::{NEAR_OWNERS, gateway},
    layout::{CENTRE_WORDS, GATEWAY_WORDS, MAX_DATA_CENTRES, ORG_WORDS, QUALITY_WORDS, word},
    table::{LiveSpec, LiveTable},
};

/// What stands at the path of an open table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// This table, whole; or the path cannot be looked at.
    Same,
    /// Nothing.
    Missing,
    /// Another file: open it.
    Replaced,
    /// This file, cut or overwritten: what is read here is no longer to be trusted.
    Damaged(&'static str),
}

impl LiveTable {
    /// Looks whether the table still stands at `path`. One system call; not for the call path.
    #[must_use]
    pub fn look(&self, path: &Path) -> Place {
        let about = match fs::metadata(path) {
            Ok(about) => about,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Place::Missing,
            Err(_) => return Place::Same,
        };
        if (about.dev(), about.ino()) != self.file {
            return Place::Replaced;
        }
        if about.len() < self.layout.bytes() {
            return Place::Damaged("it was cut");
        }
        if self.map.lost() {
            return Place::Damaged("it was cut, and is whole again");
        }
        let head = self.layout.head();
        let same = |(at, want): (usize, &u64)| {
            self.word(at).is_some_and(|word| word.load(Relaxed) == *want)
        };
        if !head.iter().enumerate().all(same) {
            return Place::Damaged("its header was overwritten");
        }
        Place::Same
    }

    /// Makes the table anew at `path`, with this one's capacities and mode, and gives it. Where this
    /// one is whole, health, spend, quality and generation are taken over; where it is damaged, the new
    /// one is empty. Calls in progress are not: they go on being counted here until they end, and here
    /// they are given back.
    ///
    /// # Errors
    /// [`LiveError`].
    pub fn remake(&self, path: &Path) -> Result<Self, LiveError> {
        let spec = LiveSpec {
            gateways: self.layout.gateway_capacity as u32,
            organisations: self.layout.org_capacity as u32,
            mode: self.mode,
        };
        let whole = !matches!(self.look(path), Place::Damaged(_));
        let made = Self::make(path, &spec, |new| {
            if whole {
                self.copy_to(new);
            }
        })?;
        // A file that is gone from its path cannot be told through it.
        self.set_word(word::SUPERSEDED, 1);
        Ok(made)
    }

    /// Copies all but owners and their calls to a table of the same capacities.
    fn copy_to(&self, new: &Self) {
        let parts = [
            (self.layout.centres, MAX_DATA_CENTRES * CENTRE_WORDS),
            (self.layout.quality, self.layout.gateway_capacity * QUALITY_WORDS),
            (self.layout.orgs, self.layout.org_capacity * ORG_WORDS),
            (word::GENERATION, 2), // And the shutdown flag.
            (word::CLOCK, 2),      // And trouble.
        ];
        // A gateway's row but for the cells in it.
        let gateways = (0..self.layout.gateway_capacity).flat_map(|n| {
            let row = self.layout.gateways + n * GATEWAY_WORDS;
            let after = gateway::CELLS + NEAR_OWNERS;
            [(row, gateway::CELLS), (row + after, GATEWAY_WORDS - after)]
        });
        for at in parts.into_iter().chain(gateways).flat_map(|(first, words)| first..first + words)
        {
            if let (Some(from), Some(to)) = (self.word(at), new.word(at)) {
                to.store(from.load(Relaxed), Relaxed);
            }
        }
    }
}
