//! What becomes of a request on its way to the desk and back: the faults of the bank.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sagaline_storage::Clock;

use super::Participants;
use super::desk::Desk;
use super::line::{Asked, Operation, Reply};
use super::remotes::{Heard, Visit};
use super::token::{self, Mishap, Tries};
use crate::evidence::BankEffect;
use crate::fate::{AGAIN, How, LATE, NEVER};
use crate::fault::{Fault, FaultKind};
use crate::machine::Machine;
use crate::services::dice::Dice;
use crate::services::power::Power;
use crate::services::witness::Witness;
use crate::world::{MachineClock, MachineEntropy, World};

/// What `tok_slow` takes.
const SLOW: Duration = Duration::from_secs(2);
/// The second of two deliveries comes at most this much later.
const DUPLICATE_WITHIN_MS: u64 = 400;

/// How a request ends.
pub(super) enum Ended {
    /// With an answer.
    Said(Reply),
    /// With an answer that asks to come again later.
    Throttled { retry_after_s: u64 },
    /// With a broken connection.
    Cut,
}

/// Whom a request is for.
#[derive(Clone)]
pub(super) enum Wanted {
    /// The bank's own desk.
    Desk(Asked),
    /// A remote service.
    Remote(Visit),
}

/// What came of a request that was acted upon.
struct Came {
    reply: Reply,
    /// Its key was answered before.
    repeated: bool,
    /// What the caller's fate makes of the answer.
    twist: Option<How>,
    /// For how many seconds it wants to be left alone.
    retry_after_s: Option<u64>,
}

impl Came {
    fn said(self) -> Ended {
        match self.retry_after_s {
            Some(retry_after_s) => Ended::Throttled { retry_after_s },
            None => Ended::Said(self.reply),
        }
    }
}

/// Takes requests.
#[derive(Clone)]
pub(super) struct Teller {
    pub(super) world: World,
    pub(super) witness: Witness,
    pub(super) power: Power,
    pub(super) clock: MachineClock,
    pub(super) dice: Dice<MachineEntropy>,
    pub(super) participants: Participants,
    pub(super) desk: Arc<tokio::sync::Mutex<Desk>>,
    pub(super) tries: Arc<Mutex<Tries>>,
}

impl Teller {
    /// Takes one request to its end.
    pub(super) async fn take(&self, wanted: Wanted) -> Ended {
        if let Some(ended) = self.before().await {
            self.turned_away(&wanted);
            return ended;
        }
        if let Some(ended) = self.delay(&wanted).await {
            return ended;
        }
        let duplicate = |fault: &Fault| match fault {
            Fault::BankDuplicate { percent } => Some(*percent),
            _ => None,
        };
        if self.chance(duplicate).is_some() {
            let later = Duration::from_millis(self.dice.below(DUPLICATE_WITHIN_MS));
            self.deliver_later(&wanted, later, Some(FaultKind::BankDuplicate));
        }
        let mishap = match &wanted {
            Wanted::Desk(asked) => self.tries.lock().mishap(asked),
            Wanted::Remote(_) => None,
        };
        match mishap {
            Some(Mishap::Busy) => {
                self.turned_away(&wanted);
                return Ended::Said(busy());
            }
            Some(Mishap::Lost) => {
                self.turned_away(&wanted);
                return self.silence().await;
            }
            Some(Mishap::Slow) => self.clock.sleep(SLOW).await,
            Some(Mishap::ReplyLost) | None => {}
        }
        let ended = self.execute(wanted).await;
        if mishap == Some(Mishap::ReplyLost) {
            return self.silence().await;
        }
        let lost = |fault: &Fault| match fault {
            Fault::BankReplyLost { percent } => Some(*percent),
            _ => None,
        };
        if matches!(ended, Ended::Said(_)) && self.chance(lost).is_some() {
            self.world.bites.bit(FaultKind::BankReplyLost);
            return Ended::Cut;
        }
        ended
    }

    /// Not looked at, but asked all the same: it counts among the caller's attempts.
    fn turned_away(&self, wanted: &Wanted) {
        if let Wanted::Desk(asked) = wanted {
            self.witness.bank(asked.entry(self.world.now_us(), 0, BankEffect::TurnedAway));
        }
    }

    /// What happens to a request before it is acted upon; some of them end here.
    async fn before(&self) -> Option<Ended> {
        let bites = &self.world.bites;
        if self.is_down() {
            return Some(Ended::Cut);
        }
        let slow = self.world.active(|fault| match fault {
            Fault::BankSlow { added_ms } => Some(*added_ms),
            _ => None,
        });
        if let Some(added_ms) = slow {
            bites.bit(FaultKind::BankSlow);
            self.clock.sleep(Duration::from_millis(added_ms)).await;
        }
        let errors = |fault: &Fault| match fault {
            Fault::BankErrors { percent } => Some(*percent),
            _ => None,
        };
        if self.chance(errors).is_some() {
            bites.bit(FaultKind::BankErrors);
            return Some(Ended::Said(busy()));
        }
        self.throttle()
    }

    /// Whether the bank is not there at all.
    pub(super) fn is_down(&self) -> bool {
        let down = self.world.active(|fault| matches!(fault, Fault::BankDown).then_some(()));
        if down.is_some() {
            self.world.bites.bit(FaultKind::BankDown);
        }
        down.is_some()
    }

    fn throttle(&self) -> Option<Ended> {
        let (percent, retry_after_s) = self.world.active(|fault| match fault {
            Fault::BankThrottle { percent, retry_after_s } => Some((*percent, *retry_after_s)),
            _ => None,
        })?;
        if !self.dice.percent(Some(percent)) {
            return None;
        }
        self.world.bites.bit(FaultKind::BankThrottle);
        Some(Ended::Throttled { retry_after_s })
    }

    /// A request that comes so late that nobody waits for it any more is acted upon all the same.
    async fn delay(&self, wanted: &Wanted) -> Option<Ended> {
        if let Wanted::Remote(visit) = wanted
            && self.participants.remotes.holds_back(&visit.request)
        {
            self.deliver_later(wanted, LATE, None);
            return Some(self.silence().await);
        }
        let (percent, late_ms) = self.world.active(|fault| match fault {
            Fault::BankLateDelivery { percent, late_ms } => Some((*percent, *late_ms)),
            _ => None,
        })?;
        if !self.dice.percent(Some(percent)) {
            return None;
        }
        let late = Duration::from_millis(late_ms);
        self.deliver_later(wanted, late, Some(FaultKind::BankLateDelivery));
        Some(self.silence().await)
    }

    fn deliver_later(&self, wanted: &Wanted, later: Duration, of: Option<FaultKind>) {
        let (teller, wanted) = (self.clone(), wanted.clone());
        tokio::spawn(async move {
            teller.clock.sleep(later).await;
            let came = teller.act(&wanted).await;
            // A duplicate matters when its key was known; what is late matters in any case.
            let mattered = |came: &Came| of == Some(FaultKind::BankLateDelivery) || came.repeated;
            if let (Some(_), Some(kind)) = (came.filter(mattered), of) {
                teller.world.bites.bit(kind);
            }
        });
    }

    async fn silence(&self) -> Ended {
        self.clock.sleep(NEVER).await;
        Ended::Cut
    }

    /// Acts on a request to the end, also when the caller goes away in the meantime.
    async fn execute(&self, wanted: Wanted) -> Ended {
        let teller = self.clone();
        let acting = tokio::spawn(async move {
            let came = teller.act(&wanted).await?;
            match came.twist {
                None | Some(How::DeliveredLate) => Some(came.said()),
                Some(How::RunTwice) => None,
                Some(How::DeliveredTwice) => {
                    teller.deliver_later(&wanted, AGAIN, None);
                    teller.act(&wanted).await.map(Came::said)
                }
            }
        });
        match acting.await {
            Ok(Some(ended)) => ended,
            Ok(None) | Err(_) => Ended::Cut,
        }
    }

    /// None: nobody knows what came of the request. The disk failed and the bank with it, or whoever asked
    /// is no more.
    async fn act(&self, wanted: &Wanted) -> Option<Came> {
        match wanted {
            Wanted::Desk(asked) => self.act_at_desk(asked).await,
            Wanted::Remote(visit) => {
                let heard = self.participants.remotes.visit(&self.world, &self.witness, visit)?;
                let Heard { reply, repeated, twist, retry_after_s } = heard;
                Some(Came { reply, repeated, twist, retry_after_s })
            }
        }
    }

    async fn act_at_desk(&self, asked: &Asked) -> Option<Came> {
        let verdict = match asked.operation {
            Operation::Act | Operation::Undo => self.participants.judge(&asked.path, &asked.body),
            Operation::Authorize | Operation::Capture | Operation::Void | Operation::Refund => {
                token::verdict(asked)
            }
        };
        match self.desk.lock().await.execute(asked, verdict).await {
            Ok((effect, reply)) => {
                let repeated = effect == BankEffect::Repeated;
                Some(Came { reply, repeated, twist: None, retry_after_s: None })
            }
            Err(_) => {
                self.power.cycle(Machine::Bank);
                None
            }
        }
    }

    /// Whether a remote service is called so.
    pub(super) fn has_remote(&self, name: &str) -> bool {
        self.participants.remotes.has(name)
    }

    /// Whether what was asked under a key happened.
    pub(super) async fn probe(&self, asked: &Asked) -> Ended {
        if let Some(ended) = self.before().await {
            return ended;
        }
        let Ok(found) = self.desk.lock().await.probe(asked) else { return Ended::Cut };
        let none = || Reply::no(404, "NOT_FOUND", "nothing happened under this key");
        Ended::Said(found.unwrap_or_else(none))
    }

    fn chance(&self, percent: impl Fn(&Fault) -> Option<u64>) -> Option<()> {
        self.dice.percent(self.world.active(percent)).then_some(())
    }
}

fn busy() -> Reply {
    Reply::no(503, "BUSY", "come again later")
}
