//! The messages of one slice, and their spool object. No I/O.

use contract::{CampaignId, MailId, TenantId};
use mail::{
    Address, AddressKey, Compiled, DkimError, DkimSigner, EncodedFile, Links, MailRef, Outgoing,
    RelayProfile, Sender, SpoolError, SpoolWriter,
};
use time::OffsetDateTime;

/// A recipient of the slice, with what the template may use. Holds personal data and has no `Debug`.
pub struct Recipient {
    /// The row.
    pub mail: MailId,
    /// As the list has it.
    pub address: String,
    /// Stands for the address in the unsubscribe link.
    pub address_key: AddressKey,
    /// One for each of the columns of its import.
    pub fields: Vec<String>,
    /// Which of [`Batch::columns`].
    pub import: usize,
}

/// Everything that the slice is made from.
pub struct Batch {
    /// Whose.
    pub tenant: TenantId,
    /// Of which campaign.
    pub campaign: CampaignId,
    /// Compiled once.
    pub template: Compiled,
    /// What each message carries.
    pub files: Vec<EncodedFile>,
    /// From.
    pub sender: Sender,
    /// By the tenant's key for links.
    pub links: Links,
    /// By the tenant's key for reports: makes the return paths.
    pub return_paths: Links,
    /// Of each import: the name of each column, `None` where an earlier column has it.
    pub columns: Vec<Vec<Option<String>>>,
    /// In the order of the object.
    pub recipients: Vec<Recipient>,
    /// Date.
    pub now: OffsetDateTime,
    /// What the messages are made for.
    pub relay: RelayProfile,
}

/// The slice, made.
pub struct Made {
    /// The messages; those that are neither here nor in `failed` did not fit.
    pub writer: SpoolWriter,
    /// The mails in it, in order.
    pub spooled: Vec<MailId>,
    /// Mails that cannot be made, and why, without personal data.
    pub failed: Vec<(MailId, String)>,
}

/// Why a whole slice cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The object.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The signatures.
    #[error(transparent)]
    Dkim(#[from] DkimError),
}

impl Batch {
    /// Renders, builds and signs every message. Whatever is wrong with one recipient ends in `failed`.
    pub fn make(&self, dkim: &DkimSigner) -> Result<Made, BatchError> {
        let mut made = Made { writer: SpoolWriter::new()?, spooled: Vec::new(), failed: Vec::new() };
        for recipient in &self.recipients {
            match self.message(recipient) {
                Ok((to, message)) => {
                    let signatures = dkim.signatures(&message)?;
                    let from = self.return_paths.return_path(recipient.mail);
                    let settings = self.relay.settings(&from);
                    let parts: [&[u8]; 3] = [settings.as_bytes(), &signatures, &message];
                    if !made.writer.push(recipient.mail, &from, to.envelope(), &parts)? {
                        break;
                    }
                    made.spooled.push(recipient.mail);
                }
                Err(reason) => made.failed.push((recipient.mail, reason)),
            }
        }
        Ok(made)
    }

    fn message<'r>(&self, recipient: &'r Recipient) -> Result<(Address<'r>, Vec<u8>), String> {
        let address =
            Address::parse(&recipient.address).map_err(|_| "the address is not valid".to_owned())?;
        let names = self.columns.get(recipient.import).map(Vec::as_slice).unwrap_or_default();
        let fields = names.iter().zip(&recipient.fields);
        let fields = fields.filter_map(|(name, value)| Some((name.as_deref()?, value.as_str())));
        let rendered = self
            .template
            .render(fields, &self.links, recipient.mail, recipient.address_key)
            .map_err(|error| format!("{}: {error}", error.reason()))?;
        let mailto = self.return_paths.unsubscribe_mailto(recipient.mail, recipient.address_key);
        let outgoing = Outgoing {
            mail: MailRef { tenant: self.tenant, campaign: self.campaign, mail: recipient.mail },
            sender: &self.sender,
            recipient: &address,
            rendered: &rendered,
            unsubscribe_mailto: mailto.as_deref(),
            files: &self.files,
            now: self.now,
        };
        let message = outgoing.build_for(&self.relay);
        Ok((address, message))
    }
}

/// The names by which a template calls the columns of a header.
pub fn columns(header: &[String]) -> Vec<Option<String>> {
    let mut names: Vec<Option<String>> = Vec::with_capacity(header.len());
    for column in header {
        let name = Some(mail::field_name(column));
        names.push(if names.contains(&name) { None } else { name });
    }
    names
}

#[cfg(test)]
mod tests {
    use mail::{DkimKeys, Template, open_spool};
    use time::macros::datetime;

    use super::*;

    const KEY: [u8; 32] = [3; 32];
    const REPORTS_KEY: [u8; 32] = [4; 32];

    fn links(key: &[u8; 32]) -> Links {
        Links::new("https://m.example.com", "bounces.example.com", TenantId(1), CampaignId(2), 1, key)
            .unwrap()
    }

    fn batch(html: &str, recipients: Vec<Recipient>) -> Batch {
        let (tenant, campaign) = (TenantId(1), CampaignId(2));
        Batch {
            tenant,
            campaign,
            template: Template {
                locale: "en",
                subject: "Hi {{ name }}",
                preheader: None,
                html,
                text: None,
                files: &[],
            }
            .compile()
            .unwrap(),
            files: Vec::new(),
            sender: Sender {
                name: "News".to_owned(),
                address: Address::parse("news@example.com").unwrap(),
                reply_to: None,
            },
            links: links(&KEY),
            return_paths: links(&REPORTS_KEY),
            columns: vec![columns(&["Email".to_owned(), "Name".to_owned(), "NAME".to_owned()])],
            recipients,
            now: datetime!(2026-11-23 18:00 UTC),
            relay: RelayProfile::Postfix,
        }
    }

    fn recipient(mail: i64, address: &str, name: &str) -> Recipient {
        let fields = [address, name, "second"].map(str::to_owned).to_vec();
        let address_key = AddressKey([1; 16]);
        Recipient { mail: MailId(mail), address: address.to_owned(), address_key, fields, import: 0 }
    }

    fn make(batch: &Batch) -> Made {
        batch.make(&DkimSigner::new(&DkimKeys::generate("example.com", "s1").unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn a_recipient_that_cannot_be_rendered_fails_alone() {
        let html =
            "{% if name == 'bad' %}{{ email|round }}{% endif %}<a href=\"{{ unsubscribe_url }}\">no more</a>";
        let recipients = vec![
            recipient(1, "a@example.org", "Anna"),
            recipient(2, "b@example.org", "bad"),
            recipient(3, "not an address", "Carl"),
            recipient(4, "d@example.org", "Dora"),
        ];
        let made = make(&batch(html, recipients));
        assert_eq!(made.spooled, [MailId(1), MailId(4)]);
        assert_eq!(made.failed.iter().map(|(mail, _)| mail.0).collect::<Vec<_>>(), [2, 3]);
        assert!(made.failed.iter().all(|(_, reason)| !reason.contains("example.org")), "{:?}", made.failed);

        let object = made.writer.seal(&KEY, 1, "x").unwrap();
        let spooled = open_spool(object, "x", |_| KEY).unwrap();
        assert_eq!(spooled[1].to, "d@example.org");
        assert!(spooled[1].from.ends_with("@bounces.example.com"));
        let token = mail::peek_return_path(&spooled[1].from).unwrap();
        assert_eq!(token.verify(&REPORTS_KEY).unwrap().mail, MailId(4));
        assert!(token.verify(&KEY).is_err());
        let text = String::from_utf8(spooled[1].message.to_vec()).unwrap();
        assert!(text.starts_with("DKIM-Signature: ") && text.contains("\r\nSubject: Hi Dora\r\n"), "{text}");
        assert!(text.contains("\r\nMessage-ID: <m4.2.1@example.com>\r\n"), "{text}");
        let unfolded = text.replace("\r\n ", " ");
        assert!(
            unfolded.contains(">, <mailto:u-")
                && unfolded.contains("@bounces.example.com?subject=unsubscribe>"),
            "{text}"
        );
    }

    #[test]
    fn ses_gets_a_tag_that_is_the_return_paths_token() {
        let mut batch = batch("{{ unsubscribe_url }}", vec![recipient(7, "a@example.org", "Anna")]);
        batch.relay = RelayProfile::Ses { configuration_set: None };
        let object = make(&batch).writer.seal(&KEY, 1, "x").unwrap();
        let spooled = open_spool(object, "x", |_| KEY).unwrap();
        let text = String::from_utf8(spooled[0].message.to_vec()).unwrap();
        let tag = text.strip_prefix("X-SES-MESSAGE-TAGS: broadcast=").unwrap().lines().next().unwrap();
        assert_eq!(spooled[0].from, format!("{tag}@bounces.example.com"));
        assert!(text.contains("\r\nDKIM-Signature: ") && !text.contains("\r\nFeedback-ID"), "{text}");
    }

    #[test]
    fn the_first_of_two_columns_with_one_name_counts() {
        let made =
            make(&batch("{{ name }} {{ unsubscribe_url }}", vec![recipient(1, "a@example.org", "first")]));
        let object = made.writer.seal(&KEY, 1, "x").unwrap();
        let text = open_spool(object, "x", |_| KEY).unwrap()[0].message.to_vec();
        assert!(String::from_utf8(text).unwrap().contains("Subject: Hi first"));
    }

    #[test]
    fn what_does_not_fit_is_left() {
        let html = format!("{{{{ unsubscribe_url }}}}{}", "x".repeat(400_000));
        let recipients =
            (1..=100).map(|mail| recipient(mail, &format!("r{mail}@example.org"), "N")).collect();
        let made = make(&batch(&html, recipients));
        assert!((10..100).contains(&made.spooled.len()), "{}", made.spooled.len());
        assert_eq!(made.writer.len(), made.spooled.len());
        assert!(made.failed.is_empty());
    }
}
