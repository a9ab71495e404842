//! The key in the root, which is no object.

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Stop, record::entry_line, source::Source, wire::Response};
use crate::{key_file, path::KEY_NAME, sftp::refusal::Refusal};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Source<'_, S> {
    pub(super) async fn key(&mut self, path: &str) -> Result<(), Stop> {
        let session = &mut *self.session;
        let key = match key_file::read(session.gateway.store(), session.tenant.id).await {
            Ok(Some(key)) => key,
            Ok(None) => return self.refused(path, None, Refusal::NO_FILE.into()).await,
            Err(error) => return self.refused(path, None, Refusal::from(error).into()).await,
        };
        session.wire.send(entry_line('C', key.text.len() as u64, KEY_NAME).as_bytes()).await?;
        if session.wire.response().await? == Response::Done {
            session.wire.send(&key.text).await?;
            session.wire.send(&[0]).await?;
            if session.wire.response().await? == Response::Done {
                return Ok(());
            }
        }
        session.failed = true;
        Ok(())
    }
}
