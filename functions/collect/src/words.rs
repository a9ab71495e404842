//! What the pages say, in each language that they have.

/// The words of one language. `{from}` becomes `from` with the sender's name behind it, or `from_unnamed`.
#[derive(Debug)]
pub(crate) struct Words {
    /// BCP 47, without a country.
    pub tag: &'static str,
    pub from: &'static str,
    pub from_unnamed: &'static str,
    /// Heading and button of the page that asks.
    pub unsubscribe: &'static str,
    pub question: &'static str,
    pub done: &'static str,
    pub done_text: &'static str,
    pub unavailable: &'static str,
    pub unavailable_text: &'static str,
}

/// English, which is the last resort, comes first.
pub(crate) static ALL: [Words; 11] = [
    Words {
        tag: "en",
        from: "from",
        from_unnamed: "from this sender",
        unsubscribe: "Unsubscribe",
        question: "Do you want to receive no more e-mail {from}?",
        done: "Unsubscribed",
        done_text: "You will receive no more e-mail {from}.",
        unavailable: "Not possible at the moment",
        unavailable_text: "You are not unsubscribed yet. Please try again in a minute.",
    },
    Words {
        tag: "de",
        from: "von",
        from_unnamed: "von diesem Absender",
        unsubscribe: "Abmelden",
        question: "Möchten Sie keine E-Mails mehr {from} erhalten?",
        done: "Abgemeldet",
        done_text: "Sie erhalten keine E-Mails mehr {from}.",
        unavailable: "Im Moment nicht möglich",
        unavailable_text: "Sie sind noch nicht abgemeldet. Bitte versuchen Sie es in einer Minute noch einmal.",
    },
    Words {
        tag: "fr",
        from: "de la part de",
        from_unnamed: "de la part de cet expéditeur",
        unsubscribe: "Se désabonner",
        question: "Souhaitez-vous ne plus recevoir d’e-mails {from} ?",
        done: "Désabonnement effectué",
        done_text: "Vous ne recevrez plus d’e-mails {from}.",
        unavailable: "Impossible pour le moment",
        unavailable_text: "Votre désabonnement n’a pas encore été pris en compte. Veuillez réessayer dans une minute.",
    },
    Words {
        tag: "es",
        from: "de",
        from_unnamed: "de este remitente",
        unsubscribe: "Darse de baja",
        question: "¿Desea dejar de recibir correos electrónicos {from}?",
        done: "Baja realizada",
        done_text: "No recibirá más correos electrónicos {from}.",
        unavailable: "No es posible en este momento",
        unavailable_text: "La baja todavía no se ha realizado. Inténtelo de nuevo dentro de un minuto.",
    },
    Words {
        tag: "it",
        from: "da",
        from_unnamed: "da questo mittente",
        unsubscribe: "Annulla l’iscrizione",
        question: "Desidera non ricevere più e-mail {from}?",
        done: "Iscrizione annullata",
        done_text: "Non riceverà più e-mail {from}.",
        unavailable: "Al momento non è possibile",
        unavailable_text: "La Sua iscrizione non è ancora stata annullata. Riprovi tra un minuto.",
    },
    Words {
        tag: "nl",
        from: "van",
        from_unnamed: "van deze afzender",
        unsubscribe: "Afmelden",
        question: "Wilt u geen e-mails meer ontvangen {from}?",
        done: "Afgemeld",
        done_text: "U ontvangt geen e-mails meer {from}.",
        unavailable: "Op dit moment niet mogelijk",
        unavailable_text: "U bent nog niet afgemeld. Probeer het over een minuut opnieuw.",
    },
    Words {
        tag: "pl",
        from: "od nadawcy",
        from_unnamed: "od tego nadawcy",
        unsubscribe: "Wypisz się",
        question: "Czy nie chcesz już otrzymywać wiadomości e-mail {from}?",
        done: "Wypisano",
        done_text: "Nie będziesz już otrzymywać wiadomości e-mail {from}.",
        unavailable: "Obecnie nie jest to możliwe",
        unavailable_text: "Jeszcze nie udało się Ciebie wypisać. Spróbuj ponownie za minutę.",
    },
    Words {
        tag: "pt",
        from: "de",
        from_unnamed: "deste remetente",
        unsubscribe: "Cancelar subscrição",
        question: "Deseja deixar de receber e-mails {from}?",
        done: "Subscrição cancelada",
        done_text: "Não receberá mais e-mails {from}.",
        unavailable: "Não é possível de momento",
        unavailable_text: "A sua subscrição ainda não foi cancelada. Tente novamente dentro de um minuto.",
    },
    Words {
        tag: "cs",
        from: "od odesílatele",
        from_unnamed: "od tohoto odesílatele",
        unsubscribe: "Odhlásit odběr",
        question: "Nechcete už dostávat e-maily {from}?",
        done: "Odběr odhlášen",
        done_text: "Už nebudete dostávat e-maily {from}.",
        unavailable: "Momentálně to není možné",
        unavailable_text: "Odběr ještě není odhlášen. Zkuste to prosím znovu za minutu.",
    },
    Words {
        tag: "da",
        from: "fra",
        from_unnamed: "fra denne afsender",
        unsubscribe: "Afmeld",
        question: "Vil du ikke længere modtage e-mails {from}?",
        done: "Afmeldt",
        done_text: "Du modtager ikke flere e-mails {from}.",
        unavailable: "Ikke muligt i øjeblikket",
        unavailable_text: "Du er endnu ikke afmeldt. Prøv igen om et minut.",
    },
    Words {
        tag: "sv",
        from: "från",
        from_unnamed: "från denna avsändare",
        unsubscribe: "Avregistrera",
        question: "Vill du inte längre få e-post {from}?",
        done: "Avregistrerad",
        done_text: "Du får ingen mer e-post {from}.",
        unavailable: "Inte möjligt just nu",
        unavailable_text: "Du är ännu inte avregistrerad. Försök igen om en minut.",
    },
];

/// The best liked language of `Accept-Language` (RFC 9110, 12.5.4) that the pages have; without one the mail's; else English.
pub(crate) fn choose(accepted: &str, mail_language: &str) -> &'static Words {
    let mut best: Option<(f32, &'static Words)> = None;
    for range in accepted.split(',').take(ACCEPTED_MAX) {
        let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
        let weight =
            parameters.trim().strip_prefix("q=").map_or(Some(1.0), |weight| weight.trim().parse().ok());
        let weight: f32 = weight.unwrap_or(0.0);
        if let Some(words) = of(tag.trim())
            && weight > best.map_or(0.0, |(best, _)| best)
        {
            best = Some((weight, words));
        }
    }
    best.map(|(_, words)| words).or_else(|| of(mail_language)).unwrap_or(&ALL[0])
}

/// Of `Accept-Language`. Browsers send a handful.
const ACCEPTED_MAX: usize = 50;

fn of(tag: &str) -> Option<&'static Words> {
    let primary = tag.split('-').next().unwrap_or_default();
    ALL.iter().find(|words| words.tag.eq_ignore_ascii_case(primary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readers_language_comes_first_and_the_mails_second() {
        let table = [
            ("", "", "en"),
            ("", "de-AT", "de"),
            ("de", "fr", "de"),
            ("de-AT,de;q=0.9,en;q=0.8", "en", "de"),
            ("en-US,en;q=0.9,de;q=0.8", "de", "en"),
            ("fi, de;q=0.3, en;q=0.7", "fr", "en"),
            ("fi, DE;q=0.7, en;q=0.3", "en", "de"),
            ("pt-BR, es;q=0.9", "en", "pt"),
            ("fi, hu;q=0.9", "nl", "nl"),
            ("fi", "hu", "en"),
            ("de;q=0", "pl", "pl"),
            ("de;q=x, *", "it", "it"),
            ("de;q=nan", "", "en"),
            (";;,,=", "", "en"),
        ];
        for (accepted, mail, tag) in table {
            assert_eq!(choose(accepted, mail).tag, tag, "{accepted} {mail}");
        }
    }

    #[test]
    fn every_language_says_everything() {
        for words in &ALL {
            let Words { tag, from, from_unnamed, unsubscribe, question, done, done_text, .. } = words;
            let all = [from, from_unnamed, unsubscribe, done, words.unavailable, words.unavailable_text];
            assert!(all.iter().all(|text| !text.is_empty() && !text.contains(['{', '<', '&', '"'])), "{tag}");
            for text in [question, done_text] {
                assert_eq!(text.matches("{from}").count(), 1, "{tag}: {text}");
            }
            assert_eq!(of(tag).unwrap().tag, *tag);
        }
    }
}
