//! Reading a configuration file of FreeSWITCH's XML.
//!
//! Two levels are copied out at once and the tree is given back: its root holds a lock on the
//! whole configuration.

use core::ptr::null_mut;

use super::text;
use crate::sys;

/// An element of the second level (`<param name=… value=…/>`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    /// Its tag.
    pub(crate) tag: String,
    /// Its attributes, in the order of the file.
    pub(crate) attributes: Vec<(String, String)>,
}

impl Element {
    /// An attribute's value.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// An element of the first level (`<settings>`) with those inside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Section {
    /// Its tag.
    pub(crate) tag: String,
    /// What stands in it, in the order of the file.
    pub(crate) elements: Vec<Element>,
}

/// Most elements read of one file: a bound on a tree that somebody else made.
const MAX_ELEMENTS: usize = 10_000;

/// Makes FreeSWITCH read its XML files again, as `reloadxml` does; without it an edited file stays
/// unseen. `false` when they do not parse: the log says where, and what was read before stays.
pub(crate) fn reload() -> bool {
    let mut error = c"".as_ptr();
    // SAFETY: an out pointer of ours. What it is set to on failure lies in a tree that the function
    // has just freed, so it is not looked at.
    unsafe { sys::switch_xml_reload(&raw mut error) == sys::STATUS_SUCCESS }
}

/// Opens `autoload_configs/<name>` (through XML bindings, as every module does) and copies it;
/// `None` when there is no such configuration.
pub(crate) fn read_config(name: &str) -> Option<Vec<Section>> {
    let name = text::c_string(name);
    let mut node: *const sys::XmlRaw = core::ptr::null();
    // SAFETY: a NUL-ended name, an out pointer, no parameters. The root returned is ours to free.
    let root = unsafe { sys::switch_xml_open_cfg(name.as_ptr(), &raw mut node, null_mut()) };
    if root.is_null() {
        return None;
    }
    let mut sections = Vec::new();
    let mut left = MAX_ELEMENTS;
    // SAFETY: the tree stays unchanged while we hold its root; `child` and `ordered` link its
    // nodes, each NUL-named; the layout is asserted in `sys` and checked against true headers.
    unsafe {
        let mut section = if node.is_null() { node } else { (*node).child };
        while !section.is_null() && left > 0 {
            left -= 1;
            let mut elements = Vec::new();
            let mut element = (*section).child;
            while !element.is_null() && left > 0 {
                left -= 1;
                let tag = text::copy((*element).name).unwrap_or_default();
                elements.push(Element { tag, attributes: attributes(element) });
                element = (*element).ordered;
            }
            let tag = text::copy((*section).name).unwrap_or_default();
            sections.push(Section { tag, elements });
            section = (*section).ordered;
        }
        sys::switch_xml_free(root);
    }
    Some(sections)
}

/// # Safety
/// `node` is a live node of a tree that is held.
unsafe fn attributes(node: *const sys::XmlRaw) -> Vec<(String, String)> {
    let mut found = Vec::new();
    // SAFETY: `attr` is NULL or an array of name, value, …, NULL (values never NULL).
    unsafe {
        let mut at = (*node).attr;
        if at.is_null() {
            return found;
        }
        while !(*at).is_null() && found.len() < MAX_ELEMENTS {
            let name = text::copy(*at).unwrap_or_default();
            let value = text::copy(*at.add(1)).unwrap_or_default();
            found.push((name, value));
            at = at.add(2);
        }
    }
    found
}
