## Anmeldung.
login-title = Anmelden
login-email = E-Mail-Adresse
login-password = Passwort
login-submit = Anmelden
login-forgotten = Ich habe kein Passwort oder habe es vergessen
login-wrong = Die E-Mail-Adresse oder das Passwort ist falsch.
login-said-failed = Das war der letzte Versuch. Bitte melden Sie sich neu an.
login-said-ended = Die Anmeldung hat zu lange gedauert oder ist beendet. Bitte melden Sie sich neu an.
login-said-password = Ihr Passwort ist gesetzt. Sie können sich jetzt damit anmelden.
login-said-out = Sie sind abgemeldet.
login-limit-title = Zu viele Versuche
login-limit-text = { $minutes ->
    [one] Bitte versuchen Sie es in einer Minute wieder.
   *[other] Bitte versuchen Sie es in { $minutes } Minuten wieder.
}
text-limit-title = Zu viele Codes
text-limit-text = { $minutes ->
    [one] Wir haben schon mehrere Codes geschickt. In einer Minute können Sie einen weiteren anfordern.
   *[other] Wir haben schon mehrere Codes geschickt. In { $minutes } Minuten können Sie einen weiteren anfordern.
}
text-day-title = Heute keine SMS mehr
text-day-text = { $minutes ->
    [one] Ihre Organisation hat ihre SMS für heute verbraucht. In einer Minute gibt es neue.
   *[other] Ihre Organisation hat ihre SMS für heute verbraucht. In { $minutes } Minuten gibt es neue. Ein Betreiber kann die Grenze erhöhen.
}

## Das Telefon.
phone-title = Ihr Mobiltelefon
phone-why = Von jetzt an melden Sie sich mit Ihrem Passwort und einem Code an, den wir an Ihr Mobiltelefon schicken. Für etwas anderes verwenden wir die Nummer nicht. SMS können abgefangen werden oder an eine Nummer gehen, die jemand übernommen hat: Geben Sie nie einen Code weiter, und verwenden Sie eine Authenticator-App, wenn Ihre Organisation das erlaubt.
phone-label = Mobilnummer
phone-hint = Mit der Vorwahl des Landes, zum Beispiel +49 1512 3456789.
phone-submit = Code schicken
phone-malformed = Das ist keine Telefonnummer. Bitte geben Sie sie mit der Vorwahl des Landes ein, zum Beispiel +49.
phone-not-mobile = Das ist keine Mobilnummer. Codes können nur an Mobiltelefone geschickt werden.
phone-country = An Nummern dieses Landes schicken wir keine Codes. Ein Betreiber kann es für Ihre Organisation erlauben.

## Der Code.
code-title = Code eingeben
code-sent = Wir haben einen Code an Ihr Telefon geschickt, dessen Nummer auf { $ends } endet. Er gilt fünf Minuten.
code-app = Ihre Authenticator-App zeigt einen Code.
code-label = Code aus sechs Ziffern
code-submit = Anmelden
code-again = Neuen Code schicken
code-text-instead = Stattdessen eine SMS schicken
code-other-phone = Das ist nicht meine Nummer
code-recovery = Ich habe mein Telefon nicht
code-malformed = Der Code hat sechs Ziffern.
code-wrong = Das ist nicht der Code.
code-wrong-over = Das ist nicht der Code, und der richtige gilt nicht mehr. Sie können sich einen neuen schicken lassen.
code-wrong-left = { $minutes ->
    [one] Das ist nicht der Code. Der richtige gilt noch weniger als eine Minute.
   *[other] Das ist nicht der Code. Der richtige gilt noch weniger als { $minutes } Minuten.
}
code-expired = Dieser Code gilt nicht mehr. Sie können sich einen neuen schicken lassen.
code-text = { $code } ist Ihr Code für Broadcast. Er gilt fünf Minuten. Niemand von uns fragt Sie je danach.

## Wiederherstellungscodes.
recovery-title = Wiederherstellungscode eingeben
recovery-why = Wiederherstellungscodes haben Sie sich notiert, als Sie sie erzeugt haben. Jeder gilt für eine Anmeldung.
recovery-label = Wiederherstellungscode
recovery-back = Zurück zum Code des Telefons

## Passwort wählen.
forgotten-title = Passwort wählen
forgotten-why = Wir schicken Ihnen eine E-Mail mit einem Link, über den Sie ein Passwort wählen.
forgotten-submit = Link schicken
link-mailed-title = Sehen Sie in Ihr Postfach
link-mailed-text = Wenn es ein Konto mit dieser Adresse gibt, ist eine E-Mail mit einem Link unterwegs. Der Link gilt eine Stunde.
link-limit-title = Zu viele Links
link-limit-text = { $minutes ->
    [one] Bitte versuchen Sie es in einer Minute wieder.
   *[other] Bitte versuchen Sie es in { $minutes } Minuten wieder.
}
link-over-title = Dieser Link gilt nicht mehr
link-over-text = Er wurde schon benutzt, oder seine Zeit ist um. Auf der Seite für die Anmeldung können Sie sich einen neuen schicken lassen.
choose-title = Passwort wählen
choose-label = Neues Passwort
choose-hint = Mindestens 12 Zeichen. Lang ist besser als kompliziert.
choose-submit = Passwort setzen
choose-length = Das Passwort muss 12 bis 256 Zeichen haben.
choose-easy = Dieses Passwort ist leicht zu erraten: Es ist verbreitet oder besteht aus dem, was man von Ihnen wissen kann. Bitte wählen Sie ein anderes.

## Das eigene Konto.
account-title = Ihr Konto
account-role = Rolle
account-tenant = Organisation
role-operator = Betreiber
role-admin = Administrator
role-manager = Kampagnenmanager
role-viewer = Betrachter
settings-title = Wie Sie lesen
settings-language = Sprache
settings-zone = Zeitzone
settings-submit = Speichern
language-name = Deutsch
change-title = Anderes Passwort
change-current = Aktuelles Passwort
change-hint = Überall sonst werden Sie abgemeldet.
change-wrong = Das aktuelle Passwort ist falsch. Es wurde nichts geändert.
sessions-title = Wo Sie angemeldet sind
sessions-browser = Browser
sessions-source = Adresse
sessions-begun = Seit
sessions-seen = Zuletzt benutzt
sessions-this = Dieser Browser
sessions-end = Abmelden
sessions-all-others = Alle anderen
sessions-end-one = Abmelden: { $browser }

## Der zweite Faktor.
factors-title = Ihr Telefon und was an seine Stelle tritt
factors-phone = Codes gehen an Ihr Telefon, dessen Nummer auf { $ends } endet.
factors-no-phone = Sie haben kein Telefon registriert.
factors-new-phone = Neue Mobilnummer
phone-change = Dieses Telefon verwenden
app-title = Authenticator-App
app-instead = Statt der SMS: sicherer, und auch ohne Netz.
app-how = Fotografieren Sie das Bild mit Ihrer Authenticator-App und geben Sie dann den Code ein, den die App zeigt.
app-picture = Ein Bild mit dem Geheimnis Ihres Kontos, für Ihre Authenticator-App
app-secret = Oder geben Sie dieses Geheimnis ein:
app-submit = Einrichten
app-is-there = Ihre Authenticator-App ist eingerichtet. Ihre Codes gelten für Anmeldungen.
app-end = App entfernen
recovery-make-title = Wiederherstellungscodes
recovery-left = { $count ->
    [0] Sie haben keine. Mit einem melden Sie sich an, wenn Sie Ihr Telefon nicht haben.
    [one] Sie haben noch einen.
   *[other] Sie haben noch { $count }.
}
recovery-make = Neue erzeugen
recovery-phone-first = Registrieren Sie zuerst ein Telefon.
recovery-new-title = Ihre Wiederherstellungscodes
recovery-new-how = Notieren Sie sie: Sie werden nur dieses Mal gezeigt. Jeder gilt für eine Anmeldung. Ältere gelten nicht mehr.

## Personen.
users-title = Personen
users-email = E-Mail-Adresse
users-role = Rolle
users-state = Zustand
users-phone = Telefon
users-login = Letzte Anmeldung
users-do = Ändern
users-is-disabled = Ausgeschlossen
users-is-locked = Eine Weile gesperrt
users-is-invited = Eingeladen
users-is-active = Aktiv
users-phone-ends = endet auf { $ends }
users-self = Das sind Sie
users-role-of = Rolle von { $email }
users-enable = Zulassen
users-disable = Ausschließen
users-unlock = Entsperren
users-end-sessions = Sitzungen beenden
users-reset-phone = Telefon zurücksetzen
users-invite = Jemanden einladen
users-malformed = Bitte geben Sie eine E-Mail-Adresse ohne Buchstaben außerhalb von ASCII ein und wählen Sie eine Rolle.
users-taken = Diese Adresse kann nicht eingeladen werden: Sie gehört schon zu einem Konto.
users-not-yourself = Ihre eigenen Rechte können Sie nicht ändern. Das muss jemand anderes tun.
