//! `generate` beside what the machine's OpenSSL signs: messages of 20 KB of HTML and 2 KB of text, ten fields and ten links of their own,
//! rendered, built, signed and sealed on one thread by the code that the function runs for a slice.
//!
//! A signature by RSA is most of a message's cost, so the signing rate bounds what any program can reach. Both sides are counted in processor
//! seconds, as `openssl speed` counts.

mod newsletter;

use contract::{CampaignId, LaunchId, MailId, TenantId, spool_key};
use generate::{Batch, Recipient, columns};
use mail::{
    Address, AddressKey, DEFAULT_LOCALE, DkimKeys, DkimSigner, Links, RelayProfile, Sender, Signatures,
    Template, open_spool,
};
use time::OffsetDateTime;
use tokio::process::Command;

use crate::{
    Result,
    comparison::{Comparison, median, rounded},
    memory::peak_rss_mib,
    processor,
};

/// As generate makes them.
const SLICE_MAILS: usize = 500;
/// Of one run: long enough beside the hundredths of a second in which Linux counts.
const SLICES: usize = 40;
/// Of each measurement by `openssl speed`.
const OPENSSL_SECONDS: &str = "2";
const KEY: [u8; 32] = [7; 32];
const KEY_ID: u8 = 1;
const TENANT: TenantId = TenantId(1);
const CAMPAIGN: CampaignId = CampaignId(2);
const LAUNCH: LaunchId = LaunchId(3);

/// Signatures a second on this machine.
struct Signing {
    rsa: f64,
    ed25519: f64,
}

/// All sides in turn.
pub async fn bench(runs: usize) -> Result<Vec<Comparison>> {
    let keys = DkimKeys::generate("example.com", "b1")?;
    let (both, alone) =
        (DkimSigner::new(&keys)?, DkimSigner::with(&keys, Signatures::Ed25519, &RelayProfile::Postfix)?);
    let (mut with_both, mut with_one) = (Vec::new(), Vec::new());
    let (mut rsa, mut ed25519) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let signing = openssl().await?;
        with_both.push(messages_per_second(&both, 2)?);
        with_one.push(messages_per_second(&alone, 1)?);
        rsa.push(signing.rsa);
        ed25519.push(signing.ed25519);
        eprintln!(
            "generate, run {}: {:.0} messages/s, by Ed25519 alone {:.0}; OpenSSL signs {:.0} by RSA-2048, {:.0} by Ed25519",
            run + 1,
            with_both[run],
            with_one[run],
            rsa[run],
            ed25519[run]
        );
    }
    let peak_rss_mib = peak_rss_mib("self")?;
    let (both, one, rsa, ed25519) = (median(with_both), median(with_one), median(rsa), median(ed25519));
    let compare = |case, ours, peer, peer_name| Comparison {
        bench: "generate",
        case,
        unit: "messages/s",
        ours: rounded(ours, 0),
        peer: rounded(peer, 0),
        peer_name,
        ratio: rounded(ours / peer, 2),
        peak_rss_mib,
    };
    Ok(vec![
        compare("20 KB, RSA and Ed25519", both, rsa, "openssl speed rsa2048"),
        compare("20 KB, Ed25519 alone", one, rsa, "openssl speed rsa2048"),
        compare("20 KB, Ed25519 alone, beside its own rate", one, ed25519, "openssl speed ed25519"),
    ])
}

/// By processor time, one slice after the other.
fn messages_per_second(signer: &DkimSigner, signatures: usize) -> Result<f64> {
    let mut batches = Vec::new();
    for slice in 0..SLICES {
        batches.push(batch(slice)?);
    }
    let before = processor::own_seconds()?;
    let mut objects = Vec::with_capacity(SLICES);
    for (slice, batch) in batches.iter().enumerate() {
        let made = batch.make(signer)?;
        objects.push(made.writer.seal(&KEY, KEY_ID, &name(slice)?)?);
    }
    let seconds = processor::own_seconds()? - before;
    // Fast making of what is no mail would be no achievement.
    for (slice, object) in objects.into_iter().enumerate() {
        let mails = open_spool(object, &name(slice)?, |_| KEY)?;
        let whole = mails.iter().filter(|mail| signatures_of(&mail.message) == signatures);
        if whole.count() != SLICE_MAILS {
            return Err(format!("slice {slice} is not whole").into());
        }
    }
    Ok(per_second(SLICES * SLICE_MAILS, seconds))
}

fn name(slice: usize) -> Result<String> {
    Ok(spool_key(TENANT, CAMPAIGN, LAUNCH, i32::try_from(slice)?))
}

fn signatures_of(message: &[u8]) -> usize {
    let header = b"DKIM-Signature: ";
    message.windows(header.len()).filter(|window| window == header).count()
}

fn batch(slice: usize) -> Result<Batch> {
    let (html, text) = (newsletter::html(), newsletter::text());
    let links = || Links::new("https://m.example.com", "bounces.example.com", TENANT, CAMPAIGN, KEY_ID, &KEY);
    let recipients = (slice * SLICE_MAILS..(slice + 1) * SLICE_MAILS).map(|number| {
        let mail = MailId(i64::try_from(number)? + 1);
        let mut address_key = [0; 16];
        address_key[..8].copy_from_slice(&mail.0.to_be_bytes());
        let address = format!("recipient{number}@example.org");
        let fields = newsletter::fields(number);
        Ok(Recipient { mail, address, address_key: AddressKey(address_key), fields, import: 0 })
    });
    Ok(Batch {
        tenant: TENANT,
        campaign: CAMPAIGN,
        template: Template {
            locale: DEFAULT_LOCALE,
            subject: newsletter::SUBJECT,
            preheader: None,
            html: &html,
            text: Some(&text),
            files: &[],
        }
        .compile()?,
        files: Vec::new(),
        sender: Sender {
            name: "Example Shops".to_owned(),
            address: Address::parse("news@example.com")?,
            reply_to: None,
        },
        links: links()?,
        return_paths: links()?,
        columns: vec![columns(&newsletter::COLUMNS.map(str::to_owned))],
        recipients: recipients.collect::<Result<_>>()?,
        now: OffsetDateTime::now_utc(),
        relay: RelayProfile::Postfix,
    })
}

/// What this machine signs in a second, on one thread.
async fn openssl() -> Result<Signing> {
    let output = Command::new("openssl")
        .args(["speed", "-mr", "-seconds", OPENSSL_SECONDS, "rsa2048", "ed25519"])
        .output()
        .await?;
    let text = String::from_utf8(output.stdout)?;
    // `+F2:2:2048:<signed in a second>:<verified>` and `+F6:0:253:Ed25519:<signed>:<verified>`.
    let rate = |line: &str, field: usize| -> Result<f64> {
        let line =
            text.lines().find(|found| found.starts_with(line)).ok_or("no such line of openssl speed")?;
        Ok(line.split(':').nth(field).ok_or("no such field of openssl speed")?.parse()?)
    };
    Ok(Signing { rsa: rate("+F2:", 3)?, ed25519: rate("+F6:", 4)? })
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn per_second(mails: usize, seconds: f64) -> f64 {
    mails as f64 / seconds
}
