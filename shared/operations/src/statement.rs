//! The receipts of deletions as a file that whoever has it can prove: the page of the API says how.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, State},
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use contract::TenantId;
use csv::{Terminator, Writer, WriterBuilder};
use data_encoding::HEXLOWER;
use serde::Deserialize;
use store::{TenantTx, receipts::Receipt};
use time::{
    OffsetDateTime, UtcOffset,
    format_description::{BorrowedFormatItem, well_known::Rfc3339},
    macros::format_description,
};
use utoipa::IntoParams;

use crate::{
    OperationError, Services,
    caller::Caller,
    request::{invalid, query},
};

/// The most receipts of one answer.
const RECEIPTS_MAX: usize = 10_000;
/// An answer ends with the receipt that reaches so many bytes. A function answers 6 MB at most; a receipt has some 20 KB at most.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Receipts in memory at once, beside the answer.
const RECEIPTS_PER_READ: i64 = 500;

const COLUMNS: [&str; 10] =
    ["tenant", "number", "at", "what", "ids", "count", "rule", "backups_until", "previous", "digest"];
/// With all digits that Postgres keeps: the digest is of microseconds.
const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// Which receipts.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Those of this time and later.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Those before this time.
    #[param(format = DateTime)]
    to: Option<String>,
    /// Those with a greater number.
    after: Option<i64>,
}

/// The same, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    from: Option<OffsetDateTime>,
    to: Option<OffsetDateTime>,
    after: i64,
}

impl<S: Send + Sync> FromRequestParts<S> for Span {
    type Rejection = OperationError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, OperationError> {
        let Wanted { from, to, after } = query(parts)?;
        let from = from.map(|text| moment("from", &text)).transpose()?;
        let to = to.map(|text| moment("to", &text)).transpose()?;
        Ok(Self { from, to, after: after.unwrap_or(0) })
    }
}

/// A point in time, in UTC.
fn moment(name: &str, text: &str) -> Result<OffsetDateTime, OperationError> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok();
    // Close to the first and the last year there are times for which UTC has no year of four digits.
    let at = at.and_then(|at| at.checked_to_offset(UtcOffset::UTC)).filter(|at| at.year() >= 0);
    at.ok_or_else(|| {
        invalid(name, "it must be a time such as 2027-03-01T00:00:00Z; the + of an offset is %2B in a query")
    })
}

impl Span {
    /// Where the answer goes on behind this receipt.
    fn next(&self, last: i64) -> String {
        let time = |name: &str, at: Option<OffsetDateTime>| {
            at.and_then(|at| at.format(&Rfc3339).ok()).map(|at| format!("&{name}={at}")).unwrap_or_default()
        };
        let (from, to) = (time("from", self.from), time("to", self.to));
        format!("</v1/receipts/statement?after={last}{from}{to}>; rel=\"next\"")
    }
}

/// Download a statement of deletions
///
/// All receipts as a CSV file (RFC 4180) that proves itself: the [guide](/docs/guide#proof-of-deletion) says how its digests are computed. Columns:
/// `tenant`, `number`, `at`, `what`, `ids` (with spaces between them), `count`, `rule`, `backups_until`, `previous`, `digest`.
///
/// An answer has 10,000 receipts and about 4 MiB at most. Where more follow, `Link` names where (`rel="next"`); or ask with `after`, the last
/// line's number, until there is nothing but the line of names.
#[utoipa::path(
    get, path = "/receipts/statement", operation_id = "download_statement", tag = "Account", security(("key" = ["account:read"])),
    params(Wanted),
    responses((status = 200, description = "The file, or its next part.", body = String, content_type = "text/csv",
               headers(("Content-Disposition" = String), ("Link" = String, description = "Where it goes on, if it does.")))),
    extensions(("x-problems" = json!(["field_invalid"])))
)]
pub(crate) async fn download(
    State(services): State<Arc<Services>>,
    caller: Caller,
    span: Span,
) -> Result<Response, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let mut statement = Statement::new(caller.tenant)?;
    let mut after = span.after;
    while !statement.is_full() {
        let receipts = read(&mut tx, &span, after).await?;
        let Some(last) = receipts.last() else { break };
        after = last.number;
        for receipt in &receipts {
            if !statement.add(receipt)? {
                break;
            }
        }
    }
    drop(tx);
    statement.answer(&span)
}

async fn read(tx: &mut TenantTx, span: &Span, after: i64) -> Result<Vec<Receipt>, OperationError> {
    let receipts = sqlx::query_as(
        "SELECT number, at, what, ids, count, rule, backups_until, previous, digest FROM broadcast.receipts
         WHERE tenant_id = $1 AND number > $2 AND ($3 IS NULL OR at >= $3) AND ($4 IS NULL OR at < $4) ORDER BY number LIMIT $5",
    )
    .bind(tx.tenant().0)
    .bind(after)
    .bind(span.from)
    .bind(span.to)
    .bind(RECEIPTS_PER_READ)
    .fetch_all(&mut **tx)
    .await?;
    Ok(receipts)
}

/// One answer, as it is written.
struct Statement {
    tenant: TenantId,
    lines: Writer<Vec<u8>>,
    receipts: usize,
    /// The first and the last receipt's numbers.
    numbers: Option<(i64, i64)>,
    /// Whether there was one that it has no room for.
    more: bool,
}

impl Statement {
    fn new(tenant: TenantId) -> Result<Self, OperationError> {
        let mut lines = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
        lines.write_record(COLUMNS).map_err(|_| OperationError::Document)?;
        Ok(Self { tenant, lines, receipts: 0, numbers: None, more: false })
    }

    /// Whether a receipt was left out.
    fn is_full(&self) -> bool {
        self.more
    }

    /// Adds a receipt if there is room for it.
    fn add(&mut self, receipt: &Receipt) -> Result<bool, OperationError> {
        if self.receipts >= RECEIPTS_MAX || self.lines.get_ref().len() >= BYTES_MAX {
            self.more = true;
            return Ok(false);
        }
        let ids: Vec<String> = receipt.ids.iter().map(i64::to_string).collect();
        let time = |at: OffsetDateTime| {
            at.to_offset(UtcOffset::UTC).format(TIME).map_err(|_| OperationError::Document)
        };
        let line = [
            self.tenant.to_string(),
            receipt.number.to_string(),
            time(receipt.at)?,
            receipt.what.clone(),
            ids.join(" "),
            receipt.count.to_string(),
            receipt.rule.clone(),
            receipt.backups_until.map(time).transpose()?.unwrap_or_default(),
            HEXLOWER.encode(&receipt.previous),
            HEXLOWER.encode(&receipt.digest),
        ];
        self.lines.write_record(line).map_err(|_| OperationError::Document)?;
        self.lines.flush().map_err(|_| OperationError::Document)?;
        self.receipts += 1;
        let first = self.numbers.map_or(receipt.number, |(first, _)| first);
        self.numbers = Some((first, receipt.number));
        Ok(true)
    }

    fn answer(self, span: &Span) -> Result<Response, OperationError> {
        let name = self.numbers.map_or_else(String::new, |(first, last)| format!("-{first}-{last}"));
        let disposition = format!("attachment; filename=\"receipts{name}.csv\"");
        let link = self.numbers.filter(|_| self.more).map(|(_, last)| span.next(last));
        let body = self.lines.into_inner().map_err(|_| OperationError::Document)?;
        let mut response = body.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
        let values = [(header::CONTENT_DISPOSITION, Some(disposition)), (header::LINK, link)];
        for (name, value) in values.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            headers.insert(name, HeaderValue::from_str(&value).map_err(|_| OperationError::Document)?);
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::to_bytes, http::Request};
    use time::macros::datetime;

    use super::*;

    const OPEN: Span = Span { from: None, to: None, after: 0 };

    fn receipt(number: i64, ids: Vec<i64>) -> Receipt {
        Receipt {
            number,
            at: datetime!(2026-11-23 12:00:00.5 UTC),
            what: "file".to_owned(),
            count: 2,
            rule: "Incoming 48 hours".to_owned(),
            backups_until: (number > 3).then_some(datetime!(2026-11-25 12:00 UTC)),
            previous: vec![0; 32],
            digest: vec![255; 32],
            ids,
        }
    }

    async fn read_out(statement: Statement) -> (Vec<(String, String)>, String) {
        let response = statement.answer(&OPEN).unwrap();
        let names = [header::CONTENT_TYPE, header::CONTENT_DISPOSITION, header::LINK];
        let header = |name: header::HeaderName| {
            response.headers().get(&name).map(|value| (name.to_string(), value.to_str().unwrap().to_owned()))
        };
        let headers = names.into_iter().filter_map(header).collect();
        let body = to_bytes(response.into_body(), 8 << 20).await.unwrap();
        (headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_line_has_all_that_its_digest_is_of() {
        let mut statement = Statement::new(TenantId(7)).unwrap();
        assert!(statement.add(&receipt(3, vec![1, 40])).unwrap());
        assert!(statement.add(&receipt(4, Vec::new())).unwrap());
        let (headers, text) = read_out(statement).await;
        let (zero, full) = ("00".repeat(32), "ff".repeat(32));
        let expected = format!(
            "tenant,number,at,what,ids,count,rule,backups_until,previous,digest\r\n\
             7,3,2026-11-23T12:00:00.500000Z,file,1 40,2,Incoming 48 hours,,{zero},{full}\r\n\
             7,4,2026-11-23T12:00:00.500000Z,file,,2,Incoming 48 hours,2026-11-25T12:00:00.000000Z,{zero},{full}\r\n"
        );
        assert_eq!(text, expected);
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let disposition = header("content-disposition", "attachment; filename=\"receipts-3-4.csv\"");
        assert_eq!(headers, [header("content-type", "text/csv; charset=utf-8"), disposition]);
    }

    #[tokio::test]
    async fn an_answer_is_bounded_and_says_where_it_goes_on() {
        // By the number of receipts, and by bytes: the longest receipt has a thousand ids.
        for ids in [Vec::new(), vec![i64::MAX; 1000]] {
            let mut statement = Statement::new(TenantId(7)).unwrap();
            let mut number = 1;
            while statement.add(&receipt(number, ids.clone())).unwrap() {
                number += 1;
            }
            assert!(statement.is_full() && number > 200, "{number}");
            let (headers, text) = read_out(statement).await;
            assert!(text.len() < BYTES_MAX + 32 * 1024, "{}", text.len());
            let link = format!("</v1/receipts/statement?after={}>; rel=\"next\"", number - 1);
            assert_eq!(headers[2], ("link".to_owned(), link));
        }
    }

    #[tokio::test]
    async fn a_span_is_of_times_and_numbers() {
        let span = async |query: &str| {
            let request = Request::get(format!("/v1/receipts/statement?{query}"));
            Span::from_request_parts(&mut request.body(()).unwrap().into_parts().0, &()).await
        };
        assert_eq!(span("").await.unwrap(), OPEN);
        let bounded = span("from=2026-11-01T00:00:00%2B01:00&to=2026-12-01T00:00:00Z&after=7").await.unwrap();
        let (from, to) = (datetime!(2026-10-31 23:00 UTC), datetime!(2026-12-01 00:00 UTC));
        assert_eq!(bounded, Span { from: Some(from), to: Some(to), after: 7 });
        let next = "</v1/receipts/statement?after=9&from=2026-10-31T23:00:00Z&to=2026-12-01T00:00:00Z>; rel=\"next\"";
        assert_eq!(bounded.next(9), next);
        for query in [
            "from=yesterday",
            "to=2026-12-01",
            "to=9999-12-31T23:00:00-02:00",
            "from=0000-01-01T00:00:00%2B02:00",
            "limit=3",
            "after=x",
        ] {
            assert!(span(query).await.is_err(), "{query}");
        }
    }
}
