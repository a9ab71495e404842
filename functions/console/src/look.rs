//! How pages look: the frame around all of them, and what they are made of. Every page says what it shows without colour, script or mouse.

mod badge;
mod form;
mod frame;
#[cfg(test)]
mod gallery;
mod notice;
mod pieces;
mod plot;
mod table;
mod way;

pub(crate) use badge::{Tone, badge};
pub(crate) use form::{
    Button, Choice, Field, Kind, Problems, Submit, ask, choice, choices, form, link_button, select,
};
pub(crate) use frame::{Frame, Place, Section};
pub(crate) use notice::{Notice, empty, notice};
pub(crate) use pieces::{figures, live, pairs, progress, secret};
pub(crate) use plot::{Bar, Bars, Funnel, Line, Series, Stage};
pub(crate) use table::{Cell, Column, Table};
pub(crate) use way::{Crumb, Pages, Tab, tabs};
