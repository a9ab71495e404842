//! The old SCP protocol (`scp -O`, and libraries that speak nothing else) over one SSH channel: what a server's `scp -t` and `scp -f` do.
//!
//! Half a duplex: each line and each file is answered by one byte before the next. Nothing can be resumed, so an upload that breaks off leaves
//! nothing.

mod command;
mod expand;
mod glob;
mod key;
mod record;
mod sink;
mod source;
mod wire;

use std::{net::IpAddr, sync::Arc};

use exchange::TenantFiles;
use store::audit;
use tokio::io::{AsyncRead, AsyncWrite};

use command::{CommandError, Way};
use wire::{Gone, Wire};

use crate::{
    gateway::{Gateway, STOPPING, Transfer},
    login::Tenant,
    path::PathError,
    sftp::refusal::Refusal,
    standing::Standing,
};

/// Longest name that is repeated to the client; what it would not know again helps nobody.
const SHOWN_CHARACTERS_MAX: usize = 300;

/// How a command ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// The exit status: 0, or 1 when anything was not done.
    pub status: u32,
    /// For the channel's standard error; empty, or words with a line feed.
    pub words: String,
}

impl Exit {
    /// A command that was not begun.
    pub fn refused(words: &str) -> Self {
        Self { status: 1, words: format!("{words}\n") }
    }

    /// What whoever asks for a shell gets.
    pub fn no_shell() -> Self {
        Self::refused(CommandError::Foreign.words())
    }
}

/// Why a command ends before its work is done.
enum Stop {
    /// The client went away, stalled, or gave up.
    Gone,
    /// Cannot go on; the words have not been told yet.
    Broken(String),
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// Why one file or folder is not transferred, in words for the customer. They are those of SFTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Words(&'static str);

impl From<Refusal> for Words {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.words)
    }
}

impl From<PathError> for Words {
    fn from(error: PathError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<exchange::Error> for Words {
    fn from(error: exchange::Error) -> Self {
        Refusal::from(error).into()
    }
}

/// Runs one command line to its end. The stream stays open for what has to be said after it.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send>(
    stream: S,
    command: &[u8],
    gateway: Arc<Gateway>,
    tenant: Tenant,
    source: IpAddr,
    files: TenantFiles,
) -> Exit {
    let over = Arc::clone(&gateway);
    // SCP cannot be resumed, so it may go on for as long as any transfer may.
    let wire = Wire::new(stream, async move { over.must_end(true).await });
    let standing = Standing::new();
    let mut session = Session { wire, gateway, tenant, source, files, standing, failed: false };
    let command = match command::parse(command) {
        Ok(command) => command,
        Err(error) => {
            // The line itself may hold anything, so it is not kept.
            session.refused("command", None, Words(error.words())).await;
            return Exit::refused(error.words());
        }
    };
    let result = match command.way {
        Way::In => sink::run(&mut session, &command).await,
        Way::Out => source::run(&mut session, &command).await,
    };
    session.gateway.lines_are_written().await;
    let words = match result {
        Ok(()) => String::new(),
        Err(Stop::Gone) => {
            session.failed = true;
            if session.wire.is_over() { format!("{STOPPING}\n") } else { String::new() }
        }
        Err(Stop::Broken(words)) => {
            session.failed = true;
            format!("scp: {words}\n")
        }
    };
    Exit { status: u32::from(session.failed), words }
}

/// One command under way.
struct Session<S> {
    wire: Wire<S>,
    gateway: Arc<Gateway>,
    tenant: Tenant,
    source: IpAddr,
    files: TenantFiles,
    standing: Standing,
    /// Something was not done.
    failed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Tells the client what cannot be done with a name, and goes on.
    async fn warn(&mut self, name: &str, words: &str) -> Result<(), Stop> {
        self.failed = true;
        let line = format!("\x01scp: {}: {words}\n", shown(name));
        Ok(self.wire.send(line.as_bytes()).await?)
    }

    /// The right to one transfer, while the login is worth something.
    async fn transfer(&mut self) -> Result<Transfer, Words> {
        if !self.gateway.has_room().await {
            return Err(Refusal::UNAVAILABLE.into());
        }
        match self.standing.holds(&self.gateway, &self.tenant, self.source).await {
            Ok(true) => Ok(self.gateway.transfer(self.tenant.id).ok_or(Refusal::TOO_MANY)?),
            Ok(false) => Err(Refusal::LOGIN_OVER.into()),
            Err(error) => Err(Refusal::from(error).into()),
        }
    }

    /// Notes what was not begun.
    async fn refused(&self, action: &'static str, subject: Option<&str>, words: Words) {
        if !self.gateway.has_room().await {
            tracing::error!(tenant = self.tenant.id.0, "a refusal is not listed: too many lines wait");
            return;
        }
        self.audit(action, subject, None, &format!("refused: {}", words.0));
    }

    /// Tells the client why the command ends.
    async fn fatal(&mut self, words: &str) -> Result<(), Stop> {
        self.failed = true;
        self.wire.send(format!("\x02scp: {words}\n").as_bytes()).await?;
        Err(Stop::Gone)
    }

    fn audit(&self, action: &'static str, subject: Option<&str>, bytes: Option<u64>, result: &str) {
        let line = audit::Line {
            tenant: Some(self.tenant.id),
            actor: &self.tenant.actor,
            action,
            subject,
            source: Some(self.source),
            bytes,
            result,
        };
        self.gateway.journal().push(&line);
    }
}

/// A name as it can stand in a line.
fn shown(name: &str) -> String {
    let visible = |character: char| if character.is_control() { '?' } else { character };
    name.chars().take(SHOWN_CHARACTERS_MAX).map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_name_stays_on_its_line() {
        assert_eq!(shown("a\nb\x1b[2J\u{85}ü"), "a?b?[2J?ü");
        assert_eq!(shown(&"x".repeat(1000)).len(), SHOWN_CHARACTERS_MAX);
    }
}
