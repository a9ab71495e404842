//! What the relay does to a mail, as far as a mail has to be made for it.

use crate::MailRef;

/// The relay's kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RelayProfile {
    /// It passes everything on as it is, and reports to the return path.
    #[default]
    Postfix,
    /// Amazon SES: Message-ID, Date, Feedback-ID and the return path become its own, and it reports in events that name a mail by a tag.
    Ses {
        /// The set whose events come into the reports bucket; without one the identity's default set.
        configuration_set: Option<String>,
    },
}

/// The name of the tag that a mail bears at SES.
pub(crate) const SES_TAG: &str = "broadcast";
/// What tells SES a mail's tags.
pub(crate) const SES_TAGS_HEADER: &str = "X-SES-MESSAGE-TAGS";

impl RelayProfile {
    /// What stands before the signed message, for the relay alone. The tag's value is the local part of the return path: authentic, and of
    /// characters that a tag may have.
    pub fn settings(&self, return_path: &str) -> String {
        let Self::Ses { configuration_set } = self else { return String::new() };
        let token = return_path.split('@').next().unwrap_or_default();
        let tags = format!("{SES_TAGS_HEADER}: {SES_TAG}={token}\r\n");
        let set = configuration_set.iter().map(|set| format!("X-SES-CONFIGURATION-SET: {set}\r\n"));
        tags + &set.collect::<String>()
    }

    /// Whether mails to the bounce domain come into the reports bucket. SES brings events alone.
    pub(crate) fn brings_mails(&self) -> bool {
        matches!(self, Self::Postfix)
    }

    /// The Feedback-ID, where the relay does not make its own.
    pub(crate) fn feedback_id(&self, mail: MailRef) -> Option<String> {
        let Self::Postfix = self else { return None };
        Some(format!("{}:{}:campaign:broadcast", mail.campaign, mail.tenant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ses_is_told_the_tag() {
        assert_eq!(RelayProfile::Postfix.settings("b-abc@b.example"), "");
        let ses = RelayProfile::Ses { configuration_set: Some("news".to_owned()) };
        let expected = "X-SES-MESSAGE-TAGS: broadcast=b-abc\r\nX-SES-CONFIGURATION-SET: news\r\n";
        assert_eq!(ses.settings("b-abc@b.example"), expected);
    }
}
