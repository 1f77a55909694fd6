//! Money between two accounts. The accounts are aggregates of this node; between them stands a clearing
//! house that is called over HTTP.
//!
//! ```text
//! withdraw ──> clear ──> deposit
//! compensable  pivot     retriable
//! ```
//! `withdraw` and `deposit` are local steps: what they say happened to an account becomes durable in the
//! very append that says that the step is done, so neither can be forgotten or done twice. A transfer that
//! the clearing house refuses puts the money back.

use sagaline::prelude::*;

/// What is asked for: the saga's input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// The account that pays.
    pub from: String,
    /// The account that is paid.
    pub to: String,
    /// How much, in cents.
    pub cents: u64,
}

/// So far below zero an account may go, in cents.
pub const OVERDRAFT_CENTS: i64 = 100_000;

/// An account. It is there from the first time that it is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// What is in it, in cents.
    pub balance_cents: i64,
}

/// What can be asked of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountCommand {
    /// Take so many cents out of it.
    Withdraw(u64),
    /// Put so many cents into it.
    Deposit(u64),
}

/// What happens to an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountEvent {
    /// Money went out of it.
    MoneyWithdrawn {
        /// How much.
        cents: u64,
    },
    /// Money came into it.
    MoneyDeposited {
        /// How much.
        cents: u64,
    },
}

/// Why an account says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountRefusal {
    /// There is not so much in it.
    #[error("{balance_cents} cents and an overdraft of {OVERDRAFT_CENTS} do not cover {cents}")]
    NotCovered {
        /// What is in it.
        balance_cents: i64,
        /// What was wanted.
        cents: u64,
    },
    /// Nothing is not moved, and neither is more than there can be.
    #[error("{0} cents: wants 1 to {max}", max = i32::MAX)]
    Amount(u64),
}

impl Aggregate for Account {
    const CATEGORY: &'static str = "account";
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Refusal = AccountRefusal;

    fn decide(&self, command: AccountCommand) -> Result<Vec<AccountEvent>, AccountRefusal> {
        let (AccountCommand::Withdraw(cents) | AccountCommand::Deposit(cents)) = command;
        let amount = i32::try_from(cents).ok().filter(|amount| *amount > 0);
        let amount = amount.ok_or(AccountRefusal::Amount(cents))?;
        match command {
            AccountCommand::Deposit(_) => Ok(vec![AccountEvent::MoneyDeposited { cents }]),
            AccountCommand::Withdraw(_) => {
                let balance_cents = self.balance_cents;
                if balance_cents - i64::from(amount) < -OVERDRAFT_CENTS {
                    return Err(AccountRefusal::NotCovered { balance_cents, cents });
                }
                Ok(vec![AccountEvent::MoneyWithdrawn { cents }])
            }
        }
    }

    fn evolve(&mut self, event: &AccountEvent) {
        // What was decided fits: see `decide`.
        let signed = |cents: u64| i64::try_from(cents).unwrap_or(i64::MAX);
        self.balance_cents = match event {
            AccountEvent::MoneyWithdrawn { cents } => {
                self.balance_cents.saturating_sub(signed(*cents))
            }
            AccountEvent::MoneyDeposited { cents } => {
                self.balance_cents.saturating_add(signed(*cents))
            }
        };
    }
}

/// The money leaves the account that pays.
pub struct Withdraw;

impl Step for Withdraw {
    const NAME: &'static str = "withdraw";
    const LOCAL: bool = true;
    type Saga = Transfer;
    type Output = ();

    async fn action(&self, call: &Call<Transfer>) -> Outcome<()> {
        let transfer = call.input();
        let withdraw = AccountCommand::Withdraw(transfer.cents);
        call.execute::<Account>(&transfer.from, withdraw).await.map(drop)
    }
}

impl Compensable for Withdraw {
    async fn compensate(&self, call: &Call<Transfer>, _done: Option<&()>) -> Outcome<()> {
        let transfer = call.input();
        let deposit = AccountCommand::Deposit(transfer.cents);
        call.execute::<Account>(&transfer.from, deposit).await.map(drop)
    }
}

/// The clearing house agrees: from here on the money moves.
pub struct Clear;

/// What the clearing house answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cleared {
    /// Its name for the transfer.
    pub reference: String,
}

impl Step for Clear {
    const NAME: &'static str = "clear";
    const PARTICIPANT: &'static str = "clearing";
    type Saga = Transfer;
    type Output = Cleared;

    async fn action(&self, call: &Call<Transfer>) -> Outcome<Cleared> {
        call.http().post("http://clearing/transfers", call.input()).await
    }

    async fn probe(&self, call: &Call<Transfer>) -> Probe<Cleared> {
        call.http().probe(&format!("http://clearing/calls/{}", call.key())).await
    }
}

/// The money comes to the account that is paid.
pub struct Deposit;

impl Step for Deposit {
    const NAME: &'static str = "deposit";
    const LOCAL: bool = true;
    type Saga = Transfer;
    type Output = ();

    async fn action(&self, call: &Call<Transfer>) -> Outcome<()> {
        let transfer = call.input();
        let deposit = AccountCommand::Deposit(transfer.cents);
        call.execute::<Account>(&transfer.to, deposit).await.map(drop)
    }
}

/// The whole transfer.
pub fn transfer() -> Result<Definition<Transfer>, DefinitionError> {
    Definition::new("money-transfer")
        .compensable(Withdraw)
        .pivot(Clear)
        .after(Withdraw)
        .retriable(Deposit)
        .after(Clear)
        .build()
}

/// Balances, as a read model: one document an account.
pub struct Balances;

/// An account as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// What is in it, in cents.
    pub cents: i64,
    /// How often money was moved.
    pub moves: u64,
}

impl Projection for Balances {
    const NAME: &'static str = "balances";
    const VERSION: u32 = 1;
    const CATEGORIES: &'static [&'static str] = &[Account::CATEGORY];
    type Document = Balance;

    fn keys(&self, event: &Recorded<'_>) -> Vec<String> {
        vec![event.envelope().stream.key().to_owned()]
    }

    fn apply(&self, view: &mut View<Balance>, event: &Recorded<'_>) -> Result<(), CodecError> {
        let Some(moved) = event.of::<Account>()? else { return Ok(()) };
        let key = event.envelope().stream.key();
        let Balance { cents, moves } = view.get(key).cloned().unwrap_or_default();
        let mut account = Account { balance_cents: cents };
        account.evolve(&moved);
        view.put(key, Balance { cents: account.balance_cents, moves: moves + 1 });
        Ok(())
    }

    fn index(&self, _: &str, _: &Balance) -> Vec<IndexKey> {
        Vec::new()
    }
}

/// Everything of this application in a node: one in the user's process, or one of the simulated world.
pub fn transfer_app<B: Backend>(node: NodeBuilder<B>) -> Result<NodeBuilder<B>, DefinitionError> {
    Ok(node.saga(&transfer()?).projection(Balances))
}
