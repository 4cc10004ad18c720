//! FreeSWITCH's XML: reading a configuration file, and answering look-ups.
//!
//! Of a file, two levels are copied out at once and the tree is given back: its root holds a lock on
//! the whole configuration. Trees made here belong to the core once a search function has returned
//! them.

use core::{
    ffi::{CStr, c_char},
    ptr::{NonNull, null_mut},
};

use fsx_wire::xml::{MAX_PARAMS, XmlQuery};

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
/// unseen. `false` when they do not parse: `reloadxml` says where, and what was read before stays.
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

/// A look-up, copied.
pub(crate) struct Lookup(pub(crate) XmlQuery);

/// Most parameters copied of one look-up.
const MAX_COUNT: usize = 2_000;

impl Lookup {
    /// Copies a look-up. What would make it larger than a message may be is left out, value by value.
    ///
    /// # Safety
    /// Each string is NULL or NUL-ended and stays unchanged during the call; `params` is NULL or a live
    /// event that nobody else changes meanwhile.
    pub(super) unsafe fn copy(
        section: *const c_char,
        tag_name: *const c_char,
        key_name: *const c_char,
        key_value: *const c_char,
        params: *mut sys::EventRaw,
    ) -> Self {
        let mut query = XmlQuery { hostname: super::core::hostname(), ..XmlQuery::default() };
        // SAFETY: as the caller vouches for.
        unsafe {
            query.section = text::copy(section).unwrap_or_default();
            query.tag_name = text::copy(tag_name).unwrap_or_default();
            query.key_name = text::copy(key_name).unwrap_or_default();
            query.key_value = text::copy(key_value).unwrap_or_default();
        }
        let mut left = MAX_PARAMS;
        // SAFETY: an event's headers are a list that ends in NULL, names and values NUL-ended; layout
        // as asserted in `sys`.
        unsafe {
            let mut header = match params.cast::<sys::EventHead>().as_ref() {
                Some(head) => head.headers,
                None => core::ptr::null(),
            };
            while let Some(found) = header.as_ref() {
                if query.params.len() == MAX_COUNT {
                    break;
                }
                header = found.next;
                let Some(name) = text::copy(found.name) else { continue };
                let value = text::copy(found.value).unwrap_or_default();
                let Some(rest) = left.checked_sub(name.len() + value.len()) else { continue };
                left = rest;
                query.params.push((name, value));
            }
        }
        Self(query)
    }
}

/// A parsed document of ours; freed with this value unless the core takes it.
pub(crate) struct Tree(NonNull<sys::XmlRaw>);

impl Tree {
    /// Parses `text`, which [`crate::xml`] has found sound; `None` when FreeSWITCH finds fault with it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text::c_string(text);
        // SAFETY: a NUL-ended string, of which the parser makes its own copy (the second argument).
        let raw = unsafe { sys::switch_xml_parse_str_dynamic(text.as_ptr().cast_mut(), 1) };
        let tree = NonNull::new(raw).map(Self)?;
        // SAFETY: a live tree; the message, if there is one, lies in it.
        let fine = unsafe {
            let error = sys::switch_xml_error(tree.0.as_ptr());
            error.is_null() || CStr::from_ptr(error).is_empty()
        };
        fine.then_some(tree)
    }

    pub(super) fn into_raw(self) -> *mut sys::XmlRaw {
        core::mem::ManuallyDrop::new(self).0.as_ptr()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // SAFETY: our own tree, freed once; nobody else has seen it.
        unsafe { sys::switch_xml_free(self.0.as_ptr()) };
    }
}
