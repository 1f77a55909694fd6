//! What panicked on which machine. A panic anywhere on a machine ends its processes, as a supervisor
//! would see it, and the run goes on; it is written down here, so that it is judged and not swallowed.
//!
//! A panic is known only to the thread it happens on. So is this record: a world is one thread, and a
//! thread one world at a time.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

use madsim::task::NodeId;

use crate::machine::Machine;

thread_local! {
    static RECORD: RefCell<Record> = const { RefCell::new(Record::new()) };
}

static HOOK: Once = Once::new();

struct Record {
    machines: Vec<(NodeId, Machine)>,
    panics: Vec<String>,
}

impl Record {
    const fn new() -> Self {
        Self { machines: Vec::new(), panics: Vec::new() }
    }
}

/// A new world begins on this thread.
pub(super) fn watch() {
    RECORD.with_borrow_mut(|record| *record = Record::new());
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            note(panic);
            before(panic);
        }));
    });
}

/// What runs on this madsim node is this machine.
pub(super) fn belongs(node: NodeId, machine: Machine) {
    RECORD.with_borrow_mut(|record| record.machines.push((node, machine)));
}

/// Everything that panicked on a machine so far: machine, place and words.
pub(super) fn so_far() -> Vec<String> {
    RECORD.with_borrow(|record| record.panics.clone())
}

/// Part of the path of madsim's own source, and of nobody else's.
const MADSIM: [&str; 2] = ["/madsim-", "/src/sim/"];

/// Notes it when it is on a machine; the harness' own panics end the run by themselves.
fn note(panic: &panic::PanicHookInfo<'_>) {
    if !is_in_a_task(panic) {
        return;
    }
    let node = madsim::plugin::node();
    RECORD.with_borrow_mut(|record| {
        let machine = record.machines.iter().find(|(known, _)| *known == node);
        if let Some((_, machine)) = machine {
            record.panics.push(format!("{machine}: {panic}").replace('\n', ": "));
        }
    });
}

/// Whether madsim can be asked on which node this is. Asked between two tasks it panics, and a panic in
/// a panic is the end of the process, without a word. Between two tasks only madsim itself panics: when
/// a run is stuck, or takes too long.
fn is_in_a_task(panic: &panic::PanicHookInfo<'_>) -> bool {
    let is_madsims =
        |place: &panic::Location<'_>| MADSIM.iter().all(|part| place.file().contains(part));
    let watching = RECORD
        .try_with(|record| record.try_borrow().is_ok_and(|record| !record.machines.is_empty()));
    !panic.location().is_some_and(is_madsims)
        && watching.is_ok_and(|watching| watching)
        && madsim::runtime::Handle::try_current().is_ok()
}
