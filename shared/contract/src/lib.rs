//! The nouns that functions say to each other: ids, queue messages, S3 keys, the import call; and the events that webhooks are told.
//!
//! Owns every format that crosses a process. Never sees I/O, tokio, an SDK, a database, or a secret. Queue messages carry ids, never an
//! address, a field, a file name or a client's address.
#![forbid(unsafe_code)]

mod anchor;
mod call;
mod event;
mod id;
mod journal;
mod key;
mod message;
pub mod webhook;

pub use anchor::{ANCHOR_BYTES_MAX, Anchor, anchor_key, anchor_prefix, anchored_number};
pub use call::{ImportCall, Profile, campaign_from_file_name};
pub use event::{ObjectEvent, parse_object_events};
pub use id::{
    CampaignId, ExportId, FileId, ImportId, LaunchId, MailId, TenantId, UploadId, WebhookDeliveryId,
    WebhookId,
};
pub use journal::{journal_key, journal_number};
pub use key::{
    ACTOR_RULES_KEY, Folder, control_file_of, data_file_of, error_report_of, is_control_file, spool_key,
    spool_launch_prefix, spool_prefix, spooled_slice, upload_tail_key, upload_tail_prefix,
};
pub use message::{
    Actor, CountMessage, ExportMessage, GenerateMessage, ImportMessage, NotifyMessage, ResponseKind,
    SendMessage, SweepMessage, TrackMessage,
};
