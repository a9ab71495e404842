//! Counts campaigns for those who look at them, and keeps what it found: a campaign of a million recipients takes seconds to count, and a page
//! is wanted at once.
#![forbid(unsafe_code)]

use std::sync::Arc;

use contract::CountMessage;
use fault::{Code, Disposition, Fault};
use operations::OperationError;
use runtime::{Body, Delivery};
use store::Store;

/// What the function works with.
pub struct Count {
    /// As `broadcast_app`.
    pub store: Store,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// A notification of a bucket, which nobody sends here.
    #[error("the message is none of this queue")]
    Foreign,
}

impl Fault for Error {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Operation(error) => error.disposition(),
            Self::Foreign => Disposition::Permanent,
        }
    }
}

/// Counts one campaign. One whose data is gone, or going, has its sums elsewhere.
pub async fn handle(count: Arc<Count>, delivery: Delivery<CountMessage>) -> Result<(), Error> {
    let Body::Message(CountMessage::Campaign { tenant, campaign }) = delivery.body else {
        return Err(Error::Foreign);
    };
    match operations::count_campaign(&count.store, tenant, campaign).await {
        Err(OperationError::Refused(notice))
            if matches!(notice.code, Code::CampaignEnded | Code::NotFound) =>
        {
            Ok(())
        }
        counted => Ok(counted?),
    }
}
