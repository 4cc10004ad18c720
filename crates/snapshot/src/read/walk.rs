//! Going through a whole snapshot, for whoever compares or prints it. Not for the call path.

use fsx_core::data::{Index, OverrideAction};
use fsx_core::digits::{Key, POW11};

use super::Snapshot;
use crate::layout::{HEADS, Section, u16_at, u32_at, u64_at};

/// A number of one organisation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PrivateNumber {
    /// `OrgID`.
    pub org_id: u32,
    /// The prefix.
    pub prefix: Key,
    /// Its length.
    pub prefix_len: u8,
    /// Its band.
    pub band: Index,
    /// Whose it is.
    pub carrier: Index,
}

/// An override.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OverrideEntry {
    /// `Overrides.ID`.
    pub id: u32,
    /// `OrgID`; 0 is everyone.
    pub org_id: u32,
    /// The prefix.
    pub prefix: Key,
    /// Its length; 0 is every number.
    pub prefix_len: u8,
    /// Of which carrier.
    pub carrier: Index,
    /// What.
    pub action: OverrideAction,
    /// `Priority`.
    pub priority: i32,
}

impl<B: AsRef<[u8]>> Snapshot<B> {
    /// Where runs of numbers begin that share one list of offers
    /// ([`offers`](fsx_core::data::RoutingData::offers)), in order; the first is key 0, and each
    /// runs to the next.
    pub fn runs(&self) -> impl Iterator<Item = Key> + '_ {
        let direct = self.rows(Section::Heads) != 0;
        let heads = if direct { HEADS as u32 } else { 0 };
        let from_heads = (0..heads).flat_map(move |head| {
            let row = self.row(Section::Heads, head);
            let (first, count) = (u32_at(row, 0), u32_at(row, 4));
            let begins = u64::from(head) * POW11[9];
            (0..self.within(Section::Intervals, first, count).max(1)).map(move |n| {
                if count == 0 {
                    return (begins, first);
                }
                let row = self.row(Section::Intervals, first.saturating_add(n));
                (begins + u64::from(u32_at(row, 0)), u32_at(row, 4))
            })
        });
        let from_bounds = (0..self.rows(Section::Bounds)).map(|at| {
            let line = u32_at(self.row(Section::BoundLists, at), 0);
            (u64_at(self.row(Section::Bounds, at), 0), line)
        });
        let mut before = None;
        from_heads
            .chain(from_bounds)
            .filter_map(move |(key, line)| (before.replace(line) != Some(line)).then_some(Key(key)))
    }

    /// Numbers of single organisations, by organisation and prefix.
    pub fn private_numbers(&self) -> impl Iterator<Item = PrivateNumber> + '_ {
        (0..self.rows(Section::Private)).map(|at| {
            let row = self.row(Section::Private, at);
            PrivateNumber {
                org_id: u32_at(row, 8),
                prefix: Key(u64_at(row, 0)),
                prefix_len: row.get(18).copied().unwrap_or(0),
                band: Index(u32_at(row, 12)),
                carrier: Index(u32::from(u16_at(row, 16))),
            }
        })
    }

    /// Overrides, by organisation and prefix.
    pub fn overrides(&self) -> impl Iterator<Item = OverrideEntry> + '_ {
        (0..self.rows(Section::Overrides)).map(|at| {
            let row = self.row(Section::Overrides, at);
            OverrideEntry {
                id: u32_at(row, 12),
                org_id: u32_at(row, 8),
                prefix: Key(u64_at(row, 0)),
                prefix_len: row.get(24).copied().unwrap_or(0),
                carrier: Index(u32_at(row, 16)),
                action: match row.get(25) {
                    Some(0) => OverrideAction::Force,
                    Some(1) => OverrideAction::Prefer,
                    _ => OverrideAction::Forbid,
                },
                priority: u32_at(row, 20) as i32,
            }
        })
    }

    /// Where prefixes of retail decks begin and end: a sell price, and with it who keeps its
    /// margin, may change there.
    pub fn retail_edges(&self) -> impl Iterator<Item = Key> + '_ {
        (0..self.rows(Section::Retail)).flat_map(|at| {
            let row = self.row(Section::Retail, at);
            let (key, len) = (Key(u64_at(row, 0)), row.get(20).copied().unwrap_or(0));
            [key, key.end(usize::from(len))]
        })
    }
}
