//! The accounting that the demo ends with.

use std::time::Duration;

use localstack::Stack;
use serde::Serialize;
use testkit::{browser::PASSWORD, tenant::Accounting};

use crate::{after::Remains, answers::Answers, mailing::Story};

/// The main campaign's sums, and what is left of the tenant's data.
#[derive(Debug, Serialize)]
pub struct Totals {
    rows: u64,
    imported: u64,
    rejected: u64,
    duplicates: u64,
    suppressed: u64,
    sent: u64,
    refused: u64,
    unknown: u64,
    delivered: u64,
    bounced: u64,
    opened: u64,
    clicked: u64,
    unsubscribed: u64,
    exported_rows: u64,
    objects_left: u64,
    schemas_left: u64,
    receipts: u64,
    pub balanced: bool,
}

impl Totals {
    pub fn of(accounting: &Accounting, exported_rows: u64, remains: &Remains) -> Self {
        let number = |path: &str| accounting.number(path);
        let mut totals = Self {
            rows: number("rows"),
            imported: number("imported"),
            rejected: number("rejected"),
            duplicates: number("duplicates"),
            suppressed: number("ledger.suppressed"),
            sent: number("ledger.sent"),
            refused: number("ledger.refused"),
            unknown: number("ledger.unknown"),
            delivered: number("delivered"),
            bounced: number("responses.bounced"),
            opened: number("responses.opened"),
            clicked: number("responses.clicked"),
            unsubscribed: number("responses.unsubscribed"),
            exported_rows,
            objects_left: remains.objects,
            schemas_left: remains.schemas,
            receipts: remains.receipts,
            balanced: false,
        };
        let responses = totals.bounced
            + totals.opened
            + totals.clicked
            + totals.unsubscribed
            + number("responses.delivered")
            + number("responses.complained");
        totals.balanced = accounting.balanced()
            && totals.rows == totals.imported + totals.rejected
            && totals.imported
                == totals.duplicates + totals.suppressed + totals.sent + totals.refused + totals.unknown
            && totals.sent == totals.delivered + totals.bounced
            && totals.exported_rows == responses
            && totals.objects_left == 0
            && totals.schemas_left == 0
            && totals.receipts > 0;
        totals
    }
}

/// Prints the table, and where to look.
pub fn table(stack: &Stack, story: &Story, totals: &Totals, answers: &Answers, took: Duration) {
    println!("\nThe accounting of the campaign \"spring\"\n");
    let line = |name: &str, count: u64, note: &str| println!("  {name:<24}{count:>9}  {note}");
    line("rows in both files", totals.rows, "");
    line("  rejected", totals.rejected, "no valid address: see Invalids/*.errors.csv");
    line("  imported", totals.imported, "");
    line("    duplicates", totals.duplicates, "the same address in another row: mailed once");
    line("    suppressed", totals.suppressed, "had unsubscribed before");
    line("    refused", totals.refused, "by the relay");
    line("    unknown", totals.unknown, "connection lost after the content");
    line("    sent", totals.sent, "");
    line("      bounced", totals.bounced, "reported by Postfix");
    line("      delivered", totals.delivered, "assumed: sent and not bounced");
    line("opened", totals.opened, "");
    line("clicked", totals.clicked, "");
    line("unsubscribed", totals.unsubscribed, "");
    line("exported rows", totals.exported_rows, "fetched and decrypted");
    line("objects left", totals.objects_left, "after the last retention period");
    line("schemas left", totals.schemas_left, "");
    line("receipts", totals.receipts, "one chain, GET /v1/receipts");
    println!("\n  {}", if totals.balanced { "All sums agree." } else { "THE SUMS DO NOT AGREE." });
    println!("\n  Where to look, while the stack is up (cargo local demo --keep):\n");
    println!(
        "  API      {}/v1/campaigns/{}/accounting (the key: Authorization: Bearer ...)",
        stack.api_url, story.main
    );
    println!("  folders  sftp -P {} {}@{}", stack.sftp.port, story.tenant.slug, stack.sftp.host);
    println!(
        "  mails    {}/{} ({} of them)",
        stack.sink_dir.display(),
        story.tenant.recipients_domain,
        answers.mails
    );
    println!("  console  {}", stack.console_url);
    println!("           {} with the password: {PASSWORD}", story.admin.email);
    println!(
        "           the code: cargo local code --instance {} --phone {}",
        stack.instance, story.admin.phone
    );
    println!("  took     {:.1} s\n", took.as_secs_f64());
}
