//! The steps of the reference sagas by their names: a saga's log only numbers them, and a participant's
//! keys only name them.

/// The steps of a saga's type, each after the one before it; none: a type that is not known here.
pub fn of(saga_type: &str) -> Option<&'static [&'static str]> {
    match saga_type {
        "order-processing" => {
            Some(&["place_order", "authorize_payment", "capture_payment", "confirm_order"])
        }
        "order-refund" => Some(&["refund_payment", "cancel_refunded"]),
        _ => None,
    }
}

/// Whether a step of these asks nobody outside its node: it is done in the append that says so.
pub fn asks_nobody(step: &str) -> bool {
    matches!(step, "place_order" | "confirm_order" | "cancel_refunded")
}

/// How long after its start a saga of this type has its deadline, in microseconds, if it has one; none: a
/// type that is not known here.
pub fn term_us(saga_type: &str) -> Option<Option<u64>> {
    match saga_type {
        "order-processing" => Some(Some(900_000_000)),
        "trip" => Some(Some(9_000_000)),
        "order-refund" | "visit" => Some(None),
        _ => None,
    }
}

/// How often the gateway is asked to do, and to undo, before a saga is parked.
pub const ATTEMPTS: [u64; 2] = [24, 8];

/// For how long one call of a step is waited for at the most, in microseconds; none: somebody asks afterwards
/// what became of it, or it is not known here.
pub fn waited_for_us(saga_type: &str, step: &str, undoes: bool) -> Option<u64> {
    match (saga_type, step) {
        ("visit", _) | ("trip", "meal") => Some(2_500_000),
        ("trip", _) if undoes => Some(2_500_000),
        _ => None,
    }
}

/// The longest pause before an attempt (2 is the first repetition), in microseconds: it doubles from a
/// tenth of a second to ten.
pub fn longest_pause_us(attempt: u64) -> u64 {
    let doublings = attempt.saturating_sub(2).min(20);
    (100_000 << doublings).min(10_000_000)
}

/// An idempotency key: saga, step, direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key<'a> {
    /// The saga.
    pub saga: &'a str,
    /// The step's name.
    pub step: &'a str,
    /// Whether it undoes the step.
    pub undoes: bool,
}

impl<'a> Key<'a> {
    /// Reads `saga/step/action` or `saga/step/compensation`; anything more or less is no key.
    pub fn parse(key: &'a str) -> Option<Self> {
        let mut parts = key.split('/');
        let (saga, step, direction) = (parts.next()?, parts.next()?, parts.next()?);
        let undoes = match direction {
            "action" => false,
            "compensation" => true,
            _ => return None,
        };
        parts.next().is_none().then_some(Self { saga, step, undoes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_an_attempt_is_no_key() {
        let key = Key { saga: "s", step: "capture_payment", undoes: false };
        assert_eq!(Key::parse("s/capture_payment/action"), Some(key));
        assert_eq!(Key::parse("s/capture_payment/action/2"), None);
        assert_eq!(Key::parse("s/capture_payment/again"), None);
        assert_eq!(Key::parse("s"), None);
    }
}
