//! C strings in and out.
//!
//! Hosts hand over NULL where there is nothing, and bytes of any kind where there is something: a SIP
//! header holds what the far end put into it. So bytes stay bytes until somebody shows them, and NULL is
//! the empty string. Outwards, a NUL in the middle is dropped rather than allowed to cut the text short.

use std::{
    borrow::Cow,
    ffi::{CStr, CString, c_char},
    fmt,
};

/// The bytes of a NUL-terminated string; none for NULL.
///
/// # Safety
/// `text` is NULL, or points to a NUL-terminated string that nobody changes or frees during `'a`. Hosts
/// promise that for arguments of a callback until it returns; choose `'a` no longer than that.
#[must_use]
pub unsafe fn bytes<'a>(text: *const c_char) -> &'a [u8] {
    if text.is_null() {
        return b"";
    }
    // SAFETY: not NULL; the rest is the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_bytes()
}

/// The bytes of a counted string (OpenSIPS `str`); none for NULL or a length that is not positive.
///
/// # Safety
/// `text` is NULL, or `len` bytes from it on are readable and nobody changes or frees them during `'a`.
#[must_use]
pub unsafe fn counted<'a>(text: *const c_char, len: i32) -> &'a [u8] {
    match usize::try_from(len) {
        Ok(len) if len > 0 && !text.is_null() => {
            // SAFETY: not NULL, and the caller promises `len` readable bytes, which a C int bounds far
            // below isize::MAX.
            unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len) }
        }
        _ => b"",
    }
}

/// Bytes to show: what is not UTF-8 becomes U+FFFD. Borrowed when nothing had to be replaced.
#[must_use]
pub fn shown(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// A C string of `bytes`, without the NULs that stand among them.
#[must_use]
pub fn c_string(bytes: impl AsRef<[u8]>) -> CString {
    let clean: Vec<u8> = bytes.as_ref().iter().copied().filter(|&b| b != 0).collect();
    CString::new(clean).unwrap_or_default() // Has no NUL left.
}

/// A NUL-terminated text of fixed size, on the stack or in a struct: at most `N - 1` bytes. What does not
/// fit is cut between characters, and NULs are dropped. It never allocates.
#[derive(Clone, Copy)]
pub struct CBuf<const N: usize> {
    /// Zero from `len` on, always: that is the terminator.
    bytes: [u8; N],
    len: usize,
    cut: bool,
}

impl<const N: usize> CBuf<N> {
    /// Empty.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N > 0, "no room for the NUL") };
        Self { bytes: [0; N], len: 0, cut: false }
    }

    /// Adds text, as much as fits.
    pub fn push_str(&mut self, text: &str) {
        for piece in text.split('\0') {
            self.push_piece(piece);
        }
    }

    fn push_piece(&mut self, piece: &str) {
        // Once cut, shut: a later short word must not follow a gap.
        let room = if self.cut { 0 } else { N - 1 - self.len };
        let take = if piece.len() <= room { piece.len() } else { piece.floor_char_boundary(room) };
        self.cut |= take < piece.len();
        let to = self.bytes.iter_mut().skip(self.len);
        for (to, from) in to.zip(piece.bytes().take(take)) {
            *to = from;
        }
        self.len += take;
    }

    /// Empties it.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only whole characters were put in.
        self.bytes.get(..self.len).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or("")
    }

    /// The text for C: NUL-terminated, and it lives as long as `self` does.
    #[must_use]
    pub fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }

    /// Whether something did not fit.
    #[must_use]
    pub fn was_cut(&self) -> bool {
        self.cut
    }
}

impl<const N: usize> Default for CBuf<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> From<&str> for CBuf<N> {
    fn from(text: &str) -> Self {
        let mut buf = Self::new();
        buf.push_str(text);
        buf
    }
}

/// Never fails: what does not fit is cut.
impl<const N: usize> fmt::Write for CBuf<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

impl<const N: usize> fmt::Display for CBuf<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<const N: usize> fmt::Debug for CBuf<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, ptr};

    use super::*;

    #[test]
    fn null_is_nothing() {
        // SAFETY: NULL is allowed.
        unsafe {
            assert_eq!(bytes(ptr::null()), b"");
            assert_eq!(counted(ptr::null(), 5), b"");
            assert_eq!(counted(ptr::null(), 0), b"");
        }
    }

    #[test]
    fn lengths_that_are_none() {
        let text = c"abc";
        // SAFETY: three readable bytes in a static.
        unsafe {
            assert_eq!(counted(text.as_ptr(), 2), b"ab");
            assert_eq!(counted(text.as_ptr(), 0), b"");
            assert_eq!(counted(text.as_ptr(), -1), b"");
            assert_eq!(counted(text.as_ptr(), i32::MIN), b"");
            assert_eq!(bytes(text.as_ptr()), b"abc");
        }
    }

    #[test]
    fn bytes_of_any_kind() {
        let text = c"+44\xff\xfe7700";
        // SAFETY: a static.
        let kept = unsafe { bytes(text.as_ptr()) };
        assert_eq!(kept, b"+44\xff\xfe7700");
        assert_eq!(shown(kept), "+44\u{fffd}\u{fffd}7700");
        assert!(matches!(shown(b"plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn nul_inside_is_dropped() {
        assert_eq!(c_string(b"a\0b\0").as_c_str(), c"ab");
        assert_eq!(c_string("").as_c_str(), c"");
        assert_eq!(CBuf::<8>::from("a\0b").as_c_str(), c"ab");
    }

    #[test]
    fn cut_between_characters() {
        for (text, want) in [("abcd", "abcd"), ("abcde", "abcd"), ("abcé", "abc"), ("éé", "éé")]
        {
            let buf = CBuf::<5>::from(text);
            assert_eq!(buf.as_str(), want);
            assert_eq!(buf.as_c_str().to_bytes(), want.as_bytes());
            assert_eq!(buf.was_cut(), text != want);
        }
        let mut none = CBuf::<1>::new();
        none.push_str("x");
        assert_eq!((none.as_str(), none.as_c_str()), ("", c""));
    }

    #[test]
    fn cut_once_stays_cut() {
        let mut buf = CBuf::<4>::new();
        buf.write_str("abéz").expect("never fails");
        buf.push_str("!");
        assert_eq!(buf.as_str(), "ab");
        buf.clear();
        assert_eq!((buf.as_str(), buf.was_cut()), ("", false));
    }
}
