//! From a file's bytes to rows: synchronous, streaming, without a database, S3 or a clock.

pub mod blanks;
pub mod charset;
pub mod columns;
pub mod copy;
pub mod dialect;
pub mod file;
pub mod form;
pub mod gate;
pub mod records;
pub mod repeats;
pub mod report;
pub mod row;
pub mod rows;
pub mod unpack;
