//! Whether a session that is under way may go on: a tenant may be suspended, and a key removed or expire, while it lasts.

use std::{net::IpAddr, time::Duration};

use time::OffsetDateTime;
use tokio::time::Instant;

use crate::{Error, gateway::Gateway, login::Tenant};

/// A session's rights end at most this long after the login's.
const CHECK_INTERVAL: Duration = Duration::from_mins(1);
/// After the database did not answer.
const CHECK_AGAIN: Duration = Duration::from_secs(5);

/// When a session was last found to be the tenant's.
pub struct Standing {
    next: Instant,
    ended: bool,
}

impl Standing {
    /// Of a channel's beginning. Looked at at once: the connection's login may have been long ago.
    pub fn new() -> Self {
        Self { next: Instant::now(), ended: false }
    }

    /// Of a session that was just looked at.
    #[cfg(test)]
    pub fn looked_at() -> Self {
        Self { next: Instant::now() + CHECK_INTERVAL, ended: false }
    }

    /// Looks again, when that is long enough ago. `false` is for ever.
    pub async fn holds(&mut self, gateway: &Gateway, tenant: &Tenant, source: IpAddr) -> Result<bool, Error> {
        if self.ended || Instant::now() < self.next {
            return Ok(!self.ended);
        }
        self.next = Instant::now() + CHECK_AGAIN;
        let now = OffsetDateTime::now_utc();
        self.ended = !gateway.logins().stands(tenant, source, now).await?;
        if self.ended {
            gateway.logins().turn_away(tenant, source, "the login is no longer valid", now).await?;
        }
        self.next = Instant::now() + CHECK_INTERVAL;
        Ok(!self.ended)
    }
}
