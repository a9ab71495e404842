//! The tenant's rate: what may be handed over of a slice now, and when it goes on with the rest.

use sqlx::PgConnection;
use store::{
    StoreError,
    pacing::{self, Drawn, Rate},
};
use time::OffsetDateTime;

use crate::{Error, Place, Send, handover::Handed, ledger::Launch};

/// What a slice may hand over in one invocation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    rate: Option<Rate>,
    drawn: Drawn,
}

impl Share {
    /// Draws for the mails of a slice that are ready. Without a rate all of them may go, and nothing is asked.
    pub async fn draw(
        tx: &mut PgConnection,
        place: Place,
        launch: &Launch,
        ready: usize,
        now: OffsetDateTime,
    ) -> Result<Self, StoreError> {
        let all = Drawn { granted: ready, again_at: None };
        let rate = launch.pace.rate(now).filter(|_| ready > 0 && launch.state == "running");
        let drawn = match rate {
            Some(rate) => pacing::draw(tx, place.tenant, rate, ready, now).await?,
            None => all,
        };
        Ok(Self { rate, drawn })
    }

    /// So many.
    pub fn granted(&self) -> usize {
        self.drawn.granted
    }

    /// When the rest has its turn; `None`: there is no rest.
    pub fn again_at(&self) -> Option<OffsetDateTime> {
        self.drawn.again_at
    }

    /// Gives back what no attempt was made of. Where an invocation ends before, nobody does: less goes out than might.
    pub async fn give_back(&self, send: &Send, place: Place, handed: &Handed) -> Result<(), Error> {
        let Some(rate) = self.rate else { return Ok(()) };
        let unused = self.drawn.granted.saturating_sub(handed.attempts());
        if unused > 0 {
            let mut tx = send.store.tenant(place.tenant).await?;
            pacing::give_back(&mut tx, place.tenant, rate, unused).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}
