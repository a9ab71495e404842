use fault::{Disposition, Fault};
use store::StoreError;

/// Why a command was not done, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No tenant has this slug.
    #[error("there is no tenant of this slug")]
    UnknownTenant,
    /// A new tenant needs a name.
    #[error("a new tenant needs a name")]
    NameMissing,
    /// The database's own limits of a value, named by the constraint.
    #[error("a value is not allowed: {constraint}")]
    NotAllowed {
        /// Such as `tenants_incoming_hours_check`.
        constraint: String,
    },
    /// It can stand in no address.
    #[error("this is not a domain")]
    Domain,
    /// Another tenant has this domain.
    #[error("the domain belongs to another tenant")]
    DomainTaken,
    /// No tenant has this domain.
    #[error("the domain is not registered: add it first")]
    UnknownDomain,
    /// A domain is registered, and its keys are lost.
    #[error("the domain's keys are not readable")]
    DomainKeys,
    /// The tenant has no such key of its own.
    #[error("the tenant has no OpenPGP key of this fingerprint")]
    UnknownKey,
    /// The newest key is the one that customers encrypt to.
    #[error("this is the key in use: rotate first, and retire it once nobody encrypts to it any more")]
    KeyInUse,
    /// A hold keeps what would be deleted.
    #[error("a campaign of the tenant is under a legal hold: `holds` shows which; release it first")]
    Held,
    /// Its deletion has begun, which nothing takes back.
    #[error(
        "the tenant is being deleted: `delete_tenant` goes on with that, and a new one of this slug can be made afterwards"
    )]
    TenantEnds,
    /// S3 kept objects of a bucket.
    #[error("S3 did not delete every object of the tenant's bucket: give the command again")]
    NotEmptied,
    /// The tenant has no such campaign.
    #[error("the tenant has no such campaign; its numbers stand in file names of exports and in the API")]
    UnknownCampaign,
    /// What a hold would keep is being deleted, or gone.
    #[error("the campaign is being deleted or is gone: nothing is left that a hold could keep")]
    CampaignEnded,
    /// It is no e-mail address, or one that only few relays take.
    #[error("this is not an e-mail address, or one with letters beyond ASCII")]
    Email,
    /// Addresses are unique over all tenants: one logs in by them alone.
    #[error("there is a user with this e-mail address already")]
    EmailTaken,
    /// Nobody has this address.
    #[error("there is no user with this e-mail address")]
    UnknownUser,
    /// An operator has no tenant, and nobody else is without one.
    #[error(
        "a user of a tenant has the role admin, manager or viewer; an operator has neither slug nor role"
    )]
    Role,
    /// An API key can have no such scope.
    #[error("there is no such scope; functions/api/README.md lists them")]
    Scope,
    /// An API key that nobody could use.
    #[error(
        "an API key expires in the future, has a name of 100 characters at most and 1 to 1,000,000 requests a minute"
    )]
    ApiKey,
    /// Half of a warm-up.
    #[error("warm_up takes the limits of its days and warm_up_from, both; an empty warm_up alone ends it")]
    WarmUp,
    /// An attestation or a hold names nobody.
    #[error("`by` must say who does it: the name stays on the record")]
    ByMissing,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// AWS.
    #[error(transparent)]
    Aws(#[from] runtime::AwsError),
    /// A request to AWS could not be built.
    #[error("a request to AWS could not be built: {0}")]
    Request(&'static str),
    /// Secrets and keys.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// OpenPGP keys.
    #[error(transparent)]
    OpenPgp(#[from] openpgp::Error),
    /// DKIM keys.
    #[error(transparent)]
    Dkim(#[from] mail::DkimError),
    /// Rules for programs.
    #[error(transparent)]
    ActorRules(#[from] mail::ActorRulesError),
    /// What stands in the bucket of settings is no document of ours.
    #[error("the document in use is no JSON: set or reset it")]
    NotJson,
    /// Lifecycle rules.
    #[error(transparent)]
    Exchange(#[from] exchange::Error),
    /// A computation was cut off.
    #[error("a computation was cut off")]
    Cut,
}

impl From<sqlx::Error> for AdminError {
    /// Broken checks are the operator's; the rest is the database's.
    fn from(error: sqlx::Error) -> Self {
        let check = matches!(&error, sqlx::Error::Database(inner) if inner.is_check_violation());
        let error = StoreError::from(error);
        match error.constraint().filter(|_| check) {
            Some(constraint) => Self::NotAllowed { constraint: constraint.to_owned() },
            None => Self::Store(error),
        }
    }
}

impl Fault for AdminError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::UnknownTenant
            | Self::NameMissing
            | Self::NotAllowed { .. }
            | Self::Domain
            | Self::DomainTaken
            | Self::UnknownDomain
            | Self::DomainKeys
            | Self::UnknownKey
            | Self::KeyInUse
            | Self::Held
            | Self::TenantEnds
            | Self::UnknownCampaign
            | Self::CampaignEnded
            | Self::Email
            | Self::EmailTaken
            | Self::UnknownUser
            | Self::Role
            | Self::Scope
            | Self::ApiKey
            | Self::WarmUp
            | Self::ByMissing
            | Self::NotJson
            | Self::Request(_) => Disposition::Permanent,
            Self::Store(error) => error.disposition(),
            Self::Aws(error) => error.disposition(),
            Self::Access(error) => error.disposition(),
            Self::OpenPgp(error) => error.disposition(),
            Self::Dkim(error) => error.disposition(),
            Self::ActorRules(error) => error.disposition(),
            Self::Exchange(error) => error.disposition(),
            Self::Cut | Self::NotEmptied => Disposition::RETRY,
        }
    }
}
