//! Transfers in the simulated world: three nodes, a clearing house, everything that can go wrong.

use sagaline::prelude::*;
use sagaline_sim::remotes::Ledger;
use sagaline_sim::{Faults, check};
use transfer::{
    Account, AccountCommand, AccountEvent, AccountRefusal, Transfer, transfer, transfer_app,
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
    let mut account = Account::default();
    assert_eq!(
        account.decide(AccountCommand::Withdraw(100_000)),
        Ok(vec![AccountEvent::MoneyWithdrawn { cents: 100_000 }])
    );
    account.evolve(&AccountEvent::MoneyWithdrawn { cents: 100_000 });
    let refused = AccountRefusal::NotCovered { balance_cents: -100_000, cents: 1 };
    assert_eq!(account.decide(AccountCommand::Withdraw(1)), Err(refused));
    account.evolve(&AccountEvent::MoneyDeposited { cents: 1 });
    assert!(account.decide(AccountCommand::Withdraw(1)).is_ok());
    for amount in [0, u64::MAX] {
        assert_eq!(
            account.decide(AccountCommand::Deposit(amount)),
            Err(AccountRefusal::Amount(amount))
        );
    }
}
