//! The message that goes over the wire (RFC 5322, 2045, 2369, 8058).

use std::fmt;

use contract::{CampaignId, MailId, TenantId};
use mail_builder::{
    MessageBuilder,
    headers::{
        HeaderType, address::Address as Mailbox, content_type::ContentType, date::Date,
        message_id::MessageId, raw::Raw, text::Text, url::URL,
    },
    mime::MimePart,
};
use time::OffsetDateTime;

use crate::{Address, EncodedFile, RelayProfile, Rendered, file::content_id, template::one_line};

/// Whom a mail is from. `Debug` shows the domain alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Sender {
    /// Shown by mail programs; may be empty.
    pub name: String,
    /// Of a domain that the tenant has proved.
    pub address: Address<'static>,
    /// Where answers go, when not to the address.
    pub reply_to: Option<Address<'static>>,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("domain", &self.address.domain()).finish_non_exhaustive()
    }
}

/// The ledger row that a message is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailRef {
    /// Whose.
    pub tenant: TenantId,
    /// Of which campaign.
    pub campaign: CampaignId,
    /// The row.
    pub mail: MailId,
}

impl MailRef {
    /// The Message-ID without its angle brackets; the same each time the message is made.
    pub fn message_id(&self, sender: &Sender) -> String {
        format!("m{}.{}.{}@{}", self.mail, self.campaign, self.tenant, sender.address.domain())
    }
}

/// What a message is made of.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// For Message-ID and Feedback-ID.
    pub mail: MailRef,
    /// From, Reply-To.
    pub sender: &'a Sender,
    /// To.
    pub recipient: &'a Address<'a>,
    /// Subject and bodies.
    pub rendered: &'a Rendered,
    /// Where a mail unsubscribes, see [`crate::Links::unsubscribe_mailto`]; left out where the relay does not bring us such mails.
    pub unsubscribe_mailto: Option<&'a str>,
    /// Images that the HTML shows, and attachments.
    pub files: &'a [EncodedFile],
    /// Date.
    pub now: OffsetDateTime,
}

impl Outgoing<'_> {
    /// The message with CRLF line ends, none longer than 998 octets, and none behind the last line: SMTP's own CRLF before the dot ends it.
    /// ASCII, but for a recipient's letters beyond it, which stand in To as they are (RFC 6532). Unsigned; see [`crate::DkimSigner::signatures`].
    pub fn build(&self) -> Vec<u8> {
        self.build_for(&RelayProfile::Postfix)
    }

    /// The same for a relay that makes some headers itself.
    pub fn build_for(&self, relay: &RelayProfile) -> Vec<u8> {
        let mut random = [0; 12];
        // Without randomness the boundary is still one that no encoded body holds by chance.
        let _ = aws_lc_rs::rand::fill(&mut random);
        self.build_with(&data_encoding::HEXLOWER.encode(&random), relay)
    }

    /// What the boundaries end with must be a surprise, or a field's value could hold it.
    fn build_with(&self, surprise: &str, relay: &RelayProfile) -> Vec<u8> {
        let Self { mail, sender, recipient, rendered, now, .. } = *self;
        // The better one first (RFC 2369, 2): one request, and known to be done when it is answered.
        let mailto = self.unsubscribe_mailto.filter(|_| relay.brings_mails());
        let unsubscribe = [rendered.unsubscribe_url.as_str()].into_iter().chain(mailto);
        let name = one_line(&sender.name);
        let from =
            Mailbox::new_address(Some(name).filter(|name| !name.is_empty()), sender.address.envelope());
        let mut headers: Vec<(&str, HeaderType<'_>)> = vec![
            ("From", from.into()),
            ("To", Mailbox::new_address(None::<&str>, recipient.envelope()).into()),
            ("Subject", Text::new(one_line(&rendered.subject)).into()),
            ("Date", Date::new(now.unix_timestamp()).into()),
            ("Message-ID", MessageId::new(mail.message_id(sender)).into()),
        ];
        if let Some(reply_to) = &sender.reply_to {
            headers.push(("Reply-To", Mailbox::new_address(None::<&str>, reply_to.envelope()).into()));
        }
        headers.extend([
            ("List-Unsubscribe", URL::new_list(unsubscribe).into()),
            ("List-Unsubscribe-Post", Raw::new("List-Unsubscribe=One-Click").into()),
        ]);
        headers.extend(relay.feedback_id(mail).map(|id| ("Feedback-ID", Raw::new(id).into())));
        headers.push(("MIME-Version", Raw::new("1.0").into()));
        let builder = headers
            .into_iter()
            .fold(MessageBuilder::new(), |builder, (name, value)| builder.header(name, value));
        let mut message = Vec::new();
        builder.body(self.body(surprise)).serialize(&mut message);
        while message.ends_with(b"\r\n") {
            message.truncate(message.len() - 2);
        }
        message
    }

    /// Text and HTML, within what they need: `related` with the images that the HTML shows, `mixed` with attachments.
    fn body(&self, surprise: &str) -> MimePart<'_> {
        let parts = vec![MimePart::new("text/plain", self.rendered.text.as_str()), html(self.rendered)];
        let content_type = |name: &'static str, mark: char| {
            // None of them begins like another one: not every reader compares whole lines.
            ContentType::new(name).attribute("boundary", format!("={mark}{surprise}"))
        };
        let mut body = MimePart::new(content_type("multipart/alternative", '_'), parts);
        let (inline, attached): (Vec<_>, Vec<_>) = self.files.iter().partition(|file| file.inline);
        if !inline.is_empty() {
            let related = content_type("multipart/related", 'r').attribute("type", "multipart/alternative");
            body = MimePart::new(
                related,
                [body].into_iter().chain(inline.into_iter().map(part)).collect::<Vec<_>>(),
            );
        }
        if !attached.is_empty() {
            let mixed = content_type("multipart/mixed", 'm');
            body = MimePart::new(
                mixed,
                [body].into_iter().chain(attached.into_iter().map(part)).collect::<Vec<_>>(),
            );
        }
        body
    }
}

fn part(file: &EncodedFile) -> MimePart<'_> {
    let disposition = if file.inline { "inline" } else { "attachment" };
    let part = MimePart::new(file.content_type.as_str(), file.body.as_slice())
        .header(
            "Content-Disposition",
            ContentType::new(disposition).attribute("filename", file.name.as_str()),
        )
        .transfer_encoding("base64");
    if file.inline { part.cid(content_id(&file.name)) } else { part }
}

/// As it was encoded with what the template says itself, or as the library finds shortest, which looks for it longer than the encoding takes.
fn html(rendered: &Rendered) -> MimePart<'_> {
    let Some(quoted) = &rendered.quoted_html else {
        return MimePart::new("text/html", rendered.html.as_str());
    };
    MimePart::new(ContentType::new("text/html").attribute("charset", "utf-8"), quoted.as_slice())
        .transfer_encoding("quoted-printable")
}

#[cfg(test)]
mod tests {
    use mail_parser::{MessageParser, MimeHeaders};
    use time::macros::datetime;

    use super::*;
    use crate::{AddressKey, Links, TemplateFile, quoted::Constants};

    fn rendered() -> Rendered {
        of_html(&format!("<p>ä</p>{}\n.\n--=_fixed\n", "long ".repeat(400)))
    }

    fn of_html(html: &str) -> Rendered {
        Rendered {
            subject: "Grüße aus Köln".to_owned(),
            html: html.to_owned(),
            text: "Hello\nWorld \n".to_owned(),
            unsubscribe_url: format!("https://m.example/u/{}", "x".repeat(80)),
            quoted_html: Constants::default().encode(html, &[]),
        }
    }

    fn sender(name: &str) -> Sender {
        Sender {
            name: name.to_owned(),
            address: Address::parse("News@Müller.example").unwrap(),
            reply_to: None,
        }
    }

    fn build(sender: &Sender, rendered: &Rendered) -> Vec<u8> {
        let recipient = Address::parse("Anna.Muster@example.com").unwrap();
        let mail = MailRef { tenant: TenantId(1), campaign: CampaignId(2), mail: MailId(3) };
        let now = datetime!(2026-11-23 18:00 UTC);
        Outgoing { mail, sender, recipient: &recipient, rendered, unsubscribe_mailto: None, files: &[], now }
            .build_with("fixed", &RelayProfile::Postfix)
    }

    #[test]
    fn headers_are_as_the_receivers_want_them() {
        let message = build(&sender("Müller, Köln"), &rendered());
        let text = String::from_utf8(message).unwrap();
        let (headers, _) = text.split_once("\r\n\r\n").unwrap();
        let long_url = format!("List-Unsubscribe: <https://m.example/u/{}>", "x".repeat(80));
        for line in [
            "From: =?utf-8?B?TcO8bGxlciwgS8O2bG4=?= <News@xn--mller-kva.example>",
            "To: <Anna.Muster@example.com>",
            "Subject: =?utf-8?B?R3LDvMOfZSBhdXMgS8O2bG4=?=",
            "Date: Mon, 23 Nov 2026 18:00:00 +0000",
            "Message-ID: <m3.2.1@xn--mller-kva.example>",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
            "Feedback-ID: 2:1:campaign:broadcast",
            "MIME-Version: 1.0",
            "Content-Type: multipart/alternative; boundary=\"=_fixed\"",
        ] {
            assert!(headers.lines().any(|found| found == line), "{line}\n{headers}");
        }
        assert!(headers.replace("\r\n ", " ").contains(&long_url), "{headers}");
    }

    #[test]
    fn the_body_is_read_back_and_safe_for_smtp() {
        let message = build(&sender(""), &rendered());
        assert!(message.ends_with(b"--=_fixed--"));
        for line in message.split(|byte| *byte == b'\n') {
            assert!(line.len() <= 998, "{} octets", line.len());
        }
        let bare = message.windows(2).filter(|pair| (pair[0] == b'\r') != (pair[1] == b'\n')).count();
        assert_eq!(bare, 0, "bare CR or LF");
        assert!(message.is_ascii());
        let parsed = MessageParser::new().parse(&message).unwrap();
        assert_eq!(parsed.subject(), Some("Grüße aus Köln"));
        assert_eq!(parsed.body_text(0).unwrap().replace("\r\n", "\n"), rendered().text);
        assert_eq!(parsed.body_html(0).unwrap().replace("\r\n", "\n"), rendered().html);
        assert_eq!(parsed.parts.len(), 3);
        assert_eq!(parsed.parts[1].content_type().unwrap().attribute("charset"), Some("utf-8"));
    }

    #[test]
    fn every_html_is_read_back() {
        for (html, encoding) in [
            ("", "quoted-printable"),
            ("<p>a=b \t\n.\n--=_fixed\n \n</p>  ", "quoted-printable"),
            (&"<p class=\"x\">Viele Grüße aus Köln an alle</p>\n".repeat(300), "quoted-printable"),
            (&"Привет ".repeat(300), "base64"),
        ] {
            let message = build(&sender(""), &of_html(html));
            let parsed = MessageParser::new().parse(&message).unwrap();
            assert_eq!(parsed.body_html(0).unwrap().replace("\r\n", "\n"), html);
            assert_eq!(parsed.parts[2].content_transfer_encoding(), Some(encoding), "{html:?}");
            assert_eq!(parsed.parts[2].content_type().unwrap().attribute("charset"), Some("utf-8"));
        }
    }

    #[test]
    fn files_stand_where_mail_programs_look_for_them() {
        let file = |name: &str, content_type: &str, inline| {
            let content = name.repeat(100).into_bytes();
            TemplateFile { name: name.to_owned(), content_type: content_type.to_owned(), content, inline }
                .encode()
        };
        let logo = file("logo.png", "image/png", true);
        let terms = file("terms.txt", "text/plain", false);
        let recipient = Address::parse("a@example.com").unwrap();
        let mail = MailRef { tenant: TenantId(1), campaign: CampaignId(2), mail: MailId(3) };
        let (rendered, sender, now) = (rendered(), sender(""), datetime!(2026-11-23 18:00 UTC));
        let table: [(&[EncodedFile], &[&str]); 3] = [
            (std::slice::from_ref(&logo), &["related", "alternative", "plain", "html", "png"]),
            (std::slice::from_ref(&terms), &["mixed", "alternative", "plain", "html", "plain"]),
            (
                &[terms.clone(), logo.clone()],
                &["mixed", "related", "alternative", "plain", "html", "png", "plain"],
            ),
        ];
        for (files, expected) in table {
            let outgoing = Outgoing {
                mail,
                sender: &sender,
                recipient: &recipient,
                rendered: &rendered,
                unsubscribe_mailto: None,
                files,
                now,
            };
            let message = outgoing.build();
            assert!(message.is_ascii() && message.split(|byte| *byte == b'\n').all(|line| line.len() <= 998));
            let parsed = MessageParser::new().parse(&message).unwrap();
            let types: Vec<_> =
                parsed.parts.iter().map(|part| part.content_type().unwrap().subtype().unwrap()).collect();
            assert_eq!(types, expected);
            assert_eq!(parsed.body_html(0).unwrap().replace("\r\n", "\n"), rendered.html);
            assert_eq!(parsed.attachment_count(), files.len());
            for part in parsed.attachments() {
                let name = part.attachment_name().unwrap();
                assert_eq!(part.contents(), name.repeat(100).as_bytes());
                let inline = part.content_disposition().unwrap().is_inline();
                assert_eq!(part.content_id(), inline.then_some("logo.png@files.invalid"));
            }
        }
    }

    #[test]
    fn fields_cannot_add_headers() {
        let mut rendered = rendered();
        rendered.subject = "Hi\r\nBcc: evil@b.example\r\n\r\nbody\u{85}\u{2028}\u{0}x".to_owned();
        let message = build(&sender("Evil\r\nBcc: evil@b.example\n"), &rendered);
        let parsed = MessageParser::new().parse(&message).unwrap();
        assert!(parsed.bcc().is_none());
        assert_eq!(parsed.subject(), Some("Hi Bcc: evil@b.example body x"));
        let names: Vec<&str> = parsed.headers().iter().map(mail_parser::Header::name).collect();
        assert_eq!(names.len(), 10, "{names:?}");
    }

    #[test]
    fn very_long_words_in_headers_are_folded() {
        let mut rendered = rendered();
        rendered.subject = "x".repeat(1000);
        let name = "y".repeat(990);
        for line in build(&sender(&name), &rendered).split(|byte| *byte == b'\n') {
            assert!(line.len() <= 998, "{} octets", line.len());
        }
    }

    #[test]
    fn a_recipient_beyond_ascii_stands_in_to_as_it_is() {
        let (rendered, sender) = (rendered(), sender(""));
        let long = "ü".repeat(32);
        for local in ["Mü.Ller", &long] {
            let text = format!("{local}@Müller.example");
            let recipient = Address::parse(&text).unwrap();
            let mail = MailRef { tenant: TenantId(1), campaign: CampaignId(2), mail: MailId(3) };
            let now = datetime!(2026-11-23 18:00 UTC);
            let outgoing = Outgoing {
                mail,
                sender: &sender,
                recipient: &recipient,
                rendered: &rendered,
                unsubscribe_mailto: None,
                files: &[],
                now,
            };
            let message = String::from_utf8(outgoing.build()).unwrap();
            let to = format!("To: <{local}@xn--mller-kva.example>\r\n");
            let unfolded = message.replace("\r\n ", " ");
            assert!(unfolded.contains(&to), "{message}");
            assert!(unfolded.replace(&to, "").is_ascii());
        }
    }

    #[test]
    fn who_unsubscribes_may_do_so_by_mail_where_the_relay_brings_it() {
        let (mut rendered, sender) = (rendered(), sender(""));
        let key = [7; 32];
        let (tenant, campaign, mail) = (TenantId(16_383), CampaignId(99_999_999), MailId(99_999_999));
        let links = Links::new("https://m.example", "bounces.example", tenant, campaign, 1, &key).unwrap();
        // As long as both can be.
        let links = links.with_imprint(&"ß".repeat(100), &"x".repeat(35));
        rendered.unsubscribe_url = links.unsubscribe(mail, AddressKey([0xff; 16]));
        let mailto = links.unsubscribe_mailto(mail, AddressKey([0xff; 16])).unwrap();
        let recipient = Address::parse("a@example.com").unwrap();
        let outgoing = Outgoing {
            mail: MailRef { tenant, campaign, mail },
            sender: &sender,
            recipient: &recipient,
            rendered: &rendered,
            unsubscribe_mailto: Some(&mailto),
            files: &[],
            now: datetime!(2026-11-23 18:00 UTC),
        };
        let url = &rendered.unsubscribe_url;
        let both = format!("List-Unsubscribe: <{url}>, <{mailto}>");
        let alone = format!("List-Unsubscribe: <{url}>");
        let ses = RelayProfile::Ses { configuration_set: None };
        for (relay, expected) in [(RelayProfile::Postfix, both), (ses, alone)] {
            let message = String::from_utf8(outgoing.build_for(&relay)).unwrap();
            assert!(message.lines().all(|line| line.len() < 600), "{message}");
            let unfolded = message.replace("\r\n ", " ");
            let line = unfolded.lines().find(|line| line.starts_with("List-Unsubscribe: ")).unwrap();
            assert_eq!(line.split_ascii_whitespace().collect::<Vec<_>>().join(" "), expected);
        }
    }

    #[test]
    fn boundaries_differ() {
        let (rendered, sender) = (rendered(), sender(""));
        let recipient = Address::parse("a@example.com").unwrap();
        let mail = MailRef { tenant: TenantId(1), campaign: CampaignId(2), mail: MailId(3) };
        let now = datetime!(2026-11-23 18:00 UTC);
        let outgoing = Outgoing {
            mail,
            sender: &sender,
            recipient: &recipient,
            rendered: &rendered,
            unsubscribe_mailto: None,
            files: &[],
            now,
        };
        assert_ne!(outgoing.build(), outgoing.build());
        assert_eq!(format!("{outgoing:?}").matches("example.com").count(), 0);
    }
}
