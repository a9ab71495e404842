//! What an import needs before its first byte: campaign, profile, the tenant's files and keys.

use access::Purpose;
use contract::{CampaignId, Profile};
use encoding_rs::Encoding;
use exchange::TenantFiles;
use fault::{Code, Notice};
use mail::DigestKey;
use sqlx::types::Json;
use store::{CampaignState, TenantTx};

use crate::{
    Error, Import,
    claim::Job,
    reading::{charset::charset, dialect::DELIMITERS, rows},
};

/// The profile that a tenant may make for imports that name none.
const DEFAULT_PROFILE: &str = "default";
/// Digests of addresses outlive every rotation of keys.
const DIGEST_KEY_ID: u8 = 0;

/// How a file is to be read; checked.
pub struct Terms {
    /// The customer's settings.
    pub profile: Profile,
    /// Whether the tenant demands that files are signed.
    pub signature_required: bool,
    delimiter: Option<u8>,
    charset: Option<&'static Encoding>,
    digest_key: DigestKey,
}

impl Terms {
    /// As the reading part takes it.
    pub fn borrowed(&self) -> rows::Terms<'_> {
        rows::Terms {
            profile: &self.profile,
            delimiter: self.delimiter,
            charset: self.charset,
            digest_key: &self.digest_key,
        }
    }
}

/// Everything that is known before the first byte.
pub struct Plan {
    /// Where to.
    pub campaign: CampaignId,
    /// How.
    pub terms: Terms,
    /// The tenant's File Exchange.
    pub files: TenantFiles,
}

/// Looks everything up; refuses what the customer named and what is not there.
pub async fn plan(function: &Import, job: &mut Job) -> Result<Plan, Error> {
    let mut tx = function.store.tenant(job.tenant).await?;
    let campaign = find_campaign(&mut tx, job).await?;
    let profile = find_profile(&mut tx, job).await?;
    let signature_required: bool =
        sqlx::query_scalar("SELECT signature_required FROM broadcast.tenants WHERE id = $1")
            .bind(job.tenant.0)
            .fetch_one(&mut *tx)
            .await?;
    tx.commit().await?;
    let digest_key = function.master_key.derive(job.tenant, Purpose::AddressDigest, DIGEST_KEY_ID);
    let terms = check(profile, signature_required, DigestKey::new(&digest_key)).map_err(Error::Refused)?;
    Ok(Plan { campaign, terms, files: files(function, job).await? })
}

/// The tenant's File Exchange.
pub async fn files(function: &Import, job: &Job) -> Result<TenantFiles, Error> {
    let mut tx = function.store.tenant(job.tenant).await?;
    let bucket = store::bucket_of(&mut tx, job.tenant).await?;
    Ok(function.exchange.tenant(job.tenant, &bucket).await?)
}

/// By its id when the API found it, by its name when a control file named it; then the import keeps the id.
async fn find_campaign(tx: &mut TenantTx, job: &mut Job) -> Result<CampaignId, Error> {
    if let Some(campaign) = job.campaign {
        return Ok(campaign);
    }
    let name = &job.call.campaign;
    let (campaign, state) = tx
        .find_campaign(name)
        .await?
        .ok_or_else(|| Error::Refused(Notice::new(Code::CampaignUnknown).with("campaign", name)))?;
    if state != CampaignState::Open {
        return Err(Error::Refused(Code::CampaignEnded.into()));
    }
    sqlx::query("UPDATE broadcast.imports SET campaign_id = $3 WHERE id = $1 AND lease_until = $2")
        .bind(job.import.0)
        .bind(job.lease)
        .bind(campaign.0)
        .execute(&mut **tx)
        .await?;
    job.campaign = Some(campaign);
    Ok(campaign)
}

async fn find_profile(tx: &mut TenantTx, job: &Job) -> Result<Profile, Error> {
    let name = job.call.profile.as_deref();
    let found: Option<Json<Profile>> = sqlx::query_scalar(
        "SELECT profile FROM broadcast.import_profiles WHERE tenant_id = $1 AND name = $2",
    )
    .bind(job.tenant.0)
    .bind(name.unwrap_or(DEFAULT_PROFILE))
    .fetch_optional(&mut **tx)
    .await?;
    let base = match (found, name) {
        (Some(Json(profile)), _) => profile,
        // What a file name must name even where a tenant has made none.
        (None, None | Some(DEFAULT_PROFILE)) => Profile::default(),
        (None, Some(name)) => {
            return Err(Error::Refused(Notice::new(Code::ProfileUnknown).with("profile", name)));
        }
    };
    Ok(base.overridden(job.call.overrides.clone().unwrap_or_default()))
}

/// Whether settings can be used.
pub fn check(profile: Profile, signature_required: bool, digest_key: DigestKey) -> Result<Terms, Notice> {
    let delimiter = match profile.delimiter {
        None => None,
        Some(delimiter) => Some(
            u8::try_from(delimiter)
                .ok()
                .filter(|byte| DELIMITERS.contains(byte))
                .ok_or(Code::FileDelimiter)?,
        ),
    };
    let charset = match &profile.charset {
        None => None,
        Some(label) => {
            Some(charset(label).ok_or_else(|| Notice::new(Code::FileCharset).with("charset", label))?)
        }
    };
    Ok(Terms { profile, signature_required, delimiter, charset, digest_key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_must_be_usable() {
        let of = |delimiter, charset: Option<&str>| {
            let profile = Profile { delimiter, charset: charset.map(str::to_owned), ..Profile::default() };
            check(profile, false, DigestKey::new(&[0; 32]))
                .map(|terms| (terms.delimiter, terms.charset.map(Encoding::name)))
        };
        assert_eq!(of(None, None).unwrap(), (None, None));
        assert_eq!(of(Some('|'), Some("latin1")).unwrap(), (Some(b'|'), Some("windows-1252")));
        assert_eq!(of(Some('€'), None).unwrap_err().code, Code::FileDelimiter);
        assert_eq!(of(Some('"'), None).unwrap_err().code, Code::FileDelimiter);
        assert_eq!(of(None, Some("klingon")).unwrap_err().code, Code::FileCharset);
    }
}
