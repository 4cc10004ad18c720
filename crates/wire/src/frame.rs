//! The frame round each message on the decision socket: four bytes of length, big-endian, then
//! that many bytes of JSON.
//!
//! A length over [`MAX_FRAME`] is refused before anything is read, so that a peer that speaks
//! another protocol costs four bytes and not four gigabytes.

use core::fmt;

/// Longest message, in bytes.
pub const MAX_FRAME: usize = 1 << 20;

/// Bytes of the length prefix.
pub const PREFIX: usize = 4;

/// The peer announced a message longer than [`MAX_FRAME`]; the connection is to be closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLong {
    /// What it announced, in bytes.
    pub got: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a message of {} bytes, expected at most {MAX_FRAME}", self.got)
    }
}

impl std::error::Error for TooLong {}

/// Puts the prefix before `body`.
///
/// # Errors
/// [`TooLong`] when `body` would not be accepted by a peer.
pub fn encode(body: &[u8]) -> Result<Vec<u8>, TooLong> {
    if body.len() > MAX_FRAME {
        return Err(TooLong { got: body.len() });
    }
    let mut frame = Vec::with_capacity(PREFIX + body.len());
    frame.extend_from_slice(&(body.len() as u32).to_be_bytes());
    frame.extend_from_slice(body);
    Ok(frame)
}

/// The message at the head of `bytes` and how many bytes it takes with its prefix; `None` until
/// all of it is there.
///
/// # Errors
/// [`TooLong`] as soon as the prefix says so.
pub fn decode(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, TooLong> {
    let Some(prefix) = bytes.first_chunk::<PREFIX>() else { return Ok(None) };
    let len = u32::from_be_bytes(*prefix) as usize;
    if len > MAX_FRAME {
        return Err(TooLong { got: len });
    }
    Ok(bytes.get(PREFIX..PREFIX + len).map(|body| (body, PREFIX + len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_split_and_foreign() {
        let frame = encode(b"{}").expect("short");
        for cut in 0..frame.len() {
            assert_eq!(decode(&frame[..cut]), Ok(None), "cut at {cut}");
        }
        assert_eq!(decode(&frame), Ok(Some((&b"{}"[..], 6))));
        assert_eq!(decode(b"GET / HTTP/1.1"), Err(TooLong { got: 0x4745_5420 }));
        assert!(encode(&vec![0; MAX_FRAME + 1]).is_err());
    }
}
