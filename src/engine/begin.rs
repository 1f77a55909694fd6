//! Where somebody who has never read the log begins. Said by consumers and subscriptions.

use sagaline_storage::{EventStore, GlobalPosition, StorageError};

use crate::canary::planted;

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Begin {
    /// With the first event of the log.
    #[default]
    Start,
    /// Behind this position.
    After(GlobalPosition),
    /// With what is appended from now on.
    Head,
}

impl Begin {
    /// The position behind which the first event is wanted.
    pub(crate) async fn position<E: EventStore>(
        self,
        log: &E,
    ) -> Result<GlobalPosition, StorageError> {
        match self {
            Self::Start => Ok(GlobalPosition::START),
            Self::After(position) => Ok(position),
            Self::Head => {
                let head = log.head().await?;
                Ok(GlobalPosition(head.0 + u64::from(planted("begins-behind-the-next"))))
            }
        }
    }
}
