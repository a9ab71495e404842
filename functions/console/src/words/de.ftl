# Die ganze Konsole.
console-name = Broadcast
skip-to-content = Zum Inhalt springen

## Um jede Seite herum.
sections = Bereiche
section-campaigns = Kampagnen
section-imports = Importe
section-files = Dateiaustausch
section-recipients = Empfänger
section-retention = Aufbewahrung
section-users = Benutzer
section-api-keys = API-Schlüssel
section-audit = Protokoll
section-tenants = Mandanten
section-queues = Warteschlangen
section-errors = Fehler
section-lifecycles = Löschregeln
account-of = Angemeldet als
account-settings = Ihr Konto
account-sessions = Ihre Sitzungen
account-logout = Abmelden
times-in-zone = Zeiten in der Zeitzone { $zone }.
way-here = Der Weg zu dieser Seite
pages = Seiten
pages-newer = Neuere
pages-older = Ältere

## Teile von Seiten.
cancel = Abbrechen
copy = Kopieren
copied = Kopiert
form-problems =
    { $count ->
        [one] Bitte sehen Sie eine Angabe noch einmal an
       *[other] Bitte sehen Sie { $count } Angaben noch einmal an
    }
progress-of = { $done } von { $whole }
share = Anteil
funnel-stage = Stufe
funnel-people = Personen
funnel-of-before = Von der Stufe davor
funnel-of-all = Von allen
plot-numbers = Die Zahlen als Tabelle
plot-span = Von { $from } bis { $to }:
plot-empty = Noch nichts
plot-hour = Stunde

## Zeiten, wie lang oder fern sie sind.
now = gerade eben
in-minutes =
    { $count ->
        [one] in { $number } Minute
       *[other] in { $number } Minuten
    }
in-hours =
    { $count ->
        [one] in { $number } Stunde
       *[other] in { $number } Stunden
    }
in-days =
    { $count ->
        [one] in { $number } Tag
       *[other] in { $number } Tagen
    }
ago-minutes =
    { $count ->
        [one] vor { $number } Minute
       *[other] vor { $number } Minuten
    }
ago-hours =
    { $count ->
        [one] vor { $number } Stunde
       *[other] vor { $number } Stunden
    }
ago-days =
    { $count ->
        [one] vor { $number } Tag
       *[other] vor { $number } Tagen
    }
for-seconds =
    { $count ->
        [one] { $number } Sekunde
       *[other] { $number } Sekunden
    }
for-minutes =
    { $count ->
        [one] { $number } Minute
       *[other] { $number } Minuten
    }
for-hours =
    { $count ->
        [one] { $number } Stunde
       *[other] { $number } Stunden
    }
for-days =
    { $count ->
        [one] { $number } Tag
       *[other] { $number } Tage
    }

## Fehler.
not-found-title = Diese Seite gibt es nicht
not-found-text = Die Adresse ist vielleicht falsch geschrieben, oder was sie zeigte, ist gelöscht.
unavailable-title = Im Moment nicht möglich
unavailable-text = Bei uns ist etwas fehlgeschlagen. Von dem, was Sie eingegeben haben, wurde nichts geändert. Bitte versuchen Sie es in einer Minute noch einmal.

## Wörter vieler Seiten.
state = Stand
created = Angelegt
actions = Was getan werden kann
search = Suchen
version = Version
campaign = Kampagne
domain = Domain
role-may-not = Ihre Rolle darf dies ansehen, aber nicht ausführen.

## Kampagnen.
campaigns-new = Neue Kampagne
campaigns-make = Kampagne anlegen
campaigns-search = Name
campaigns-none-title = Noch keine Kampagnen
campaigns-none-text = Eine Kampagne hat Empfänger, eine Vorlage und ihre Aussendungen und wird mit allem am Ende ihrer Lebenszeit gelöscht.
campaigns-no-such = Keine Kampagne hat dies im Namen.
campaign-name = Name
campaign-name-hint = Bis zu 100 Zeichen, ohne Schrägstrich. Steuerdateien und Dateinamen verwenden ihn.
campaign-views = Seiten dieser Kampagne
view-overview = Überblick
view-responses = Reaktionen
view-imports = Importe
view-template = Vorlage
view-test-mails = Testmails
not-counted = Noch nicht gezählt
campaign-new = Neu
campaign-importing = Wird importiert
campaign-scheduled = Geplant
campaign-running = Wird versandt
campaign-paused = Angehalten
campaign-done = Versandt
campaign-failed = Fehlgeschlagen
campaign-cancelled = Abgebrochen
campaign-deleting = Wird gelöscht
campaign-deleted = Gelöscht
campaign-deleted-text = Die Daten dieser Kampagne sind gelöscht. Ihre Summen bleiben.
campaign-deleting-text = Die Daten dieser Kampagne werden gelöscht: Zuvor werden ihre letzten Reaktionen exportiert. Ihre Summen bleiben.
campaign-held-text = Ihr Betreiber bewahrt diese Kampagne über ihre Lebenszeit hinaus auf (rechtliche Aufbewahrung).
campaign-delete = Kampagne löschen
campaign-delete-title = Diese Kampagne löschen?
campaign-delete-text = Ihre Reaktionen werden ein letztes Mal exportiert, dann werden ihre Empfänger, Mails und Reaktionen innerhalb von Minuten endgültig gelöscht. Ihre Summen und die Belege der Löschung bleiben.
last-launch-ended = Letzte Aussendung beendet
recipients-none-title = Noch keine Empfänger
recipients-none-text = Laden Sie eine Datei über SFTP nach Incoming und importieren Sie sie dann in diese Kampagne.

## Zahlen.
figure-addresses = Adressen
figure-sent = Versandt
figure-delivered = Zugestellt
figure-opened = Geöffnet
figure-clicked = Geklickt
figure-bounced = Zurückgekommen
figure-unsubscribed = Abgemeldet
figure-complained = Beschwerden
counted = Gezählt
counting-newer = neuere Zahlen werden gezählt
counting-first = Die Zahlen werden gezählt. Sie sind gleich da.
kind-delivered = Zugestellt
kind-opened = Geöffnet
kind-clicked = Geklickt
kind-bounced = Zurückgekommen
funnel-caption = Von den Zeilen Ihrer Dateien zu den Mails, die ankamen
funnel-rows = Zeilen in Dateien
funnel-imported = Importiert
funnel-rejected = abgelehnt: siehe die Zeilen des Imports
funnel-addresses = Adressen, jede einmal
funnel-duplicates = dieselbe Adresse in einer anderen Zeile: eine Mail
funnel-erased = auf Wunsch einer Person gelöscht
funnel-sent = Versandt
funnel-unlaunched = noch nicht ausgesandt
funnel-under-way = unterwegs
funnel-suppressed = gesperrt: früher abgemeldet, beschwert oder zurückgekommen
funnel-refused = vom Mailserver abgelehnt
funnel-failed = konnten nicht erstellt werden
funnel-cancelled = mit ihrer Aussendung abgebrochen
funnel-expired = zu spät: kein Mailserver nahm sie innerhalb eines Tages an
funnel-unknown = unbekannt: die Verbindung brach nach dem Inhalt ab
funnel-delivered = Zugestellt
funnel-bounced = zurückgekommen
funnel-undelivered = zurückgekommen oder noch nicht gemeldet
funnel-assumed = Der Mailserver meldet keine Zustellungen: Was versandt wurde und nicht zurückkam, gilt als zugestellt.
funnel-unbalanced = Diese Zahlen stimmen im Moment nicht überein. Während Zeilen hereinkommen, ist das für Sekunden so; bleibt es dabei, sagen Sie es Ihrem Betreiber.
hours-title = Stunde für Stunde
hours-none = Es kam noch nichts zurück.
links-title = Links
links-none = Es wurde noch keine Version mit Links ausgesandt.
links-url = Link, wie er in der Vorlage steht
links-mails = Mails
links-total = Klicks
links-human = Klicks von Menschen
domains-title = Domains
domains-none = An keine Domain ging bisher eine Mail.
domains-more = Die { $shown } größten von { $all } Domains.
versions-title = Versionen der Vorlage
bounces-title = Warum Mails zurückkamen
bounces-none = Keine kam zurück.
bounces-reason = Grund
bounces-mails = Mails
bounce-hard = Endgültig
bounce-soft = Vorübergehend
bounce-block = Blockiert
bounce-unknown = kein solches Postfach
bounce-disabled = das Postfach ist abgeschaltet
bounce-full = das Postfach ist voll
bounce-large = die Mail ist zu groß
bounce-unreachable = der Server war nicht rechtzeitig erreichbar
bounce-policy = nach den Regeln des Empfängers abgelehnt
bounce-authentication = die Authentifizierung des Absenders wurde nicht anerkannt

## Aussendungen.
launch = Aussenden
launches = Aussendungen
launch-template = Vorlage
launch-begun = Beginn
launch-ended = Ende
launch-title = Diese Kampagne aussenden
launch-people = { $count ->
    [0] Im Moment gibt es niemanden, der eine Mail bekommt: Alle Importierten haben sie schon.
    [one] { $number } Person bekommt eine Mail.
   *[other] { $number } Personen bekommen eine Mail.
}
launch-when = Wann
launch-now = Jetzt
launch-later = Später
launch-at = Um
launch-at-hint = In der Zeitzone { $zone }.
launch-at-wrong = Wählen Sie Tag und Uhrzeit, oder senden Sie jetzt aus.
launch-pace = Über so viele Minuten verteilen
launch-pace-hint = Leer lassen, um sofort zu senden. Höchstens eine Woche: 10080.
launch-pace-wrong = Geben Sie ganze Minuten ein, oder lassen Sie das Feld leer.
launch-paced = über { $minutes } Minuten verteilt
launch-scheduled = Geplant
launch-preparing = Wird vorbereitet
launch-running = Wird versandt
launch-paused = Angehalten
launch-done = Fertig
launch-failed = Fehlgeschlagen
launch-cancelled = Abgebrochen
launch-pause = Anhalten
launch-pause-title = Diese Aussendung anhalten?
launch-pause-text = Innerhalb von Sekunden wird nichts mehr übergeben. Nichts geht verloren, und sie geht dort weiter, wo sie stand, wenn Sie sie fortsetzen.
launch-resume = Fortsetzen
launch-resume-title = Diese Aussendung fortsetzen?
launch-resume-text = Sie geht dort weiter, wo sie stand.
launch-cancel = Aussendung abbrechen
launch-cancel-title = Diese Aussendung endgültig abbrechen?
launch-cancel-text = Wer bis jetzt keine Mail hat, bekommt durch diese Aussendung keine mehr. Eine spätere Aussendung erreicht sie.

## Vorlagen.
template-save = Als neue Version speichern
template-preview = Vorschau
template-files = Diese Vorlage hat Dateien. Die Konsole würde sie verlieren: Ändern Sie sie über die API.
template-from_name = Name des Absenders
template-from_name-hint = Was Menschen sehen: Ihre Organisation.
template-from_address = Adresse des Absenders
template-from_address-hint = Bei einer Domain, die für Ihr Konto bestätigt ist.
template-locale = Sprache der Mail
template-locale-hint = Als Kürzel: de, de-CH, en-GB, fr. Daten und Zahlen werden danach geschrieben.
template-subject = Betreff
template-subject-hint = Felder stehen zwischen doppelten geschweiften Klammern, wie überall.
template-preheader = Vorspann
template-preheader-hint = Was Mailprogramme hinter dem Betreff zeigen. Darf leer sein.
template-html = HTML
template-html-hint = Eine Spalte Ihrer Datei ist ein Feld. Das Feld unsubscribe_url muss darin stehen.
template-text = Text
template-text-hint = Für alle, die kein HTML lesen. Leer: Er wird aus dem HTML gemacht.
preview-masked = Die Zeile eines echten Empfängers, von deren Werten nur die ersten Buchstaben zu sehen sind. Links führen nirgendwohin, und Bilder von anderswo werden nicht geladen.
preview-line = Zeile der Datei
preview-show = Zeigen
preview-frame = Die Mail als HTML

## Testmails.
test-mails-to = An
test-mails-to-hint = Bis zu zehn Adressen, eine je Zeile. Sie zählen nirgends.
test-mails-line = Mit den Feldern dieser Zeile der Datei
test-mails-line-hint = Leer: Jedes Feld zeigt seinen Namen.
test-mails-line-wrong = Geben Sie die Nummer einer Zeile ein, oder lassen Sie das Feld leer.
test-mails-send = Testmails senden
test-mails-sent = Zuletzt gesandt
test-mails-reply = Was der Mailserver sagte
mail-pending = Wartet
mail-spooled = Erstellt
mail-sending = Wird gesandt
mail-deferred = Wird später wieder versucht
mail-sent = Gesandt
mail-refused = Abgelehnt
mail-failed = Konnte nicht erstellt werden
mail-suppressed = Gesperrt
mail-cancelled = Abgebrochen
mail-expired = Zu spät
mail-unknown = Unbekannt

## Importe.
imports-none-title = Noch keine Importe
imports-none-text = Dateien kommen über SFTP herein. Ein Import liest eine davon in diese Kampagne.
importing-file = { $file } wird importiert
import-a-file = Eine Datei importieren
import-no-files = In Incoming ist keine Datei. Laden Sie eine über SFTP hoch; sie steht dann hier.
import-file = Datei
import-profile = Importprofil
import-profile-hint = Wie die Datei gelesen wird: Trennzeichen, Zeichensatz, Spalten.
import-profile-usual = Ihr übliches
import-then = Und danach
import-launch = Aussenden, sobald importiert ist
import-begin = Import beginnen
import-read = Gelesen
import-rows = Zeilen
import-imported = Importiert
import-duplicates = Doppelt
import-rejected = Abgelehnt
import-size = Größe
import-charset = Zeichensatz
import-delimiter = Trennzeichen
import-ended = Ende
import-waiting = Wartet
import-running = Wird gelesen
import-published = Wird abgeschlossen
import-refusing = Wird abgelehnt
import-finished = Importiert
import-refused = Abgelehnt
rejected-title = Zeilen, die abgelehnt wurden
rejected-line = Zeile
rejected-column = Spalte
rejected-reason = Warum
rejected-file = Die Datei
rejected-more = Das sind die ersten. Der Bericht neben der Datei, in Invalids, enthält alle.
