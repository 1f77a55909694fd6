//! Parts of variable length inside a key: `00` becomes `00 FF`, and `00 01` ends the part.
//!
//! The order of escaped parts is the order of the parts, whatever follows them: a part that ends is
//! smaller (`00 01`) than one that goes on with a zero (`00 FF`) or with anything else (`01`…).

const ESCAPED: u8 = 0;
const ZERO: u8 = 0xFF;
const END: u8 = 1;

/// Adds `part` and its end to `key`.
pub(in crate::view_store) fn push(key: &mut Vec<u8>, part: &[u8]) {
    // Few parts have a zero, and a piece without one is copied at once.
    let mut pieces = part.split(|byte| *byte == ESCAPED);
    key.extend_from_slice(pieces.next().unwrap_or_default());
    for piece in pieces {
        key.extend_from_slice(&[ESCAPED, ZERO]);
        key.extend_from_slice(piece);
    }
    key.extend_from_slice(&[ESCAPED, END]);
}

/// How many bytes the escaped part at the start of `bytes` takes with its end; none: it is broken.
pub(in crate::view_store) fn length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let zero = at + bytes.get(at..)?.iter().position(|&byte| byte == ESCAPED)?;
        match bytes.get(zero + 1) {
            Some(&END) => return Some(zero + 2),
            Some(&ZERO) => at = zero + 2,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(part: &[u8]) -> Vec<u8> {
        let mut key = Vec::new();
        push(&mut key, part);
        key
    }

    fn unescaped(bytes: &[u8]) -> Vec<u8> {
        let mut part = Vec::new();
        let mut rest = bytes;
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            part.push(byte);
            if byte == ESCAPED {
                assert_eq!(rest.first(), Some(&ZERO), "a zero inside a part is escaped");
                rest = &rest[1..];
            }
        }
        part
    }

    /// Short parts of few different bytes: those that collide when an escape is wrong.
    fn part() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(0), Just(1), Just(2), Just(0xFF)], 0..6)
    }

    proptest! {
        #[test]
        fn a_part_comes_back_and_its_length_is_found(part in part(), tail in part()) {
            let mut key = escaped(&part);
            let length_wanted = key.len();
            key.extend_from_slice(&tail);
            prop_assert_eq!(length(&key), Some(length_wanted));
            prop_assert_eq!(unescaped(&key[..length_wanted - 2]), part);
        }

        #[test]
        fn escaping_keeps_the_order_whatever_follows(
            (a, b) in (part(), part()),
            (after_a, after_b) in (part(), part()),
        ) {
            let key = |part: &[u8], after: &[u8]| [escaped(part), after.to_vec()].concat();
            let wanted = a.cmp(&b).then(after_a.cmp(&after_b));
            prop_assert_eq!(key(&a, &after_a).cmp(&key(&b, &after_b)), wanted);
        }

        #[test]
        fn a_part_without_its_end_is_broken(part in part()) {
            let key = escaped(&part);
            for cut in 0..key.len() {
                prop_assert_eq!(length(&key[..cut]), None);
            }
        }
    }
}
