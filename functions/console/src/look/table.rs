use maud::{Markup, html};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    Text,
    /// Right-aligned, never broken.
    Number,
    /// Never broken.
    Short,
    /// What may be done: its head is for those who do not see that.
    Actions,
}

impl Cell {
    const fn class(self) -> Option<&'static str> {
        match self {
            Self::Text => None,
            Self::Number => Some("number"),
            Self::Short | Self::Actions => Some("nobreak"),
        }
    }
}

/// A column with its head.
pub(crate) struct Column<'a> {
    pub(crate) name: &'a str,
    pub(crate) cell: Cell,
}

impl<'a> Column<'a> {
    pub(crate) const fn text(name: &'a str) -> Self {
        Self { name, cell: Cell::Text }
    }

    pub(crate) const fn number(name: &'a str) -> Self {
        Self { name, cell: Cell::Number }
    }

    pub(crate) const fn short(name: &'a str) -> Self {
        Self { name, cell: Cell::Short }
    }

    pub(crate) const fn actions(name: &'a str) -> Self {
        Self { name, cell: Cell::Actions }
    }
}

/// Rows whose first cell names them.
pub(crate) struct Table<'a> {
    /// What it shows. Also the name of the part that scrolls where the screen is narrow.
    pub(crate) caption: &'a str,
    /// Where a heading above says the same.
    pub(crate) caption_hidden: bool,
    pub(crate) columns: &'a [Column<'a>],
    pub(crate) rows: Vec<Vec<Markup>>,
    /// The last row, which adds the others up.
    pub(crate) total: Option<Vec<Markup>>,
}

impl Table<'_> {
    pub(crate) fn render(&self) -> Markup {
        html! {
            // A keyboard scrolls what has the focus.
            div.scroll role="region" aria-label=(self.caption) tabindex="0" {
                table {
                    caption class=[self.caption_hidden.then_some("unseen")] { (self.caption) }
                    thead {
                        tr {
                            @for Column { name, cell } in self.columns {
                                th scope="col" class=[cell.class()] {
                                    @if *cell == Cell::Actions { span.unseen { (name) } } @else { (name) }
                                }
                            }
                        }
                    }
                    tbody { @for row in &self.rows { tr { (self.cells(row)) } } }
                    @if let Some(total) = &self.total { tfoot { tr.total { (self.cells(total)) } } }
                }
            }
        }
    }

    fn cells(&self, row: &[Markup]) -> Markup {
        html! {
            @for (at, (content, column)) in row.iter().zip(self.columns).enumerate() {
                @if at == 0 {
                    th scope="row" class=[column.cell.class()] { (content) }
                } @else {
                    td class=[column.cell.class()] { (content) }
                }
            }
        }
    }
}
