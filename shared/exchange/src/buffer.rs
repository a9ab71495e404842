//! The memory of parts: taken once, used again while uploads go on, and given back to the system with the last of them.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use bytes::{Bytes, BytesMut};

use crate::part::PART_BYTES_LAST;

/// What most files fit into: the first that a file takes.
const BYTES_SMALL: usize = 256 * 1024;
/// The address space of every larger one: the largest part, and more than what glibc's allocator ever keeps for itself when it is freed
/// (`DEFAULT_MMAP_THRESHOLD_MAX`, 32 MiB). Memory is only what has been written to. Parts of 8 MiB in its own heaps held twice as much.
const BYTES_LARGE: usize = PART_BYTES_LAST + 64 * 1024;
/// What waits for the next part: one upload, on a fast connection to a fast S3, then takes no memory anew. More would be held for nothing.
const FREE_MAX: usize = 2;

/// Buffers that wait, of one tenant's uploads: no memory goes from one tenant to another.
#[derive(Default)]
pub(crate) struct Buffers(Mutex<Vec<BytesMut>>);

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers").finish_non_exhaustive()
    }
}

/// Where uploads that go on at the same time find the same buffers.
#[derive(Default)]
pub(crate) struct Shelf(Mutex<Weak<Buffers>>);

impl Shelf {
    pub fn buffers(&self) -> Arc<Buffers> {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.upgrade().unwrap_or_else(|| {
            let buffers = Arc::default();
            *used = Arc::downgrade(&buffers);
            buffers
        })
    }
}

impl Buffers {
    fn take(&self) -> BytesMut {
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        free.unwrap_or_else(|| BytesMut::with_capacity(BYTES_LARGE))
    }

    /// Takes back what a part was sent from, unless somebody else still holds it.
    pub fn give_back(&self, sent: Bytes) {
        let Ok(mut buffer) = sent.try_into_mut() else { return };
        buffer.clear();
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.capacity() >= BYTES_LARGE && free.len() < FREE_MAX {
            free.push(buffer);
        }
    }

    /// Lets go of what waits.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Appends to a buffer: no more than the largest part in all.
    pub fn append(&self, buffer: &mut BytesMut, bytes: &[u8]) {
        let needed = buffer.len() + bytes.len();
        if needed > buffer.capacity() {
            let mut larger =
                if needed <= BYTES_SMALL { BytesMut::with_capacity(BYTES_SMALL) } else { self.take() };
            larger.extend_from_slice(buffer);
            *buffer = larger;
        }
        buffer.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn free(buffers: &Buffers) -> usize {
        buffers.0.lock().unwrap().len()
    }

    #[test]
    fn a_buffer_is_taken_once_and_grows_no_more() {
        let buffers = Buffers::default();
        let mut buffer = BytesMut::new();
        buffers.append(&mut buffer, b"x");
        assert_eq!(buffer.capacity(), BYTES_SMALL);
        for chunk in [100, 255 * 1024, 255 * 1024, 7 * MIB, 20 * MIB] {
            buffers.append(&mut buffer, &vec![1; chunk]);
        }
        assert_eq!(buffer.capacity(), BYTES_LARGE);
        assert_eq!(buffer.len(), 1 + 100 + 2 * 255 * 1024 + 27 * MIB);
        assert_eq!(buffer[0], b'x');
    }

    #[test]
    fn what_was_sent_is_used_again_and_what_is_held_is_not() {
        let buffers = Buffers::default();
        let mut first = BytesMut::new();
        buffers.append(&mut first, &vec![1; MIB]);
        let (place, sent) = (first.as_ptr(), first.freeze());
        let held = sent.clone();
        buffers.give_back(sent);
        assert_eq!(free(&buffers), 0);
        buffers.give_back(held);
        assert_eq!(free(&buffers), 1);

        let mut second = BytesMut::new();
        buffers.append(&mut second, &vec![2; 2 * MIB]);
        assert_eq!((second.as_ptr(), second.len(), free(&buffers)), (place, 2 * MIB, 0));
        assert!(second.iter().all(|byte| *byte == 2));
    }

    #[test]
    fn few_wait_and_none_after_the_last_upload() {
        let shelf = Shelf::default();
        let buffers = shelf.buffers();
        let filled = |bytes: usize| {
            let mut buffer = BytesMut::new();
            buffers.append(&mut buffer, &vec![1; bytes]);
            buffer.freeze()
        };
        let sent: Vec<Bytes> = (0..=FREE_MAX).map(|_| filled(MIB)).collect();
        for sent in sent {
            buffers.give_back(sent);
        }
        buffers.give_back(filled(10));
        assert_eq!(free(&shelf.buffers()), FREE_MAX);
        drop(buffers);
        assert_eq!(free(&shelf.buffers()), 0);
    }
}
