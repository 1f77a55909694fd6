//! Looks at the write-ahead log before RocksDB does, for damage that RocksDB takes for a torn end.
//!
//! RocksDB drops the last record of a file when it says it is longer than the file: usually the machine
//! died while it was written. But the length is not covered by the record's checksum. If it is the length
//! that was damaged, RocksDB would silently drop this record and all behind it, and they were
//! acknowledged. The same goes for a header that became zeros. Both are told apart from a torn end here.
//! What RocksDB does refuse, a wrong checksum, it gives no place: that is looked for here as well, once
//! opening has failed.
//!
//! The last file may be growing while it is looked at: what is seen is a beginning of it, and its end a torn
//! one at worst.
//!
//! The format (`db/log_format.h`): blocks of 32 KiB; records never cross a block; a header of 7 bytes:
//! masked crc32c of type and payload (4, little-endian), length (2, little-endian), type (1). Less than a
//! header at the end of a block is filled with zeros.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

const BLOCK_BYTES: usize = 32 * 1024;
const HEADER_BYTES: usize = 7;

/// What of each record is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// What RocksDB would overlook; it can be trusted with the rest.
    Lengths,
    /// The checksums as well: everything that is damaged has a place.
    Checksums,
}

/// Looks for damage in every file of the write-ahead log in `folder`; what is found is told with the first
/// file and the place in it.
pub(super) fn damage(folder: &Path, look: Look) -> io::Result<Option<String>> {
    for path in files(folder)? {
        let mut file = match File::open(&path) {
            Ok(file) => file,
            // Another process has the store open and is done with this file; its lock will tell.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if let Some(offset) = damage_in(&mut file, look)? {
            return Ok(Some(format!(
                "{} is damaged at byte {offset}: acknowledged records behind it could be lost",
                path.display()
            )));
        }
    }
    Ok(None)
}

/// The files of the write-ahead log, oldest first.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The offset of the first damage in one file.
fn damage_in(file: &mut impl Read, look: Look) -> io::Result<Option<u64>> {
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    let mut start = 0;
    // Where zeros stand instead of a header; all must be zeros from there on.
    let mut zeros = None;
    loop {
        block.clear();
        file.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
        match walk(&block, look) {
            _ if zeros.is_some() && block.iter().any(|byte| *byte != 0) => return Ok(zeros),
            Block::Sound => {}
            Block::Damaged(at) => return Ok(Some(start + at as u64)),
            Block::ZerosFrom(at) => zeros = zeros.or(Some(start + at as u64)),
        }
        // Nothing follows a block that is not full, or it was written since.
        if block.len() < BLOCK_BYTES {
            return Ok(None);
        }
        start += block.len() as u64;
    }
}

enum Block {
    /// Nothing was found.
    Sound,
    Damaged(usize),
    ZerosFrom(usize),
}

fn walk(block: &[u8], look: Look) -> Block {
    let mut at = 0;
    while let Some((header, rest)) = block[at..].split_first_chunk::<HEADER_BYTES>() {
        let [c0, c1, c2, c3, l0, l1, kind] = *header;
        let length = usize::from(u16::from_le_bytes([l0, l1]));
        let masked = u32::from_le_bytes([c0, c1, c2, c3]);
        if kind == 0 && length == 0 {
            let zeros = block[at..].iter().all(|byte| *byte == 0);
            return if zeros { Block::ZerosFrom(at) } else { Block::Damaged(at) };
        }
        let Some(payload) = rest.get(..length) else {
            // In a full block RocksDB reports it. In the last one it takes it for a torn end.
            let damaged = match block.len() {
                BLOCK_BYTES => look == Look::Checksums,
                _ => is_checksum_of_some_length(masked, kind, rest),
            };
            return if damaged { Block::Damaged(at) } else { Block::Sound };
        };
        if look == Look::Checksums && !is_checksum(masked, kind, payload) {
            return Block::Damaged(at);
        }
        at += HEADER_BYTES + length;
    }
    Block::Sound
}

/// Whether the checksum is right.
fn is_checksum(masked: u32, kind: u8, payload: &[u8]) -> bool {
    !payload.iter().fold(step(u32::MAX, kind), |crc, byte| step(crc, *byte)) == unmasked(masked)
}

/// Whether the record is whole, and only its length is wrong: whether the checksum is right for any
/// length that is there.
fn is_checksum_of_some_length(masked: u32, kind: u8, payload: &[u8]) -> bool {
    let wanted = unmasked(masked);
    let mut crc = step(u32::MAX, kind);
    for byte in payload {
        if !crc == wanted {
            return true;
        }
        crc = step(crc, *byte);
    }
    !crc == wanted
}

/// A checksum as it was before it was stored.
fn unmasked(masked: u32) -> u32 {
    masked.wrapping_sub(0xa282_ead8).rotate_left(15)
}

/// One byte of crc32c (Castagnoli). At most a block is looked at, unless there is damage: a table would gain
/// nothing.
fn step(crc: u32, byte: u8) -> u32 {
    (0..8).fold(crc ^ u32::from(byte), |crc, _| {
        (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| step(crc, *byte))
    }

    fn record(payload: &[u8]) -> Vec<u8> {
        let crc = crc(&[[1].as_slice(), payload].concat());
        let masked = crc.rotate_right(15).wrapping_add(0xa282_ead8);
        let length = u16::try_from(payload.len()).unwrap();
        [&masked.to_le_bytes(), length.to_le_bytes().as_slice(), &[1], payload].concat()
    }

    fn damage_of(file: &[u8]) -> Option<u64> {
        damage_in(&mut &*file, Look::Lengths).unwrap()
    }

    #[test]
    fn the_checksum_is_crc32c() {
        assert_eq!(crc(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_torn_end_is_no_damage() {
        let file = [record(b"first"), record(b"second")].concat();
        for length in 0..=file.len() {
            assert_eq!(damage_of(&file[..length]), None, "cut at {length}");
        }
        assert_eq!(damage_of(&[file, vec![0; 100_000]].concat()), None, "zeros at the end");
    }

    #[test]
    fn a_length_that_was_changed_is_damage_also_in_the_last_record() {
        let (first, second) = (record(b"first"), record(b"second"));
        for (at, place) in [(4, 0), (5, 0), (first.len() + 5, first.len())] {
            let mut file = [first.clone(), second.clone()].concat();
            file[at] ^= 0x40;
            assert_eq!(damage_of(&file), Some(place as u64), "byte {at}");
        }
    }

    #[test]
    fn zeros_in_place_of_a_record_are_damage() {
        let first = record(b"first");
        let mut file = [first.clone(), record(b"second"), record(b"third")].concat();
        file[first.len()..first.len() + 7].fill(0);
        assert_eq!(damage_of(&file), Some(first.len() as u64));
        let zero_block = [vec![0; BLOCK_BYTES], record(b"behind")].concat();
        assert_eq!(damage_of(&zero_block), Some(0));
    }

    #[test]
    fn a_changed_byte_has_a_place_where_checksums_are_looked_at() {
        let first = record(b"first");
        let file = [first.clone(), record(b"second")].concat();
        let found = |file: &[u8], look| damage_in(&mut &*file, look).unwrap();
        assert_eq!(found(&file, Look::Checksums), None);
        for at in (0..file.len()).filter(|at| ![4, 5].contains(at)) {
            let mut changed = file.clone();
            changed[at] ^= 0x40;
            let place = if at < first.len() { 0 } else { first.len() as u64 };
            let lost = at == first.len() + 4 || at == first.len() + 5;
            assert_eq!(found(&changed, Look::Checksums), Some(place), "byte {at}");
            assert_eq!(found(&changed, Look::Lengths).is_some(), lost, "byte {at}");
        }
        let mut blocks = vec![0; BLOCK_BYTES];
        blocks[..first.len()].copy_from_slice(&first);
        blocks[5] ^= 0x80;
        assert_eq!(found(&blocks, Look::Checksums), Some(0), "longer than its block");
        assert_eq!(found(&blocks, Look::Lengths), None, "RocksDB sees it");
    }

    /// A file to which something is written when its end was seen.
    struct Growing(Vec<Vec<u8>>);

    impl Read for Growing {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let Some(part) = self.0.first_mut() else { return Ok(0) };
            let count = part.len().min(into.len());
            into[..count].copy_from_slice(&part[..count]);
            part.drain(..count);
            if count == 0 {
                self.0.remove(0);
            }
            Ok(count)
        }
    }

    #[test]
    fn a_file_that_grows_meanwhile_is_looked_at_up_to_where_it_ended() {
        let torn = record(b"written in two parts");
        let (before, behind) = torn.split_at(9);
        let mut file = Growing(vec![before.to_vec(), behind.to_vec(), vec![1; 40]]);
        assert_eq!(damage_in(&mut file, Look::Checksums).unwrap(), None);
    }
}
