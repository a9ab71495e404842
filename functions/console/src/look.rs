//! How pages look: the frame around all of them, and what they are made of.

mod frame;

pub(crate) use frame::Frame;
