//! Which users may ask.

use std::collections::BTreeSet;

/// Users by number: root, the daemon's own, and those of the configuration.
#[derive(Debug)]
pub(super) struct Peers(BTreeSet<u32>);

impl Peers {
    /// `own` is the daemon's user. A name that this machine does not know is passed over: the same
    /// file serves machines with one switch and with the other.
    pub(super) fn new(own: u32, names: &[String]) -> Self {
        let known = names.iter().filter_map(|name| {
            let id = id_of("/etc/passwd", name);
            if id.is_none() {
                tracing::debug!(user = name, "decide.allow_users: no such user here");
            }
            id
        });
        Self([0, own].into_iter().chain(known).collect())
    }

    pub(super) fn allow(&self, user: u32) -> bool {
        self.0.contains(&user)
    }
}

/// A group's number, by name or number.
pub(super) fn group_id(name: &str) -> Option<u32> {
    id_of("/etc/group", name)
}

/// Third field of the line whose first is `name`; a number stands for itself.
fn id_of(file: &str, name: &str) -> Option<u32> {
    if let Ok(id) = name.parse() {
        return Some(id);
    }
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? == name { fields.nth(1)?.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!(id_of("/etc/passwd", "root"), Some(0));
        assert_eq!(group_id("root"), Some(0));
        assert_eq!(group_id("no such group"), None);
        let peers = Peers::new(990, &["1234".to_owned(), "no such user".to_owned()]);
        assert!(peers.allow(0) && peers.allow(990) && peers.allow(1234) && !peers.allow(991));
    }
}
