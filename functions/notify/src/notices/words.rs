//! What mails to users say, in the user's language. `{link}`, `{when}`, `{where}` and `{of}` take their places.

use jiff::{Timestamp, tz::TimeZone};
use time::OffsetDateTime;

/// What a mail is about.
pub(super) struct Words {
    pub(super) kind: String,
    pub(super) language: String,
    pub(super) zone: String,
    pub(super) at: OffsetDateTime,
    pub(super) source: Option<String>,
    pub(super) browser: Option<String>,
    pub(super) tenant: Option<String>,
}

/// Kind, subject and text in English, subject and text in German. Kinds are those of the table.
const TEXTS: &[(&str, [&str; 2], [&str; 2])] = &[
    (
        "invitation",
        [
            "Your account at Broadcast",
            "There is an account for you at Broadcast{of}. Choose a password within three days:\n\n{link}\n\nAt the first login you register your mobile phone, which then gets a code for each login.",
        ],
        [
            "Ihr Konto bei Broadcast",
            "Für Sie gibt es ein Konto bei Broadcast{of}. Wählen Sie innerhalb von drei Tagen ein Passwort:\n\n{link}\n\nBei der ersten Anmeldung registrieren Sie Ihr Mobiltelefon, das dann für jede Anmeldung einen Code bekommt.",
        ],
    ),
    (
        "password_link",
        [
            "Choose a password for Broadcast",
            "Somebody asked for a link to choose a password for your account at Broadcast ({when}{where}). It is valid for one hour, and once:\n\n{link}\n\nIf that was not you, do nothing: your password stays as it is.",
        ],
        [
            "Passwort für Broadcast wählen",
            "Jemand hat einen Link angefordert, um ein Passwort für Ihr Konto bei Broadcast zu wählen ({when}{where}). Er gilt eine Stunde und einmal:\n\n{link}\n\nWenn Sie das nicht waren, tun Sie nichts: Ihr Passwort bleibt, wie es ist.",
        ],
    ),
    (
        "password_changed",
        [
            "Your password was changed",
            "The password of your account at Broadcast was changed ({when}{where}).",
        ],
        [
            "Ihr Passwort wurde geändert",
            "Das Passwort Ihres Kontos bei Broadcast wurde geändert ({when}{where}).",
        ],
    ),
    (
        "new_phone",
        [
            "A phone was registered",
            "A mobile phone was registered for your account at Broadcast ({when}{where}). Codes go there from now on.",
        ],
        [
            "Ein Telefon wurde registriert",
            "Für Ihr Konto bei Broadcast wurde ein Mobiltelefon registriert ({when}{where}). Codes gehen von jetzt an dorthin.",
        ],
    ),
    (
        "phone_reset",
        [
            "Your phone was reset",
            "An administrator has reset the phone of your account at Broadcast ({when}). An authenticator app and passkeys were removed with it. At your next login you register a phone again.",
        ],
        [
            "Ihr Telefon wurde zurückgesetzt",
            "Ein Administrator hat das Telefon Ihres Kontos bei Broadcast zurückgesetzt ({when}). Eine Authenticator-App und Passkeys wurden mit ihm entfernt. Bei Ihrer nächsten Anmeldung registrieren Sie wieder ein Telefon.",
        ],
    ),
    (
        "new_totp",
        [
            "An authenticator app was set up",
            "An authenticator app was set up for your account at Broadcast ({when}{where}). Its codes are good for logins from now on.",
        ],
        [
            "Eine Authenticator-App wurde eingerichtet",
            "Für Ihr Konto bei Broadcast wurde eine Authenticator-App eingerichtet ({when}{where}). Ihre Codes gelten von jetzt an für Anmeldungen.",
        ],
    ),
    (
        "totp_ended",
        [
            "Your authenticator app was removed",
            "The authenticator app of your account at Broadcast was removed ({when}{where}). Codes come as texts again.",
        ],
        [
            "Ihre Authenticator-App wurde entfernt",
            "Die Authenticator-App Ihres Kontos bei Broadcast wurde entfernt ({when}{where}). Codes kommen wieder per SMS.",
        ],
    ),
    (
        "new_passkey",
        [
            "A passkey was added",
            "A passkey was added to your account at Broadcast ({when}{where}). It is good for logins from now on, beside your password.",
        ],
        [
            "Ein Passkey wurde hinzugefügt",
            "Ihrem Konto bei Broadcast wurde ein Passkey hinzugefügt ({when}{where}). Er gilt von jetzt an für Anmeldungen, neben Ihrem Passwort.",
        ],
    ),
    (
        "passkey_removed",
        [
            "A passkey was removed",
            "A passkey of your account at Broadcast was removed ({when}{where}). It is no longer good for logins.",
        ],
        [
            "Ein Passkey wurde entfernt",
            "Ein Passkey Ihres Kontos bei Broadcast wurde entfernt ({when}{where}). Er gilt nicht mehr für Anmeldungen.",
        ],
    ),
    (
        "new_recovery_codes",
        [
            "New recovery codes",
            "New recovery codes were made for your account at Broadcast ({when}{where}). Older ones are no longer valid.",
        ],
        [
            "Neue Wiederherstellungscodes",
            "Für Ihr Konto bei Broadcast wurden neue Wiederherstellungscodes erzeugt ({when}{where}). Ältere gelten nicht mehr.",
        ],
    ),
    (
        "recovery_code_used",
        [
            "A recovery code was used",
            "Somebody logged in to your account at Broadcast with a recovery code ({when}{where}). It is used up.",
        ],
        [
            "Ein Wiederherstellungscode wurde benutzt",
            "Jemand hat sich mit einem Wiederherstellungscode bei Ihrem Konto bei Broadcast angemeldet ({when}{where}). Er ist verbraucht.",
        ],
    ),
    (
        "locked",
        [
            "Your account is locked for a while",
            "There were too many wrong passwords or codes for your account at Broadcast ({when}{where}). It is locked for some time and opens by itself then.",
        ],
        [
            "Ihr Konto ist für eine Weile gesperrt",
            "Für Ihr Konto bei Broadcast gab es zu viele falsche Passwörter oder Codes ({when}{where}). Es ist für einige Zeit gesperrt und öffnet sich dann von selbst.",
        ],
    ),
    (
        "new_login",
        [
            "A login from a new place",
            "Somebody logged in to your account at Broadcast with a browser or from a network that we have not seen with you ({when}{where}).",
        ],
        [
            "Eine Anmeldung von einem neuen Ort",
            "Jemand hat sich mit einem Browser oder aus einem Netz bei Ihrem Konto bei Broadcast angemeldet, das wir von Ihnen noch nicht kennen ({when}{where}).",
        ],
    ),
];

/// Behind what happened.
const ADVICE: [&str; 2] = [
    "If that was you, there is nothing to do. If not, change your password at once, and tell your administrator:",
    "Wenn Sie das waren, ist nichts zu tun. Wenn nicht, ändern Sie sofort Ihr Passwort und sagen Sie es Ihrem Administrator:",
];

impl Words {
    fn pair(&self) -> [&'static str; 2] {
        let found = TEXTS.iter().find(|(kind, ..)| *kind == self.kind);
        // The table of the database has no other kinds.
        let (_, english, german) = found.unwrap_or(&TEXTS[0]);
        if self.is_german() { *german } else { *english }
    }

    fn is_german(&self) -> bool {
        self.language == "de"
    }

    pub(super) fn subject(&self) -> &'static str {
        self.pair()[0]
    }

    /// The text: it has a link of its own, or one to the account behind an advice.
    pub(super) fn text(&self, link: &str) -> String {
        let [_, text] = self.pair();
        let place: Vec<&str> =
            [&self.source, &self.browser].into_iter().flatten().map(String::as_str).collect();
        let place = if place.is_empty() { String::new() } else { format!(", {}", place.join(", ")) };
        // The tenant's name has come from an operator; what a stranger can write goes through no placeholder's text.
        let of = self.tenant.as_ref().map_or_else(String::new, |tenant| {
            if self.is_german() { format!(" für {tenant}") } else { format!(" for {tenant}") }
        });
        let said = text.replace("{when}", &self.when()).replace("{where}", &place).replace("{of}", &of);
        if text.contains("{link}") {
            return format!("{}\n", said.replace("{link}", link));
        }
        format!("{said}\n\n{}\n\n{link}\n", ADVICE[usize::from(self.is_german())])
    }

    /// In the user's own zone.
    fn when(&self) -> String {
        let zone = TimeZone::get(&self.zone).unwrap_or(TimeZone::UTC);
        let at = Timestamp::from_second(self.at.unix_timestamp()).unwrap_or_default().to_zoned_datetime(zone);
        at.strftime(if self.is_german() { "%d.%m.%Y, %H:%M Uhr" } else { "%Y-%m-%d %H:%M %Z" }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn words(kind: &str, language: &str) -> Words {
        Words {
            kind: kind.to_owned(),
            language: language.to_owned(),
            zone: "Europe/Berlin".to_owned(),
            at: datetime!(2026-12-01 12:00 UTC),
            source: Some("192.0.2.7".to_owned()),
            browser: Some("Firefox, Linux".to_owned()),
            tenant: Some("Acme".to_owned()),
        }
    }

    #[test]
    fn every_kind_says_what_happened_and_where_to_go() {
        for (kind, ..) in TEXTS {
            for language in ["en", "de"] {
                let text = words(kind, language).text("https://console.example/x");
                assert!(text.contains("https://console.example/x"), "{kind}");
                assert!(!text.contains(['{', '}']), "{kind}: {text}");
                assert_eq!(text.contains("13:00"), *kind != "invitation", "{kind}: {text}");
            }
            assert_ne!(words(kind, "en").subject(), words(kind, "de").subject());
        }
        assert!(words("invitation", "de").text("l").contains("bei Broadcast für Acme."));
        assert!(
            words("locked", "en").text("l").contains("(2026-12-01 13:00 CET, 192.0.2.7, Firefox, Linux)")
        );
    }

    /// The migration's kinds are these.
    #[test]
    fn every_kind_of_the_table_has_its_words() {
        let migration = include_str!("../../../../shared/store/migrations/0031_passkeys.sql");
        let (_, kinds) = migration.split_once("CHECK (kind IN (").unwrap();
        let kinds: Vec<&str> = kinds.split("))").next().unwrap().split('\'').skip(1).step_by(2).collect();
        let known: Vec<&str> = TEXTS.iter().map(|(kind, ..)| *kind).collect();
        let (mut kinds, mut known) = (kinds, known);
        kinds.sort_unstable();
        known.sort_unstable();
        assert_eq!(kinds, known);
    }
}
