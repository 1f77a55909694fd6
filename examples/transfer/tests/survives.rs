//! Transfers in the simulated world: three nodes, a clearing house, everything that can go wrong.

use std::collections::BTreeMap;

use sagaline::prelude::*;
use sagaline::testing::definition::{rejected, succeeded, undone};
use sagaline::testing::{Log, aggregate, definition, projection};
use sagaline_sim::evidence::LogEntry;
use sagaline_sim::remotes::Ledger;
use sagaline_sim::{Check, Faults, check};
use transfer::{
    Account, AccountCommand, AccountEvent, AccountRefusal, Balance, Balances, Clear, Deposit,
    Transfer, Withdraw, transfer, transfer_app,
};

/// Checks transfers, and what no oracle knows: what is to be in the accounts.
fn checked(check: Check, transfer: &Definition<Transfer>) -> Check {
    check
        .remote("clearing", Ledger::at("/transfers").asked_at("/calls"))
        .saga(transfer, |random| Transfer {
            from: format!("a{}", random.below(5)),
            to: format!("b{}", random.below(5)),
            cents: random.between(1, 5_000),
        })
        .invariant("money is neither made nor lost", money_is_neither_made_nor_lost)
}

/// Each account has what completed transfers moved, to the cent.
fn money_is_neither_made_nor_lost(log: &[LogEntry]) -> Result<(), String> {
    let mut transfers = BTreeMap::new();
    let mut beyond: BTreeMap<&str, i64> = BTreeMap::new();
    for entry in log {
        let (stream, said) = (entry.stream.as_str(), &entry.payload);
        let cents = said["cents"].as_i64().unwrap_or(0);
        match (entry.event_type.as_str(), stream.strip_prefix("account-")) {
            ("MoneyDeposited", Some(account)) => *beyond.entry(account).or_default() += cents,
            ("MoneyWithdrawn", Some(account)) => *beyond.entry(account).or_default() -= cents,
            ("SagaStarted", None) => drop(transfers.insert(stream, &said["input"])),
            ("SagaCompleted", None) => {
                let transfer = transfers.get(stream).copied().ok_or("it ended and never began")?;
                let cents = transfer["cents"].as_i64().unwrap_or(0);
                for (account, cents) in [(&transfer["from"], cents), (&transfer["to"], -cents)] {
                    *beyond.entry(account.as_str().unwrap_or("")).or_default() += cents;
                }
            }
            _ => {}
        }
    }
    beyond.retain(|_, cents| *cents != 0);
    match beyond.is_empty() {
        true => Ok(()),
        false => Err(format!("in cents, beyond what transfers moved: {beyond:?}")),
    }
}

#[test]
fn transfers_survive_everything() -> Result<(), DefinitionError> {
    checked(check(transfer_app), &transfer()?).seeds(0..10).faults(Faults::all()).run();
    Ok(())
}

/// A withdrawal whose undo keeps the money.
struct Keep;

impl Step for Keep {
    const NAME: &'static str = Withdraw::NAME;
    const LOCAL: bool = true;
    type Saga = Transfer;
    type Output = ();

    async fn action(&self, call: &Call<Transfer>) -> Outcome<()> {
        Withdraw.action(call).await
    }
}

impl Compensable for Keep {
    async fn compensate(&self, _: &Call<Transfer>, _: Option<&()>) -> Outcome<()> {
        Ok(())
    }
}

fn keeping() -> Result<Definition<Transfer>, DefinitionError> {
    Definition::new("money-transfer")
        .compensable(Keep)
        .pivot(Clear)
        .after(Keep)
        .retriable(Deposit)
        .after(Clear)
        .build()
}

#[test]
fn an_undo_that_keeps_the_money_is_found() -> Result<(), DefinitionError> {
    let keeps = check(|node| Ok(node.saga(&keeping()?)));
    let what = "invariant: money is neither made nor lost";
    checked(keeps, &keeping()?).seeds(0..0).finds(what);
    Ok(())
}

#[test]
fn an_account_goes_as_far_as_its_overdraft() {
    let withdrawn = |cents| AccountEvent::MoneyWithdrawn { cents };
    let overdrawn = AccountRefusal::NotCovered { balance_cents: -100_000, cents: 1 };
    aggregate::given::<Account>([])
        .when(AccountCommand::Withdraw(100_000))
        .then([withdrawn(100_000)])
        .when(AccountCommand::Withdraw(1))
        .refused(overdrawn)
        .and(AccountEvent::MoneyDeposited { cents: 1 })
        .when(AccountCommand::Withdraw(1))
        .then([withdrawn(1)])
        .when(AccountCommand::Deposit(0))
        .refused(AccountRefusal::Amount(0))
        .when(AccountCommand::Deposit(u64::MAX))
        .refused(AccountRefusal::Amount(u64::MAX));
}

#[test]
fn balances_follow_the_accounts() {
    let log = Log::new()
        .event::<Account>("ada", AccountEvent::MoneyDeposited { cents: 70 })
        .event::<Account>("bob", AccountEvent::MoneyWithdrawn { cents: 5 })
        .event::<Account>("ada", AccountEvent::MoneyWithdrawn { cents: 30 });
    let balances = projection::given(Balances, &log);
    assert_eq!(balances.view("ada"), Some(Balance { cents: 40, moves: 2 }));
    assert_eq!(balances.view("bob"), Some(Balance { cents: -5, moves: 1 }));
}

#[test]
fn a_transfer_that_is_refused_puts_the_money_back() -> Result<(), DefinitionError> {
    let transfer = transfer()?;
    let asked = Transfer { from: "ada".to_owned(), to: "bob".to_owned(), cents: 5 };
    definition::given(&transfer, &asked)
        .when(succeeded::<Withdraw>(&()))
        .then(&["withdraw succeeded", "clear started"], &["call clear"])
        .when(rejected::<Clear>("NO_SUCH_ACCOUNT"))
        .then(
            &["clear rejected: NO_SUCH_ACCOUNT", "saga aborted", "undo of withdraw started"],
            &["undo withdraw"],
        )
        .when(undone::<Withdraw>())
        .then(&["withdraw undone", "saga compensated"], &[]);
    Ok(())
}
