//! Where an API command writes its answer.

use core::{marker::PhantomData, ptr::NonNull};

use crate::sys;

/// A `switch_stream_handle_t` lent to an API callback.
pub(crate) struct Stream<'call> {
    raw: NonNull<sys::StreamRaw>,
    _lent: PhantomData<&'call mut ()>,
}

impl Stream<'_> {
    /// Borrows a stream; `None` for NULL.
    ///
    /// # Safety
    /// `raw` is NULL or the stream given to the callback that is running.
    pub(super) unsafe fn from_raw(raw: *mut sys::StreamRaw) -> Option<Self> {
        NonNull::new(raw).map(|raw| Self { raw, _lent: PhantomData })
    }

    /// Writes `text`. What a stream refuses (it is full, the peer is gone) is lost: there is nobody
    /// left to tell.
    pub(crate) fn write(&mut self, text: &str) {
        // SAFETY: the handle is valid during the callback; its function pointer is set by whoever
        // made the stream and takes (handle, bytes, length). It does not write to the bytes.
        unsafe {
            let Some(raw_write) = (*self.raw.as_ptr()).raw_write_function else { return };
            raw_write(self.raw.as_ptr(), text.as_ptr().cast_mut(), text.len());
        }
    }
}
