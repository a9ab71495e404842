//! The environment, read once at the cold start.

use std::{collections::HashMap, fmt, net::SocketAddr};

use access::Network;
use fault::{Disposition, Fault};

/// A variable that is missing or cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not set, or empty.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// Set to something else than it must be.
    #[error("the environment variable {name} is not {expected}")]
    Malformed {
        /// Which variable.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

impl Fault for ConfigError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Missing(_) | Self::Malformed { .. } => Disposition::Permanent,
        }
    }
}

/// The function's environment. A function asks in its `main` for what it uses, so that a missing variable shows at the start.
#[derive(Clone)]
pub struct Config {
    values: HashMap<&'static str, String>,
}

macro_rules! variables {
    ($($(#[$doc:meta])* $accessor:ident = $name:literal;)*) => {
        const NAMES: &[&str] = &[$($name,)*];

        impl Config {
            $($(#[$doc])*
            pub fn $accessor(&self) -> Result<&str, ConfigError> {
                self.required($name)
            })*
        }
    };
}

variables! {
    /// `DATABASE_URL`: Postgres, as the login role of this function. Holds a password.
    database_url = "DATABASE_URL";
    /// `SPOOL_BUCKET`: the bucket of finished messages, keyed by tenant.
    spool_bucket = "SPOOL_BUCKET";
    /// `REPORTS_BUCKET`: the bucket into which MTAs put what came back.
    reports_bucket = "REPORTS_BUCKET";
    /// `SETTINGS_BUCKET`: the bucket of documents that operators change without a release.
    settings_bucket = "SETTINGS_BUCKET";
    /// `ANCHORS_BUCKET`: the bucket, under Object Lock, of heads of the chains of receipts.
    anchors_bucket = "ANCHORS_BUCKET";
    /// `JOURNAL_BUCKET`: the bucket of what must survive a restore of the database.
    journal_bucket = "JOURNAL_BUCKET";
    /// `TENANT_ROLE_ARN`: the role that is assumed, narrowed to one tenant, to touch files.
    tenant_role_arn = "TENANT_ROLE_ARN";
    /// `MASTER_KEY_SECRET`: the secret that holds the master key.
    master_key_secret = "MASTER_KEY_SECRET";
    /// `RELAY_URL`: the SMTP relay, `smtp://host:port`.
    relay_url = "RELAY_URL";
    /// `PUBLIC_URL`: the base of the links in mails, where collect answers; without a slash at its end.
    public_url = "PUBLIC_URL";
    /// `BOUNCE_DOMAIN`: the domain of return paths.
    bounce_domain = "BOUNCE_DOMAIN";
    /// `API_URL`: the base of the import API.
    api_url = "API_URL";
    /// `CONSOLE_URL`: where people reach the console, without a slash at its end.
    console_url = "CONSOLE_URL";
    /// `CONSOLE_FROM`: the address that mails to users of the console come from.
    console_from = "CONSOLE_FROM";
    /// `IMPORT_QUEUE_ARN`: where tenants' buckets send their notifications.
    import_queue_arn = "IMPORT_QUEUE_ARN";
    /// `IMPORT_QUEUE_URL`
    import_queue_url = "IMPORT_QUEUE_URL";
    /// `GENERATE_QUEUE_URL`
    generate_queue_url = "GENERATE_QUEUE_URL";
    /// `SEND_QUEUE_URL`
    send_queue_url = "SEND_QUEUE_URL";
    /// `TRACK_QUEUE_URL`
    track_queue_url = "TRACK_QUEUE_URL";
    /// `EXPORT_QUEUE_URL`
    export_queue_url = "EXPORT_QUEUE_URL";
    /// `SWEEP_QUEUE_URL`
    sweep_queue_url = "SWEEP_QUEUE_URL";
    /// `NOTIFY_QUEUE_URL`
    notify_queue_url = "NOTIFY_QUEUE_URL";
    /// `COUNT_QUEUE_URL`
    count_queue_url = "COUNT_QUEUE_URL";
    /// `GATEWAY_HOST_KEY_SECRET`: the secret that holds the gateway's SSH host key.
    gateway_host_key_secret = "GATEWAY_HOST_KEY_SECRET";
}

const DEPLOYMENT: &str = "DEPLOYMENT";
const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";
const GATEWAY_LISTEN: &str = "GATEWAY_LISTEN";
const DNS_SERVER: &str = "DNS_SERVER";
const WEBHOOK_NETWORKS: &str = "WEBHOOK_NETWORKS";
const WEBHOOK_CA: &str = "WEBHOOK_CA";
const RELAY_CA: &str = "RELAY_CA";
const RELAY_PROFILE: &str = "RELAY_PROFILE";
const SES_CONFIGURATION_SET: &str = "SES_CONFIGURATION_SET";
const DKIM_SIGNATURES: &str = "DKIM_SIGNATURES";
const SLICES_IN_FLIGHT: &str = "SLICES_IN_FLIGHT";
const EDGE_SECRET: &str = "EDGE_SECRET";

/// Variables that are absent where the usual is meant.
const OPTIONAL: [&str; 12] = [
    DEPLOYMENT,
    ENDPOINT_URL,
    GATEWAY_LISTEN,
    DNS_SERVER,
    WEBHOOK_NETWORKS,
    WEBHOOK_CA,
    RELAY_CA,
    RELAY_PROFILE,
    SES_CONFIGURATION_SET,
    DKIM_SIGNATURES,
    SLICES_IN_FLIGHT,
    EDGE_SECRET,
];

/// About what as many functions work on at once as a large launch needs. More lets one launch stand before others in the queues; fewer slow it
/// down where functions are many.
const SLICES_IN_FLIGHT_DEFAULT: i64 = 64;

impl Config {
    /// Reads the process's environment. Only `DEPLOYMENT` must be there for everyone.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let values = NAMES
            .iter()
            .chain(&OPTIONAL)
            .filter_map(|name| Some((*name, lookup(name).filter(|value| !value.is_empty())?)))
            .collect();
        let config = Self { values };
        config.required(DEPLOYMENT)?;
        Ok(config)
    }

    /// `DEPLOYMENT`: what the names of all resources of this deployment begin with.
    pub fn deployment(&self) -> &str {
        self.values.get(DEPLOYMENT).map_or("", String::as_str)
    }

    /// `AWS_ENDPOINT_URL`: set for a local stack, absent on AWS.
    pub fn endpoint_url(&self) -> Option<&str> {
        self.values.get(ENDPOINT_URL).map(String::as_str)
    }

    /// `GATEWAY_LISTEN`: the address and port on which the gateway listens.
    pub fn gateway_listen(&self) -> Result<SocketAddr, ConfigError> {
        self.required(GATEWAY_LISTEN)?
            .parse()
            .map_err(|_| ConfigError::Malformed { name: GATEWAY_LISTEN, expected: "an address and a port" })
    }

    /// `DNS_SERVER`: the address and port of the name server to ask, where it is not the system's own.
    pub fn dns_server(&self) -> Result<Option<SocketAddr>, ConfigError> {
        let Some(server) = self.values.get(DNS_SERVER) else { return Ok(None) };
        let malformed = ConfigError::Malformed { name: DNS_SERVER, expected: "an address and a port" };
        server.parse().map(Some).map_err(|_| malformed)
    }

    /// `WEBHOOK_NETWORKS`: networks to which webhooks may go although they are private, with commas between them, for a local stack or a
    /// private installation. Absent on AWS, where everything private is ours.
    pub fn webhook_networks(&self) -> Result<Vec<Network>, ConfigError> {
        let networks = self.values.get(WEBHOOK_NETWORKS).into_iter().flat_map(|list| list.split(','));
        let malformed = |_| ConfigError::Malformed {
            name: WEBHOOK_NETWORKS,
            expected: "networks with commas between them",
        };
        networks.map(|network| network.trim().parse().map_err(malformed)).collect()
    }

    /// `WEBHOOK_CA`: a PEM file with root certificates that receivers of webhooks may have beside the public ones, for a local stack or a
    /// private installation. Absent on AWS.
    pub fn webhook_ca(&self) -> Option<&str> {
        self.values.get(WEBHOOK_CA).map(String::as_str)
    }

    /// `SLICES_IN_FLIGHT`: slices of one launch that are on their way from generate's queue to the relay at most; 64 when absent.
    pub fn slices_in_flight(&self) -> Result<i64, ConfigError> {
        let Some(number) = self.values.get(SLICES_IN_FLIGHT) else { return Ok(SLICES_IN_FLIGHT_DEFAULT) };
        let malformed = ConfigError::Malformed { name: SLICES_IN_FLIGHT, expected: "a number from 1" };
        number.parse().ok().filter(|number| *number > 0).ok_or(malformed)
    }

    /// `EDGE_SECRET`: what the proxy before the HTTP functions (`CloudFront`) proves itself by. Absent where clients ask the functions themselves.
    pub fn edge_secret(&self) -> Option<&str> {
        self.values.get(EDGE_SECRET).map(String::as_str)
    }

    /// `RELAY_CA`: a PEM file with the root certificates that the relay's may come from, instead of the public ones.
    pub fn relay_ca(&self) -> Option<&str> {
        self.values.get(RELAY_CA).map(String::as_str)
    }

    /// `RELAY_PROFILE`: true for `ses`, whose SMTP makes some headers itself; false for `postfix`, or without it.
    pub fn relay_is_ses(&self) -> Result<bool, ConfigError> {
        self.is_second(RELAY_PROFILE, ["postfix", "ses"], "postfix or ses")
    }

    /// `SES_CONFIGURATION_SET`: the configuration set that mails name at SES, where it is not the identity's default one.
    pub fn ses_configuration_set(&self) -> Result<Option<&str>, ConfigError> {
        let set = self.values.get(SES_CONFIGURATION_SET).map(String::as_str);
        // As SES allows; and no line of a header ends in it.
        let plain = |set: &str| set.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        let malformed =
            ConfigError::Malformed { name: SES_CONFIGURATION_SET, expected: "a configuration set's name" };
        if set.is_none_or(plain) { Ok(set) } else { Err(malformed) }
    }

    /// `DKIM_SIGNATURES`: true for `ed25519`, where the relay signs with RSA itself; false for `both`, or without it.
    pub fn dkim_ed25519_only(&self) -> Result<bool, ConfigError> {
        self.is_second(DKIM_SIGNATURES, ["both", "ed25519"], "both or ed25519")
    }

    /// The first of two values is the usual one.
    fn is_second(
        &self,
        name: &'static str,
        values: [&str; 2],
        expected: &'static str,
    ) -> Result<bool, ConfigError> {
        match self.values.get(name).map(String::as_str) {
            None => Ok(false),
            Some(value) if value == values[0] => Ok(false),
            Some(value) if value == values[1] => Ok(true),
            Some(_) => Err(ConfigError::Malformed { name, expected }),
        }
    }

    fn required(&self, name: &'static str) -> Result<&str, ConfigError> {
        self.values.get(name).map(String::as_str).ok_or(ConfigError::Missing(name))
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("deployment", &self.deployment()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_lookup(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn a_missing_variable_is_named_when_it_is_asked_for() {
        assert_eq!(config(&[]).unwrap_err(), ConfigError::Missing("DEPLOYMENT"));
        let config = config(&[("DEPLOYMENT", "d"), ("RELAY_URL", ""), ("SPOOL_BUCKET", "s")]).unwrap();
        assert_eq!(config.spool_bucket(), Ok("s"));
        assert_eq!(config.relay_url(), Err(ConfigError::Missing("RELAY_URL")));
        assert_eq!(config.endpoint_url(), None);
    }

    #[test]
    fn the_gateways_address_is_checked() {
        let config = config(&[("DEPLOYMENT", "d"), ("GATEWAY_LISTEN", "localhost")]).unwrap();
        assert!(config.gateway_listen().unwrap_err().to_string().contains("GATEWAY_LISTEN"));
    }

    #[test]
    fn a_name_server_may_be_named() {
        let of = |server| config(&[("DEPLOYMENT", "d"), ("DNS_SERVER", server)]).unwrap().dns_server();
        assert_eq!(of(""), Ok(None));
        assert_eq!(of("127.0.0.1:5353"), Ok(Some(SocketAddr::from(([127, 0, 0, 1], 5353)))));
        assert!(of("127.0.0.1").unwrap_err().to_string().contains("DNS_SERVER"));
    }

    #[test]
    fn networks_of_webhooks_are_a_list() {
        let of =
            |list| config(&[("DEPLOYMENT", "d"), ("WEBHOOK_NETWORKS", list)]).unwrap().webhook_networks();
        assert_eq!(of(""), Ok(Vec::new()));
        let two = ["127.0.0.0/8", "::1"].map(|network| network.parse().unwrap());
        assert_eq!(of("127.0.0.0/8, ::1"), Ok(two.into()));
        for wrong in ["localhost", "127.0.0.0/8,", "127.0.0.1/8"] {
            assert!(of(wrong).unwrap_err().to_string().contains("WEBHOOK_NETWORKS"), "{wrong}");
        }
    }

    #[test]
    fn the_relays_kind_is_one_of_two() {
        let of = |value| {
            config(&[("DEPLOYMENT", "d"), ("RELAY_PROFILE", value), ("DKIM_SIGNATURES", value)]).unwrap()
        };
        assert_eq!(
            (of("").relay_is_ses(), of("postfix").relay_is_ses(), of("ses").relay_is_ses()),
            (Ok(false), Ok(false), Ok(true))
        );
        assert!(of("SES").relay_is_ses().unwrap_err().to_string().contains("postfix or ses"));
        assert_eq!(
            (of("both").dkim_ed25519_only(), of("ed25519").dkim_ed25519_only()),
            (Ok(false), Ok(true))
        );
        let set = |set| config(&[("DEPLOYMENT", "d"), ("SES_CONFIGURATION_SET", set)]).unwrap();
        assert_eq!(set("news_1").ses_configuration_set(), Ok(Some("news_1")));
        assert!(set("a\r\nb").ses_configuration_set().is_err());
    }

    #[test]
    fn debug_shows_no_values() {
        let config = config(&[("DEPLOYMENT", "d"), ("DATABASE_URL", "postgres://u:secret@h/d")]).unwrap();
        assert!(!format!("{config:?}").contains("secret"));
    }
}
