//! `openpgp` beside `gpg`: the same plaintext, each in a process of its own, its start counted; what comes out is thrown away.
//!
//! GnuPG 2.2 knows version 1 of the encrypted container alone, so version 2 is set beside gpg's version 1 of the same plaintext.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use localstack::Stack;
use openpgp::{Limits, PublicKey, TenantKey, Terms};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use tokio::process::Command;

use crate::{
    Result,
    comparison::{Comparison, median, rounded},
    import,
    memory::peak_rss_mib,
};

/// 256 MiB of the import's table.
const PLAINTEXT_BYTES: usize = 256 << 20;
/// As import reads and export writes.
const STEP_BYTES: usize = 256 << 10;
const CUSTOMER: &str = "customer@bench.example";

/// What a child does, and tells.
#[derive(Serialize, Deserialize)]
struct Work {
    encrypt: bool,
    /// The tenant's private key, or the recipient's public one.
    key: PathBuf,
    file: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Outcome {
    bytes: u64,
    peak_rss_mib: u64,
}

struct Case {
    name: &'static str,
    ours: Work,
    /// Arguments of gpg.
    peer: Vec<String>,
}

/// Both sides in turn, then one import for the last line.
pub async fn bench(stack: &Stack, runs: usize) -> Result<Vec<Comparison>> {
    let folder = tempfile::Builder::new().prefix("pgp").tempdir_in("/tmp")?;
    let gpg = Gpg { home: folder.path().to_owned() };
    let cases = prepare(folder.path(), &gpg).await?;
    let mut comparisons = Vec::new();
    for Case { name, ours, peer } in &cases {
        let (mut our_rates, mut peer_rates, mut peak_rss_mib) = (Vec::new(), Vec::new(), 0);
        for run in 0..runs {
            let begun = Instant::now();
            let outcome = spawn_child(ours).await?;
            our_rates.push(megabytes_per_second(begun));
            if !ours.encrypt && outcome.bytes != PLAINTEXT_BYTES as u64 {
                return Err(format!("{} bytes came out", outcome.bytes).into());
            }
            peak_rss_mib = peak_rss_mib.max(outcome.peak_rss_mib);
            let begun = Instant::now();
            gpg.run(peer).await?;
            peer_rates.push(megabytes_per_second(begun));
            eprintln!("{name}, run {}: {:.0} MB/s, gpg {:.0} MB/s", run + 1, our_rates[run], peer_rates[run]);
        }
        comparisons.push(compare(name, median(our_rates), median(peer_rates), "gpg", peak_rss_mib));
    }
    gpg.end().await?;
    let decrypts = comparisons[0].ours;
    let (imports, _) = import::bench(stack, runs, crate::IMPORT_ROWS, "plain").await?;
    for import in imports {
        let rate = import.ours * import::bytes_per_row(crate::IMPORT_ROWS) / 1e6;
        let name = "decrypt, version 1, beside what import takes";
        comparisons.push(compare(name, decrypts, rate, "plain import", import.peak_rss_mib));
    }
    Ok(comparisons)
}

fn compare(
    case: &'static str,
    ours: f64,
    peer: f64,
    peer_name: &'static str,
    peak_rss_mib: u64,
) -> Comparison {
    Comparison {
        bench: "openpgp",
        case,
        unit: "MB/s",
        ours: rounded(ours, 0),
        peer: rounded(peer, 0),
        peer_name,
        ratio: rounded(ours / peer, 2),
        peak_rss_mib,
    }
}

/// Keys, the plaintext, and what is to be decrypted.
async fn prepare(folder: &Path, gpg: &Gpg) -> Result<Vec<Case>> {
    let path = |name: &str| folder.join(name);
    let text = |name: &str| path(name).display().to_string();
    let pair =
        openpgp::generate("Tenant <tenant@bench.example>", OffsetDateTime::now_utc() - Duration::MINUTE)?;
    std::fs::write(path("tenant.key"), &pair.secret_armored)?;
    std::fs::write(path("tenant.asc"), &pair.public_armored)?;
    std::fs::write(path("table.csv"), import::table_of(PLAINTEXT_BYTES))?;
    let args = |args: &[&str]| args.iter().map(|&arg| arg.to_owned()).collect::<Vec<String>>();
    gpg.run(&args(&["--import", &text("tenant.key")])).await?;
    gpg.run(&args(&["--quick-generate-key", CUSTOMER, "future-default", "default", "never"])).await?;
    gpg.run(&args(&["--output", &text("customer.asc"), "--export", CUSTOMER])).await?;
    let encrypt = |output: &str, compression: &str, to: &str| {
        args(&["--output", output, "--compress-algo", compression, "-r", to, "--encrypt", &text("table.csv")])
    };
    gpg.run(&encrypt(&text("1.gpg"), "none", &pair.fingerprint)).await?;
    gpg.run(&encrypt(&text("1z.gpg"), "zip", &pair.fingerprint)).await?;
    encrypt_file(&path("tenant.asc"), &path("table.csv"), File::create(path("2.gpg"))?)?;
    let decrypts = |file: &str| Work { encrypt: false, key: path("tenant.key"), file: path(file) };
    let encrypts = |key: &str| Work { encrypt: true, key: path(key), file: path("table.csv") };
    let opens = |file: &str| args(&["--decrypt", &text(file)]);
    Ok(vec![
        Case { name: "decrypt, version 1", ours: decrypts("1.gpg"), peer: opens("1.gpg") },
        Case { name: "decrypt, version 1, compressed", ours: decrypts("1z.gpg"), peer: opens("1z.gpg") },
        Case { name: "decrypt, version 2", ours: decrypts("2.gpg"), peer: opens("1.gpg") },
        Case {
            name: "encrypt, version 1",
            ours: encrypts("customer.asc"),
            peer: encrypt("-", "none", CUSTOMER),
        },
        Case {
            name: "encrypt, version 2",
            ours: encrypts("tenant.asc"),
            peer: encrypt("-", "none", CUSTOMER),
        },
    ])
}

async fn spawn_child(work: &Work) -> Result<Outcome> {
    let work = serde_json::to_string(work)?;
    let output = Command::new(std::env::current_exe()?).args(["--openpgp-child", &work]).output().await?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// One file in a process of its own.
pub fn child(work: &str) -> Result<()> {
    let work: Work = serde_json::from_str(work)?;
    let null = File::options().write(true).open("/dev/null")?;
    let bytes = if work.encrypt {
        encrypt_file(&work.key, &work.file, null)?
    } else {
        let key = TenantKey::parse(&std::fs::read(&work.key)?)?;
        let now = OffsetDateTime::now_utc();
        let terms = Terms { signers: &[], signature_required: false, limits: Limits::default(), now };
        let mut decryptor = openpgp::decrypt(File::open(&work.file)?, &[key], &terms)?;
        let bytes = pipe(&mut decryptor, null)?;
        decryptor.finish()?;
        bytes
    };
    let outcome = Outcome { bytes, peak_rss_mib: peak_rss_mib("self")? };
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}

fn encrypt_file(recipient: &Path, file: &Path, target: File) -> Result<u64> {
    let recipients = [PublicKey::parse(&std::fs::read(recipient)?)?];
    let mut encryptor = openpgp::encrypt(target, &recipients, None, OffsetDateTime::now_utc())?;
    let bytes = pipe(File::open(file)?, &mut encryptor)?;
    encryptor.finish()?;
    Ok(bytes)
}

fn pipe(mut from: impl io::Read, mut to: impl Write) -> Result<u64> {
    let mut step = vec![0; STEP_BYTES];
    let mut bytes = 0;
    loop {
        let n = from.read(&mut step)?;
        if n == 0 {
            return Ok(bytes);
        }
        to.write_all(&step[..n])?;
        bytes += n as u64;
    }
}

/// GnuPG with a home of its own.
pub struct Gpg {
    pub home: PathBuf,
}

impl Gpg {
    pub fn command(&self, args: &[String]) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.args(["--batch", "--quiet", "--no-tty", "--yes", "--trust-model", "always", "--passphrase", ""]);
        gpg.args(["--pinentry-mode", "loopback", "--homedir"]).arg(&self.home).args(args);
        gpg
    }

    pub async fn run(&self, args: &[String]) -> Result<()> {
        let output = self.command(args).stdout(std::process::Stdio::null()).output().await?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
    }

    /// Ends its agent.
    pub async fn end(&self) -> Result<()> {
        Command::new("gpgconf").arg("--homedir").arg(&self.home).args(["--kill", "all"]).status().await?;
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss, reason = "256 MiB is far below 2^52")]
fn megabytes_per_second(begun: Instant) -> f64 {
    PLAINTEXT_BYTES as f64 / 1e6 / begun.elapsed().as_secs_f64()
}
