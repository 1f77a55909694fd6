//! Transfers in the simulated world: three nodes, a clearing house, everything that can go wrong.

use sagaline::prelude::*;
use sagaline::testing::definition::{rejected, succeeded, undone};
use sagaline::testing::{Log, aggregate, definition, projection};
use sagaline_sim::remotes::Ledger;
use sagaline_sim::{Faults, check};
use transfer::{
    Account, AccountCommand, AccountEvent, AccountRefusal, Balance, Balances, Clear, Transfer,
    Withdraw, transfer, transfer_app,
};

#[test]
fn transfers_survive_everything() -> Result<(), DefinitionError> {
    check(transfer_app)
        .remote("clearing", Ledger::at("/transfers").asked_at("/calls"))
        .saga(&transfer()?, |random| Transfer {
            from: format!("a{}", random.below(5)),
            to: format!("b{}", random.below(5)),
            cents: random.between(1, 5_000),
        })
        .seeds(0..10)
        .faults(Faults::all())
        .run();
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
