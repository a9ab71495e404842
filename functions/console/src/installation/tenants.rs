use std::sync::Arc;

use axum::{extract::State, response::Response};
use maud::{Markup, html};
use sqlx::FromRow;
use time::OffsetDateTime;

use crate::{
    Console, ConsoleError,
    gate::At,
    look::{Column, Section, Table, Tone, badge},
    page::Page,
    person::{Person, Reader},
};

#[derive(FromRow)]
struct Tenant {
    slug: String,
    name: String,
    status: String,
    people: i64,
    second_factor: bool,
    swept_at: Option<OffsetDateTime>,
    exported_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
}

/// `GET /tenants`.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    person: Person,
    At(now): At,
) -> Result<Response, ConsoleError> {
    let tenants: Vec<Tenant> = sqlx::query_as(
        "SELECT slug, name, status, second_factor, nullif(swept_at, '-infinity') AS swept_at, nullif(exported_at, '-infinity') AS exported_at,
                created_at, (SELECT count(*) FROM broadcast.users u WHERE u.tenant_id = t.id AND u.disabled_at IS NULL) AS people
         FROM broadcast.tenants t ORDER BY slug",
    )
    .fetch_all(console.store.pool())
    .await?;
    let reader = &person.reader;
    let title = reader.t("section-tenants");
    Ok(Page::new(&person, Section::Tenants, &title).show(&table(reader, &title, &tenants, now)))
}

fn table(reader: &Reader, caption: &str, tenants: &[Tenant], now: OffsetDateTime) -> Markup {
    let heads = [
        "tenant",
        "tenant-name",
        "state",
        "tenant-people",
        "tenant-second-factor",
        "tenant-swept",
        "tenant-exported",
        "created",
    ]
    .map(|key| reader.t(key));
    let columns = [
        Column::short(&heads[0]),
        Column::text(&heads[1]),
        Column::short(&heads[2]),
        Column::number(&heads[3]),
        Column::short(&heads[4]),
        Column::short(&heads[5]),
        Column::short(&heads[6]),
        Column::short(&heads[7]),
    ];
    let ago = |at: Option<OffsetDateTime>| at.map_or_else(|| html! { "–" }, |at| reader.relative(at, now));
    let row = |tenant: &Tenant| {
        let tone = match tenant.status.as_str() {
            "active" => Tone::Good,
            "suspended" => Tone::Warn,
            _ => Tone::Idle,
        };
        vec![
            html! { (tenant.slug) },
            html! { (tenant.name) },
            badge(tone, &reader.t(&format!("tenant-{}", tenant.status))),
            html! { (reader.number(tenant.people.unsigned_abs())) },
            html! { (reader.t(if tenant.second_factor { "on" } else { "off" })) },
            ago(tenant.swept_at),
            ago(tenant.exported_at),
            reader.relative(tenant.created_at, now),
        ]
    };
    Table {
        caption,
        caption_hidden: true,
        columns: &columns,
        rows: tenants.iter().map(row).collect(),
        total: None,
    }
    .render()
}
