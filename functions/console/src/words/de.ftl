# Die ganze Konsole.
console-name = Broadcast
skip-to-content = Zum Inhalt springen

## Fehler.
not-found-title = Diese Seite gibt es nicht
not-found-text = Die Adresse ist vielleicht falsch geschrieben, oder was sie zeigte, ist gelöscht.
unavailable-title = Im Moment nicht möglich
unavailable-text = Bei uns ist etwas fehlgeschlagen. Von dem, was Sie eingegeben haben, wurde nichts geändert. Bitte versuchen Sie es in einer Minute noch einmal.
