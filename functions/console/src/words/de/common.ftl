# Die ganze Konsole.
console-name = Broadcast
skip-to-content = Zum Inhalt springen

## Um jede Seite herum.
sections = Bereiche
section-campaigns = Kampagnen
section-imports = Importe
section-profiles = Importprofile
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
refused-title = Das ist nicht möglich
form-unreadable-title = Das Formular war nicht lesbar
form-unreadable-text = Es wurde nichts geändert. Gehen Sie zurück, laden Sie die Seite neu und versuchen Sie es noch einmal.
unavailable-title = Im Moment nicht möglich
unavailable-text = Bei uns ist etwas fehlgeschlagen. Von dem, was Sie eingegeben haben, wurde nichts geändert. Bitte versuchen Sie es in einer Minute noch einmal.
forbidden-title = Nicht mit Ihrer Rolle
forbidden-text = Ihre Rolle umfasst das nicht. Ein Administrator Ihrer Organisation kann das ändern.
form-refused-title = Dieses Formular ist zu alt
form-refused-text = Es gehört zu einer anderen Sitzung oder zu keiner mehr. Es wurde nichts geändert. Bitte gehen Sie zurück, laden Sie die Seite neu und senden Sie das Formular noch einmal.
too-large-title = Das ist zu viel
too-large-text = Das Formular ist größer als ein Megabyte. Es wurde nichts geändert.

## Wörter vieler Seiten.
state = Stand
created = Angelegt
actions = Was getan werden kann
search = Suchen
version = Version
campaign = Kampagne
domain = Domain
role-may-not = Ihre Rolle darf dies ansehen, aber nicht ausführen.
