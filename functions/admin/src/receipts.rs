//! Whether the receipts of deletions still say what they said: the chain of each tenant, and every head of it that was anchored.

use std::fmt;

use contract::TenantId;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sqlx::PgConnection;
use store::receipts::{self, Broken, Verifier};

use crate::{
    Admin, AdminError,
    anchors::{Anchors, Kept},
};

/// Receipts in memory at once: some megabytes where each names as many ids as one may.
const RECEIPTS_PER_PAGE: i64 = 1000;

/// What does not hold.
#[derive(Debug, PartialEq, Eq)]
enum Flaw {
    Chain(Broken),
    /// By its key.
    NoAnchor(String),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain(broken) => broken.fmt(f),
            Self::NoAnchor(key) => {
                write!(f, "the object {key} in the bucket of anchors is no anchor of this tenant")
            }
        }
    }
}

/// What was proved, up to the flaw where there is one.
struct Proof {
    verifier: Verifier,
    anchored: u64,
    flaw: Option<Flaw>,
}

/// Proves one tenant's receipts, or everybody's, also of those that are deleted. Of a name that was used again it is the newest one's. What
/// does not hold is an answer; the log names it, too.
pub(crate) async fn verify(admin: &Admin, slug: Option<&str>) -> Result<Value, AdminError> {
    let statement = "SELECT id, slug FROM (SELECT id, slug FROM broadcast.tenants
                                           UNION ALL SELECT id, slug FROM broadcast.deleted_tenants) AS each
                     WHERE $1 IS NULL OR slug = $1 ORDER BY slug, id";
    let tenants: Vec<(i64, String)> =
        sqlx::query_as(statement).bind(slug).fetch_all(admin.store.pool()).await?;
    let mut answers = Vec::new();
    for (id, slug) in tenants {
        answers.push(verify_tenant(admin, TenantId(id), &slug).await?);
    }
    if slug.is_some() {
        return answers.pop().ok_or(AdminError::UnknownTenant);
    }
    let holds = answers.iter().all(|answer| answer["holds"] == true);
    Ok(json!({"holds": holds, "tenants": answers}))
}

async fn verify_tenant(admin: &Admin, tenant: TenantId, slug: &str) -> Result<Value, AdminError> {
    let mut db = admin.store.pool().acquire().await?;
    let proof = prove(&mut db, Anchors::new(admin, tenant), tenant).await?;
    match &proof.flaw {
        Some(Flaw::Chain(broken)) => tracing::error!(%tenant, %broken, "receipts do not hold"),
        // Whoever put it chose its key: the operator reads it, the log does not.
        Some(Flaw::NoAnchor(_)) => {
            tracing::error!(%tenant, broken = "an object is no anchor", "receipts do not hold");
        }
        None => {}
    }
    let head = proof.verifier.head();
    Ok(json!({
        "tenant": slug,
        "receipts": proof.verifier.number(),
        "head": head.map(|head| json!({"number": head.number, "digest": HEXLOWER.encode(&head.digest)})),
        "anchored": proof.anchored,
        "holds": proof.flaw.is_none(),
        "broken": proof.flaw.as_ref().map(ToString::to_string),
    }))
}

/// Feeds a verifier with receipts and anchors, both in the order of their numbers.
async fn prove(
    db: &mut PgConnection,
    mut anchors: Anchors<'_>,
    tenant: TenantId,
) -> Result<Proof, AdminError> {
    let mut proof = Proof { verifier: Verifier::new(tenant), anchored: 0, flaw: None };
    // Below every number: whatever stands before the first receipt is read, too.
    let mut after = i64::MIN;
    let mut kept = anchors.next().await?;
    loop {
        // An anchor is known before the receipts are read that come next, and its receipt was there before it. So while sweep goes on, none is
        // missed.
        let page = receipts::read(db, tenant, after, RECEIPTS_PER_PAGE).await?;
        for receipt in &page {
            if let Err(broken) = proof.verifier.receipt(receipt) {
                proof.flaw = Some(Flaw::Chain(broken));
                return Ok(proof);
            }
            while let Some(anchor) = kept.take_if(|kept| is_due(kept, proof.verifier.number())) {
                if !proof.takes(anchor) {
                    return Ok(proof);
                }
                kept = anchors.next().await?;
            }
        }
        match page.last() {
            Some(last) => after = last.number,
            None => break,
        }
    }
    if let Some(anchor) = kept {
        proof.takes(anchor);
    }
    Ok(proof)
}

/// Whether it can be judged once the chain is proved up to this number.
fn is_due(kept: &Kept, number: i64) -> bool {
    match kept {
        Kept::Head(head) => head.number <= number,
        Kept::Foreign(_) => true,
    }
}

impl Proof {
    /// Whether the chain agrees with what was kept of it.
    fn takes(&mut self, kept: Kept) -> bool {
        let proved = match kept {
            Kept::Head(head) => self.verifier.kept(&head).map_err(Flaw::Chain),
            Kept::Foreign(key) => Err(Flaw::NoAnchor(key)),
        };
        self.anchored += u64::from(proved.is_ok());
        self.flaw = proved.err();
        self.flaw.is_none()
    }
}
