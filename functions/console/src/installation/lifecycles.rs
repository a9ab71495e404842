use std::sync::Arc;

use axum::{extract::State, response::Response};
use maud::html;
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError,
    gate::At,
    look::{Column, Section, Table, empty},
    page::Page,
    person::Person,
};

/// The newest ones: sweep forgets them after a quarter of a year.
const SHOWN: i64 = 200;

/// `GET /lifecycles`.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    person: Person,
    At(now): At,
) -> Result<Response, ConsoleError> {
    let drifts: Vec<(OffsetDateTime, String, Option<String>)> = sqlx::query_as(
        "SELECT d.at, d.bucket, t.slug FROM broadcast.drifts d LEFT JOIN broadcast.tenants t ON t.id = d.tenant_id ORDER BY d.id DESC LIMIT $1",
    )
    .bind(SHOWN)
    .fetch_all(console.store.pool())
    .await?;
    let reader = &person.reader;
    let title = reader.t("section-lifecycles");
    let heads = ["drift-at", "drift-bucket", "tenant"].map(|key| reader.t(key));
    let columns = [Column::short(&heads[0]), Column::text(&heads[1]), Column::short(&heads[2])];
    let row = |(at, bucket, slug): &(OffsetDateTime, String, Option<String>)| {
        let whose = slug.clone().unwrap_or_else(|| reader.t("drift-of-all"));
        vec![reader.relative(*at, now), html! { code { (bucket) } }, html! { (whose) }]
    };
    let rows: Vec<_> = drifts.iter().map(row).collect();
    let content = html! {
        p.lead { (reader.t("drift-text")) }
        @if rows.is_empty() {
            (empty(&reader.t("drift-none-title"), &reader.t("drift-none-text"), &html! {}))
        } @else {
            (Table { caption: &title, caption_hidden: true, columns: &columns, rows, total: None }.render())
        }
    };
    Ok(Page::new(&person, Section::Lifecycles, &title).show(&content))
}
