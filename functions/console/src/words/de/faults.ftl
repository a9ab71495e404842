# Was nicht stimmt: der Katalog von shared/fault, dessen Worte die englischen sind. Jeder Text hat genau dessen Lücken.

## Teile einer Vorlage, in den Texten unten.
part =
    { $part ->
        [html] HTML-Teil
        [text] Textteil
        [subject] Betreff
       *[preheader] Vorspann
    }

## Zeilen eines Imports.
address_missing = In der Spalte „{ $column }“ dieser Zeile steht keine E-Mail-Adresse.
address_no_at = Die E-Mail-Adresse hat kein @-Zeichen oder mehr als eines.
address_local_part = Der Teil vor dem @-Zeichen ist nicht gültig.
address_domain = Der Teil nach dem @-Zeichen ist keine gültige Domain.
address_domain_no_mail = Unter der Domain der Adresse empfängt niemand Mails: Es gibt sie nicht, oder sie nimmt keine an.
address_too_long = Die E-Mail-Adresse ist länger als 254 Bytes oder ihr Teil vor dem @-Zeichen länger als 64.
row_ragged =
    { $found ->
        [one] Die Zeile hat nur ein Feld, die Kopfzeile { $expected }.
       *[other] Die Zeile hat { $found } Felder, die Kopfzeile { $expected }.
    }
row_encoding = Die Zeile hat Bytes, die es im Zeichensatz { $charset } nicht gibt. Hat die Datei einen anderen, nennen Sie ihn als „charset“ im Importprofil oder in „overrides“ der Steuerdatei.
row_nul = Die Zeile enthält ein NUL-Byte.
field_too_long = Ein Feld ist länger als { $max } Bytes.
row_too_long = Die Zeile ist länger als { $max } Bytes.
rows_counted = Die Datei hat { $rows } Zeilen: { $imported } wurden importiert, { $rejected } abgelehnt.

## Ganze Dateien.
file_missing = Die Datei „{ $file }“ ist nicht in Incoming. Laden Sie zuerst sie hoch und dann die Steuerdatei.
file_changed = Die Datei wurde überschrieben, während sie importiert wurde; von der alten wurde nichts importiert. Die neue wird importiert, sobald eine Steuerdatei daneben steht: Senden Sie diese noch einmal, falls sie fehlt.
file_empty = Die Datei hat keine Zeilen, die importiert werden könnten.
file_size = Die Datei hat { $found } Bytes; angekündigt waren { $expected }.
file_digest = Die SHA-256-Prüfsumme der Datei ist nicht die angekündigte.
file_header = Die Kopfzeile hat keine Spalte „{ $column }“. Diese muss die E-Mail-Adresse enthalten, oder das Importprofil muss eine andere nennen.
file_columns = Die Kopfzeile hat { $found } Spalten; höchstens { $max } sind möglich.
file_too_many_bad_rows = { $rejected } von { $rows } Zeilen wurden abgelehnt; das Importprofil erlaubt { $max_percent } %. Es wurde nichts importiert.
file_quote = In der Zeile { $line } beginnt ein Anführungszeichen, das nirgends endet. Es wurde nichts importiert.
file_charset = Das Importprofil nennt den Zeichensatz „{ $charset }“, den es nicht gibt.
file_charset_unclear = Der Zeichensatz der Datei ist nicht eindeutig: { $charset } nach ihren ersten Zeilen, UTF-8 nach späteren. Nennen Sie ihn als „charset“ im Importprofil oder in „overrides“ der Steuerdatei. Es wurde nichts importiert.
file_delimiter = Das Trennzeichen, das im Importprofil oder in der Zeile „sep=“ der Datei steht, muss ein Tabulator, ein Komma, ein Semikolon oder ein senkrechter Strich sein.
file_not_encrypted = Die Datei ist nicht mit PGP verschlüsselt, und das Importprofil verlangt es.
file_form = Die Datei ist { $form } und keine Tabelle als Text. Speichern Sie sie als CSV (UTF-8) und laden Sie das hoch.
file_packing = Die Datei ist gepackt ({ $form }), und zwar so, dass sie nicht gelesen wird. Laden Sie die CSV-Datei selbst hoch, oder packen Sie sie allein mit gzip oder zip.
file_packed_files = Das zip-Archiv enthält { $found }. Es darf nur eine einzige Datei enthalten: die CSV-Datei.
file_packed_damaged = Die gepackte Datei ist beschädigt oder unvollständig. Packen Sie sie neu und laden Sie sie noch einmal hoch. Es wurde nichts importiert.
file_packed_password = Das zip-Archiv hat ein Passwort. Packen Sie die Datei ohne Passwort, und verschlüsseln Sie sie stattdessen mit PGP für Ihren Broadcast-Schlüssel.
file_packed_method = Das zip-Archiv ist mit einem Verfahren gepackt, das nicht gelesen wird. Packen Sie die Datei mit gzip oder mit zip und dessen üblichem Verfahren (Deflate).
file_packed_twice = Die Datei ist mehrfach gepackt oder verschlüsselt. Packen Sie sie einmal und verschlüsseln Sie sie höchstens einmal.
file_expansion = Entpackt wird die Datei mehr als { $max }-mal so groß; das ist bei keiner Tabelle mit Empfängern so. Laden Sie sie ungepackt hoch. Es wurde nichts importiert.
file_too_large = Die Datei hat { $size }; auf einmal importiert wird { $kind } bis { $max }. Teilen Sie sie nach Zeilen in mindestens { $parts } Dateien, jede mit der Kopfzeile, und importieren Sie eine nach der anderen in dieselbe Kampagne. Es wurde nichts importiert.
file_text_too_large = Entpackt hat die Datei mehr als { $max }. Teilen Sie sie nach Zeilen in mehrere Dateien, jede mit der Kopfzeile, und importieren Sie eine nach der anderen in dieselbe Kampagne. Es wurde nichts importiert.
file_again = Diese Kampagne hat dieselbe Liste schon, durch den Import { $import } einer Datei mit genau diesem Inhalt. Ist sie noch einmal gemeint, geben Sie "again": true in der Steuerdatei oder im Aufruf an. Es wurde nichts importiert.
report_key = Die Datei hat Zeilen, die abzulehnen sind, und der Bericht darüber lässt sich nicht verschlüsseln: Keiner der Schlüssel, die für Ihre Exporte hinterlegt sind, ist brauchbar. Lassen Sie einen hinterlegen und senden Sie die Steuerdatei noch einmal. Es wurde nichts importiert.
import_broken = Der Import brach { $times }-mal vor seinem Ende ab, ohne dass ein Fehler der Datei bekannt ist, und wurde aufgegeben. Es wurde nichts importiert. Der Betreiber weiß davon. Die Datei steht in Invalids: Laden Sie sie in kleineren Teilen hoch.
domains_unchecked = Die Nameserver antworteten nicht, wie sie sollten: Die Domains von { $rows } Zeilen wurden nicht geprüft, und diese Zeilen sind importiert.
pgp_not_for_us = Die Datei ist nicht für Ihren Broadcast-Schlüssel verschlüsselt. Laden Sie den Schlüssel noch einmal herunter und verschlüsseln Sie für ihn.
pgp_damaged = Die verschlüsselte Datei ist beschädigt oder unvollständig, oder ihr fehlt der Schutz der Integrität. Verschlüsseln Sie sie neu und laden Sie sie noch einmal hoch.
pgp_form = Die Datei ist in einer Form verschlüsselt, die nur GnuPG kennt (Paket 20, OCB). Verschlüsseln Sie sie für Ihren Broadcast-Schlüssel ohne die Option force-ocb; sehen Sie auch in gpg.conf nach.
pgp_signature = Die Datei ist mit keinem Schlüssel signiert, der für Sie hinterlegt ist, oder die Signatur ist nicht gültig.

## Steuerdatei und Aufruf eines Imports.
control_malformed = Die Steuerdatei ist kein gültiger Aufruf eines Imports: { $problem }.
control_name = Der Dateiname nennt keine Kampagne (EXTERNALID-CAMPAIGN-PROFILE-YYYYMMDDhhmmss.csv), und die Steuerdatei ist leer.
campaign_unknown = Es gibt keine Kampagne „{ $campaign }“.
profile_unknown = Es gibt kein Importprofil „{ $profile }“.
campaign_exists = Es gibt schon eine Kampagne „{ $campaign }“.
campaign_ended = Die Lebenszeit der Kampagne ist vorbei: Ihre Daten sind gelöscht.

## Vorlagen und Aussendungen.
template_missing = Die Kampagne hat noch keine Vorlage.
template_syntax = Der { part } der Vorlage ist in Zeile { $line } nicht gültig: { $problem }.
template_field = Der { part } der Vorlage verwendet in Zeile { $line } das Feld „{ $field }“, das der Import nicht hat.
template_field_blank = Der { part } der Vorlage braucht in Zeile { $line } das Feld „{ $field }“, das manchmal leer ist: in { $rows } Zeilen der Datei, zuerst in Zeile { $row }.
template_unsubscribe = Dem { part } der Vorlage fehlt der Link zum Abmelden: Setzen Sie {"{{"} unsubscribe_url {"}}"} hinein.
template_link = Der Link in Zeile { $line } der Vorlage ist nicht erlaubt: { $problem }.
template_file = Die Datei „{ $file }“ der Vorlage ist nicht möglich: { $problem }.
template_render = Für diesen Empfänger lässt sich aus der Vorlage keine Mail erstellen: { $problem }.
sender_domain = Die Domain „{ $domain }“ des Absenders ist nicht für Sie bestätigt.
launch_nothing = Die Kampagne hat keine importierten Empfänger.
launch_state = Die Aussendung ist { $state ->
        [scheduled] geplant
        [preparing] in Vorbereitung
        [running] im Versand
        [paused] angehalten
        [done] fertig
        [failed] fehlgeschlagen
       *[cancelled] abgebrochen
    }: Sie kann nicht mehr { $wanted ->
        [paused] angehalten
        [resumed] fortgesetzt
       *[cancelled] abgebrochen
    } werden.
launch_restored = Das System ging auf einen früheren Stand seiner Daten zurück. Mails, die seither hinausgegangen sein können, zählen als unbekannt, und keine andere geht hinaus. Setzen Sie die Aussendung fort, oder brechen Sie sie ab.
launch_lost = Das System ging auf einen Stand zurück, an dem diese Aussendung noch nicht begonnen hatte. Wer seither eine Mail bekam, ist nicht mehr bekannt; darum wurde sie abgebrochen.
launch_late = Die Aussendung war für { $at } vorgesehen und konnte nicht rechtzeitig beginnen. Es ging keine Mail hinaus. Setzen Sie sie fort, um sie jetzt zu beginnen, oder brechen Sie sie ab.
launch_after_end = Die Daten der Kampagne werden spätestens gelöscht: { $at }. Eine Aussendung muss davor beginnen.
test_mails_max = Eine Kampagne hat in einer Stunde höchstens { $max } Testmails, und in der letzten waren es { $found }.

## Die API.
key_missing = Der Anfrage fehlt der API-Schlüssel. Senden Sie ihn als "Authorization: Bearer ...".
key_invalid = Der API-Schlüssel ist nicht gültig.
key_expired = Der API-Schlüssel ist abgelaufen.
key_network = Der API-Schlüssel darf von dieser Adresse aus nicht verwendet werden.
scope_missing = Dem API-Schlüssel fehlt die Berechtigung „{ $scope }“, die dafür nötig ist.
scope_own = Ein Schlüssel kann keine Berechtigung geben, die er selbst nicht hat: „{ $scope }“.
tenant_suspended = Das Konto ist gesperrt.
rate_limited = Der Schlüssel hat seine { $limit } Anfragen dieser Minute verbraucht. Die nächsten sind in { $seconds } Sekunden möglich.
not_found = Das gibt es nicht, oder es gehört nicht Ihnen.
method_unknown = Unter diesem Pfad gibt es die Methode nicht. Der Header Allow nennt die möglichen.
media_type = Der Inhalt der Anfrage muss { $expected } sein, und ihr Content-Type muss es sagen.
body_malformed = Die Anfrage ist nicht gültig: { $problem }.
body_too_large = Der Inhalt der Anfrage ist größer als { $max }.
query_malformed = Die Parameter in der URL der Anfrage sind nicht gültig: { $problem }.
header_malformed = Der Header { $header } der Anfrage ist nicht gültig: { $problem }.
field_invalid = Das Feld „{ $field }“ ist nicht gültig: { $problem }.
version_changed =
    { $version ->
        [none] Inzwischen wurde es gelöscht. Laden Sie die Seite neu.
       *[other] Inzwischen hat es jemand geändert: Es ist jetzt Version { $version }. Laden Sie die Seite neu und ändern Sie diese.
    }
idempotency_reused = Der Idempotency-Key wurde in den letzten 24 Stunden für eine andere Anfrage verwendet. Nehmen Sie für eine neue Anfrage einen neuen.
campaign_busy = Die Kampagne hat { $what ->
        [imports] Importe
       *[launches] Aussendungen
    }, die noch nicht am Ende sind. Warten Sie darauf, oder brechen Sie sie ab, bevor Sie die Kampagne löschen.
campaign_held = Für die Kampagne gilt eine rechtliche Aufbewahrung: Ihr Betreiber behält sie, und niemand kann sie löschen, bis das endet.
profile_in_use = Importe, die noch nicht am Ende sind, verwenden das Importprofil „{ $profile }“.
row_missing = Der Import hat keinen Empfänger in Zeile { $line }.
report_missing = Zu diesem Import gibt es keinen Bericht über abgelehnte Zeilen oder keinen mehr.
report_encrypted = Der Bericht über die abgelehnten Zeilen ist für Ihre Schlüssel verschlüsselt. Holen Sie „{ $file }“ aus Invalids und entschlüsseln Sie ihn.
keys_max = Das Konto hat schon { $max } API-Schlüssel. Löschen Sie einen, den niemand braucht.
login_keys_max = Das Konto hat schon { $max } dieser Schlüssel. Entfernen Sie einen, den niemand braucht.
key_replaced = Der API-Schlüssel wurde schon ersetzt, oder er läuft ab.
webhook_url = Die URL des Webhooks ist nicht möglich: { $problem }.
webhooks_max = Das Konto hat schon { $max } Webhooks. Löschen Sie einen, den niemand braucht.
unavailable = Das ist im Moment nicht möglich. Versuchen Sie es in einigen Sekunden noch einmal.

## Schlüssel.
pgp_key = Das ist kein brauchbarer öffentlicher OpenPGP-Schlüssel: { $problem }.
ssh_key_malformed = Das ist kein öffentlicher OpenSSH-Schlüssel (eine einzige Zeile, wie in id_ed25519.pub).
ssh_key_weak = Der SSH-Schlüssel ist zu schwach: Nehmen Sie ed25519, ECDSA oder RSA mit mindestens 3072 Bit.
