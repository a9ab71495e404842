//! The old SCP protocol.

#[path = "../../../functions/gateway/src/scp/command.rs"]
pub mod command;
#[path = "../../../functions/gateway/src/scp/glob.rs"]
pub mod glob;
#[path = "../../../functions/gateway/src/scp/record.rs"]
pub mod record;
