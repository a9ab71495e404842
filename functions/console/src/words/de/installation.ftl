## Mandanten.
tenant = Mandant
tenant-name = Name
tenant-people = Personen
tenant-second-factor = Zweiter Faktor
tenant-swept = Zuletzt aufgeräumt
tenant-exported = Letzter Export
tenant-active = Aktiv
tenant-suspended = Gesperrt
tenant-deleting = Wird gelöscht
tenant-ending = Wird gelöscht
on = an
off = aus

## Warteschlangen.
queue = Warteschlange
queue-waiting = Wartend
queue-in-work = In Arbeit
queue-dead = Tote Nachrichten
queue-well = In Ordnung
queue-has-dead = Hat tote Nachrichten
letters = Tote Nachrichten
letter-what = Worum es geht
letter-sent = Eingestellt
letters-none-title = Keine toten Nachrichten
letters-none-text = Eine Nachricht, die immer wieder fehlschlägt, endet hier und wartet, bis jemand nachsieht, warum.
letters-some = SQS zeigt bei jedem Blick einige davon, höchstens zehn.
redrive = Zurückschicken
redrive-title = Alle toten Nachrichten in ihre Warteschlange zurückschicken?
redrive-text = Jede wird noch einmal versucht, als wäre sie gerade gekommen. Finden Sie zuerst heraus, warum sie fehlschlugen (das Protokoll der Funktion sagt es), und lassen Sie das beheben: Was wieder fehlschlägt, kommt hierher zurück.

## Lebenszyklen.
drift-text = S3 löscht nach eigenen Regeln, was Funktionen nicht gelöscht haben. Jemand hat die Regeln dieser Buckets geändert; das Aufräumen hat es gefunden und behoben.
drift-at = Gefunden und behoben
drift-bucket = Bucket
drift-of-all = aller Mandanten
drift-none-title = Nichts ist abgewichen
drift-none-text = Die Regeln aller Buckets sind, wie die Einstellungen es verlangen. Alle fünf Minuten wird nachgesehen.

## Fehler von Funktionen.
errors-text = Was Funktionen in den letzten 24 Stunden als Fehler protokolliert haben, das Neueste zuerst. Jede Nachricht, die endgültig fehlschlug, ist außerdem eine tote Nachricht. Protokolle nennen Mandanten und Kampagnen mit Nummern und niemanden mit Adresse.
errors-function = Funktion
errors-at = Wann
errors-what = Was geschah
errors-ids = Worum es ging
errors-none-title = Keine Fehler
errors-none-text = Keine Funktion hat in den letzten 24 Stunden einen Fehler protokolliert.
errors-more = Es gibt mehr: CloudWatch hat sie alle.
